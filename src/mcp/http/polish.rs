//! Makes requests fit for the SDK, and its refusals fit for clients.

use super::guard;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;

/// More of a refusal is not read.
const REFUSAL_BYTES_MAX: usize = 4_096;
/// What the SDK sends; clients that accept JSON alone can read it too, unless something is told
/// meanwhile.
const ACCEPTED: HeaderValue = HeaderValue::from_static("application/json, text/event-stream");

/// Takes `*/*` and JSON alone for what clients mean by it; gives every refusal a JSON-RPC body, which
/// is what bridges show; answers the end of a session without content.
pub(super) async fn polish(mut request: Request, next: Next) -> Response {
    let method = request.method().clone();
    if method == Method::POST {
        let accepted = request.headers().get(header::ACCEPT).and_then(|v| v.to_str().ok());
        let accepted = accepted.unwrap_or("*/*");
        let json = accepted.contains("application/json");
        let both = json && accepted.contains("text/event-stream");
        if !both && (json || accepted.contains("*/*")) {
            request.headers_mut().insert(header::ACCEPT, ACCEPTED);
        }
    }
    let mut response = next.run(request).await;
    if method == Method::DELETE && response.status() == StatusCode::ACCEPTED {
        *response.status_mut() = StatusCode::NO_CONTENT;
        return response;
    }
    if response.status().is_client_error() && !is_json(&response) {
        return spoken(response).await;
    }
    response
}

fn is_json(response: &Response) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with("application/json"))
}

/// A plain refusal as JSON-RPC. What the SDK could not read as JSON it calls an unsupported type.
async fn spoken(response: Response) -> Response {
    let (parts, body) = response.into_parts();
    let text = axum::body::to_bytes(body, REFUSAL_BYTES_MAX).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    let unread = text.contains("fail to deserialize");
    let (status, code) =
        if unread { (StatusCode::BAD_REQUEST, -32_700) } else { (parts.status, -32_600) };
    let message = if text.is_empty() { parts.status.to_string() } else { text };
    let mut refusal = guard::refuse(status, code, &message);
    for (name, value) in &parts.headers {
        if *name != header::CONTENT_LENGTH && *name != header::CONTENT_TYPE {
            refusal.headers_mut().insert(name.clone(), value.clone());
        }
    }
    *refusal.version_mut() = parts.version;
    let (parts, body) = refusal.into_parts();
    Response::from_parts(parts, Body::new(body))
}
