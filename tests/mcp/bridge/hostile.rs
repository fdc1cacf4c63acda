//! Servers that mean no good, and hosts that talk nonsense.

use super::{Bridged, code, said, usual};
use crate::support::http_double::{Double, Reply, Then};
use crate::support::rota::until;
use serde_json::json;

/// How much memory a process has, in KiB.
fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn an_answer_without_end_is_refused_and_takes_no_room() {
    let flood = vec![vec![b'x'; 1 << 20]; 64];
    let double = Double::start(move |asked| {
        usual(asked, None).unwrap_or_else(|| {
            match asked.message()["params"]["name"].as_str().unwrap() {
                "line" => Reply::stream(flood.clone()),
                "comment" => {
                    Reply::stream(std::iter::once(b": ".to_vec()).chain(flood.iter().cloned()))
                }
                "body" => {
                    Reply { pieces: flood.clone(), ..Reply::text(200, "application/json", "") }
                }
                _ => Reply::result(asked, &said("fine")),
            }
        })
    });
    let mut host = Bridged::to(&double.url());
    host.shake_hands("2025-11-25");
    for name in ["line", "comment", "body"] {
        assert_eq!(code(&host.call(name, json!({}))), "too_large", "{name}");
    }
    assert_eq!(host.call("fine", json!({}))["result"], said("fine"));
    let memory = resident(host.child.id());
    assert!(memory < 128 * 1024, "{memory} KiB");
}

#[test]
fn answers_that_nobody_asked_for_are_dropped() {
    let event = |id: &str| format!("data: {{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{}}}}\n\n");
    let double = Double::start(move |asked| {
        usual(asked, None).unwrap_or_else(|| {
            let id = asked.message()["id"].to_string();
            let junk = [
                "data: no json\n\n".to_owned(),
                "data: [1]\n\n".to_owned(),
                event("999"),
                event("\"2\""),
                event("null"),
                "event: other\ndata: {\"id\":2,\"result\":1}\n\n".to_owned(),
            ];
            Reply::stream(junk.into_iter().chain([event(&id)]))
        })
    });
    let mut host = Bridged::to(&double.url());
    host.shake_hands("2025-11-25");
    assert_eq!(host.call("a", json!({}))["result"], json!({}), "the first that comes is its own");
    assert!(host.log().contains("nobody asked for"), "{}", host.log());
}

#[test]
fn what_is_no_answer_is_an_error_and_never_silence() {
    let double = Double::start(|asked| {
        usual(asked, None).unwrap_or_else(|| match asked.message()["params"]["name"].as_str().unwrap() {
            "page" => Reply::text(200, "text/html", "<html>log in</html>"),
            "other id" => Reply::json(&json!({ "jsonrpc": "2.0", "id": 999, "result": {} })),
            "list" => Reply::text(200, "application/json", "[]"),
            "nothing" => Reply::text(200, "application/json", ""),
            "accepted" => Reply::accepted(),
            "no id" => Reply::text(400, "application/json",
                r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"its own words"}}"#),
            _ => Reply::stream([": nothing\n\n"]),
        })
    });
    let mut host = Bridged::to(&double.url());
    host.shake_hands("2025-11-25");
    for name in ["page", "other id", "list", "nothing", "accepted"] {
        assert_eq!(code(&host.call(name, json!({}))), "bad_answer", "{name}");
    }
    assert_eq!(code(&host.call("empty stream", json!({}))), "outcome_unknown");
    let own = host.call("no id", json!({}));
    assert_eq!(own["error"], json!({ "code": -32600, "message": "its own words" }));
}

#[test]
fn a_notification_that_is_answered_by_a_stream_without_end_holds_nothing_up() {
    let double = Double::start(|asked| {
        if asked.message()["id"].is_null() {
            return Reply::stream([": \n"]).then(Then::Hold);
        }
        usual(asked, None).unwrap_or_else(|| Reply::result(asked, &said("fine")))
    });
    let mut host = Bridged::to(&double.url());
    host.shake_hands("2024-11-05");
    assert_eq!(host.call("fine", json!({}))["result"], said("fine"));
}

#[test]
fn more_than_may_be_under_way_is_refused_and_so_is_an_id_in_use() {
    let double = Double::start(|asked| {
        usual(asked, None).unwrap_or_else(|| Reply::stream([": \n"]).then(Then::Hold))
    });
    let mut host = Bridged::to(&double.url());
    host.shake_hands("2025-11-25");
    for _ in 0..64 {
        host.begin("tools/call", json!({ "name": "slow" }));
    }
    until("all are under way", || (double.asked_for("tools/call").len() == 64).then_some(()));
    assert_eq!(code(&host.call("slow", json!({}))), "busy");
    host.notify("notifications/cancelled", json!({ "requestId": 2 }));
    until("one is let go", || (double.given_up() == 1).then_some(()));
    host.last = 2;
    assert_eq!(code(&host.call("slow", json!({}))), "id_in_use");
}

#[test]
fn what_the_host_says_that_is_no_message_is_refused_and_the_rest_goes_on() {
    let double = Double::start(|asked| {
        usual(asked, None).unwrap_or_else(|| Reply::result(asked, &said("fine")))
    });
    let mut host = Bridged::to(&double.url());
    for (text, code) in [
        ("GET / HTTP/1.1", -32_700),
        ("[]", -32_700),
        (r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#, -32_600),
        (r#"{"jsonrpc":"2.0","id":7}"#, -32_600),
    ] {
        host.write(&format!("{text}\n"));
        assert_eq!(host.next()["error"]["code"], code, "{text}");
    }
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    host.write(&format!("{{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"x\",\"params\":{deep}}}\n"));
    assert_eq!(host.next()["id"], 0);
    host.write(&format!("{}\n", "x".repeat(10 * 1024 * 1024 + 1)));
    let refused = host.next();
    assert!(refused["error"]["message"].as_str().unwrap().contains("10 MiB"), "{refused:#}");
    assert_eq!(host.call("fine", json!({}))["result"], said("fine"));
}
