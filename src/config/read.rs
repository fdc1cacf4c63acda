//! From TOML to the configuration: what each table says.

use super::leantime::{KEYS, leantime};
use super::{Arm, BoardConfig, ClaimsConfig, Config, DaemonConfig, StoreConfig};
use crate::domain::{DayBudget, Guards, TimeKind, show_duration};
use crate::fault::table::Table;
use crate::fault::{Fault, nearest};
use chrono_tz::Tz;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

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
    let (board_name, board) = board(&root.table("board"), &base, folder, env);
    let channels = super::notify::channels(root, folder, env);
    let known = channels.names();
    let people = root.table("people");
    let me = people.needed_if_written("me");
    people.finish(elsewhere);
    root.refuse("web", "[web]");
    let (mcp, open_to_others) = super::mcp::mcp(&root.table("mcp"), folder);
    let workspaces = super::workspaces::workspaces(&root.table("workspaces"), folder, env);
    let (store, keep) = store(&root.table("store"), &base);
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
) -> (String, BoardConfig) {
    let name = table.parsed("name", |text| {
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if text.is_empty() || text.len() > 63 || !text.chars().all(fits) {
            return Err("a name has letters, digits, - and _, at most 63".to_owned());
        }
        Ok(text.to_owned())
    });
    let board = if kind(table, &["sqlite", "leantime"], &["postgres"]) == Some("leantime") {
        if table.has("path") {
            table.add(table.fault("path", "`path` is for kind = \"sqlite\" only"));
        }
        table.mention("path");
        let found = leantime(table, folder, env);
        found.map_or_else(|| base.board.clone(), |found| BoardConfig::Leantime(Box::new(found)))
    } else {
        for key in KEYS {
            if table.has(key) {
                let message = format!("`{key}` is for kind = \"leantime\" only");
                table.add(table.secret_fault(key, message));
            }
            table.mention(key);
        }
        match table.needed_if_written("path") {
            Some(path) => BoardConfig::Sqlite { path: PathBuf::from(path) },
            None => base.board.clone(),
        }
    };
    table.finish(elsewhere);
    (name.unwrap_or_else(|| base.board_name.clone()), board)
}

fn store(table: &Table<'_, '_>, base: &Config) -> (StoreConfig, Duration) {
    let kind = kind(table, &["sled", "memory"], &["postgres"]);
    // In the state folder, so that `--state` names all there is, and a damaged store can be moved
    // aside without leaving its disk.
    let path = table.parsed("path", |text| {
        let mut parts = Path::new(text).components();
        match (parts.next(), parts.next()) {
            (Some(Component::Normal(name)), None) if name == text => Ok(text.to_owned()),
            _ => Err("`path` is the name of a folder in the state folder; \
                      `--state DIR` puts the whole elsewhere"
                .to_owned()),
        }
    });
    let day = Duration::from_hours(24);
    let keep = table.duration("keep", 7 * day..=3_650 * day).unwrap_or(base.keep);
    let store = if kind == Some("memory") {
        if table.has("path") {
            table.add(table.fault("path", "`path` is for kind = \"sled\" only"));
        }
        StoreConfig::Memory
    } else {
        StoreConfig::Sled { path: PathBuf::from(path.unwrap_or_else(|| "store".to_owned())) }
    };
    table.refuse("url", "a store of another server");
    table.finish(elsewhere);
    (store, keep)
}

/// `kind`: one of those there are; one that is only planned is refused as such.
pub(super) fn kind(
    table: &Table<'_, '_>,
    known: &[&'static str],
    planned: &[&'static str],
) -> Option<&'static str> {
    if let Some(word) = planned.iter().find(|word| table.says("kind", word)) {
        let fault =
            table.fault("kind", format!("kind = \"{word}\" is not available in this version"));
        table.add(fault.with_help(format!("use \"{}\"", known.join("\" or \""))));
        table.mention("kind");
        return None;
    }
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
