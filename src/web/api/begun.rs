//! `Prefer: respond-async` (RFC 7240) where a run is asked for: the answer is 202 once the run has begun, with
//! where to ask what came of it. What has ended before, or begins no run, is answered as ever.

use super::Behind;
use super::answer::ok;
use crate::domain::RunId;
use crate::instruments::{self, Accepted};
use crate::mcp::{Caller, Wants};
use crate::web::problem::Problem;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use serde_json::{Map, Value as Json, json};
use tokio::sync::mpsc;

/// The tool that runs something.
pub(super) const RUN: &str = "runPlaybook";
/// The header by which it is asked for, and what it says.
pub(super) const PREFER: &str = "prefer";
const ASYNC: &str = "respond-async";

/// Whether whoever asks would rather not wait.
pub(super) fn is_preferred(headers: &HeaderMap) -> bool {
    let lists = headers.get_all(PREFER).iter().filter_map(|list| list.to_str().ok());
    let mut all = lists.flat_map(|list| list.split(','));
    all.any(|one| one.split(';').next().is_some_and(|one| one.trim().eq_ignore_ascii_case(ASYNC)))
}

/// Runs it; waits until it has begun.
pub(super) async fn answer(
    behind: &Behind,
    caller: &Caller,
    args: Map<String, Json>,
) -> Result<Response, Problem> {
    let (tell, mut begun) = mpsc::channel(1);
    let running = behind.handler.answer_as(caller, RUN, args, true, Wants::run(&tell));
    tokio::pin!(running);
    tokio::select! {
        biased;
        ended = &mut running => Ok(ok(&ended?)),
        // It goes on without us.
        Some(run) = begun.recv() => Ok(accepted(&run)),
    }
}

fn accepted(run: &RunId) -> Response {
    instruments::accepted(Accepted::Run);
    let status = format!("/api/v1/runs/{run}");
    let mut response = ok(&json!({ "run": run.as_str(), "state": "running", "status": status }));
    *response.status_mut() = StatusCode::ACCEPTED;
    let headers = response.headers_mut();
    headers.insert("preference-applied", HeaderValue::from_static(ASYNC));
    if let Ok(status) = HeaderValue::from_str(&status) {
        headers.insert(header::LOCATION, status);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_preferred_in_whatever_company_it_is_said() {
        for (lines, expected) in [
            (vec!["respond-async"], true),
            (vec!["return=minimal, Respond-Async; x=1, wait=10"], true),
            (vec!["return=minimal", "respond-async"], true),
            (vec!["respond-asynchronously"], false),
            (vec!["wait=10"], false),
            (vec![], false),
        ] {
            let mut headers = HeaderMap::new();
            for line in &lines {
                headers.append(PREFER, HeaderValue::from_static(line));
            }
            assert_eq!(is_preferred(&headers), expected, "{lines:?}");
        }
    }
}
