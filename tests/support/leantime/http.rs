//! The HTTP side: credentials, limits, faults, and what is no JSON-RPC.

use super::faults::{Fault, Moment};
use super::rpc;
use super::state::Caller;
use super::{Inner, error, goals, limits};
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, Response, StatusCode, header};
use base64::Engine as _;
use chrono::TimeDelta;
use rota::clock::{Clock as _, SystemClock};
use serde_json::{Value, json};
use std::sync::Arc;

/// More than any test sends.
const BODY_BYTES_MAX: usize = 64 << 20;
/// All come from here.
const ADDRESS: &str = "127.0.0.1";
const HTML: &str = "text/html; charset=UTF-8";

/// A request, as it came.
#[derive(Clone, Debug)]
pub struct Asked {
    pub verb: String,
    pub path: String,
    pub body: String,
    /// What it asked for, in order, without `leantime.rpc.`.
    pub methods: Vec<String>,
    /// Of the answer.
    pub status: Option<u16>,
}

struct Answer {
    status: u16,
    kind: &'static str,
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl Answer {
    fn json(status: u16, body: &Value) -> Self {
        let body = body.to_string();
        Self { status, kind: "application/json", headers: Vec::new(), body }
    }

    /// The JSON of errors that are no JSON-RPC comes as if it were a page.
    fn html(status: u16, body: &str) -> Self {
        Self { status, kind: HTML, headers: Vec::new(), body: body.to_owned() }
    }

    fn response(self) -> Response<Body> {
        let mut response = Response::builder()
            .status(self.status)
            .header(header::CONTENT_TYPE, self.kind)
            .header(header::SET_COOKIE, "leantime_session=fake; path=/; httponly");
        for (name, value) in self.headers {
            response = response.header(name, value);
        }
        response.body(Body::from(self.body)).unwrap_or_default()
    }

    /// Promises the whole and breaks off after so many bytes.
    fn cut(self, bytes: usize) -> Response<Body> {
        let length = self.body.len().max(1);
        let part = self.body.as_bytes()[..bytes].to_vec();
        let broken = || Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset));
        let part = futures::stream::iter((!part.is_empty()).then_some(Ok(part)));
        // The part leaves before the break, or the connection would end without it.
        let broken = futures::stream::once(async move {
            tokio::task::yield_now().await;
            broken()
        });
        let body = Body::from_stream(futures::StreamExt::chain(part, broken));
        let response = Response::builder()
            .status(self.status)
            .header(header::CONTENT_TYPE, self.kind)
            .header(header::CONTENT_LENGTH, length);
        response.body(body).unwrap_or_default()
    }
}

/// What came is carried out to its end, also when whoever sent it hangs up meanwhile.
pub async fn handle(State(inner): State<Arc<Inner>>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, BODY_BYTES_MAX).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&body).into_owned();
    #[expect(clippy::disallowed_methods, reason = "no daemon is here; it ends with the runtime")]
    let carried_out = tokio::spawn(carry_out(Arc::clone(&inner), parts, text));
    let mut response = carried_out.await.unwrap_or_else(|_| {
        inner.state().violations.push("the fake itself broke down".to_owned());
        Answer::json(500, &json!({ "message": "Server Error" })).response()
    });
    // By its own clock, as everything else that it says, unless it is told to have ours.
    let now = {
        let state = inner.state();
        match state.options.ahead_seconds {
            Some(ahead) => SystemClock::new().wall() + TimeDelta::seconds(ahead),
            None => state.now,
        }
    };
    let date = now.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
    response.headers_mut().insert(header::DATE, date.parse().unwrap());
    response
}

