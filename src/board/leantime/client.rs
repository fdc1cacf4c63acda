//! One request over HTTP: the envelope, the headers, and what every kind of answer means.

use super::call::{BAD_PARAMS, Call, Parcel, Refusal, Reply, Trouble};
use super::options::{Credential, Place};
use super::server_clock::ServerClock;
use crate::board::{BoardError, Result};
use crate::domain::is_loopback;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, DATE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use reqwest::{Client, Response, Url, redirect};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// The largest answer: a full board of five thousand tickets is about 7 MB.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How long making a connection may take.
const CONNECT_TIME: Duration = Duration::from_secs(10);
/// The longest wait that a server can ask for.
const WAIT_MAX: Duration = Duration::from_mins(15);
/// A lockout for failed logins says nothing about its end; it lasts a minute.
const LOCKOUT: Duration = Duration::from_mins(1);
/// Characters of a server's words that are repeated.
const WORDS_MAX: usize = 200;

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");

/// A way to the server.
#[async_trait]
pub(super) trait Line: Send + Sync + std::fmt::Debug {
    /// Sends one request and waits for all of its answer: one reply for each call.
    async fn send(&self, parcel: &Parcel) -> std::result::Result<Vec<Reply>, Trouble>;
}

/// HTTP to one Leantime with one credential.
#[derive(Debug)]
pub(super) struct HttpLine {
    client: Client,
    rpc: Url,
    goals: Url,
    mcp: Url,
    secret: SecretString,
    server_clock: Arc<ServerClock>,
}

