//! REST, events and webhooks: what stands behind their routes.

use super::open;
use super::outside::Outside;
use crate::clock::{Clock, Entropy, SystemEntropy};
use crate::daemon::Daemon;
use crate::domain::{Arrival, PlaybookName};
use crate::mcp::Handler;
use crate::mcp::http::Gate;
use crate::tools::ToolRegistry;
use crate::tools::desk::DeskError;
use crate::web::api::{self, Behind};
use crate::web::events::{Feed, Happened};
use crate::web::hooks::{self, HookError, Hooks, Key, Sent};
use async_trait::async_trait;
use chrono::SecondsFormat;
use std::sync::Arc;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What REST needs of the house.
pub(super) struct Api {
    pub gate: Arc<Gate>,
    pub handler: Handler,
    pub feed: Arc<Feed>,
    pub daemon: Arc<Daemon>,
    pub clock: Arc<dyn Clock>,
}

/// What happens, told on the tracker until `stop`. `life` is another one in each process.
pub(super) fn feed(
    life: String,
    outside: &Arc<Outside>,
    daemon: &Arc<Daemon>,
    stop: &CancellationToken,
    tracker: &TaskTracker,
) -> Arc<Feed> {
    let feed = Feed::new(life, Arc::clone(outside) as _, stop.clone());
    tracker.spawn(Arc::clone(&feed).watch());
    tracker.spawn(forward(Arc::clone(daemon), Arc::clone(&feed), stop.clone()));
    tracker.spawn(acts(Arc::clone(&outside.tools), Arc::clone(&feed), stop.clone()));
    feed
}

impl Api {
    /// The routes.
    pub(super) fn routes(self) -> axum::Router {
        let Self { gate, handler, feed, daemon, clock } = self;
        let nobodys = Key::nobodys(&SystemEntropy.nonce());
        let hooks = hooks::router(Arc::new(Woken { daemon, clock }), nobodys);
        api::router(Behind { gate, handler, feed }).merge(hooks)
    }
}

/// A name for the events of one process.
pub(super) fn life(entropy: &dyn Entropy) -> String {
    entropy.nonce()
}

/// Passes on what the daemon does. What comes too fast to be passed on is left out.
async fn forward(daemon: Arc<Daemon>, feed: Arc<Feed>, stop: CancellationToken) {
    let mut lines = daemon.progress();
    drop(daemon);
    loop {
        let line = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            line = lines.recv() => line,
        };
        match line {
            Ok(line) => feed.tell(Happened::Progress {
                kind: line.kind,
                text: line.text,
                run: line.run.map(|run| run.to_string()),
                at: line.at.to_rfc3339_opts(SecondsFormat::AutoSi, true),
                data: line.data,
            }),
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return,
        }
    }
}

/// Tells that somebody worked the daemon. Of those that come too fast to be passed on one is told.
async fn acts(tools: Arc<ToolRegistry>, feed: Arc<Feed>, stop: CancellationToken) {
    let mut acts = tools.acts();
    drop(tools);
    loop {
        let act = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            act = acts.recv() => act,
        };
        match act {
            Ok(tool) => feed.tell(Happened::Acted { tool }),
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return,
        }
    }
}

/// Playbooks that other programs wake.
struct Woken {
    daemon: Arc<Daemon>,
    clock: Arc<dyn Clock>,
}

#[async_trait]
impl Hooks for Woken {
    fn key(&self, playbook: &str) -> Option<Key> {
        let webhook = self.daemon.webhook(&PlaybookName::new(playbook))?;
        let found = open::read_variable(&webhook.secret).unwrap_or_default();
        let read = Key::read(&found).map_err(|why| {
            tracing::error!(
                playbook,
                "environment variable {} {why}: no webhook can wake it",
                webhook.secret
            );
        });
        read.ok()
    }

    async fn receive(&self, playbook: &str, sent: Sent) -> Result<(String, bool), HookError> {
        let Sent { delivery, name, text } = sent;
        let (playbook, at) = (PlaybookName::new(playbook), self.clock.wall());
        let received = self.daemon.receive(Arrival { playbook, delivery, name, text, at }).await;
        match received {
            Ok(received) => Ok((received.occurrence.to_string(), received.is_repeated)),
            Err(DeskError::NotFound(_)) => Err(HookError::Unknown),
            Err(DeskError::Refused { message, .. }) => Err(HookError::NotNow(message)),
            Err(error) => Err(HookError::Failed(Box::new(error))),
        }
    }

    fn now(&self) -> i64 {
        self.clock.wall().timestamp()
    }
}
