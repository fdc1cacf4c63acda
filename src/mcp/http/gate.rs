//! Who is let in over HTTP, whatever is served there: address, credential, role, rate, name and origin;
//! in this order, so that nobody learns of a token from an address that may not ask.

use super::HttpOptions;
use super::rate::Rate;
use super::refusal::Refusal;
use super::room::{Holding, Room, Share};
use super::told;
use crate::clock::Clock;
use crate::domain::Role;
use crate::mcp::instruments::{self, Refused};
use crate::mcp::{Access, Caller, Denied, Selection};
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::Response;
use ipnet::IpNet;
use secrecy::SecretString;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// The address of whoever connected, as the listener knows it.
pub type Address = SocketAddr;

/// Wrong credentials from one address in a minute.
const FAILURES_MAX: u32 = 10;
/// A credential is no longer than this.
const CREDENTIAL_BYTES_MAX: usize = 512;

/// Lets callers in: the same one for all that is served, so that nobody has several rates.
pub struct Gate {
    access: Arc<dyn Access>,
    options: HttpOptions,
    rate: Rate<String>,
    failures: Rate<IpAddr>,
    room: Arc<Room>,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gate").field("options", &self.options).finish_non_exhaustive()
    }
}

impl Gate {
    /// Asks this one who somebody is.
    pub fn new(access: Arc<dyn Access>, options: HttpOptions, clock: Arc<dyn Clock>) -> Arc<Self> {
        let minute = Duration::from_mins(1);
        let rate = Rate::new(Arc::clone(&clock), options.rate_per_minute, minute);
        let failures = Rate::new(Arc::clone(&clock), FAILURES_MAX, minute);
        let room = Room::new(options.memory_bytes_max);
        Arc::new(Self { access, options, rate, failures, room, clock })
    }

    /// How it is set.
    pub(super) fn options(&self) -> &HttpOptions {
        &self.options
    }

    /// The time by which it goes.
    pub(super) fn clock(&self) -> &dyn Clock {
        self.clock.as_ref()
    }

