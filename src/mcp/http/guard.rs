//! Who is let in: address, credential, role, rate, owner of the session; in this order, so that
//! nobody learns of a token or session from an address that may not ask.

use super::rate::Rate;
use super::sessions::OwnedSessions;
use super::{HttpOptions, SESSION_HEADER};
use crate::clock::Clock;
use crate::mcp::{Access, Caller, Denied, Selection};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use ipnet::IpNet;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// The address of whoever connected, as the listener knows it.
pub type Address = SocketAddr;

/// Wrong credentials from one address in a minute.
const FAILURES_MAX: u32 = 10;
/// A credential is no longer than this.
const CREDENTIAL_BYTES_MAX: usize = 512;

/// Our codes, outside the range that JSON-RPC keeps for itself.
const FORBIDDEN: i64 = -31_403;
const UNAUTHORIZED: i64 = -31_401;
const NOT_FOUND: i64 = -31_404;
const TOO_MANY: i64 = -31_429;
const UNAVAILABLE: i64 = -31_503;

/// Lets callers in.
pub(super) struct Guard {
    access: Arc<dyn Access>,
    options: HttpOptions,
    sessions: Arc<OwnedSessions>,
    rate: Rate<String>,
    failures: Rate<(IpAddr, String)>,
}

impl Guard {
    pub(super) fn new(
        access: Arc<dyn Access>,
        options: HttpOptions,
        sessions: Arc<OwnedSessions>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let minute = Duration::from_mins(1);
        let rate = Rate::new(Arc::clone(&clock), options.rate_per_minute, minute);
        let failures = Rate::new(clock, FAILURES_MAX, minute);
        Self { access, options, sessions, rate, failures }
    }

    /// The address that counts: a trusted proxy speaks for the one it names last.
    fn address(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let is_proxy = |address: &IpAddr| holds(&self.options.trusted_proxies, *address);
        let mut address = peer;
        let forwarded = headers.get_all("x-forwarded-for").iter().filter_map(|v| v.to_str().ok());
        let named: Vec<&str> = forwarded.flat_map(|list| list.split(',')).map(str::trim).collect();
        for name in named.iter().rev() {
            if !is_proxy(&address) {
                break;
            }
            let Ok(named) = name.parse() else { break };
            address = named;
        }
        address
    }

    async fn let_in(&self, request: &Parts) -> Result<Caller, Response> {
        let peer = request.extensions.get::<ConnectInfo<Address>>();
        let Some(peer) = peer.map(|peer| peer.0.ip().to_canonical()) else {
            return Err(refuse(StatusCode::FORBIDDEN, FORBIDDEN, "the address is not known"));
        };
        let headers = &request.headers;
        let address = self.address(peer, headers).to_canonical();
        if !holds(&self.options.allowed, address) {
            tracing::warn!(%address, "refused: the address is not allowed (MCP_ALLOWED_IPS)");
            let message = "this address may not connect (MCP_ALLOWED_IPS)";
            return Err(refuse(StatusCode::FORBIDDEN, FORBIDDEN, message));
        }
        let mut caller = self.who(headers, address).await?;
        if let Err(wait) = self.rate.take(&caller.id) {
            tracing::warn!(caller = %caller.id, "refused: too many requests (MCP_RATE_LIMIT)");
            return Err(slower(wait, "too many requests (MCP_RATE_LIMIT); slow down"));
        }
        let asked = self
            .selection(request)
            .map_err(|message| refuse(StatusCode::BAD_REQUEST, -32_602, &message))?;
        caller.selection = asked;
        Ok(caller)
    }