async fn carry_out(inner: Arc<Inner>, parts: Parts, text: String) -> Response<Body> {
    let path = parts.uri.path().to_owned();
    let mut parsed = read(&parts.method, parts.uri.query(), &parts.headers, &text);
    let methods = match &parsed {
        _ if path.ends_with("/goalcanvas") => vec!["PATCH goalcanvas".to_owned()],
        Ok(call) => rpc::methods(call),
        Err(_) => Vec::new(),
    };
    let asked = Asked {
        verb: parts.method.to_string(),
        path: path.clone(),
        body: text.clone(),
        methods: methods.clone(),
        status: None,
    };
    let number = inner.log(asked);
    inner.faults.pass(&methods, Moment::Before).await;
    let fault = inner.faults.hit(&methods);
    if let Some(answer) = fault.as_ref().and_then(|fault| instead(fault, &parsed)) {
        inner.answered(number, answer.status);
        return answer.response();
    }
    let failing = spoiled(fault.as_ref(), &mut parsed);
    if fault == Some(Fault::Held) {
        inner.faults.hold().await;
    }
    let query = parts.uri.query().unwrap_or_default();
    let answer = match serve(&inner, &parts.method, &parts.headers, &path) {
        Err(answer) => answer,
        Ok(_) if parsed == Err(Unread::Crash) => {
            Answer::json(500, &json!({ "message": "Server Error" }))
        }
        Ok(_) if path.ends_with("/mcp") => {
            let hello = json!({ "protocolVersion": "2025-06-18", "capabilities": {} });
            let status = inner.state().options.mcp_status;
            Answer::json(status, &json!({ "jsonrpc": "2.0", "id": 1, "result": hello }))
        }
        Ok(caller) if path.trim_end_matches('/').ends_with("/goalcanvas") => {
            patch_goal(&inner, &caller, &parts.headers, &text, query)
        }
        Ok(caller) => call(&inner, &caller, parsed),
    };
    inner.faults.pass(&methods, Moment::After).await;
    inner.answered(number, answer.status);
    match fault {
        Some(Fault::Unanswered) => inner.faults.hold().await,
        Some(Fault::DoneThenError) => {
            let reads = |method: &String| method.split('.').any(|name| name.starts_with("get"));
            let failed = methods.iter().map(|method| !reads(method)).collect::<Vec<_>>();
            return with_errors(&failed, answer).response();
        }
        Some(Fault::CallError(_)) => return with_errors(&failing, answer).response(),
        Some(Fault::Cut) => {
            let half = answer.body.len() / 2;
            return answer.cut(half);
        }
        Some(Fault::Lost) => return answer.cut(0),
        _ => {}
    }
    answer.response()
}

/// Faults that answer without doing anything.
fn instead(fault: &Fault, parsed: &Result<Value, Unread>) -> Option<Answer> {
    let each = |answer: fn(&Value) -> Value| {
        let body = parsed.as_ref().ok()?;
        let parts = body.as_array().map(|calls| calls.iter().map(|call| answer(&call["id"])));
        Some(Answer::json(200, &parts.map_or_else(|| answer(&body["id"]), Iterator::collect)))
    };
    match fault {
        Fault::Empty => each(|id| json!({ "jsonrpc": "2.0", "result": [], "id": id })),
        Fault::ServerError => each(|id| rpc::failure(&error::RpcError::server(), id)),
        Fault::Status(status) => {
            Some(Answer::html(*status, "<html><body><h1>Bad Gateway</h1></body></html>"))
        }
        Fault::Html => Some(Answer::html(200, "<!doctype html><title>Sign in</title>")),
        Fault::WrongJson => Some(Answer::json(200, &json!({ "hello": ["world"] }))),
        Fault::False => each(|id| json!({ "jsonrpc": "2.0", "result": false, "id": id })),
        Fault::Cut
        | Fault::Lost
        | Fault::Held
        | Fault::Unanswered
        | Fault::DoneThenError
        | Fault::CallError(_) => None,
    }
}

/// The calls of a body.
fn calls(body: &mut Value) -> &mut [Value] {
    match body {
        Value::Array(calls) => calls,
        one => std::slice::from_mut(one),
    }
}

/// Spoils the calls that are to fail; says which they are.
fn spoiled(fault: Option<&Fault>, parsed: &mut Result<Value, Unread>) -> Vec<bool> {
    let (Some(Fault::CallError(text)), Ok(body)) = (fault, parsed) else { return Vec::new() };
    let spoil = |call: &mut Value| {
        let is_meant = call.to_string().contains(text);
        if is_meant {
            call["jsonrpc"] = json!("spoiled");
        }
        is_meant
    };
    calls(body).iter_mut().map(spoil).collect()
}

/// The same answer, with the server's own error where it is to be.
fn with_errors(failed: &[bool], mut answer: Answer) -> Answer {
    let Ok(mut body) = serde_json::from_str::<Value>(&answer.body) else { return answer };
    for (part, _) in calls(&mut body).iter_mut().zip(failed).filter(|(_, failed)| **failed) {
        *part = rpc::failure(&error::RpcError::server(), &part["id"]);
    }
    answer.body = body.to_string();
    answer
}

/// Why a body is no call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unread {
    Nothing,
    Malformed,
    /// A GET without parameters.
    Crash,
}

fn read(
    verb: &Method,
    query: Option<&str>,
    headers: &HeaderMap,
    text: &str,
) -> Result<Value, Unread> {
    if verb == Method::GET {
        return from_query(query.unwrap_or_default());
    }
    if text.trim().is_empty() {
        return Err(Unread::Nothing);
    }
    let value: Value = serde_json::from_str(text).map_err(|_| Unread::Malformed)?;
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let is_json = kind.is_some_and(|kind| kind.contains("/json") || kind.contains("+json"));
    Ok(if is_json { rpc::tidied(value) } else { value })
}

