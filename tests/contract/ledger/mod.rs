//! The ledger's promises, run on the store in memory and on the one in a folder: claims by the
//! numbered sentences of the guide to claims, then topic by topic.

mod arrivals;
mod budgets;
mod claims;
mod conversations;
mod daemons;
mod endings;
mod first;
mod journal;
mod machine;
mod newer;
mod newer_told;
mod older;
mod outbox;
mod people;
mod pruning;
mod questions;
mod race;
mod repeats;
mod restoring;
mod sessions;
mod tokens;
mod transcripts;
mod writes;

pub use super::store::{Fixture, at_once, memory, sled};
use rota::clock::{Clock, SeededEntropy};
use rota::domain::{
    BoardName, Body, Channel, DaemonId, Delivery, LifeId, Notice, Occurrence, OccurrenceId,
    OccurrenceState, PlaybookName, Receipt, Run, RunId, RunState, TaskId, Timestamp, Trigger,
    Usage, from_millis,
};
use rota::ledger::{Acquire, Ledger, LedgerOptions, Sent};
use rota::store::Store;
use std::sync::Arc;
use std::time::Duration;

macro_rules! on_both_stores {
    ($($name:ident)*) => {
        mod memory { $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { super::$name(super::super::memory()).await; })* }
        mod sled { $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { super::$name(super::super::sled()).await; })* }
    };
}
use on_both_stores;

pub const LEASE: Duration = Duration::from_mins(1);
pub const MARGIN: Duration = Duration::from_secs(5);
pub const TASK: TaskId = TaskId(42);

pub fn ledger_over(store: Arc<dyn Store>, clock: Arc<dyn Clock>, who: &str, epoch: u32) -> Ledger {
    let (daemon, life) = who.split_once('/').unwrap();
    let options = LedgerOptions {
        board: BoardName::new("main"),
        daemon: DaemonId::new(daemon),
        life: LifeId::new(life),
        margin: MARGIN,
        epoch,
    };
    Ledger::new(store, clock, Arc::new(SeededEntropy::new(1)), options)
}

/// A ledger of `daemon/life`.
pub fn ledger(f: &Fixture, who: &str) -> Ledger {
    ledger_over(Arc::clone(&f.store), Arc::clone(&f.clock) as Arc<dyn Clock>, who, 0)
}

pub fn ask(run: &str) -> Acquire {
    Acquire {
        task: TASK,
        run: RunId::new(run),
        playbook: PlaybookName::new("ai-worker"),
        attempt: 1,
        lease: LEASE,
        nonce: format!("nonce of {run}"),
        resume: None,
        comment: None,
    }
}

pub fn at(second: i64) -> Timestamp {
    from_millis(1_795_000_000_000 + second * 1_000)
}

pub fn a_run(id: &str, playbook: &str, started: i64) -> Run {
    Run {
        id: RunId::new(id),
        playbook: PlaybookName::new(playbook),
        definition: "hash".into(),
        occurrence: OccurrenceId::new("o"),
        task: Some(TASK),
        attempt: 1,
        fence: None,
        state: RunState::Running,
        reason: None,
        detail: String::new(),
        outcome: None,
        summary: String::new(),
        started: at(started),
        ended: None,
        usage: Usage::default(),
        daemon: None,
        settle_from: None,
        left: None,
        reviewer: None,
        by: None,
        looked_at: None,
        evidence: Vec::new(),
    }
}

pub fn a_notice(key: &str, created: i64) -> Notice {
    Notice {
        key: key.to_owned(),
        to: Channel::Slack("team".into()),
        body: Body { text: format!("about {key}"), ..Body::default() },
        created: at(created),
        delivery: Delivery::Pending { attempts: 0, not_before: at(created), last_error: None },
        replaces: false,
        revision: 0,
        place: 0,
        parts: 0,
        receipt: Receipt::default(),
        is_alarm: false,
    }
}

/// Its first part was taken, and was all there is.
pub fn taken(second: i64) -> Sent {
    let (stands, took, missed) = Default::default();
    Sent { revision: 0, part: 0, is_last: true, stands, took, missed, at: at(second) }
}

/// Without the place that the ledger gave it.
pub fn placeless(notices: Vec<Notice>) -> Vec<Notice> {
    notices.into_iter().map(|notice| Notice { place: 0, ..notice }).collect()
}

/// What waits for the channel of [`a_notice`].
pub async fn queued(ledger: &Ledger) -> Vec<Notice> {
    placeless(ledger.queue(&Channel::Slack("team".into()), 99).await.unwrap())
}

pub fn an_occurrence(playbook: &str, second: i64) -> Occurrence {
    Occurrence {
        id: OccurrenceId::new(format!("{playbook}@{second}")),
        playbook: PlaybookName::new(playbook),
        trigger: Trigger::Cron,
        planned: at(second),
        task: None,
        decided: at(second),
        state: OccurrenceState::Queued,
        covers: None,
        status: None,
    }
}
