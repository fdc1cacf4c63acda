//! `[notify]`, where people are told, and `[slack]`, how they answer there.

use super::read::Env;
use super::schema::elsewhere;
use super::secret::secret;
use super::{Config, SlackApp};
use crate::fault::shown;
use crate::fault::table::{Table, Written};
use crate::notify::{
    EmailOptions, EmailTls, READERS_MAX, Slack, SlackWay, WebhookFormat, WebhookOptions,
};
use secrecy::ExposeSecret as _;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A delivery takes no longer.
const TIME_LIMIT: Duration = Duration::from_secs(30);
/// At most so many people are mapped.
const PEOPLE_MAX: usize = 1_000;

/// What the two tables say.
pub(super) struct Channels {
    pub(super) slack: BTreeMap<String, SlackWay>,
    pub(super) files: BTreeMap<String, PathBuf>,
    pub(super) webhooks: BTreeMap<String, WebhookOptions>,
    pub(super) emails: BTreeMap<String, EmailOptions>,
    pub(super) app: SlackApp,
}

pub(super) fn channels(root: &Table<'_, '_>, folder: &Path, env: Env<'_>) -> Channels {
    let notify = root.table("notify");
    let slack_table = notify.table("slack");
    let files_table = notify.table("file");
    let webhooks_table = notify.table("webhook");
    let emails_table = notify.table("email");
    let webhooks = webhooks(&webhooks_table, folder, env);
    let emails = emails(&emails_table, folder, env);
    let slack = slacks(&slack_table, folder, env);
    let files = files(&files_table, folder);
    notify.finish(elsewhere);
    let app = app(&root.table("slack"), &slack, folder, env);
    Channels { slack, files, webhooks, emails, app }
}

impl Channels {
    /// Into the configuration.
    pub(super) fn onto(self, config: Config) -> Config {
        let Self { slack, files, webhooks, emails, app } = self;
        Config { slack, files, webhooks, emails, slack_app: app, ..config }
    }
}

fn slacks(table: &Table<'_, '_>, folder: &Path, env: Env<'_>) -> BTreeMap<String, SlackWay> {
    let mut out = BTreeMap::new();
    for (name, table) in table.named() {
        let way = slack(&table, folder, env);
        table.finish(elsewhere);
        out.extend(way.map(|way| (name, way)));
    }
    out
}

/// One of the two ways to Slack.
fn slack(table: &Table<'_, '_>, folder: &Path, env: Env<'_>) -> Option<SlackWay> {
    if !table.has("token") {
        for key in ["channel", "api"] {
            if table.has(key) {
                table.add(table.fault(key, format!("`{key}` is for the Web API, with `token`")));
            }
            table.mention(key);
        }
        let webhook = secret(table, "webhook", folder, env)?;
        https(table, "webhook", webhook.expose_secret());
        return Some(SlackWay::Webhook(webhook));
    }
    if table.has("webhook") {
        let message = "write `webhook` or `token`, not both";
        table.add(table.secret_fault("webhook", message));
        table.mention("webhook");
    }
    let token = secret(table, "token", folder, env);
    if let Some(token) = &token
        && !token.expose_secret().starts_with("xox")
    {
        let message = "the secret of `token` is no bot token, which begins with xoxb-";
        table.add(table.secret_fault("token", message));
    }
    let channel = table.parsed("channel", |text| {
        let fits = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
        let is_id = text.starts_with(['C', 'G', 'D']) && text.len() > 2 && text.bytes().all(fits);
        is_id.then(|| text.to_owned()).ok_or_else(|| {
            "expected a conversation's id such as C012AB3CD (at the end of its details)".to_owned()
        })
    });
    if !table.has("channel") {
        table.add(table.own_fault(format!("`channel` is missing in [{}]", table.path())));
    }
    let api = table.needed_if_written("api").unwrap_or_else(|| Slack::BASE.to_owned());
    https(table, "api", &api);
    Some(SlackWay::WebApi { api, token: token?, channel: channel? })
}

/// Plain HTTP is for a server on this machine, in tests.
fn https(table: &Table<'_, '_>, key: &'static str, address: &str) {
    let local = ["http://127.0.0.1:", "http://localhost:", "http://[::1]:"];
    if !address.starts_with("https://") && !local.iter().any(|start| address.starts_with(start)) {
        let message = format!("the secret of `{key}` is no https:// address");
        table.add(table.secret_fault(key, message));
    }
}

fn files(table: &Table<'_, '_>, folder: &Path) -> BTreeMap<String, PathBuf> {
    let mut out = BTreeMap::new();
    for (name, table) in table.named() {
        let path = table.needed_text("path").map(|text| folder.join(text));
        table.finish(elsewhere);
        out.extend(path.map(|path| (name, path)));
    }
    out
}

