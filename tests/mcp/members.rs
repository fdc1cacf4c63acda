//! Projects that list their members, by every way in: whoever is on no list of one learns nothing of it.

use super::{Client, team, token};
use crate::support::heard::Stream;
use crate::support::rota::{Rota, Serving, until};
use crate::web::Api;
use serde_json::{Value, json};

/// What stands in the project that is Ada's alone.
const SECRET: &str = "Zanzibar";

/// A playbook that finds by itself whatever there is.
const TIDY: &str = r#"
description = "Tidies."
agent = "AI-Worker"
[select]
status = ["kind:new"]
[claim]
[[step]]
tool = "addComment"
args = { module = "ticket", entityId = "{{task.id}}", text = "About {{task.headline}}." }
[limits]
tokens_per_day = 1000000
"#;

struct Scene {
    rota: Rota,
    serving: Serving,
    ada: Client,
    bob: Client,
}

/// Bob edits, and belongs to the Website that is everybody's; the Vault with its task is Ada's.
fn scene() -> Scene {
    let rota = team();
    rota.write("rota.toml", &(rota.read("rota.toml") + "[budget]\ntokens_per_day = 2000000\n"));
    rota.run(["person", "add", "AI-Worker", "--agent", "--role", "editor"]).ok();
    rota.run(["project", "add", "Vault"]).ok();
    let headline = format!("{SECRET} merger");
    rota.run(["task", "add", &headline, "--project", "Vault", "--assign", "Bob"]).ok();
    rota.run(["member", "set", "Ada", "--project", "Vault"]).ok();
    rota.write("agents/tidy.toml", TIDY);
    let (ada, bob) = (token(&rota, &["ada"]), token(&rota, &["bob", "--person", "Bob"]));
    let serving = rota.serve(Vec::<&str>::new());
    let (ada, bob) = (Client::of(&serving, Some(&ada)), Client::of(&serving, Some(&bob)));
    Scene { rota, serving, ada, bob }
}

impl Scene {
    fn api(&self, client: &Client) -> Api {
        Api::of(&self.serving, client.token.as_deref())
    }
}

