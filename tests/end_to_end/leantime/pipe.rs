//! `rota mcp` over a Leantime that the environment alone names: no `rota.toml`, no state folder where it
//! happens to be started.

use super::{Scene, check, text, user};
use crate::mcp::pipe::Piped;
use crate::support::leantime::{Options, Role, Version};
use crate::support::rota::{Rota, until};
use serde_json::{Value, json};
use std::path::PathBuf;

/// What is called is done.
#[track_caller]
fn done(client: &mut Piped, tool: &str, args: Value) -> Value {
    let result = client.call(tool, args);
    assert_eq!(result["isError"], false, "{tool}: {result:#}");
    result["structuredContent"].clone()
}

/// The state folders that were made in the home folder.
fn states(rota: &Rota) -> Vec<PathBuf> {
    let folder = rota.path().join(".local/state/rota");
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_and_a_key_are_enough_to_work_on_a_leantime() {
    let scene = Scene::new().await;
    let rota = scene.by_environment();
    let mut client = Piped::start(&rota, &[]);
    client.shake_hands();
    let listed = client.ask("tools/list", json!({}));
    assert!(listed["result"]["tools"].as_array().unwrap().len() > 55);
    assert_eq!(scene.fake.asked().len(), 0, "nothing is asked before the first call");
    assert!(states(&rota).is_empty(), "nothing is opened before the first call");

    let mine = json!({ "assignee": "me" });
    assert_eq!(done(&mut client, "findTasks", mine.clone())["items"], json!([]));
    let new = json!({
        "projectId": "Orchestra", "headline": "Tune the strings", "editorId": "me",
        "description": "All **four**",
    });
    let made = done(&mut client, "addTask", new);
    let id = made["id"].as_i64().unwrap();
    let found = done(&mut client, "findTasks", mine);
    assert_eq!(found["items"][0]["headline"], "Tune the strings", "{found:#}");
    let edit =
        json!({ "id": id, "params": { "headline": "Tune the bass", "status": "In Progress" } });
    done(&mut client, "editTask", edit);
    let said = json!({ "module": "ticket", "entityId": id, "text": "It holds." });
    done(&mut client, "addComment", said);
    let time = json!({ "ticketId": id, "hours": 1.5, "date": "today", "kind": "TESTING" });
    done(&mut client, "logTime", time);

    let ticket = scene.fake.ticket(id).unwrap();
    assert_eq!(
        (text(&ticket["headline"]), text(&ticket["status"])),
        ("Tune the bass".into(), "4".into())
    );
    assert_eq!((user(&ticket["editorId"]), user(&ticket["userId"])), (scene.agent, scene.agent));
    let comments = scene.fake.comments("ticket", id);
    assert_eq!(user(&comments[0]["userId"]), scene.agent, "{comments:#?}");
    let sheets = scene.fake.sheets();
    assert_eq!(user(&sheets[0]["userId"]), scene.agent, "{sheets:#?}");
    assert!(["1.5", "1.50"].contains(&text(&sheets[0]["hours"]).as_str()), "{sheets:#?}");
    assert_eq!(client.hang_up(), 0);
    assert_eq!(states(&rota).len(), 1);
    assert!(!rota.state().exists(), "no folder where it was started");

    // Another process knows what was written to the byte.
    let mut client = Piped::start(&rota, &[]);
    client.shake_hands();
    let shown = done(&mut client, "getTicket", json!({ "id": id }));
    assert_eq!(shown["description"], "All **four**", "{shown:#}");
    assert_eq!(client.hang_up(), 0);
    assert!(!rota.read("mcp.log").contains(&scene.key));
    scene.is_careful();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_an_address_of_a_person_mine_is_theirs_and_the_key_writes() {
    let scene = Scene::new().await;
    let rota = scene.by_environment().with_env("LEANTIME_USER_EMAIL", "Hugo@example.com");
    let mut client = Piped::start(&rota, &[]);
    client.shake_hands();
    let new = json!({ "projectId": "Orchestra", "headline": "Buy rosin", "editorId": "me" });
    let id = done(&mut client, "addTask", new)["id"].as_i64().unwrap();
    let found = done(&mut client, "findTasks", json!({ "assignee": "me" }));
    assert_eq!(found["items"][0]["id"], id, "{found:#}");
    let ticket = scene.fake.ticket(id).unwrap();
    assert_eq!((user(&ticket["editorId"]), user(&ticket["userId"])), (scene.hugo, scene.agent));
    assert_eq!(client.hang_up(), 0);
    let nobody = scene.by_environment().with_env("LEANTIME_USER_EMAIL", "nobody@example.com");
    let health = nobody.run(["doctor", "--json"]).ended(1).json();
    let me = check(&health, "me");
    assert_eq!(
        (&me["health"], me["found"].as_str().unwrap().contains("nobody@")),
        (&json!("fail"), true)
    );
    scene.is_careful();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_of_a_person_is_that_person() {
    let scene = Scene::new().await;
    let token = scene.fake.add_token(scene.hugo);
    let rota = Rota::new()
        .with_env("LEANTIME_URL", &scene.fake.url())
        .with_env("LEANTIME_API_TOKEN", &token);
    let mut client = Piped::start(&rota, &[]);
    client.shake_hands();
    let new = json!({ "projectId": "Orchestra", "headline": "Count the chairs", "editorId": "me" });
    let id = done(&mut client, "addTask", new)["id"].as_i64().unwrap();
    let ticket = scene.fake.ticket(id).unwrap();
    assert_eq!((user(&ticket["editorId"]), user(&ticket["userId"])), (scene.hugo, scene.hugo));
    assert_eq!(client.hang_up(), 0);
    scene.is_careful();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_key_is_told_once_and_tried_once() {
    let scene = Scene::new().await;
    let rota = scene.by_environment().with_env("LEANTIME_API_KEY", "lt_nobody_nothing");
    let mut client = Piped::start(&rota, &[]);
    client.shake_hands();
    for _ in 0..30 {
        let refused = client.call("findTasks", json!({ "assignee": "me" }));
        let error = &refused["structuredContent"]["error"];
        assert_eq!((&refused["isError"], &error["retryable"]), (&json!(true), &json!(false)));
        let message = error["message"].as_str().unwrap();
        assert!(message.contains("refuses the credential"), "{refused:#}");
    }
    assert_eq!(client.hang_up(), 0);
    assert_eq!(scene.refusals(), 1, "twenty would shut out everybody at this address");
    scene.is_careful();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_taken_away_meanwhile_makes_no_storm() {
    let scene = Scene::new().await;
    let rota = scene.by_environment();
    let mut client = Piped::start(&rota, &[]);
    client.shake_hands();
    done(&mut client, "findTasks", json!({ "assignee": "me" }));
    scene.fake.revoke(&scene.key);
    let refuse = |client: &mut Piped| {
        for _ in 0..15 {
            let refused = client.call("addTask", json!({ "projectId": 2, "headline": "x" }));
            assert_eq!(refused["isError"], true, "{refused:#}");
        }
    };
    refuse(&mut client);
    let socket = states(&rota)[0].join("control.sock");
    until("the folder is let go", || (!socket.exists()).then_some(()));
    refuse(&mut client);
    assert_eq!(client.hang_up(), 0);
    // Once while the board was open, and once when it was opened anew.
    assert!(scene.refusals() <= 2, "{}", scene.refusals());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_environment_lacks_or_contradicts_is_told_at_the_start() {
    let scene = Scene::new().await;
    let keyless = Rota::new().with_env("LEANTIME_URL", &scene.fake.url());
    let told = keyless.run(["mcp"]).ended(3);
    assert!(told.err.contains("LEANTIME_API_KEY") && told.err.contains("not set"), "{told:#?}");
    let odd = scene.by_environment().with_env("LEANTIME_URL", "projects.example.org");
    let told = odd.run(["mcp"]).ended(3);
    assert!(told.err.contains("LEANTIME_URL") && told.err.contains("https://"), "{told:#?}");
    let odd = scene.by_environment().with_env("LEAN_DEFAULT_TIMEZONE", "Berlin");
    let told = odd.run(["mcp"]).ended(3);
    assert!(told.err.contains("LEAN_DEFAULT_TIMEZONE"), "{told:#?}");
    let half = scene.by_environment().with_env("LEANTIME_API_KEY", "lt_half");
    let mut client = Piped::start(&half, &[]);
    client.shake_hands();
    let told = client.call("listPeople", json!({}));
    assert!(told.to_string().contains("not whole"), "{told:#}");
    assert_eq!(client.hang_up(), 0);

    let other = scene.by_environment();
    other.write("rota.toml", "timezone = \"UTC\"\n");
    let told = other.run(["mcp"]).ended(3);
    assert!(told.err.contains("LEANTIME_URL") && told.err.contains("rota.toml"), "{told:#?}");
    // The same server is no contradiction: the file counts, with its own state folder.
    let same = scene.by_file("").with_env("LEANTIME_URL", &format!("{}/", scene.fake.url()));
    let mut client = Piped::start(&same, &[]);
    client.shake_hands();
    done(&mut client, "findTasks", json!({ "assignee": "me" }));
    assert!(same.state().exists());
    assert_eq!(client.hang_up(), 0);
    scene.is_careful();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_clients_of_one_key_share_a_folder_and_others_do_not() {
    let scene =
        Scene::with(Options { version: Version::V3_9_8, ..Options::default() }, Role::Editor).await;
    let rota = scene.by_environment();
    let (mut one, mut two) = (Piped::start(&rota, &[]), Piped::start(&rota, &[]));
    for client in [&mut one, &mut two] {
        client.shake_hands();
        done(client, "findTasks", json!({ "assignee": "me" }));
    }
    assert_eq!(states(&rota).len(), 1);
    let (_, other) = scene.fake.add_key("Other", Role::Editor, &[scene.project]);
    let rota = rota.with_env("LEANTIME_API_KEY", &other);
    let mut three = Piped::start(&rota, &[]);
    three.shake_hands();
    let new = json!({ "projectId": "Orchestra", "headline": "By the other" });
    let id = done(&mut three, "addTask", new)["id"].as_i64().unwrap();
    assert_ne!(user(&scene.fake.ticket(id).unwrap()["userId"]), scene.agent);
    assert_eq!(states(&rota).len(), 2);
    for client in [one, two, three] {
        assert_eq!(client.hang_up(), 0);
    }
    scene.is_careful();
}
