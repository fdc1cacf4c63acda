//! What somebody sends: bounded in size and in time.

use axum::body::{Body, Bytes};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use std::time::Duration;

/// So long a request may take to come.
const BODY_TIME: Duration = Duration::from_secs(5);

/// Reads a body of at most so many bytes.
///
/// # Errors
/// It is longer, or it did not come in time.
pub(super) async fn read(parts: &Parts, body: Body, bytes_max: usize) -> Result<Bytes, StatusCode> {
    let said = parts.headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    if said.and_then(|said| said.parse::<usize>().ok()).is_some_and(|long| long > bytes_max) {
        return Err(StatusCode::PAYLOAD_TOO_LARGE);
    }
    let reading = axum::body::to_bytes(body, bytes_max);
    match tokio::time::timeout(BODY_TIME, reading).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(_)) => Err(StatusCode::PAYLOAD_TOO_LARGE),
        Err(_) => Err(StatusCode::REQUEST_TIMEOUT),
    }
}
