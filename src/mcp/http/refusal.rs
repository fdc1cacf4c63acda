//! Why a request is not let in: said once, worded as each protocol's clients read it.

use super::guard;
use crate::mcp::Denied;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use std::time::Duration;

/// Our codes, outside the range that JSON-RPC keeps for itself. This one: whoever asks may not.
pub const FORBIDDEN: i64 = -31_403;
/// Without credentials that count.
pub const UNAUTHORIZED: i64 = -31_401;
/// There is no such session.
pub const NOT_FOUND: i64 = -31_404;
/// Too many requests.
pub const TOO_MANY: i64 = -31_429;
/// Not now.
const UNAVAILABLE: i64 = -31_503;

/// Why somebody is not let in.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// As HTTP says it.
    pub status: StatusCode,
    /// The same as one stable word.
    pub code: &'static str,
    /// What is wrong, and what to do.
    pub message: String,
    /// What goes with it: `Retry-After`, `WWW-Authenticate`.
    pub headers: HeaderMap,
    /// As JSON-RPC says it.
    rpc: i64,
}

impl Refusal {
    pub(super) fn of(
        (status, code, rpc): (StatusCode, &'static str, i64),
        message: impl Into<String>,
    ) -> Self {
        Self { status, code, message: message.into(), headers: HeaderMap::new(), rpc }
    }

    /// Whoever asks may not.
    pub(super) fn forbidden(message: &str) -> Self {
        Self::of((StatusCode::FORBIDDEN, "forbidden", FORBIDDEN), message)
    }

    pub(super) fn denied(denied: &Denied) -> Self {
        match denied {
            Denied::RoleTooLow { .. } => {
                Self::of((StatusCode::FORBIDDEN, "role_too_low", FORBIDDEN), denied.to_string())
            }
            Denied::Unavailable(_) => {
                let unavailable = (StatusCode::SERVICE_UNAVAILABLE, "unavailable", UNAVAILABLE);
                Self::of(unavailable, denied.to_string())
            }
            _ => Self::unauthorized(&denied.to_string(), Some("invalid_token")),
        }
    }

    /// No `resource_metadata`: there is no authorization server to be found.
    pub(super) fn unauthorized(message: &str, error: Option<&str>) -> Self {
        let challenge = match error {
            Some(error) => format!("Bearer realm=\"rota\", error=\"{error}\""),
            None => "Bearer realm=\"rota\"".to_owned(),
        };
        let refusal = Self::of((StatusCode::UNAUTHORIZED, "unauthorized", UNAUTHORIZED), message);
        refusal.with(header::WWW_AUTHENTICATE, &challenge)
    }

    /// Too often.
    pub(super) fn slower(wait: Duration, message: &str) -> Self {
        let seconds = wait.as_millis().div_ceil(1_000).max(1).to_string();
        let refusal =
            Self::of((StatusCode::TOO_MANY_REQUESTS, "too_many_requests", TOO_MANY), message);
        refusal.with(header::RETRY_AFTER, &seconds)
    }

    /// Others hold all the room there is.
    pub(super) fn full() -> Self {
        let message =
            "too much is under way at once (MCP_MEMORY_LIMIT); nothing was begun, try again";
        let unavailable = (StatusCode::SERVICE_UNAVAILABLE, "unavailable", UNAVAILABLE);
        Self::of(unavailable, message).with(header::RETRY_AFTER, "1")
    }

    /// The request has too many bytes.
    pub(super) fn too_large(bytes_max: usize) -> Self {
        let message = format!("a request has at most {bytes_max} bytes");
        Self::of((StatusCode::PAYLOAD_TOO_LARGE, "request_too_large", -32_600), message)
    }

    /// The request did not come in time.
    pub(super) fn too_slow() -> Self {
        let message = "the request came too slowly; nothing was begun, try again";
        Self::of((StatusCode::REQUEST_TIMEOUT, "request_timeout", -32_600), message)
    }

    fn with(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }

    /// As clients of MCP read it: bridges show nothing but the message of a JSON-RPC error.
    pub(super) fn spoken(self) -> Response {
        let mut response = guard::refuse(self.status, self.rpc, &self.message);
        response.headers_mut().extend(self.headers);
        response
    }
}
