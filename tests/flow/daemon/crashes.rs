//! What a life that ended in the middle leaves behind, and what the next one makes of it: the crash
//! table of the claim protocol. A run that stands at a gate for good is as dead as its process.

use super::playbooks::{BREAKS_OFF, DILIGENT, QUICK, WORKER as WORKER_PLAYBOOK};
use crate::support::daemon::{ADA, BO, Life, Team, request};
use rota::domain::*;
use rota::ledger::stop;
use rota::tools::desk::Desk as _;
use std::time::Duration;

async fn team(scripts: &[&str]) -> Team {
    let mut team = Team::new().await;
    team.playbook("ai-worker", WORKER_PLAYBOOK);
    team.model("worker", scripts);
    team
}

/// A life that ends when a run comes to this place. The daemon is kept, for its run must not be
/// woken by its end.
async fn dies_at(team: &Team, place: &str, let_pass: usize) -> (TaskId, Life) {
    let task = team.task("Fix the login").await;
    let life = team.start().await;
    let mut gate = team.gates.stop_after(place, let_pass);
    tokio::select! {
        report = life.daemon.run_playbook(request("ai-worker")) => panic!("it came to an end: {report:?}"),
        () = gate.reached() => {}
    }
    drop(gate);
    team.clock.advance(Duration::from_secs(1));
    (task, life)
}

/// The next life, until nothing is left to do.
async fn next(team: &Team) -> Life {
    let life = team.start().await;
    life.work().await;
    life
}

/// What always holds after recovery (C5).
async fn all_is_settled(team: &Team, life: &Life, task: TaskId) {
    let claim = life.claim(task).await;
    assert!(matches!(claim.phase, Phase::Free), "{claim:?}");
    assert_eq!(claim.holder, None);
    assert!(life.ledger.orphans().await.unwrap().is_empty());
    assert!(life.ledger.running().await.unwrap().is_empty());
    assert!(life.ledger.open_occurrences().await.unwrap().is_empty());
    for run in life.runs(task).await {
        let open = life.ledger.open_intents(&run.id).await.unwrap();
        assert!(open.is_empty(), "{open:#?}");
    }
    assert_eq!(team.look(task).await.assignee.is_none(), team.status(task).await == "New");
}

