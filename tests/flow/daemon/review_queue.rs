//! What waits for a person: asking, handing over, deciding; by assistants and by playbooks.

use super::playbooks::{QUICK, WORKER as WORKER_PLAYBOOK};
use crate::support::daemon::{ADA, BO, Life, REVIEWER, Team, WORKER};
use rota::board::Comments as _;
use rota::domain::*;
use rota::tools::ToolError;
use rota::tools::desk::{Desk as _, Switch};
use serde_json::{Value as Json, json};
use std::time::Duration;

pub(super) const HOUR: Duration = Duration::from_hours(1);

/// An agent's assistant holds a task: the task, and its fence.
pub(super) async fn held(team: &Team, life: &Life) -> (TaskId, u64) {
    held_by(team, life, WORKER).await
}

async fn held_by(team: &Team, life: &Life, who: PersonId) -> (TaskId, u64) {
    let task = team.task("Fix the footer").await;
    let agent = team.person(who).await;
    let claimed = life.call(&agent, "claimTask", json!({ "task": task.0 })).await.unwrap();
    let fence = claimed.get("fence").and_then(Value::as_int).unwrap();
    (task, u64::try_from(fence).unwrap())
}

pub(super) async fn submitted(team: &Team, life: &Life) -> TaskId {
    submitted_by(team, life, WORKER).await
}

pub(super) async fn submitted_by(team: &Team, life: &Life, who: PersonId) -> TaskId {
    let (task, fence) = held_by(team, life, who).await;
    let agent = team.person(who).await;
    let args = json!({ "task": task.0, "fence": fence, "summary": "Fixed the footer.",
                       "evidence": ["tests pass"], "reviewer": "Ada" });
    let hold = life.call(&agent, "submitForReview", args).await.unwrap();
    assert_eq!(hold.get("phase").and_then(Value::as_text), Some("free"));
    task
}

/// A playbook has handed a task over.
async fn handed_over() -> (Team, Life, TaskId) {
    let mut team = Team::new().await;
    team.playbook("ai-worker", WORKER_PLAYBOOK);
    team.model("worker", &[QUICK]);
    let task = team.task("Make it blue").await;
    let life = team.start().await;
    assert_eq!(life.run("ai-worker").await.reason, Reason::HandedOver);
    (team, life, task)
}

pub(super) async fn asked(team: &Team, life: &Life) -> TaskId {
    let (task, fence) = held(team, life).await;
    let agent = team.person(WORKER).await;
    let args =
        json!({ "task": task.0, "fence": fence, "question": "Which footer?", "person": "Ada" });
    let hold = life.call(&agent, "askPerson", args).await.unwrap();
    assert_eq!(hold.get("phase").and_then(Value::as_text), Some("parked"));
    task
}

pub(super) async fn decide(
    team: &Team,
    life: &Life,
    who: PersonId,
    (task, decision, comment): (TaskId, &str, &str),
) -> Result<Json, ToolError> {
    let who = team.person(who).await;
    let args = json!({ "task": task.0, "decision": decision, "comment": comment });
    let answer = life.call(&who, "decideReview", args).await?;
    Ok(serde_json::to_value(&answer).unwrap())
}

/// What waits: task, why, from whom, whose turn it is.
pub(super) async fn waiting(team: &Team, life: &Life) -> Vec<(i64, String, String, Json)> {
    let listed = life.call(&team.person(ADA).await, "listReviews", json!({})).await.unwrap();
    let listed = serde_json::to_value(&listed).unwrap();
    let items = listed["items"].as_array().unwrap().iter();
    let text = |item: &Json, name: &str| item[name].as_str().unwrap().to_owned();
    let row = |item: &Json| {
        let (kind, from) = (text(item, "kind"), text(item, "from"));
        (item["task"].as_i64().unwrap(), kind, from, item["owner"].clone())
    };
    items.map(row).collect()
}