impl HttpLine {
    pub(super) fn new(
        place: &Place,
        credential: &Credential,
        server_clock: Arc<ServerClock>,
    ) -> Result<Self> {
        let base = place.base()?;
        let (name, value) = header(credential)?;
        let headers: HeaderMap =
            [(name, value), (ACCEPT, HeaderValue::from_static("application/json"))]
                .into_iter()
                .collect();
        // Somebody else may have chosen a provider before us; theirs will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut client = Client::builder()
            .redirect(redirect::Policy::none())
            .referer(false)
            .tcp_nodelay(true)
            .connect_timeout(CONNECT_TIME)
            .timeout(place.request_time)
            .user_agent(concat!("rota/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers);
        if base.host_str().is_some_and(is_loopback) {
            client = client.no_proxy();
        }
        if base.scheme() == "http" {
            // Reading the system's certificates takes longer than all else at the start.
            client = client.tls_certs_only(std::iter::empty());
        }
        let client = client.build().map_err(|error| BoardError::Unusable {
            what: "no client for Leantime could be made".to_owned(),
            source: Some(Box::new(error)),
        })?;
        let join = |path: &str| {
            base.join(path).map_err(|_| {
                BoardError::Malformed("the address of Leantime is no base of others".to_owned())
            })
        };
        let secret = credential.secret().clone();
        let (rpc, goals, mcp) = (join("api/jsonrpc")?, join("api/goalcanvas")?, join("mcp")?);
        Ok(Self { client, rpc, goals, mcp, secret, server_clock })
    }

    /// How the server's own MCP endpoint answers to a greeting, and the time by the server's clock.
    pub(super) async fn look(&self) -> std::result::Result<(u16, Option<DateTime<Utc>>), Trouble> {
        let hello = json!({
            "jsonrpc": "2.0", "id": 1, "method": "initialize",
            "params": {
                "protocolVersion": "2025-06-18", "capabilities": {},
                "clientInfo": { "name": "rota", "version": env!("CARGO_PKG_VERSION") },
            },
        });
        let both = HeaderValue::from_static("application/json, text/event-stream");
        let request = self.client.post(self.mcp.clone()).header(ACCEPT, both).json(&hello);
        // What it says is not read: it may be a stream without an end.
        let response = request.send().await.map_err(|error| broke(&error))?;
        let date = response.headers().get(DATE).and_then(|date| date.to_str().ok());
        let date = date.and_then(|date| DateTime::parse_from_rfc2822(date).ok());
        Ok((response.status().as_u16(), date.map(|date| date.to_utc())))
    }

    async fn bytes(&self, mut response: Response) -> std::result::Result<Vec<u8>, Trouble> {
        let mut bytes = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(|error| broke(&error))? {
            if bytes.len() + piece.len() > ANSWER_BYTES_MAX {
                return Err(Trouble::sent("the answer is larger than 64 MiB"));
            }
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes)
    }

    /// The server's words, without control characters, the credential and all that is long.
    fn words(&self, said: &str) -> String {
        let secret = self.secret.expose_secret();
        let said = if secret.is_empty() { said.into() } else { said.replace(secret, "[the key]") };
        let clean = said.chars().map(|c| if c.is_control() { ' ' } else { c });
        clean.take(WORDS_MAX).collect::<String>().trim().to_owned()
    }

    fn refused(response: &Response) -> Trouble {
        let (status, headers) = (response.status(), response.headers());
        if status == StatusCode::UNAUTHORIZED {
            return Trouble::Unauthorized;
        }
        if status == StatusCode::TOO_MANY_REQUESTS {
            let number =
                |name: HeaderName| headers.get(name)?.to_str().ok()?.trim().parse::<u32>().ok();
            let wait = number(RETRY_AFTER).map(u64::from).map_or(LOCKOUT, Duration::from_secs);
            let limit = number(LIMIT).filter(|limit| *limit > 0);
            return Trouble::Limited { wait: wait.clamp(Duration::from_secs(1), WAIT_MAX), limit };
        }
        if status.is_redirection() {
            return Trouble::unsent(
                "it answers with a redirection, which is not followed with a key: \
                 name its final address",
            );
        }
        Trouble::sent(format!("it answers with HTTP status {}", status.as_u16()))
    }
}

/// What came of a whole request to the RPC endpoint, from its body.
fn replies(
    bytes: &[u8],
    calls: usize,
    clean: impl Fn(&str) -> String,
) -> std::result::Result<Vec<Reply>, Trouble> {
    let Ok(body) = serde_json::from_slice::<Value>(bytes) else {
        let shown = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
        return Err(Trouble::sent(match shown {
            Some(b'<') => "it answers with a web page: is this the address of Leantime itself?",
            Some(b'{' | b'[') => "its answer breaks off",
            None => "its answer is empty",
            Some(_) => "its answer is no JSON",
        }));
    };
    let mut found: Vec<Option<Reply>> = vec![None; calls];
    let parts = match body {
        Value::Array(parts) => parts,
        whole => vec![whole],
    };
    for mut part in parts {
        let reply = match (part.get("error"), part.get("result")) {
            (Some(error), _) if !error.is_null() => Err(refusal(error, &clean)),
            (_, Some(_)) => Ok(part["result"].take()),
            _ => continue,
        };
        let id = part.get("id").and_then(|id| match id {
            Value::String(text) => text.parse().ok(),
            id => id.as_u64(),
        });
        let place = id.and_then(|id| usize::try_from(id).ok()).and_then(|id| id.checked_sub(1));
        match (place, &reply) {
            (Some(place), _) if place < calls => found[place] = Some(reply),
            // The whole request was not understood.
            (_, Err(refusal)) if calls > 0 => {
                for one in &mut found {
                    *one = Some(Err(refusal.clone()));
                }
            }
            _ => {}
        }
    }
    let all: Option<Vec<Reply>> = found.into_iter().collect();
    all.ok_or_else(|| Trouble::sent("its answer has not a reply for each call"))
}

fn refusal(error: &Value, clean: impl Fn(&str) -> String) -> Refusal {
    let Some(code) = error.get("code").and_then(Value::as_i64) else {
        return Refusal { code: BAD_PARAMS, message: clean(error.as_str().unwrap_or_default()) };
    };
    let text = |name| error.get(name).and_then(Value::as_str).unwrap_or_default();
    let said = match (text("message"), text("data")) {
        (message, "") => message.to_owned(),
        (message, data) => format!("{message}: {data}"),
    };
    Refusal { code, message: clean(&said) }
}

fn envelope(id: usize, call: &Call) -> Value {
    json!({
        "jsonrpc": "2.0",
        "id": id,
        "method": format!("leantime.rpc.{}", call.method),
        "params": call.params,
    })
}

fn header(credential: &Credential) -> Result<(HeaderName, HeaderValue)> {
    let (name, text) = match credential {
        Credential::ApiKey(key) => (API_KEY, key.expose_secret().to_owned()),
        Credential::Bearer(token) => (AUTHORIZATION, format!("Bearer {}", token.expose_secret())),
    };
    let mut value = HeaderValue::from_str(&text).map_err(|_| {
        BoardError::Malformed(
            "the credential for Leantime holds what no header can: expected it as it was shown"
                .to_owned(),
        )
    })?;
    value.set_sensitive(true);
    Ok((name, value))
}

/// In our own words: the client's would name the address.
fn broke(error: &reqwest::Error) -> Trouble {
    if error.is_connect() || error.is_builder() {
        return Trouble::unsent("no connection can be made");
    }
    Trouble::sent(if error.is_timeout() {
        "it does not answer in time"
    } else {
        "the connection broke off"
    })
}

#[async_trait]
impl Line for HttpLine {
    async fn send(&self, parcel: &Parcel) -> std::result::Result<Vec<Reply>, Trouble> {
        let request = match parcel {
            Parcel::Calls(calls) => {
                let mut parts: Vec<Value> =
                    (1..).zip(calls).map(|(id, call)| envelope(id, call)).collect();
                let body = if parts.len() == 1 { parts.remove(0) } else { Value::Array(parts) };
                // As JSON, the server would trim every text and make null of empty ones.
                let plain = HeaderValue::from_static("text/plain");
                let request = self.client.post(self.rpc.clone());
                request.header(CONTENT_TYPE, plain).body(body.to_string())
            }
            Parcel::GoalForm(fields) => {
                let mut form = form_urlencoded::Serializer::new(String::new());
                for (name, text) in fields {
                    form.append_pair(name, text);
                }
                let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
                let request = self.client.patch(self.goals.clone());
                request.header(CONTENT_TYPE, kind).body(form.finish())
            }
        };
        let response = request.send().await.map_err(|error| broke(&error))?;
        if let Some(date) = response.headers().get(DATE).and_then(|date| date.to_str().ok()) {
            self.server_clock.heard(date);
        }
        let status = response.status();
        if let (Parcel::GoalForm(_), StatusCode::BAD_REQUEST) = (parcel, status) {
            let message = "none of the goal's fields is known to it".to_owned();
            return Ok(vec![Err(Refusal { code: BAD_PARAMS, message })]);
        }
        if status != StatusCode::OK {
            return Err(Self::refused(&response));
        }
        let bytes = self.bytes(response).await?;
        match parcel {
            Parcel::Calls(calls) => replies(&bytes, calls.len(), |said| self.words(said)),
            Parcel::GoalForm(_) => {
                let body = serde_json::from_slice::<Value>(&bytes);
                let is_ok = body.is_ok_and(|body| body["status"] == "ok");
                if is_ok {
                    Ok(vec![Ok(true.into())])
                } else {
                    Err(Trouble::sent("its answer is no JSON"))
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str, calls: usize) -> std::result::Result<Vec<Reply>, Trouble> {
        replies(body.as_bytes(), calls, str::to_owned)
    }

    #[test]
    fn replies_are_found_by_their_ids_in_any_order_and_as_texts() {
        let body =
            r#"[{"jsonrpc":"2.0","result":false,"id":"2"},{"jsonrpc":"2.0","result":7,"id":1}]"#;
        assert_eq!(read(body, 2).unwrap(), [Ok(7.into()), Ok(false.into())]);
        assert_eq!(read(r#"{"result":null,"id":1}"#, 1).unwrap(), [Ok(Value::Null)]);
    }

    #[test]
    fn an_error_of_one_call_leaves_the_others_and_one_of_the_envelope_is_everybodys() {
        let body = r#"[{"result":1,"id":1},{"error":{"code":-32002,"message":"gone","data":null},"id":2}]"#;
        let found = read(body, 2).unwrap();
        assert!(found[0].is_ok());
        assert_eq!(found[1], Err(Refusal { code: -32_002, message: "gone".into() }));
        let all = read(r#"{"error":{"code":-32700,"message":"x"},"id":0}"#, 2).unwrap();
        assert!(all.iter().all(|reply| reply.as_ref().is_err_and(|r| r.code == -32_700)));
    }

    #[test]
    fn half_answers_pages_and_missing_replies_are_troubles_after_sending() {
        let whole = r#"[{"result":1,"id":1},{"result":2,"id":2}]"#;
        for cut in 0..whole.len() {
            let answer = read(&whole[..cut], 2);
            assert!(matches!(answer, Err(Trouble::Unreachable { was_sent: true, .. })), "{cut}");
        }
        for body in ["<!DOCTYPE html>", "", "null", "{}", "[]", r#"[{"result":1,"id":1}]"#, "x"] {
            assert!(read(body, 2).is_err(), "{body}");
        }
    }
}
