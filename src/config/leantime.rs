//! `[board]` with `kind = "leantime"`: where it is, and who acts there. A board can be named by the
//! environment alone, for whoever has no `rota.toml`.

use super::read::Env;
use super::secret::secret;
use super::{BoardConfig, Config};
use crate::domain::StatusKind;
use crate::fault::Fault;
use crate::fault::table::Table;
use chrono_tz::Tz;
use secrecy::SecretString;
use std::collections::BTreeMap;
use std::path::Path;

/// Where a Leantime is, where no file says it.
pub const URL: &str = "LEANTIME_URL";
/// Who acts there: the first of these that is set.
pub const API_KEYS: [&str; 2] = ["LEANTIME_API_KEY", "LEANTIME_API_TOKEN"];
/// Whose things are "mine", where the key is a program's.
const USER_EMAIL: &str = "LEANTIME_USER_EMAIL";
/// The zone that the server is set to, by the server's own name for it.
const ZONE: &str = "LEAN_DEFAULT_TIMEZONE";

/// A Leantime server as the board.
#[derive(Clone, Debug)]
pub struct LeantimeConfig {
    /// Its address, as in a browser.
    pub url: String,
    /// An API key (`lt_…`) or an access token.
    pub key: SecretString,
    /// The zone that the server is set to.
    pub zone: Tz,
    /// How many requests it takes in a minute; fewer are learned.
    pub requests_per_minute: u32,
    /// The user that the key belongs to, where the server is too old to say it.
    pub user: Option<i64>,
    /// Agents who act as users of their own, by name.
    pub agents: BTreeMap<String, LeantimeAgent>,
    /// What labels mean that do not say it themselves, by name.
    pub labels: BTreeMap<String, StatusKind>,
}

/// `[board.agents.NAME]`.
#[derive(Clone, Debug)]
pub struct LeantimeAgent {
    /// The id of the agent's user.
    pub user: i64,
    /// That user's API key or access token.
    pub key: SecretString,
}

/// Reads it; nothing where a needed key is missing, which is a fault.
pub(super) fn leantime(
    table: &Table<'_, '_>,
    folder: &Path,
    env: &dyn Fn(&str) -> Option<String>,
) -> Option<LeantimeConfig> {
    let url = table.parsed("url", address);
    if !table.has("url") {
        let fault = table.own_fault("`url` is missing: where is Leantime?".to_owned());
        table.add(fault.with_help("write `url = \"https://projects.example.org\"`"));
    }
    let key = secret(table, "key", folder, env);
    let zone = table.parsed("zone", zone);
    let requests = table.int("requests_per_minute", 1..=100_000);
    let user = table.int("user", 1..=i64::MAX);
    let agents = agents(&table.table("agents"), folder, env);
    let kinds = StatusKind::ALL.map(|kind| (kind.as_str(), kind));
    let labels = table.table("labels").named_choices(&kinds);
    Some(LeantimeConfig {
        url: url?,
        key: key?,
        zone: zone.unwrap_or(Tz::UTC),
        requests_per_minute: requests.and_then(|n| u32::try_from(n).ok()).unwrap_or(120),
        user,
        agents,
        labels: labels.into_iter().collect(),
    })
}

fn agents(table: &Table<'_, '_>, folder: &Path, env: Env<'_>) -> BTreeMap<String, LeantimeAgent> {
    let mut agents: BTreeMap<String, LeantimeAgent> = BTreeMap::new();
    for (name, table) in table.named() {
        let user = table.int("user", 1..=i64::MAX);
        if !table.has("user") {
            let fault = table.own_fault("`user` is missing: whose key is it?");
            table.add(fault.with_help("write `user = 12`, the id of the agent's user"));
        }
        let key = secret(&table, "key", folder, env);
        table.finish(super::schema::elsewhere);
        let (Some(user), Some(key)) = (user, key) else { continue };
        if let Some((other, _)) = agents.iter().find(|(_, agent)| agent.user == user) {
            let message = format!("user {user} is {other:?} already: each agent has its own");
            table.add(table.fault("user", message));
        }
        agents.insert(name, LeantimeAgent { user, key });
    }
    agents
}

fn zone(text: &str) -> Result<Tz, String> {
    text.parse::<Tz>().map_err(|_| "expected an IANA zone such as Europe/Berlin".to_owned())
}

/// The configuration of a board that the environment alone names.
pub(super) fn of_environment(env: Env<'_>) -> Result<Config, Vec<Fault>> {
    let read = |name: &str| env(name).map(|text| text.trim().to_owned()).filter(|t| !t.is_empty());
    let mut faults = Vec::new();
    let mut fault = |name: &str, message: String| faults.push(Fault::of_file(name, message));
    let url = read(URL).unwrap_or_default();
    if let Err(expected) = address(&url) {
        fault(URL, expected);
    }
    let key = API_KEYS.iter().find_map(|name| read(name)).map(SecretString::from);
    if key.is_none() {
        fault(API_KEYS[0], format!("it is not set, and {} is not either", API_KEYS[1]));
    }
    let zone = match read(ZONE).map(|text| zone(&text)) {
        None => Tz::UTC,
        Some(Ok(zone)) => zone,
        Some(Err(expected)) => {
            fault(ZONE, expected);
            Tz::UTC
        }
    };
    let Some(key) = key.filter(|_| faults.is_empty()) else { return Err(faults) };
    let (agents, labels) = Default::default();
    let requests_per_minute = 120;
    let leantime =
        LeantimeConfig { url, key, zone, requests_per_minute, user: None, agents, labels };
    let board = BoardConfig::Leantime(Box::new(leantime));
    Ok(Config { board, me: read(USER_EMAIL), ..Config::default() })
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
