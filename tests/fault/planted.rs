//! The checker is checked: one record is edited in a copy of a good state, and that must be found.

use super::checker::{Moment, Wrong, acquit, judge};
use super::evidence::{Evidence, Known, rows, with_store};
use super::scene::{PLAYBOOK, dies_at, recovers, scene};
use crate::support::rota::Rota;
use rota::clock::{SystemClock, SystemEntropy};
use rota::domain::{
    BoardName, DaemonId, LifeId, Occurrence, OccurrenceState, PlaybookName, Reason, Timestamp,
    Trigger, from_millis,
};
use rota::ledger::{Ledger, LedgerOptions};
use rota::store::open::{StoreOptions, open as open_store};
use rota::store::{Batch, Store};
use serde_json::{Value as Json, json};
use std::path::Path;
use std::time::Duration;

const TICKER: &str = "ticker";

/// A task whose first run died and whose second handed over, and a playbook of the clock.
struct Good {
    rota: Rota,
    known: Known,
}

impl Good {
    fn new() -> Self {
        let rota = scene();
        dies_at(&rota, "effect.acted:3");
        recovers(&rota);
        tick(&rota.state());
        let known = Known {
            paces: [(PlaybookName::new(TICKER), Duration::from_mins(1))].into(),
            reporting: [PlaybookName::new(PLAYBOOK)].into(),
            told: rota.read("told.md"),
            kills: 0,
            ..Known::default()
        };
        Self { rota, known }
    }

    /// What the checker says of a copy in which somebody changed something.
    fn with(&self, plant: impl FnOnce(&Path, &mut Known)) -> Vec<Wrong> {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        copy(&self.rota.state(), &state);
        let mut known = self.known.clone();
        plant(&state, &mut known);
        let found = judge(&Evidence::read(&state, known), Moment::AtRest);
        found.into_iter().map(|finding| finding.wrong).collect()
    }
}

/// Copies a folder; sockets stay behind.
pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (kind, to) = (entry.file_type().unwrap(), to.join(entry.file_name()));
        if kind.is_dir() {
            copy(&entry.path(), &to);
        } else if kind.is_file() {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// Five instants, a minute apart, all skipped.
fn tick(state: &Path) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (life, clock) = (LifeId::new("a test"), SystemClock::shared());
    let options = LedgerOptions {
        board: BoardName::new("main"),
        daemon: DaemonId::new("a test"),
        life: life.clone(),
        margin: Duration::from_secs(1),
        epoch: 0,
    };
    let store =
        open_store(&StoreOptions::default(), state, &life, std::sync::Arc::clone(&clock)).unwrap();
    let ledger = Ledger::new(store, clock, std::sync::Arc::new(SystemEntropy), options);
    let playbook = PlaybookName::new(TICKER);
    let at = |minute: i64| -> Timestamp { from_millis(1_790_000_040_000 + minute * 60_000) };
    let occurrence = |minute| Occurrence {
        id: Occurrence::id_of(&playbook, Trigger::Cron, at(minute)),
        playbook: playbook.clone(),
        trigger: Trigger::Cron,
        planned: at(minute),
        task: None,
        decided: at(minute),
        state: OccurrenceState::Skipped { reason: Reason::Paused },
        covers: None,
        status: None,
    };
    let occurrences = (0..5).map(occurrence).collect();
    runtime.block_on(ledger.record_occurrences(&playbook, at(4), None, occurrences)).unwrap();
}

/// Edits the first row under a prefix whose record fits; `None` removes the row.
pub fn edit(state: &Path, prefix: &str, fits: &str, change: impl Fn(&mut Json) -> Option<()>) {
    with_store(state, async |store: &dyn Store| {
        let all = rows(store, prefix).await;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let found = all.iter().find(|(_, value)| text(value).contains(fits));
        let (key, value) = found.unwrap_or_else(|| panic!("no {prefix} with {fits}: {all:?}"));
        let mut record: Json = serde_json::from_slice(value).unwrap();
        let batch = match change(&mut record) {
            Some(()) => Batch::new().put(key.as_str(), record.to_string()),
            None => Batch::new().delete(key.as_str()),
        };
        store.commit(batch).await.unwrap();
    });
}

