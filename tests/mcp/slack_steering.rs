//! What people steer from Slack: runs that are at work, and writes that are proposed.

use super::slack::{GATED, Scene, text};
use crate::support::rota::until;
use serde_json::json;

/// Proposes to raise the priority of what is new.
const PROPOSES: &str = r#"
description = "Proposes a priority."
agent = "Robot"
mode = "staged"
[select]
status = "kind:new"
limit = 1
[claim]
[[step]]
tool = "editTask"
args = { id = "{{task.id}}", params = { priority = 2 } }
[report]
template = "stale"
to = ["stdout"]
"#;

impl Scene {
    /// A playbook is written and known.
    fn plays(&self, name: &str, playbook: &str) {
        self.rota.write(&format!("agents/{name}.toml"), playbook);
        let is_known = || self.rota.run(["playbooks"]).out.contains(name).then_some(());
        until("the playbook", is_known);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_at_work_is_stopped_by_its_name() {
    let scene = Scene::new();
    let gate = scene.rota.path().join("gate");
    scene.plays("gated", &GATED.replace("GATE", &gate.display().to_string()));
    let begun = scene.types("U0BOB", "run gated 1").await;
    let run = begun.split_whitespace().nth(1).unwrap();
    let state = || {
        let shown = scene.rota.run(["runs", "list", "--json"]).ok().json();
        let items = shown["items"].as_array().unwrap();
        items.iter().find(|item| item["id"] == run).unwrap()["state"].clone()
    };
    assert_eq!(state(), "running", "{begun}");
    let refused = scene.types("U0EVE", &format!("stop {run}")).await;
    assert!(refused.contains("This was not done"), "{refused}");
    assert_eq!(state(), "running");
    scene.types("U0BOB", &format!("stop {run}")).await;
    until("the run to end", || (state() == "cancelled").then_some(()));
    let answers = until("both to be told", || {
        let all = scene.slack.responses();
        (all.len() >= 4).then_some(all)
    });
    let told: Vec<&str> = answers[2..].iter().map(text).collect();
    assert!(told.iter().any(|told| told.contains("stopped")), "{told:?}");
    assert!(told.iter().any(|told| told.contains("cancelled")), "{told:?}");
    let task = scene.rota.run(["task", "show", "1", "--json"]).ok().json();
    assert_eq!(task["status_label"], "New", "it is put back: {task:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_proposed_is_applied_by_whoever_clicks_approve() {
    let scene = Scene::new();
    scene.plays("proposes", PROPOSES);
    let before = scene.slack.messages().len();
    scene.types("U0BOB", "run proposes 1").await;
    let message = scene.message(before);
    assert!(message.to_string().contains("proposes changes of task 1"), "{message:#}");
    let priority = || {
        let task = scene.rota.run(["task", "show", "1", "--json"]).ok().json();
        task["priority"].clone()
    };
    assert_ne!(priority(), json!(2));
    let refused = scene.clicks("U0EVE", &message, 0).await;
    assert!(text(&refused).contains("This was not done"), "{refused:#}");
    let approved = scene.clicks("U0BOB", &message, 0).await;
    assert!(text(&approved).starts_with("Bob approved task 1"), "{approved:#}");
    assert_eq!(approved["replace_original"], true, "{approved:#}");
    until("the priority", || (priority() == json!(2)).then_some(()));
    let late = scene.clicks("U0ADA", &message, 0).await;
    assert_eq!(late["response_type"], "ephemeral", "{late:#}");
    let left = scene.rota.run(["review", "list"]).ok().out;
    assert!(!left.contains("proposals"), "{left}");
}
