//! Other programs wake playbooks: `POST /hooks/{playbook}`, signed as Standard Webhooks are.
//!
//! # What stays true
//! - Nothing is read of a body, and nothing is told of a playbook, to whoever has not signed with its
//!   secret within five minutes; the name of the delivery is signed too, so that nobody sends one again
//!   under another.
//! - A delivery is recorded before it is answered: 202, and where to ask what came of it. One that comes
//!   again is answered so again, and wakes nothing.
//! - So much is read of a request, so many are under way at one time.

mod signature;

pub use signature::{HookRefusal, check};

use crate::web::problem::Problem;
use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::routing::post;
use secrecy::SecretString;
use serde_json::{Value as Json, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// A longer body is not read.
pub const BODY_BYTES_MAX: usize = 256 * 1024;
/// So long a request may take to come.
const BODY_TIME: Duration = Duration::from_secs(10);
/// So many are under way at one time.
const UNDER_WAY_MAX: usize = 32;
/// The longest name of a delivery.
const DELIVERY_BYTES_MAX: usize = 128;
/// The longest name of an event.
const NAME_CHARS_MAX: usize = 128;

/// Whoever knows the playbooks.
#[async_trait]
pub trait Hooks: Send + Sync {
    /// By which secret programs sign that wake this playbook; `None`: no program does.
    fn secret(&self, playbook: &str) -> Result<Option<SecretString>, HookError>;
    /// Records what came; under which name, and whether that was recorded before.
    async fn receive(&self, playbook: &str, sent: Sent) -> Result<(String, bool), HookError>;
    /// Now, in seconds since 1970.
    fn now(&self) -> i64;
}

/// What was sent, and signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// What its sender calls the delivery.
    pub delivery: String,
    /// What happened there, in a word; empty where nothing says so.
    pub name: String,
    /// The body.
    pub text: String,
}

/// Why nothing was recorded.
#[derive(Debug, thiserror::Error)]
pub enum HookError {
    /// Nobody is woken by that.
    #[error("there is no playbook of this name that a webhook wakes")]
    Unknown,
    /// Not now: the same may be sent again.
    #[error("{0}")]
    NotNow(String),
    /// Something failed.
    #[error("it could not be recorded")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

struct Behind {
    hooks: Arc<dyn Hooks>,
    places: Semaphore,
}

/// The route.
pub fn router(hooks: Arc<dyn Hooks>) -> Router {
    let behind = Arc::new(Behind { hooks, places: Semaphore::new(UNDER_WAY_MAX) });
    Router::new()
        .route("/hooks/{playbook}", post(hook))
        .method_not_allowed_fallback(|| async { Problem::not_allowed().response() })
        .with_state(behind)
}

async fn hook(
    State(behind): State<Arc<Behind>>,
    Path(playbook): Path<String>,
    request: Request,
) -> Response {
    match heard(&behind, &playbook, request).await {
        Ok(response) => response,
        Err(problem) => problem.response(),
    }
}

async fn heard(behind: &Behind, playbook: &str, request: Request) -> Result<Response, Problem> {
    let busy = || Problem::not_now("too many webhooks are under way; send it again");
    let _place = behind.places.try_acquire().map_err(|_| busy())?;
    let (parts, body) = request.into_parts();
    let text = read(&parts, body).await?;
    let secret = behind.hooks.secret(playbook).map_err(|error| told(playbook, &error))?;
    // Whether there is such a playbook is told to nobody who could not wake it.
    let given = secret.clone().unwrap_or_default();
    let signed = check(&given, &parts.headers, &text, behind.hooks.now());
    let signed = signed.and_then(|delivery| secret.map(|_| delivery).ok_or(HookRefusal::Wrong));
    let delivery = signed.map_err(|refusal| {
        tracing::warn!(playbook, %refusal, "a webhook is refused");
        Problem::new(StatusCode::UNAUTHORIZED, "not_signed", refusal.to_string())
    })?;
    let sent = sent(delivery, text)?;
    let received = behind.hooks.receive(playbook, sent).await;
    let (occurrence, is_repeated) = received.map_err(|error| told(playbook, &error))?;
    let segment: String = form_urlencoded::byte_serialize(occurrence.as_bytes()).collect();
    // In a path a blank is no plus.
    let status = format!("/api/v1/occurrences/{}", segment.replace('+', "%20"));
    let answer = json!({ "occurrence": occurrence, "status": status, "repeated": is_repeated });
    let mut response = Response::new(Body::from(answer.to_string()));
    *response.status_mut() = StatusCode::ACCEPTED;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Ok(status) = HeaderValue::from_str(&status) {
        headers.insert(header::LOCATION, status);
    }
    Ok(response)
}

async fn read(parts: &Parts, body: Body) -> Result<Vec<u8>, Problem> {
    let read = super::body::read(parts, body, BODY_BYTES_MAX, BODY_TIME).await;
    read.map(Into::into).map_err(|status| {
        if status == StatusCode::PAYLOAD_TOO_LARGE {
            let message = format!("a webhook has at most {BODY_BYTES_MAX} bytes");
            return Problem::new(status, "request_too_large", message);
        }
        Problem::new(status, "timed_out", "the body took too long to come")
    })
}

/// What was signed, in its parts.
fn sent(delivery: String, body: Vec<u8>) -> Result<Sent, Problem> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
    if delivery.is_empty() || delivery.len() > DELIVERY_BYTES_MAX || !delivery.bytes().all(fits) {
        let message =
            format!("webhook-id: expected 1 to {DELIVERY_BYTES_MAX} letters, digits and - _ . :");
        return Err(Problem::invalid(message));
    }
    let text = String::from_utf8(body);
    let text = text.map_err(|_| Problem::invalid("the body is to be text: JSON or any other"))?;
    let json = serde_json::from_str::<Json>(&text).ok();
    let name = json.as_ref().and_then(|json| json.get("type")).and_then(Json::as_str);
    let name = name.unwrap_or_default().chars().filter(|c| !c.is_control());
    Ok(Sent { delivery, name: name.take(NAME_CHARS_MAX).collect(), text })
}

fn told(playbook: &str, error: &HookError) -> Problem {
    match error {
        HookError::Unknown => Problem::new(StatusCode::NOT_FOUND, "not_found", error.to_string()),
        HookError::NotNow(_) => Problem::not_now(error.to_string()),
        HookError::Failed(_) => {
            let error = error as &dyn std::error::Error;
            tracing::warn!(playbook, error, "a webhook could not be recorded");
            Problem::not_now(error.to_string())
        }
    }
}
