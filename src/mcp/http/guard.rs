//! Who is let in: address, credential, role, rate, owner of the session; in this order, so that
//! nobody learns of a token or session from an address that may not ask.

use super::asked::{Asked, InFlight};
use super::door::{Barred, Door};
use super::rate::Rate;
use super::room::{Holding, Room};
use super::sessions::OwnedSessions;
use super::told;
use super::{HttpOptions, SESSION_HEADER};
use crate::clock::Clock;
use crate::domain::Role;
use crate::mcp::instruments::{self, Refused};
use crate::mcp::{Caller, Denied, Selection};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use secrecy::SecretString;
use serde_json::json;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// A credential is no longer than this.
const CREDENTIAL_BYTES_MAX: usize = 512;

/// Our codes, outside the range that JSON-RPC keeps for itself. This one: whoever asks may not.
pub const FORBIDDEN: i64 = -31_403;
/// Without credentials that count.
pub const UNAUTHORIZED: i64 = -31_401;
/// There is no such session.
pub const NOT_FOUND: i64 = -31_404;
/// Too many requests.
pub const TOO_MANY: i64 = -31_429;
const UNAVAILABLE: i64 = -31_503;

/// Lets callers in.
pub(super) struct Guard {
    door: Arc<Door>,
    options: HttpOptions,
    sessions: Arc<OwnedSessions>,
    rate: Rate<String>,
    in_flight: Arc<InFlight>,
    room: Arc<Room>,
    clock: Arc<dyn Clock>,
}

impl Guard {
    pub(super) fn new(
        door: Arc<Door>,
        options: HttpOptions,
        sessions: Arc<OwnedSessions>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let minute = Duration::from_mins(1);
        let rate = Rate::new(Arc::clone(&clock), options.rate_per_minute, minute);
        let room = Room::new(options.memory_bytes_max);
        let in_flight = Arc::default();
        Self { door, options, sessions, rate, in_flight, room, clock }
    }

    /// Names of ours, beside loopback.
    pub(super) fn hosts(&self) -> &[String] {
        &self.options.hosts
    }

    /// Notes how many sessions there are, and how much is held.
    pub(super) async fn tell_what_is_held(&self) {
        instruments::now(self.sessions.count().await, self.room.held());
    }

    /// Who asks, if they may and have at least this role.
    pub(super) async fn let_in(&self, request: &Parts, role: Role) -> Result<Caller, Response> {
        let address = self
            .door
            .address(request)
            .map_err(|message| refuse(StatusCode::FORBIDDEN, FORBIDDEN, message))?;
        let mut caller = self.who(&request.headers, address, role).await?;
        if let Err(wait) = self.rate.take(&caller.id) {
            tracing::warn!(caller = %caller.id, "refused: too many requests (MCP_RATE_LIMIT)");
            instruments::refused(Refused::Rate);
            return Err(slower(wait, "too many requests (MCP_RATE_LIMIT); slow down"));
        }
        let asked = self
            .selection(request)
            .map_err(|message| refuse(StatusCode::BAD_REQUEST, -32_602, &message))?;
        caller.selection = asked;
        Ok(caller)
    }

    async fn who(
        &self,
        headers: &HeaderMap,
        address: IpAddr,
        role: Role,
    ) -> Result<Caller, Response> {
        let Some(credential) = credential(headers) else {
            if self.options.requires_auth {
                let message = "no credentials: send `Authorization: Bearer TOKEN` or `X-API-Key: \
                               TOKEN`; make one with `rota token create`";
                instruments::refused(Refused::NoCredentials);
                return Err(unauthorized(message, None));
            }
            let caller = self.door.access().anybody().await.map_err(|denied| refused(&denied))?;
            return Self::with_role(caller, address, role);
        };
        match self.door.caller(&credential, address).await {
            Ok(caller) => Self::with_role(caller, address, role),
            Err(Barred::Denied(denied)) => Err(refused(&denied)),
            Err(barred @ Barred::TooMany(wait)) => Err(slower(wait, &barred.to_string())),
        }
    }

    fn with_role(caller: Caller, address: IpAddr, needed: Role) -> Result<Caller, Response> {
        let role = caller.principal.person.role;
        if role < needed {
            instruments::refused(Refused::Role);
            tracing::warn!(%address, caller = %caller.id, %role, %needed, "refused: role too low");
            return Err(refused(&Denied::RoleTooLow { role, needed }));
        }
        Ok(caller)
    }

    /// What is shown: as far as this server, the address and the header let. What is not known is
    /// refused: silence would show other tools than were asked for.
    fn selection(&self, request: &Parts) -> Result<Selection, String> {
        let mut selection = self.options.selection.clone();
        let query = request.uri.query().unwrap_or_default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let asked = match name.as_ref() {
                "toolsets" => value.as_ref(),
                "readonly" if is_no(&value) => continue,
                "readonly" => "readonly",
                other => {
                    let shown: String =
                        other.chars().filter(|c| !c.is_control()).take(40).collect();
                    return Err(format!("{shown:?} cannot be asked for: toolsets or readonly"));
                }
            };
            selection = selection.and(&selected(asked)?);
        }
        for (name, is_readonly) in [("x-mcp-toolsets", false), ("x-mcp-readonly", true)] {
            for value in request.headers.get_all(name) {
                let text = value.to_str().map_err(|_| format!("{name} cannot be read"))?;
                let asked = match is_readonly {
                    true if text.trim().is_empty() || is_no(text) => continue,
                    true => "readonly",
                    false => text,
                };
                selection = selection.and(&selected(asked)?);
            }
        }
        Ok(selection)
    }
}

