//! A question about a task stands on its page, with the box for the answer; afterwards, who answered it.

use super::{Browser, agent, somebody};
use crate::mcp::{team, token};
use crate::support::rota::{Rota, until};
use serde_json::json;
use tokio::runtime::Handle;
use tokio::task::block_in_place;

/// Asks, and works once what it is told says green.
const ASKER: &str = r#"
description = "Paints."
agent = "Robot"
[select]
status = "kind:new"
[claim]
[work]
runner = "command"
command = ["sh", "-c", "if grep -q Green; then echo '{\"outcome\": \"done\", \"summary\": \"Painted it.\"}'; else echo '{\"outcome\": \"blocked\", \"summary\": \"Which colour?\"}'; fi"]
[outcome.done]
status = "kind:waiting"
[outcome.blocked]
ask = "question.md.hbs"
answer_within = "2d"
[limits]
attempts = 1
"#;

fn painters() -> Rota {
    let rota = team();
    rota.write("rota.toml", &(rota.read("rota.toml") + "[daemon]\ntick = \"1s\"\n"));
    rota.run(["person", "add", "Robot", "--agent", "--role", "editor"]).ok();
    rota
}

const ANSWER: &str = "/task/1/answer";

#[tokio::test(flavor = "multi_thread")]
async fn a_run_asks_on_the_task_and_goes_on_with_what_is_answered_there() {
    let rota = painters();
    rota.write("agents/painter.toml", ASKER);
    let serving = rota.serve(Vec::<&str>::new());
    let mut bob = somebody(&rota, &serving, "Bob").await;
    assert!(!bob.get("/task/1").await.page().text().contains("Question"));
    let ran = bob.submit("/playbooks/painter", &[("act", "run"), ("task", "1")]).await;
    assert!(ran.contains("waiting"), "{ran}");

    let page = bob.get("/task/1").await.page();
    for said in ["waits for an answer", "from the playbook painter", "Which colour?"] {
        page.says(said);
    }
    page.says("waits until in 1d 23h");
    let (run, since) = (page.field("run").to_owned(), page.field("since").to_owned());
    let links = page.links();
    assert!(links.contains(&format!("/runs/{run}").as_str()), "{links:?}");
    assert!(links.contains(&"/review#item-1") && page.deeds().contains(&ANSWER), "{links:?}");

    // The box is about this question: an answer to another one, or to nothing, is none.
    let form = |run: &str, text: &str| {
        [("run", run.to_owned()), ("since", since.clone()), ("comment", text.to_owned())]
    };
    for (of, text) in [("r-000000000000", "Green!"), (run.as_str(), "  ")] {
        let refused = sent(&mut bob, &form(of, text)).await;
        assert!(refused.starts_with("This was not done"), "{refused}");
    }
    bob.get("/task/1").await.page().says("waits for an answer");
    let told = sent(&mut bob, &form(&run, "Green, <b>please</b>.")).await;
    assert_eq!(told, "Your answer is on the task, and the agent goes on with it.");

    let page = until("that the run has gone on", || {
        let reply = block_in_place(|| Handle::current().block_on(bob.get("/task/1")));
        let page = reply.page();
        page.text().contains("Painted it.").then_some(page)
    });
    for said in ["answered by Bob", "Green, <b>please</b>.", "Which colour?", "Painted it."] {
        page.says(said);
    }
    assert!(!page.text().contains("waits for an answer") && !page.deeds().contains(&ANSWER));
    assert!(page.links().contains(&format!("/runs/{run}").as_str()), "the run that asked");
    let task = rota.run(["task", "show", "1", "--json"]).ok().json();
    assert_eq!(task["status_kind"], "waiting", "{task:#}");
}

/// What somebody is told who sends the box.
async fn sent(browser: &mut Browser, form: &[(&'static str, String)]) -> String {
    let form: Vec<_> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
    browser.submit(ANSWER, &form).await
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_not_decide_reads_the_question_and_a_comment_answers_it() {
    let rota = painters();
    let robot = token(&rota, &["robots", "--person", "Robot"]);
    let narrow = token(&rota, &["narrow", "--role", "commenter"]);
    let serving = rota.serve(Vec::<&str>::new());
    let robot = agent(&serving, &robot);
    let held = robot.call("claimTask", json!({ "task": 1 })).await;
    let fence = &held["structuredContent"]["fence"];
    let ask = json!({ "task": 1, "fence": fence, "question": "Which *footer*?", "person": "Bob" });
    assert_eq!(robot.call("askPerson", ask).await["isError"], false);

    let mut eve = somebody(&rota, &serving, "Eve").await;
    let mut ada = Browser::signed_in(&serving, &narrow).await;
    for browser in [&mut eve, &mut ada] {
        let page = browser.get("/task/1").await.page();
        page.says("waits for an answer");
        page.says("from Robot");
        page.says("Which footer?");
        assert!(!page.deeds().contains(&ANSWER));
        let mark = browser.mark.clone();
        let form = [("mark", mark.as_str()), ("comment", "Mine.")];
        assert_eq!(browser.post(ANSWER, &form).await.status, 403);
    }
    ada.get("/task/1").await.page().says("The next comment of a person is the answer.");
    let said = ada.submit("/task/1/comment", &[("text", "The one below.")]).await;
    assert!(said.contains("on the board"), "{said}");
    let later = "The agent goes on with it when its turn comes.";
    let page = eve.get("/task/1").await.page();
    page.says("answered by Ada");
    page.says(later);

    let back = robot.call("claimTask", json!({ "task": 1 })).await;
    assert!(back.to_string().contains("The one below."), "{back:#}");
    let page = until("that the agent has gone on", || {
        let reply = block_in_place(|| Handle::current().block_on(eve.get("/task/1")));
        let page = reply.page();
        (!page.text().contains(later)).then_some(page)
    });
    page.says("answered by Ada");
    page.says("Which footer?");

    // Also once the work is handed over and the claim is over.
    let fence = &back["structuredContent"]["fence"];
    let submit = json!({ "task": 1, "fence": fence, "summary": "Done.", "reviewer": "Bob" });
    let submitted = robot.call("submitForReview", submit).await;
    assert_eq!(submitted["structuredContent"]["phase"], "free", "{submitted:#}");
    let page = eve.get("/task/1").await.page();
    page.says("answered by Ada");
    page.says("Which footer?");
}
