//! Running something without waiting for its end.

use super::{Answer, Api, sent};
use crate::mcp::slack::GATED;
use crate::mcp::{team, token};
use crate::support::rota::until;
use serde_json::{Value, json};

/// Asks for a run, without waiting for its end.
async fn begins(api: &Api, playbook: &str, body: Value) -> Answer {
    let path = format!("/api/v1/playbooks/{playbook}/run");
    sent(api.request("POST", &path).header("prefer", "respond-async").json(&body)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_would_not_wait_hears_which_run_has_begun_and_asks_what_came_of_it() {
    let rota = team().with_env("MCP_RATE_LIMIT", "10000");
    rota.run(["person", "add", "Robot", "--agent", "--role", "editor"]).ok();
    let gate = rota.path().join("gate");
    rota.write("agents/gated.toml", &GATED.replace("GATE", &gate.display().to_string()));
    let secret = token(&rota, &["laptop"]);
    let serving = rota.serve(Vec::<&str>::new());
    let api = Api::of(&serving, Some(&secret));

    let begun = begins(&api, "gated", json!({ "task": 1 })).await;
    assert_eq!(begun.status, 202, "{:#}", begun.body);
    assert_eq!(begun.header("preference-applied"), "respond-async");
    let place = begun.body["status"].as_str().unwrap().to_owned();
    assert_eq!(place, format!("/api/v1/runs/{}", begun.body["run"].as_str().unwrap()));
    assert_eq!((begun.header("location"), &begun.body["state"]), (&*place, &json!("running")));
    let shown = api.get(&place).await.ok();
    assert_eq!((&shown["run"]["state"], &shown["run"]["task"]), (&json!("running"), &json!(1)));

    std::fs::write(&gate, "").unwrap();
    let handle = tokio::runtime::Handle::current();
    let ended = until("the end of the run", || {
        let asking = api.get(&place);
        let shown = tokio::task::block_in_place(|| handle.block_on(asking)).ok();
        (shown["run"]["state"] != "running").then_some(shown)
    });
    assert_eq!(ended["run"]["reason"], "handed_over", "it went on without us: {ended:#}");

    // What begins no run is answered as it ever was.
    let nothing = begins(&api, "gated", json!({})).await;
    assert_eq!(nothing.header("preference-applied"), "");
    assert_eq!(nothing.ok()["state"], "nothing_to_do");
    let dry = begins(&api, "gated", json!({ "dryRun": true })).await.ok();
    assert!(dry["run"].is_null() && dry["tasks"] == json!([]), "{dry:#}");
    assert_eq!(begins(&api, "nothing", json!({})).await.problem(404), "not_found");
    assert_eq!(api.accepted().await, ["1", "0", "0"], "one went on without its caller");
}
