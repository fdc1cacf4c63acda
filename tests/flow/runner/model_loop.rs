//! A model in a loop of turns.

use super::job;
use crate::support::house::{House, playbook};
use rota::domain::{Outcome, Playbook, Reason, RunState};
use rota::model::scripted::ScriptedModel;
use rota::runner::conversation::{Answered, News};
use rota::runner::model_loop::ModelRunner;
use rota::runner::{Job, Runner as _, Signs, WorkEnd};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const PROMPT: &str = "You are AI-Developer.\nTask 1 in project \"Website\"\n";

async fn work(house: &House, book: Playbook, script: &str) -> WorkEnd {
    let script = format!("[[conversation]]\n{script}");
    let model = Arc::new(ScriptedModel::from_toml("test", &script).unwrap());
    let (job, tools) = job(house, book, PROMPT).await;
    let (signs, _end) = Signs::channel(100);
    ModelRunner::new(model).work(&job, &tools, &signs, CancellationToken::new()).await
}

const COMMENT_AND_FINISH: &str = r#"
    [[conversation.turn]]
    say = "I read it."
    call = [{ tool = "getTicket", args = { id = "${task_id}" } }]
    usage = { tokens_in = 100, tokens_out = 10, cost_micros = 7 }
    [[conversation.turn]]
    expect = "Fix the login"
    call = [
        { tool = "addComment", args = { module = "ticket", entityId = "${task_id}", text = "Done." } },
        { tool = "finish", args = { outcome = "done", summary = "Fixed." } },
    ]
    usage = { tokens_in = 200, tokens_out = 20, cost_micros = 8 }
"#;

#[tokio::test]
async fn a_model_reads_writes_and_finishes() {
    let house = House::build().await;
    let end = work(&house, playbook(&["getTicket", "addComment"]), COMMENT_AND_FINISH).await;
    assert_eq!((end.state, end.outcome.as_deref()), (RunState::Succeeded, Some("done")), "{end:?}");
    assert_eq!((end.summary.as_str(), end.usage.turns), ("Fixed.", 2));
    assert_eq!((end.usage.tokens_in, end.usage.tokens_out, end.usage.cost_micros), (300, 30, 15));
    assert_eq!(house.happened(), ["fence", "intend addComment", "act addComment", "conclude done"]);
}

#[tokio::test]
async fn a_refusal_is_told_to_the_model_which_may_correct_itself() {
    let house = House::build().await;
    let script = r#"
        [[conversation.turn]]
        call = [{ tool = "addComment", args = { module = "ticket", entityId = 3, text = "x" } }]
        [[conversation.turn]]
        expect = "refused (out_of_scope)"
        call = [{ tool = "finish", args = { outcome = "don" } }]
        [[conversation.turn]]
        expect = "unknown_outcome"
        call = [{ tool = "stopAll" }]
        unlisted = true
        [[conversation.turn]]
        expect = "tool_not_listed"
        call = [{ tool = "finish", args = { outcome = "blocked" } }]
    "#;
    let end = work(&house, playbook(&["addComment"]), script).await;
    assert_eq!(end.outcome.as_deref(), Some("blocked"), "{end:?}");
    assert!(house.happened().is_empty());
}

#[tokio::test]
async fn a_model_that_only_talks_is_reminded_once() {
    let house = House::build().await;
    let talk = "[[conversation.turn]]\nsay = \"I am done!\"\n";
    let reminded = "[[conversation.turn]]\nexpect = \"call the tool finish\"\nsay = \"Really.\"\n";
    let end = work(&house, playbook(&[]), &format!("{talk}{reminded}")).await;
    assert_eq!((end.state, end.reason), (RunState::Failed, Reason::NoOutcome));
    let finish =
        "[[conversation.turn]]\ncall = [{ tool = \"finish\", args = { outcome = \"done\" } }]\n";
    let end = work(&house, playbook(&[]), &format!("{talk}{finish}")).await;
    assert_eq!(end.outcome.as_deref(), Some("done"));
}

type Change = fn(&mut Playbook);

