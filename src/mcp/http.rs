//! MCP over streamable HTTP: one endpoint for both eras.
//!
//! A request passes the guard (address, credential, role, rate, owner of the session), is made fit
//! for the SDK (`polish`), and goes to one of two services: clients of the handshake have sessions,
//! everybody else is served statelessly. A client that speaks 2024-11-05 gets no session: that
//! revision had no header for it, and the bridges that speak it never begin again after a 404.

mod asked;
mod door;
mod gate;
mod guard;
mod polish;
mod rate;
mod refusal;
mod room;
mod sessions;
mod told;

pub use door::{Address, Barred, Door};
pub use gate::Gate;
pub use rate::Rate;
pub use refusal::{FORBIDDEN, NOT_FOUND, Refusal, TOO_MANY, UNAUTHORIZED};
pub use sessions::{KeptSession, SessionError, SessionKeeper};
pub use told::{Written, metrics_alone, names_us};

use super::{Caller, Handler, News, Selection};
use crate::domain::Role;
use asked::Asked;
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{Method, StatusCode};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::Response;
use guard::Guard;
use ipnet::IpNet;
use rmcp::ServerHandler;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use sessions::OwnedSessions;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

/// The header that names a session.
const SESSION_HEADER: &str = "mcp-session-id";
/// A session that nobody used for so long is put away; it is taken up again when it is used.
const SESSION_IDLE: Duration = Duration::from_hours(1);

/// How the endpoint is guarded.
#[derive(Clone, Debug)]
pub struct HttpOptions {
    /// Whether a token is asked for.
    pub requires_auth: bool,
    /// Nobody below this role is let in.
    pub required_role: Role,
    /// Who may connect.
    pub allowed: Vec<IpNet>,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Requests of one caller in a minute.
    pub rate_per_minute: u32,
    /// Bytes of a request.
    pub body_bytes_max: usize,
    /// Bytes of requests and answers that are held at once; while they are, more is refused.
    pub memory_bytes_max: u64,
    /// Whether each request is logged.
    pub logs_requests: bool,
    /// Names by which we may be addressed, beside loopback: `board.example.com`.
    pub hosts: Vec<String>,
    /// Origins of browsers that may ask, beside loopback: `https://board.example.com`.
    pub origins: Vec<String>,
    /// Shown to everybody: what a client asks for narrows it further.
    pub selection: Selection,
    /// Sessions of one caller; the one unused for longest makes room.
    pub sessions_max: usize,
    /// Whether streams begin with an event without data, after which they can be taken up again.
    /// Some clients take it for a broken message and hang up.
    pub streams_resume: bool,
}

impl Default for HttpOptions {
    fn default() -> Self {
        let loopback = ["127.0.0.1/32", "::1/128"];
        Self {
            requires_auth: true,
            required_role: Role::Editor,
            allowed: loopback.iter().filter_map(|net| net.parse().ok()).collect(),
            trusted_proxies: Vec::new(),
            rate_per_minute: 100,
            body_bytes_max: 1024 * 1024,
            memory_bytes_max: 256 * 1024 * 1024,
            logs_requests: false,
            hosts: Vec::new(),
            origins: Vec::new(),
            selection: Selection::default(),
            sessions_max: 32,
            streams_resume: true,
        }
    }
}

/// What stands behind the endpoint.
pub struct Behind {
    /// Answers.
    pub handler: Handler,
    /// Lets in.
    pub gate: Arc<Gate>,
    /// Keeps sessions over a restart.
    pub sessions: Arc<dyn SessionKeeper>,
    /// Says what changed on the board.
    pub news: Arc<dyn News>,
    /// What is counted and measured; `None`: it is not told.
    pub metrics: Option<Written>,
}

/// The endpoint `/mcp`, and `/metrics` beside it, to be served with [`Address`]es of its clients. Subscribers are told on the
/// tracker until `stop`.
pub fn router(behind: Behind, stop: &CancellationToken, tracker: &TaskTracker) -> Router {
    let Behind { handler, gate, sessions, news, metrics } = behind;
    let (options, access) = (gate.options(), gate.access());
    let subscriptions = Arc::clone(handler.subscriptions());
    subscriptions.keep_with(Arc::clone(&sessions));
    let telling = (Arc::clone(access), options.required_role);
    let telling = Arc::clone(&subscriptions).tell(news, telling, stop.clone());
    tracker.spawn(telling);
    tracker.spawn(Arc::clone(handler.jobs()).watch(Arc::clone(access), stop.clone()));
    let mut with = config(options, stop);
    let mut without = config(options, stop);
    without.legacy_session_mode = false;
    let manager = session_manager(options.streams_resume);
    let owned = Arc::new(OwnedSessions::new(
        sessions,
        (Arc::clone(&manager), subscriptions),
        options.sessions_max,
        gate.shared_clock(),
    ));
    with.session_store = Some(Arc::clone(&owned) as _);
    let guard = Arc::new(Guard::new(gate, Arc::clone(&owned)));
    let spoken = Spoken { manager, with, without, owned, tracker: tracker.clone() };
    #[cfg(feature = "conformance")]
    let routes = if super::fixtures::are_served() {
        spoken.routes(super::fixtures::Beside::new(handler), &guard)
    } else {
        spoken.routes(handler, &guard)
    };
    #[cfg(not(feature = "conformance"))]
    let routes = spoken.routes(handler, &guard);
    match metrics {
        Some(written) => routes.merge(told::router(guard, written)),
        None => routes,
    }
}

