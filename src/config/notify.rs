//! `[notify]`, where people are told, and `[slack]`, how they answer there.

use super::read::Env;
use super::schema::elsewhere;
use super::secret::secret;
use super::{Config, SlackApp};
use crate::fault::shown;
use crate::fault::table::{Table, Written};
use crate::notify::{Slack, SlackWay};
use secrecy::ExposeSecret as _;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// At most so many people are mapped.
const PEOPLE_MAX: usize = 1_000;

/// What the two tables say.
pub(super) struct Channels {
    pub(super) slack: BTreeMap<String, SlackWay>,
    pub(super) files: BTreeMap<String, PathBuf>,
    pub(super) app: SlackApp,
}

pub(super) fn channels(root: &Table<'_, '_>, folder: &Path, env: Env<'_>) -> Channels {
    let notify = root.table("notify");
    let slack_table = notify.table("slack");
    let files_table = notify.table("file");
    notify.refuse("webhook", "telling people by webhook");
    let slack = slacks(&slack_table, folder, env);
    let files = files(&files_table, folder);
    notify.finish(elsewhere);
    let app = app(&root.table("slack"), &slack, folder, env);
    Channels { slack, files, app }
}

impl Channels {
    /// Into the configuration.
    pub(super) fn onto(self, config: Config) -> Config {
        let Self { slack, files, app } = self;
        Config { slack, files, slack_app: app, ..config }
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