fn code(result: &Value) -> &str {
    result["structuredContent"]["error"]["code"].as_str().unwrap_or("none")
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_no_member_is_told_of_no_task_run_or_name_by_any_way_in() {
    let scene = scene();
    let done = scene.ada.call("runPlaybook", json!({ "playbook": "tidy", "task": 2 })).await;
    assert_eq!(done["isError"], false, "{done:#}");
    let run = done["structuredContent"]["run"].as_str().unwrap().to_owned();
    for (tool, args, expected) in [
        ("getTicket", json!({ "id": 2 }), "not_found"),
        ("showRun", json!({ "run": run }), "not_found"),
        ("stopRun", json!({ "run": run }), "not_found"),
        ("undoRun", json!({ "run": run, "confirm": run }), "not_found"),
        ("undoRun", json!({ "run": run, "dryRun": true }), "not_found"),
        ("whyNot", json!({ "subject": "task 2" }), "not_found"),
        ("whyNot", json!({ "subject": "# 2" }), "not_found"),
        ("listRuns", json!({ "task": 2 }), "not_found"),
        ("runPlaybook", json!({ "playbook": "tidy", "task": 2 }), "not_found"),
        ("runPlaybook", json!({ "playbook": "tidy" }), "out_of_scope"),
        ("runPlaybook", json!({ "playbook": "tidy", "dryRun": true }), "out_of_scope"),
        ("releaseClaim", json!({ "task": 2, "reason": "Mine." }), "not_found"),
    ] {
        let refused = scene.bob.call(tool, args.clone()).await;
        assert_eq!(code(&refused), expected, "{tool} {args}: {refused:#}");
        assert!(!refused.to_string().contains(SECRET), "{tool}: {refused:#}");
    }
    let held = scene.ada.call("claimTask", json!({ "task": 2 })).await;
    assert_eq!(held["isError"], false, "{held:#}");
    let why = scene.bob.call("whyNot", json!({ "subject": "tidy" })).await;
    assert!(why["isError"] == false && !why.to_string().contains(&run), "{why:#}");
    for (tool, args) in [
        ("listRuns", json!({})),
        ("listClaims", json!({})),
        ("getStatus", json!({})),
        ("getAllProjects", json!({})),
        ("getDigest", json!({})),
    ] {
        let told = scene.bob.call(tool, args).await;
        assert_eq!(told["isError"], false, "{tool}: {told:#}");
        let told = told.to_string();
        assert!(!told.contains(SECRET) && !told.contains("Vault"), "{tool}: {told}");
        assert!(!told.contains(&run), "{tool}: {told}");
        assert!(!told.contains("\"task\":2"), "{tool}: {told}");
    }
    let api = scene.api(&scene.bob);
    assert_eq!(api.tool("listOutbox", json!({ "latest": 50 })).await.problem(403), "out_of_scope");
    // What was spent elsewhere is in no line and no sum of his.
    for by in ["project", "task", "playbook", "day"] {
        let told = api.tool("reportCost", json!({ "by": by })).await.ok();
        let counted = (&told["narrowed"], &told["total"]["runs"], &told["items"]);
        assert_eq!(counted, (&json!(true), &json!(0), &json!([])), "{by}: {told:#}");
    }
    let occurrences = api.get("/api/v1/occurrences").await.ok();
    assert!(!occurrences.to_string().contains(&run), "{occurrences:#}");
    let uri = json!({ "uri": "rota://task/2" });
    let read = scene.bob.ask("resources/read", uri).await.message();
    assert_eq!(read["error"]["code"], -32_002, "{read:#}");
    // Once he is a member, all of it is there, as far as his role there goes.
    scene.rota.run(["member", "set", "Bob", "--project", "Vault", "--role", "readonly"]).ok();
    let shown = scene.bob.call("showRun", json!({ "run": run })).await;
    assert!(shown.to_string().contains(SECRET), "{shown:#}");
    for (tool, args) in [
        ("stopRun", json!({ "run": run })),
        ("undoRun", json!({ "run": run, "confirm": run })),
        ("runPlaybook", json!({ "playbook": "tidy", "task": 2 })),
        ("addTag", json!({ "id": 2, "tag": "mine" })),
    ] {
        let refused = scene.bob.call(tool, args).await;
        assert_eq!(code(&refused), "role_too_low", "{tool}: {refused:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_no_member_everywhere_learns_of_playbooks_neither_their_budget_nor_their_text() {
    let scene = scene();
    for (client, rows, has_source) in [
        (&scene.ada, vec![json!(null), json!("tidy")], true),
        (&scene.bob, vec![json!(null)], false),
    ] {
        let status = client.call("getStatus", json!({})).await;
        let budgets = status["structuredContent"]["budgets"].as_array().unwrap();
        let whose: Vec<Value> = budgets.iter().map(|budget| budget["playbook"].clone()).collect();
        assert_eq!(whose, rows, "{budgets:#?}");
        assert_eq!(budgets[0]["most"], 2_000_000, "{budgets:#?}");
        let told = client.call("listPlaybooks", json!({ "playbook": "tidy" })).await;
        let book = &told["structuredContent"]["items"][0];
        assert_eq!(book["name"], "tidy", "{told:#}");
        assert_eq!(book["source"] == TIDY, has_source, "{told:#}");
        assert_eq!(book["source"].is_null(), !has_source, "{told:#}");
        let typo = client.call("listPlaybooks", json!({ "playbook": "tidi" })).await;
        assert_eq!(code(&typo), "not_found", "{typo:#}");
    }
    // Neither by a run that is there for them.
    let done = scene.ada.call("runPlaybook", json!({ "playbook": "tidy", "task": 1 })).await;
    let run = &done["structuredContent"]["run"];
    assert!(run.is_string(), "{done:#}");
    for (client, has_text) in [(&scene.ada, true), (&scene.bob, false)] {
        let told = client.call("showRun", json!({ "run": run })).await;
        let shown = &told["structuredContent"];
        assert_eq!((&shown["run"]["id"], &shown["run"]["task"]), (run, &json!(1)), "{told:#}");
        assert_eq!(shown["definition"] == TIDY, has_text, "{told:#}");
        assert_eq!(shown["definition"].is_null(), !has_text, "{told:#}");
        assert_eq!(told.to_string().contains("tokens_per_day"), has_text, "{told:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_tell_whoever_is_no_member_nothing_of_the_runs_and_tasks_of_others() {
    let scene = scene();
    let opened = async |client: &Client| {
        let request = scene.api(client).request("GET", "/api/v1/events");
        let mut stream = Stream::of(request.send().await.unwrap());
        stream.named("hello").await;
        stream
    };
    let (mut all, mut some) = (opened(&scene.ada).await, opened(&scene.bob).await);
    let done = scene.ada.call("runPlaybook", json!({ "playbook": "tidy", "task": 2 })).await;
    assert_eq!(done["isError"], false, "{done:#}");
    let run = done["structuredContent"]["run"].clone();
    while all.named("progress").await.data["run"] != run {}
    all.until("changed", &json!({ "task": 2 })).await;
    // Of a run at a task that is there for him he hears.
    let done = scene.ada.call("runPlaybook", json!({ "playbook": "tidy", "task": 1 })).await;
    let his = done["structuredContent"]["run"].clone();
    assert!(his.is_string(), "{done:#}");
    loop {
        let event = some.next().await.unwrap();
        assert!(!event.data.to_string().contains(SECRET), "{event:?}");
        assert_ne!(event.data, json!({ "task": 2 }), "{event:?}");
        assert_ne!(event.data["run"], run, "{event:?}");
        if event.name == "progress" && event.data["run"] == his {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_calendar_shows_only_work_in_projects_that_are_there_for_whose_it_is() {
    let scene = scene();
    for task in [1, 2] {
        let plan = json!({ "editorId": "Bob", "editFrom": "now", "editTo": "+2h" });
        let edit = json!({ "id": task, "params": plan });
        assert_eq!(scene.ada.call("editTask", edit).await["isError"], false);
    }
    let made = scene.bob.call("getICalUrl", json!({})).await;
    let url = made["structuredContent"]["url"].as_str().unwrap();
    let read = async || scene.bob.http.get(url).send().await.unwrap().text().await.unwrap();
    let document = read().await;
    assert!(document.contains("Fix the footer") && !document.contains(SECRET), "{document}");
    scene.rota.run(["member", "set", "Bob", "--project", "Vault"]).ok();
    assert!(read().await.contains(SECRET));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asked_to_hear_of_a_task_hears_no_more_once_they_are_no_member() {
    let scene = scene();
    scene.rota.run(["member", "set", "Bob", "--project", "Vault"]).ok();
    let (bob, mut stream) = in_session(&scene.bob).await;
    for task in [1, 2] {
        let uri = json!({ "uri": format!("rota://task/{task}") });
        bob.ask("resources/subscribe", uri).await.result();
    }
    let rename = async |task: i64| {
        let edit = json!({ "id": task, "params": { "headline": format!("Task {task}, again") } });
        assert_eq!(scene.ada.call("editTask", edit).await["isError"], false);
    };
    let updated = "notifications/resources/updated";
    rename(2).await;
    let told = super::reading::event(&mut stream, updated).await;
    assert_eq!(told["params"]["uri"], "rota://task/2");
    scene.rota.run(["member", "remove", "Bob", "--project", "Vault"]).ok();
    let edit = json!({ "id": 2, "params": { "headline": "Not for Bob" } });
    assert_eq!(scene.ada.call("editTask", edit).await["isError"], false);
    rename(1).await;
    let told = super::reading::event(&mut stream, updated).await;
    assert_eq!(told["params"]["uri"], "rota://task/1", "of the other he hears nothing");
}

/// The client in a session of its own, and the stream of that.
async fn in_session(client: &Client) -> (Client, reqwest::Response) {
    let hello = json!({
        "protocolVersion": "2025-11-25", "capabilities": {},
        "clientInfo": { "name": "test", "version": "1" }
    });
    let begun = client.ask("initialize", hello).await;
    let session = begun.headers["mcp-session-id"].to_str().unwrap().to_owned();
    let own = client.with("mcp-session-id", &session);
    let own = own.with("mcp-protocol-version", "2025-11-25");
    own.post(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await;
    let stream = own.http.get(&own.url).bearer_auth(own.token.as_deref().unwrap());
    let stream = stream.header("mcp-session-id", &session).header("accept", "text/event-stream");
    let stream = stream.send().await.unwrap();
    (own, stream)
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_no_manager_any_more_hears_no_more_of_the_projects_of_others() {
    let scene = scene();
    scene.rota.run(["person", "add", "Max", "--role", "manager"]).ok();
    let secret = token(&scene.rota, &["max", "--person", "Max"]);
    let max = Client::of(&scene.serving, Some(&secret));
    let (max, mut stream) = in_session(&max).await;
    for task in [2, 1] {
        let uri = json!({ "uri": format!("rota://task/{task}") });
        max.ask("resources/subscribe", uri).await.result();
    }
    // As where people are managed elsewhere: no tool of ours changes a role.
    let lower = "update people set role = 'editor' where name = 'Max'";
    super::telling::say_to_the_board(&scene.rota.state(), lower).await;
    // What is written past the board is seen with the next change of a person.
    scene.rota.run(["person", "add", "Zoe"]).ok();
    let shown = max.call("getTicket", json!({ "id": 2 })).await;
    assert_eq!(code(&shown), "not_found", "{shown:#}");
    for (round, tasks) in [("One", vec![2, 1]), ("Two", vec![1])] {
        for task in tasks {
            let edit = json!({ "id": task, "params": { "headline": round } });
            assert_eq!(scene.ada.call("editTask", edit).await["isError"], false);
        }
        let told = super::reading::event(&mut stream, "notifications/resources/updated").await;
        assert_eq!(told["params"]["uri"], "rota://task/1", "{round}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_is_no_member_answers_on_the_task_all_the_same() {
    let scene = scene();
    let ask = json!({ "module": "ticket", "entityId": 2, "text": "@AI-Worker status" });
    assert_eq!(scene.ada.call("addComment", ask).await["isError"], false);
    let said = until("it is answered", || {
        let shown = scene.rota.run(["task", "show", "2"]).ok().out;
        shown.contains("No agent has worked at this task").then_some(shown)
    });
    assert!(said.contains("AI-Worker"), "{said}");
}
