//! Run tokens: what a program that works on a task may do over MCP, as long as it works.

use super::team::{QUICK, json, team, until_status};
use crate::mcp::Client;
use crate::support::rota::{Rota, Serving, until};
use serde_json::{Value, json as value};
use std::path::{Path, PathBuf};

/// Works at a task until the file `gate-TASK` is there.
fn playbook(rota: &Rota) -> String {
    format!(
        r#"
description = "Works until the gate opens."
agent = "AI-Worker"
[select]
status = "kind:new"
[claim]
[work]
runner = "command"
command = ["sh", "-c", "cp \"$0\" {0}/config-$ROTA_TASK; while [ ! -e {0}/gate-$ROTA_TASK ]; do sleep 0.05; done", "{{{{mcp_config}}}}"]
tools = ["getTicket", "addComment", "editTask"]
[outcome.done]
status = "Ready for Review"
[scope]
write = "claimed"
max = {{ addComment = 2 }}
[limits]
attempts = 1
concurrent = 2
"#,
        rota.path().display()
    )
}

/// A daemon with two runs at work, and the clients that have their tokens.
struct Scene {
    rota: Rota,
    serving: Serving,
    clients: Vec<(Client, PathBuf)>,
}

impl Scene {
    fn begin() -> Self {
        let rota = team();
        std::fs::remove_dir_all(rota.path().join("agents")).unwrap();
        rota.run(["task", "add", "Another"]).ok();
        rota.write("agents/gated.toml", &playbook(&rota));
        rota.write("rota.toml", QUICK);
        let serving = rota.serve(Vec::<&str>::new());
        let clients = [1, 2].map(|task| {
            let words = ["run-once".to_owned(), "gated".into(), "--task".into(), task.to_string()];
            let child = rota.command(words).stdout(std::process::Stdio::null()).spawn().unwrap();
            drop(std::thread::spawn(move || child.wait_with_output()));
            Self::client(&rota, &serving, task)
        });
        Self { clients: clients.into(), rota, serving }
    }

    fn client(rota: &Rota, serving: &Serving, task: u32) -> (Client, PathBuf) {
        let copy = rota.path().join(format!("config-{task}"));
        let config: Value =
            until("a configuration", || serde_json::from_slice(&std::fs::read(&copy).ok()?).ok());
        std::fs::remove_file(&copy).unwrap();
        let server = &config["mcpServers"]["rota"];
        assert_eq!(server["type"], "http", "{config}");
        let bearer = server["headers"]["Authorization"].as_str().unwrap();
        let token = bearer.strip_prefix("Bearer ").unwrap();
        let mut client = Client::of(serving, Some(token));
        client.url = server["url"].as_str().unwrap().to_owned();
        assert!(client.url.starts_with("http://127.0.0.1:") && client.url.ends_with("/mcp"));
        (client, rota.path().join(format!("gate-{task}")))
    }

    fn task(&self, id: &str) -> Value {
        json(&self.rota, &["task", "show", id])
    }
}

fn comment(task: u32, text: &str) -> Value {
    value!({ "module": "ticket", "entityId": task, "text": text })
}

fn code(result: &Value) -> &str {
    result["structuredContent"]["error"]["code"].as_str().unwrap_or("none")
}

