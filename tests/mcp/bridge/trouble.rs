//! What goes wrong on the way: what is tried again, what never is, and what the host is told.

use super::{Bridged, code, said, usual};
use crate::support::http_double::{Double, Reply, Then};
use crate::support::rota::Rota;
use serde_json::json;
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const CERTIFICATE: &[u8] = include_bytes!("../../fixtures/tls/server.pem");
const KEY: &[u8] = include_bytes!("../../fixtures/tls/server.key");

#[test]
fn a_refused_connection_is_told_to_the_host_and_to_the_log_with_what_to_do() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut host =
        Bridged::start(&Rota::new(), &[&format!("http://{free}/mcp"), "--max-retries", "1"]);
    let refused = host.ask("initialize", super::hello("2025-11-25"));
    assert_eq!(code(&refused), "unreachable");
    let message = refused["error"]["message"].as_str().unwrap();
    assert!(
        message.contains("connection refused") && message.contains("is it running"),
        "{message}"
    );
    assert!(host.log().contains("is it running"), "{}", host.log());
    assert_eq!(code(&host.call("write", json!({}))), "unreachable", "it goes on");
    assert_eq!(host.hang_up(), 0);
}

#[test]
fn a_server_that_comes_back_is_reached_again_also_for_a_write() {
    let place = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let words = [&format!("http://{place}/mcp"), "--max-retries", "20"];
    let mut host = Bridged::start(&Rota::new(), &words);
    let id = host.begin("tools/call", json!({ "name": "write" }));
    // Nobody is there; then somebody is, at the very same place.
    let double = Double::start_at(place, |asked| Reply::result(asked, &said("done")));
    let answer = host.next();
    assert_eq!((&answer["id"], &answer["result"]), (&json!(id), &said("done")));
    assert_eq!(double.asked_for("tools/call").len(), 1);
}

#[test]
fn a_call_whose_connection_breaks_is_never_made_twice_unless_it_does_no_harm() {
    let double = Double::start(|asked| {
        if asked.is("tools/list") {
            let tools = json!({ "tools": [
                { "name": "look", "inputSchema": {}, "annotations": { "readOnlyHint": true } },
                { "name": "set", "inputSchema": {}, "annotations": { "idempotentHint": true } },
                { "name": "write", "inputSchema": {} }
            ] });
            return Reply::result(asked, &tools);
        }
        usual(asked, None).unwrap_or_else(|| {
            let broken = Reply::stream(["data: {\"jsonrpc\":"]);
            broken.then(Then::HangUp)
        })
    });
    let mut host = Bridged::start(&Rota::new(), &[&double.url(), "--max-retries", "2"]);
    host.shake_hands("2025-11-25");
    let calls = |name: &str| {
        let all = double.asked_for("tools/call").into_iter();
        all.filter(|asked| asked.message()["params"]["name"] == name).count()
    };
    let unknown = host.call("look", json!({}));
    assert_eq!(code(&unknown), "outcome_unknown");
    assert_eq!(calls("look"), 1, "nobody has said yet that it does no harm");
    host.ask("tools/list", json!({}));
    for (name, times) in [("write", 1), ("look", 1 + 3), ("set", 3)] {
        let answer = host.call(name, json!({}));
        assert_eq!(code(&answer), "outcome_unknown");
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.contains("look before you repeat it"), "{message}");
        assert_eq!(calls(name), times, "{name}");
    }
    let listed = host.ask("prompts/list", json!({}));
    assert_eq!(code(&listed), "outcome_unknown");
    assert_eq!(double.asked_for("prompts/list").len(), 3);
}

#[test]
fn a_server_that_fails_is_asked_again_only_for_what_does_no_harm() {
    let double = Double::start(|asked| {
        usual(asked, None).unwrap_or_else(|| Reply::text(502, "text/html", "<html>no</html>"))
    });
    let mut host = Bridged::start(&Rota::new(), &[&double.url(), "--max-retries", "1"]);
    host.shake_hands("2025-11-25");
    let failed = host.call("write", json!({}));
    assert_eq!((code(&failed), &failed["error"]["data"]["status"]), ("server_failed", &json!(502)));
    assert!(!failed["error"]["message"].as_str().unwrap().contains("<html>"));
    assert_eq!(double.asked_for("tools/call").len(), 1);
    host.ask("tools/list", json!({}));
    assert_eq!(double.asked_for("tools/list").len(), 2);
}

