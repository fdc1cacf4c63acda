//! Two hundred runs side by side whose model fails in a dozen ways: whatever fails, nothing is left
//! behind, and no run uses more than it may by more than one exchange.

use super::playbooks::{QUICK, WORKER as WORKER_PLAYBOOK};
use crate::support::daemon::{Life, Team};
use crate::support::playbooks::changed;
use async_trait::async_trait;
use rota::domain::*;
use rota::ledger::Amount;
use rota::model::scripted::ScriptedModel;
use rota::model::{Exchange, Heard, Message, Model, ModelError, Reply};
use rota::tools::desk::Desk as _;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Barrier;

const RUNS: usize = 200;
/// What a run may use.
const TOKENS: u64 = 10_000;
/// What one exchange of the most expensive way uses.
const EXCHANGE: u64 = 6_000;

/// Every way to fail: the turns of its conversation, and the reasons by which its last attempt ends.
const WAYS: &[(&str, [Reason; 1])] = &[
    (r#"error = "unavailable""#, [Reason::ModelFailed]),
    ("error = \"rate_limited\"\nretry_after_ms = 5000", [Reason::ModelFailed]),
    (r#"error = "overloaded""#, [Reason::ModelFailed]),
    (
        "error = \"broken_off\"\nusage = { tokens_in = 1000, tokens_out = 10 }",
        [Reason::ModelFailed],
    ),
    (r#"error = "malformed""#, [Reason::ModelFailed]),
    (r#"error = "context_too_long""#, [Reason::ModelFailed]),
    (r#"error = "declined""#, [Reason::ModelDeclined]),
    (r#"error = "denied""#, [Reason::ModelFailed]),
    // Arguments that are broken off, again and again.
    (r#"call = [{ tool = "addComment", text = "{\"text\": " }]"#, [Reason::RepeatedFailure]),
    (r#"say = "I think about it.""#, [Reason::NoOutcome]),
    // No sign of life.
    ("wait_ms = 3600000", [Reason::Stalled]),
    // Two of these are more than it may use.
    (
        "call = [{ tool = \"getTicket\", args = { id = \"${task_id}\" } }]\n\
         usage = { tokens_in = 5000, tokens_out = 1000, cost_micros = 1000 }",
        [Reason::BudgetSpent],
    ),
    (
        r#"call = [{ tool = "finish", args = { outcome = "great", summary = "Done." } }]"#,
        [Reason::RepeatedFailure],
    ),
];

/// The same turn again and again.
fn script() -> String {
    let mut script = String::new();
    for (way, (turn, _)) in WAYS.iter().enumerate() {
        let _ = writeln!(script, "[[conversation]]\nmatch = [\"Way {way} of failing\"]");
        for _ in 0..5 {
            let _ = writeln!(script, "[[conversation.turn]]\n{turn}");
        }
    }
    script + QUICK
}

/// The headline of a task at which nothing fails.
const GOOD: &str = "Nothing is wrong here";

/// One way that no script has: the adapter itself has a fault.
#[derive(Debug)]
struct Faulty {
    below: ScriptedModel,
    panics: AtomicUsize,
    /// Whoever does well does so only when all of them are at work.
    room: Barrier,
}

#[async_trait]
impl Model for Faulty {
    fn describe(&self) -> String {
        self.below.describe()
    }

    async fn exchange(&self, exchange: &Exchange, heard: &Heard<'_>) -> Result<Reply, ModelError> {
        let Some(Message::User(prompt)) = exchange.messages.first() else { unreachable!() };
        if prompt.contains("A fault of the adapter") {
            self.panics.fetch_add(1, Ordering::SeqCst);
            panic!("a fault of the adapter");
        }
        if prompt.contains(GOOD) {
            self.room.wait().await;
        }
        self.below.exchange(exchange, heard).await
    }
}

async fn nothing_is_left(life: &Life) {
    assert_eq!(life.ledger.claims().await.unwrap(), [], "claims");
    assert_eq!(life.ledger.orphans().await.unwrap(), [], "ended claims that nobody saw to");
    assert_eq!(life.ledger.running().await.unwrap(), [], "runs");
    assert_eq!(life.ledger.open_occurrences().await.unwrap(), [], "occurrences");
    let status = life.daemon.status().await.unwrap();
    assert_eq!(status.get("runs"), Some(&Value::List(vec![])), "{status}");
    let spent = life.ledger.spent(None, "2026-11-03".parse().unwrap()).await.unwrap();
    assert_eq!(spent.reserved, Amount::default(), "reservations");
}

/// There is room for as many again: were one slot still taken, the others would wait in vain.
async fn as_many_do_well_at_once(team: &Team, life: &Life) {
    let mut good = Vec::new();
    for _ in 0..RUNS {
        good.push(team.task(GOOD).await);
    }
    life.run("ai-worker").await;
    for task in good {
        assert_eq!(life.the_run(task).await.state, RunState::Succeeded);
        assert_eq!(team.status(task).await, "Ready for Review");
    }
    nothing_is_left(life).await;
}

#[tokio::test(start_paused = true)]
async fn two_hundred_runs_that_fail_in_every_way_leave_nothing_behind() {
    let mut team = Team::new().await;
    team.slots = 200;
    let limits = "attempts = 2\nidle = \"1m\"\ntokens = 10_000\nconcurrent = 200\n\
                  tokens_per_day = 100_000_000";
    let text = changed(
        WORKER_PLAYBOOK,
        &[
            ("attempts = 3", limits),
            ("concurrent = 50", ""),
            ("limit = 50", "limit = 200"),
            ("pause_after = 5", "pause_after = 1000"),
        ],
    );
    team.playbook("ai-worker", &text);
    let faulty = Arc::new(Faulty {
        below: ScriptedModel::from_toml("worker", &script()).unwrap(),
        panics: AtomicUsize::new(0),
        room: Barrier::new(RUNS),
    });
    team.models.insert("worker".to_owned(), Arc::clone(&faulty) as _);
    let mut tasks = BTreeMap::new();
    for number in 0..RUNS {
        let way = number % (WAYS.len() + 1);
        let headline = match WAYS.get(way) {
            Some(_) => format!("Way {way} of failing"),
            None => "A fault of the adapter".to_owned(),
        };
        tasks.insert(team.task(&headline).await, way);
    }
    let life = team.start().await;
    life.run("ai-worker").await;
    let mut rounds = 0;
    // A worker that panicked keeps its claim to the end of its lease.
    while !life.ledger.open_occurrences().await.unwrap().is_empty()
        || !life.ledger.claims().await.unwrap().is_empty()
    {
        team.clock.advance(Duration::from_mins(2));
        life.work().await;
        rounds += 1;
        assert!(rounds < 20, "it does not end");
    }
    life.work().await;
    nothing_is_left(&life).await;
    for (task, way) in &tasks {
        let runs = life.runs(*task).await;
        // Whose worker panicked is found by its ended lease, and handed back by a run of its own.
        let expected =
            WAYS.get(*way).map_or(&[Reason::Interrupted, Reason::AttemptsUsedUp][..], |way| &way.1);
        assert!((1..=3).contains(&runs.len()), "way {way}: {runs:#?}");
        for run in &runs {
            assert!(run.reason.is_some_and(|it| expected.contains(&it)), "way {way}: {run:#?}");
            let used = run.usage.tokens_in + run.usage.tokens_out;
            assert!(used <= TOKENS + EXCHANGE, "way {way}: {run:#?}");
        }
        let now = team.look(*task).await;
        assert_eq!((now.assignee, team.status(*task).await.as_str()), (None, "New"), "way {way}");
    }
    assert!(faulty.panics.load(Ordering::SeqCst) > 0);
    as_many_do_well_at_once(&team, &life).await;
    life.stop().await;
}
