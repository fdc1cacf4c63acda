//! What waits for a person is decided at `/review`, once, by somebody who saw it.

use super::{Browser, somebody};
use crate::mcp::{team, token};
use crate::support::rota::{Rota, Serving};
use serde_json::{Value, json};

/// A team with an agent that comes by MCP.
fn with_robot() -> (Rota, String) {
    let rota = team();
    rota.run(["person", "add", "Robot", "--agent", "--role", "editor"]).ok();
    let robot = token(&rota, &["robots", "--person", "Robot"]);
    (rota, robot)
}

/// The agent takes a task and calls a tool with its fence.
async fn agent(serving: &Serving, robot: &str, tool: &str, more: Value) -> Value {
    let robot = super::agent(serving, robot);
    let held = robot.call("claimTask", json!({ "task": 1 })).await;
    assert_eq!(held["isError"], false, "{held:#}");
    let mut args = json!({ "task": 1, "fence": held["structuredContent"]["fence"] });
    args.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let done = robot.call(tool, args).await;
    assert_eq!(done["isError"], false, "{done:#}");
    held
}

/// The run that a form of `/review` is about.
async fn run_of(browser: &mut Browser) -> String {
    browser.get("/review").await.page().field("run").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn work_is_approved_and_a_second_decision_hears_of_the_first() {
    let (rota, robot) = with_robot();
    let serving = rota.serve(Vec::<&str>::new());
    let shown = ["tests pass", "as ghp_abcdefgh1234 may see"];
    let work = json!({ "summary": "Fixed the footer.", "evidence": shown, "reviewer": "Ada" });
    agent(&serving, &robot, "submitForReview", work).await;
    let mut ada = somebody(&rota, &serving, "Ada").await;
    let mut bob = somebody(&rota, &serving, "Bob").await;
    let page = ada.get("/review").await.page();
    page.says("Fixed the footer.");
    page.says("for Ada");
    ada.get("/").await.page().says("Fix the footer");
    let run = run_of(&mut ada).await;
    // What an assistant shows stands with its run as that of any other does.
    let record = rota.run(["runs", "show", run.as_str(), "--json"]).ok().json();
    assert_eq!(record["run"]["evidence"], json!(["tests pass", "as [redacted] may see"]));
    let page = ada.get(&format!("/runs/{run}")).await.page();
    assert!(!page.text().contains("It offered none"), "{}", page.text());
    let form =
        [("item", "1"), ("run", run.as_str()), ("decision", "approve"), ("comment", "Well done.")];
    let told = ada.submit("/review", &form).await;
    assert!(told.starts_with("1: "), "{told}");
    let again = bob
        .submit(
            "/review",
            &[("item", "1"), ("run", &run), ("decision", "request_changes"), ("comment", "No.")],
        )
        .await;
    assert!(again.contains("decided before, and that stands") && again.contains("Ada"), "{again}");
    let task = rota.run(["task", "show", "1", "--json"]).ok().json();
    assert_eq!(task["status_kind"], "done", "{task:#}");
    assert!(task.to_string().contains("Well done."));
    ada.get("/review").await.page().says("Nothing waits for a person.");
}

#[tokio::test(flavor = "multi_thread")]
async fn work_is_sent_back_with_a_comment_that_has_to_be_there() {
    let (rota, robot) = with_robot();
    let serving = rota.serve(Vec::<&str>::new());
    let work = json!({ "summary": "Done.", "reviewer": "Ada" });
    agent(&serving, &robot, "submitForReview", work.clone()).await;
    let mut ada = somebody(&rota, &serving, "Ada").await;
    let run = run_of(&mut ada).await;
    let form = [("item", "1"), ("run", run.as_str()), ("decision", "request_changes")];
    let silent = ada.submit("/review", &form).await;
    assert!(silent.starts_with("This was not done"), "{silent}");
    let said: Vec<_> = form.iter().copied().chain([("comment", "The link is missing.")]).collect();
    assert!(ada.submit("/review", &said).await.starts_with("1: "));
    let task = rota.run(["task", "show", "1", "--json"]).ok().json();
    assert!(
        task.to_string().contains("The link is missing.") && task["status_kind"] != "done",
        "{task:#}"
    );
    // What was seen is another run's work than what waits now.
    agent(&serving, &robot, "submitForReview", work).await;
    let stale =
        ada.submit("/review", &[("item", "1"), ("run", &run), ("decision", "approve")]).await;
    assert!(stale.contains("look again"), "{stale}");
    let again = [
        ("item", "1"),
        ("run", run.as_str()),
        ("decision", "request_changes"),
        ("comment", "Still no."),
    ];
    let reply = {
        let mark = ada.mark.clone();
        let fields: Vec<_> = again.iter().copied().chain([("mark", mark.as_str())]).collect();
        ada.post("/review", &fields).await
    };
    assert_eq!(reply.status, 409);
    reply.page().says("Still no.");
    let task = rota.run(["task", "show", "1", "--json"]).ok().json();
    assert_ne!(task["status_kind"], "done", "{task:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_put_off_passed_on_and_answered() {
    let (rota, robot) = with_robot();
    let serving = rota.serve(Vec::<&str>::new());
    let question = json!({ "question": "Which <footer> is meant?", "person": "Ada" });
    agent(&serving, &robot, "askPerson", question).await;
    let mut bob = somebody(&rota, &serving, "Bob").await;
    let page = bob.get("/review").await.page();
    page.says("Which <footer> is meant?");
    let run = page.field("run").to_owned();
    let form = |decision: &'static str, name: &'static str, value: &'static str| {
        vec![("item", "1"), ("run", run.as_str()), ("decision", decision), (name, value)]
    };
    let put_off = bob.submit("/review", &form("snooze", "until", "tomorrow")).await;
    assert_eq!(put_off, "1 is put off.");
    bob.get("/review").await.page().says("put off in");
    assert_eq!(
        bob.submit("/review", &form("acknowledge", "x", "")).await,
        "It is noted that you have seen 1."
    );
    assert_eq!(bob.submit("/review", &form("reassign", "to", "Bob")).await, "1 is passed on.");
    bob.get("/review").await.page().says("for Bob");
    let answered = bob.submit("/review", &form("answer", "comment", "The one below.")).await;
    assert_eq!(answered, "The question about 1 is answered.");
    let robot = super::agent(&serving, &robot);
    let back = robot.call("claimTask", json!({ "task": 1 })).await;
    assert!(back.to_string().contains("The one below."), "{back:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_proposed_writes_some_are_applied_and_some_with_other_words() {
    let rota = team();
    rota.write("agents/proposer.toml", PROPOSER);
    let checked = rota.run(["check"]);
    assert_eq!(checked.code, 0, "{checked:#?}");
    let serving = rota.serve(Vec::<&str>::new());
    let mut ada = somebody(&rota, &serving, "Ada").await;
    let run = ada.submit("/playbooks/proposer", &[("act", "run"), ("task", "1")]).await;
    assert!(run.contains("waiting") || run.contains("succeeded"), "{run}");
    let page = ada.get("/review").await.page();
    page.says("proposed writes");
    page.says("Proposed headline");
    let run = page.field("run").to_owned();
    let none = [("item", "1"), ("run", run.as_str()), ("decision", "approve")];
    let none = ada.submit("/review", &none).await;
    assert!(none.contains("nothing is chosen"), "{none}");
    // Whatever the form is about, nothing stands for all of it.
    for (of, only) in [("r-000000000000", "1"), (run.as_str(), "x"), ("", "")] {
        let form = [
            ("item", "1"),
            ("run", of),
            ("decision", "approve"),
            ("proposals", "yes"),
            ("only", only),
        ];
        let refused = ada.submit("/review", &form).await;
        assert!(refused.starts_with("This was not done"), "{of:?} {only:?}: {refused}");
    }
    let task = rota.run(["task", "show", "1", "--json"]).ok().json();
    assert_eq!(task["headline"], "Fix the footer");
    let edited = r#"{"id": 1, "params": {"headline": "Edited headline"}}"#;
    let form = [
        ("item", "1"),
        ("run", run.as_str()),
        ("decision", "approve"),
        ("only", "1"),
        ("edit-1", edited),
        ("edit-2", "{}"),
    ];
    let told = ada.submit("/review", &form).await;
    assert!(told.contains("1 of ") && told.contains("proposals were applied"), "{told}");
    let task = rota.run(["task", "show", "1", "--json"]).ok().json();
    assert_eq!(task["headline"], "Edited headline");
    assert!(!task.to_string().contains("A proposed comment"), "{task:#}");
}

const PROPOSER: &str = r#"
mode = "staged"
description = "Proposes two writes."
agent = "AI-Proposer"
[select]
project = ["Website"]
status = "kind:new"
[claim]
[work]
runner = "steps"
tools = ["editTask", "addComment", "finish"]
[[step]]
tool = "editTask"
args = { id = "{{task.id}}", params = { headline = "Proposed headline" } }
[[step]]
tool = "addComment"
args = { module = "ticket", entityId = "{{task.id}}", text = "A proposed comment." }
[[step]]
tool = "finish"
args = { outcome = "done", summary = "Two writes." }
[outcome.done]
[limits]
attempts = 1
"#;
