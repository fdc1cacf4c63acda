//! `GET /api/v1/events`: the stream of what happens, for whoever has a token.

use super::Behind;
use super::answer::Asked;
use crate::mcp::Caller;
use crate::web::events::Hearer;
use crate::web::problem::Problem;
use async_trait::async_trait;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

/// So many streams of one caller.
const STREAMS_MAX: usize = 128;

/// A stream for whoever was let in.
pub(super) fn response(behind: &Behind, asked: &Asked) -> Response {
    if let Err(problem) = asked.takes_no_query() {
        return problem.response();
    }
    let (caller, headers) = (asked.caller.clone(), asked.headers.clone());
    let hearer = WithToken { behind: behind.clone(), caller, headers };
    let opened = behind.feed.open(Box::new(hearer), &asked.headers);
    opened.unwrap_or_else(|| {
        let message = "there are too many streams of events; close one";
        Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", message).response()
    })
}

/// Somebody who came with a token.
struct WithToken {
    behind: Behind,
    caller: Caller,
    /// With which they were let in.
    headers: HeaderMap,
}

#[async_trait]
impl Hearer for WithToken {
    fn caller(&self) -> &Caller {
        &self.caller
    }

    fn share(&self) -> (String, usize) {
        (self.caller.id.clone(), STREAMS_MAX)
    }

    async fn looks_again(&mut self) -> bool {
        let Some(now) = self.behind.gate.again(&self.headers, &self.caller).await else {
            return false;
        };
        self.caller = now;
        true
    }
}