#[tokio::test]
async fn a_run_token_does_what_its_run_may_as_long_as_it_works() {
    let scene = Scene::begin();
    let (first, gate) = &scene.clients[0];
    let (second, _) = &scene.clients[1];
    let listed = first.ask("tools/list", value!({})).await.result();
    let names: Vec<&str> =
        listed["tools"].as_array().unwrap().iter().map(|t| t["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["addComment", "editTask", "finish", "getTicket"]);
    // Its own task, and no other's, whoever holds the token.
    assert_eq!(code(&first.call("addComment", comment(1, "Here.")).await), "none");
    assert_eq!(code(&first.call("addComment", comment(2, "There.")).await), "out_of_scope");
    assert_eq!(
        code(&second.call("editTask", value!({ "id": 1, "params": { "headline": "Mine" } })).await),
        "already_claimed"
    );
    assert_eq!(code(&first.call("deleteTask", value!({ "id": 1 })).await), "tool_not_listed");
    // Counted together, and each run for itself.
    assert_eq!(code(&first.call("addComment", comment(1, "And here.")).await), "none");
    assert_eq!(code(&first.call("addComment", comment(1, "Too often.")).await), "scope_max");
    assert_eq!(code(&second.call("addComment", comment(2, "Mine.")).await), "none");
    // It is no token of the daemon's own endpoint, and the daemon's tokens are none here.
    let mut outside = first.clone();
    outside.url = Client::of(&scene.serving, None).url;
    assert_eq!(outside.ask("tools/list", value!({})).await.status, 401);
    let personal = crate::mcp::token(&scene.rota, &["laptop"]);
    let mut inside = first.clone();
    inside.token = Some(personal);
    assert_eq!(inside.ask("tools/list", value!({})).await.status, 401);
    inside.token = None;
    assert_eq!(inside.ask("tools/list", value!({})).await.status, 401);
    // It names its end; nothing more is done in its name, and then it does not count any more.
    let end = value!({ "outcome": "done", "summary": "Done over MCP." });
    assert_eq!(code(&first.call("finish", end.clone()).await), "none");
    assert_eq!(code(&first.call("addComment", comment(1, "After.")).await), "cancelled");
    std::fs::write(gate, "").unwrap();
    until_status(&scene.rota, "1", "Ready for Review");
    assert_eq!(first.ask("tools/list", value!({})).await.status, 401);
    let text = scene.task("1").to_string();
    assert!(text.contains("Here.") && text.contains("And here."), "{text}");
    assert!(
        !text.contains("Too often.") && !text.contains("After.") && !text.contains("Mine"),
        "{text}"
    );
    // The other run is not touched by any of it.
    assert_eq!(code(&second.call("getTicket", value!({ "id": 2 })).await), "none");
}

#[tokio::test]
async fn a_run_that_lost_its_claim_is_refused_and_ended() {
    let scene = Scene::begin();
    let (first, _) = &scene.clients[0];
    assert_eq!(code(&first.call("addComment", comment(1, "Before.")).await), "none");
    scene.rota.run(["claims", "release", "1", "--reason", "a test"]).ok();
    let refused = first.call_status("addComment", comment(1, "After.")).await;
    assert!(
        ["401", "force_released", "claim_lost", "cancelled", "trust_window"]
            .contains(&refused.as_str()),
        "{refused}"
    );
    until("its token does not count", || {
        let listed = json(&scene.rota, &["runs", "list"]).to_string();
        listed.contains("force_released").then_some(())
    });
    assert!(!scene.task("1").to_string().contains("After."));
    let (second, _) = &scene.clients[1];
    assert_eq!(code(&second.call("getTicket", value!({ "id": 2 })).await), "none");
}

#[test]
fn the_file_that_leads_there_is_for_its_user_alone_and_goes_with_the_run() {
    use std::os::unix::fs::PermissionsExt as _;
    let scene = Scene::begin();
    let private = scene.rota.state().join("private");
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let folders = || -> Vec<PathBuf> {
        std::fs::read_dir(&private).unwrap().map(|entry| entry.unwrap().path()).collect()
    };
    let begun = folders();
    assert_eq!(begun.len(), 2);
    for folder in &begun {
        assert_eq!((mode(folder), mode(&folder.join("mcp.json"))), (0o700, 0o600));
    }
    assert!(!scene.serving.log().contains("rota_run_"), "{}", scene.serving.log());
    for (_, gate) in &scene.clients {
        std::fs::write(gate, "").unwrap();
    }
    until("the files are gone", || folders().is_empty().then_some(()));
}
