//! Runs under a claim whose daemon died, or was thought to: their occurrence is over when they are and tells
//! of them, and what an operator took away stays taken away.

use super::playbooks::{BREAKS_OFF, DILIGENT, QUICK, WORKER as WORKER_PLAYBOOK};
use super::several::{LEASE_OVER, REPORT, begun, start, team};
use crate::support::daemon::{Life, Team, request};
use crate::support::gates::Gate;
use crate::support::playbooks::changed;
use rota::domain::*;
use rota::store::Batch;
use rota::tools::desk::Desk as _;
use std::time::Duration;

/// More than a lease and its margin.
const MARGIN_OVER: Duration = Duration::from_secs(70);

/// Takes tasks every ten minutes, under claims that outlast their daemon.
fn outlasting() -> String {
    let on = "[on]\nevery = \"10m\"\n[select]";
    changed(WORKER_PLAYBOOK, &[("[select]", on), ("[claim]", "[claim]\nlease = \"5m\"")])
}

/// A run that somebody asked for comes to this place, and stands there.
async fn stands_at(team: &Team, life: &Life, place: &str, let_pass: usize) -> Gate {
    let mut gate = team.gates.stop_after(place, let_pass);
    tokio::select! {
        report = life.daemon.run_playbook(request("ai-worker")) => panic!("it came to an end: {report:?}"),
        () = gate.reached() => {}
    }
    gate
}

/// The runs of the one occurrence, once it has settled.
async fn ran(life: &Life) -> Option<Vec<RunId>> {
    let mut all = life.occurrences("ai-worker").await;
    assert_eq!(all.len(), 1, "{all:#?}");
    match all.remove(0).state {
        OccurrenceState::Ran { runs, .. } => Some(runs),
        _ => None,
    }
}

