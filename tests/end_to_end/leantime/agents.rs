//! One Leantime user for each agent: made by `rota leantime add-agent`, and the one whose name stands
//! under what the agent's runs write.

use super::{Scene, check, user};
use crate::support::leantime::{Options, Role};
use crate::support::rota::Rota;
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt as _;

/// A playbook of an agent, run by hand, whose program says that it is done.
fn playbook(agent: &str) -> String {
    format!(
        r#"
description = "Says that it is done."
agent = "{agent}"
[select]
status = "kind:new"
assignee = "none"
[claim]
[work]
runner = "command"
command = ["sh", "-c", "echo '{{\"outcome\": \"done\", \"summary\": \"played by {agent}\"}}'"]
[outcome.done]
status = "Waiting for Approval"
"#
    )
}

fn admin(scene: &Scene) -> String {
    scene.fake.add_key("Keeper", Role::Admin, &[]).1
}

const ADD: [&str; 5] = ["leantime", "add-agent", "Violin", "--project", "Orchestra"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_gets_a_user_a_key_that_nobody_else_reads_and_a_place_in_the_configuration() {
    let scene = Scene::new().await;
    let keeper = admin(&scene);
    let rota = scene.by_file("").with_env("LEANTIME_ADMIN_KEY", &keeper);
    let by = ["--admin-key-from", "env:LEANTIME_ADMIN_KEY"];
    let before = rota.read("rota.toml");
    let dry = rota.run(ADD.iter().chain(&by).chain(&["--dry-run"])).ok();
    assert!(dry.out.contains("would make a user: Violin (editor) in Orchestra"), "{dry:#?}");
    assert_eq!(scene.fake.calls("api.createApiKeyWithProjects"), 0);
    assert_eq!(rota.read("rota.toml"), before);
    assert!(!rota.path().join("keys").exists());

    let ran = rota.run(ADD.iter().chain(&by)).ok();
    assert!(ran.out.contains("pickers") && ran.out.contains("create-bearer-token"), "{ran:#?}");
    assert_eq!(scene.fake.calls("api.createApiKeyWithProjects"), 1);
    let file = rota.path().join("keys/Violin.key");
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let key = rota.read("keys/Violin.key").trim().to_owned();
    assert!(key.starts_with("lt_") && !ran.out.contains(&key) && !ran.err.contains(&key));
    assert!(!ran.out.contains(&keeper) && !rota.read("rota.toml").contains(&keeper));
    let written = rota.read("rota.toml");
    assert!(written.starts_with(before.trim_end()), "{written}");
    assert!(written.contains("[board.agents.Violin]\nuser = "), "{written}");
    assert!(written.contains("key = { file = \"keys/Violin.key\" }"), "{written}");
    let health = rota.run(["doctor", "--json"]).ok().json();
    assert_eq!(check(&health, "leantime agent Violin")["health"], "ok");
    let people = rota.run(["person", "list", "--json"]).ok().json();
    let people = people["items"].as_array().unwrap().clone();
    let violin = people.iter().find(|person| person["name"] == "Violin").unwrap();
    assert_eq!((&violin["kind"], &violin["role"]), (&json!("agent"), &json!("editor")));

    let again = rota.run(ADD.iter().chain(&by)).ended(1);
    assert!(again.err.contains("already"), "{again:#?}");
    assert_eq!(scene.fake.calls("api.createApiKeyWithProjects"), 1);
    scene.is_careful();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_for_a_variable_is_shown_once_and_kept_nowhere() {
    let scene = Scene::with(Options::default(), Role::Admin).await;
    let rota = scene.by_file("");
    let ran = rota.run(ADD.iter().chain(&["--key-env", "VIOLIN_KEY", "--json"])).ok();
    let told = ran.json();
    let key = told["key"].as_str().unwrap().to_owned();
    assert_eq!((&told["configured"], &told["keyFile"]), (&json!(true), &Value::Null));
    assert!(!rota.path().join("keys").exists());
    let written = rota.read("rota.toml");
    assert!(written.contains("key = { env = \"VIOLIN_KEY\" }") && !written.contains(&key));
    let rota = rota.with_env("VIOLIN_KEY", &key);
    let health = rota.run(["doctor", "--json"]).ok().json();
    assert_eq!(check(&health, "leantime agent Violin")["health"], "ok");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_done_is_told_before_a_user_is_made() {
    let scene = Scene::new().await;
    let rota = scene.by_file("");
    let low = rota.run(ADD).ended(4);
    assert!(low.err.contains("only an admin") && low.err.contains("--admin-key-from"), "{low:#?}");
    let rota = rota.with_env("ADMIN", &admin(&scene));
    let add = |name: &'static str, project: &'static str| {
        let words = ["leantime", "add-agent", name, "--project", project];
        rota.run(words.iter().chain(&["--admin-key-from", "env:ADMIN"]))
    };
    let taken = add("hugo human", "Orchestra").ended(4);
    assert!(taken.err.contains("has the name"), "{taken:#?}");
    let nowhere = add("Violin", "Choir").ended(2);
    assert!(nowhere.err.contains("Choir") && nowhere.err.contains("Orchestra"), "{nowhere:#?}");
    rota.write("keys/Violin.key", "of an earlier one");
    let there = add("Violin", "Orchestra").ended(1);
    assert!(there.err.contains("no key is written over"), "{there:#?}");
    assert_eq!(rota.read("keys/Violin.key"), "of an earlier one");
    let elsewhere = Rota::new();
    elsewhere.run(ADD).ended(3);
    elsewhere.write("rota.toml", "");
    let sqlite = elsewhere.run(ADD).ended(3);
    assert!(sqlite.err.contains("no Leantime"), "{sqlite:#?}");
    assert_eq!(scene.fake.calls("api.createApiKeyWithProjects"), 0);
    scene.is_careful();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_run_of_an_agent_writes_is_by_that_agents_user() {
    let scene = Scene::new().await;
    let (a, key_of_a) = scene.fake.add_key("Violin", Role::Editor, &[scene.project]);
    let (b, key_of_b) = scene.fake.add_key("Cello", Role::Editor, &[scene.project]);
    let more = format!(
        "[board.agents.Violin]\nuser = {a}\nkey = {{ env = \"A\" }}\n\
         [board.agents.Cello]\nuser = {b}\nkey = {{ env = \"B\" }}\n"
    );
    let rota = scene.by_file(&more).with_env("A", &key_of_a).with_env("B", &key_of_b);
    rota.write("agents/violin.toml", &playbook("Violin"));
    rota.write("agents/cello.toml", &playbook("Cello"));
    for (task, playbook, own, key) in [("1", "violin", a, &key_of_a), ("2", "cello", b, &key_of_b)]
    {
        rota.run(["task", "add", "Play", "--project", "Orchestra"]).ok();
        let ran = rota.run(["run-once", playbook, "--task", task, "--json"]).ok();
        assert_eq!(ran.json()["state"], "succeeded", "{ran:#?}");
        let id: i64 = task.parse().unwrap();
        let ticket = scene.fake.ticket(id).unwrap();
        // The person who typed made the ticket with the board's own key.
        assert_eq!((user(&ticket["userId"]), &ticket["status"]), (scene.agent, &json!(2)));
        assert_eq!(user(&ticket["editorId"]), own, "{ticket:#}");
        let comments = scene.fake.comments("ticket", id);
        assert!(!comments.is_empty());
        for comment in &comments {
            assert_eq!(user(&comment["userId"]), own, "{comments:#?}");
        }
        assert!(!ran.out.contains(key) && !ran.err.contains(key));
    }
    scene.is_careful();
}
