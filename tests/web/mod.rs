//! REST, events and webhooks, by the real binary.

mod email_intake;
mod events;
mod hooks;
mod lists;
mod openapi;
mod rest;
mod running;

use crate::mcp::Client;
use crate::support::rota::Serving;
use serde_json::Value;

/// A playbook that says something on a task, by hand.
pub const SAYS: &str = "agent = \"AI-Worker\"\n[[step]]\ntool = \"addComment\"\n\
    args = { module = \"ticket\", entityId = 1, text = \"Here.\" }\n[scope]\nwrite = \"board\"\n";

/// A client of REST.
#[derive(Clone, Debug)]
pub struct Api {
    pub http: reqwest::Client,
    /// Without a path.
    pub url: String,
    pub token: Option<String>,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: Value,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The body of a success.
    #[track_caller]
    pub fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{:#}", self.body);
        assert_eq!(self.header("content-type"), "application/json");
        self.body
    }

    /// The code of a problem, which is whole as one.
    #[track_caller]
    pub fn problem(self, status: u16) -> String {
        assert_eq!(self.status, status, "{:#}", self.body);
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(self.body["status"], status);
        assert!(self.body["title"].is_string() && self.body["detail"].is_string());
        assert!(self.body["retryable"].is_boolean(), "{:#}", self.body);
        let code = self.body["code"].as_str().unwrap().to_owned();
        assert_eq!(self.body["type"], format!("urn:rota:problem:{code}"));
        code
    }
}

impl Api {
    pub fn of(serving: &Serving, token: Option<&str>) -> Self {
        let Client { http, url, token, .. } = Client::of(serving, token);
        let url = url.split("/mcp").next().unwrap().to_owned();
        Self { http, url, token }
    }

    pub fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let method = method.parse().unwrap();
        let request = self.http.request(method, format!("{}{path}", self.url));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    pub async fn get(&self, path: &str) -> Answer {
        sent(self.request("GET", path)).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        sent(self.request("POST", path).json(&body)).await
    }

    /// How many tasks have this headline.
    pub async fn tasks_called(&self, headline: &str) -> usize {
        let found = self
            .tool("findTasks", serde_json::json!({ "projectIds": [1], "limit": 1000 }))
            .await
            .ok();
        let items = found["items"].as_array().unwrap();
        items.iter().filter(|task| task["headline"] == headline).count()
    }

    /// A sample of `/metrics`; the series as it is written there.
    pub async fn sample(&self, series: &str) -> String {
        let text = self.request("GET", "/metrics").send().await.unwrap().text().await.unwrap();
        let found = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        found.unwrap_or_else(|| panic!("no {series} in:\n{text}")).to_owned()
    }

    /// How many requests were taken on so far: runs, deliveries, and repeated ones.
    pub async fn accepted(&self) -> [String; 3] {
        let of = async |kind: &str| {
            self.sample(&format!("rota_accepted_requests_total{{kind=\"{kind}\"}}")).await
        };
        [of("run").await, of("delivery").await, of("repeated").await]
    }

    pub async fn tool(&self, name: &str, args: Value) -> Answer {
        self.post(&format!("/api/v1/tools/{name}"), args).await
    }
}

pub async fn sent(request: reqwest::RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let text = response.text().await.unwrap();
    let body = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() };
    Answer { status, headers, body }
}
