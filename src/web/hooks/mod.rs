//! Other programs wake playbooks: `POST /hooks/{playbook}`, signed as Standard Webhooks are.
//!
//! # What stays true
//! - Nothing is told of a playbook to whoever has not signed with its secret within five minutes: one that
//!   is not there refuses as one that is. The name of the delivery is signed too, so that nobody sends one
//!   again under another.
//! - A delivery is recorded before it is answered: 202, and where to ask what came of it. One that comes
//!   again is answered so again, and wakes nothing.
//! - So much is read of a request, so many are read and so many are under way at one time. Whoever only
//!   pretends to send takes no place of those who have signed.

mod signature;

pub use signature::Key;

use crate::instruments::{self, Accepted};
use crate::web::problem::Problem;
use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::routing::post;
use serde_json::{Value as Json, json};
use signature::{HookRefusal, check, claimed};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;

/// A longer body is not read.
pub const BODY_BYTES_MAX: usize = 256 * 1024;
/// So long a request may take to come.
const BODY_TIME: Duration = Duration::from_secs(10);
/// So many are read at one time: 64 MiB.
const READ_MAX: usize = 256;
/// So many are under way at one time.
const UNDER_WAY_MAX: usize = 32;
/// Of those that are refused one is told of in so many seconds, with the number of the others.
const TOLD_EVERY_SECONDS: i64 = 10;
/// The longest name of a delivery.
const DELIVERY_BYTES_MAX: usize = 128;
/// The longest name of an event.
const NAME_CHARS_MAX: usize = 128;

/// Whoever knows the playbooks.
#[async_trait]
pub trait Hooks: Send + Sync {
    /// With which key programs sign that wake this playbook; `None`: no program does.
    fn key(&self, playbook: &str) -> Option<Key>;
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
    /// Nobody has it: by it a playbook that is not there refuses.
    nobodys: Key,
    reads: Semaphore,
    places: Semaphore,
    /// When a refusal was told of last, and how many there were since.
    told_at: AtomicI64,
    untold: AtomicU64,
}

/// The route. `nobodys` is a key that nobody has.
pub fn router(hooks: Arc<dyn Hooks>, nobodys: Key) -> Router {
    let behind = Arc::new(Behind {
        hooks,
        nobodys,
        reads: Semaphore::new(READ_MAX),
        places: Semaphore::new(UNDER_WAY_MAX),
        told_at: AtomicI64::new(i64::MIN),
        untold: AtomicU64::new(0),
    });
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
    let (parts, body) = request.into_parts();
    let refused = |refusal| behind.refused(playbook, refusal);
    let claimed = claimed(&parts.headers, behind.hooks.now()).map_err(refused);
    let claimed = match claimed {
        Ok(claimed) => claimed,
        Err(problem) => {
            crate::web::body::discard(body).await;
            return Err(problem);
        }
    };
    let reading = behind.reads.try_acquire().map_err(|_| busy())?;
    let text = read(&parts, body).await?;
    let key = behind.hooks.key(playbook);
    let delivery = check(key.as_ref().unwrap_or(&behind.nobodys), &claimed, &text);
    let delivery = delivery.map_err(refused)?;
    let _place = behind.places.try_acquire().map_err(|_| busy())?;
    drop(reading);
    let sent = sent(delivery, text)?;
    let received = behind.hooks.receive(playbook, sent).await;
    let (occurrence, is_repeated) = received.map_err(|error| told(playbook, &error))?;
    instruments::accepted(if is_repeated { Accepted::Repeated } else { Accepted::Delivery });
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

impl Behind {
    /// A delivery is not believed: its sender is told why, the log now and then.
    fn refused(&self, playbook: &str, refusal: HookRefusal) -> Problem {
        let (now, told_at) = (self.hooks.now(), self.told_at.load(Ordering::Relaxed));
        if now.saturating_sub(told_at).unsigned_abs() >= TOLD_EVERY_SECONDS.unsigned_abs() {
            self.told_at.store(now, Ordering::Relaxed);
            let others = self.untold.swap(0, Ordering::Relaxed);
            tracing::warn!(playbook, %refusal, others, "a webhook is refused");
        } else {
            self.untold.fetch_add(1, Ordering::Relaxed);
        }
        Problem::new(StatusCode::UNAUTHORIZED, "not_signed", refusal.to_string())
    }
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
