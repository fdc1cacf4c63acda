//! What somebody sends: bounded in size and in time.

use axum::body::{Body, Bytes};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use futures::StreamExt as _;
use std::time::Duration;

/// So long what nobody reads may take to come.
const DISCARD_TIME: Duration = Duration::from_secs(5);
/// Of what is not read, so much is taken in all the same.
const DISCARDED_BYTES_MAX: usize = 1024 * 1024;

/// Takes in what nobody reads, as far as that is little: whoever is hung up on while they still send never
/// sees why.
pub(super) async fn discard(body: Body) {
    let mut pieces = body.into_data_stream();
    let taking = async {
        let mut taken = 0;
        while let Some(Ok(piece)) = pieces.next().await {
            taken += piece.len();
            if taken > DISCARDED_BYTES_MAX {
                break;
            }
        }
    };
    let _ = tokio::time::timeout(DISCARD_TIME, taking).await;
}

/// Reads a body of at most so many bytes, within so much time.
///
/// # Errors
/// It is longer, or it did not come in time.
pub(super) async fn read(
    parts: &Parts,
    body: Body,
    bytes_max: usize,
    time_max: Duration,
) -> Result<Bytes, StatusCode> {
    let said = parts.headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    if said.and_then(|said| said.parse::<usize>().ok()).is_some_and(|long| long > bytes_max) {
        discard(body).await;
        return Err(StatusCode::PAYLOAD_TOO_LARGE);
    }
    let reading = axum::body::to_bytes(body, bytes_max);
    match tokio::time::timeout(time_max, reading).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(_)) => Err(StatusCode::PAYLOAD_TOO_LARGE),
        Err(_) => Err(StatusCode::REQUEST_TIMEOUT),
    }
}