/// Says something to the board's database behind the board's back.
pub fn sql(state: &Path, text: &'static str) {
    use sqlx::{Connection as _, Executor as _};
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let path = state.join("board.sqlite");
    runtime.block_on(async {
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path);
        let mut connection = sqlx::sqlite::SqliteConnection::connect_with(&options).await.unwrap();
        let done = connection.execute(text).await.unwrap();
        let is_pragma = text.starts_with("pragma");
        assert!(is_pragma || done.rows_affected() > 0, "{text} changed nothing");
        connection.close().await.unwrap();
    });
}

#[expect(clippy::unnecessary_wraps, reason = "what `edit` takes: an edit that keeps the row")]
fn set(record: &mut Json, field: &str, value: Json) -> Option<()> {
    assert!(record.get(field).is_some(), "{record} has no {field}");
    record[field] = value;
    Some(())
}

const INTERRUPTED: &str = "\"state\":\"interrupted\"";
const SUCCEEDED: &str = "\"state\":\"succeeded\"";

#[test]
fn a_good_state_is_acquitted() {
    let good = Good::new();
    acquit(&Evidence::read(&good.rota.state(), good.known.clone()), Moment::AtRest);
    assert!(good.with(|_, _| {}).is_empty(), "a copy is as good");
}

#[test]
fn what_is_wrong_with_runs_and_fences_is_found() {
    let good = Good::new();
    let plants: [(&str, &str, &str, Json, Wrong); 7] = [
        ("run/", SUCCEEDED, "fence", json!(1), Wrong::Fence),
        ("claim/", "", "fence", json!(1), Wrong::Fence),
        ("run/", INTERRUPTED, "ended", json!("2099-01-01T00:00:00Z"), Wrong::HeldTwice),
        ("run/", INTERRUPTED, "state", json!("succeeded"), Wrong::DoneTwice),
        ("run/", SUCCEEDED, "state", json!("running"), Wrong::RunOpen),
        ("run/", INTERRUPTED, "reason", Json::Null, Wrong::RunOpen),
        ("run/", SUCCEEDED, "occurrence", json!("worker/manual/none"), Wrong::RunUnaccounted),
    ];
    for (prefix, fits, field, value, wrong) in plants {
        let found = good.with(|state, _| {
            edit(state, prefix, fits, |record| set(record, field, value.clone()));
        });
        assert!(found.contains(&wrong), "{prefix} {field} := {value}: found only {found:?}");
    }
    let found = good.with(|state, _| edit(state, "run/", INTERRUPTED, |_| None));
    assert!(found.contains(&Wrong::RunUnaccounted), "a run is gone: {found:?}");
}

#[test]
fn what_is_wrong_with_occurrences_is_found() {
    let good = Good::new();
    let gone = |id: &'static str| {
        move |state: &Path, _: &mut Known| {
            edit(state, "occurrence/", id, |_| None);
        }
    };
    for minute in ["ticker/cron/2026-09-21T14:15:00Z", "ticker/cron/2026-09-21T14:18:00Z"] {
        let found = good.with(gone(minute));
        assert_eq!(found, [Wrong::OccurrenceMissing], "{minute}");
    }
    let found = good.with(gone("worker/manual/"));
    assert!(found.contains(&Wrong::RunUnaccounted), "{found:?}");
    let found = good.with(|state, _| {
        edit(state, "occurrence/", "worker/manual/", |o| set(o, "state", json!("running")));
    });
    assert_eq!(found, [Wrong::OccurrenceOpen]);
    let found = good.with(|state, _| {
        let skipped = json!({"skipped": {"reason": "paused"}});
        edit(state, "occurrence/", "worker/manual/", |o| set(o, "state", skipped.clone()));
    });
    assert!(found.contains(&Wrong::RunUnaccounted), "{found:?}");
}

