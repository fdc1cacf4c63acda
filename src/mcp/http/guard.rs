//! The endpoint of MCP behind the gate: what somebody is shown, and whose a session is.

use super::SESSION_HEADER;
use super::asked::{Asked, InFlight};
use super::gate::Gate;
use super::refusal::{NOT_FOUND, Refusal};
use super::room::Holding;
use super::sessions::OwnedSessions;
use super::told;
use crate::mcp::instruments::{self, Refused};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use serde_json::json;
use std::sync::Arc;

/// Lets callers in, and each into their own sessions.
pub(super) struct Guard {
    pub gate: Arc<Gate>,
    sessions: Arc<OwnedSessions>,
    in_flight: Arc<InFlight>,
}

impl Guard {
    pub(super) fn new(gate: Arc<Gate>, sessions: Arc<OwnedSessions>) -> Self {
        Self { gate, sessions, in_flight: Arc::default() }
    }

    /// Notes how many sessions there are, and how much is held.
    pub(super) async fn tell_what_is_held(&self) {
        instruments::now(self.sessions.count().await, self.gate.held());
    }
}

/// The middleware: whoever is let in stands in the request's extensions, with what they ask.
pub(super) async fn guard(
    State(guard): State<Arc<Guard>>,
    request: Request,
    next: Next,
) -> Response {
    let (gate, options) = (&guard.gate, guard.gate.options());
    let began = gate.clock().boot();
    let (parts, body) = request.into_parts();
    let (mut who, mut asked) = ("-".to_owned(), Asked::default());
    let method = parts.method.clone();
    let response = async {
        let mut caller = gate.let_in(&parts, options.required_role).await?;
        let selection = gate.selection(&parts);
        let asks_wrongly = (StatusCode::BAD_REQUEST, "invalid_arguments", -32_602);
        caller.selection = selection.map_err(|message| Refusal::of(asks_wrongly, message))?;
        let is_named = told::names_us(&parts.headers, &options.hosts);
        who.clone_from(&caller.id);
        let (bytes, mut share) = gate.read(&parts, body, &who).await?;
        asked = Asked::read(&bytes);
        let session = parts.headers.get(SESSION_HEADER).map(|v| v.to_str().unwrap_or_default());
        let session = session.map(str::to_owned);
        if let Some(id) = &session
            && !guard.sessions.may_use(id, &caller.id).await
        {
            let message = "there is no such session; begin again";
            return Err(Refusal::of((StatusCode::NOT_FOUND, "not_found", NOT_FOUND), message));
        }
        // Two requests of one id in a session: the SDK would answer one of them only.
        let hold = match (&session, &asked.id) {
            (Some(session), Some(id)) => {
                let hold = guard.in_flight.take(session, id).ok_or_else(|| {
                    let message = "a request with this id is under way in this session";
                    Refusal::of((StatusCode::BAD_REQUEST, "invalid_arguments", -32_600), message)
                })?;
                Some(hold)
            }
            _ => None,
        };
        let mut request = Request::from_parts(parts, Body::from(bytes));
        request.extensions_mut().insert(caller);
        request.extensions_mut().insert(asked.clone());
        let response = counted(next.run(request).await, is_named);
        if let Some(over) = session.filter(|_| method == Method::DELETE) {
            guard.sessions.end(&over).await;
        }
        // The request is gone, its answer is held until it has been sent. Of a stream nothing is.
        share.becomes(axum::body::HttpBody::size_hint(response.body()).lower());
        Ok(response.map(|body| Body::new(Holding { body, _held: (hold, share) })))
    };
    let response: Result<Response, Refusal> = response.await;
    let response = response.unwrap_or_else(Refusal::spoken);
    if options.logs_requests {
        let elapsed = gate.clock().boot().saturating_sub(began);
        let bytes = axum::body::HttpBody::size_hint(response.body()).exact();
        let (status, tool) = (response.status().as_u16(), asked.tool.as_deref().unwrap_or("-"));
        let rpc = asked.method.as_deref().unwrap_or("-");
        tracing::info!(caller = %who, %method, rpc, tool, status, ?elapsed, bytes, "mcp request");
    }
    response
}

/// What the SDK answers: it has looked at the names, and forbids nothing else.
fn counted(response: Response, names_us: bool) -> Response {
    if response.status() == StatusCode::FORBIDDEN {
        instruments::refused(if names_us { Refused::Origin } else { Refused::Host });
    }
    response
}

/// A refusal before JSON-RPC is spoken has its shape all the same: bridges show nothing else.
pub(super) fn refuse(status: StatusCode, code: i64, message: &str) -> Response {
    let body =
        json!({ "jsonrpc": "2.0", "id": null, "error": { "code": code, "message": message } });
    let kind = [(header::CONTENT_TYPE, "application/json")];
    (status, kind, body.to_string()).into_response()
}
