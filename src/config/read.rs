//! From TOML to the configuration: what each table says.

use super::leantime::leantime;
use super::postgres::postgres;
use super::{Arm, BoardConfig, ClaimsConfig, Config, DaemonConfig, StoreConfig};
use crate::domain::{DayBudget, Guards, TimeKind, show_duration};
use crate::fault::table::Table;
use crate::fault::{Fault, nearest};
use chrono_tz::Tz;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

/// How many connections there are where nobody says it.
const BOARD_CONNECTIONS: u32 = 8;
const STORE_CONNECTIONS: u32 = 4;

/// The keys that not every kind has, and the kinds that have them.
const BOARD_KEYS: &[(&str, &[&str])] = &[
    ("path", &["sqlite"]),
    ("url", &["leantime", "postgres"]),
    ("key", &["leantime"]),
    ("zone", &["leantime"]),
    ("requests_per_minute", &["leantime"]),
    ("user", &["leantime"]),
    ("agents", &["leantime"]),
    ("labels", &["leantime"]),
    ("schema", &["postgres"]),
    ("connections", &["postgres"]),
    ("plain", &["postgres"]),
    ("statement_timeout", &["postgres"]),
];
const STORE_KEYS: &[(&str, &[&str])] = &[
    ("path", &["sled"]),
    ("url", &["postgres"]),
    ("schema", &["postgres"]),
    ("connections", &["postgres"]),
    ("plain", &["postgres"]),
    ("statement_timeout", &["postgres"]),
];

pub(super) type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Where a key belongs, when it was written in another table.
pub(super) fn elsewhere(name: &str) -> Option<String> {
    super::schema::elsewhere(name)
}

/// The configuration, with defaults where something is wrong (the faults say so).
pub(super) fn config(root: &Table<'_, '_>, folder: &Path, env: Env<'_>) -> (Config, Option<Fault>) {
    let base = Config::default();
    let timezone = root.parsed("timezone", |text| {
        text.parse::<Tz>().map_err(|_| {
            let zones = chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name());
            let near = nearest(text, zones).map(|near| format!("; did you mean `{near}`?"));
            format!("expected an IANA zone such as Europe/Berlin{}", near.unwrap_or_default())
        })
    });
    let (board_name, board, kind) = board(&root.table("board"), &base, folder, env);
    let channels = super::notify::channels(root, folder, env);
    let known = channels.names();
    let people = root.table("people");
    let me = people.needed_if_written("me");
    people.finish(elsewhere);
    root.refuse("web", "[web]");
    let (mcp, open_to_others) = super::mcp::mcp(&root.table("mcp"), folder);
    let workspaces = super::workspaces::workspaces(&root.table("workspaces"), folder, env);
    let (store, keep) = store(&root.table("store"), &base, folder, env, kind);
    let currency = root.parsed("currency", |text| {
        let fits = text.len() == 3 && text.bytes().all(|b| b.is_ascii_uppercase());
        fits.then(|| text.to_owned())
            .ok_or_else(|| "expected three capital letters such as EUR".to_owned())
    });
    let currency = currency.unwrap_or(base.currency.clone());
    let (models, families) = super::models::models(&root.table("models"), folder, env, &currency);
    let config = Config {
        path: None,
        daemon: daemon(&root.table("daemon")),
        board_name,
        board,
        store,
        keep,
        me,
        timezone,
        claims: claims(&root.table("claims")),
        models,
        families,
        mcp,
        upstreams: super::upstream::upstreams(&root.table("upstream"), folder, env),
        workspaces,
        secret_names: base.secret_names,
        arm: root.choice("arm", &[("ask", Arm::Ask), ("auto", Arm::Auto)]).unwrap_or_default(),
        agents: path(root, "agents", folder).unwrap_or_else(|| folder.join("agents")),
        templates: path(root, "templates", folder).unwrap_or_else(|| folder.join("templates")),
        budget: budget(&root.table("budget"), &currency),
        recipients: super::recipients::recipients(&root.table("recipient"), timezone, &known),
        review: super::review::review(&root.table("review"), &known),
        currency,
        warnings: Vec::new(),
        ..base
    };
    let config = channels.onto(config);
    root.finish(elsewhere);
    (config, open_to_others)
}

