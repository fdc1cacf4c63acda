//! Answers that come as events, however they are cut, and what servers say beside them.

use super::{Bridged, said, usual};
use crate::support::http_double::{Double, Reply, Then};
use crate::support::rota::until;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};

#[test]
fn an_answer_passes_wherever_its_bytes_are_cut_and_however_its_lines_end() {
    let answer = |id: &Value| {
        format!(
            "\u{FEFF}: hello\nevent: message\nid: 1\ndata: {{\"jsonrpc\":\"2.0\",\ndata:\"id\":{id},\"result\":{{\"ä\":\"€\"}}}}\n\n"
        )
    };
    let count = answer(&json!(100)).len();
    let double = Double::start(move |asked| {
        usual(asked, None).unwrap_or_else(|| {
            let end = asked.message()["params"]["end"].as_str().unwrap().to_owned();
            let text = answer(&asked.message()["id"]).replace('\n', &end).into_bytes();
            let at = usize::try_from(asked.message()["params"]["at"].as_u64().unwrap()).unwrap();
            let at = at.min(text.len());
            Reply::stream([&text[..at], &text[at..]])
        })
    });
    let mut host = Bridged::to(&double.url());
    host.shake_hands("2025-06-18");
    for end in ["\n", "\r", "\r\n"] {
        for at in 0..=count + 8 {
            let answer = host.ask("x", json!({ "end": end, "at": at }));
            assert_eq!(answer["result"], json!({ "ä": "€" }), "{end:?} cut at {at}");
        }
    }
    assert_eq!(host.log(), "");
}

#[test]
fn progress_and_questions_of_the_server_pass_both_ways_before_the_answer() {
    let event = |message: &Value| format!("data: {message}\n\n");
    let double = Double::start(move |asked| {
        if asked.message()["id"] == "q-1" {
            return Reply::accepted();
        }
        usual(asked, Some("s-1")).unwrap_or_else(|| {
            let token = asked.message()["params"]["_meta"]["progressToken"].clone();
            let progress = json!({
                "jsonrpc": "2.0", "method": "notifications/progress",
                "params": { "progressToken": token, "progress": 1, "total": 2 }
            });
            let question = json!({
                "jsonrpc": "2.0", "id": "q-1", "method": "elicitation/create",
                "params": { "message": "Really?", "requestedSchema": { "type": "object" } }
            });
            let id = asked.message()["id"].clone();
            let answer = json!({ "jsonrpc": "2.0", "id": id, "result": said("done") });
            Reply::stream([event(&progress), event(&question), event(&answer)])
        })
    });
    let mut host = Bridged::to(&double.url());
    host.shake_hands("2025-11-25");
    let id = host.begin("tools/call", json!({ "name": "a", "_meta": { "progressToken": "p" } }));
    let progress = host.next();
    assert_eq!(progress["params"]["progressToken"], "p", "{progress:#}");
    let question = host.next();
    assert_eq!(question["method"], "elicitation/create");
    assert_eq!(host.next()["id"], id);
    host.send(&json!({ "jsonrpc": "2.0", "id": "q-1", "result": { "action": "accept" } }));
    let answered = || double.asked().into_iter().find(|asked| asked.message()["id"] == "q-1");
    let answered = until("the server was answered", answered);
    assert_eq!(answered.message()["result"]["action"], "accept");
    assert_eq!(answered.header("mcp-session-id"), Some("s-1"));
    assert_eq!(answered.header("mcp-protocol-version"), Some("2025-11-25"));
}

