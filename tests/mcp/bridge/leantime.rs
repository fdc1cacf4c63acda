//! Servers as Leantime's: 2024-11-05 in all but name, no sessions, JSON answers, its own errors. The
//! shapes were seen on a real one; the words are ours (`tests/fixtures/leantime-mcp.json`).

use super::{Bridged, code};
use crate::support::http_double::{Asked, Double, Reply};
use crate::support::rota::Rota;
use serde_json::{Value, json};

const KEY: &str = "lt_robot_0123456789abcdef";

fn shapes() -> Value {
    serde_json::from_str(include_str!("../../fixtures/leantime-mcp.json")).unwrap()
}

/// What such a server answers, whatever the status says.
fn answer(asked: &Asked) -> Reply {
    let shapes = shapes();
    if asked.method == "GET" {
        return Reply::text(404, "application/json", &shapes["get"].to_string());
    }
    if asked.header("x-api-key") != Some(KEY) {
        return Reply::text(401, "text/html; charset=UTF-8", &shapes["unauthorized"].to_string());
    }
    let message = asked.message();
    if message["id"].is_null() {
        return Reply::text(200, "application/json", "");
    }
    assert!(asked.header("mcp-session-id").is_none());
    let part = match message["method"].as_str().unwrap() {
        "tools/call" => message["params"]["name"].as_str().unwrap(),
        method => method,
    };
    let shape = match &shapes[part] {
        Value::Null => &shapes["unknown"],
        shape => shape,
    };
    // Written over several lines, with the id at its end.
    let mut body = shape.clone();
    body["jsonrpc"] = "2.0".into();
    body["id"] = message["id"].clone();
    Reply::text(200, "application/json", &serde_json::to_string_pretty(&body).unwrap())
        .with("Set-Cookie", "leantime_session=x; path=/; httponly")
}

fn start(words: &[&str]) -> (Double, Bridged) {
    let double = Double::start(answer);
    let url = double.url();
    let rota = Rota::new().with_env("LEANTIME_SERVER_URL", &url);
    let host = Bridged::start(&rota.with_env("LEANTIME_API_TOKEN", KEY), words);
    (double, host)
}

#[test]
fn the_guides_configuration_works_and_every_shape_of_answer_passes() {
    for method in ["X-API-Key", "ApiKey"] {
        let words = ["--auth-method", method, "--protocol-version", "2025-03-26", "--no-cache"];
        let (double, mut host) = start(&words);
        let hello = host.shake_hands("2024-11-05");
        assert_eq!(hello["protocolVersion"], "2024-11-05");
        let listed = host.ask("tools/list", json!({}));
        assert_eq!(listed["result"]["tools"][0]["name"], "getTicket", "{listed:#}");
        let shown = host.call("getTicket", json!({ "id": 1 }));
        assert_eq!(shown["result"]["isError"], false);
        assert!(shown["result"]["content"][0]["text"].as_str().unwrap().contains("\n\n**Type:**"));
        let missing = host.call("getTicket-missing", json!({ "id": 4711 }));
        assert_eq!(missing["result"]["isError"], true, "it is not dropped: {missing:#}");
        let raw = host.call("editProject", json!({ "id": 1 }));
        assert_eq!(raw["error"]["code"], 0, "its own error, as it is: {raw:#}");
        let unknown = host.ask("no/such", json!({}));
        assert_eq!(unknown["error"]["code"], -32_601);
        let asked = double.asked();
        assert!(asked.iter().all(|asked| asked.header("mcp-protocol-version").is_none()));
        assert!(asked.iter().all(|asked| asked.method == "POST"), "2024-11-05 knew no other");
        assert_eq!(host.log(), "");
        assert_eq!(host.hang_up(), 0);
    }
}

#[test]
fn a_key_in_the_wrong_header_is_told_with_what_to_do() {
    let (_double, mut host) = start(&[]);
    let refused = host.ask("initialize", super::hello("2025-06-18"));
    assert_eq!(code(&refused), "unauthorized");
    assert_eq!(refused["error"]["data"]["status"], 401);
    let message = refused["error"]["message"].as_str().unwrap();
    assert!(message.contains("--auth-method X-API-Key"), "{message}");
    assert!(message.contains("Unauthorized"), "its own word: {message}");
    let listed = host.ask("tools/list", json!({}));
    assert_eq!(code(&listed), "unauthorized", "no empty list of tools: {listed:#}");
    assert!(host.log().contains("--auth-method X-API-Key"), "{}", host.log());
    assert!(!host.log().contains(KEY));
}

#[test]
fn a_server_without_the_plugin_is_told_as_such() {
    let double =
        Double::start(|_| Reply::text(404, "application/json", &shapes()["get"].to_string()));
    let mut host = Bridged::to(&double.url());
    let refused = host.ask("initialize", super::hello("2025-06-18"));
    assert_eq!(code(&refused), "not_found");
    assert!(refused["error"]["message"].as_str().unwrap().contains("/mcp"), "{refused:#}");
}
