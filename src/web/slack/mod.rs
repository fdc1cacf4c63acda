//! What people click and type in Slack: `/slack/interactions` and `/slack/commands`.
//!
//! # What stays true
//! - Nothing is read of what Slack has not signed, within five minutes, and nothing of it twice.
//! - Slack gets its answer at once; what was asked is done after it, and told at the `response_url`,
//!   which is Slack's own address and no other.
//! - Who clicked says Slack, and who that is on the board says the house: nobody clicks in the name of
//!   somebody else, and what they may do their role says.
//! - So much is read of a request, so many are under way at one time.

mod asked;
mod shown;
mod signature;

pub use asked::{Asked, Choice, Clicked, Decision};
pub use shown::{blocks_for, form, reply};
pub use signature::{Once, Refusal, Signatures};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Response, StatusCode};
use axum::routing::post;
use std::sync::Arc;
use std::time::Duration;

/// A longer request is not read.
pub const BODY_BYTES_MAX: usize = 256 * 1024;
/// So long a request may take to come.
const BODY_TIME: Duration = Duration::from_secs(5);

/// Whoever does what people ask for. It takes no time: what takes time is done after it returned.
pub trait Clicks: Send + Sync {
    /// Begins to do what was asked; false when too much is under way.
    fn begin(&self, asked: Asked) -> bool;
}

/// What stands behind the routes.
struct Behind {
    signatures: Signatures,
    clicks: Arc<dyn Clicks>,
}

/// The routes.
pub fn router(signatures: Signatures, clicks: Arc<dyn Clicks>) -> Router {
    let behind = Arc::new(Behind { signatures, clicks });
    Router::new()
        .route("/slack/interactions", post(interaction))
        .route("/slack/commands", post(command))
        .with_state(behind)
}

async fn interaction(State(behind): State<Arc<Behind>>, request: Request) -> Response<Body> {
    heard(&behind, request, Asked::of_interaction).await
}

async fn command(State(behind): State<Arc<Behind>>, request: Request) -> Response<Body> {
    heard(&behind, request, Asked::of_command).await
}

async fn heard(
    behind: &Behind,
    request: Request,
    read: fn(&[u8]) -> Result<Option<Asked>, &'static str>,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = match crate::web::body::read(&parts, body, BODY_BYTES_MAX, BODY_TIME).await {
        Ok(body) => body,
        Err(StatusCode::REQUEST_TIMEOUT) => {
            return plain(StatusCode::REQUEST_TIMEOUT, "too slow\n");
        }
        Err(status) => return plain(status, "too long\n"),
    };
    if let Err(refusal) = behind.signatures.check(&parts.headers, &body).await {
        tracing::warn!(%refusal, "a request that says it is Slack's is refused");
        return match refusal {
            Refusal::Unknown => plain(StatusCode::SERVICE_UNAVAILABLE, "not now\n"),
            _ => plain(StatusCode::UNAUTHORIZED, "not signed\n"),
        };
    }
    match read(&body) {
        Ok(Some(asked)) => {
            if behind.clicks.begin(asked) {
                plain(StatusCode::OK, "")
            } else {
                plain(StatusCode::SERVICE_UNAVAILABLE, "busy\n")
            }
        }
        // Nothing to do: a look whether we are there, a form that was closed.
        Ok(None) => plain(StatusCode::OK, ""),
        Err(what) => {
            tracing::warn!(what, "what Slack sent is not understood");
            plain(StatusCode::BAD_REQUEST, "not understood\n")
        }
    }
}

fn plain(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response
}