async fn texts(team: &Team, task: TaskId, part: &str) -> usize {
    team.comments(task).await.iter().filter(|(_, text)| text.contains(part)).count()
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_was_only_reserved_is_freed_and_nothing_shows() {
    for place in ["readTask", "raiseFence", "before editTask"] {
        let team = team(&[QUICK]).await;
        let (task, _dead) = dies_at(&team, place, 0).await;
        let before = team.activity(task).await.len();
        let life = next(&team).await;
        all_is_settled(&team, &life, task).await;
        assert_eq!(team.activity(task).await.len(), before, "{place}: the board was touched");
        let run = life.the_run(task).await;
        assert_eq!(run.state, RunState::Interrupted, "{place}");
        assert!(team.prompts().is_empty());
        // It may be taken anew.
        assert_eq!(life.run("ai-worker").await.reason, Reason::HandedOver, "{place}");
        assert_eq!(life.runs(task).await[0].fence, Some(Fence(2)), "{place}");
        life.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_was_announced_is_carried_on_as_the_next_attempt() {
    for (place, let_pass) in
        [("after editTask", 0), ("before addComment", 0), ("after addComment", 0)]
    {
        let team = team(&[QUICK]).await;
        let (task, _dead) = dies_at(&team, place, let_pass).await;
        let life = next(&team).await;
        all_is_settled(&team, &life, task).await;
        let runs = life.runs(task).await;
        assert_eq!(runs.len(), 2, "{place}: {runs:#?}");
        assert_eq!((runs[1].state, runs[0].attempt), (RunState::Interrupted, 2), "{place}");
        assert_eq!(runs[0].reason, Some(Reason::HandedOver), "{place}");
        assert!(texts(&team, task, "takes this task").await <= 1, "{place}");
        life.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_was_at_work_is_tried_again_and_does_not_repeat_what_was_done() {
    for (place, let_pass, shown) in
        [("model", 0, 0), ("after addComment", 1, 1), ("before addTask", 0, 1)]
    {
        let team = team(&[DILIGENT]).await;
        let (task, _dead) = dies_at(&team, place, let_pass).await;
        let life = next(&team).await;
        all_is_settled(&team, &life, task).await;
        let runs = life.runs(task).await;
        assert_eq!(runs.len(), 2, "{place}: {runs:#?}");
        assert_eq!((runs[1].state, runs[0].attempt), (RunState::Interrupted, 2), "{place}");
        assert_eq!(runs[0].reason, Some(Reason::HandedOver), "{place}");
        let prompt = team.prompts().pop().unwrap();
        let told = prompt.matches("- addComment on comment").count();
        assert_eq!(told, shown, "{place}: {prompt}");
        life.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_dies_in_its_last_attempt_is_handed_back() {
    let mut team = Team::new().await;
    team.playbook("ai-worker", &WORKER_PLAYBOOK.replace("attempts = 3", "attempts = 1"));
    team.model("worker", &[BREAKS_OFF]);
    let (task, _dead) = dies_at(&team, "after addComment", 1).await;
    let life = next(&team).await;
    all_is_settled(&team, &life, task).await;
    let run = life.runs(task).await.remove(0);
    assert_eq!((run.state, run.reason), (RunState::Failed, Some(Reason::AttemptsUsedUp)));
    assert_eq!(team.status(task).await, "New");
    assert!(!team.look(task).await.has_tag("AI-Agent"));
    assert_eq!(texts(&team, task, "hands this task back").await, 1);
    assert_eq!(team.prompts().len(), 1);
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_was_being_settled_is_settled_to_the_end_and_nothing_twice() {
    for (place, let_pass) in [
        ("before addComment", 2),
        ("after addComment", 2),
        ("before editTask", 1),
        ("after editTask", 1),
    ] {
        let team = team(&[DILIGENT]).await;
        let (task, _dead) = dies_at(&team, place, let_pass).await;
        let life = next(&team).await;
        all_is_settled(&team, &life, task).await;
        let run = life.the_run(task).await;
        assert_eq!(run.state, RunState::Succeeded, "{place}");
        assert_eq!(run.reason, Some(Reason::HandedOver), "{place}");
        assert_eq!(team.status(task).await, "Ready for Review", "{place}");
        assert_eq!(team.look(task).await.assignee, Some(ADA), "{place}");
        assert_eq!(texts(&team, task, "hands this over").await, 1, "{place}");
        assert_eq!(team.prompts().len(), 1, "{place}: it was worked at again");
        life.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_person_who_took_over_while_the_daemon_was_dead_wins() {
    for (place, let_pass) in [("after editTask", 0), ("model", 0), ("before editTask", 1)] {
        let team = team(&[DILIGENT]).await;
        let (task, _dead) = dies_at(&team, place, let_pass).await;
        team.edit(BO, task, TaskEdit::Assignee(Some(BO))).await;
        let asked = team.prompts().len();
        let life = next(&team).await;
        let now = team.look(task).await;
        assert_eq!((now.assignee, now.has_tag("AI-Agent")), (Some(BO), false), "{place}");
        assert_eq!(team.status(task).await, "New", "{place}");
        let run = life.runs(task).await.remove(0);
        let end = (run.state, run.reason);
        assert_eq!(end, (RunState::Yielded, Some(Reason::PersonTookOver)), "{place}");
        assert_eq!(team.prompts().len(), asked, "{place}: a model was asked");
        assert_eq!(life.claim(task).await.holder, None);
        assert!(life.ledger.orphans().await.unwrap().is_empty());
        life.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn while_everything_is_stopped_a_dead_run_is_handed_back_and_not_tried_again() {
    let team = team(&[DILIGENT]).await;
    let (task, _dead) = dies_at(&team, "after addComment", 1).await;
    let now = "2026-11-03T09:00:01Z".parse().unwrap();
    stop::set(&team.folder.path().join("state"), "Ada", "fire", now).unwrap();
    let life = next(&team).await;
    all_is_settled(&team, &life, task).await;
    assert_eq!(team.prompts().len(), 1, "a model was asked while everything is stopped");
    let run = life.runs(task).await.remove(0);
    assert_eq!(run.reason, Some(Reason::Stopped), "{run:?}");
    assert_eq!(team.status(task).await, "New");
    assert_eq!(texts(&team, task, "hands this task back").await, 1);
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_daemon_that_dies_while_it_recovers_loses_nothing() {
    let team = team(&[DILIGENT]).await;
    let (task, _dead) = dies_at(&team, "after addComment", 1).await;
    // The second life dies before its first answer, the third before it settles.
    let mut gate = team.gates.stop("model");
    let _second = team.start().await;
    gate.reached().await;
    drop(gate);
    let mut gate = team.gates.stop_after("before editTask", 0);
    let _third = team.start().await;
    gate.reached().await;
    drop(gate);
    let life = next(&team).await;
    all_is_settled(&team, &life, task).await;
    let runs = life.runs(task).await;
    assert_eq!(runs.iter().filter(|run| run.state == RunState::Interrupted).count(), 2);
    assert_eq!(runs[0].reason, Some(Reason::HandedOver));
    assert_eq!(runs[0].attempt, 3);
    assert_eq!(team.status(task).await, "Ready for Review");
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_that_a_person_wrote_while_the_daemon_was_dead_counts() {
    let team = team(&[DILIGENT]).await;
    let (task, _dead) = dies_at(&team, "model", 0).await;
    team.say(BO, task, "/stop").await;
    team.clock.advance(Duration::from_mins(1));
    let life = next(&team).await;
    let run = life.runs(task).await.remove(0);
    assert_eq!((run.state, run.reason), (RunState::Yielded, Some(Reason::StopComment)));
    assert_eq!(team.prompts().len(), 1, "a model was asked");
    assert!(!team.look(task).await.has_tag("AI-Agent"));
    life.stop().await;
}

/// Moves the task on itself, then the model cannot be used any more.
const MOVES_IT: &str = r#"
[[conversation]]
[[conversation.turn]]
call = [{ tool = "editTask", args = { id = "${task_id}", params = { status = "Approved" } } }]
[[conversation.turn]]
error = "refused"
"#;

#[tokio::test(start_paused = true)]
async fn what_an_earlier_attempt_changed_is_no_persons_doing() {
    for crashes in [false, true] {
        let mut team = Team::new().await;
        let text = WORKER_PLAYBOOK.replace("\"addComment\", \"addSubtask\"", "\"editTask\"");
        team.playbook("ai-worker", &text);
        team.model("worker", &[MOVES_IT, QUICK]);
        let life = if crashes {
            let (_, _dead) = dies_at(&team, "model", 1).await;
            next(&team).await
        } else {
            team.task("Fix the login").await;
            let life = team.start().await;
            life.run("ai-worker").await;
            life
        };
        let task = TaskId(1);
        let runs = life.runs(task).await;
        assert_eq!(runs.len(), 2, "{crashes}: {runs:#?}");
        assert_eq!(runs[0].reason, Some(Reason::HandedOver), "{crashes}: {runs:#?}");
        life.stop().await;
    }
}