#[test]
fn what_is_wrong_with_claims_is_found() {
    let good = Good::new();
    let holder = json!({"daemon": "d", "life": "l", "run": "r"});
    let found = good.with(|state, _| {
        edit(state, "claim/", "", |claim| set(claim, "holder", holder.clone()));
    });
    assert_eq!(found, [Wrong::Orphan]);
    let found = good.with(|state, _| {
        with_store(state, async |store: &dyn Store| {
            store.commit(Batch::new().put("orphan/main/1", "1")).await.unwrap();
        });
    });
    assert_eq!(found, [Wrong::Orphan]);
    let taken = "update tasks set status_kind = 1, assignee = (select id from people where kind = \
                 'agent' limit 1), status = (select json_extract(value, '$.id') from projects, \
                 json_each(projects.statuses) where json_extract(value, '$.kind') = 'in_progress') where id = 1";
    assert_eq!(good.with(|state, _| sql(state, taken)), [Wrong::Abandoned]);
}

#[test]
fn what_is_wrong_with_writes_is_found() {
    let good = Good::new();
    let subtask = "\"tool\":\"addSubtask\"";
    let failed = json!({"failed": {"code": "interrupted", "message": "it did not happen"}});
    for (field, value, wrong) in [
        ("result", Json::Null, Wrong::IntentOpen),
        ("result", json!("unknown"), Wrong::IntentOpen),
        ("result", failed, Wrong::WriteDenied),
        ("intended", json!("2099-01-01T00:00:00Z"), Wrong::Unjournaled),
    ] {
        let found = good.with(|state, _| {
            edit(state, "effect/", subtask, |row| set(&mut row["effect"], field, value.clone()));
        });
        assert!(found.contains(&wrong), "{field} := {value}: found only {found:?}");
    }
    let found = good.with(|state, _| edit(state, "effect/", subtask, |_| None));
    assert!(found.contains(&Wrong::Unjournaled), "{found:?}");
    for (text, wrong) in [
        ("update activity set run = null, seq = null where field = 'status'", Wrong::Unjournaled),
        ("update activity set run = 'r-nobody' where field = 'status'", Wrong::Unjournaled),
        ("delete from marks where seq = 3", Wrong::WriteLost),
        ("delete from activity where field = 'status'", Wrong::DoneTwice),
        (
            "insert into activity (at, actor, entity, entity_id, task, project, field, before, \
             after, run, seq) select at, actor, entity, entity_id, task, project, field, before, \
             after, run, seq from activity where field = 'created' and run is not null",
            Wrong::WrittenTwice,
        ),
    ] {
        let found = good.with(|state, _| sql(state, text));
        assert!(found.contains(&wrong), "{text}: found only {found:?}");
    }
}

#[test]
fn what_is_wrong_with_notices_is_found() {
    let good = Good::new();
    let forgotten = good.with(|_, known| known.told.clear());
    assert!(forgotten.contains(&Wrong::Untold), "{forgotten:?}");
    let twice = good.with(|_, known| known.told = known.told.repeat(2));
    assert_eq!(twice, [Wrong::ToldTwice]);
    let of_a_crash = good.with(|_, known| {
        known.told = known.told.repeat(2);
        known.kills = 99;
    });
    assert_eq!(of_a_crash, []);
    let pending = json!({"pending": {"attempts": 2, "not_before": "2026-01-01T00:00:00Z",
        "last_error": null}});
    let waits = good.with(|state, _| {
        edit(state, "notice/", "report:", |notice| set(notice, "delivery", pending.clone()));
    });
    assert_eq!(waits, [Wrong::Untold]);
    let unknown = good.with(|state, _| edit(state, "notice/", "report:", |_| None));
    assert!(unknown.contains(&Wrong::ToldTwice) && unknown.contains(&Wrong::Untold), "{unknown:?}");
}