fn selected(text: &str) -> Result<Selection, String> {
    Selection::parse(text).map_err(|error| error.to_string())
}

fn is_no(text: &str) -> bool {
    matches!(text.trim(), "false" | "0" | "no")
}

/// The middleware: whoever is let in stands in the request's extensions, with what they ask.
pub(super) async fn guard(
    State(guard): State<Arc<Guard>>,
    request: Request,
    next: Next,
) -> Response {
    let began = guard.clock.boot();
    let (parts, body) = request.into_parts();
    let (mut who, mut asked) = ("-".to_owned(), Asked::default());
    let method = parts.method.clone();
    let response = async {
        let caller = guard.let_in(&parts, guard.options.required_role).await?;
        let is_named = told::names_us(&parts.headers, &guard.options.hosts);
        who.clone_from(&caller.id);
        let declared = declared(&parts, guard.options.body_bytes_max);
        let mut share = guard.room.take(declared).ok_or_else(|| {
            tracing::warn!(caller = %caller.id, "refused: too much is under way (MCP_MEMORY_LIMIT)");
            instruments::refused(Refused::Memory);
            full()
        })?;
        let bytes =
            axum::body::to_bytes(body, guard.options.body_bytes_max).await.map_err(|_| {
                let message =
                    format!("a request has at most {} bytes", guard.options.body_bytes_max);
                refuse(StatusCode::PAYLOAD_TOO_LARGE, -32_600, &message)
            })?;
        share.becomes(bytes.len() as u64);
        asked = Asked::read(&bytes);
        let session = parts.headers.get(SESSION_HEADER).map(|v| v.to_str().unwrap_or_default());
        let session = session.map(str::to_owned);
        if let Some(id) = &session
            && !guard.sessions.may_use(id, &caller.id).await
        {
            let message = "there is no such session; begin again";
            return Err(refuse(StatusCode::NOT_FOUND, NOT_FOUND, message));
        }
        // Two requests of one id in a session: the SDK would answer one of them only.
        let hold = match (&session, &asked.id) {
            (Some(session), Some(id)) => {
                let hold = guard.in_flight.take(session, id).ok_or_else(|| {
                    let message = "a request with this id is under way in this session";
                    refuse(StatusCode::BAD_REQUEST, -32_600, message)
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
    let response: Result<Response, Response> = response.await;
    let response = response.unwrap_or_else(|refusal| refusal);
    if guard.options.logs_requests {
        let elapsed = guard.clock.boot().saturating_sub(began);
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

/// What a client shows: a bearer token, or a key in either header.
fn credential(headers: &HeaderMap) -> Option<SecretString> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let with_scheme = || {
        let (scheme, token) = text("authorization")?.trim().split_once(' ')?;
        let known = ["bearer", "apikey", "token"];
        known.iter().any(|known| scheme.eq_ignore_ascii_case(known)).then_some(token)
    };
    let key = text("x-api-key").filter(|key| !key.trim().is_empty());
    let found = key.or_else(with_scheme)?.trim();
    (!found.is_empty() && found.len() <= CREDENTIAL_BYTES_MAX)
        .then(|| SecretString::from(found.to_owned()))
}

fn refused(denied: &Denied) -> Response {
    match denied {
        Denied::RoleTooLow { .. } => refuse(StatusCode::FORBIDDEN, FORBIDDEN, &denied.to_string()),
        Denied::Unavailable(_) => {
            refuse(StatusCode::SERVICE_UNAVAILABLE, UNAVAILABLE, &denied.to_string())
        }
        _ => unauthorized(&denied.to_string(), Some("invalid_token")),
    }
}

/// No `resource_metadata`: there is no authorization server to be found.
fn unauthorized(message: &str, error: Option<&str>) -> Response {
    let mut response = refuse(StatusCode::UNAUTHORIZED, UNAUTHORIZED, message);
    let challenge = match error {
        Some(error) => format!("Bearer realm=\"rota\", error=\"{error}\""),
        None => "Bearer realm=\"rota\"".to_owned(),
    };
    with_header(&mut response, header::WWW_AUTHENTICATE, &challenge);
    response
}

fn slower(wait: Duration, message: &str) -> Response {
    let seconds = wait.as_millis().div_ceil(1_000).max(1);
    let mut response = refuse(StatusCode::TOO_MANY_REQUESTS, TOO_MANY, message);
    with_header(&mut response, header::RETRY_AFTER, &seconds.to_string());
    response
}

/// So many bytes a request says it has; as many as it may, where it does not say.
fn declared(request: &Parts, bytes_max: usize) -> u64 {
    let most = bytes_max as u64;
    if request.method != Method::POST {
        return 0;
    }
    let said = request.headers.get(header::CONTENT_LENGTH).and_then(|text| text.to_str().ok());
    said.and_then(|text| text.trim().parse::<u64>().ok()).map_or(most, |bytes| bytes.min(most))
}

/// Others hold all the room there is.
fn full() -> Response {
    let message = "too much is under way at once (MCP_MEMORY_LIMIT); nothing was begun, try again";
    let mut response = refuse(StatusCode::SERVICE_UNAVAILABLE, UNAVAILABLE, message);
    with_header(&mut response, header::RETRY_AFTER, "1");
    response
}

fn with_header(response: &mut Response, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

/// A refusal before JSON-RPC is spoken has its shape all the same: bridges show nothing else.
pub(super) fn refuse(status: StatusCode, code: i64, message: &str) -> Response {
    let body =
        json!({ "jsonrpc": "2.0", "id": null, "error": { "code": code, "message": message } });
    let kind = [(header::CONTENT_TYPE, "application/json")];
    (status, kind, body.to_string()).into_response()
}
