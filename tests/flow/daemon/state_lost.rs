//! Local state that fails under a daemon: what passes is waited for, what does not ends it.

use crate::support::daemon::{ADA, Life, Team, WORKER};
use crate::support::gates::Gate;
use crate::support::playbooks::{BREAKS_OFF, DILIGENT, QUICK, WORKER as WORKER_PLAYBOOK, changed};
use async_trait::async_trait;
use futures::FutureExt as _;
use rota::domain::*;
use rota::ledger::PlaybookSwitch;
use rota::store::{Batch, Result, Row, Store, StoreError, Versioned};
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    None,
    /// Nothing is read or written just now.
    Everything,
    /// No commit is durable any more.
    Closed,
    /// Intents are written down, results are not.
    Results,
    /// Neither results are written down, nor that anything is to be said.
    ResultsAndWords,
    /// That a run has ended so is not written down.
    Ends(&'static str),
    /// So many times it is not; then it is.
    FirstEnds(&'static str, u32),
    /// Others are quicker each time that it is to be written down.
    Contended(&'static str),
    /// That an occurrence is over is not written down.
    Occurrences,
    /// Others are quicker each time that it is.
    ContendedOccurrences,
}

#[derive(Debug)]
pub struct Failing {
    below: Arc<dyn Store>,
    now: Mutex<Trouble>,
}

impl Failing {
    pub fn set(&self, trouble: Trouble) {
        *self.now.lock().unwrap() = trouble;
    }

    fn check(&self) -> Result<()> {
        match *self.now.lock().unwrap() {
            Trouble::Everything => Err(StoreError::Failed("the disk does not answer".into())),
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl Store for Failing {
    async fn get(&self, key: &str) -> Result<Option<Versioned>> {
        self.check()?;
        self.below.get(key).await
    }
    async fn commit(&self, batch: Batch) -> Result<()> {
        self.check()?;
        let now = *self.now.lock().unwrap();
        if now == Trouble::Closed {
            return Err(StoreError::Closed("no space left".into()));
        }
        let is_refused = |row: &(String, Vec<u8>)| match now {
            Trouble::Results => is_result(row),
            Trouble::ResultsAndWords => is_result(row) || is_of_words(row),
            Trouble::Ends(state) | Trouble::Contended(state) | Trouble::FirstEnds(state, 1..) => {
                is_end(row, state)
            }
            Trouble::Occurrences | Trouble::ContendedOccurrences => is_over(row),
            Trouble::None | Trouble::Everything | Trouble::Closed | Trouble::FirstEnds(..) => false,
        };
        if let Some((key, _)) = batch.puts.iter().find(|&row| is_refused(row)) {
            if matches!(now, Trouble::Contended(_) | Trouble::ContendedOccurrences) {
                return Err(StoreError::Conflict { key: key.clone() });
            }
            if let Trouble::FirstEnds(state, left) = now {
                self.set(Trouble::FirstEnds(state, left.saturating_sub(1)));
            }
            return Err(StoreError::Failed("the disk does not answer".into()));
        }
        self.below.commit(batch).await
    }
    async fn scan(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<Row>> {
        self.check()?;
        self.below.scan(prefix, after, limit).await
    }
    async fn now(&self) -> Result<StoreTime> {
        self.below.now().await
    }

    fn now_at_most(&self) -> Option<StoreTime> {
        self.below.now_at_most()
    }
}

/// Whether a row of the journal says what came of an effect.
fn is_result((key, value): &(String, Vec<u8>)) -> bool {
    let is_intent = String::from_utf8_lossy(value).contains("\"result\":null");
    key.starts_with("effect/") && !is_intent
}

fn is_of_words((key, value): &(String, Vec<u8>)) -> bool {
    key.starts_with("effect/") && String::from_utf8_lossy(value).contains("\"tool\":\"addComment\"")
}

fn is_end((key, value): &(String, Vec<u8>), state: &str) -> bool {
    let said = format!("\"state\":\"{state}\"");
    key.starts_with("run/") && String::from_utf8_lossy(value).contains(&said)
}

fn is_over((key, value): &(String, Vec<u8>)) -> bool {
    key.starts_with("occurrence/") && String::from_utf8_lossy(value).contains("\"ran\"")
}

/// A playbook that takes tasks by itself, and one task.
pub async fn team() -> (Team, Arc<Failing>, TaskId) {
    let mut team = Team::new().await;
    let on = "agent = \"AI-Worker\"\n\n[on]\nevery = \"30s\"\n";
    let by_itself = [("agent = \"AI-Worker\"\n", on)];
    team.playbook("ai-worker", &changed(WORKER_PLAYBOOK, &by_itself));
    team.model("worker", &[QUICK]);
    let below = Arc::clone(&team.store);
    let store = Arc::new(Failing { below, now: Mutex::new(Trouble::None) });
    team.store = Arc::clone(&store) as _;
    let task = team.task("Fix the login").await;
    (team, store, task)
}

/// A life that took the task by itself, with its model at work.
pub async fn thinking(team: &Team) -> (Life, Gate) {
    let life = team.start().await;
    let mut gate = team.gates.stop("model");
    team.clock.advance(Duration::from_secs(31));
    life.daemon.tick().await;
    gate.reached().await;
    (life, gate)
}

/// What the daemon says of its local state, where it can no longer use it.
fn lost(life: &Life) -> Option<String> {
    life.daemon.lost_its_state().now_or_never()
}

#[tokio::test(start_paused = true)]
async fn local_state_that_fails_for_a_while_is_waited_for() {
    let (team, store, task) = team().await;
    let life = team.start().await;
    life.daemon.tick().await;
    for _ in 0..3 {
        store.set(Trouble::Everything);
        for _ in 0..9 {
            team.clock.advance(Duration::from_secs(30));
            life.daemon.tick().await;
        }
        assert_eq!(lost(&life), None);
        // One look that succeeds, and the patience begins anew.
        store.set(Trouble::None);
        life.work().await;
    }
    assert_eq!(lost(&life), None);
    assert_eq!(team.status(task).await, "Ready for Review");
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn local_state_that_no_look_could_read_for_five_minutes_is_lost() {
    let (team, store, _) = team().await;
    let life = team.start().await;
    life.daemon.tick().await;
    store.set(Trouble::Everything);
    life.daemon.tick().await;
    team.clock.advance(Duration::from_mins(5));
    assert_eq!(lost(&life), None, "before it has looked");
    life.daemon.tick().await;
    let why = lost(&life).expect("it goes on, and decides nothing");
    assert!(why.contains("could not be read for 5m"), "{why}");
    life.daemon.abandon().await;
}

#[tokio::test(start_paused = true)]
async fn a_store_that_takes_no_more_ends_the_daemon_and_leaves_the_claim_to_its_lease() {
    let (team, store, task) = team().await;
    let life = team.start().await;
    life.daemon.tick().await;
    let mut gate = team.gates.stop("model");
    team.clock.advance(Duration::from_secs(30));
    life.daemon.tick().await;
    gate.reached().await;
    store.set(Trouble::Closed);
    team.clock.advance(Duration::from_secs(30));
    life.daemon.tick().await;
    let why = life.daemon.lost_its_state().await;
    assert!(why.contains("takes no more") && why.contains("no space left"), "{why}");
    life.daemon.abandon().await;
    drop(gate);
    // Nothing was written to the board that is not in the journal; the claim is there, and ends.
    let claim = life.claim(task).await;
    assert_eq!(claim.phase, Phase::Working);
    assert!(claim.holder.is_some());
    store.set(Trouble::None);
    let next = team.start().await;
    assert_eq!(lost(&next), None, "it was opened again");
    next.work().await;
    assert_eq!(team.status(task).await, "Ready for Review");
    assert_eq!(next.runs(task).await.len(), 2);
    next.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_task_that_was_put_back_is_announced_again_before_the_next_attempt_works() {
    let (team, store, task) = team().await;
    let (life, thinking) = thinking(&team).await;
    // It cannot hand over, and of what is put back then nothing is known to have happened.
    store.set(Trouble::ResultsAndWords);
    thinking.open();
    life.daemon.idle().await;
    let now = team.look(task).await;
    assert_eq!((now.assignee, team.status(task).await), (None, "New".into()), "it was put back");
    let runs = life.runs(task).await;
    assert_eq!((runs.len(), runs[0].reason), (1, Some(Reason::StoreFailed)), "{runs:#?}");
    store.set(Trouble::None);
    let mut thinking = team.gates.stop("model");
    team.clock.advance(Duration::from_mins(10));
    life.daemon.tick().await;
    thinking.reached().await;
    let now = team.look(task).await;
    assert_eq!((now.assignee, team.status(task).await), (Some(WORKER), "In Progress".into()));
    thinking.open();
    life.daemon.idle().await;
    let runs = life.runs(task).await;
    let ends: Vec<_> = runs.iter().map(|run| (run.attempt, run.reason)).collect();
    let expected = [(2, Some(Reason::HandedOver)), (1, Some(Reason::StoreFailed))];
    assert_eq!(ends, expected, "{runs:#?}");
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_outcome_of_which_nobody_wrote_down_what_came_stands_once_and_is_not_handed_back() {
    let (team, store, task) = team().await;
    let (life, thinking) = thinking(&team).await;
    let before = team.comments(task).await.len();
    store.set(Trouble::Results);
    thinking.open();
    life.daemon.idle().await;
    assert_eq!(team.status(task).await, "Ready for Review");
    assert_eq!(team.comments(task).await.len(), before + 1, "it hands over, and nothing else");
    let runs = life.runs(task).await;
    assert_eq!((runs.len(), runs[0].reason), (1, Some(Reason::HandedOver)), "{runs:#?}");
    assert_eq!(life.claim(task).await.phase, Phase::Free);
    store.set(Trouble::None);
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_run_whose_end_could_not_be_written_down_is_finished_by_the_next_look() {
    let (team, store, task) = team().await;
    let (life, thinking) = thinking(&team).await;
    store.set(Trouble::Ends("succeeded"));
    thinking.open();
    life.daemon.idle().await;
    assert_eq!(team.status(task).await, "Ready for Review");
    let said = team.comments(task).await.len();
    let ended = life.claim(task).await.ended.unwrap();
    assert_eq!(ended.how, EndKind::Expired, "released, it would lead nobody to its run");
    assert_eq!(life.runs(task).await[0].state, RunState::Running);
    store.set(Trouble::None);
    team.clock.advance(Duration::from_secs(31));
    life.daemon.tick().await;
    life.daemon.idle().await;
    let runs = life.runs(task).await;
    let ends: Vec<_> = runs.iter().map(|run| (run.state, run.reason)).collect();
    assert_eq!(ends, [(RunState::Succeeded, Some(Reason::HandedOver))], "{runs:#?}");
    assert_eq!(team.status(task).await, "Ready for Review");
    assert_eq!(team.comments(task).await.len(), said, "nothing is said twice");
    assert_eq!(life.claim(task).await.phase, Phase::Free);
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_a_person_does_while_an_outcome_waits_to_be_written_again_stays() {
    let (team, store, task) = team().await;
    let (life, thinking) = thinking(&team).await;
    let before = team.comments(task).await.len();
    // It can say nothing, so it tries again: and meanwhile somebody takes the task.
    store.set(Trouble::ResultsAndWords);
    thinking.open();
    while life.claim(task).await.phase < Phase::Settling {
        tokio::task::yield_now().await;
    }
    team.edit(ADA, task, TaskEdit::Assignee(Some(ADA))).await;
    store.set(Trouble::None);
    life.daemon.idle().await;
    let now = team.look(task).await;
    assert_eq!(now.assignee, Some(ADA));
    assert_ne!(team.status(task).await, "Ready for Review");
    let runs = life.runs(task).await;
    assert_eq!(runs[0].reason, Some(Reason::PersonTookOver), "{runs:#?}");
    let said = team.comments(task).await;
    assert!(!said[before..].iter().any(|(_, text)| text.contains("hands this over")), "{said:#?}");
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_shadow_run_whose_end_could_not_be_written_down_is_not_made_again() {
    // It fails, or others are quicker at each try.
    for trouble in [Trouble::Ends("succeeded"), Trouble::Contended("succeeded")] {
        let (mut team, store, task) = team().await;
        team.playbook("ai-worker", &format!("mode = \"shadow\"\n{WORKER_PLAYBOOK}"));
        team.model("worker", &[DILIGENT]);
        let life = team.start().await;
        store.set(trouble);
        life.run("ai-worker").await;
        assert_eq!(life.the_run(task).await.state, RunState::Running);
        // As long as that lasts nobody takes it for one that broke off.
        team.clock.advance(Duration::from_secs(31));
        life.work().await;
        assert_eq!(life.the_run(task).await.state, RunState::Running);
        store.set(Trouble::None);
        team.clock.advance(Duration::from_mins(2));
        life.work().await;
        assert_eq!(life.the_run(task).await.state, RunState::Succeeded);
        assert_eq!(team.prompts().len(), 1);
        assert!(life.ledger.orphans().await.unwrap().is_empty());
        life.stop().await;
    }
}

/// A playbook of one attempt that two failures in a row pause: it has failed once while this was in the way.
async fn failed_in(mode: &str, trouble: Trouble) -> (Team, Arc<Failing>, TaskId, Life) {
    let (mut team, store, task) = team().await;
    let once = [("attempts = 3", "attempts = 1"), ("pause_after = 5", "pause_after = 2")];
    let text = changed(WORKER_PLAYBOOK, &once);
    team.playbook("ai-worker", &format!("mode = \"{mode}\"\n{text}"));
    team.model("worker", &[BREAKS_OFF]);
    let life = team.start().await;
    store.set(trouble);
    life.run("ai-worker").await;
    (team, store, task, life)
}

async fn switch(life: &Life) -> PlaybookSwitch {
    life.ledger.playbook_switch(&PlaybookName::new("ai-worker")).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_failure_whose_end_could_not_be_written_down_is_one_run_and_counts_once() {
    for mode in ["live", "shadow"] {
        let (team, store, task, life) = failed_in(mode, Trouble::Ends("failed")).await;
        assert_eq!(life.the_run(task).await.state, RunState::Running, "{mode}");
        store.set(Trouble::None);
        team.clock.advance(Duration::from_secs(31));
        life.work().await;
        assert_eq!(life.the_run(task).await.state, RunState::Failed, "{mode}");
        let switch = switch(&life).await;
        assert_eq!((switch.failures_in_row, switch.paused), (1, None), "{mode}");
        assert!(life.ledger.orphans().await.unwrap().is_empty(), "{mode}");
        life.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_the_next_life_has_to_write_down_counts_once() {
    let end = Trouble::Ends("failed");
    for (mode, trouble) in [("live", end), ("shadow", end), ("live", Trouble::Occurrences)] {
        let (team, store, _, life) = failed_in(mode, trouble).await;
        life.stop().await;
        store.set(Trouble::None);
        let next = team.start().await;
        next.work().await;
        let switch = switch(&next).await;
        assert_eq!((switch.failures_in_row, switch.paused), (1, None), "{mode}, {trouble:?}");
        assert!(next.ledger.running().await.unwrap().is_empty(), "{mode}, {trouble:?}");
        assert!(next.ledger.open_occurrences().await.unwrap().is_empty(), "{mode}, {trouble:?}");
        next.stop().await;
    }
}

/// The model cannot be used.
const FAILS: &str = "[[conversation]]\n[[conversation.turn]]\nerror = \"refused\"\n";

#[tokio::test(start_paused = true)]
async fn a_report_that_was_made_in_the_end_succeeds_whichever_earlier_end_is_not_written_down() {
    let (mut team, store, _) = team().await;
    std::fs::remove_file(team.folder.path().join("agents/ai-worker.toml")).unwrap();
    let template = team.folder.path().join("templates/report.md.hbs");
    std::fs::write(template, "Attempt {{run.attempt}}.").unwrap();
    let limits = "[limits]\nattempts = 3\nbackoff = \"10s..10s\"\n";
    team.playbook("report", &format!("{}{limits}", super::several::REPORT));
    team.model("worker", &[QUICK, FAILS, QUICK]);
    let dead = team.start().await;
    let mut gate = team.gates.stop("model");
    team.clock.advance(Duration::from_mins(10));
    dead.daemon.tick().await;
    gate.reached().await;
    drop(gate);
    store.set(Trouble::Ends("failed"));
    let life = team.start().await;
    life.work().await;
    let occurrences = life.occurrences("report").await;
    assert_eq!(occurrences.len(), 1, "{occurrences:#?}");
    let OccurrenceState::Ran { runs, reason, .. } = &occurrences[0].state else {
        panic!("{occurrences:#?}")
    };
    let last = life.ledger.run(runs.last().unwrap().as_str()).await.unwrap().unwrap();
    assert_eq!((runs.len(), last.attempt, last.state), (3, 3, RunState::Succeeded));
    assert_eq!(Some(*reason), last.reason);
    let switch = life.ledger.playbook_switch(&PlaybookName::new("report")).await.unwrap();
    assert_eq!(switch.failures_in_row, 0);
    store.set(Trouble::None);
    life.stop().await;
}