#[test]
fn a_stream_that_ends_early_is_taken_up_after_the_last_event_and_the_call_is_made_once() {
    let double = Double::start(|asked| {
        if asked.method == "GET" && asked.header("last-event-id") == Some("e-1") {
            let answer = json!({ "jsonrpc": "2.0", "id": 2, "result": said("late") });
            return Reply::stream([format!("id: e-2\ndata: {answer}\n\n")]);
        }
        usual(asked, Some("s-1"))
            .unwrap_or_else(|| Reply::stream(["id: e-1\nretry: 1\ndata:\n\ndata: {\"half"]))
    });
    let mut host = Bridged::to(&double.url());
    host.shake_hands("2025-11-25");
    let answer = host.call("write", json!({}));
    assert_eq!(answer["result"], said("late"));
    assert_eq!(double.asked_for("tools/call").len(), 1);
}

#[test]
fn what_a_server_says_unasked_passes_also_after_its_stream_broke() {
    let news = |n: usize| {
        let message = json!({
            "jsonrpc": "2.0", "method": "notifications/message", "params": { "data": n }
        });
        format!("id: {n}\nretry: 1\ndata: {message}\n\n")
    };
    let streams = AtomicUsize::new(0);
    let double = Double::start(move |asked| {
        if asked.method == "GET" {
            let n = streams.fetch_add(1, Ordering::Relaxed);
            let then = if n < 2 { Then::HangUp } else { Then::Hold };
            return Reply::stream([news(n)]).then(then);
        }
        usual(asked, Some("s-1")).unwrap()
    });
    let mut host = Bridged::to(&double.url());
    host.shake_hands("2025-06-18");
    for n in 0..3 {
        assert_eq!(host.next()["params"]["data"], n);
    }
    let last: Vec<_> = double
        .asked()
        .iter()
        .filter(|asked| asked.method == "GET")
        .map(|asked| asked.header("last-event-id").map(str::to_owned))
        .collect();
    assert_eq!(last, [None, Some("0".to_owned()), Some("1".to_owned())]);
    assert_eq!(host.hang_up(), 0);
    let left = double.asked().into_iter().find(|asked| asked.method == "DELETE").unwrap();
    assert_eq!(left.header("mcp-session-id"), Some("s-1"), "it takes leave");
}

#[test]
fn a_cancellation_reaches_the_server_and_ends_the_stream() {
    let double = Double::start(|asked| {
        usual(asked, Some("s-1")).unwrap_or_else(|| {
            match asked.message()["params"]["name"].as_str() {
                Some("slow") => Reply::stream([": one moment\n\n"]).then(Then::Hold),
                _ => Reply::result(asked, &said("quick")),
            }
        })
    });
    let mut host = Bridged::to(&double.url());
    host.shake_hands("2025-11-25");
    let id = host.begin("tools/call", json!({ "name": "slow" }));
    until("the call is there", || double.asked_for("tools/call").pop());
    host.notify("notifications/cancelled", json!({ "requestId": id, "reason": "enough" }));
    let told = until("the server is told", || double.asked_for("notifications/cancelled").pop());
    assert_eq!(told.message()["params"]["requestId"], id);
    until("the stream is let go", || (double.given_up() == 1).then_some(()));
    assert_eq!(host.call("quick", json!({}))["result"], said("quick"), "nothing came of the other");
}

#[test]
fn without_a_handshake_closing_the_stream_is_the_cancellation() {
    let double = Double::start(|asked| {
        usual(asked, None).unwrap_or_else(|| Reply::stream([": one moment\n\n"]).then(Then::Hold))
    });
    let mut host = Bridged::to(&double.url());
    let meta = json!({ "io.modelcontextprotocol/protocolVersion": "2026-07-28" });
    let id = host.begin("tools/call", json!({ "name": "slow", "_meta": meta }));
    let call = until("the call is there", || double.asked_for("tools/call").pop());
    assert_eq!(call.header("mcp-name"), Some("slow"));
    assert_eq!(call.header("mcp-method"), Some("tools/call"));
    host.notify("notifications/cancelled", json!({ "requestId": id }));
    until("the stream is closed", || (double.given_up() == 1).then_some(()));
    assert!(double.asked_for("notifications/cancelled").is_empty());
}