fn budget(table: &Table<'_, '_>, currency: &str) -> DayBudget {
    let budget = DayBudget {
        tokens: table
            .int("tokens_per_day", 1..=1_000_000_000_000)
            .and_then(|tokens| u64::try_from(tokens).ok()),
        cost_micros: table.parsed("per_day", |text| crate::playbook::money(text, currency)),
    };
    table.finish(elsewhere);
    budget
}

/// A path, relative to the file's folder.
pub(super) fn path(table: &Table<'_, '_>, key: &'static str, folder: &Path) -> Option<PathBuf> {
    table.needed_if_written(key).map(|text| folder.join(text))
}

fn daemon(table: &Table<'_, '_>) -> DaemonConfig {
    let base = DaemonConfig::default();
    let id = table.parsed("id", |text| {
        let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if text.is_empty() || text.len() > 63 || !text.chars().all(fits) {
            return Err("an id has letters, digits, - _ and ., at most 63".to_owned());
        }
        Ok(text.to_owned())
    });
    let second = Duration::from_secs(1);
    let daemon = DaemonConfig {
        id,
        slots: table
            .int("slots", 1..=256)
            .and_then(|slots| u32::try_from(slots).ok())
            .unwrap_or(base.slots),
        labels: table.texts("labels", false).unwrap_or_default(),
        tick: table.duration("tick", second..=Duration::from_hours(1)).unwrap_or(base.tick),
        drain: table
            .duration("drain", Duration::ZERO..=Duration::from_hours(1))
            .unwrap_or(base.drain),
        playbooks: table
            .int("playbooks", 1..=100_000)
            .and_then(|playbooks| usize::try_from(playbooks).ok())
            .unwrap_or(base.playbooks),
        guards: Guards {
            exchanges_max: few(table, "exchanges_max", 1, base.guards.exchanges_max),
            delegation_depth_max: few(
                table,
                "delegation_depth_max",
                0,
                base.guards.delegation_depth_max,
            ),
        },
    };
    table.finish(elsewhere);
    daemon
}

/// A small number.
fn few(table: &Table<'_, '_>, key: &'static str, least: i64, default: u32) -> u32 {
    table.int(key, least..=100).and_then(|number| u32::try_from(number).ok()).unwrap_or(default)
}

fn board(
    table: &Table<'_, '_>,
    base: &Config,
    folder: &Path,
    env: Env<'_>,
) -> (String, BoardConfig, Option<&'static str>) {
    let name = table.parsed("name", |text| {
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if text.is_empty() || text.len() > 63 || !text.chars().all(fits) {
            return Err("a name has letters, digits, - and _, at most 63".to_owned());
        }
        Ok(text.to_owned())
    });
    let kind = kind(table, &["sqlite", "leantime", "postgres"]);
    let written = if table.has("kind") { kind } else { Some("sqlite") };
    let kind = kind.unwrap_or("sqlite");
    only(table, kind, BOARD_KEYS);
    let board = match kind {
        "leantime" => {
            leantime(table, folder, env).map(|found| BoardConfig::Leantime(Box::new(found)))
        }
        "postgres" => postgres(table, folder, env, BOARD_CONNECTIONS)
            .map(|found| BoardConfig::Postgres(Box::new(found))),
        _ => table
            .needed_if_written("path")
            .map(|path| BoardConfig::Sqlite { path: PathBuf::from(path) }),
    };
    table.finish(elsewhere);
    let name = name.unwrap_or_else(|| base.board_name.clone());
    (name, board.unwrap_or_else(|| base.board.clone()), written)
}

