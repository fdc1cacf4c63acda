//! Who wants to hear when something at an address changes, and telling them.

use super::caller::{Access, Caller};
use super::http::SessionKeeper;
use super::resources::{About, Address};
use crate::domain::Role;
use async_trait::async_trait;
use futures::future::join_all;
use rmcp::RoleServer;
use rmcp::model::ResourceUpdatedNotificationParam;
use rmcp::service::{Peer, SubscriptionSink};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// So often the board is asked for news, while somebody wants to hear them.
const EVERY: Duration = Duration::from_secs(1);
/// Whoever does not take a word within this time does not hear any more: the others do not wait.
const PATIENCE: Duration = Duration::from_secs(2);
/// At most so many subscriptions.
const MAX: usize = 10_000;
/// At most so many of one caller.
const MAX_OF_ONE: usize = 500;
/// At most so many addresses in one open answer.
pub(super) const LISTENED_MAX: usize = 100;

/// Says what changed on the board.
#[async_trait]
pub trait News: Send + Sync {
    /// What changed after the row `last` of the board's activity, and the last row there is now.
    /// `None` asks only for the last row.
    async fn since(&self, last: Option<i64>) -> Result<(BTreeSet<About>, i64), NewsError>;

    /// Whether this is there for somebody, so that they may hear of it.
    async fn sees(&self, caller: &Caller, about: About) -> bool;

    /// Whether what a run is about is there for somebody. `None`: what is told is of no run.
    async fn sees_run(&self, caller: &Caller, run: Option<&str>) -> bool;
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

#[derive(Clone)]
struct Entry {
    number: u64,
    /// Which session; empty for an open answer.
    session: String,
    /// Who asked, as they were looked at last.
    caller: Arc<Caller>,
    about: About,
    uri: String,
    ear: Ear,
}

/// The subscriptions of all clients.
#[derive(Default)]
pub(super) struct Subscriptions {
    news: OnceLock<Arc<dyn News>>,
    /// Where those of sessions outlive a restart.
    keeper: OnceLock<Arc<dyn SessionKeeper>>,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    entries: Vec<Entry>,
    last_number: u64,
    /// Those who may have missed something: they are told with the next news, whatever changed.
    late: BTreeSet<u64>,
    /// Up to where the board's activity was told.
    told: i64,
}

/// There is no room for another subscription.
#[derive(Debug)]
pub(super) struct Full;

impl Subscriptions {
    /// Those of sessions are kept there.
    pub(super) fn keep_with(&self, keeper: Arc<dyn SessionKeeper>) {
        let _ = self.keeper.set(keeper);
    }

    /// A session wants to hear of an address.
    pub(super) async fn add_session(
        &self,
        (session, caller): (&str, &Arc<Caller>),
        address: &Address,
        peer: Peer<RoleServer>,
    ) -> Result<(), Full> {
        let Some(about) = address.about else { return Ok(()) };
        let now = self.now().await;
        self.remove_session(session, Some(&address.uri));
        self.add((session, caller), (about, &address.uri), Ear::Session(peer), now)?;
        self.keep(session, &address.uri, true).await;
        Ok(())
    }

    /// A session does not want to hear of an address any more.
    pub(super) async fn leave(&self, session: &str, uri: &str) {
        self.remove_session(session, Some(uri));
        self.keep(session, uri, false).await;
    }

    async fn keep(&self, session: &str, uri: &str, wants: bool) {
        let Some(keeper) = self.keeper.get() else { return };
        if let Err(error) = keeper.subscribe(session, uri, wants).await {
            tracing::warn!(%error, "what a session wants to hear will not outlive a restart");
        }
    }

    /// A session is there again that was put away, or begun before we were: it hears of what it wanted
    /// to hear of. What changed meanwhile nobody knows, so it is told of all of that once.
    pub(super) async fn take_up(
        &self,
        (session, caller): (&str, &Arc<Caller>),
        peer: &Peer<RoleServer>,
    ) {
        let Some(keeper) = self.keeper.get() else { return };
        let kept = match keeper.load(session).await {
            Ok(kept) => kept.filter(|kept| kept.owner == caller.id),
            Err(error) => {
                tracing::warn!(%error, "what a session wanted to hear could not be looked up");
                None
            }
        };
        let Some(kept) = kept.filter(|kept| !kept.subscribed.is_empty()) else { return };
        let now = self.now().await;
        self.remove_session(session, None);
        for uri in &kept.subscribed {
            let Some(about) = Address::parse(uri).and_then(|address| address.about) else {
                continue;
            };
            let ear = Ear::Session(peer.clone());
            let Ok(number) = self.add((session, caller), (about, uri), ear, now) else { return };
            self.lock().late.insert(number);
        }
    }

    /// A session hears of an address no more, or of anything.
    pub(super) fn remove_session(&self, session: &str, uri: Option<&str>) {
        let mut inner = self.lock();
        let is_over =
            |entry: &Entry| entry.session == session && uri.is_none_or(|uri| entry.uri == uri);
        inner.entries.retain(|entry| !is_over(entry));
    }

