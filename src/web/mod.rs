//! What the daemon serves over HTTP: the listener, whether it is well, and `/mcp`, which the
//! composition root puts in.
//!
//! # What stays true
//! - Every connection sends at once (`TCP_NODELAY`): an answer in two packets would wait 40 ms.
//! - Health says nothing that needs a token to know.
//! - When the daemon stops, what is under way is answered, within a bound.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::serve::ListenerExt as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long answers under way are waited for when the daemon stops.
const DRAIN: Duration = Duration::from_secs(5);

/// Why HTTP is not served.
#[derive(Debug, thiserror::Error)]
#[error("{address} cannot be listened at; is another daemon there? choose another with [mcp] port")]
pub struct ListenError {
    /// The address.
    pub address: SocketAddr,
    /// The cause.
    #[source]
    pub source: std::io::Error,
}

/// A bound listener.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
}

/// Whether the daemon is ready for work.
pub type IsReady = Arc<dyn Fn() -> bool + Send + Sync>;

impl Server {
    /// Binds; port 0 is any that is free.
    ///
    /// # Errors
    /// [`ListenError`]: mostly, somebody else listens there.
    pub async fn bind(address: SocketAddr) -> Result<Self, ListenError> {
        let error = |source| ListenError { address, source };
        let listener = TcpListener::bind(address).await.map_err(error)?;
        let address = listener.local_addr().map_err(error)?;
        Ok(Self { listener, address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves these routes and its own on the tracker until `stop`.
    pub fn spawn(
        self,
        routes: Router,
        is_ready: IsReady,
        stop: CancellationToken,
        tracker: &TaskTracker,
    ) {
        let own = Router::new()
            .route("/healthz", get(|| async { "ok\n" }))
            .route("/readyz", get(readiness))
            .with_state(is_ready);
        let app = own.merge(routes).into_make_service_with_connect_info::<SocketAddr>();
        let listener = self.listener.tap_io(|stream| {
            // Slow, not wrong, where it cannot be set.
            let _ = stream.set_nodelay(true);
        });
        let stopped = stop.clone();
        let serving = axum::serve(listener, app)
            .with_graceful_shutdown(async move { stopped.cancelled().await });
        tracker.spawn(async move {
            let serving = serving.into_future();
            tokio::pin!(serving);
            let ended = tokio::select! {
                ended = &mut serving => Some(ended),
                () = stop.cancelled() => tokio::time::timeout(DRAIN, &mut serving).await.ok(),
            };
            if let Some(Err(error)) = ended {
                tracing::error!(%error, "HTTP is not served any more");
            }
        });
    }
}

async fn readiness(State(is_ready): State<IsReady>) -> (StatusCode, &'static str) {
    if is_ready() {
        (StatusCode::OK, "ready\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "stopping\n")
    }
}
