//! Reports that a crash, a drain or a failure breaks off: made after all, as long as it is not too
//! late and attempts are left.

use super::playbooks::BREAKS_OFF;
use crate::support::daemon::{Life, Team};
use rota::domain::*;
use std::time::Duration;

/// Every day at eight in Berlin: a model that comments on task 1 and is done.
const REPORT: &str = r#"
agent = "AI-Assistant"
[on]
cron = "0 8 * * *"
late = "12h"
[work]
runner = "model"
model = "worker"
prompt = "morning.md.hbs"
tools = ["addComment", "finish"]
[outcome.ready]
[scope]
write = "board"
[limits]
attempts = 2
backoff = "20s..20s"
[report]
template = "stale"
to = ["stdout"]
when = "always"
"#;

const TALKS: &str = r#"
[[conversation]]
[[conversation.turn]]
call = [{ tool = "addComment", args = { module = "ticket", entityId = 1, text = "Good morning." } }]
[[conversation.turn]]
call = [{ tool = "finish", args = { outcome = "ready", summary = "Told." } }]
"#;

const QUIET: &str = r#"
[[conversation]]
[[conversation.turn]]
call = [{ tool = "finish", args = { outcome = "ready", summary = "Told." } }]
"#;

async fn team(scripts: &[&str]) -> Team {
    let mut team = Team::at("2026-11-03T06:00:00Z").await;
    let prompt = "Attempt {{run.attempt}}.\n{{#each earlier}}- {{tool}}\n{{/each}}";
    std::fs::write(team.folder.path().join("templates/morning.md.hbs"), prompt).unwrap();
    team.playbook("morning", REPORT);
    team.model("worker", scripts);
    team.task("Fix the login").await;
    team
}

/// The report begins at eight, and its life ends at a place.
async fn dies_at(team: &Team, place: &str, let_pass: usize) -> Life {
    let life = team.start().await;
    life.work().await;
    team.clock.advance_to("2026-11-03T07:00:00Z");
    let mut gate = team.gates.stop_after(place, let_pass);
    life.daemon.tick().await;
    gate.reached().await;
    life
}

async fn runs(life: &Life) -> Vec<(u32, RunState)> {
    let filter = rota::ledger::RunFilter::default();
    let mut runs = life.ledger.runs(&filter, 100).await.unwrap();
    runs.sort_by_key(|run| (run.started, run.attempt));
    runs.into_iter().map(|run| (run.attempt, run.state)).collect()
}

async fn all_is_settled(life: &Life) {
    assert!(life.ledger.running().await.unwrap().is_empty());
    assert!(life.ledger.open_occurrences().await.unwrap().is_empty());
    let filter = rota::ledger::RunFilter::default();
    for run in life.ledger.runs(&filter, 100).await.unwrap() {
        assert!(life.ledger.open_intents(&run.id).await.unwrap().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_report_that_a_crash_broke_off_is_made_by_the_next_life_once() {
    for (place, let_pass) in [("model", 0), ("before addComment", 0), ("after addComment", 0)] {
        let team = team(&[TALKS, QUIET]).await;
        let _dead = dies_at(&team, place, let_pass).await;
        team.clock.advance(Duration::from_mins(5));
        let life = team.start().await;
        life.work().await;
        let ends = runs(&life).await;
        assert_eq!(ends, [(1, RunState::Interrupted), (2, RunState::Succeeded)], "{place}");
        all_is_settled(&life).await;
        let occurrences = life.occurrences("morning").await;
        let OccurrenceState::Ran { runs, reason, .. } = &occurrences.last().unwrap().state else {
            panic!("{occurrences:#?}");
        };
        assert_eq!((runs.len(), *reason), (2, Reason::Done), "{place}");
        assert_eq!(team.told.texts().len(), 1, "{place}: {:#?}", team.told.texts());
        // What was tried before stands in the next prompt.
        let tried = team.prompts()[1].contains("- addComment");
        assert_eq!(tried, place != "model", "{place}: {:#?}", team.prompts());
        life.stop().await;
        // It is told once, whatever comes after.
        let life = team.start().await;
        life.work().await;
        assert_eq!(team.told.texts().len(), 1);
        life.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_broken_off_report_is_not_made_when_it_is_too_late_or_its_attempts_are_used_up() {
    for (is_late, crashes) in [(true, 1), (false, 2)] {
        let team = team(&[TALKS]).await;
        let mut dead = vec![dies_at(&team, "model", 0).await];
        for _ in 1..crashes {
            let mut gate = team.gates.stop("model");
            dead.push(team.start().await);
            gate.reached().await;
        }
        team.clock.advance(if is_late { Duration::from_hours(13) } else { Duration::from_mins(5) });
        let life = team.start().await;
        life.work().await;
        let ends = runs(&life).await;
        assert_eq!(ends.len(), crashes, "{ends:?}");
        assert!(ends.iter().all(|(_, state)| *state == RunState::Interrupted), "{ends:?}");
        all_is_settled(&life).await;
        life.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_report_that_fails_is_tried_again_as_often_as_its_limits_say() {
    let broken = BREAKS_OFF.replace("\"${task_id}\"", "1");
    for (second, state) in [(QUIET, RunState::Succeeded), (broken.as_str(), RunState::Failed)] {
        let team = team(&[&broken, second]).await;
        let life = team.start().await;
        life.work().await;
        team.clock.advance_to("2026-11-03T07:00:00Z");
        life.work().await;
        assert_eq!(runs(&life).await, [(1, RunState::Failed), (2, state)]);
        all_is_settled(&life).await;
        life.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_report_that_a_drain_broke_off_is_made_by_the_next_life() {
    let team = team(&[TALKS, QUIET]).await;
    let mut gate = team.gates.stop("model");
    let life = team.start().await;
    life.work().await;
    team.clock.advance_to("2026-11-03T07:00:00Z");
    life.daemon.tick().await;
    gate.reached().await;
    life.daemon.stop_now().await;
    life.stop().await;
    let life = team.start().await;
    life.work().await;
    assert_eq!(runs(&life).await, [(1, RunState::Cancelled), (2, RunState::Succeeded)]);
    all_is_settled(&life).await;
    assert_eq!(team.told.texts().len(), 1);
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_pause_after_the_crash_holds_for_the_report_too() {
    let team = team(&[TALKS, QUIET]).await;
    let dead = dies_at(&team, "model", 0).await;
    dead.ledger.pause(&PlaybookName::new("morning"), "Ada", "holiday").await.unwrap();
    let life = team.start().await;
    life.work().await;
    assert_eq!(runs(&life).await, [(1, RunState::Interrupted)]);
    all_is_settled(&life).await;
    life.stop().await;
}
