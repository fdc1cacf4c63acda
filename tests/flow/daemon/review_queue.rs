//! What waits for a person: asking, handing over, deciding; by assistants and by playbooks.

use super::playbooks::{ASKS, QUICK, WORKER as WORKER_PLAYBOOK};
use crate::support::daemon::{ADA, BO, Life, Team, WORKER};
use rota::board::Comments as _;
use rota::domain::*;
use rota::tools::ToolError;
use serde_json::{Value as Json, json};
use std::time::Duration;

const HOUR: Duration = Duration::from_hours(1);

/// An agent's assistant holds a task: the task, and its fence.
async fn held(team: &Team, life: &Life) -> (TaskId, u64) {
    let task = team.task("Fix the footer").await;
    let agent = team.person(WORKER).await;
    let claimed = life.call(&agent, "claimTask", json!({ "task": task.0 })).await.unwrap();
    let fence = claimed.get("fence").and_then(Value::as_int).unwrap();
    (task, u64::try_from(fence).unwrap())
}

async fn submitted(team: &Team, life: &Life) -> TaskId {
    let (task, fence) = held(team, life).await;
    let agent = team.person(WORKER).await;
    let args = json!({ "task": task.0, "fence": fence, "summary": "Fixed the footer.",
                       "evidence": ["tests pass"], "reviewer": "Ada" });
    let hold = life.call(&agent, "submitForReview", args).await.unwrap();
    assert_eq!(hold.get("phase").and_then(Value::as_text), Some("free"));
    task
}

async fn asked(team: &Team, life: &Life) -> TaskId {
    let (task, fence) = held(team, life).await;
    let agent = team.person(WORKER).await;
    let args =
        json!({ "task": task.0, "fence": fence, "question": "Which footer?", "person": "Ada" });
    let hold = life.call(&agent, "askPerson", args).await.unwrap();
    assert_eq!(hold.get("phase").and_then(Value::as_text), Some("parked"));
    task
}

