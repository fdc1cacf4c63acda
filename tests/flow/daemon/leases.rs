//! The lease while its worker lives: renewed whatever takes long, believed no longer than it holds,
//! and what becomes of a run that is told to stop in the middle.

use super::playbooks::{BREAKS_OFF, DILIGENT, QUICK, WORKER as WORKER_PLAYBOOK};
use crate::support::daemon::{Life, Team, WORKER, request};
use crate::support::gates::Gate;
use crate::support::shared_store::SharedStore;
use rota::clock::Clock as _;
use rota::domain::*;
use rota::tools::desk::{Desk as _, RunReport};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

async fn team(scripts: &[&str]) -> (Team, TaskId, Life) {
    let mut team = Team::new().await;
    team.playbook("ai-worker", WORKER_PLAYBOOK);
    team.model("worker", scripts);
    let task = team.task("Fix the login").await;
    let life = team.start().await;
    (team, task, life)
}

/// Runs the playbook, and does something while it stands at a gate.
async fn meanwhile(life: &Life, mut gate: Gate, what: impl Future<Output = ()>) -> RunReport {
    let meddling = async {
        gate.reached().await;
        what.await;
        gate.open();
    };
    tokio::join!(life.run("ai-worker"), meddling).0
}

/// Time passes on all clocks, and whoever has a timer is woken by it.
async fn takes(span: Duration) {
    for _ in 0..span.as_secs() / 5 {
        tokio::time::advance(Duration::from_secs(5)).await;
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }
}