/// The store, and how long history is kept. `board` is the kind of the board, where it can be read.
fn store(
    table: &Table<'_, '_>,
    base: &Config,
    folder: &Path,
    env: Env<'_>,
    board: Option<&str>,
) -> (StoreConfig, Duration) {
    let kind = kind(table, &["sled", "memory", "postgres"]).unwrap_or("sled");
    only(table, kind, STORE_KEYS);
    let day = Duration::from_hours(24);
    let keep = table.duration("keep", 7 * day..=3_650 * day).unwrap_or(base.keep);
    let store = match kind {
        "memory" => Some(StoreConfig::Memory),
        "postgres" => postgres(table, folder, env, STORE_CONNECTIONS)
            .map(|found| StoreConfig::Postgres(Box::new(found))),
        _ => table.parsed("path", folder_name).map(|path| StoreConfig::Sled { path: path.into() }),
    };
    if kind == "postgres" && board == Some("sqlite") {
        let why = "a store that daemons share needs a board that they share: the board is a file \
                   of one of them";
        let help =
            "write kind = \"postgres\" or \"leantime\" in [board], or leave kind out of [store]";
        table.add(table.fault("kind", why).with_help(help));
    }
    table.finish(elsewhere);
    (store.unwrap_or_else(|| base.store.clone()), keep)
}

/// In the state folder, so that `--state` names all there is, and a damaged store can be moved aside
/// without leaving its disk.
fn folder_name(text: &str) -> Result<String, String> {
    let mut parts = Path::new(text).components();
    match (parts.next(), parts.next()) {
        (Some(Component::Normal(name)), None) if name == text => Ok(text.to_owned()),
        _ => Err("`path` is the name of a folder in the state folder; \
                  `--state DIR` puts the whole elsewhere"
            .to_owned()),
    }
}

/// Refuses keys that are of other kinds.
fn only(table: &Table<'_, '_>, kind: &str, keys: &[(&'static str, &[&str])]) {
    for (key, kinds) in keys.iter().copied().filter(|(_, kinds)| !kinds.contains(&kind)) {
        table.mention(key);
        if table.has(key) {
            let message = format!("`{key}` is for kind = \"{}\" only", kinds.join("\" or \""));
            // A path is no secret, and the only one of them that is shown.
            table.add(match key {
                "path" => table.fault(key, message),
                _ => table.secret_fault(key, message),
            });
        }
    }
}

/// `kind`: one of those there are.
pub(super) fn kind(table: &Table<'_, '_>, known: &[&'static str]) -> Option<&'static str> {
    let words: Vec<(&'static str, &'static str)> =
        known.iter().map(|word| (*word, *word)).collect();
    table.choice("kind", &words)
}

fn claims(table: &Table<'_, '_>) -> ClaimsConfig {
    let base = ClaimsConfig::default();
    let (second, hour) = (Duration::from_secs(1), Duration::from_hours(1));
    let lease = table.duration("lease", 3 * second..=hour).unwrap_or(base.lease);
    // What is not written follows the lease.
    let renew = table.duration("renew", second..=hour).unwrap_or(base.renew.min(lease / 3));
    let margin = table
        .duration("margin", Duration::from_millis(1)..=hour)
        .unwrap_or(base.margin.min(lease / 12));
    let show = show_duration;
    if renew > lease / 3 {
        let message = format!("`renew` must be at most a third of `lease` ({})", show(lease / 3));
        table.add(table.fault("renew", message));
    }
    if margin >= lease / 4 {
        let message =
            format!("`margin` must be less than a quarter of `lease` ({})", show(lease / 4));
        table.add(table.fault("margin", message));
    }
    let kinds: Vec<(&'static str, TimeKind)> =
        TimeKind::ALL.iter().map(|kind| (kind.as_str(), *kind)).collect();
    let log_time = table.choice("log_time", &kinds);
    table.finish(elsewhere);
    ClaimsConfig { lease, renew, margin, log_time }
}
