//! Attempts: again after a failure, until they are used up; failures in a row pause a playbook.

use super::playbooks::{BREAKS_OFF, DILIGENT, QUICK, WORKER as WORKER_PLAYBOOK};
use crate::support::daemon::{ADA, Team};
use rota::domain::*;
use rota::tools::desk::{Desk as _, Switch};
use std::time::Duration;

/// A script that comments as often as it is told, then is done.
const TALKS: &str = r#"
[[conversation]]
[[conversation.turn]]
call = [
  { tool = "addComment", args = { module = "ticket", entityId = "${task_id}", text = "one" } },
  { tool = "addComment", args = { module = "ticket", entityId = "${task_id}", text = "two" } },
]
[[conversation.turn]]
expect = "scope_max"
call = [{ tool = "finish", args = { outcome = "ready", summary = "It works now." } }]
"#;

/// Adds a subtask and comments, then the model cannot be used any more.
const DILIGENT_THEN_OFF: &str = r#"
[[conversation]]
[[conversation.turn]]
call = [
  { tool = "addSubtask", args = { parentTicket = "${task_id}", headline = "Write the test" } },
  { tool = "addComment", args = { module = "ticket", entityId = "${task_id}", text = "I try." } },
]
[[conversation.turn]]
error = "refused"
"#;

/// Comments, then the provider's filter declines.
const DECLINES: &str = r#"
[[conversation]]
[[conversation.turn]]
call = [{ tool = "addComment", args = { module = "ticket", entityId = "${task_id}", text = "I look." } }]
[[conversation.turn]]
say = "I cannot help with this."
stop = "declined"
"#;

/// The same mistake, for ever.
const STUBBORN: &str = r#"
[[conversation]]
[[conversation.turn]]
call = [{ tool = "getTicket", args = { id = 999 } }]
[[conversation.turn]]
call = [{ tool = "getTicket", args = { id = 999 } }]
[[conversation.turn]]
call = [{ tool = "getTicket", args = { id = 999 } }]
"#;

