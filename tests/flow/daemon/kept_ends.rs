//! Ends that the store did not take at once: kept, and written down as they were.

use super::several::REPORT;
use super::state_lost::{Trouble, team, thinking};
use crate::support::playbooks::WORKER as WORKER_PLAYBOOK;
use rota::clock::Clock as _;
use rota::domain::*;
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn an_occurrence_at_whose_end_others_were_quicker_each_time_has_ended_when_it_did() {
    let (team, store, _) = team().await;
    team.playbook("ai-worker", WORKER_PLAYBOOK);
    let life = team.start().await;
    store.set(Trouble::ContendedOccurrences);
    life.run("ai-worker").await;
    let over = team.clock.wall();
    store.set(Trouble::None);
    team.clock.advance(Duration::from_secs(31));
    life.work().await;
    let all = life.occurrences("ai-worker").await;
    assert_eq!(all.len(), 1, "{all:#?}");
    assert!(matches!(all[0].state, OccurrenceState::Ran { at, .. } if at <= over), "{all:#?}");
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_end_that_was_kept_is_written_down_when_the_next_run_ends() {
    let (team, store, task) = team().await;
    team.playbook("ai-worker", WORKER_PLAYBOOK);
    let life = team.start().await;
    store.set(Trouble::Ends("succeeded"));
    life.run("ai-worker").await;
    assert_eq!(life.the_run(task).await.state, RunState::Running);
    store.set(Trouble::None);
    let next = team.task("Fix the logout").await;
    life.run("ai-worker").await;
    assert_eq!(life.the_run(next).await.state, RunState::Succeeded);
    assert_eq!(life.the_run(task).await.state, RunState::Succeeded);
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_report_whose_end_is_kept_is_not_taken_for_broken_off_when_another_ends() {
    let (team, store, _) = team().await;
    std::fs::write(team.folder.path().join("templates/report.md.hbs"), "Report.").unwrap();
    for name in ["ai-worker", "another"] {
        team.playbook(name, REPORT);
    }
    let life = team.start().await;
    let mut gates = [team.gates.stop("model"), team.gates.stop("model")];
    team.clock.advance(Duration::from_mins(10));
    life.daemon.tick().await;
    for gate in &mut gates {
        gate.reached().await;
    }
    store.set(Trouble::Ends("cancelled"));
    life.daemon.abandon().await;
    let running = life.ledger.running().await.unwrap();
    assert_eq!(running.len(), 2, "they were cancelled, and nobody says otherwise: {running:#?}");
}

#[tokio::test(start_paused = true)]
async fn an_end_that_was_kept_is_written_down_before_the_daemon_is_gone() {
    let (team, store, task) = team().await;
    let (life, _thinking) = thinking(&team).await;
    // Twice at its worker's asking, and once when that is done.
    store.set(Trouble::FirstEnds("cancelled", 3));
    life.daemon.abandon().await;
    let run = life.the_run(task).await;
    assert_eq!((run.state, run.reason), (RunState::Cancelled, Some(Reason::Draining)));
    assert!(life.ledger.running().await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_claim_whose_end_waited_long_for_the_store_is_seen_to_by_the_look_that_records_it() {
    let (team, store, _) = team().await;
    let (life, thinking) = thinking(&team).await;
    store.set(Trouble::Ends("succeeded"));
    thinking.open();
    life.daemon.idle().await;
    // After so many looks in vain it would be left alone for eight minutes.
    for _ in 0..5 {
        team.clock.advance(Duration::from_mins(5));
        life.daemon.tick().await;
        life.daemon.idle().await;
    }
    assert_eq!(life.ledger.orphans().await.unwrap().len(), 1);
    store.set(Trouble::None);
    team.clock.advance(Duration::from_secs(31));
    life.daemon.tick().await;
    life.daemon.idle().await;
    assert!(life.ledger.orphans().await.unwrap().is_empty());
    life.stop().await;
}
