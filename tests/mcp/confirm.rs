//! What cannot be taken back is done only when a person says so.

use super::pipe::Piped;
use super::reading::event;
use super::{Client, team, token};
use crate::support::rota::Rota;
use serde_json::{Value, json};

fn is_there(rota: &Rota) -> bool {
    rota.run(["task", "show", "1"]).code == 0
}

/// A pipe whose client can ask its person.
fn asking(rota: &Rota) -> Piped {
    let mut client = Piped::start(rota, &[]);
    let hello = json!({
        "protocolVersion": "2025-11-25", "capabilities": { "elicitation": {} },
        "clientInfo": { "name": "test", "version": "1" }
    });
    client.ask("initialize", hello);
    client.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
    client
}

#[test]
fn a_client_with_a_handshake_asks_its_person_when_it_is_told_to() {
    for (answer, goes) in [
        (json!({ "action": "decline" }), false),
        (json!({ "action": "accept", "content": { "confirm": false } }), false),
        (json!({ "action": "cancel" }), false),
        (json!({ "action": "accept", "content": { "confirm": true } }), true),
    ] {
        let rota = team();
        let mut client = asking(&rota);
        // Naming it is no way around the person.
        let call = client.begin("deleteTask", json!({ "id": 1, "confirm": "1" }));
        let question = client.next();
        assert_eq!(question["method"], "elicitation/create", "{question:#}");
        let message = question["params"]["message"].as_str().unwrap();
        assert!(message.contains("deleteTask") && message.contains("\"id\":1"), "{message}");
        let schema = &question["params"]["requestedSchema"];
        assert_eq!(schema["properties"]["confirm"]["type"], "boolean", "{schema}");
        client.send(&json!({ "jsonrpc": "2.0", "id": question["id"], "result": answer }));
        let done = client.next();
        assert_eq!(done["id"], call, "{done:#}");
        assert_eq!(done["result"]["isError"], !goes, "{answer}: {done:#}");
        if !goes {
            let text = done["result"]["content"][0]["text"].as_str().unwrap();
            assert!(text.starts_with("declined"), "{text}");
        }
        assert_eq!(client.hang_up(), 0);
        assert_eq!(is_there(&rota), !goes, "{answer}");
    }
}

#[test]
fn a_client_that_cannot_ask_names_what_is_to_go_or_only_looks() {
    let rota = team();
    let mut client = Piped::start(&rota, &[]);
    client.shake_hands();
    let listed = client.ask("tools/list", json!({}));
    let tools = listed["result"]["tools"].as_array().unwrap().clone();
    for tool in &tools {
        let properties = &tool["inputSchema"]["properties"];
        let is_destructive = tool["annotations"]["destructiveHint"] == true;
        assert_eq!(properties["confirm"].is_object(), is_destructive, "{}", tool["name"]);
    }
    for args in [
        json!({ "id": 1 }),
        json!({ "id": 1, "confirm": "2" }),
        json!({ "id": 1, "confirm": true }),
    ] {
        let refused = client.call("deleteTask", args);
        let text = refused["content"][0]["text"].as_str().unwrap();
        assert!(
            text.starts_with("confirmation_needed") && text.contains("confirm: \"1\""),
            "{text}"
        );
    }
    let tried = client.call("deleteTask", json!({ "id": 1, "dryRun": true }));
    assert_eq!(tried["isError"], false, "{tried:#}");
    assert_eq!(tried["structuredContent"]["changed"], false, "{tried:#}");
    assert_eq!(tried["structuredContent"]["before"]["headline"], "Fix the footer", "{tried:#}");
    assert_eq!(client.call("getTicket", json!({ "id": 1 }))["isError"], false, "still there");
    let done = client.call("deleteTask", json!({ "id": 1, "confirm": "1" }));
    assert_eq!(done["isError"], false, "{done:#}");
    assert_eq!(client.hang_up(), 0);
    assert!(!is_there(&rota));
}

/// A client without a handshake that can ask its person.
struct Modern(Client);

impl Modern {
    async fn delete(&self, args: Value, rest: Value) -> Value {
        let mut params = json!({ "name": "deleteTask", "arguments": args, "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": { "elicitation": { "form": {} } },
            "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" }
        } });
        for (name, value) in rest.as_object().unwrap() {
            params[name] = value.clone();
        }
        let client = self.0.with("mcp-protocol-version", "2026-07-28");
        let client = client.with("mcp-method", "tools/call").with("mcp-name", "deleteTask");
        client.ask("tools/call", params).await.result()
    }
}

