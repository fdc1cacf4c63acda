//! Questions of assistants: a claim that waits for a person's answer, and goes on with it.

use super::playbooks::{QUICK, WORKER as WORKER_PLAYBOOK, asks_to_hear};
use super::review_queue::{HOUR, asked, decide, held, waiting};
use crate::support::daemon::{ADA, BO, REVIEWER, Team, WORKER};
use rota::board::Comments as _;
use rota::domain::*;
use rota::tools::desk::Desk as _;
use serde_json::json;
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn what_an_assistant_says_while_it_asks_is_no_answer() {
    let team = Team::new().await;
    let life = team.start().await;
    let bo = team.person(BO).await;
    let task = team.task("Fix the header").await;
    let claimed = life.call(&bo, "claimTask", json!({ "task": task.0 })).await.unwrap();
    let fence = claimed.get("fence").and_then(Value::as_int).unwrap();
    // What it says under its claim, as Bo, arrives after its question.
    let asked = life.ledger.claim(task).await.unwrap().unwrap().before.comment;
    let yes = json!({ "module": "ticket", "entityId": task.0, "text": "Yes, you may." });
    life.call(&bo, "addComment", yes).await.unwrap();
    let fence = Fence(u64::try_from(fence).unwrap());
    let mut held = life.ledger.take_up(task, fence).await.unwrap();
    let since = life.the_run(task).await.started;
    let until = since + chrono::TimeDelta::days(3);
    let question = "May I delete it?".to_owned();
    let parked = Parked { since, until, question, comment: asked, answer: None };
    life.ledger.park_for(&mut held, parked).await.unwrap();
    let error = life.call(&bo, "claimTask", json!({ "task": task.0 })).await.unwrap_err();
    assert_eq!(error.reason(), Reason::Waiting, "{error}");
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn of_asking_and_submitting_at_once_one_is_done() {
    let team = Team::new().await;
    let life = team.start().await;
    let (task, fence) = held(&team, &life).await;
    let agent = team.person(WORKER).await;
    let ask = json!({ "task": task.0, "fence": fence, "question": "Which footer?" });
    let submit = json!({ "task": task.0, "fence": fence, "summary": "Fixed." });
    let (asked, submitted) = tokio::join!(
        life.call(&agent, "askPerson", ask),
        life.call(&agent, "submitForReview", submit),
    );
    assert_ne!(asked.is_ok(), submitted.is_ok(), "{asked:?} {submitted:?}");
    let phase = life.claim(task).await.phase;
    assert_eq!(phase, if asked.is_ok() { Phase::Parked } else { Phase::Free });
    assert_eq!(waiting(&team, &life).await.len(), 1);
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_an_assistant_asks_or_says_at_its_end_is_without_secrets() {
    let team = Team::new().await;
    let life = team.start().await;
    let agent = team.person(WORKER).await;
    let (said, shown) = ("Deployed as ghp_abcdefgh1234, look.", "Deployed as [redacted], look.");
    for (tool, name) in
        [("submitForReview", "summary"), ("releaseTask", "comment"), ("askPerson", "question")]
    {
        let (task, fence) = held(&team, &life).await;
        let args = json!({ "task": task.0, "fence": fence, name: said });
        life.call(&agent, tool, args).await.unwrap();
        let comments: Vec<String> =
            team.comments(task).await.into_iter().map(|(_, text)| text).collect();
        assert!(comments.last().unwrap().contains(shown), "{tool}: {comments:?}");
        assert!(!comments.concat().contains("ghp_"), "{tool}: {comments:?}");
        let record = life.the_run(task).await;
        let claim = life.claim(task).await;
        match claim.parked {
            Some(parked) => assert_eq!((parked.question.as_str(), tool), (shown, "askPerson")),
            None => assert_eq!(record.summary, shown, "{tool}"),
        }
    }
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_answered_claim_goes_on_once_however_often_it_is_asked_for() {
    let team = Team::new().await;
    let life = team.start().await;
    let task = asked(&team, &life).await;
    team.say(ADA, task, "The one below.").await;
    let agent = team.person(WORKER).await;
    let claim = json!({ "task": task.0, "idempotencyKey": "again" });
    let first = life.call(&agent, "claimTask", claim.clone()).await.unwrap();
    let second = life.call(&agent, "claimTask", claim).await.unwrap();
    assert_eq!(first.get("fence"), second.get("fence"));
    let answer = Some(&Value::from("The one below."));
    assert_eq!((first.get("answer"), second.get("answer")), (answer, answer));
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn while_everything_is_stopped_no_agent_goes_on_with_an_answer() {
    let team = Team::new().await;
    let life = team.start().await;
    let task = asked(&team, &life).await;
    team.say(ADA, task, "The one below.").await;
    life.daemon.stop_all("Ada", "lunch").await.unwrap();
    let agent = team.person(WORKER).await;
    let error = life.call(&agent, "claimTask", json!({ "task": task.0 })).await.unwrap_err();
    assert_eq!(error.reason(), Reason::Stopped, "{error}");
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn where_no_daemon_looks_an_overdue_question_gives_way_to_whoever_comes_and_its_asker_is_told()
 {
    let team = Team::new().await;
    let life = team.start().await;
    let task = asked(&team, &life).await;
    team.clock.advance(HOUR * 73);
    // No tick in between.
    let other = team.person(REVIEWER).await;
    life.call(&other, "claimTask", json!({ "task": task.0 })).await.unwrap();
    assert_eq!(team.look(task).await.assignee, Some(REVIEWER));
    let agent = team.person(WORKER).await;
    let claim = life.claim(task).await;
    assert_eq!(claim.untold.len(), 1, "{claim:#?}");
    let edit = json!({ "id": task.0, "params": { "description": "Mine." } });
    assert!(life.call(&agent, "editTask", edit).await.is_err());
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
    team.model("worker", &[&asks_to_hear("Green."), QUICK]);
    let task = team.task("Paint the shed").await;
    let life = team.start().await;
    assert_eq!(life.run("ai-worker").await.reason, Reason::Waiting);
    team.clock.advance(HOUR);
    assert_eq!(waiting(&team, &life).await[0].1, "question");
    decide(&team, &life, BO, (task, "answer", "Green.")).await.unwrap();
    life.work().await;
    assert_eq!(team.prompts().len(), 1, "it heard the answer where it asked");
    assert_eq!(waiting(&team, &life).await[0].1, "hand_over");
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_known_to_be_a_persons_counts_whatever_author_the_board_names() {
    let team = Team::new().await;
    let life = team.start().await;
    let task = asked(&team, &life).await;
    // As on a board where all that is written through us is written by one user, an agent.
    team.say(REVIEWER, task, "The one below.").await;
    let agent = team.person(WORKER).await;
    let again = json!({ "task": task.0 });
    assert!(life.call(&agent, "claimTask", again.clone()).await.is_err(), "it is an agent's");
    let query = CommentQuery {
        on: Some(CommentTarget::Task(task)),
        latest_first: true,
        ..CommentQuery::default()
    };
    let said = team.board.comments(&query).await.unwrap().items.remove(0).id;
    let fence = life.claim(task).await.fence;
    life.ledger.note_answer(task, fence, said).await.unwrap();
    let hold = life.call(&agent, "claimTask", again).await.unwrap();
    assert_eq!(hold.get("answer").and_then(Value::as_text), Some("The one below."));
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_to_the_question_that_was_seen() {
    let team = Team::new().await;
    let life = team.start().await;
    let (task, fence) = held(&team, &life).await;
    let (agent, ada) = (team.person(WORKER).await, team.person(ADA).await);
    let ask = async |fence: u64, question: &str| {
        let args = json!({ "task": task.0, "fence": fence, "question": question });
        life.call(&agent, "askPerson", args).await.unwrap();
        let listed = life.call(&ada, "listReviews", json!({})).await.unwrap();
        serde_json::to_value(&listed).unwrap()["items"][0].clone()
    };
    let answer = async |seen: &serde_json::Value, text: &str| {
        let args = json!({ "task": task.0, "decision": "answer", "comment": text,
                           "run": seen["run"], "since": seen["since"] });
        life.call(&ada, "decideReview", args).await
    };
    let first = ask(fence, "May I delete it?").await;
    answer(&first, "No.").await.unwrap();
    let again = life.call(&agent, "claimTask", json!({ "task": task.0 })).await.unwrap();
    let fence = again.get("fence").and_then(Value::as_int).unwrap();
    team.clock.advance(Duration::from_mins(1));
    let second = ask(u64::try_from(fence).unwrap(), "Shall I keep a copy?").await;
    assert_eq!(first["run"], second["run"], "a claim keeps its run");
    let late = answer(&first, "No, never.").await.unwrap_err();
    assert_eq!(late.reason(), Reason::ReviewChanged, "{late}");
    let said = team.comments(task).await;
    assert!(said.iter().all(|(_, text)| !text.contains("never")), "{said:#?}");
    let other = json!({ "run": "r-000000000000", "since": null });
    assert_eq!(answer(&other, "x").await.unwrap_err().reason(), Reason::ReviewChanged);
    for decision in ["snooze", "acknowledge"] {
        let args = json!({ "task": task.0, "decision": decision, "since": first["since"] });
        let late = life.call(&ada, "decideReview", args).await.unwrap_err();
        assert_eq!(late.reason(), Reason::ReviewChanged, "{decision}: {late}");
    }
    answer(&second, "Yes.").await.unwrap();
    let back = life.call(&agent, "claimTask", json!({ "task": task.0 })).await.unwrap();
    assert_eq!(back.get("answer"), Some(&Value::from("Yes.")));
    life.stop().await;
}
