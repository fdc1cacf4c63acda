//! Who is let in over HTTP, whatever is served there: address, credential, role, rate, name and origin;
//! in this order, so that nobody learns of a token from an address that may not ask.

use super::HttpOptions;
use super::door::{Barred, Door};
use super::rate::Rate;
use super::refusal::Refusal;
use super::room::{Holding, Room, Share};
use super::told;
use crate::clock::Clock;
use crate::domain::Role;
use crate::mcp::instruments::{self, Refused};
use crate::mcp::{Access, Caller, Denied, Selection};
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::Response;
use secrecy::SecretString;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// So long a request may take to come, with all that it says.
const BODY_TIME: Duration = Duration::from_secs(30);
/// A credential is no longer than this.
const CREDENTIAL_BYTES_MAX: usize = 512;

/// Lets callers in: the same one for all that is served, so that nobody has several rates.
pub struct Gate {
    door: Arc<Door>,
    options: HttpOptions,
    rate: Rate<String>,
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
        let door = Arc::new(Door::new(access, &options, Arc::clone(&clock)));
        let room = Room::new(options.memory_bytes_max);
        Arc::new(Self { door, options, rate, room, clock })
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
        self.door.access()
    }

    /// Where whoever comes is looked at first.
    pub fn door(&self) -> Arc<Door> {
        Arc::clone(&self.door)
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

    /// Who somebody is by now who was let in with these headers as `before`; `None`: they would not be let in
    /// any more.
    pub async fn again(&self, headers: &HeaderMap, before: &Caller) -> Option<Caller> {
        let credential = credential(headers);
        let now = self.door.access().again(before, credential.as_ref()).await?;
        let counts = now.principal.person.role >= self.options.required_role;
        counts.then(|| Caller { selection: before.selection.clone(), ..now })
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
        let reading = tokio::time::timeout(BODY_TIME, axum::body::to_bytes(body, most)).await;
        let bytes = reading.map_err(|_| Refusal::too_slow())?;
        let bytes = bytes.map_err(|_| Refusal::too_large(most))?;
        share.becomes(bytes.len() as u64);
        Ok((bytes, share))
    }

    /// Who asks, if they may and have at least this role.
    pub(super) async fn let_in(&self, request: &Parts, role: Role) -> Result<Caller, Refusal> {
        let address = self.door.address(request).map_err(Refusal::forbidden)?;
        let caller = self.who(&request.headers, address, role).await?;
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
            let caller =
                self.door.access().anybody().await.map_err(|denied| Refusal::denied(&denied))?;
            return Self::with_role(caller, address, role);
        };
        match self.door.caller(&credential, address).await {
            Ok(caller) => Self::with_role(caller, address, role),
            Err(Barred::Denied(denied)) => Err(Refusal::denied(&denied)),
            Err(barred @ Barred::TooMany(wait)) => Err(Refusal::slower(wait, &barred.to_string())),
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

/// So many bytes a request says it has; as many as it may, where it does not say.
fn declared(request: &Parts, bytes_max: usize) -> u64 {
    let most = bytes_max as u64;
    if [Method::GET, Method::HEAD, Method::DELETE, Method::OPTIONS].contains(&request.method) {
        return 0;
    }
    let said = request.headers.get(header::CONTENT_LENGTH).and_then(|text| text.to_str().ok());
    said.and_then(|text| text.trim().parse::<u64>().ok()).map_or(most, |bytes| bytes.min(most))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use crate::domain::from_millis;
    use async_trait::async_trait;
    use axum::http::StatusCode;

    struct Nobody;

    #[async_trait]
    impl Access for Nobody {
        async fn caller(&self, _: &SecretString) -> Result<Caller, Denied> {
            Err(Denied::Unknown)
        }

        async fn anybody(&self) -> Result<Caller, Denied> {
            Err(Denied::Unknown)
        }

        async fn still_counts(&self, _: &str) -> bool {
            false
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_never_comes_gives_back_the_room_that_it_takes() {
        let options = HttpOptions { memory_bytes_max: 1_000, ..HttpOptions::default() };
        let clock = Arc::new(ManualClock::at(from_millis(0)));
        let gate = Gate::new(Arc::new(Nobody), options, clock);
        let (parts, ()) = Request::post("/mcp").body(()).unwrap().into_parts();
        let stalled = Body::from_stream(futures::stream::pending::<Result<Bytes, axum::Error>>());
        let refusal = gate.read(&parts, stalled, "x").await.map(|_| ()).unwrap_err();
        assert_eq!(refusal.status, StatusCode::REQUEST_TIMEOUT);
        assert_eq!(gate.held(), 0);
    }
}