    async fn who(&self, headers: &HeaderMap, address: IpAddr) -> Result<Caller, Response> {
        let Some(credential) = credential(headers) else {
            if self.options.requires_auth {
                let message = "no credentials: send `Authorization: Bearer TOKEN` or `X-API-Key: \
                               TOKEN`; make one with `rota token create`";
                return Err(unauthorized(message, None));
            }
            return self.access.anybody().await.map_err(|denied| refused(&denied));
        };
        // Somebody who guesses at one token locks nobody out who uses another.
        let guessed = (address, public_part(credential.expose_secret()));
        if let Some(wait) = self.failures.is_spent(&guessed) {
            tracing::warn!(%address, "refused: too many failed logins");
            return Err(slower(wait, "too many failed logins; wait"));
        }
        let caller = match self.access.caller(&credential).await {
            Ok(caller) => caller,
            Err(denied) => {
                if !matches!(denied, Denied::Unavailable(_)) {
                    let _ = self.failures.take(&guessed);
                    tracing::warn!(%address, %denied, "a login failed");
                }
                return Err(refused(&denied));
            }
        };
        let role = caller.principal.person.role;
        let needed = self.options.required_role;
        if role < needed {
            tracing::warn!(%address, caller = %caller.id, %role, %needed, "refused: role too low");
            return Err(refused(&Denied::RoleTooLow { role, needed }));
        }
        Ok(caller)
    }

    /// What is shown: as far as this server, the address and the header let.
    fn selection(&self, request: &Parts) -> Result<Selection, String> {
        let mut selection = self.options.selection.clone();
        let query = request.uri.query().unwrap_or_default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let asked = match name {
                "toolsets" => value.replace("%2C", ",").replace("%2c", ","),
                "readonly" if value != "false" && value != "0" => "readonly".to_owned(),
                _ => continue,
            };
            let asked = Selection::parse(&asked).map_err(|error| error.to_string())?;
            selection = selection.and(&asked);
        }
        for (header, readonly) in [("x-mcp-toolsets", false), ("x-mcp-readonly", true)] {
            let Some(value) = request.headers.get(header) else { continue };
            let text = value.to_str().map_err(|_| format!("{header} cannot be read"))?;
            let asked = match readonly {
                true if matches!(text.trim(), "false" | "0" | "") => continue,
                true => "readonly",
                false => text,
            };
            let asked = Selection::parse(asked).map_err(|error| error.to_string())?;
            selection = selection.and(&asked);
        }
        Ok(selection)
    }
}

/// The middleware: whoever is let in stands in the request's extensions.
pub(super) async fn guard(
    State(guard): State<Arc<Guard>>,
    request: Request,
    next: Next,
) -> Response {
    let (parts, body) = request.into_parts();
    let caller = match guard.let_in(&parts).await {
        Ok(caller) => caller,
        Err(refusal) => return refusal,
    };
    let session = parts.headers.get(SESSION_HEADER).map(|v| v.to_str().unwrap_or_default());
    let session = session.map(str::to_owned);
    if let Some(id) = &session
        && !guard.sessions.may_use(id, &caller.id).await
    {
        return refuse(StatusCode::NOT_FOUND, NOT_FOUND, "there is no such session; begin again");
    }
    let ends = parts.method == Method::DELETE;
    let (id, method) = (caller.id.clone(), parts.method.clone());
    let mut request = Request::from_parts(parts, body);
    request.extensions_mut().insert(caller);
    let response = next.run(request).await;
    let begun = response.headers().get(SESSION_HEADER).and_then(|v| v.to_str().ok());
    match (&session, begun) {
        (None, Some(begun)) => guard.sessions.name_owner(begun, &id).await,
        (Some(over), _) if ends => guard.sessions.end(over).await,
        _ => {}
    }
    if guard.options.logs_requests {
        tracing::info!(caller = %id, %method, status = response.status().as_u16(), "mcp request");
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
    let found = text("x-api-key").or_else(with_scheme)?.trim();
    (!found.is_empty() && found.len() <= CREDENTIAL_BYTES_MAX)
        .then(|| SecretString::from(found.to_owned()))
}

/// The part of a credential that is not secret: what stands before its last `_`.
fn public_part(credential: &str) -> String {
    credential.rsplit_once('_').map_or_else(String::new, |(public, _)| public.to_owned())
}

fn holds(nets: &[IpNet], address: IpAddr) -> bool {
    nets.iter().any(|net| net.contains(&address))
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
