//! Sessions that are lost, and opened again without the host's noticing.

use super::{Bridged, code, said, usual};
use crate::support::http_double::{Asked, Double, Reply};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// A server that forgets its sessions when it is told to, and says so with this status and body.
fn forgetful(status: u16, body: &'static str) -> (Double, Arc<AtomicBool>) {
    let forgets = Arc::new(AtomicBool::new(false));
    let (told, sessions) = (Arc::clone(&forgets), AtomicUsize::new(0));
    let double = Double::start(move |asked: &Asked| {
        if asked.is("initialize") {
            let number = sessions.fetch_add(1, Ordering::Relaxed) + 1;
            told.store(false, Ordering::Relaxed);
            return usual(asked, Some(&format!("s-{number}"))).unwrap();
        }
        let current = format!("s-{}", sessions.load(Ordering::Relaxed));
        let is_known = asked.header("mcp-session-id") == Some(current.as_str());
        if told.load(Ordering::Relaxed) || !is_known {
            return Reply::text(status, "application/json", body);
        }
        usual(asked, None).unwrap_or_else(|| Reply::result(asked, &said(&current)))
    });
    (double, forgets)
}

#[test]
fn a_lost_session_is_opened_again_as_the_host_began_it_and_the_call_is_made() {
    for (status, body) in [
        (404, ""),
        (
            404,
            r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32001,"message":"Session not found"}}"#,
        ),
        (
            400,
            r#"{"jsonrpc":"2.0","error":{"code":-32000,"message":"Bad Request: No valid session ID provided"}}"#,
        ),
    ] {
        let (double, forgets) = forgetful(status, body);
        let mut host = Bridged::to(&double.url());
        host.shake_hands("2025-11-25");
        assert_eq!(host.call("write", json!({}))["result"], said("s-1"));
        host.ask("resources/subscribe", json!({ "uri": "a://b" }));
        forgets.store(true, Ordering::Relaxed);
        assert_eq!(host.call("write", json!({}))["result"], said("s-2"), "{status} {body}");
        let begun = double.asked_for("initialize");
        assert_eq!(begun.len(), 2);
        assert_eq!(begun[0].body, begun[1].body, "with the host's own words");
        assert!(begun[1].header("mcp-session-id").is_none());
        let greeted = double.asked_for("notifications/initialized");
        assert_eq!(greeted[1].header("mcp-session-id"), Some("s-2"));
        let subscribed = double.asked_for("resources/subscribe");
        assert_eq!(subscribed[1].header("mcp-session-id"), Some("s-2"), "it is asked for again");
        assert_eq!(host.log(), "", "nobody has to know");
    }
}

#[test]
fn many_calls_that_lose_a_session_together_open_one() {
    let (double, forgets) = forgetful(404, "");
    let mut host = Bridged::to(&double.url());
    host.shake_hands("2025-11-25");
    forgets.store(true, Ordering::Relaxed);
    let ids: Vec<u64> = (0..16).map(|n| host.begin("tools/call", json!({ "name": n }))).collect();
    let mut answered: Vec<u64> = ids
        .iter()
        .map(|_| {
            let answer = host.next();
            assert_eq!(answer["result"], said("s-2"), "{answer:#}");
            answer["id"].as_u64().unwrap()
        })
        .collect();
    answered.sort_unstable();
    assert_eq!(answered, ids);
    assert_eq!(double.asked_for("initialize").len(), 2);
}

#[test]
fn a_session_that_is_lost_again_at_once_is_told() {
    let double = Double::start(|asked| {
        if asked.is("tools/call") {
            return Reply::text(404, "text/plain", "");
        }
        usual(asked, Some("s")).unwrap()
    });
    let mut host = Bridged::to(&double.url());
    host.shake_hands("2025-11-25");
    assert_eq!(code(&host.call("write", json!({}))), "session_lost");
    assert_eq!(double.asked_for("tools/call").len(), 2);
}

#[test]
fn what_comes_before_the_handshake_is_through_waits_for_it() {
    let (double, _) = forgetful(404, "");
    let mut host = Bridged::to(&double.url());
    let call = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {} });
    let begin = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": super::hello("2025-11-25") });
    let greet = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    host.write(&format!("{begin}\n{greet}\n{call}\n"));
    assert_eq!(host.next()["id"], 1);
    assert_eq!(host.next()["result"], said("s-1"));
    let order: Vec<_> = double
        .asked()
        .iter()
        .filter(|asked| asked.method == "POST")
        .map(|asked| asked.message()["method"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(order, ["initialize", "notifications/initialized", "tools/call"]);
}
