//! Sessions of the handshake's clients, over a restart of the daemon.

use super::telling::say_to_the_board;
use super::{Client, team, token};
use serde_json::{Value, json};
use std::time::Duration;

/// Shakes hands; the name of the session.
async fn begin(client: &Client) -> String {
    let hello = json!({
        "protocolVersion": "2025-11-25", "capabilities": {},
        "clientInfo": { "name": "test", "version": "1" }
    });
    let begun = client.ask("initialize", hello).await;
    begun.headers["mcp-session-id"].to_str().unwrap().to_owned()
}

/// The same client within the session.
fn within(client: &Client, session: &str) -> Client {
    client.with("mcp-session-id", session).with("mcp-protocol-version", "2025-11-25")
}

/// The open stream of a session.
struct Stream {
    response: reqwest::Response,
    unread: String,
}

impl Stream {
    async fn open(client: &Client) -> Self {
        let mut request = client.http.get(&client.url).header("accept", "text/event-stream");
        request = request.bearer_auth(client.token.as_ref().unwrap());
        for (name, value) in &client.headers {
            request = request.header(name, value);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        Self { response, unread: String::new() }
    }

    /// All that it says until it ends.
    async fn rest(mut self) -> String {
        while let Ok(Some(chunk)) = self.response.chunk().await {
            self.unread += &String::from_utf8_lossy(&chunk);
        }
        self.unread
    }

    /// The next address of which it is told.
    async fn told(&mut self) -> String {
        loop {
            while let Some((line, rest)) = self.unread.split_once('\n') {
                let data = line.strip_prefix("data:").unwrap_or_default();
                let message: Value = serde_json::from_str(data).unwrap_or_default();
                self.unread = rest.to_owned();
                if message["method"] == "notifications/resources/updated" {
                    return message["params"]["uri"].as_str().unwrap().to_owned();
                }
            }
            let chunk = tokio::time::timeout(Duration::from_mins(1), self.response.chunk());
            let chunk = chunk.await.expect("nothing was told").unwrap().expect("the stream ended");
            self.unread += &String::from_utf8_lossy(&chunk);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_restart_a_session_is_its_owners_alone_too() {
    let rota = team();
    let ada = token(&rota, &["laptop"]);
    let bob = token(&rota, &["bobs", "--person", "Bob"]);
    let serving = rota.serve(Vec::<&str>::new());
    let session = begin(&Client::of(&serving, Some(&ada))).await;
    assert_eq!(serving.stop(), 0);

    let serving = rota.serve(Vec::<&str>::new());
    let bob = Client::of(&serving, Some(&bob));
    assert_eq!(bob.ask("tools/list", json!({})).await.status, 200, "his token counts");
    let thief = within(&bob, &session);
    let refused = thief.call_status("getTicket", json!({ "id": 1 })).await;
    assert_eq!(refused, "404", "as if it were not there");
    let end = thief.http.delete(&thief.url).bearer_auth(thief.token.as_ref().unwrap());
    let end = end.header("mcp-session-id", &session).send().await.unwrap();
    assert_eq!(end.status(), 404);
    let owner = within(&Client::of(&serving, Some(&ada)), &session);
    assert_eq!(owner.call_status("getTicket", json!({ "id": 1 })).await, "none", "it goes on");
    assert_eq!(thief.call_status("getTicket", json!({ "id": 1 })).await, "404", "also then");
}

#[tokio::test(flavor = "multi_thread")]
async fn whose_role_does_not_suffice_by_now_hears_no_more() {
    let rota = team();
    let secrets = [token(&rota, &["laptop"]), token(&rota, &["bobs", "--person", "Bob"])];
    let serving = rota.serve(Vec::<&str>::new());
    let mut streams = Vec::new();
    for secret in &secrets {
        let client = Client::of(&serving, Some(secret));
        let own = within(&client, &begin(&client).await);
        own.post(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await;
        streams.push(Stream::open(&own).await);
        own.ask("resources/subscribe", json!({ "uri": "rota://task/1" })).await.result();
    }
    let [mut ada, bob] = <[Stream; 2]>::try_from(streams).ok().unwrap();
    let lower = "update people set role = 'readonly' where name = 'Bob'";
    say_to_the_board(&rota.state(), lower).await;
    // What is written past the board is seen with the next change of a person.
    rota.run(["person", "add", "Zoe"]).ok();
    let client = Client::of(&serving, Some(&secrets[0]));
    for headline in ["Not for Bob", "Nor this"] {
        let edit = json!({ "id": 1, "params": { "headline": headline } });
        assert_eq!(client.call_status("editTask", edit).await, "none");
        assert_eq!(ada.told().await, "rota://task/1");
    }
    assert_eq!(serving.stop(), 0);
    let heard = bob.rest().await;
    assert!(!heard.contains("resources/updated"), "{heard}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_session_subscribed_to_it_hears_of_after_a_restart() {
    let rota = team();
    rota.run(["task", "add", "Fix the header", "--project", "Website"]).ok();
    let secret = token(&rota, &["laptop"]);
    let serving = rota.serve(Vec::<&str>::new());
    let client = Client::of(&serving, Some(&secret));
    let session = begin(&client).await;
    let own = within(&client, &session);
    for (method, uri) in [
        ("resources/subscribe", "rota://task/1"),
        ("resources/subscribe", "rota://task/2"),
        ("resources/unsubscribe", "rota://task/2"),
    ] {
        own.ask(method, json!({ "uri": uri })).await.result();
    }
    assert_eq!(serving.stop(), 0);

    // It comes back with its stream, or with any other request.
    for asks_first in [false, true] {
        let serving = rota.serve(Vec::<&str>::new());
        let client = Client::of(&serving, Some(&secret));
        let own = within(&client, &session);
        if asks_first {
            assert_eq!(own.call_status("getTicket", json!({ "id": 1 })).await, "none");
        }
        let mut stream = Stream::open(&own).await;
        assert_eq!(stream.told().await, "rota://task/1", "it may have changed meanwhile");
        for task in [2, 1] {
            let headline = format!("Told, whoever asked first: {asks_first}");
            let edit = json!({ "id": task, "params": { "headline": headline } });
            assert_eq!(client.call_status("editTask", edit).await, "none");
        }
        assert_eq!(stream.told().await, "rota://task/1", "and nothing that it left");
        drop(stream);
        assert_eq!(serving.stop(), 0);
    }
}
