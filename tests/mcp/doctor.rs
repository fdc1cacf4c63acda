//! `rota doctor URL`: what goes wrong between a client and a server, found and named, each with what
//! to do.

use super::{Client, team, token};
use crate::support::http_double::{Asked, Double, Reply};
use crate::support::rota::Rota;
use serde_json::{Value, json};
use std::time::Duration;

/// What it found: health, found and advice, by what was looked at.
struct Found {
    checks: Vec<Value>,
    code: i32,
}

impl Found {
    fn of(rota: &Rota, words: &[&str]) -> Self {
        let ran = rota.run(["doctor", "--json"].iter().chain(words));
        let document: Value = serde_json::from_str(&ran.out).unwrap_or_else(|error| {
            panic!("{error}: {} {}", ran.out, ran.err);
        });
        assert!(!ran.err.contains("bridge::carry"), "a finding is logged, too: {}", ran.err);
        Self { checks: document["checks"].as_array().unwrap().clone(), code: ran.code }
    }

    #[track_caller]
    fn check(&self, what: &str) -> &Value {
        let found = self.checks.iter().find(|check| check["what"] == what);
        found.unwrap_or_else(|| panic!("nothing about {what} in {:#?}", self.checks))
    }

    /// One was found of this health, whose words hold these.
    #[track_caller]
    fn is(&self, what: &str, health: &str, words: &[&str]) {
        let check = self.check(what);
        assert_eq!(check["health"], health, "{check:#}");
        let told = format!("{} {}", check["found"], check["advice"]);
        for word in words {
            assert!(told.contains(word), "no {word:?} in {check:#}");
        }
        assert_eq!(self.code, i32::from(self.checks.iter().any(|c| c["health"] == "fail")));
    }
}

#[test]
fn a_server_that_does_well_is_said_to() {
    let rota = team();
    let secret = token(&rota, &["laptop"]);
    let serving = rota.serve(Vec::<&str>::new());
    let url = Client::of(&serving, None).url;
    let rota = rota.with_env("ROTA_TOKEN", &secret);
    let found = Found::of(&rota, &[&url]);
    found.is("server", "ok", &["rota", "2025-11-25"]);
    found.is("answers", "ok", &["ms"]);
    found.is("token is for", "ok", &["Ada", "owner"]);
    found.is("tools", "ok", &[]);
    assert_eq!(found.checks.len(), 4, "{:#?}", found.checks);
    assert!(!format!("{:?}", found.checks).contains(&secret));
    assert_eq!(serving.stop(), 0);
}

#[test]
fn a_refused_connection_a_wrong_path_and_a_switched_off_server_are_told_apart() {
    let rota = team();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let refused = Found::of(&rota, &[&format!("http://{free}/mcp")]);
    refused.is("connection", "fail", &["refused", "rota serve", "MCP_SERVER_HOST"]);
    let seen = rota.run(["doctor", &format!("http://{free}/mcp")]);
    let said = format!("{}{}", seen.out, seen.err);
    assert_eq!(said.matches("connection refused").count(), 1, "told once: {said}");
    let secret = token(&rota, &["laptop"]);
    let rota = rota.with_env("ROTA_TOKEN", &secret);
    let serving = rota.serve(Vec::<&str>::new());
    let url = Client::of(&serving, None).url;
    let elsewhere = Found::of(&rota, &[&url.replace("/mcp", "/api")]);
    elsewhere.is("address", "fail", &["404", "ends in /mcp"]);
    assert_eq!(serving.stop(), 0);
    let rota = rota.with_env("MCP_SERVER_ENABLED", "false");
    let serving = rota.serve(Vec::<&str>::new());
    let off = Found::of(&rota, &[&Client::of(&serving, None).url]);
    off.is("address", "fail", &["MCP_SERVER_ENABLED"]);
    assert_eq!(serving.stop(), 0);
}

#[test]
fn a_certificate_that_nobody_trusts_is_named() {
    const CERTIFICATE: &[u8] = include_bytes!("../fixtures/tls/server.pem");
    const KEY: &[u8] = include_bytes!("../fixtures/tls/server.key");
    let double = Double::start_tls(CERTIFICATE, KEY, |_| Reply::accepted());
    let found = Found::of(&Rota::new(), &[&double.url()]);
    found.is("certificate", "fail", &["UnknownIssuer", "--ca FILE"]);
}

