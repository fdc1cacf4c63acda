//! HTTP: what the daemon serves there, put together.

use super::api::{self, Api};
use super::outside::Outside;
use super::{counted, open};
use crate::app::failure::{Failure, FailureKind};
use crate::clock::Clock;
use crate::config::McpConfig;
use crate::daemon::Daemon;
use crate::mcp::http::{Behind, Gate};
use crate::mcp::{self, Handler, Seals};
use crate::web::Server;
use crate::web::pages::Wire;
use crate::web::tls::Tls;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Bound, and not yet served: that another listens there is told before anything is started.
pub(super) struct Http {
    server: Server,
    outside: Arc<Outside>,
    config: McpConfig,
    clock: Arc<dyn Clock>,
    seals: Seals,
    slack: axum::Router,
    /// A name for the events of this process.
    life: String,
}

impl Http {
    /// Binds.
    pub(super) async fn bind(opened: &open::Opened) -> Result<Self, Failure> {
        let config = opened.config.mcp.clone();
        let (outside, clock) = (opened.outside(), Arc::clone(&opened.parts.clock));
        // Before the place is taken: what is wrong with the files is told first.
        let tls = config.tls.as_ref().map(|files| {
            Tls::open(&files.certificate, &files.key, Arc::clone(&clock))
                .map_err(|error| Failure::new(FailureKind::Config, format!("[mcp] {error}")))
        });
        let tls = tls.transpose()?;
        let mut server = Server::bind(config.address).await.map_err(|error| {
            Failure::new(FailureKind::Config, error.to_string()).because(&error.source)
        })?;
        if let Some(tls) = tls {
            server = server.with_tls(tls);
        }
        opened.parts.tools.set_address(public_address(&config, server.address()));
        let seals = Seals::new(opened.parts.entropy.as_ref());
        let life = api::life(opened.parts.entropy.as_ref());
        let slack = super::slack::routes(&opened.config, &outside, &clock)?;
        Ok(Self { server, outside, config, clock, seals, slack, life })
    }

    /// Serves until `stop`; where. Not ready any more is told from `draining` on.
    pub(super) fn spawn(
        self,
        daemon: &Arc<Daemon>,
        draining: &CancellationToken,
        stop: &CancellationToken,
        tracker: &TaskTracker,
    ) -> SocketAddr {
        let Self { server, outside, config, clock, seals, slack, life } = self;
        let calls = outside.calls.clone();
        let ending = stop.clone();
        tracker.spawn(async move {
            ending.cancelled().await;
            calls.close();
            calls.wait().await;
        });
        let handler =
            Handler::for_http(Arc::clone(&outside) as _, Arc::clone(&clock), seals, config.limits);
        let feeds = crate::web::calendar::router(Arc::clone(&outside) as _);
        let wire = match (&config.tls, config.plain_http) {
            (Some(_), _) => Wire::Tls,
            (None, true) => Wire::Plain,
            (None, false) => Wire::Proxied,
        };
        let gate = Gate::new(Arc::clone(&outside) as _, config.http, Arc::clone(&clock));
        let feed = api::feed(life, &outside, daemon, stop, tracker);
        let house = Arc::clone(&outside) as _;
        let pages = crate::web::pages::router(house, gate.door(), wire, Arc::clone(&feed));
        let rest = Api {
            gate: Arc::clone(&gate),
            handler: handler.clone(),
            feed,
            daemon: Arc::clone(daemon),
            clock,
        };
        let rest = rest.routes();
        let metrics = counted::written(daemon, stop, tracker);
        let routes = if config.enabled {
            let (sessions, news) = (Arc::clone(&outside) as _, outside as _);
            let behind = Behind { handler, gate, sessions, news, metrics: Some(metrics) };
            mcp::http::router(behind, stop, tracker)
        } else {
            mcp::http::metrics_alone(gate, metrics)
        };
        let routes = routes.merge(rest);
        let address = server.address();
        let draining = draining.clone();
        let is_ready = move || !draining.is_cancelled();
        let routes = routes.merge(feeds).merge(slack).merge(pages);
        server.spawn(routes, Arc::new(is_ready), stop.clone(), tracker);
        address
    }
}

/// How addresses of ours begin for others: by the first name that we are known by, which has TLS before
/// it, or by where we listen; at every address means also at this machine's own.
fn public_address(config: &McpConfig, bound: SocketAddr) -> String {
    let bound = match bound.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => (Ipv4Addr::LOCALHOST, bound.port()).into(),
        IpAddr::V6(ip) if ip.is_unspecified() => (Ipv6Addr::LOCALHOST, bound.port()).into(),
        _ => bound,
    };
    match config.http.hosts.first() {
        Some(host) => format!("https://{host}"),
        None if config.tls.is_some() => format!("https://{bound}"),
        None => format!("http://{bound}"),
    }
}