/// Nothing of a run is left over.
async fn nothing_is_left(life: &Life) {
    assert!(life.ledger.orphans().await.unwrap().is_empty());
    assert!(life.ledger.claims().await.unwrap().is_empty());
    assert!(life.ledger.running().await.unwrap().is_empty());
    assert!(life.ledger.open_occurrences().await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_run_whose_lease_ended_while_it_slept_is_lost_whatever_it_says_of_itself() {
    let (team, task, life) = team(&[QUICK]).await;
    let shown = async || (team.look(task).await, team.comments(task).await.len());
    let gate = team.gates.stop("model");
    let mut before = None;
    let report = meanwhile(&life, gate, async {
        before = Some(shown().await);
        // The machine slept; the first that wakes is the daemon's own look, then the worker.
        team.clock.advance(Duration::from_secs(90));
        life.daemon.tick().await;
        assert_eq!(life.runs(task).await.len(), 1, "its worker is still here");
    })
    .await;
    assert_eq!(report.state, RunState::ClaimLost, "{report:#?}");
    assert_eq!(Some(shown().await), before, "a run that lost its claim wrote to the board");
    team.clock.advance(Duration::from_secs(31));
    life.work().await;
    let runs = life.runs(task).await;
    let ends: Vec<_> = runs.iter().map(|run| (run.attempt, run.state)).collect();
    assert_eq!(ends, [(2, RunState::Succeeded), (1, RunState::ClaimLost)]);
    assert_eq!(team.status(task).await, "Ready for Review");
    nothing_is_left(&life).await;
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_ended_during_a_backoff_ends_the_run_as_lost() {
    let (team, task, life) = team(&[BREAKS_OFF, QUICK]).await;
    let mut gate = team.gates.stop_after("model", 1);
    let sleeping = async {
        gate.reached().await;
        gate.open();
        let mut progress = life.daemon.progress();
        while !progress.recv().await.unwrap().text.contains("the next one begins in") {}
        team.clock.advance(Duration::from_secs(90));
        life.daemon.tick().await;
    };
    let (report, ()) = tokio::join!(life.run("ai-worker"), sleeping);
    assert_eq!(report.state, RunState::ClaimLost, "{report:#?}");
    assert_eq!(life.the_run(task).await.state, RunState::ClaimLost);
    team.clock.advance(Duration::from_secs(31));
    life.work().await;
    assert_eq!(team.status(task).await, "Ready for Review");
    nothing_is_left(&life).await;
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_board_that_takes_longer_than_the_lease_costs_nobody_the_claim() {
    // The announcement, its comment, the outcome's comment, the outcome's edit.
    for (place, let_pass) in [
        ("readTask", 0),
        ("raiseFence", 0),
        ("before editTask", 0),
        ("after addComment", 0),
        ("before addComment", 1),
        ("before editTask", 1),
        ("after editTask", 1),
    ] {
        let (team, task, life) = team(&[QUICK]).await;
        let gate = team.gates.stop_after(place, let_pass);
        let report = meanwhile(&life, gate, async {
            takes(Duration::from_mins(3)).await;
            life.daemon.tick().await;
        })
        .await;
        let end = (report.state, report.reason);
        assert_eq!(end, (RunState::Succeeded, Reason::HandedOver), "{place}: {report:#?}");
        assert_eq!(life.runs(task).await.len(), 1, "{place}");
        assert_eq!(team.status(task).await, "Ready for Review", "{place}");
        nothing_is_left(&life).await;
        life.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_hand_back_on_a_slow_board_is_one_hand_back() {
    for (place, let_pass) in [("before editTask", 1), ("before addComment", 2)] {
        let mut team = Team::new().await;
        team.playbook("ai-worker", &WORKER_PLAYBOOK.replace("attempts = 3", "attempts = 1"));
        team.model("worker", &[BREAKS_OFF]);
        let task = team.task("Fix the login").await;
        let life = team.start().await;
        let gate = team.gates.stop_after(place, let_pass);
        let report = meanwhile(&life, gate, takes(Duration::from_mins(3))).await;
        assert_eq!(report.reason, Reason::ModelFailed, "{place}: {report:#?}");
        assert_eq!(life.runs(task).await.len(), 1, "{place}");
        assert_eq!((team.look(task).await.assignee, team.status(task).await), (None, "New".into()));
        let back = |text: &str| text.contains("hands this task back");
        let told = team.comments(task).await;
        assert_eq!(told.iter().filter(|(_, text)| back(text)).count(), 1, "{place}");
        nothing_is_left(&life).await;
        life.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_whose_claim_is_taken_away_stops_at_once() {
    let (team, task, life) = team(&[DILIGENT]).await;
    let mut gate = team.gates.stop("model");
    let mut since = Duration::ZERO;
    let taking = async {
        gate.reached().await;
        since = team.clock.boot();
        life.daemon.release_claim(task, "wrong task", "Ada").await.unwrap();
    };
    let (report, ()) = tokio::join!(life.run("ai-worker"), taking);
    let took = team.clock.boot().saturating_sub(since);
    assert!(took < Duration::from_secs(1), "it worked on for {took:?}");
    let end = (report.state, report.reason);
    assert_eq!(end, (RunState::ClaimLost, Reason::ForceReleased), "{report:#?}");
    life.work().await;
    assert_eq!((team.look(task).await.assignee, team.status(task).await), (None, "New".into()));
    nothing_is_left(&life).await;
    drop(gate);
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_drain_does_not_wait_for_the_next_attempt() {
    let text = WORKER_PLAYBOOK.replace("backoff = \"10s..1m\"", "backoff = \"25s..1m\"");
    let mut team = Team::new().await;
    team.playbook("ai-worker", &text);
    team.model("worker", &[BREAKS_OFF, QUICK]);
    let task = team.task("Fix the login").await;
    let life = team.start().await;
    let mut gate = team.gates.stop_after("model", 1);
    let draining = async {
        gate.reached().await;
        gate.open();
        let mut progress = life.daemon.progress();
        while !progress.recv().await.unwrap().text.contains("the next one begins in") {}
        let since = team.clock.boot();
        life.daemon.drain().await;
        team.clock.boot().saturating_sub(since)
    };
    let (report, took) = tokio::join!(life.run("ai-worker"), draining);
    assert!(took < Duration::from_secs(1), "the drain took {took:?}");
    assert_eq!((report.state, report.reason), (RunState::Cancelled, Reason::Draining));
    assert_eq!((team.look(task).await.assignee, team.status(task).await), (None, "New".into()));
    let (author, told) = team.comments(task).await.pop().unwrap();
    assert_eq!(author, WORKER);
    assert!(told.contains("hands this task back") && told.contains("model_failed"), "{told}");
    nothing_is_left(&life).await;
    // The next daemon may take it, from the first attempt.
    let life = team.start().await;
    life.run("ai-worker").await;
    let run = life.runs(task).await.remove(0);
    assert_eq!((run.attempt, run.state), (1, RunState::Succeeded));
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_fails_during_a_drain_is_the_last() {
    let (team, task, life) = team(&[BREAKS_OFF, QUICK]).await;
    let mut gate = team.gates.stop_after("model", 1);
    let draining = async {
        gate.reached().await;
        let opening = async {
            takes(Duration::from_secs(10)).await;
            gate.open();
        };
        tokio::join!(life.daemon.drain(), opening);
    };
    let (report, ()) = tokio::join!(life.run("ai-worker"), draining);
    assert_eq!((report.state, report.reason), (RunState::Cancelled, Reason::Draining));
    assert_eq!(team.prompts().len(), 1);
    assert_eq!(life.the_run(task).await.reason, Some(Reason::Draining));
    nothing_is_left(&life).await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_has_an_end_also_where_the_board_never_answers() {
    let (team, _, life) = team(&[QUICK]).await;
    let mut gate = team.gates.stop("before editTask");
    let stopping = async {
        gate.reached().await;
        let since = team.clock.boot();
        life.daemon.stop_now().await;
        life.daemon.drain().await;
        team.clock.boot().saturating_sub(since)
    };
    let patience = Duration::from_hours(1);
    let stopped = tokio::time::timeout(patience, async {
        tokio::select! {
            took = stopping => took,
            report = life.run("ai-worker") => panic!("{report:?}"),
        }
    })
    .await;
    let took = stopped.expect("it never stopped");
    assert!(took < Duration::from_mins(5), "it took {took:?}");
}

#[tokio::test(start_paused = true)]
async fn while_the_board_is_down_an_orphan_waits_and_leaves_no_trail_of_runs() {
    let mut team = Team::new().await;
    team.playbook("ai-worker", WORKER_PLAYBOOK);
    team.model("worker", &[QUICK]);
    let task = team.task("Fix the login").await;
    let life = team.start().await;
    let gate = team.gates.stop("model");
    meanwhile(&life, gate, async { team.board.watch.down.store(true, Ordering::SeqCst) }).await;
    let runs = life.runs(task).await.len();
    for _ in 0..120 {
        team.clock.advance(Duration::from_secs(30));
        life.work().await;
    }
    assert_eq!(life.runs(task).await.len(), runs, "an hour of runs");
    assert_eq!(life.ledger.orphans().await.unwrap().len(), 1);
    team.board.watch.down.store(false, Ordering::SeqCst);
    team.clock.advance(Duration::from_mins(10));
    life.work().await;
    assert_eq!(life.runs(task).await.len(), runs + 1);
    assert!(team.look(task).await.assignee != Some(WORKER));
    nothing_is_left(&life).await;
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_store_that_says_nothing_keeps_nobody_at_work_when_the_trust_window_has_closed() {
    let mut team = Team::new().await;
    team.playbook("ai-worker", WORKER_PLAYBOOK);
    team.model("worker", &[QUICK]);
    team.task("Fix the login").await;
    let door = SharedStore::over(&team.store).door();
    team.store = Arc::clone(&door) as _;
    let life = team.start().await;
    let mut gate = team.gates.stop("model");
    tokio::select! {
        report = life.daemon.run_playbook(request("ai-worker")) => panic!("{report:?}"),
        () = gate.reached() => {}
    }
    let begun = team.clock.boot();
    // No error comes, and no answer: as where a cable is pulled out.
    door.die();
    tokio::time::timeout(Duration::from_hours(1), gate.left()).await.expect("it works on");
    let worked = team.clock.boot().saturating_sub(begun);
    // A lease of a minute, less the margin.
    assert!((50..=55).contains(&worked.as_secs()), "{worked:?}");
}