    /// The same, to be kept.
    pub(super) fn shared_clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock)
    }

    /// Who knows whose a token is.
    pub fn access(&self) -> &Arc<dyn Access> {
        &self.access
    }

    /// So much is held by requests and answers.
    pub(super) fn held(&self) -> u64 {
        self.room.held()
    }

    /// The middleware for what is no MCP: whoever is let in stands in the request's extensions as a
    /// [`Caller`], and the body is there whole. `refuse` words a refusal as its clients read it.
    pub async fn pass(
        &self,
        request: Request,
        next: Next,
        refuse: fn(Refusal) -> Response,
    ) -> Response {
        let began = self.clock.boot();
        let (parts, body) = request.into_parts();
        let (method, path) = (parts.method.clone(), parts.uri.path().to_owned());
        let mut who = "-".to_owned();
        let response: Result<Response, Refusal> = async {
            let mut caller = self.let_in(&parts, self.options.required_role).await?;
            self.is_meant(&parts.headers)?;
            who.clone_from(&caller.id);
            caller.selection = self.options.selection.clone();
            let (bytes, mut share) = self.read(&parts, body, &who).await?;
            let mut request = Request::from_parts(parts, Body::from(bytes));
            request.extensions_mut().insert(caller);
            let response = next.run(request).await;
            share.becomes(axum::body::HttpBody::size_hint(response.body()).lower());
            Ok(response.map(|body| Body::new(Holding { body, _held: share })))
        }
        .await;
        let response = response.unwrap_or_else(refuse);
        if self.options.logs_requests {
            let elapsed = self.clock.boot().saturating_sub(began);
            let bytes = axum::body::HttpBody::size_hint(response.body()).exact();
            let status = response.status().as_u16();
            tracing::info!(caller = %who, %method, path, status, ?elapsed, bytes, "api request");
        }
        response
    }

    /// Whether a request names us, and does not come from a page of somebody else.
    fn is_meant(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let (why, message) = if !told::names_us(headers, &self.options.hosts) {
            (Refused::Host, "the Host header names somebody else")
        } else if !told::is_from_us(headers, &self.options.origins) {
            (Refused::Origin, "this is not for pages of this origin")
        } else {
            return Ok(());
        };
        instruments::refused(why);
        Err(Refusal::forbidden(message))
    }

    /// The whole body, and the room that it takes.
    pub(super) async fn read(
        &self,
        parts: &Parts,
        body: Body,
        caller: &str,
    ) -> Result<(Bytes, Share), Refusal> {
        let most = self.options.body_bytes_max;
        let mut share = self.room.take(declared(parts, most)).ok_or_else(|| {
            tracing::warn!(caller, "refused: too much is under way (MCP_MEMORY_LIMIT)");
            instruments::refused(Refused::Memory);
            Refusal::full()
        })?;
        let bytes = axum::body::to_bytes(body, most).await;
        let bytes = bytes.map_err(|_| Refusal::too_large(most))?;
        share.becomes(bytes.len() as u64);
        Ok((bytes, share))
    }

    /// The address that counts: a trusted proxy speaks for the one it names last. `None` when what
    /// it says cannot be read: then nobody knows who asks.
    fn address(&self, peer: IpAddr, headers: &HeaderMap) -> Option<IpAddr> {
        let mut address = peer.to_canonical();
        let lists: Vec<&[u8]> =
            headers.get_all("x-forwarded-for").iter().map(HeaderValue::as_bytes).collect();
        let named = lists.iter().rev().flat_map(|list| list.rsplit(|byte| *byte == b','));
        for name in named {
            if !holds(&self.options.trusted_proxies, address) {
                break;
            }
            address = forwarded(name)?;
        }
        Some(address)
    }

    /// Who asks, if they may and have at least this role.
    pub(super) async fn let_in(&self, request: &Parts, role: Role) -> Result<Caller, Refusal> {
        let peer = request.extensions.get::<ConnectInfo<Address>>();
        let Some(peer) = peer.map(|peer| peer.0.ip().to_canonical()) else {
            instruments::refused(Refused::Address);
            return Err(Refusal::forbidden("the address is not known"));
        };
        let headers = &request.headers;
        let Some(address) = self.address(peer, headers) else {
            tracing::warn!(%peer, "refused: its X-Forwarded-For cannot be read");
            instruments::refused(Refused::Address);
            return Err(Refusal::forbidden("X-Forwarded-For cannot be read"));
        };
        if !holds(&self.options.allowed, address) {
            tracing::warn!(%address, "refused: the address is not allowed (MCP_ALLOWED_IPS)");
            instruments::refused(Refused::Address);
            return Err(Refusal::forbidden("this address may not connect (MCP_ALLOWED_IPS)"));
        }
        let caller = self.who(headers, address, role).await?;
        if let Err(wait) = self.rate.take(&caller.id) {
            tracing::warn!(caller = %caller.id, "refused: too many requests (MCP_RATE_LIMIT)");
            instruments::refused(Refused::Rate);
            return Err(Refusal::slower(wait, "too many requests (MCP_RATE_LIMIT); slow down"));
        }
        Ok(caller)
    }

    async fn who(
        &self,
        headers: &HeaderMap,
        address: IpAddr,
        role: Role,
    ) -> Result<Caller, Refusal> {
        let Some(credential) = credential(headers) else {
            if self.options.requires_auth {
                let message = "no credentials: send `Authorization: Bearer TOKEN` or `X-API-Key: \
                               TOKEN`; make one with `rota token create`";
                instruments::refused(Refused::NoCredentials);
                return Err(Refusal::unauthorized(message, None));
            }
            let caller = self.access.anybody().await.map_err(|denied| Refusal::denied(&denied))?;
            return Self::with_role(caller, address, role);
        };
        match self.access.caller(&credential).await {
            Ok(caller) => Self::with_role(caller, address, role),
            Err(denied @ Denied::Unavailable(_)) => Err(Refusal::denied(&denied)),
            // Whoever has the secret is never kept out; whoever guesses is slowed down and told less.
            Err(denied) => match self.failures.take(&address) {
                Ok(()) => {
                    tracing::warn!(%address, %denied, "a login failed");
                    instruments::refused(Refused::Login);
                    Err(Refusal::denied(&denied))
                }
                Err(wait) => {
                    instruments::refused(Refused::Logins);
                    Err(Refusal::slower(wait, "too many failed logins; wait"))
                }
            },
        }
    }

    fn with_role(caller: Caller, address: IpAddr, needed: Role) -> Result<Caller, Refusal> {
        let role = caller.principal.person.role;
        if role < needed {
            instruments::refused(Refused::Role);
            tracing::warn!(%address, caller = %caller.id, %role, %needed, "refused: role too low");
            return Err(Refusal::denied(&Denied::RoleTooLow { role, needed }));
        }
        Ok(caller)
    }

    /// What is shown: as far as this server, the address and the header let. What is not known is
    /// refused: silence would show other tools than were asked for.
    pub(super) fn selection(&self, request: &Parts) -> Result<Selection, String> {
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

/// An address as proxies write it: `192.0.2.1`, `192.0.2.1:4711`, `2001:db8::1`, `[2001:db8::1]:443`.
fn forwarded(name: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(name).ok()?.trim();
    let address = text.parse::<IpAddr>().ok().or_else(|| {
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        bare.and_then(|bare| bare.parse().ok())
    });
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    address.or_else(with_port).map(|address| address.to_canonical())
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

fn holds(nets: &[IpNet], address: IpAddr) -> bool {
    nets.iter().any(|net| net.contains(&address))
}

/// So many bytes a request says it has; as many as it may, where it does not say.
fn declared(request: &Parts, bytes_max: usize) -> u64 {
    let most = bytes_max as u64;
    if [Method::GET, Method::HEAD, Method::DELETE, Method::OPTIONS].contains(&request.method) {
        return 0;
    }
    let said = request.headers.get(header::CONTENT_LENGTH).and_then(|text| text.to_str().ok());
    said.and_then(|text| text.trim().parse::<u64>().ok()).map_or(most, |bytes| bytes.min(most))
}
