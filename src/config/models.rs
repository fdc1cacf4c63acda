//! `[models.NAME]`: language models that playbooks name.

use super::ModelConfig;
use super::read::{Env, kind};
use super::secret::{named_secrets, secret};
use crate::domain::{Value, parse_money};
use crate::fault::table::Table;
use crate::model::open::{ServerOptions, Wire, check_url, is_exposed};
use crate::model::{Prices, check_family, family_of};
use secrecy::SecretString;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// The keys that only models have: a script's, and those of a model behind a server from its name on.
pub(super) const OWN_KEYS: &[&str] = &[
    "script",
    "model",
    "family",
    "headers",
    "query",
    "proxy",
    "request_time",
    "idle_time",
    "tokens_max",
    "context",
    "extra",
    "price",
    "cache",
    "stream",
];

/// The keys of a model behind a server.
fn server_keys() -> impl Iterator<Item = &'static str> {
    ["model", "url", "key"].into_iter().chain(OWN_KEYS.iter().skip(2).copied())
}

/// Members of requests that people look for among the keys.
const REQUEST_KEYS: &[&str] = &[
    "temperature",
    "top_p",
    "top_k",
    "effort",
    "reasoning_effort",
    "reasoning",
    "thinking",
    "seed",
    "stop",
];

/// The models, and the families of those of which it is known.
pub(super) fn models(
    table: &Table<'_, '_>,
    folder: &Path,
    env: Env<'_>,
    currency: &str,
) -> (BTreeMap<String, ModelConfig>, BTreeMap<String, String>) {
    let (mut models, mut families) = (BTreeMap::new(), BTreeMap::new());
    for (name, table) in table.named() {
        if !table.has("kind") {
            let fault = table.own_fault("`kind` is missing");
            table.add(fault.with_help("write `kind = \"openai\"`, \"anthropic\" or \"scripted\""));
        }
        let model = match kind(&table, &["openai", "anthropic", "scripted"]) {
            Some("openai") => server(&table, Wire::Completions, folder, env, currency),
            Some("anthropic") => server(&table, Wire::Messages, folder, env, currency),
            Some(_) => scripted(&table, folder),
            None => {
                table.mention("script");
                for key in server_keys() {
                    table.mention(key);
                }
                None
            }
        };
        let stated = table.parsed("family", check_family);
        let told = match &model {
            Some(ModelConfig::Server { options, .. }) => family_of(&options.model),
            _ => None,
        };
        families.extend(stated.or(told).map(|family| (name.clone(), family)));
        table.finish(|name| {
            if REQUEST_KEYS.contains(&name) {
                return Some("this is a member of requests: write it under `extra`".to_owned());
            }
            super::schema::elsewhere(name)
        });
        models.extend(model.map(|model| (name, model)));
    }
    (models, families)
}

fn scripted(table: &Table<'_, '_>, folder: &Path) -> Option<ModelConfig> {
    let script = table.needed_if_written("script");
    if script.is_none() && !table.has("script") {
        table.add(table.own_fault("`script` is missing for kind = \"scripted\""));
    }
    for key in server_keys() {
        if table.has(key) {
            let message = format!("`{key}` is for a model of a server only");
            table.add(table.secret_fault(key, message));
        }
        table.mention(key);
    }
    Some(ModelConfig::Scripted { script: folder.join(script?) })
}