#[tokio::test(start_paused = true)]
async fn what_an_assistant_submits_waits_for_its_reviewer_and_is_done_when_they_approve() {
    let team = Team::new().await;
    let life = team.start().await;
    let task = submitted(&team, &life).await;
    assert_eq!(team.status(task).await, "Ready for Review");
    assert_eq!(team.look(task).await.assignee, Some(ADA));
    let expected = (task.0, "hand_over".to_owned(), "AI-Worker".to_owned(), json!("Ada"));
    assert_eq!(waiting(&team, &life).await, [expected]);
    let (_, words) = team.comments(task).await.pop().unwrap();
    assert!(words.contains("Fixed the footer.") && words.contains("- tests pass"), "{words}");
    let ruling = decide(&team, &life, ADA, (task, "approve", "Well done.")).await.unwrap();
    assert_eq!(ruling["repeated"], false, "{ruling:#}");
    assert_eq!(team.status(task).await, "Done");
    assert!(waiting(&team, &life).await.is_empty());
    let (who, words) = team.comments(task).await.pop().unwrap();
    assert!(
        who == ADA && words.contains("approves this") && words.contains("Well done."),
        "{words}"
    );
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_first_decision_stands_and_whoever_decides_again_is_told_it() {
    let team = Team::new().await;
    let life = team.start().await;
    let task = submitted(&team, &life).await;
    let (one, other) = tokio::join!(
        decide(&team, &life, ADA, (task, "approve", "")),
        decide(&team, &life, BO, (task, "request_changes", "The link is missing.")),
    );
    let (one, other) = (one.unwrap(), other.unwrap());
    assert_eq!(one["decision"]["verdict"], other["decision"]["verdict"]);
    assert_ne!(one["repeated"], other["repeated"], "{one:#} {other:#}");
    let comments = team.comments(task).await.len();
    assert_eq!(comments, 3, "claimed, handed over, decided");
    for (who, decision) in [(ADA, "request_changes"), (BO, "approve")] {
        let again = decide(&team, &life, who, (task, decision, "Now?")).await.unwrap();
        assert_eq!(
            (&again["repeated"], &again["decision"]["verdict"]),
            (&json!(true), &one["decision"]["verdict"])
        );
    }
    assert_eq!(team.comments(task).await.len(), comments, "nothing was written twice");
    life.stop().await;
}

/// A decision that is written down, and nothing more.
async fn noted(life: &Life, task: TaskId, verdict: Verdict) {
    let decided = Decided {
        verdict,
        comment: "As I said.".to_owned(),
        by: ADA,
        name: "Ada".to_owned(),
        at: life.the_run(task).await.started,
        after: CommentId(0),
        written: false,
    };
    let run = life.the_run(task).await.id;
    life.ledger.decide_review(task, &run, decided).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_decision_that_broke_off_is_finished_by_whoever_decides_again() {
    let team = Team::new().await;
    let life = team.start().await;
    let task = submitted(&team, &life).await;
    noted(&life, task, Verdict::Approved).await;
    assert_eq!(waiting(&team, &life).await.len(), 1, "it is not on the board yet");
    let before = team.comments(task).await.len();
    let again = decide(&team, &life, BO, (task, "request_changes", "No.")).await.unwrap();
    assert_eq!((&again["repeated"], &again["decision"]["name"]), (&json!(true), &json!("Ada")));
    assert_eq!(team.status(task).await, "Done");
    assert_eq!(team.comments(task).await.len(), before + 1);
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_decision_that_broke_off_is_finished_by_the_next_life_in_the_name_of_who_decided() {
    let (team, life, task) = handed_over().await;
    noted(&life, task, Verdict::ChangesRequested).await;
    life.stop().await;
    let life = team.start().await;
    life.work().await;
    let said = team.comments(task).await;
    let told = said.iter().filter(|(who, text)| *who == ADA && text.contains("As I said."));
    assert_eq!(told.count(), 1, "{said:#?}");
    assert_eq!(life.runs(task).await.len(), 2, "the playbook works at it again");
    assert!(team.prompts()[1].contains("Ada: As I said."), "{}", team.prompts()[1]);
    life.work().await;
    assert_eq!(team.comments(task).await.iter().filter(|(who, _)| *who == ADA).count(), 1);
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_decision_that_a_new_hand_over_came_before_is_told_and_moves_nothing() {
    let (team, life, task) = handed_over().await;
    noted(&life, task, Verdict::Approved).await;
    let first = life.ledger.hand_over(task).await.unwrap().unwrap();
    // Another run hands over at the same moment.
    let run = Run {
        id: RunId::new("r-zzzzzzzzzzzz"),
        state: RunState::Running,
        reason: None,
        ended: None,
        fence: None,
        ..life.the_run(task).await
    };
    life.ledger.start_run(&run, "").await.unwrap();
    let ended = Run {
        state: RunState::Succeeded,
        reason: Some(Reason::HandedOver),
        ended: Some(run.started),
        ..run.clone()
    };
    let anew = HandOver { run: run.id.clone(), decided: None, ..first };
    life.ledger.finish_handed_over(&ended, Vec::new(), &anew).await.unwrap();
    for _ in 0..3 {
        life.work().await;
    }
    let said = team.comments(task).await;
    let told = said.iter().filter(|(who, text)| {
        *who == ADA && text.contains("As I said.") && text.contains("handed over anew meanwhile")
    });
    assert_eq!(told.count(), 1, "{said:#?}");
    assert_eq!(team.status(task).await, "Ready for Review");
    assert_eq!(waiting(&team, &life).await.len(), 1, "the new one waits");
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_rework_that_the_end_of_a_daemon_broke_off_before_it_showed_is_begun_by_the_next() {
    let (team, life, task) = handed_over().await;
    decide(&team, &life, BO, (task, "request_changes", "It is green.")).await.unwrap();
    // It is told to stop in the moment in which it has begun.
    tokio::join!(life.daemon.tick(), life.daemon.stop_now());
    life.stop().await;
    let life = team.start().await;
    let comments = team.comments(task).await;
    assert!(
        !comments.iter().any(|(_, text)| text.contains("hands this task back")),
        "{comments:#?}"
    );
    assert_eq!(team.status(task).await, "Changes Requested");
    life.work().await;
    let runs = life.runs(task).await;
    assert_eq!(runs[0].reason, Some(Reason::HandedOver), "{runs:#?}");
    assert_eq!((runs[0].attempt, team.status(task).await.as_str()), (1, "Ready for Review"));
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_a_reviewing_agent_approved_goes_back_to_its_author_when_a_person_does_not() {
    let mut team = Team::new().await;
    team.playbook("ai-worker", &WORKER_PLAYBOOK.replace("assign = \"{{task.author}}\"\n", ""));
    team.playbook("code-review", super::reviews::REVIEW);
    team.model("worker", &[QUICK]);
    team.model("reviewer", &[super::reviews::APPROVES, super::reviews::APPROVES]);
    let task = team.task("Make it blue").await;
    let life = team.start().await;
    life.run("ai-worker").await;
    life.run("code-review").await;
    assert_eq!(team.status(task).await, "Approved");
    assert_eq!(waiting(&team, &life).await[0].2, "the playbook code-review");
    decide(&team, &life, ADA, (task, "request_changes", "It is green.")).await.unwrap();
    life.work().await;
    let last = life.runs(task).await.remove(0);
    assert_eq!(last.playbook.as_str(), "ai-worker");
    assert!(team.prompts()[2].contains("Ada: It is green."), "{}", team.prompts()[2]);
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_rework_that_a_person_asked_for_waits_for_the_end_of_a_stop() {
    let (team, life, task) = handed_over().await;
    life.daemon.stop_all("Ada", "lunch").await.unwrap();
    decide(&team, &life, BO, (task, "request_changes", "It is green.")).await.unwrap();
    life.daemon.tick().await;
    assert_eq!(life.runs(task).await.len(), 1);
    life.daemon.start_all("Ada").await.unwrap();
    life.work().await;
    assert_eq!(life.runs(task).await.len(), 2);
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_a_person_moved_before_a_rejection_was_written_stays_and_nobody_works_again() {
    let (team, life, task) = handed_over().await;
    noted(&life, task, Verdict::ChangesRequested).await;
    let done = team.labelled("Done").await;
    team.edit(BO, task, TaskEdit::Status(done)).await;
    life.work().await;
    assert_eq!(team.status(task).await, "Done");
    assert_eq!(life.runs(task).await.len(), 1);
    assert!(waiting(&team, &life).await.is_empty());
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_rework_waits_for_the_end_of_a_pause_and_not_for_a_task_that_somebody_moved() {
    let mut team = Team::new().await;
    team.playbook("ai-worker", WORKER_PLAYBOOK);
    team.model("worker", &[QUICK]);
    let (one, other) = (team.task("Make it blue").await, team.task("Make it red").await);
    let life = team.start().await;
    life.run("ai-worker").await;
    life.run("ai-worker").await;
    let name = PlaybookName::new("ai-worker");
    life.daemon.set_playbook(&name, Switch::Pause, "Ada").await.unwrap();
    for task in [one, other] {
        decide(&team, &life, BO, (task, "request_changes", "No.")).await.unwrap();
    }
    life.daemon.tick().await;
    assert_eq!((life.runs(one).await.len(), life.runs(other).await.len()), (1, 1));
    // Ada does it herself meanwhile.
    let done = team.labelled("Done").await;
    team.edit(ADA, other, TaskEdit::Status(done)).await;
    life.daemon.set_playbook(&name, Switch::Resume, "Ada").await.unwrap();
    life.work().await;
    assert_eq!((life.runs(one).await.len(), life.runs(other).await.len()), (2, 1));
    assert_eq!(team.status(other).await, "Done");
    assert!(life.ledger.open_occurrences().await.unwrap().is_empty());
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_decision_that_the_board_does_not_show_yet_keeps_agents_off_all_the_same() {
    let team = Team::new().await;
    let life = team.start().await;
    let task = submitted(&team, &life).await;
    team.edit(ADA, task, TaskEdit::Assignee(None)).await;
    noted(&life, task, Verdict::Approved).await;
    let agent = team.person(WORKER).await;
    let error = life.call(&agent, "claimTask", json!({ "task": task.0 })).await.unwrap_err();
    assert_eq!(error.reason(), Reason::Waiting, "{error}");
    life.work().await;
    assert_eq!(team.status(task).await, "Done");
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_moved_away_and_back_waits_again() {
    let team = Team::new().await;
    let life = team.start().await;
    let task = submitted(&team, &life).await;
    let (away, back) =
        (team.labelled("In Progress").await, team.labelled("Ready for Review").await);
    team.edit(BO, task, TaskEdit::Status(away)).await;
    assert!(waiting(&team, &life).await.is_empty());
    team.edit(BO, task, TaskEdit::Status(back)).await;
    assert_eq!(waiting(&team, &life).await.len(), 1);
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn while_a_hand_over_waits_no_agent_and_no_author_moves_or_takes_the_task() {
    let team = Team::new().await;
    let life = team.start().await;
    let task = submitted(&team, &life).await;
    let done = team.labelled("Done").await.0;
    for who in [WORKER, REVIEWER] {
        let who = team.person(who).await;
        let edit = json!({ "id": task.0, "params": { "status": done } });
        let error = life.call(&who, "editTask", edit).await.unwrap_err();
        assert_eq!(error.reason(), Reason::Waiting, "{error}");
        let claim = life.call(&who, "claimTask", json!({ "task": task.0 })).await.unwrap_err();
        assert!(matches!(claim.reason(), Reason::Waiting | Reason::Assigned), "{claim}");
    }
    // What was done is no secret, and more may be said about it.
    let worker = team.person(WORKER).await;
    let said = json!({ "module": "ticket", "entityId": task.0, "text": "One thing more." });
    life.call(&worker, "addComment", said).await.unwrap();
    // A person moves it where they like.
    let edit = json!({ "id": task.0, "params": { "status": done } });
    life.call(&team.person(BO).await, "editTask", edit).await.unwrap();
    assert!(waiting(&team, &life).await.is_empty());
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn changes_that_a_person_asks_for_stand_in_the_playbooks_next_prompt() {
    let (team, life, task) = handed_over().await;
    assert_eq!(waiting(&team, &life).await[0].2, "the playbook ai-worker");
    let ruling = decide(&team, &life, BO, (task, "request_changes", "It is green.")).await.unwrap();
    assert!(ruling["what"].as_str().unwrap().contains("ai-worker works at it again"), "{ruling:#}");
    assert_eq!(team.status(task).await, "Changes Requested");
    assert!(waiting(&team, &life).await.is_empty(), "it waits for the agent now");
    life.work().await;
    let runs = life.runs(task).await;
    assert_eq!(runs.len(), 2, "{runs:#?}");
    assert_eq!((runs[0].attempt, runs[0].reason), (1, Some(Reason::HandedOver)));
    let prompt = &team.prompts()[1];
    assert!(prompt.contains("Bo: It is green."), "{prompt}");
    assert_eq!(team.status(task).await, "Ready for Review");
    // The next round is another decision.
    decide(&team, &life, ADA, (task, "approve", "")).await.unwrap();
    assert_eq!(team.status(task).await, "Done");
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn changes_to_an_assistants_work_give_the_task_back_to_it() {
    let team = Team::new().await;
    let life = team.start().await;
    let task = submitted(&team, &life).await;
    decide(&team, &life, ADA, (task, "request_changes", "No link.")).await.unwrap();
    assert_eq!(
        (team.look(task).await.assignee, team.status(task).await.as_str()),
        (Some(WORKER), "Changes Requested")
    );
    let agent = team.person(WORKER).await;
    life.call(&agent, "claimTask", json!({ "task": task.0 })).await.unwrap();
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_does_not_wait_is_not_decided_and_a_dry_run_decides_nothing() {
    let team = Team::new().await;
    let life = team.start().await;
    let idle = team.task("Nobody was here").await;
    for decision in ["approve", "request_changes", "answer"] {
        let error = decide(&team, &life, ADA, (idle, decision, "Text.")).await.unwrap_err();
        assert_eq!(error.reason(), Reason::NotFound, "{error}");
    }
    let task = submitted(&team, &life).await;
    let ada = team.person(ADA).await;
    let args = json!({ "task": task.0, "decision": "approve", "dryRun": true });
    let tried = life.call(&ada, "decideReview", args).await.unwrap();
    assert!(tried.get("what").and_then(Value::as_text).unwrap().contains("would: "));
    assert_eq!(team.status(task).await, "Ready for Review");
    assert_eq!(waiting(&team, &life).await.len(), 1);
    let error = decide(&team, &life, ADA, (task, "request_changes", " ")).await.unwrap_err();
    assert_eq!(error.reason(), Reason::InvalidArguments, "{error}");
    // A person moved it on the board: it does not wait any more, and nothing is undone.
    let done = team.labelled("Done").await;
    team.edit(BO, task, TaskEdit::Status(done)).await;
    assert!(waiting(&team, &life).await.is_empty());
    let error = decide(&team, &life, ADA, (task, "request_changes", "No.")).await.unwrap_err();
    assert_eq!(error.reason(), Reason::NotFound, "{error}");
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_token_for_some_projects_knows_nothing_of_what_waits_elsewhere() {
    let team = Team::new().await;
    let life = team.start().await;
    let task = submitted(&team, &life).await;
    let ada = team.person(ADA).await;
    let elsewhere = [ProjectId(99)];
    let listed = life.call_within(&ada, &elsewhere, "listReviews", json!({})).await.unwrap();
    assert_eq!(listed.get("items").and_then(Value::as_list).map(<[_]>::len), Some(0));
    let args = json!({ "task": task.0, "decision": "approve" });
    let error = life.call_within(&ada, &elsewhere, "decideReview", args).await.unwrap_err();
    assert_eq!(error.reason(), Reason::NotFound, "{error}");
    let query = CommentQuery { on: Some(CommentTarget::Task(task)), ..CommentQuery::default() };
    assert_eq!(team.board.comments(&query).await.unwrap().items.len(), 2);
    life.stop().await;
}