fn answered(state: &Value, answer: &Value) -> Value {
    json!({ "requestState": state, "inputResponses": { "confirm": answer } })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_without_a_handshake_comes_back_with_its_persons_answer() {
    let rota = team();
    rota.run(["task", "add", "Another", "--project", "Website"]).ok();
    let (ada, bob) = (token(&rota, &["laptop"]), token(&rota, &["bobs", "--person", "Bob"]));
    let serving = rota.serve(Vec::<&str>::new());
    let client = Modern(Client::of(&serving, Some(&ada)));
    let asked = client.delete(json!({ "id": 1 }), json!({})).await;
    assert_eq!(asked["resultType"], "input_required", "{asked:#}");
    assert_eq!(asked["inputRequests"]["confirm"]["method"], "elicitation/create", "{asked:#}");
    let state = &asked["requestState"];
    let yes = json!({ "action": "accept", "content": { "confirm": true } });
    let refused = |result: &Value, code: &str| {
        let text = result["content"][0]["text"].as_str().unwrap_or_default();
        assert!(result["isError"] == true && text.starts_with(code), "{result:#}");
    };
    let no = json!({ "action": "decline" });
    refused(&client.delete(json!({ "id": 1 }), answered(state, &no)).await, "declined");
    // A state is one caller's, for one call, and whole.
    let other = client.delete(json!({ "id": 2 }), answered(state, &yes)).await;
    refused(&other, "confirmation_invalid");
    let other = Modern(Client::of(&serving, Some(&bob)));
    let other = other.delete(json!({ "id": 1 }), answered(state, &yes)).await;
    refused(&other, "confirmation_invalid");
    let mut forged = state.as_str().unwrap().to_owned();
    let last = if forged.pop() == Some('A') { 'B' } else { 'A' };
    forged.push(last);
    for forged in [forged.as_str(), "", "rs1.x.y"] {
        let forged = client.delete(json!({ "id": 1 }), answered(&json!(forged), &yes)).await;
        refused(&forged, "confirmation_invalid");
    }
    // An answer that nobody was asked for asks.
    let early = json!({ "inputResponses": { "confirm": yes } });
    let early = client.delete(json!({ "id": 1 }), early).await;
    assert_eq!(early["resultType"], "input_required", "{early:#}");
    assert!(is_there(&rota));
    let done = client.delete(json!({ "id": 1 }), answered(state, &yes)).await;
    assert_eq!(done["isError"], false, "{done:#}");
    assert!(!is_there(&rota));
}

#[tokio::test(flavor = "multi_thread")]
async fn within_a_session_over_http_the_client_is_asked_while_its_call_waits() {
    let rota = team();
    let secret = token(&rota, &["laptop"]);
    let serving = rota.serve(Vec::<&str>::new());
    let client = Client::of(&serving, Some(&secret));
    let hello = json!({
        "protocolVersion": "2025-11-25", "capabilities": { "elicitation": {} },
        "clientInfo": { "name": "test", "version": "1" }
    });
    let begun = client.ask("initialize", hello).await;
    let session = begun.headers["mcp-session-id"].to_str().unwrap().to_owned();
    let client = client.with("mcp-session-id", &session).with("mcp-protocol-version", "2025-11-25");
    client.post(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await;
    let call = json!({ "jsonrpc": "2.0", "id": "d1", "method": "tools/call",
        "params": { "name": "deleteTask", "arguments": { "id": 1 } } });
    let mut waiting = client
        .http
        .post(&client.url)
        .bearer_auth(&secret)
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .header("mcp-session-id", &session)
        .header("mcp-protocol-version", "2025-11-25")
        .body(call.to_string())
        .send()
        .await
        .unwrap();
    let question = event(&mut waiting, "elicitation/create").await;
    assert!(is_there(&rota));
    let yes = json!({ "action": "accept", "content": { "confirm": true } });
    let answer = json!({ "jsonrpc": "2.0", "id": question["id"], "result": yes });
    assert_eq!(client.post(&answer.to_string()).await.status, 202);
    let rest = waiting.text().await.unwrap();
    assert!(rest.contains("\"id\":\"d1\"") && rest.contains("\"isError\":false"), "{rest}");
    assert!(!is_there(&rota));
}
