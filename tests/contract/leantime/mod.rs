//! The fake Leantime itself: held against what a real one answered, and against its own traps, so
//! that an adapter that passes here has met them.

#![expect(clippy::needless_pass_by_value, reason = "literals of JSON are handed over as they are")]

mod dates;
mod envelope;
mod faults;
mod limits;
mod nouns;
mod people;
mod recorded;
mod strict;
mod time;
mod writes;

use crate::support::leantime::{FakeLeantime, Options, Role};
use serde_json::{Value, json};

/// A careless client: sends what it is told to.
#[derive(Debug)]
struct Client {
    http: reqwest::Client,
    url: String,
    header: (&'static str, String),
}

impl Client {
    fn new(url: &str, header: &'static str, credential: &str) -> Self {
        Self::over(&http(), url, header, credential)
    }

    fn over(http: &reqwest::Client, url: &str, header: &'static str, credential: &str) -> Self {
        let header = (header, credential.to_owned());
        Self { http: http.clone(), url: url.to_owned(), header }
    }

    fn post(&self, body: &Value) -> reqwest::RequestBuilder {
        self.http
            .post(format!("{}/api/jsonrpc", self.url))
            .header(self.header.0, &self.header.1)
            .header("content-type", "application/json")
            .body(body.to_string())
    }

    /// The whole answer.
    async fn ask(&self, body: &Value) -> Value {
        let answer = self.post(body).send().await.unwrap();
        serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default()
    }

    async fn status(&self, body: &Value) -> u16 {
        self.post(body).send().await.unwrap().status().as_u16()
    }

    /// The result; null where there is none.
    async fn call(&self, method: &str, params: Value) -> Value {
        self.ask(&asked(method, params)).await["result"].take()
    }

    /// The error's code; 0 where there is none.
    async fn code(&self, method: &str, params: Value) -> i64 {
        self.ask(&asked(method, params)).await["error"]["code"].as_i64().unwrap_or_default()
    }

    async fn add(&self, values: Value) -> i64 {
        self.call("tickets.addTicket", json!({ "values": values })).await.as_i64().unwrap()
    }

    async fn patch(&self, id: i64, values: Value) -> Value {
        self.call("tickets.patchTicket", json!({ "id": id, "values": values })).await
    }

    async fn ticket(&self, id: i64) -> Value {
        self.call("tickets.getTicket", json!({ "id": id })).await
    }

    /// Ids of a search.
    async fn found(&self, criteria: Value) -> Vec<i64> {
        let rows = self.call("tickets.getAll", json!({ "searchCriteria": criteria })).await;
        rows.as_array().unwrap().iter().map(|row| row["id"].as_i64().unwrap()).collect()
    }
}

fn http() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

fn asked(method: &str, params: Value) -> Value {
    let method = format!("leantime.rpc.{method}");
    json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params })
}

/// Somebody's client.
fn client(fake: &FakeLeantime, role: Role, projects: &[i64]) -> (i64, Client) {
    let (id, key) = fake.add_key("bot", role, projects);
    (id, Client::new(&fake.url(), "x-api-key", &key))
}

/// A fake with an editor in project 1.
async fn with_editor() -> (FakeLeantime, i64, Client) {
    with_editor_of(Options::default()).await
}

async fn with_editor_of(options: Options) -> (FakeLeantime, i64, Client) {
    let fake = FakeLeantime::start(options).await;
    let (id, client) = client(&fake, Role::Editor, &[1]);
    (fake, id, client)
}
