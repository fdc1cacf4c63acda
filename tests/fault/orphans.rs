//! Claims that end under a daemon that lives: nobody has them, the board still shows them, and the
//! daemon sees to them without being started again (C5).

use crate::support::daemon::{ADA, Life, Team, WORKER as AGENT};
use rota::domain::*;
use rota::tools::desk::{Desk as _, RunReport};
use std::sync::atomic::Ordering;
use std::time::Duration;

const PLAYBOOK: &str = r#"
agent = "AI-Worker"
[select]
status = "kind:new"
tags = { any = ["AI-Suitable"] }
[claim]
[work]
runner = "model"
model = "worker"
prompt = "work.md.hbs"
tools = ["addComment", "finish"]
[outcome.ready]
status = "Ready for Review"
[limits]
attempts = 2
backoff = "1s..1s"
"#;

const SCRIPT: &str = r#"
[[conversation]]
[[conversation.turn]]
call = [{ tool = "addComment", args = { module = "ticket", entityId = "${task_id}", text = "On it." } }]
[[conversation.turn]]
call = [{ tool = "finish", args = { outcome = "ready", summary = "Done." } }]
"#;

pub async fn team(attempts: u32) -> (Team, TaskId, Life) {
    let mut team = Team::new().await;
    let attempts = format!("attempts = {attempts}");
    team.playbook("worker", &PLAYBOOK.replace("attempts = 2", &attempts));
    team.model("worker", &[SCRIPT]);
    let task = team.task("Fix the login").await;
    let life = team.start().await;
    (team, task, life)
}

/// Runs the playbook, and does something while its model thinks.
pub async fn meanwhile(team: &Team, life: &Life, what: impl Future<Output = ()>) -> RunReport {
    let mut gate = team.gates.stop("model");
    let meddling = async {
        gate.reached().await;
        what.await;
        gate.open();
    };
    tokio::join!(life.run("worker"), meddling).0
}

async fn is_as_before(team: &Team, life: &Life, task: TaskId) {
    let now = team.look(task).await;
    assert_eq!((now.assignee, team.status(task).await.as_str()), (None, "New"));
    assert!(life.ledger.orphans().await.unwrap().is_empty());
    assert!(life.ledger.claims().await.unwrap().is_empty());
    assert!(life.ledger.running().await.unwrap().is_empty());
    assert!(life.ledger.open_occurrences().await.unwrap().is_empty());
    let told = team.comments(task).await;
    let backs = told.iter().filter(|(_, text)| text.contains("hands this task back")).count();
    assert_eq!(backs, 1, "{told:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_task_that_an_operator_took_away_goes_back_once_its_run_has_stopped() {
    let (team, task, life) = team(2).await;
    let report = meanwhile(&team, &life, async {
        life.daemon.release_claim(task, "it hangs", "Ada").await.unwrap();
        // The run still lives: its task stays as it is until it has stopped.
        life.daemon.tick().await;
        assert_eq!(team.look(task).await.assignee, Some(AGENT));
    })
    .await;
    assert_eq!(report.state, RunState::ClaimLost, "{report:#?}");
    life.work().await;
    is_as_before(&team, &life, task).await;
    assert_eq!(life.runs(task).await[0].reason, Some(Reason::ForceReleased));
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_run_that_lost_its_lease_is_followed_by_the_next_attempt() {
    let (team, task, life) = team(2).await;
    let report = meanwhile(&team, &life, async {
        // As if the machine had slept: the clocks go on, and nothing renewed.
        team.clock.advance(Duration::from_secs(90));
        life.daemon.tick().await;
        assert_eq!(life.runs(task).await.len(), 1, "its worker is still here");
    })
    .await;
    assert_eq!(report.state, RunState::ClaimLost, "{report:#?}");
    team.clock.advance(Duration::from_secs(31));
    life.work().await;
    assert_eq!(team.status(task).await, "Ready for Review");
    let runs = life.runs(task).await;
    assert_eq!((runs.len(), runs[0].attempt, runs[0].state), (2, 2, RunState::Succeeded));
    assert!(runs[0].fence > runs[1].fence);
    assert!(life.ledger.orphans().await.unwrap().is_empty());
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_task_that_cannot_be_put_back_while_the_board_is_down_goes_back_when_it_is_up() {
    let (team, task, life) = team(1).await;
    let report = meanwhile(&team, &life, async {
        team.board.watch.down.store(true, Ordering::SeqCst);
    })
    .await;
    assert!(report.state != RunState::Succeeded, "{report:#?}");
    life.work().await;
    assert_eq!(life.ledger.orphans().await.unwrap().len(), 1, "nobody would put it back");
    team.board.watch.down.store(false, Ordering::SeqCst);
    team.clock.advance(Duration::from_secs(31));
    life.work().await;
    is_as_before(&team, &life, task).await;
    assert_eq!(team.comments(task).await.iter().filter(|(who, _)| *who == ADA).count(), 0);
    life.stop().await;
}