#[test]
fn who_asks_too_often_waits_as_long_as_the_server_says() {
    let times = AtomicUsize::new(0);
    let double = Double::start(move |asked| {
        usual(asked, None).unwrap_or_else(|| match times.fetch_add(1, Ordering::Relaxed) {
            0 => Reply::text(429, "application/json", "{}").with("Retry-After", "1"),
            1 => Reply::result(asked, &said("done")),
            _ => Reply::text(429, "application/json", "{}").with("Retry-After", "3600"),
        })
    });
    let mut host = Bridged::to(&double.url());
    host.shake_hands("2025-11-25");
    let begun = now();
    assert_eq!(host.call("write", json!({}))["result"], said("done"), "a refusal is not done");
    assert!(begun.elapsed() >= Duration::from_secs(1));
    let refused = host.call("write", json!({}));
    assert_eq!(code(&refused), "rate_limited");
    let message = refused["error"]["message"].as_str().unwrap();
    assert!(message.contains("after 3600 s"), "nobody waits an hour: {message}");
}

#[expect(clippy::disallowed_methods, reason = "how long a real process waits is what is tested")]
fn now() -> Instant {
    Instant::now()
}

#[test]
fn a_redirect_is_not_followed_with_the_token() {
    let target = Double::start(|asked| Reply::result(asked, &json!({})));
    let url = target.url();
    let double = Double::start(move |_| Reply::text(307, "text/plain", "").with("Location", &url));
    let mut host = Bridged::start(&Rota::new(), &[&double.url(), "--token", "s3cret-token"]);
    assert_eq!(code(&host.ask("ping", json!({}))), "moved");
    assert!(target.asked().is_empty());
}

#[test]
fn the_token_goes_where_it_was_told_to_and_is_shown_nowhere() {
    let double = Double::start(|asked| {
        let token = asked.header("authorization").unwrap_or_default().to_owned();
        Reply::text(
            401,
            "application/json",
            &json!({ "error": format!("bad {token}") }).to_string(),
        )
    });
    let rota = Rota::new().with_env("ROTA_LOG", "trace");
    let file = rota.write("token", "s3cret-token\n").display().to_string();
    let mut host = Bridged::start(&rota, &[&double.url(), "--token-file", &file]);
    let refused = host.ask("initialize", super::hello("2025-11-25"));
    assert_eq!(double.asked()[0].header("authorization"), Some("Bearer s3cret-token"));
    assert!(!refused.to_string().contains("s3cret"), "{refused:#}");
    assert!(refused["error"]["message"].as_str().unwrap().contains("bad Bearer [the token]"));
    let log = host.log();
    assert!(log.contains("reqwest") || log.contains("hyper"), "it was a talkative log");
    assert!(!log.contains("s3cret"), "{log}");
}

#[test]
fn a_certificate_that_nobody_trusts_is_refused_unless_its_authority_is_given() {
    let double = Double::start_tls(CERTIFICATE, KEY, |asked| {
        usual(asked, None).unwrap_or_else(|| Reply::result(asked, &said("done")))
    });
    let rota = Rota::new();
    let mut host = Bridged::start(&rota, &[&double.url()]);
    let refused = host.ask("initialize", super::hello("2025-11-25"));
    assert_eq!(code(&refused), "certificate_refused");
    let message = refused["error"]["message"].as_str().unwrap();
    assert!(message.contains("UnknownIssuer") && message.contains("--ca FILE"), "{message}");
    drop(host);
    let ca = rota.write("ca.pem", include_str!("../../fixtures/tls/ca.pem")).display().to_string();
    let mut host = Bridged::start(&rota, &[&double.url(), "--ca", &ca]);
    host.shake_hands("2025-11-25");
    assert_eq!(host.call("write", json!({}))["result"], said("done"));
    assert_eq!(host.log(), "");
    drop(host);
    let insecure = Bridged::start(&rota, &[&double.url(), "--insecure"]);
    let node = Bridged::start(
        &Rota::new().with_env("NODE_TLS_REJECT_UNAUTHORIZED", "0"),
        &[&double.url()],
    );
    for mut host in [insecure, node] {
        host.shake_hands("2025-11-25");
        assert!(host.log().contains("not checked (--insecure)"), "{}", host.log());
    }
}
