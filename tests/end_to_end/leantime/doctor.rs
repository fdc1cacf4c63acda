//! `rota doctor` over a Leantime: what is wrong there is found before a run finds it.

use super::{Scene, check};
use crate::support::leantime::{Options, Role, Version};
use serde_json::{Value, json};

#[track_caller]
fn is(document: &Value, what: &str, health: &str, words: &[&str]) {
    let check = check(document, what);
    assert_eq!(check["health"], health, "{check:#}");
    let told = format!("{} {}", check["found"], check["advice"]);
    for word in words {
        assert!(told.contains(word), "no {word:?} in {check:#}");
    }
    assert!(health == "ok" || check["advice"] != "", "it does not say what to do: {check:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leantime_that_does_well_is_said_to() {
    let scene = Scene::new().await;
    let rota = scene.by_file("");
    let ran = rota.run(["doctor", "--json"]).ok();
    let found = ran.json();
    is(&found, "leantime", "ok", &["version 3.9.8", &scene.fake.url()]);
    is(&found, "leantime key", "ok", &["Baton", "editor"]);
    is(&found, "leantime projects", "ok", &["1 can be seen"]);
    is(&found, "leantime limit", "ok", &["120 requests"]);
    is(&found, "leantime zone", "ok", &["UTC", "LEAN_DEFAULT_TIMEZONE"]);
    is(&found, "leantime clock", "ok", &["s from ours"]);
    is(&found, "leantime plugin", "ok", &["not installed", "not needed"]);
    is(&found, "board", "ok", &["1 projects"]);
    scene.is_silent(&ran);
    let asked = scene.fake.asked();
    let of_board = asked.iter().filter(|asked| asked.path.ends_with("/jsonrpc"));
    let writes = of_board.flat_map(|asked| &asked.methods).filter(|method| {
        !["get", "current", "list", "poll"].iter().any(|word| method.contains(word))
    });
    assert_eq!(writes.count(), 0, "it changed something");
    scene.is_careful();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_key_is_all_that_is_said_and_it_is_tried_once() {
    let scene = Scene::new().await;
    scene.fake.revoke(&scene.key);
    let ran = scene.by_file("").run(["doctor", "--json"]).ended(1);
    is(&ran.json(), "leantime", "fail", &["refuses the credential", "API Keys"]);
    assert_eq!(scene.refusals(), 1);
    scene.is_silent(&ran);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_that_is_too_low_is_found_before_a_run_finds_it() {
    for role in [Role::Readonly, Role::Commenter] {
        let scene = Scene::with(Options::default(), role).await;
        let found = scene.by_file("").run(["doctor", "--json"]).ended(1).json();
        is(&found, "leantime key", "fail", &["Baton", "the role editor"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_without_projects_sees_nothing() {
    let scene = Scene::new().await;
    let (_, lonely) = scene.fake.add_key("Lonely", Role::Editor, &[]);
    let rota = scene.by_file("").with_env("LEANTIME_API_KEY", &lonely);
    let found = rota.run(["doctor", "--json"]).ended(1).json();
    is(&found, "leantime projects", "fail", &["none", "add the key's user"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_server_and_its_limit_are_told() {
    let old = Options { version: Version::V3_9_0, ..Options::default() };
    let scene = Scene::with(old, Role::Editor).await;
    let found = scene.by_file("").run(["doctor", "--json"]).ok().json();
    is(&found, "leantime", "ok", &["3.9.0"]);
    is(&found, "leantime limit", "warn", &["before 3.9.7 it takes 10", "LEAN_RATELIMIT_API"]);
    let old = Options { version: Version::V3_9_0, ..Options::default() };
    let scene = Scene::with(old, Role::Editor).await;
    let told = scene.by_file("requests_per_minute = 10\n").run(["doctor", "--json"]).ok().json();
    is(&told, "leantime limit", "ok", &["10 requests"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_that_was_learned_is_told() {
    let few = Options { rate_per_minute: Some(2), ..Options::default() };
    let scene = Scene::with(few, Role::Editor).await;
    let found = scene.by_file("").run(["doctor", "--json"]).ended(1).json();
    is(&found, "leantime limit", "warn", &["takes 2 requests", "120 are configured"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn before_3_8_the_user_is_to_be_named() {
    let old = Options { version: Version::V3_5_12, ..Options::default() };
    let scene = Scene::with(old, Role::Editor).await;
    let found = scene.by_file("").run(["doctor", "--json"]).ended(1).json();
    is(&found, "leantime", "fail", &["too old to say", "user = ID"]);
    let named = format!("user = {}\nrequests_per_minute = 10\n", scene.agent);
    let found = scene.by_file(&named).run(["doctor", "--json"]).ok().json();
    is(&found, "leantime", "ok", &["3.5.12"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn zones_other_than_utc_and_clocks_that_differ_are_told() {
    let apart = Options { ahead_seconds: Some(-90), ..Options::default() };
    let scene = Scene::with(apart, Role::Editor).await;
    let rota = scene.by_file("zone = \"Europe/Berlin\"\n");
    let found = rota.run(["doctor", "--json"]).ok().json();
    is(&found, "leantime zone", "warn", &["Europe/Berlin", "LEAN_DEFAULT_TIMEZONE=UTC"]);
    is(&found, "leantime clock", "warn", &["s behind ours", "set both clocks"]);
    let apart = Options { ahead_seconds: Some(3_600), ..Options::default() };
    let scene = Scene::with(apart, Role::Editor).await;
    let found = scene.by_file("").run(["doctor", "--json"]).ok().json();
    is(&found, "leantime clock", "warn", &["s before ours"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_plugin_is_seen_where_it_is() {
    for (mcp_status, said) in [(200, "answers beside"), (403, "refuses this key"), (500, "500")] {
        let paid = Options { mcp_status, ..Options::default() };
        let scene = Scene::with(paid, Role::Editor).await;
        let found = scene.by_file("").run(["doctor", "--json"]).ok().json();
        is(&found, "leantime plugin", "ok", &[said]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_agent_is_who_the_configuration_says() {
    let scene = Scene::new().await;
    let (right, one) = scene.fake.add_key("Right", Role::Editor, &[scene.project]);
    let (low, two) = scene.fake.add_key("Low", Role::Readonly, &[scene.project]);
    let agents = format!(
        "[board.agents.Right]\nuser = {right}\nkey = {{ env = \"ONE\" }}\n\
         [board.agents.Low]\nuser = {low}\nkey = {{ env = \"TWO\" }}\n\
         [board.agents.Swapped]\nuser = {}\nkey = {{ env = \"ONE\" }}\n\
         [board.agents.Gone]\nuser = 99\nkey = {{ env = \"GONE\" }}\n",
        scene.hugo
    );
    let rota = scene.by_file(&agents).with_env("ONE", &one).with_env("TWO", &two);
    let rota = rota.with_env("GONE", "lt_gone_gone");
    let found = rota.run(["doctor", "--json"]).ended(1).json();
    is(&found, "leantime agent Right", "ok", &["editor"]);
    is(&found, "leantime agent Low", "fail", &["readonly", "the role editor"]);
    is(&found, "leantime agent Swapped", "fail", &["mend [board.agents]"]);
    is(&found, "leantime agent Gone", "fail", &["refuses the credential"]);
    assert_eq!(scene.refusals(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_not_there_is_told_in_a_line_for_people_too() {
    let scene = Scene::new().await;
    let rota = scene.by_file("");
    drop(scene.fake);
    let ran = rota.run(["doctor"]).ended(1);
    assert!(ran.out.contains("fail  leantime"), "{ran:#?}");
    assert!(ran.out.contains("no connection can be made"), "{ran:#?}");
    assert!(!ran.out.contains(&json!(scene.key).to_string()));
}