#[tokio::test]
async fn limits_of_turns_tokens_and_cost_end_the_run() {
    let house = House::build().await;
    let changes: [(&str, Change); 3] = [
        ("limits.turns", |book| book.limits.turns = 1),
        ("limits.tokens", |book| book.limits.tokens = 110),
        ("limits.cost", |book| book.limits.cost_micros = Some(7)),
    ];
    for (limit, change) in changes {
        let mut book = playbook(&["getTicket", "addComment"]);
        change(&mut book);
        let end = work(&house, book, COMMENT_AND_FINISH).await;
        assert_eq!((end.state, end.reason), (RunState::Failed, Reason::BudgetSpent), "{limit}");
        assert!(end.detail.starts_with(limit), "{}", end.detail);
    }
    assert!(house.happened().is_empty());
}

#[tokio::test]
async fn a_lost_claim_ends_the_run_at_the_next_effect() {
    let house = House::build().await;
    *house.journal.claim_lost.lock().unwrap() = true;
    let end = work(&house, playbook(&["getTicket", "addComment"]), COMMENT_AND_FINISH).await;
    assert_eq!((end.state, end.reason), (RunState::ClaimLost, Reason::ClaimLost));
}

#[tokio::test]
async fn a_model_off_its_script_fails_the_run_and_says_where() {
    let house = House::build().await;
    let end =
        work(&house, playbook(&[]), "[[conversation.turn]]\nexpect = \"no such word\"\n").await;
    assert_eq!((end.state, end.reason), (RunState::Failed, Reason::ModelFailed));
    assert!(end.detail.contains("no such word"), "{}", end.detail);
}

#[tokio::test(start_paused = true)]
async fn a_model_that_cannot_be_reached_is_tried_again_and_then_given_up() {
    let house = House::build().await;
    let started = tokio::time::Instant::now();
    let down = "[[conversation.turn]]\nerror = \"unavailable\"\n";
    let end = work(&house, playbook(&[]), down).await;
    assert_eq!((end.state, end.reason), (RunState::Failed, Reason::ModelFailed));
    // And up to a quarter more, so that many runs do not come again at once.
    assert!((7.0..8.75).contains(&started.elapsed().as_secs_f64()), "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_model_that_does_not_answer_stalls_or_runs_out_of_time() {
    let house = House::build().await;
    let late = "[[conversation.turn]]\nwait_ms = 600000\n";
    let mut book = playbook(&[]);
    book.limits.idle = Duration::from_secs(20);
    assert_eq!(work(&house, book, late).await.state, RunState::Stalled);
    let mut book = playbook(&[]);
    book.limits.time = Duration::from_secs(20);
    assert_eq!(work(&house, book, late).await.state, RunState::TimedOut);
}

#[tokio::test]
async fn whoever_asked_goes_on_with_the_answer_as_the_result_of_its_call() {
    let house = House::build().await;
    let mut book = playbook(&["getTicket"]);
    let ask = Some("question.md.hbs".to_owned());
    book.outcomes.insert("blocked".to_owned(), Outcome { ask, ..Outcome::default() });
    let script = r#"
        [[conversation.turn]]
        call = [{ tool = "getTicket", args = { id = "${task_id}" } }]
        [[conversation.turn]]
        call = [{ tool = "finish", args = { outcome = "blocked", summary = "Which?" } }]
        usage = { tokens_in = 100, tokens_out = 10, cost_micros = 7 }
        [[conversation.turn]]
        expect = "The second one."
        call = [{ tool = "finish", args = { outcome = "done" } }]
        usage = { tokens_in = 200, tokens_out = 20, cost_micros = 8 }
    "#;
    let asked = work(&house, book.clone(), script).await;
    let conversation = asked.conversation.expect("it asks");
    let model = ScriptedModel::from_toml("test", &format!("[[conversation]]\n{script}")).unwrap();
    let (job, tools) = job(&house, book, "A prompt that fits nothing any more.").await;
    let news = News { answer: "The second one.", ..News::default() };
    let answered = Answered::new((*conversation).clone(), &news);
    let job = Job { answered: Some(answered), ..job };
    let (signs, _end) = Signs::channel(100);
    let runner = ModelRunner::new(Arc::new(model));
    let end = runner.work(&job, &tools, &signs, CancellationToken::new()).await;
    assert_eq!((end.state, end.outcome.as_deref()), (RunState::Succeeded, Some("done")), "{end:?}");
    assert_eq!((end.usage.turns, end.usage.tokens_in), (1, 200), "what this run used");
    assert!(end.conversation.is_none(), "it asks nobody");
    assert!(end.went_on && !asked.went_on);
}