/// It was taken away from the run, handed back as it was found, and nobody tried again.
async fn was_handed_back(team: &Team, life: &Life, task: TaskId) {
    let runs = life.runs(task).await;
    let ends: Vec<_> = runs.iter().map(|run| (run.state, run.reason)).collect();
    let taken_away = (RunState::ClaimLost, Some(Reason::ForceReleased));
    assert_eq!(ends, [taken_away, taken_away], "{runs:#?}");
    assert_eq!(team.prompts().len(), 1, "nobody tries again");
    assert_eq!((team.look(task).await.assignee, team.status(task).await), (None, "New".into()));
    assert!(life.ledger.orphans().await.unwrap().is_empty());
    assert!(life.ledger.running().await.unwrap().is_empty());
    assert!(life.ledger.open_occurrences().await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_was_taken_away_from_a_daemon_that_died_another_hands_back_and_does_not_try_again() {
    let (mut team, shared) = team("ai-worker", WORKER_PLAYBOOK).await;
    team.model("worker", &[DILIGENT]);
    let task = team.task("Fix the login").await;
    let (one, door) = start(&mut team, &shared, "one").await;
    let (two, _door) = start(&mut team, &shared, "two").await;
    // It has commented and added a subtask.
    let gate = stands_at(&team, &one, "model", 2).await;
    door.die();
    drop(gate);
    two.daemon.release_claim(task, "wrong task", "Ada").await.unwrap();
    team.clock.advance(MARGIN_OVER);
    two.work().await;
    was_handed_back(&team, &two, task).await;
    let (_, told) = team.comments(task).await.pop().unwrap();
    assert!(told.contains("hands this task back") && told.contains("addSubtask"), "{told}");
    assert_eq!(ran(&two).await.map(|runs| runs.len()), Some(2));
    two.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_outcome_that_was_being_written_when_its_claim_was_taken_away_no_next_life_writes() {
    let mut team = Team::new().await;
    team.playbook("ai-worker", WORKER_PLAYBOOK);
    team.model("worker", &[QUICK]);
    let task = team.task("Fix the login").await;
    let dead = team.start().await;
    // It has said that it hands over, and the status is not written yet.
    drop(stands_at(&team, &dead, "before editTask", 1).await);
    dead.ledger.revoke(task, "wrong task", "Ada").await.unwrap();
    let life = team.start().await;
    team.clock.advance(MARGIN_OVER);
    life.work().await;
    was_handed_back(&team, &life, task).await;
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_occurrence_that_was_taken_over_is_over_when_its_claimed_run_is_and_lists_it() {
    let (mut team, shared) = team("ai-worker", &outlasting()).await;
    let task = team.task("Fix the login").await;
    let (one, door) = start(&mut team, &shared, "one").await;
    let (two, _door) = start(&mut team, &shared, "two").await;
    let gate = begun(&team, &one).await;
    door.die();
    drop(gate);
    team.clock.advance(LEASE_OVER);
    two.work().await;
    assert_eq!(ran(&two).await, None, "the claim of its run has not ended");
    team.clock.advance(Duration::from_mins(5));
    two.work().await;
    let runs = two.runs(task).await;
    let ends: Vec<_> = runs.iter().map(|run| (run.attempt, run.state)).collect();
    assert_eq!(ends, [(2, RunState::Succeeded), (1, RunState::Interrupted)], "{runs:#?}");
    assert_eq!(ran(&two).await, Some(vec![runs[1].id.clone(), runs[0].id.clone()]));
    assert!(two.ledger.open_occurrences().await.unwrap().is_empty());
    two.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_run_that_goes_on_at_a_daemon_that_was_thought_gone_is_listed_by_whoever_took_over() {
    let (mut team, shared) = team("ai-worker", &outlasting()).await;
    let task = team.task("Fix the login").await;
    let (one, _door) = start(&mut team, &shared, "one").await;
    let (two, _door) = start(&mut team, &shared, "two").await;
    let gate = begun(&team, &one).await;
    // For so long it does not say that it is there.
    team.clock.advance(LEASE_OVER);
    two.work().await;
    assert_eq!(ran(&two).await, None, "its run is under way");
    gate.open();
    one.daemon.idle().await;
    let run = two.the_run(task).await;
    assert_eq!((run.state, run.reason), (RunState::Succeeded, Some(Reason::HandedOver)));
    assert_eq!(ran(&two).await, None, "it is the other's to settle");
    two.work().await;
    assert_eq!(ran(&two).await, Some(vec![run.id]));
    one.stop().await;
    two.stop().await;
}

#[tokio::test(start_paused = true)]
async fn work_that_goes_on_under_another_occurrence_counts_once_and_by_what_it_came_to() {
    let fails = (BREAKS_OFF, "pause_after = 2", RunState::Failed, 1);
    let succeeds = (QUICK, "pause_after = 1", RunState::Succeeded, 0);
    for (script, pause_after, end, failures) in [fails, succeeds] {
        let twice = [("attempts = 3", "attempts = 2"), ("pause_after = 5", pause_after)];
        let (mut team, shared) = team("ai-worker", &changed(&outlasting(), &twice)).await;
        team.model("worker", &[script]);
        let task = team.task("Fix the login").await;
        let (one, door) = start(&mut team, &shared, "one").await;
        let (two, _door) = start(&mut team, &shared, "two").await;
        let (three, _door) = start(&mut team, &shared, "three").await;
        let mut gate = team.gates.stop("model");
        team.clock.advance(Duration::from_mins(10));
        one.daemon.tick().await;
        gate.reached().await;
        door.die();
        drop(gate);
        // The second takes the occurrence over, the third takes the claim up when that has ended.
        team.clock.advance(LEASE_OVER);
        two.work().await;
        team.clock.advance(Duration::from_secs(230));
        two.work().await;
        team.clock.advance(Duration::from_secs(20));
        three.work().await;
        let runs = three.runs(task).await;
        let ends: Vec<_> = runs.iter().map(|run| (run.attempt, run.state)).collect();
        assert_eq!(ends, [(2, end), (1, RunState::Interrupted)], "{runs:#?}");
        assert_ne!(runs[0].occurrence, runs[1].occurrence);
        two.work().await;
        assert!(two.ledger.open_occurrences().await.unwrap().is_empty());
        let name = PlaybookName::new("ai-worker");
        let switch = two.ledger.playbook_switch(&name).await.unwrap();
        assert_eq!((switch.failures_in_row, switch.paused), (failures, None), "{end}");
        two.stop().await;
        three.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_outcome_whose_playbook_and_definition_are_gone_stands_in_the_way_of_nothing_later() {
    let mut team = Team::new().await;
    std::fs::write(team.folder.path().join("templates/report.md.hbs"), "Report.").unwrap();
    team.playbook("ai-worker", WORKER_PLAYBOOK);
    team.model("worker", &[QUICK]);
    let task = team.task("Fix the login").await;
    let dead = team.start().await;
    // It has said that it hands over, and the status is not written yet.
    drop(stands_at(&team, &dead, "before editTask", 1).await);
    for kept in team.store.scan("definition/", None, 10).await.unwrap() {
        team.store.commit(Batch::new().delete(kept.key)).await.unwrap();
    }
    team.playbook("ai-worker", REPORT);
    let life = team.start().await;
    life.work().await;
    let run = life.the_run(task).await;
    assert_eq!((run.state, run.reason), (RunState::Cancelled, Some(Reason::PlaybookGone)));
    assert_eq!(ran(&life).await, Some(vec![run.id]));
    team.clock.advance(Duration::from_mins(10));
    life.work().await;
    let all = life.occurrences("ai-worker").await;
    let have_run = all.iter().all(|it| matches!(it.state, OccurrenceState::Ran { .. }));
    assert!(all.len() == 2 && have_run, "{all:#?}");
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_replaces_an_occurrence_that_was_taken_over_stops_its_run_where_that_is_under_way() {
    let often = [("every = \"10m\"", "every = \"2m\"\noverlap = \"replace\"")];
    let (mut team, shared) = team("ai-worker", &changed(&outlasting(), &often)).await;
    let task = team.task("Fix the login").await;
    let (one, _door) = start(&mut team, &shared, "one").await;
    let (two, _door) = start(&mut team, &shared, "two").await;
    let mut gate = team.gates.stop("model");
    team.clock.advance(Duration::from_mins(2));
    one.daemon.tick().await;
    gate.reached().await;
    // For so long it does not say that it is there.
    team.clock.advance(LEASE_OVER);
    two.work().await;
    let run = two.the_run(task).await;
    assert_eq!(run.state, RunState::Running);
    team.clock.advance(Duration::from_mins(1));
    two.daemon.tick().await;
    let asked = two.ledger.stops_asked().await.unwrap();
    let asked: Vec<_> = asked.into_iter().map(|asked| asked.run).collect();
    assert_eq!(asked, std::slice::from_ref(&run.id));
    one.daemon.tick().await;
    gate.left().await;
    while two.claim(task).await.phase != Phase::Free {
        tokio::task::yield_now().await;
    }
    let run = two.ledger.run(run.id.as_str()).await.unwrap().unwrap();
    assert_eq!(run.state, RunState::Cancelled, "{run:#?}");
    two.daemon.tick().await;
    let settled = two.ledger.occurrence(&run.occurrence).await.unwrap().unwrap();
    assert!(matches!(settled.state, OccurrenceState::Ran { .. }), "{settled:#?}");
    one.stop().await;
    two.stop().await;
}
