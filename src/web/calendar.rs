//! Calendars for calendar programs, each at a secret address: `/calendar/<secret>.ics`.
//!
//! Whoever has the address reads; any other is not found, in the same words. The address is in no log.

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, Response, StatusCode, header};
use axum::routing::get;
use secrecy::SecretString;
use std::sync::Arc;

/// Whoever knows the calendars.
#[async_trait]
pub trait Feeds: Send + Sync {
    /// The document that this secret opens.
    async fn feed(&self, secret: SecretString) -> Result<Option<String>, FeedError>;
}

/// A calendar cannot be read just now.
#[derive(Debug, thiserror::Error)]
#[error("a calendar could not be read")]
pub struct FeedError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// The routes.
pub fn router(feeds: Arc<dyn Feeds>) -> Router {
    Router::new().route("/calendar/{file}", get(calendar)).with_state(feeds)
}

async fn calendar(State(feeds): State<Arc<dyn Feeds>>, Path(file): Path<String>) -> Response<Body> {
    let Some(secret) = file.strip_suffix(".ics") else { return plain(StatusCode::NOT_FOUND) };
    match feeds.feed(SecretString::from(secret)).await {
        Ok(Some(document)) => {
            let mut response = Response::new(Body::from(document));
            let headers = response.headers_mut();
            for (name, value) in [
                (header::CONTENT_TYPE, "text/calendar; charset=utf-8"),
                (header::CACHE_CONTROL, "private, no-store"),
                (header::REFERRER_POLICY, "no-referrer"),
                (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            ] {
                headers.insert(name, HeaderValue::from_static(value));
            }
            response
        }
        Ok(None) => plain(StatusCode::NOT_FOUND),
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "a calendar was asked for");
            plain(StatusCode::SERVICE_UNAVAILABLE)
        }
    }
}

fn plain(status: StatusCode) -> Response<Body> {
    let text = if status == StatusCode::NOT_FOUND { "not found\n" } else { "try again later\n" };
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response
}