fn from_query(query: &str) -> Result<Value, Unread> {
    let mut call = super::rows::Row::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        call.insert(name.into_owned(), json!(value));
    }
    let params = call.get("params").and_then(Value::as_str).ok_or(Unread::Crash)?;
    let decoded = base64::engine::general_purpose::STANDARD.decode(params);
    let params: Option<Value> = decoded.ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    call.insert("params".to_owned(), params.unwrap_or_default());
    Ok(Value::Object(call))
}

/// Who asks, if they may.
fn serve(inner: &Inner, verb: &Method, headers: &HeaderMap, path: &str) -> Result<Caller, Answer> {
    let path = path.trim_end_matches('/');
    let is_known = (path.ends_with("/api/jsonrpc")
        && (verb == Method::POST || verb == Method::GET))
        || (path.ends_with("/api/goalcanvas") && verb == Method::PATCH)
        || (path.ends_with("/mcp") && inner.state().options.mcp_status != 404);
    if !is_known {
        let text = format!("Can't find a valid controller for {path}");
        return Err(Answer::json(404, &json!({ "message": text })));
    }
    let mut state = inner.state();
    if verb == Method::GET {
        state.violation("GET: arguments end up in the logs of servers");
    }
    if headers.contains_key("x-requested-with") {
        state.violation("X-Requested-With makes a session on the server");
    }
    let now = state.now;
    if state.failures.full(ADDRESS, limits::FAILURES_MAX, now).is_some() {
        let text = "Too many failed authentication attempts. Try again later.";
        return Err(Answer::html(429, &json!({ "error": text }).to_string()));
    }
    let credential = credential(headers, state.options.version.has_bearer());
    let user = credential.as_ref().and_then(|own| state.credentials.get(own).copied());
    let is_active = |user: &i64| state.user(*user, "status") == "a";
    let Some(caller) = user.filter(is_active).and_then(|user| state.caller(user)) else {
        let credential = credential.unwrap_or_default();
        if !state.refused.insert(credential) {
            state.violation("a refused credential was tried again");
        }
        state.failures.count(ADDRESS, now);
        return Err(Answer::html(401, "{\"error\":\"Unauthorized\"}"));
    };
    let (key, most) = (format!("{ADDRESS} {}", caller.id), state.options.rate());
    if let Some(rest) = state.requests.full(&key, most, now) {
        let mut answer = Answer::html(429, "{\"error\":\"Too many requests per minute.\"}");
        answer.headers = vec![
            ("retry-after", rest.to_string()),
            ("x-ratelimit-retry-after", rest.to_string()),
            ("x-ratelimit-remaining", "0".to_owned()),
            ("x-ratelimit-limit", most.to_string()),
        ];
        return Err(answer);
    }
    state.requests.count(&key, now);
    Ok(caller)
}

/// What the headers hold, as it is kept: with its scheme, so that none passes for the other.
fn credential(headers: &HeaderMap, has_bearer: bool) -> Option<String> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(key) = text("x-api-key") {
        let is_key = key.starts_with("lt_") && key.split('_').count() == 3;
        return Some(if is_key { format!("key {key}") } else { "key that is none".to_owned() });
    }
    let token = text("authorization")?.strip_prefix("Bearer ")?;
    has_bearer.then(|| format!("bearer {token}"))
}

fn call(inner: &Inner, caller: &Caller, parsed: Result<Value, Unread>) -> Answer {
    let mut state = inner.state();
    let answer = match parsed {
        Ok(body) => rpc::answer(&mut state, caller, &body),
        Err(Unread::Malformed) => Some(rpc::failure(&error::RpcError::parse(), &json!(0))),
        Err(_) => {
            let error = error::RpcError::method("Could not get any parameters from body");
            Some(rpc::failure(&error, &json!(0)))
        }
    };
    answer.map_or_else(|| Answer::html(200, ""), |answer| Answer::json(200, &answer))
}

/// What is left of the older REST interface: fields of a form or of the query.
fn patch_goal(
    inner: &Inner,
    caller: &Caller,
    headers: &HeaderMap,
    text: &str,
    query: &str,
) -> Answer {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let is_form = kind.is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
    let form = if is_form { text } else { "" };
    let fields = form_urlencoded::parse(query.as_bytes());
    let fields = fields.chain(form_urlencoded::parse(form.as_bytes()));
    let fields = fields.map(|(name, value)| (name.into_owned(), json!(value))).collect();
    let mut answer = if goals::patch(&mut inner.state(), caller, &fields) {
        Answer::json(200, &json!({ "status": "ok" }))
    } else {
        Answer::json(StatusCode::BAD_REQUEST.as_u16(), &json!({ "status": "failure" }))
    };
    answer.kind = "application/json; charset=utf-8";
    answer
}