/// How the protocol is spoken, with sessions and without.
struct Spoken {
    manager: Arc<LocalSessionManager>,
    with: StreamableHttpServerConfig,
    without: StreamableHttpServerConfig,
    owned: Arc<OwnedSessions>,
    tracker: TaskTracker,
}

impl Spoken {
    /// The endpoint at which this handler answers.
    fn routes<H: ServerHandler + Clone>(self, handler: H, guard: &Arc<Guard>) -> Router {
        let Self { manager, with, without, owned, tracker } = self;
        let for_sessions = handler.clone();
        let sessions = StreamableHttpService::new(move || Ok(for_sessions.clone()), manager, with);
        let stateless = StreamableHttpService::new(
            move || Ok(handler.clone()),
            Arc::new(LocalSessionManager::default()),
            without,
        );
        let (naming, spawning) = (owned, tracker);
        let pick = move |request: Request| {
            let (sessions, stateless) = (sessions.clone(), stateless.clone());
            let (naming, spawning) = (Arc::clone(&naming), spawning.clone());
            async move {
                let has_session = request.headers().contains_key(SESSION_HEADER);
                if has_session || *request.method() != Method::POST {
                    return sessions.oneshot(request).await.map(whole);
                }
                let begins = request.extensions().get::<Asked>().is_some_and(|a| a.begins_session);
                let caller = request.extensions().get::<Caller>().map(|caller| caller.id.clone());
                let Some(caller) = caller.filter(|_| begins) else {
                    return stateless.oneshot(request).await.map(whole);
                };
                // Also when its client hangs up: a session that nobody owns could be used by nobody, and
                // would count for nobody.
                let beginning = spawning.spawn(async move {
                    let response = sessions.oneshot(request).await.map(whole);
                    if let Ok(response) = &response
                        && let Some(begun) = response.headers().get(SESSION_HEADER)
                        && let Ok(begun) = begun.to_str()
                    {
                        naming.name_owner(begun, &caller).await;
                    }
                    response
                });
                Ok::<_, Infallible>(match beginning.await {
                    Ok(Ok(response)) => response,
                    _ => guard::refuse(
                        StatusCode::INTERNAL_SERVER_ERROR,
                        -32_603,
                        "no session began",
                    ),
                })
            }
        };
        guarded(tower::service_fn(pick), guard)
    }
}

/// The endpoint behind its guard.
fn guarded<S>(endpoint: S, guard: &Arc<Guard>) -> Router
where
    S: tower::Service<Request, Response = Response, Error = Infallible>
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send + 'static,
{
    // `route_layer`, not `layer`: a layer would wrap what is not found too, and a 401 at the
    // addresses of OAuth's discovery sends clients down the wrong road.
    Router::new()
        .route_service("/mcp", endpoint)
        .route_layer(from_fn(polish::polish))
        .route_layer(from_fn_with_state(Arc::clone(guard), guard::guard))
}

fn session_manager(streams_resume: bool) -> Arc<LocalSessionManager> {
    let mut manager = LocalSessionManager::default();
    if !streams_resume {
        manager.session_config.sse_retry = None;
    }
    manager.session_config.keep_alive = Some(SESSION_IDLE);
    Arc::new(manager)
}

fn whole<B>(response: axum::http::Response<B>) -> Response
where
    B: axum::body::HttpBody<Data = axum::body::Bytes> + Send + 'static,
    B::Error: Into<axum::BoxError>,
{
    response.map(Body::new)
}

fn config(options: &HttpOptions, stop: &CancellationToken) -> StreamableHttpServerConfig {
    let loopback = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
    let pages = ["http://localhost:*", "http://127.0.0.1:*", "http://[::1]:*"].map(str::to_owned);
    let config = StreamableHttpServerConfig::default();
    let retry = config.sse_retry.filter(|_| options.streams_resume);
    config
        .with_sse_retry(retry)
        .with_legacy_session_mode(true)
        .with_json_response(true)
        .with_max_request_body_bytes(options.body_bytes_max)
        .with_allowed_hosts(loopback.into_iter().chain(options.hosts.iter().cloned()))
        .with_allowed_origins(pages.into_iter().chain(options.origins.iter().cloned()))
        .with_cancellation_token(stop.child_token())
}
