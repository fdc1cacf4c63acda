//! `[upstream.NAME]`: other MCP servers whose tools playbooks may list.

use super::read::Env;
use super::secret::secret;
use crate::fault::table::Table;
use crate::upstream::is_server_name;
use secrecy::SecretString;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// The longest that a call may be given.
const CALL_TIME_MAX: Duration = Duration::from_hours(1);

/// `[upstream.NAME]`.
#[derive(Clone, Debug)]
pub struct UpstreamConfig {
    /// How it is reached.
    pub way: UpstreamWay,
    /// How long a call may take.
    pub call_time: Duration,
}

/// How a server is reached.
#[derive(Clone, Debug)]
pub enum UpstreamWay {
    /// A program that speaks MCP at its standard input and output.
    Command {
        /// The program and its arguments.
        command: Vec<String>,
        /// The variables of our environment that it gets besides the basic ones, with their values.
        env: BTreeMap<String, SecretString>,
    },
    /// A server that speaks streamable HTTP.
    Url {
        /// Its address.
        url: String,
        /// Who we are there.
        token: Option<SecretString>,
    },
}

pub(super) fn upstreams(
    table: &Table<'_, '_>,
    folder: &Path,
    env: Env<'_>,
) -> BTreeMap<String, UpstreamConfig> {
    let mut out = BTreeMap::new();
    for (name, table) in table.named() {
        if !is_server_name(&name) {
            let message = "a server's name has small letters, digits and -, at most 16";
            table.add(table.own_fault(message));
        }
        let second = Duration::from_secs(1);
        let call_time = table.duration("call_time", second..=CALL_TIME_MAX);
        let command = table.texts("command", false);
        let url = table.parsed("url", address);
        let way = match (command, url) {
            (Some(command), None) if !table.has("url") => {
                if table.has("token") {
                    table.add(table.secret_fault("token", "`token` is for url only; see `env`"));
                    table.mention("token");
                }
                Some(program(&table, command, env))
            }
            (None, Some(url)) if !table.has("command") => {
                let token = table.has("token").then(|| secret(&table, "token", folder, env));
                if table.has("env") {
                    table.add(table.fault("env", "`env` is for command only; see `token`"));
                    table.mention("env");
                }
                Some(UpstreamWay::Url { url, token: token.flatten() })
            }
            _ => {
                let is_half = table.has("command") != table.has("url");
                if !is_half {
                    let fault = table.own_fault("write `command` or `url`, one of them");
                    table.add(fault.with_help("such as command = [\"calendar-mcp\"]"));
                }
                table.mention("token");
                table.mention("env");
                None
            }
        };
        table.finish(super::schema::elsewhere);
        let call_time = call_time.unwrap_or(Duration::from_secs(30));
        out.extend(way.map(|way| (name, UpstreamConfig { way, call_time })));
    }
    out
}

fn program(table: &Table<'_, '_>, command: Vec<String>, env: Env<'_>) -> UpstreamWay {
    if command.first().is_none_or(|program| program.trim().is_empty()) {
        table.add(table.fault("command", "`command` names no program"));
    }
    // By their names only: what they hold stands in no file.
    let names = table.items("env", false, |name| {
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty() || name.len() > 128 || !name.chars().all(fits) {
            return Err("expected the name of an environment variable".to_owned());
        }
        let value = env(name).ok_or_else(|| "this environment variable is not set".to_owned())?;
        Ok((name.to_owned(), SecretString::from(value)))
    });
    let env = names.unwrap_or_default().into_iter().collect();
    UpstreamWay::Command { command, env }
}

fn address(text: &str) -> Result<String, String> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    match rest {
        Some(rest) if !rest.is_empty() && !rest.starts_with('/') && !text.contains('@') => {
            Ok(text.to_owned())
        }
        _ => Err("expected an address that begins with https:// or http://, without a password"
            .to_owned()),
    }
}