#[test]
fn a_missing_an_invalid_a_revoked_and_an_expired_token_are_told_apart() {
    let rota = team();
    let revoked = token(&rota, &["lost"]);
    rota.run(["token", "revoke", "lost"]).ok();
    let expired = token(&rota, &["short", "--expires", "1s"]);
    let serving = rota.serve(Vec::<&str>::new());
    let url = Client::of(&serving, None).url;
    Found::of(&rota, &[&url]).is("token", "fail", &["no credentials", "--token-file"]);
    let look = |token: &str| Found::of(&rota, &[&url, "--token", token]);
    look("rota_nobody_knows_this").is("token", "fail", &["unknown", "rota token list"]);
    look(&revoked).is("token", "fail", &["revoked", "rota token create"]);
    let over = crate::support::rota::until("the token expires", || {
        let found = look(&expired);
        (found.code == 1).then_some(found)
    });
    over.is("token", "fail", &["expired", "rota token create"]);
    assert_eq!(serving.stop(), 0);
}

#[test]
fn a_role_below_the_required_one_is_named() {
    let rota = team().with_env("MCP_REQUIRED_ROLE", "manager");
    let secret = token(&rota, &["bobs", "--person", "Bob"]);
    let serving = rota.serve(Vec::<&str>::new());
    let url = Client::of(&serving, None).url;
    let found = Found::of(&rota, &[&url, "--token", &secret]);
    found.is("access", "fail", &["editor", "manager", "MCP_REQUIRED_ROLE"]);
    assert_eq!(serving.stop(), 0);
}

#[test]
fn a_service_key_that_asks_for_its_own_tasks_is_told_why_it_has_none() {
    let rota = team();
    let secret = token(&rota, &["reporter", "--service", "--role", "editor"]);
    let serving = rota.serve(Vec::<&str>::new());
    let url = Client::of(&serving, None).url;
    let found = Found::of(&rota, &[&url, "--token", &secret]);
    found.is("token is for", "ok", &["service key", "reporter", "editor"]);
    found.is("my tasks", "warn", &["belongs to no person", "rota token create NAME --person"]);
    found.is("tools", "ok", &[]);
    assert_eq!(serving.stop(), 0);
}

#[test]
fn too_many_requests_and_missing_tools_are_warnings() {
    let rota = team();
    let secret = token(&rota, &["laptop"]);
    let rota = rota.with_env("ROTA_TOKEN", &secret);
    let serving = rota.serve(Vec::<&str>::new());
    let url = Client::of(&serving, None).url;
    let few = Found::of(&rota, &[&format!("{url}?toolsets=tasks")]);
    few.is("tools", "warn", &["are missing", "addProject", "?toolsets="]);
    assert_eq!(serving.stop(), 0);
    let rota = rota.with_env("MCP_RATE_LIMIT", "3");
    let serving = rota.serve(Vec::<&str>::new());
    let often = Found::of(&rota, &[&Client::of(&serving, None).url]);
    often.is("rate limit", "warn", &["MCP_RATE_LIMIT", "wait"]);
    assert_eq!(serving.stop(), 0);
}

/// A server of somebody else, with one tool; pings take so long.
fn foreign(ping: Duration) -> Double {
    Double::start(move |asked: &Asked| {
        if asked.is("ping") {
            return Reply::result(asked, &json!({})).after(ping);
        }
        if asked.is("tools/list") {
            return Reply::result(asked, &json!({ "tools": [{ "name": "findTasks" }] }));
        }
        super::bridge::usual(asked, None).unwrap_or_else(|| Reply::result(asked, &json!({})))
    })
}

#[test]
fn slow_answers_are_a_warning_and_another_server_lacks_tools() {
    let rota = Rota::new();
    let slow = foreign(Duration::from_millis(600));
    Found::of(&rota, &[&slow.url()]).is("answers", "warn", &["slow", "MCP_MAX_EXECUTION_TIME"]);
    let quick = foreign(Duration::ZERO);
    let found = Found::of(&rota, &[&quick.url()]);
    found.is("answers", "ok", &[]);
    found.is("tools", "warn", &["1 tool;", "addComment"]);
}

#[test]
fn a_token_for_no_server_and_an_address_that_is_none_are_errors_of_whoever_typed_them() {
    let rota = Rota::new();
    let lone = rota.run(["doctor", "--token", "x"]).ended(2);
    assert!(lone.err.contains("give its URL"), "{}", lone.err);
    let odd = rota.run(["doctor", "board.example.com"]).ended(2);
    assert!(odd.err.contains("http://"), "{}", odd.err);
}
