//! The time of runs in the timesheets.

use super::playbooks::{ASKS, BREAKS_OFF, QUICK, WORKER as WORKER_PLAYBOOK};
use crate::support::daemon::{Life, Team, WORKER};
use rota::board::Timesheets as _;
use rota::domain::*;
use std::collections::BTreeSet;
use std::time::Duration;

async fn entries(team: &Team, task: TaskId) -> Vec<(PersonId, TimeKind, u32, String)> {
    let query = TimeQuery { tasks: vec![task], ..TimeQuery::default() };
    let found = team.board.time_entries(&query).await.unwrap().items;
    found.into_iter().map(|e| (e.person, e.kind, e.seconds, e.description)).collect()
}

/// A run whose model takes so long.
pub async fn works(team: &Team, life: &Life, span: Duration) {
    let mut gate = team.gates.stop("model");
    let meanwhile = async {
        gate.reached().await;
        for _ in 0..span.as_secs() / 5 {
            tokio::time::advance(Duration::from_secs(5)).await;
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
        }
        gate.open();
    };
    tokio::join!(life.run("ai-worker"), meanwhile);
}

async fn team(scripts: &[&str], kind: Option<TimeKind>) -> (Team, TaskId) {
    let mut team = Team::new().await;
    team.log_time = kind;
    team.playbook("ai-worker", WORKER_PLAYBOOK);
    team.model("worker", scripts);
    let task = team.task("Fix the login").await;
    (team, task)
}

#[tokio::test(start_paused = true)]
async fn what_a_run_took_is_logged_once_as_its_agent_in_full_minutes() {
    let (team, task) = team(&[QUICK], Some(TimeKind::Testing)).await;
    let life = team.start().await;
    works(&team, &life, Duration::from_secs(140)).await;
    let run = life.the_run(task).await;
    assert_eq!(run.reason, Some(Reason::HandedOver));
    let expected = (WORKER, TimeKind::Testing, 120, format!("run {}", run.id));
    assert_eq!(entries(&team, task).await, [expected]);
    life.work().await;
    life.stop().await;
    let life = team.start().await;
    life.work().await;
    assert_eq!(entries(&team, task).await.len(), 1);
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_a_run_took_until_it_asked_is_logged_too() {
    let (team, task) = team(&[ASKS], Some(TimeKind::Development)).await;
    let life = team.start().await;
    works(&team, &life, Duration::from_mins(2)).await;
    let run = life.the_run(task).await;
    assert_eq!(run.state, RunState::Waiting);
    let expected = (WORKER, TimeKind::Development, 120, format!("run {}", run.id));
    assert_eq!(entries(&team, task).await, [expected]);
    life.work().await;
    life.stop().await;
    let life = team.start().await;
    life.work().await;
    assert_eq!(entries(&team, task).await.len(), 1);
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn each_attempt_counts_and_a_short_one_does_not() {
    let (team, task) = team(&[BREAKS_OFF, QUICK], Some(TimeKind::Development)).await;
    let life = team.start().await;
    works(&team, &life, Duration::from_mins(1)).await;
    let runs = life.runs(task).await;
    assert_eq!(runs.len(), 2, "{runs:#?}");
    // With what it waited before it tried again.
    let expected = (WORKER, TimeKind::Development, 60, format!("run {}", runs[1].id));
    assert_eq!(entries(&team, task).await, [expected]);
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_life_that_ends_around_the_entry_leaves_one_of_each_run() {
    for place in ["before logTime", "after logTime"] {
        let (team, task) = team(&[QUICK, QUICK], Some(TimeKind::Development)).await;
        let dead = team.start().await;
        let mut gate = team.gates.stop(place);
        tokio::select! {
            () = works(&team, &dead, Duration::from_mins(2)) => panic!("{place}: it came to an end"),
            () = gate.reached() => {}
        }
        drop(gate);
        team.clock.advance(Duration::from_secs(1));
        let life = team.start().await;
        life.work().await;
        life.work().await;
        let entries = entries(&team, task).await;
        let runs: BTreeSet<_> = entries.iter().map(|(.., about)| about.clone()).collect();
        assert_eq!(runs.len(), entries.len(), "{place}: {entries:#?}");
        if place == "after logTime" {
            let first = life.runs(task).await.pop().unwrap();
            let expected = (WORKER, TimeKind::Development, 120, format!("run {}", first.id));
            assert_eq!(entries, [expected]);
        }
        life.stop().await;
        drop(dead);
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_logged_where_nobody_asked_for_it() {
    let (team, task) = team(&[QUICK], None).await;
    let life = team.start().await;
    works(&team, &life, Duration::from_secs(140)).await;
    assert!(entries(&team, task).await.is_empty());
    life.stop().await;
}
