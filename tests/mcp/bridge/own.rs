//! With our own server behind it, everything passes.

use super::Bridged;
use crate::mcp::{Client, team, token};
use serde_json::json;

#[test]
fn tools_prompts_and_resources_of_every_revision_with_a_handshake_pass_as_they_are() {
    let rota = team();
    let secret = token(&rota, &["laptop"]);
    let serving = rota.serve(Vec::<&str>::new());
    let url = Client::of(&serving, None).url;
    let rota = rota.with_env("LEANTIME_API_TOKEN", &secret);
    for version in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        let mut host = Bridged::start(&rota, &[&url]);
        let hello = host.shake_hands(version);
        assert_eq!(hello["protocolVersion"], version);
        assert!(hello["instructions"].as_str().unwrap().contains("You act as \"Ada\""));
        let listed = host.ask("tools/list", json!({}));
        let tools = listed["result"]["tools"].as_array().unwrap();
        let found = tools.iter().find(|tool| tool["name"] == "getTicket").unwrap();
        assert!(found["outputSchema"].is_object() && found["annotations"]["readOnlyHint"] == true);
        let shown = host.call("getTicket", json!({ "id": 1 }));
        assert_eq!(shown["result"]["structuredContent"]["headline"], "Fix the footer", "{shown:#}");
        let refused = host.call("getTicket", json!({ "id": 4711 }));
        assert_eq!(refused["result"]["isError"], true, "{refused:#}");
        assert_eq!(refused["result"]["structuredContent"]["error"]["code"], "not_found");
        let unknown = host.call("dropTables", json!({}));
        assert_eq!(unknown["error"]["code"], -32_602, "the server's own error");
        let prompts = host.ask("prompts/list", json!({}));
        assert!(prompts["result"]["prompts"].as_array().unwrap().len() > 3);
        let task = host.ask("resources/read", json!({ "uri": "rota://task/1" }));
        assert!(task["result"]["contents"][0]["text"].as_str().unwrap().contains("footer"));
        assert_eq!(host.log(), "", "it has nothing to say");
        assert_eq!(host.hang_up(), 0);
    }
    assert_eq!(serving.stop(), 0);
}

#[test]
fn the_revision_without_a_handshake_gets_its_headers_from_the_body() {
    let rota = team();
    let secret = token(&rota, &["laptop"]);
    let serving = rota.serve(Vec::<&str>::new());
    let url = Client::of(&serving, None).url;
    let rota = rota.with_env("ROTA_TOKEN", &secret);
    let mut host = Bridged::start(&rota, &[&url]);
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" }
    });
    let discovered = host.ask("server/discover", json!({ "_meta": meta }));
    let versions = discovered["result"]["supportedVersions"].as_array().unwrap();
    assert!(versions.contains(&json!("2026-07-28")), "{discovered:#}");
    let call = json!({ "name": "getTicket", "arguments": { "id": 1 }, "_meta": meta });
    let called = host.ask("tools/call", call);
    assert_eq!(called["result"]["structuredContent"]["id"], 1, "{called:#}");
    assert_eq!(called["result"]["resultType"], "complete");
    let read = json!({ "uri": "rota://task/1", "_meta": meta });
    let read = host.ask("resources/read", read);
    assert!(read["result"]["contents"][0]["text"].is_string(), "{read:#}");
    let missing = json!({ "uri": "rota://täsk/1", "_meta": meta });
    let missing = host.ask("resources/read", missing);
    assert_eq!(missing["error"]["code"], -32_602, "the header was taken: {missing:#}");
    assert_eq!(host.hang_up(), 0);
    assert_eq!(serving.stop(), 0);
}

#[test]
fn what_changes_while_nothing_is_asked_is_told() {
    let rota = team();
    let secret = token(&rota, &["laptop"]);
    let serving = rota.serve(Vec::<&str>::new());
    let url = Client::of(&serving, None).url;
    let with_token = rota.with_env("ROTA_TOKEN", &secret);
    let mut host = Bridged::start(&with_token, &[&url]);
    host.shake_hands("2025-11-25");
    let subscribed = host.ask("resources/subscribe", json!({ "uri": "rota://task/1" }));
    assert!(subscribed.get("result").is_some(), "{subscribed:#}");
    with_token.run(["task", "edit", "1", "--headline", "Fix the header"]).ok();
    let told = host.next();
    assert_eq!(told["method"], "notifications/resources/updated", "{told:#}");
    assert_eq!(told["params"]["uri"], "rota://task/1");
    assert_eq!(host.hang_up(), 0);
    assert_eq!(serving.stop(), 0);
}
