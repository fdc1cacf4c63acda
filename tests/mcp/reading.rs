//! Resources, prompts, completion, and being told of changes.

use super::{Client, team, token};
use serde_json::{Value, json};

async fn get(client: &Client, method: &str, params: Value) -> Value {
    client.ask(method, params).await.result()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_listed_can_be_read_and_nothing_else() {
    let rota = team();
    let secret = token(&rota, &["laptop"]);
    let serving = rota.serve(Vec::<&str>::new());
    let client = Client::of(&serving, Some(&secret));
    let listed = get(&client, "resources/list", json!({})).await;
    for resource in listed["resources"].as_array().unwrap() {
        let read = get(&client, "resources/read", json!({ "uri": resource["uri"] })).await;
        assert_eq!(read["contents"][0]["uri"], resource["uri"]);
        assert_eq!(read["contents"][0]["mimeType"], "application/json");
        let text = read["contents"][0]["text"].as_str().unwrap();
        assert!(serde_json::from_str::<Value>(text).unwrap().is_object(), "{text}");
    }
    let templates = get(&client, "resources/templates/list", json!({})).await;
    assert_eq!(templates["resourceTemplates"][0]["uriTemplate"], "rota://task/{task}");
    let task = get(&client, "resources/read", json!({ "uri": "rota://task/1" })).await;
    assert!(task["contents"][0]["text"].as_str().unwrap().contains("Fix the footer"));
    for uri in ["rota://task/4711", "rota://nothing", "file:///etc/passwd"] {
        let refused = client.ask("resources/read", json!({ "uri": uri })).await;
        assert_eq!(refused.message()["error"]["code"], -32_002, "{uri}");
    }
    let mut narrow = client.clone();
    narrow.url += "?toolsets=comments";
    let refused = narrow.ask("resources/read", json!({ "uri": "rota://task/1" })).await;
    assert_eq!(refused.message()["error"]["code"], -32_002, "no tool, no resource");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prompt_is_filled_in_with_todays_date_and_names_are_completed() {
    let rota = team();
    rota.run(["project", "add", "Webshop"]).ok();
    let secret = token(&rota, &["laptop"]);
    let serving = rota.serve(Vec::<&str>::new());
    let client = Client::of(&serving, Some(&secret));
    let listed = get(&client, "prompts/list", json!({})).await;
    let names: Vec<&str> =
        listed["prompts"].as_array().unwrap().iter().filter_map(|p| p["name"].as_str()).collect();
    assert_eq!(
        names,
        [
            "break-down-task",
            "client-status-report",
            "daily-standup",
            "find-work-for-agents",
            "meeting-follow-up",
            "okr-check",
            "project-kickoff",
            "sprint-planning",
            "tidy-board",
            "time-catch-up",
            "weekly-plan",
        ]
    );
    let asked = json!({ "name": "sprint-planning", "arguments": { "project": "Website" } });
    let prompt = get(&client, "prompts/get", asked).await;
    let text = prompt["messages"][0]["content"]["text"].as_str().unwrap();
    assert!(text.contains("Website") && text.contains("today is 20"), "{text}");
    let wrong = client.ask("prompts/get", json!({ "name": "sprint-planning" })).await;
    assert_eq!(wrong.message()["error"]["code"], -32_602);
    for (reference, argument, typed, expected) in [
        (
            json!({ "type": "ref/prompt", "name": "sprint-planning" }),
            "project",
            "web",
            json!(["Webshop", "Website"]),
        ),
        (json!({ "type": "ref/prompt", "name": "daily-standup" }), "person", "bo", json!(["Bob"])),
        (json!({ "type": "ref/prompt", "name": "daily-standup" }), "nonsense", "bo", json!([])),
        (
            json!({ "type": "ref/prompt", "name": "break-down-task" }),
            "task",
            "footer",
            json!(["Fix the footer"]),
        ),
        (json!({ "type": "ref/resource", "uri": "rota://task/{task}" }), "task", "1", json!(["1"])),
    ] {
        let asked = json!({ "ref": reference, "argument": { "name": argument, "value": typed } });
        let completed = get(&client, "completion/complete", asked).await;
        assert_eq!(completed["completion"]["values"], expected, "{argument}");
    }
}

/// The next event of an open answer that is of this method.
pub async fn event(response: &mut reqwest::Response, method: &str) -> Value {
    let mut text = String::new();
    loop {
        let chunk = tokio::time::timeout(std::time::Duration::from_mins(1), response.chunk());
        let chunk = chunk.await.expect("nothing was told").unwrap().expect("the stream ended");
        text += &String::from_utf8_lossy(&chunk);
        let events = text.lines().filter_map(|line| line.strip_prefix("data:"));
        let found = events
            .filter_map(|data| serde_json::from_str::<Value>(data).ok())
            .find(|message| message["method"] == method);
        if let Some(found) = found {
            return found;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_told_when_what_it_subscribed_to_changes() {
    let rota = team();
    let secret = token(&rota, &["laptop"]);
    let serving = rota.serve(Vec::<&str>::new());
    let client = Client::of(&serving, Some(&secret));
    let hello = json!({
        "protocolVersion": "2025-11-25", "capabilities": {},
        "clientInfo": { "name": "test", "version": "1" }
    });
    let stateless = client.ask("resources/subscribe", json!({ "uri": "rota://task/1" })).await;
    assert!(stateless.message()["error"]["message"].as_str().unwrap().contains("session"));
    let begun = client.ask("initialize", hello).await;
    assert_eq!(begun.result()["capabilities"]["resources"]["subscribe"], true);
    let session = begun.headers["mcp-session-id"].to_str().unwrap().to_owned();
    let client = client.with("mcp-session-id", &session).with("mcp-protocol-version", "2025-11-25");
    client.post(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await;
    let mut stream = client
        .http
        .get(&client.url)
        .bearer_auth(&secret)
        .header("mcp-session-id", &session)
        .header("accept", "text/event-stream")
        .send()
        .await
        .unwrap();
    get(&client, "resources/subscribe", json!({ "uri": "rota://task/1" })).await;
    // Nobody learns by subscribing what there is.
    get(&client, "resources/subscribe", json!({ "uri": "rota://task/99" })).await;
    let edit = json!({ "id": 1, "params": { "headline": "Told at once" } });
    client.call("editTask", edit).await;
    let told = event(&mut stream, "notifications/resources/updated").await;
    assert_eq!(told["params"]["uri"], "rota://task/1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_without_a_handshake_listens_at_an_open_answer() {
    let rota = team();
    let secret = token(&rota, &["laptop"]);
    let serving = rota.serve(Vec::<&str>::new());
    let client = Client::of(&serving, Some(&secret));
    let body = json!({
        "jsonrpc": "2.0", "id": "l1", "method": "subscriptions/listen",
        "params": {
            "_meta": {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientCapabilities": {}
            },
            "notifications": { "resourceSubscriptions": ["rota://task/1", "rota://nothing"] }
        }
    });
    let mut stream = client
        .http
        .post(&client.url)
        .bearer_auth(&secret)
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", "subscriptions/listen")
        .body(body.to_string())
        .send()
        .await
        .unwrap();
    let begun = event(&mut stream, "notifications/subscriptions/acknowledged").await;
    let accepted = &begun["params"]["notifications"]["resourceSubscriptions"];
    assert_eq!(*accepted, json!(["rota://task/1"]), "{begun:#}");
    let edit = json!({ "id": 1, "params": { "headline": "Told at once" } });
    client.call("editTask", edit).await;
    let told = event(&mut stream, "notifications/resources/updated").await;
    assert_eq!(told["params"]["uri"], "rota://task/1");
    // It ends with its client, or with the daemon.
    assert_eq!(serving.stop(), 0);
}