fn webhooks(
    table: &Table<'_, '_>,
    folder: &Path,
    env: Env<'_>,
) -> BTreeMap<String, WebhookOptions> {
    let mut out = BTreeMap::new();
    for (name, table) in table.named() {
        let url = secret(&table, "url", folder, env);
        if let Some(url) = &url {
            https(&table, "url", url.expose_secret());
        }
        let format = table.choice("format", &WebhookFormat::ALL);
        if !table.has("format") {
            table.add(table.own_fault(format!("`format` is missing in [{}]", table.path())));
        }
        table.finish(elsewhere);
        if let (Some(url), Some(format)) = (url, format) {
            out.insert(name, WebhookOptions { url, format, time_limit: TIME_LIMIT });
        }
    }
    out
}

fn emails(table: &Table<'_, '_>, folder: &Path, env: Env<'_>) -> BTreeMap<String, EmailOptions> {
    let mut out = BTreeMap::new();
    for (name, table) in table.named() {
        let email = email(&table, folder, env);
        table.finish(elsewhere);
        out.extend(email.map(|email| (name, email)));
    }
    out
}

fn email(table: &Table<'_, '_>, folder: &Path, env: Env<'_>) -> Option<EmailOptions> {
    let server = table.needed_text("server");
    let port = table.int("port", 1..=65_535).and_then(|port| u16::try_from(port).ok());
    let ways = [("starttls", EmailTls::StartTls), ("tls", EmailTls::Tls), ("none", EmailTls::None)];
    let tls = table.choice("tls", &ways).unwrap_or(EmailTls::StartTls);
    let local = ["localhost", "127.0.0.1", "::1"];
    let is_far = server.as_deref().is_some_and(|server| !local.contains(&server));
    if tls == EmailTls::None && is_far {
        let message = "`tls = \"none\"` is for a server on this machine only";
        table.add(table.fault("tls", message));
    }
    let user = table.needed_if_written("user");
    let password = table.has("password").then(|| secret(table, "password", folder, env)).flatten();
    if user.is_some() != table.has("password") {
        let message = "`user` and `password` belong together";
        table.add(table.own_fault(message));
    }
    let from = table.needed_text("from");
    let to = table.texts("to", true).unwrap_or_default();
    if to.is_empty() || to.len() > READERS_MAX {
        let message = format!("`to` takes 1 to {READERS_MAX} addresses");
        table.add(table.own_fault(message));
    }
    let login = user.zip(password);
    Some(EmailOptions {
        server: server?,
        port,
        tls,
        login,
        from: from?,
        to,
        time_limit: TIME_LIMIT,
    })
}

fn app(
    table: &Table<'_, '_>,
    slack: &BTreeMap<String, SlackWay>,
    folder: &Path,
    env: Env<'_>,
) -> SlackApp {
    let signing_secret =
        table.has("signing_secret").then(|| secret(table, "signing_secret", folder, env)).flatten();
    let reviews = table.parsed("reviews", |text| {
        let name = text.strip_prefix("slack:").unwrap_or(text);
        if slack.contains_key(name) {
            return Ok(name.to_owned());
        }
        Err(format!("there is no [notify.slack.{}]", shown(name)))
    });
    if table.has("reviews") && !table.has("signing_secret") {
        let message = "`reviews` needs `signing_secret`: nobody would hear what is clicked";
        table.add(table.fault("reviews", message));
    }
    let people = people(&table.table("people"));
    table.finish(elsewhere);
    SlackApp { signing_secret, reviews, people }
}

/// Ids of Slack users, each with a name or an e-mail address of the board.
fn people(table: &Table<'_, '_>) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    for (id, written) in table.secrets() {
        let fits = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
        let is_id = id.starts_with(['U', 'W']) && id.len() > 2 && id.bytes().all(fits);
        let Written::Text(person) = written else {
            let message = "expected the name or e-mail address of somebody on the board";
            table.add(table.own_fault(message));
            continue;
        };
        if !is_id {
            let message = format!("`{}` is no id of a Slack user such as U012AB3CD", shown(&id));
            table.add(table.own_fault(message));
        } else if person.trim().is_empty() {
            table.add(table.own_fault(format!("`{id}` names nobody")));
        } else if out.len() < PEOPLE_MAX {
            out.insert(id, person.trim().to_owned());
        } else {
            table.add(table.own_fault(format!("at most {PEOPLE_MAX} people")));
            break;
        }
    }
    out
}
