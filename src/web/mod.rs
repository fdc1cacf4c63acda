//! What the daemon serves over HTTP: the listener, whether it is well, the pages for people, and
//! `/mcp`, which the composition root puts in.
//!
//! # What stays true
//! - Every connection sends at once (`TCP_NODELAY`): an answer in two packets would wait 40 ms.
//! - So many connections at most, in all and from one address beyond loopback; whoever does not say
//!   what they want within ten seconds is hung up on. Files are left for the rest of the daemon.
//! - Health says nothing that needs a token to know; a calendar is read at its secret address alone;
//!   what comes from Slack, or from a program that wakes a playbook, is signed; the pages are for people who
//!   signed in.
//! - With a certificate, TLS is spoken and nothing else; a greeting has ten seconds, too.
//! - When the daemon stops, what is under way is answered, within a bound.

pub mod api;
mod body;
pub mod calendar;
pub mod events;
pub mod hooks;
pub mod pages;
mod places;
mod problem;
pub mod slack;
pub mod tls;

use axum::Router;
use axum::extract::{ConnectInfo, State};
use axum::http::StatusCode;
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulConnection, GracefulShutdown};
use hyper_util::service::TowerToHyperService;
use places::Places;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tls::Tls;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

/// How long answers under way are waited for when the daemon stops.
const DRAIN: Duration = Duration::from_secs(5);
/// From the first byte of a request's head to its last.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// How long a failing accept rests before the next, so that a full table of files does not spin.
const ACCEPT_REST: Duration = Duration::from_millis(100);

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
    tls: Option<Arc<Tls>>,
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
        Ok(Self { listener, address, tls: None })
    }

    /// Speaks TLS.
    #[must_use]
    pub fn with_tls(self, tls: Tls) -> Self {
        Self { tls: Some(Arc::new(tls)), ..self }
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
        tracker.spawn(self.accept(own.merge(routes), stop, tracker.clone()));
    }

    async fn accept(self, routes: Router, stop: CancellationToken, tracker: TaskTracker) {
        let places = Arc::new(Places::default());
        let (open, over) = (GracefulShutdown::new(), CancellationToken::new());
        loop {
            let accepted = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                accepted = accept(&self.listener) => accepted,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept over HTTP");
                    tokio::time::sleep(ACCEPT_REST).await;
                    continue;
                }
            };
            // One connection too many is closed without a word: to answer it would take what is short.
            let Some(place) = places.take(peer.ip().to_canonical()) else { continue };
            let (watcher, routes, tls) = (open.watcher(), routes.clone(), self.tls.clone());
            let (over, stop) = (over.clone(), stop.clone());
            tracker.spawn(async move {
                let serving = async {
                    let Some(tls) = tls else {
                        return watcher.watch(connection(stream, peer, routes)).await;
                    };
                    let greeting = tokio::time::timeout(HEAD_TIME, tls.acceptor().accept(stream));
                    let greeting = tokio::select! {
                        greeted = greeting => greeted,
                        // Nothing was asked yet.
                        () = stop.cancelled() => return Ok(()),
                    };
                    match greeting {
                        Ok(Ok(stream)) => watcher.watch(connection(stream, peer, routes)).await,
                        Ok(Err(error)) => {
                            tracing::debug!(%error, "no TLS was agreed on");
                            Ok(())
                        }
                        Err(_) => Ok(()),
                    }
                };
                tokio::select! {
                    ended = serving => if let Err(error) = ended {
                        tracing::debug!(%error, "a connection ended");
                    },
                    () = over.cancelled() => {}
                }
                drop(place);
            });
        }
        if tokio::time::timeout(DRAIN, open.shutdown()).await.is_err() {
            tracing::debug!("answers under way are not waited for any longer");
            over.cancel();
        }
    }
}

/// The next connection, which sends at once.
async fn accept(listener: &TcpListener) -> std::io::Result<(TcpStream, SocketAddr)> {
    let (stream, peer) = listener.accept().await?;
    // Slow, not wrong, where it cannot be set.
    let _ = stream.set_nodelay(true);
    Ok((stream, peer))
}

/// One connection, to be driven.
fn connection<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    peer: SocketAddr,
    routes: Router,
) -> impl GracefulConnection<Error = hyper::Error> + Send + 'static {
    let service = routes.map_request(move |mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        request.map(axum::body::Body::new)
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
}

async fn readiness(State(is_ready): State<IsReady>) -> (StatusCode, &'static str) {
    if is_ready() {
        (StatusCode::OK, "ready\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "stopping\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_connection_sends_at_once() {
        let server = Server::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let (accepted, client) =
            tokio::join!(accept(&server.listener), TcpStream::connect(server.address()));
        let (accepted, _) = accepted.unwrap();
        // What the system does by itself, and what is asked of it.
        assert_eq!(
            (client.unwrap().nodelay().unwrap(), accepted.nodelay().unwrap()),
            (false, true)
        );
    }
}
