//! The MCP server, by the real binary: over HTTP and at a pipe.

mod abuse;
mod bridge;
mod calendar;
mod claims;
mod confirm;
mod doctor;
mod guard;
mod guide;
mod http;
mod jobs;
mod limits;
mod listing;
mod members;
mod metrics;
pub mod pipe;
mod reading;
mod sessions;
pub mod slack;
mod slack_manifest;
mod slack_steering;
mod telling;
pub mod tls;
pub mod upstream;
mod upstream_playbooks;

use crate::support::rota::{Rota, Serving};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, Ordering};

/// A small team: Ada owns the board, Bob edits, Eve reads; and one project with a task.
pub fn team() -> Rota {
    let rota = Rota::new();
    rota.write("rota.toml", "timezone = \"Europe/Berlin\"\n[people]\nme = \"Ada\"\n");
    rota.run(["person", "add", "Bob", "--role", "editor"]).ok();
    rota.run(["person", "add", "Eve", "--role", "readonly"]).ok();
    rota.run(["project", "add", "Website"]).ok();
    rota.run(["task", "add", "Fix the footer", "--project", "Website"]).ok();
    rota
}

/// A token's secret, made by a command.
#[track_caller]
pub fn token(rota: &Rota, words: &[&str]) -> String {
    let words = ["token", "create"].iter().chain(words).chain(&["--json"]);
    let made = rota.run(words).ok().json();
    made["secret"].as_str().unwrap().to_owned()
}

/// A client of `/mcp` that speaks JSON-RPC by hand.
#[derive(Clone, Debug)]
pub struct Client {
    pub http: reqwest::Client,
    pub url: String,
    pub token: Option<String>,
    pub headers: Vec<(String, String)>,
}

/// What came back.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub text: String,
}

impl Reply {
    /// The JSON-RPC message, also where it came as an event.
    #[track_caller]
    pub fn message(&self) -> Value {
        let events = self.text.lines().filter_map(|line| line.strip_prefix("data:"));
        let texts = events.chain(std::iter::once(self.text.as_str()));
        let mut messages = texts.filter_map(|text| serde_json::from_str::<Value>(text).ok());
        messages
            .find(|message| message.get("result").is_some() || message.get("error").is_some())
            .unwrap_or_else(|| panic!("no answer in {self:#?}"))
    }

    #[track_caller]
    pub fn result(&self) -> Value {
        let message = self.message();
        assert!(message.get("error").is_none(), "{message:#}");
        message["result"].clone()
    }
}

impl Client {
    pub fn of(serving: &Serving, token: Option<&str>) -> Self {
        // The binary does it in its `main`; a second time changes nothing.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let addr = serving.ready.split_whitespace().find_map(|word| word.strip_prefix("addr="));
        Self {
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            url: format!("http://{}/mcp", addr.unwrap()),
            token: token.map(str::to_owned),
            headers: Vec::new(),
        }
    }

    #[must_use]
    pub fn with(&self, name: &str, value: &str) -> Self {
        let mut client = self.clone();
        client.headers.push((name.to_owned(), value.to_owned()));
        client
    }

    pub async fn post(&self, body: &str) -> Reply {
        let mut request = self
            .http
            .post(&self.url)
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .body(body.to_owned());
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Reply { status, headers, text: response.text().await.unwrap() }
    }

    /// A request of a client that never shook hands.
    pub async fn ask(&self, method: &str, params: Value) -> Reply {
        static LAST: AtomicU64 = AtomicU64::new(0);
        let id = LAST.fetch_add(1, Ordering::Relaxed) + 1;
        let body = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        self.post(&body.to_string()).await
    }

    /// A call of a tool; the code of its error, or the status where it did not come so far.
    pub async fn call_status(&self, tool: &str, args: Value) -> String {
        let reply = self.ask("tools/call", json!({ "name": tool, "arguments": args })).await;
        if reply.status != 200 {
            return reply.status.to_string();
        }
        let code = &reply.result()["structuredContent"]["error"]["code"];
        code.as_str().unwrap_or("none").to_owned()
    }

    /// A call of a tool; the result.
    #[track_caller]
    pub fn call(&self, tool: &str, args: Value) -> impl Future<Output = Value> {
        let client = self.clone();
        let mut params = json!({ "name": tool });
        params["arguments"] = args;
        async move { client.ask("tools/call", params).await.result() }
    }
}