/// What the same prompt would meet again is not tried again: it goes back at once, and says why.
async fn is_handed_back_at_once(script: &str, reason: Reason, said: &str) {
    let mut team = Team::new().await;
    team.playbook("ai-worker", WORKER_PLAYBOOK);
    team.model("worker", &[script, DILIGENT]);
    let task = team.task("Fix the login").await;
    let life = team.start().await;
    let report = life.run("ai-worker").await;
    assert_eq!((report.state, report.reason), (RunState::Failed, reason));
    let run = life.the_run(task).await;
    assert_eq!((run.attempt, run.reason), (1, Some(reason)));
    assert_eq!((team.look(task).await.assignee, team.status(task).await.as_str()), (None, "New"));
    let (_, last) = team.comments(task).await.pop().unwrap();
    assert!(last.contains("hands this task back") && last.contains(said), "{last}");
    let told = team.told.texts();
    let failures = told.iter().filter(|text| text.contains(reason.code())).count();
    assert_eq!(failures, 1, "{told:#?}");
    // It is not taken again either until somebody has looked at it.
    team.clock.advance(Duration::from_hours(1));
    assert_eq!(life.run("ai-worker").await.reason, Reason::NothingToDo);
    team.edit(ADA, task, TaskEdit::Description("Only the button.".into())).await;
    assert_eq!(life.run("ai-worker").await.reason, Reason::HandedOver);
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_task_that_the_model_declines_is_handed_back_at_once_and_people_hear_of_it() {
    is_handed_back_at_once(DECLINES, Reason::ModelDeclined, "declined to work on it").await;
    is_handed_back_at_once(STUBBORN, Reason::RepeatedFailure, "same failing call").await;
}

#[tokio::test(start_paused = true)]
async fn a_run_that_fails_twice_is_tried_again_and_knows_what_was_done_before() {
    let mut team = Team::new().await;
    team.playbook("ai-worker", WORKER_PLAYBOOK);
    team.model("worker", &[BREAKS_OFF, BREAKS_OFF, TALKS]);
    let task = team.task("Fix the login").await;
    let life = team.start().await;
    let report = life.run("ai-worker").await;
    let mut runs = life.runs(task).await;
    runs.reverse();
    let seen: Vec<_> =
        runs.iter().map(|run| (run.attempt, run.state, run.fence.unwrap().0)).collect();
    let (failed, succeeded) = (RunState::Failed, RunState::Succeeded);
    assert_eq!(seen, [(1, failed, 1), (2, failed, 2), (3, succeeded, 3)]);
    assert_eq!(runs[0].reason, Some(Reason::ModelFailed));
    assert_eq!(runs[2].reason, Some(Reason::HandedOver));
    assert_eq!(report.tasks.len(), 3);
    assert!(runs.iter().all(|run| run.occurrence == runs[0].occurrence));

    let prompts = team.prompts();
    assert_eq!(prompts.len(), 3);
    assert!(prompts[0].contains("attempt 1 of 3") && prompts[2].contains("attempt 3 of 3"));
    assert!(!prompts[0].contains("Earlier attempts already changed this"));
    assert!(prompts[2].contains("The attempt before this one ended: model_failed"));
    let lines = prompts[2].matches("- addComment on comment").count();
    assert_eq!(lines, 2, "{}", prompts[2]);

    // Two of three comments were used by the attempts before: `scope.max` counts them.
    let texts: Vec<_> = team.comments(task).await.into_iter().map(|(_, text)| text).collect();
    let own = |text: &str| texts.iter().filter(|t| t.as_str() == text).count();
    assert_eq!((own("I try."), own("one"), own("two")), (2, 1, 0), "{texts:#?}");
    // The board was told of the claim once.
    assert_eq!(texts.iter().filter(|text| text.contains("takes this task")).count(), 1);
    assert_eq!(team.status(task).await, "Ready for Review");
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_task_whose_attempts_are_used_up_goes_back_and_waits_for_somebody_to_edit_it() {
    let mut team = Team::new().await;
    team.playbook("ai-worker", &WORKER_PLAYBOOK.replace("attempts = 3", "attempts = 2"));
    team.model("worker", &[BREAKS_OFF, BREAKS_OFF, DILIGENT]);
    let task = team.task("Fix the login").await;
    let life = team.start().await;
    let report = life.run("ai-worker").await;
    assert_eq!(report.state, RunState::Failed);
    assert_eq!(life.runs(task).await.len(), 2);
    let now = team.look(task).await;
    assert_eq!((now.assignee, now.has_tag("AI-Agent")), (None, false));
    assert_eq!(team.status(task).await, "New");
    let (_, last) = team.comments(task).await.pop().unwrap();
    assert!(last.contains("hands this task back"), "{last}");
    assert!(last.contains("Attempts: 2 of 2"), "{last}");
    let told = team.told.texts();
    assert!(told.iter().any(|text| text.contains("model_failed")), "{told:?}");

    for _ in 0..3 {
        team.clock.advance(Duration::from_hours(1));
        let again = life.run("ai-worker").await;
        assert_eq!(again.reason, Reason::NothingToDo);
    }
    let why = serde_json::to_string(&life.daemon.why("1", None).await.unwrap()).unwrap();
    assert!(why.contains("attempts_used_up"), "{why}");
    team.edit(ADA, task, TaskEdit::Description("More is known now.".into())).await;
    let again = life.run("ai-worker").await;
    assert_eq!(again.reason, Reason::HandedOver);
    let run = life.runs(task).await.into_iter().next().unwrap();
    assert_eq!((run.attempt, run.fence), (1, Some(Fence(3))));
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn after_so_many_failures_in_a_row_a_playbook_pauses_itself_and_tells() {
    let mut team = Team::new().await;
    let text = WORKER_PLAYBOOK
        .replace("attempts = 3", "attempts = 1")
        .replace("pause_after = 5", "pause_after = 2")
        .replace("limit = 50", "limit = 1")
        .replace("[select]", "[on]\nevery = \"10m\"\n[select]");
    team.playbook("ai-worker", &text);
    team.model("worker", &[BREAKS_OFF, BREAKS_OFF, QUICK]);
    for headline in ["One", "Two", "Three"] {
        team.task(headline).await;
    }
    let life = team.start().await;
    for _ in 0..4 {
        life.work().await;
        team.clock.advance(Duration::from_mins(10));
    }
    assert_eq!(team.prompts().len(), 2);
    let told = team.told.texts();
    let pauses = told.iter().filter(|text| text.contains("has paused itself")).count();
    assert_eq!(pauses, 1, "{told:#?}");
    let states: Vec<_> = life.occurrences("ai-worker").await.into_iter().map(|o| o.state).collect();
    let skipped = OccurrenceState::Skipped { reason: Reason::Paused };
    assert!(states.contains(&skipped), "{states:#?}");
    let name = PlaybookName::new("ai-worker");
    life.daemon.set_playbook(&name, Switch::Resume, "Ada").await.unwrap();
    team.clock.advance(Duration::from_mins(10));
    life.work().await;
    assert_eq!(team.prompts().len(), 3);
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_attempts_of_one_occurrence_are_one_failure_in_a_row() {
    let mut team = Team::new().await;
    let text = WORKER_PLAYBOOK
        .replace("pause_after = 5", "pause_after = 2")
        .replace("limit = 50", "limit = 1");
    team.playbook("ai-worker", &text);
    team.model("worker", &[BREAKS_OFF; 6]);
    for headline in ["One", "Two"] {
        team.task(headline).await;
    }
    let life = team.start().await;
    let name = PlaybookName::new("ai-worker");
    life.run("ai-worker").await;
    assert_eq!(team.prompts().len(), 3);
    let switch = life.ledger.playbook_switch(&name).await.unwrap();
    assert_eq!((switch.failures_in_row, switch.paused), (1, None));
    life.run("ai-worker").await;
    let switch = life.ledger.playbook_switch(&name).await.unwrap();
    assert_eq!(switch.paused.unwrap().reason, "2 failures in a row");
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_task_that_is_handed_back_tells_what_every_attempt_at_it_did() {
    let mut team = Team::new().await;
    team.playbook("ai-worker", WORKER_PLAYBOOK);
    team.model("worker", &[DILIGENT_THEN_OFF, BREAKS_OFF, BREAKS_OFF]);
    let task = team.task("Fix the login").await;
    let life = team.start().await;
    life.run("ai-worker").await;
    let (_, last) = team.comments(task).await.pop().unwrap();
    let done = last.lines().find(|line| line.starts_with("- Done so far:")).unwrap();
    assert_eq!(
        done,
        "- Done so far: attempt 1: addSubtask (task 2), addComment (comment 2); \
         attempt 2: addComment (comment 3); attempt 3: addComment (comment 4)"
    );
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_success_that_the_journal_does_not_show_is_none() {
    let mut team = Team::new().await;
    let text = WORKER_PLAYBOOK
        .replace("attempts = 3", "attempts = 1")
        .replace("[outcome.ready]", "[outcome.ready]\nrequires = [\"tool:addSubtask\"]");
    team.playbook("ai-worker", &text);
    team.model("worker", &[QUICK, DILIGENT]);
    let task = team.task("Fix the login").await;
    let life = team.start().await;
    let report = life.run("ai-worker").await;
    assert_eq!((report.state, report.reason), (RunState::Unverified, Reason::Unverified));
    assert_eq!(team.status(task).await, "New");
    team.clock.advance(Duration::from_secs(1));
    team.edit(ADA, task, TaskEdit::Priority(Some(1))).await;
    assert_eq!(life.run("ai-worker").await.reason, Reason::HandedOver);
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_run_that_a_person_cancels_while_it_waits_for_its_next_attempt_is_handed_back() {
    let mut team = Team::new().await;
    team.playbook("ai-worker", WORKER_PLAYBOOK);
    team.model("worker", &[BREAKS_OFF, DILIGENT]);
    let task = team.task("Fix the login").await;
    let life = team.start().await;
    let mut gate = team.gates.stop_after("model", 1);
    let cancelling = async {
        gate.reached().await;
        gate.open();
        let mut progress = life.daemon.progress();
        while !progress.recv().await.unwrap().text.contains("the next one begins in") {}
        let run = life.the_run(task).await.id;
        life.daemon.stop_run(&run, "Ada").await.unwrap();
    };
    let (report, ()) = tokio::join!(life.run("ai-worker"), cancelling);
    assert_eq!((report.state, report.reason), (RunState::Cancelled, Reason::Cancelled));
    assert_eq!(team.prompts().len(), 1);
    assert_eq!((team.look(task).await.assignee, team.status(task).await.as_str()), (None, "New"));
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_person_who_takes_over_between_two_attempts_wins() {
    let mut team = Team::new().await;
    team.playbook("ai-worker", WORKER_PLAYBOOK);
    team.model("worker", &[BREAKS_OFF, DILIGENT]);
    let task = team.task("Fix the login").await;
    let life = team.start().await;
    let mut gate = team.gates.stop_after("model", 1);
    let taking = async {
        gate.reached().await;
        gate.open();
        let mut progress = life.daemon.progress();
        while !progress.recv().await.unwrap().text.contains("the next one begins in") {}
        team.edit(ADA, task, TaskEdit::Assignee(Some(ADA))).await;
    };
    let (report, ()) = tokio::join!(life.run("ai-worker"), taking);
    assert_eq!(report.reason, Reason::PersonTookOver, "what its last attempt came to");
    let last = life.runs(task).await.into_iter().next().unwrap();
    assert_eq!((last.state, last.reason), (RunState::Yielded, Some(Reason::PersonTookOver)));
    assert_eq!(team.prompts().len(), 1);
    let now = team.look(task).await;
    assert_eq!((now.assignee, now.has_tag("AI-Agent")), (Some(ADA), false));
    life.stop().await;
}
