//! The first page: what waits, for its reader first; what a run says last; what is wrong, and what to do about it.

use super::page::Page;
use super::{Browser, agent, somebody};
use crate::mcp::slack::GATED;
use crate::mcp::{team, token};
use crate::support::rota::{Rota, until};
use crate::web::{Api, sent};
use serde_json::json;
use tokio::runtime::Handle;
use tokio::task::block_in_place;

/// Looks at the page until it says this.
#[track_caller]
fn says_soon(browser: &mut Browser, what: &str) -> Page {
    until(what, || {
        let reply = block_in_place(|| Handle::current().block_on(browser.get("/")));
        let page = reply.page();
        page.text().contains(what).then_some(page)
    })
}

/// What it says, part by part, in this order.
#[track_caller]
fn says_in_order(page: &Page, parts: &[&str]) {
    let mut rest = page.text();
    for part in parts {
        let at = rest.find(part);
        let at =
            at.unwrap_or_else(|| panic!("{part:?} does not come in {parts:?}: {}", page.text()));
        rest = &rest[at + part.len()..];
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_its_reader_comes_first_and_then_what_waits_for_others() {
    let rota = team();
    rota.run(["person", "add", "Robot", "--agent", "--role", "editor"]).ok();
    rota.run(["task", "add", "Paint the door", "--project", "Website"]).ok();
    let robot = token(&rota, &["robots", "--person", "Robot"]);
    let serving = rota.serve(Vec::<&str>::new());
    let robot = agent(&serving, &robot);
    let mut eve = somebody(&rota, &serving, "Eve").await;
    let page = eve.get("/").await.page();
    page.says("Nothing waits.");

    for (task, tool, more) in [
        (1, "submitForReview", json!({ "summary": "Fixed.", "reviewer": "Ada" })),
        (2, "askPerson", json!({ "question": "Which colour?", "person": "Bob" })),
    ] {
        let held = robot.call("claimTask", json!({ "task": task })).await;
        let mut args = json!({ "task": task, "fence": held["structuredContent"]["fence"] });
        args.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let done = robot.call(tool, args).await;
        assert_eq!(done["isError"], false, "{done:#}");
    }
    let others = "Waits for others, or for anybody";
    let (footer, door) = ("Fix the footer", "Paint the door");
    let hand_over = [footer, "hand over", "for Ada"];
    let question = [door, "question", "for Bob"];
    for (name, own, theirs) in [("Ada", hand_over, question), ("Bob", question, hand_over)] {
        let page = somebody(&rota, &serving, name).await.get("/").await.page();
        let [first, why, whose] = own;
        let [second, other_why, other] = theirs;
        let parts = ["Waits for you", first, why, whose, others, second, other_why, other];
        says_in_order(&page, &parts);
        assert!(page.links().contains(&"/board?assignee=me"), "{name}");
    }
    let page = eve.get("/").await.page();
    says_in_order(&page, &["Waits for you", "Nothing of it waits for you.", others, "in all"]);
}

/// Says something, and something else once the first gate is open.
const TALKER: &str = r#"
description = "Says what it does."
agent = "Robot"
[select]
status = "kind:new"
[claim]
[work]
runner = "command"
command = ["sh", "-c", "echo Measuring the door.; while [ ! -e ONE ]; do sleep 0.02; done; echo Painting the door.; while [ ! -e TWO ]; do sleep 0.02; done"]
[outcome.done]
status = "kind:waiting"
[limits]
attempts = 1
"#;

#[tokio::test(flavor = "multi_thread")]
async fn what_a_run_says_last_is_there_while_it_works_and_what_it_said_before_is_not() {
    let rota = team();
    rota.run(["person", "add", "Robot", "--agent", "--role", "editor"]).ok();
    let gate = |name: &str| rota.path().join(name);
    let place = |name: &str| gate(name).display().to_string();
    let talker = TALKER.replace("ONE", &place("one")).replace("TWO", &place("two"));
    rota.write("agents/talker.toml", &talker);
    let secret = token(&rota, &["laptop"]);
    let serving = rota.serve(Vec::<&str>::new());
    let mut ada = somebody(&rota, &serving, "Ada").await;
    let api = Api::of(&serving, Some(&secret));
    let run = api.request("POST", "/api/v1/playbooks/talker/run");
    let run = run.header("prefer", "respond-async").json(&json!({ "task": 1 }));
    let begun = sent(run).await;
    assert_eq!(begun.status, 202, "{:#}", begun.body);

    let page = says_soon(&mut ada, "work: Measuring the door.");
    page.says("talker");
    // A page that is open hears of the next line, and finds it when it looks again.
    let mut stream = ada.hears().await;
    std::fs::write(gate("one"), "").unwrap();
    let is_next = |text: &serde_json::Value| text.to_string().contains("Painting the door.");
    while !is_next(&stream.named("progress").await.data["text"]) {}
    let page = says_soon(&mut ada, "work: Painting the door.");
    assert!(!page.text().contains("Measuring the door."), "{}", page.text());
    std::fs::write(gate("two"), "").unwrap();
    let page = says_soon(&mut ada, "No agent is at work.");
    assert!(!page.text().contains("work: Painting the door."), "{}", page.text());
}

/// Each of its runs says that it cost 4.50.
const SPENDER: &str = r#"
description = "Costs something."
agent = "Robot"
[select]
status = "kind:new"
[claim]
[work]
runner = "command"
command = ["sh", "-c", "echo '{\"outcome\": \"done\", \"usage\": {\"cost_micros\": 4500000}}'"]
[outcome.done]
status = "kind:waiting"
[limits]
attempts = 1
cost_per_day = "10.00 EUR"
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_is_an_alarm_once_four_fifths_of_it_are_used_and_another_once_it_is_used_up() {
    let rota = team();
    rota.run(["person", "add", "Robot", "--agent", "--role", "editor"]).ok();
    rota.run(["task", "add", "Paint the door", "--project", "Website"]).ok();
    let config = "timezone = \"Europe/Berlin\"\ncurrency = \"EUR\"\n[people]\nme = \"Ada\"\n\
                  [budget]\nper_day = \"5.00 EUR\"\n";
    rota.write("rota.toml", config);
    rota.write("agents/spender.toml", SPENDER);
    let serving = rota.serve(Vec::<&str>::new());
    let mut ada = somebody(&rota, &serving, "Ada").await;
    let page = ada.get("/").await.page();
    assert!(!page.text().contains("used up"), "{}", page.text());

    for (task, team, own) in [
        ("1", "The day's budget is nearly used up: 4.50 EUR of 5.00 EUR (90 %).", ""),
        (
            "2",
            "The day's budget is used up: 9.00 EUR of 5.00 EUR (180 %).",
            "The day's budget of spender is nearly used up: 9.00 EUR of 10.00 EUR (90 %).",
        ),
    ] {
        let ran = ada.submit("/playbooks/spender", &[("act", "run"), ("task", task)]).await;
        assert!(ran.contains("succeeded"), "{ran}");
        let page = ada.get("/").await.page();
        says_in_order(&page, &[team, "It begins anew in ", own]);
        assert_eq!(page.text().contains("budget of spender"), !own.is_empty(), "{}", page.text());
        assert!(page.links().contains(&"/costs"));
        assert_eq!(page.links().contains(&"/playbooks/spender"), !own.is_empty());
        page.says("Until then runs that need more than is left do not begin");
        page.says("grants it once more");
    }
    // Whoever may grant nothing is not sent there.
    let mut bob = somebody(&rota, &serving, "Bob").await;
    let page = bob.get("/").await.page();
    page.says("Until then runs that need more than is left do not begin");
    assert!(!page.text().contains("grants it once more"), "{}", page.text());
}

/// Reports to a channel that takes nothing.
const REPORTER: &str = r#"
description = "What happened."
agent = "AI-Assistant"
[on]
cron = "0 8 * * *"
[report]
template = "digest"
to = ["email:team"]
when = "always"
"#;

/// A team with a mail server that is not there, and a playbook that wants a status nobody has.
fn in_trouble() -> Rota {
    let rota = team();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let email = format!(
        "[notify.email.team]\nserver = \"127.0.0.1\"\nport = {port}\ntls = \"none\"\n\
         from = \"Rota <rota@example.org>\"\nto = [\"team@example.org\"]\n"
    );
    rota.write("rota.toml", &(rota.read("rota.toml") + &email));
    rota.write("agents/reporter.toml", REPORTER);
    rota.write("agents/strange.toml", &GATED.replace("kind:waiting", "Nowhere"));
    rota
}

#[tokio::test(flavor = "multi_thread")]
async fn a_faulty_playbook_and_a_channel_that_fails_are_alarms_with_what_to_do() {
    let rota = in_trouble();
    let serving = rota.serve(Vec::<&str>::new());
    let mut ada = somebody(&rota, &serving, "Ada").await;
    ada.submit("/playbooks/reporter", &[("act", "run")]).await;
    let page = says_soon(&mut ada, "email:team does not take messages:");
    says_in_order(&page, &["email:team does not", "1 wait, the first since ", "rota outbox list"]);
    rota.write("agents/reporter.toml", "agent = 3\n");
    let page = says_soon(&mut ada, "faults in playbooks");
    says_in_order(&page, &["faults in playbooks", "reporter.toml", "Mend the files", "rota check"]);
    assert!(page.links().contains(&"/playbooks") && page.links().contains(&"/?look=health"));
    // What is shown of it is what is in force, and not what stands in the file.
    let page = ada.get("/playbooks/reporter").await.page();
    for said in ["The file has faults", "The definition in force, from", "cron = \"0 8 * * *\""] {
        page.says(said);
    }
    let page = ada.get("/playbooks/strange").await.page();
    assert!(!page.text().contains("The file has faults"), "{}", page.text());

    // What servers have to be asked for comes by itself, without what stands there already.
    let found = ada.get("/?look=health").await.page();
    for said in [
        "playbook strange",
        "has no status",
        "add it to the board, or change the playbook",
        "email:team",
        "messages wait until it answers",
    ] {
        found.says(said);
    }
    assert!(!found.text().contains("emergency stop"), "{}", found.text());
    assert!(found.links().contains(&"/settings?look=health"));

    // A reader is told of the file, and asks no servers.
    let mut eve = somebody(&rota, &serving, "Eve").await;
    let page = eve.get("/").await.page();
    page.says("faults in playbooks");
    assert!(!page.text().contains("email:team") && !page.links().contains(&"/?look=health"));
    assert_eq!(eve.get("/?look=health").await.status, 403);
}