    /// Somebody listens to addresses until the numbers that are returned are removed.
    pub(super) async fn listen(
        &self,
        caller: &Arc<Caller>,
        addresses: &[Address],
        sink: &SubscriptionSink,
    ) -> Vec<u64> {
        let now = self.now().await;
        let of = |address: &Address| Some((address.about?, address.uri.clone()));
        let wanted = addresses.iter().filter_map(of);
        let add = |(about, uri): (About, String)| {
            self.add(("", caller), (about, &uri), Ear::Listening(sink.clone()), now).ok()
        };
        wanted.filter_map(add).collect()
    }

    pub(super) fn remove(&self, numbers: &[u64]) {
        self.lock().entries.retain(|entry| !numbers.contains(&entry.number));
    }

    /// Where the board's activity is now: what changes from here on is told to whoever subscribes.
    async fn now(&self) -> Option<i64> {
        match self.news.get()?.since(None).await {
            Ok((_, now)) => Some(now),
            Err(_) => None,
        }
    }

    fn add(
        &self,
        (session, caller): (&str, &Arc<Caller>),
        (about, uri): (About, &str),
        ear: Ear,
        now: Option<i64>,
    ) -> Result<u64, Full> {
        let mut inner = self.lock();
        let own = inner.entries.iter().filter(|entry| entry.caller.id == caller.id).count();
        if inner.entries.len() >= MAX || own >= MAX_OF_ONE {
            return Err(Full);
        }
        if inner.entries.is_empty() {
            inner.told = now.unwrap_or(inner.told);
        }
        inner.last_number += 1;
        let (session, caller, uri) = (session.to_owned(), Arc::clone(caller), uri.to_owned());
        let number = inner.last_number;
        inner.entries.push(Entry { number, session, caller, about, uri, ear });
        Ok(number)
    }

    /// Those who want to hear of this, and those who may have missed something.
    fn hearers(&self, changed: &BTreeSet<About>) -> Vec<Entry> {
        let mut inner = self.lock();
        let late = std::mem::take(&mut inner.late);
        let hears = |entry: &&Entry| changed.contains(&entry.about) || late.contains(&entry.number);
        inner.entries.iter().filter(hears).cloned().collect()
    }

    /// Tells whoever is let in with this role of the board's news, until it is stopped; asks for none while
    /// nobody listens.
    pub(super) async fn tell(
        self: Arc<Self>,
        news: Arc<dyn News>,
        (access, needed): (Arc<dyn Access>, Role),
        stop: CancellationToken,
    ) {
        let _ = self.news.set(Arc::clone(&news));
        loop {
            let round = async {
                tokio::time::sleep(EVERY).await;
                let told = {
                    let inner = self.lock();
                    (!inner.entries.is_empty()).then_some(inner.told)
                };
                let Some(told) = told else { return };
                match news.since(Some(told)).await {
                    Ok((changed, now)) => {
                        self.lock().told = now;
                        let access = (access.as_ref(), needed);
                        self.tell_of(&changed, access, news.as_ref()).await;
                    }
                    Err(error) => tracing::debug!(%error, "nobody is told of news now"),
                }
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = round => {}
            }
        }
    }

    /// Everybody at once, and nobody for long. Each is looked at anew: whose token or role does not suffice
    /// any more hears nothing.
    async fn tell_of(
        &self,
        changed: &BTreeSet<About>,
        (access, needed): (&dyn Access, Role),
        news: &dyn News,
    ) {
        let hearers = self.hearers(changed);
        let before: BTreeMap<&String, &Arc<Caller>> =
            hearers.iter().map(|entry| (&entry.caller.id, &entry.caller)).collect();
        let mut by_now = BTreeMap::new();
        for (id, before) in before {
            let now = access.still(before).await;
            let now = now.filter(|now| now.principal.person.role >= needed);
            by_now.extend(now.map(|now| (id.clone(), Arc::new(now))));
        }
        self.are_now(&by_now);
        let tell = |entry: &Entry| {
            let (number, ear, uri) = (entry.number, entry.ear.clone(), entry.uri.clone());
            let (caller, about) = (by_now.get(&entry.caller.id).cloned(), entry.about);
            async move {
                let Some(caller) = caller else { return (number, false) };
                // Who may not see it by now is not told, and hears again once they may.
                (number, !news.sees(&caller, about).await || hears(ear, uri).await)
            }
        };
        let told = join_all(hearers.iter().map(tell)).await;
        let gone: Vec<u64> =
            told.into_iter().filter(|(_, heard)| !heard).map(|(number, _)| number).collect();
        if !gone.is_empty() {
            self.remove(&gone);
        }
    }

    /// Remembers whoever was looked at anew: they hold where the board does not say the next time.
    fn are_now(&self, by_now: &BTreeMap<String, Arc<Caller>>) {
        for entry in &mut self.lock().entries {
            if let Some(now) = by_now.get(&entry.caller.id) {
                entry.caller = Arc::clone(now);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn hears(ear: Ear, uri: String) -> bool {
    let told = async {
        match &ear {
            Ear::Session(peer) if peer.is_transport_closed() => false,
            Ear::Session(peer) => {
                let update = ResourceUpdatedNotificationParam::new(uri);
                peer.notify_resource_updated(update).await.is_ok()
            }
            Ear::Listening(sink) => sink.notify_resource_updated(uri).await.is_ok(),
        }
    };
    tokio::time::timeout(PATIENCE, told).await.unwrap_or(false)
}
