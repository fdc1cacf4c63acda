//! One pipe without a daemon: the state folder is let go, whatever became of the calls.

use super::{Piped, is_let_go};
use crate::end_to_end::team::{gated_team, json as shown, waits_at_gate};
use crate::mcp::team;
use crate::support::rota::{Rota, until};
use serde_json::json;

/// Calls the playbook that waits at its gate, and waits until it is at work.
fn begin_gated(rota: &Rota, client: &mut Piped) -> u64 {
    let call = client.begin("runPlaybook", json!({ "playbook": "gated" }));
    until("the run at work", || {
        let claims = rota.run(["claims", "list", "--json"]).ok().json();
        let claims = claims["items"].as_array().unwrap().clone();
        claims.iter().find(|claim| claim["phase"] == "working").cloned()
    });
    call
}

#[test]
fn a_cancelled_call_is_carried_to_its_end_and_then_the_folder_is_let_go() {
    let rota = gated_team();
    let mut client = Piped::start(&rota, &[]);
    client.shake_hands();
    let call = begin_gated(&rota, &mut client);
    client.send(&json!({
        "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": call }
    }));
    let task = client.call("getTicket", json!({ "id": 1 }));
    assert_eq!(task["isError"], false, "{task:#}");
    rota.write("gate", "");
    until("the folder is let go", || is_let_go(&rota).then_some(()));
    let runs = shown(&rota, &["runs", "list"]);
    assert_eq!(runs["items"][0]["state"], "succeeded", "{runs:#}");
    assert_eq!(client.hang_up(), 0);
}

#[test]
fn a_call_that_took_too_long_is_carried_to_its_end_and_then_the_folder_is_let_go() {
    let rota = gated_team();
    let limited = rota.with_env("MCP_MAX_EXECUTION_TIME", "3");
    let mut client = Piped::start(&limited, &[]);
    client.shake_hands();
    begin_gated(&limited, &mut client);
    let answer = client.next();
    let error = &answer["result"]["structuredContent"]["error"];
    assert_eq!(error["code"], "timed_out", "{answer:#}");
    assert!(error["message"].as_str().unwrap().contains("3 s"), "{answer:#}");
    limited.write("gate", "");
    until("the folder is let go", || is_let_go(&limited).then_some(()));
    let runs = shown(&limited, &["runs", "list"]);
    assert_eq!(runs["items"][0]["state"], "succeeded", "{runs:#}");
    assert_eq!(client.hang_up(), 0);
}

#[test]
fn a_daemon_that_starts_is_given_the_folder_and_the_pipe_becomes_its_client() {
    let rota = team();
    let mut client = Piped::start(&rota, &[]);
    client.shake_hands();
    assert_eq!(client.call("getTicket", json!({ "id": 1 }))["isError"], false);
    assert!(!is_let_go(&rota), "the pipe has it");
    let serving = rota.serve(Vec::<&str>::new());
    let seen = client.call("getStatus", json!({}));
    assert_eq!(seen["structuredContent"]["scheduling"], true, "{seen:#}");
    assert_eq!(serving.stop(), 0);
    // And the other way round.
    assert_eq!(client.call("getTicket", json!({ "id": 1 }))["isError"], false);
    assert_eq!(client.hang_up(), 0);
}

#[test]
fn a_daemon_is_told_who_has_the_folder_when_a_call_at_a_pipe_goes_on() {
    let rota = gated_team();
    let mut client = Piped::start(&rota, &[]);
    client.shake_hands();
    begin_gated(&rota, &mut client);
    let refused = rota.run(["serve"]).ended(6);
    let holder = format!("process {}", client.pid());
    assert!(refused.err.contains(&holder), "{refused:#?}");
    rota.write("gate", "");
    assert_eq!(client.next()["result"]["isError"], false);
    let serving = rota.serve(Vec::<&str>::new());
    assert_eq!(serving.stop(), 0);
    assert_eq!(client.hang_up(), 0);
}

#[test]
fn a_daemon_waits_for_a_short_command() {
    let rota = team();
    let lock = std::fs::File::open(rota.state().join("store/lock")).unwrap();
    lock.lock().unwrap();
    std::thread::scope(|scope| {
        let starting = scope.spawn(|| rota.serve(Vec::<&str>::new()).stop());
        until("it waits", || {
            let log = std::fs::read_to_string(rota.path().join("serve.log")).unwrap_or_default();
            log.contains("waiting for the state folder").then_some(())
        });
        lock.unlock().unwrap();
        assert_eq!(starting.join().unwrap(), 0);
    });
}

#[test]
fn a_client_that_hangs_up_ends_what_it_began() {
    let rota = team();
    rota.write("agents/gated.toml", &waits_at_gate(&rota));
    let mut client = Piped::start(&rota, &[]);
    client.shake_hands();
    begin_gated(&rota, &mut client);
    assert_eq!(client.hang_up(), 0);
    assert!(is_let_go(&rota));
    let listed = rota.run(["claims", "list", "--json"]).ok().json();
    assert_eq!(listed["items"].as_array().unwrap().len(), 0, "{listed:#}");
}

#[test]
fn a_claim_outlives_the_pipe_that_took_it() {
    let rota = team();
    let mut one = Piped::start(&rota, &[]);
    one.shake_hands();
    let claimed = one.call("claimTask", json!({ "task": 1 }));
    assert_eq!(claimed["isError"], false, "{claimed:#}");
    one.kill();
    let mut other = Piped::start(&rota, &[]);
    other.shake_hands();
    let shown = other.call("listClaims", json!({}));
    let held = &shown["structuredContent"]["items"][0];
    assert_eq!((&held["by"], &held["phase"]), (&json!("Ada's assistant"), &json!("working")));
    // Whoever comes back with the fence goes on.
    let fence = &claimed["structuredContent"]["fence"];
    let renewed = other.call("renewClaim", json!({ "task": 1, "fence": fence }));
    assert_eq!(renewed["isError"], false, "{renewed:#}");
    let release = json!({ "task": 1, "fence": fence, "comment": "Later." });
    assert_eq!(other.call("releaseTask", release)["structuredContent"]["phase"], "free");
    assert_eq!(other.hang_up(), 0);
}
