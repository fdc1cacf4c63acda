//! Who wants to hear when something at an address changes, and telling them.

use super::resources::{About, Address};
use async_trait::async_trait;
use rmcp::RoleServer;
use rmcp::model::ResourceUpdatedNotificationParam;
use rmcp::service::{Peer, SubscriptionSink};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// So often the board is asked for news, while somebody wants to hear them.
const EVERY: Duration = Duration::from_secs(1);
/// At most so many subscriptions.
const MAX: usize = 10_000;

/// Says what changed on the board.
#[async_trait]
pub trait News: Send + Sync {
    /// What changed after the row `last` of the board's activity, and the last row there is now.
    /// `None` asks only for the last row.
    async fn since(&self, last: Option<i64>) -> Result<(BTreeSet<About>, i64), NewsError>;
}

/// Why there are no news.
#[derive(Debug, thiserror::Error)]
#[error("the board's news could not be read")]
pub struct NewsError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// Where somebody hears.
#[derive(Clone)]
enum Ear {
    /// A session of the handshake's clients.
    Session(Peer<RoleServer>),
    /// The open answer of a client without a handshake.
    Listening(SubscriptionSink),
}

struct Entry {
    number: u64,
    /// Whose it is.
    session: String,
    about: About,
    uri: String,
    ear: Ear,
}

/// The subscriptions of all clients.
#[derive(Default)]
pub(super) struct Subscriptions {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    entries: Vec<Entry>,
    last_number: u64,
}

impl Subscriptions {
    /// A session wants to hear of an address. False: there are too many.
    pub(super) fn add_session(
        &self,
        session: &str,
        address: &Address,
        peer: Peer<RoleServer>,
    ) -> bool {
        let Some(about) = address.about else { return true };
        self.remove_session(session, &address.uri);
        self.add(session, about, &address.uri, Ear::Session(peer)).is_some()
    }

    /// A session does not want to hear of it any more.
    pub(super) fn remove_session(&self, session: &str, uri: &str) {
        let mut inner = self.lock();
        inner.entries.retain(|entry| entry.session != session || entry.uri != uri);
    }

    /// Somebody listens to addresses until the numbers that are returned are removed.
    pub(super) fn listen(&self, addresses: &[Address], sink: &SubscriptionSink) -> Vec<u64> {
        let of = |address: &Address| Some((address.about?, address.uri.clone()));
        let wanted = addresses.iter().filter_map(of);
        wanted
            .filter_map(|(about, uri)| self.add("", about, &uri, Ear::Listening(sink.clone())))
            .collect()
    }

    pub(super) fn remove(&self, numbers: &[u64]) {
        self.lock().entries.retain(|entry| !numbers.contains(&entry.number));
    }

    fn add(&self, session: &str, about: About, uri: &str, ear: Ear) -> Option<u64> {
        let mut inner = self.lock();
        if inner.entries.len() >= MAX {
            return None;
        }
        inner.last_number += 1;
        let (number, session) = (inner.last_number, session.to_owned());
        inner.entries.push(Entry { number, session, about, uri: uri.to_owned(), ear });
        Some(number)
    }

    fn is_empty(&self) -> bool {
        self.lock().entries.is_empty()
    }

    /// Those who want to hear of this, as numbers, addresses and ears.
    fn hearers(&self, changed: &BTreeSet<About>) -> Vec<(u64, String, Ear)> {
        let inner = self.lock();
        let hears = inner.entries.iter().filter(|entry| changed.contains(&entry.about));
        hears.map(|entry| (entry.number, entry.uri.clone(), entry.ear.clone())).collect()
    }

    /// Tells of the board's news until it is stopped; asks for none while nobody listens.
    pub(super) async fn tell(self: Arc<Self>, news: Arc<dyn News>, stop: CancellationToken) {
        let mut last = None;
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = tokio::time::sleep(EVERY) => {}
            }
            if self.is_empty() {
                last = None;
                continue;
            }
            match news.since(last).await {
                Ok((changed, now)) => {
                    last = Some(now);
                    self.tell_of(&changed).await;
                }
                Err(error) => tracing::debug!(%error, "nobody is told of news now"),
            }
        }
    }

    async fn tell_of(&self, changed: &BTreeSet<About>) {
        let mut gone = Vec::new();
        for (number, uri, ear) in self.hearers(changed) {
            let heard = match &ear {
                Ear::Session(peer) if peer.is_transport_closed() => false,
                Ear::Session(peer) => {
                    let update = ResourceUpdatedNotificationParam::new(uri);
                    peer.notify_resource_updated(update).await.is_ok()
                }
                Ear::Listening(sink) => sink.notify_resource_updated(uri).await.is_ok(),
            };
            if !heard {
                gone.push(number);
            }
        }
        self.remove(&gone);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
