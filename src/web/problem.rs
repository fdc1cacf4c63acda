//! What went wrong, as RFC 9457 words it: `application/problem+json` with a stable code.

use crate::domain::Reason;
use crate::mcp::CallError;
use crate::mcp::http::Refusal;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use serde_json::json;

/// A problem.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    pub status: StatusCode,
    /// The stable word.
    pub code: String,
    /// What is wrong, what was expected.
    pub detail: String,
    /// Whether the same request may succeed later as it stands.
    pub is_retryable: bool,
    headers: HeaderMap,
}

impl Problem {
    pub(super) fn new(status: StatusCode, code: &str, detail: impl Into<String>) -> Self {
        let (code, detail, headers) = (code.to_owned(), detail.into(), HeaderMap::new());
        Self { status, code, detail, is_retryable: false, headers }
    }

    /// The request is not as the route wants it.
    pub(super) fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, Reason::InvalidArguments.code(), detail)
    }

    pub(super) fn no_such_route() -> Self {
        let detail = "there is no such route; GET /api/v1/openapi.json lists them";
        Self::new(StatusCode::NOT_FOUND, "no_such_route", detail)
    }

    pub(super) fn not_allowed() -> Self {
        let detail = "this route has other methods; GET /api/v1/openapi.json lists them";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
    }

    /// The same request may succeed soon.
    pub(super) fn not_now(detail: impl Into<String>) -> Self {
        let mut problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail);
        problem.is_retryable = true;
        problem.headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        problem
    }

    /// The task is not as whoever asks has seen it.
    pub(super) fn changed_since(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::PRECONDITION_FAILED, Reason::RevisionConflict.code(), detail)
    }

    pub(super) fn response(self) -> Response {
        let known = Reason::try_from(self.code.clone());
        let phrase = self.status.canonical_reason().unwrap_or("Problem");
        let title = known.map_or(phrase, Reason::text);
        let body = json!({
            "type": format!("urn:rota:problem:{}", self.code),
            "title": title,
            "status": self.status.as_u16(),
            "detail": self.detail,
            "code": self.code,
            "retryable": self.is_retryable,
        });
        let mut response = Response::new(Body::from(body.to_string()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.extend(self.headers);
        response
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let is_retryable = refusal.headers.contains_key(header::RETRY_AFTER);
        let new = Self::new(refusal.status, refusal.code, refusal.message);
        Self { is_retryable, headers: refusal.headers, ..new }
    }
}

impl From<CallError> for Problem {
    fn from(error: CallError) -> Self {
        let status = status(&error.code, error.retryable);
        let mut problem = Self::new(status, &error.code, error.message);
        problem.is_retryable = error.retryable;
        if status == StatusCode::SERVICE_UNAVAILABLE {
            problem.headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        }
        problem
    }
}

/// The status that fits a code; what is not told apart here was refused by how things stand.
fn status(code: &str, is_retryable: bool) -> StatusCode {
    match code {
        "not_found" | "unknown_tool" => StatusCode::NOT_FOUND,
        "invalid_arguments" => StatusCode::BAD_REQUEST,
        "unknown_status" | "unknown_person" | "ambiguous" | "unsupported"
        | "response_too_large" => StatusCode::UNPROCESSABLE_ENTITY,
        "role_too_low" | "token_refused" | "out_of_scope" | "tool_not_listed"
        | "service_is_nobody" => StatusCode::FORBIDDEN,
        "board_unavailable"
        | "store_failed"
        | "upstream_unavailable"
        | "unavailable"
        | "draining" => StatusCode::SERVICE_UNAVAILABLE,
        "timed_out" => StatusCode::GATEWAY_TIMEOUT,
        "unknown_effect" if is_retryable => StatusCode::BAD_GATEWAY,
        "tool_failed" => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::CONFLICT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_status_that_says_whose_turn_it_is() {
        for reason in Reason::ALL {
            let error = CallError::of(reason.code(), reason.text());
            let problem = Problem::from(error);
            assert!(problem.status.is_client_error() || problem.status.is_server_error());
        }
        for (code, expected) in [
            ("not_found", 404),
            ("invalid_arguments", 400),
            ("role_too_low", 403),
            ("revision_conflict", 409),
            ("confirmation_needed", 409),
            ("board_unavailable", 503),
            ("timed_out", 504),
        ] {
            assert_eq!(status(code, false).as_u16(), expected, "{code}");
        }
    }
}