fn server(
    table: &Table<'_, '_>,
    wire: Wire,
    folder: &Path,
    env: Env<'_>,
    currency: &str,
) -> Option<ModelConfig> {
    if table.has("script") {
        table.add(table.fault("script", "`script` is for kind = \"scripted\" only"));
    }
    table.mention("script");
    let model = table.needed_text("model");
    let url = table.parsed("url", |text| check_url(text).map(|()| text.to_owned()));
    let mut options = ServerOptions::new(model.clone().unwrap_or_default(), url);
    table.mention("key");
    options.key = table.has("key").then(|| secret(table, "key", folder, env)).flatten();
    options.headers = named_secrets(&table.table("headers"), folder, env);
    options.query = named_secrets(&table.table("query"), folder, env);
    options.proxy = proxy(table, folder, env);
    let (second, hour) = (Duration::from_secs(1), Duration::from_hours(1));
    let time = |key, base| table.duration(key, second..=hour).unwrap_or(base);
    options.request_time = time("request_time", options.request_time);
    options.idle_time = time("idle_time", options.idle_time.min(options.request_time));
    let count =
        |key, least| table.int(key, least..=100_000_000).and_then(|n| u64::try_from(n).ok());
    options.tokens_max = count("tokens_max", 1).unwrap_or(options.tokens_max);
    options.context = count("context", 2_048);
    options.extra = extra(table, wire);
    options.price = price(&table.table("price"), wire, currency);
    options.cache = table.truth("cache").unwrap_or(true);
    options.stream = table.truth("stream").unwrap_or(true);
    let is_secret = options.key.is_some() || !options.headers.is_empty();
    if is_secret && options.url.as_deref().is_some_and(is_exposed) {
        let message = "what is sent there, the key too, can be read on the way";
        table.add(table.fault("url", message).with_help("use https").as_warning());
    }
    model.is_some().then(|| ModelConfig::Server { wire, options: Box::new(options) })
}

/// The proxy: an address, or a secret where it holds a password.
fn proxy(table: &Table<'_, '_>, folder: &Path, env: Env<'_>) -> Option<SecretString> {
    if !table.has("proxy") {
        table.mention("proxy");
        return None;
    }
    let text = if table.is_table("proxy") { None } else { table.secret_text("proxy") };
    match text {
        Some(text) if !text.contains("${") => {
            if let Err(expected) = check_url(&text) {
                let help = "write `proxy = { env = \"NAME\" }` where it needs a password";
                let fault = table.secret_fault("proxy", format!("`proxy`: {expected}"));
                table.add(fault.with_help(help));
            }
            Some(SecretString::from(text))
        }
        Some(_) => secret(table, "proxy", folder, env),
        None if table.is_table("proxy") => secret(table, "proxy", folder, env),
        None => None,
    }
}

/// Further members of each request; what we write ourselves cannot be among them.
fn extra(table: &Table<'_, '_>, wire: Wire) -> Value {
    if !table.has("extra") {
        table.mention("extra");
        return Value::Null;
    }
    if !table.is_table("extra") {
        table.mention("extra");
        table.add(table.secret_fault("extra", "`extra` must be a table"));
        return Value::Null;
    }
    let extra = table.value("extra").unwrap_or(Value::Null);
    for key in wire.reserved() {
        if extra.get(key).is_some() {
            let message = format!("`extra.{key}` is written by us");
            let fault = table.secret_fault("extra", message);
            table.add(match *key {
                "max_tokens" => fault.with_help("write `tokens_max = …` beside `extra`"),
                _ => fault,
            });
        }
    }
    extra
}

/// Prices for a million tokens.
fn price(table: &Table<'_, '_>, wire: Wire, currency: &str) -> Option<Prices> {
    let money = |key: &'static str, is_needed: bool| {
        if table.is_present() && is_needed && !table.has(key) {
            table.add(table.own_fault(format!("`{key}` is missing in [{}]", table.path())));
        }
        table.parsed(key, |text| parse_money(text, currency))
    };
    let (input, output) = (money("input", true), money("output", true));
    let (cached, written) = (money("cached", false), money("cache_write", false));
    table.finish(super::schema::elsewhere);
    let (input, output) = (input?, output?);
    // Anthropic charges a quarter more for what it keeps.
    let dearer = if wire == Wire::Messages { input.saturating_add(input / 4) } else { input };
    Some(Prices {
        input,
        cached: cached.unwrap_or(input),
        cache_write: written.unwrap_or(dearer),
        output,
    })
}