async fn decide(
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
async fn waiting(team: &Team, life: &Life) -> Vec<(i64, String, String, Json)> {
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

#[tokio::test(start_paused = true)]
async fn a_decision_that_broke_off_is_finished_by_whoever_decides_again() {
    let team = Team::new().await;
    let life = team.start().await;
    let task = submitted(&team, &life).await;
    let run = life.the_run(task).await.id;
    // Written down, and nothing more.
    let noted = Decided {
        task,
        run,
        verdict: Verdict::Approved,
        comment: "Well done.".to_owned(),
        by: ADA,
        name: "Ada".to_owned(),
        at: life.ledger.run(life.the_run(task).await.id.as_str()).await.unwrap().unwrap().started,
        written: false,
    };
    life.ledger.review(noted).await.unwrap();
    let before = team.comments(task).await.len();
    let again = decide(&team, &life, BO, (task, "request_changes", "No.")).await.unwrap();
    assert_eq!((&again["repeated"], &again["decision"]["name"]), (&json!(true), &json!("Ada")));
    assert_eq!(team.status(task).await, "Done");
    assert_eq!(team.comments(task).await.len(), before + 1);
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn changes_that_a_person_asks_for_stand_in_the_playbooks_next_prompt() {
    let mut team = Team::new().await;
    team.playbook("ai-worker", WORKER_PLAYBOOK);
    team.model("worker", &[QUICK]);
    let task = team.task("Make it blue").await;
    let life = team.start().await;
    assert_eq!(life.run("ai-worker").await.reason, Reason::HandedOver);
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
async fn a_question_waits_without_a_lease_and_its_asker_gets_the_answer_with_the_claim() {
    let team = Team::new().await;
    let life = team.start().await;
    let task = asked(&team, &life).await;
    let agent = team.person(WORKER).await;
    let (_, words) = team.comments(task).await.pop().unwrap();
    assert!(words.contains("**AI-Worker** asks Ada") && words.contains("Which footer?"), "{words}");
    assert_eq!(waiting(&team, &life).await[0].1, "question");
    let again = json!({ "task": task.0 });
    let error = life.call(&agent, "claimTask", again.clone()).await.unwrap_err();
    assert_eq!(error.reason(), Reason::Waiting, "{error}");
    let other = life.call(&team.person(BO).await, "claimTask", again.clone()).await.unwrap_err();
    assert_eq!(other.reason(), Reason::AlreadyClaimed, "{other}");
    team.clock.advance(HOUR * 30);
    life.work().await;
    assert_eq!(life.claim(task).await.phase, Phase::Parked);
    let answered = decide(&team, &life, ADA, (task, "answer", "The one below.")).await.unwrap();
    assert_eq!(
        (&answered["answer"], &answered["repeated"]),
        (&json!("The one below."), &json!(false))
    );
    assert!(waiting(&team, &life).await.is_empty());
    let late = decide(&team, &life, BO, (task, "answer", "The upper one.")).await.unwrap();
    assert_eq!((&late["answer"], &late["repeated"]), (&json!("The one below."), &json!(true)));
    life.work().await;
    let before = life.claim(task).await.fence;
    let hold = life.call(&agent, "claimTask", again).await.unwrap();
    assert_eq!(hold.get("answer").and_then(Value::as_text), Some("The one below."));
    let claim = life.claim(task).await;
    assert_eq!((claim.phase, claim.fence), (Phase::Working, Fence(before.0 + 1)));
    let done = json!({ "task": task.0, "fence": claim.fence.0, "summary": "Fixed." });
    life.call(&agent, "submitForReview", done).await.unwrap();
    assert_eq!(life.the_run(task).await.reason, Some(Reason::HandedOver));
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_question_that_nobody_answers_gives_the_task_back() {
    let team = Team::new().await;
    let life = team.start().await;
    let task = asked(&team, &life).await;
    team.clock.advance(HOUR * 73);
    life.work().await;
    let now = team.look(task).await;
    assert_eq!((now.assignee, team.status(task).await.as_str()), (None, "New"));
    let (_, words) = team.comments(task).await.pop().unwrap();
    assert!(words.contains("was not answered in time"), "{words}");
    let run = life.the_run(task).await;
    assert_eq!((run.state, run.reason), (RunState::ClaimLost, Some(Reason::AnswerOverdue)));
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_question_outlives_the_daemon_and_a_person_who_takes_over_ends_it() {
    let team = Team::new().await;
    let life = team.start().await;
    let task = asked(&team, &life).await;
    life.stop().await;
    let life = team.start().await;
    life.work().await;
    assert_eq!(life.claim(task).await.phase, Phase::Parked);
    assert_eq!(life.the_run(task).await.state, RunState::Running);
    team.edit(BO, task, TaskEdit::Assignee(Some(BO))).await;
    life.work().await;
    assert_eq!(life.claim(task).await.phase, Phase::Free);
    assert_eq!(life.the_run(task).await.state, RunState::Yielded);
    assert_eq!(team.look(task).await.assignee, Some(BO));
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn who_asks_does_not_answer_and_who_hands_over_does_not_approve() {
    let team = Team::new().await;
    let life = team.start().await;
    let bo = team.person(BO).await;
    let task = team.task("Fix the header").await;
    let claimed = life.call(&bo, "claimTask", json!({ "task": task.0 })).await.unwrap();
    let fence = claimed.get("fence").and_then(Value::as_int).unwrap();
    let ask = json!({ "task": task.0, "fence": fence, "question": "May I delete it?" });
    life.call(&bo, "askPerson", ask).await.unwrap();
    // Bo's assistant would like to be Bo.
    let said = json!({ "module": "ticket", "entityId": task.0, "text": "Yes, you may." });
    let error = life.call(&bo, "addComment", said).await.unwrap_err();
    assert_eq!(error.reason(), Reason::Waiting, "{error}");
    let error = decide(&team, &life, BO, (task, "answer", "Yes.")).await.unwrap_err();
    assert_eq!(error.reason(), Reason::TokenRefused, "{error}");
    // Bo himself may, at his terminal.
    let args = json!({ "task": task.0, "decision": "answer", "comment": "No." });
    life.call_by_hand(&bo, "decideReview", args).await.unwrap();
    let hold = life.call(&bo, "claimTask", json!({ "task": task.0 })).await.unwrap();
    assert_eq!(hold.get("answer").and_then(Value::as_text), Some("No."));
    let fence = hold.get("fence").and_then(Value::as_int).unwrap();
    let done = json!({ "task": task.0, "fence": fence, "summary": "Left it there." });
    life.call(&bo, "submitForReview", done).await.unwrap();
    for who in [BO, WORKER] {
        let error = decide(&team, &life, who, (task, "approve", "")).await.unwrap_err();
        assert_eq!(error.reason(), Reason::TokenRefused, "{error}");
    }
    assert_eq!(team.status(task).await, "Ready for Review");
    let args = json!({ "task": task.0, "decision": "approve" });
    life.call_by_hand(&bo, "decideReview", args).await.unwrap();
    assert_eq!(team.status(task).await, "Done");
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_by_the_queue_takes_a_playbooks_question_up_again() {
    let mut team = Team::new().await;
    team.playbook("ai-worker", WORKER_PLAYBOOK);
    team.model("worker", &[ASKS, QUICK]);
    let task = team.task("Paint the shed").await;
    let life = team.start().await;
    assert_eq!(life.run("ai-worker").await.reason, Reason::Waiting);
    team.clock.advance(HOUR);
    assert_eq!(waiting(&team, &life).await[0].1, "question");
    decide(&team, &life, BO, (task, "answer", "Green.")).await.unwrap();
    life.work().await;
    assert!(team.prompts()[1].contains("Green."), "{}", team.prompts()[1]);
    assert_eq!(waiting(&team, &life).await[0].1, "hand_over");
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
