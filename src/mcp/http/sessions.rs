//! Sessions of the handshake's clients: whose they are, how many, and how they outlive a restart.

use crate::clock::Clock;
use crate::mcp::subscriptions::Subscriptions;
use async_trait::async_trait;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::session::store::SessionStoreError;
use rmcp::transport::streamable_http_server::session::{
    SessionManager as _, SessionState, SessionStore,
};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A longer handshake is not kept over a restart.
const HANDSHAKE_BYTES_MAX: usize = 8 * 1024;
/// Handshakes whose answer is on its way.
const UNNAMED_MAX: usize = 1_000;
/// The longest name of a session.
const NAME_BYTES_MAX: usize = 128;

/// A session as it is kept over a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptSession {
    /// Its name.
    pub id: String,
    /// Whose it is ([`super::super::Caller::id`]).
    pub owner: String,
    /// What its client said in the handshake, as JSON.
    pub handshake: String,
    /// The addresses of whose changes its client wants to hear; told by `subscribe` alone.
    #[serde(default)]
    pub subscribed: Vec<String>,
}

/// Why a session is not kept.
#[derive(Debug, thiserror::Error)]
#[error("sessions cannot be kept")]
pub struct SessionError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// Keeps sessions where they outlive a restart.
#[async_trait]
pub trait SessionKeeper: Send + Sync {
    /// One of them.
    async fn load(&self, id: &str) -> Result<Option<KeptSession>, SessionError>;
    /// Keeps one that begins.
    async fn keep(&self, session: &KeptSession) -> Result<(), SessionError>;
    /// One that is kept wants to hear of an address, or does not any more.
    async fn subscribe(&self, id: &str, uri: &str, wants: bool) -> Result<(), SessionError>;
    /// Forgets one; it may be gone already.
    async fn forget(&self, id: &str) -> Result<(), SessionError>;
}

/// What is known of a session while we run.
#[derive(Debug)]
struct Known {
    owner: String,
    used: Duration,
}

/// The sessions with their owners. The SDK knows nothing of owners: it is told whose a handshake is
/// by the guard, which names the owner when the session's name has been sent.
pub(super) struct OwnedSessions {
    keeper: Arc<dyn SessionKeeper>,
    /// Where those live that are under way.
    manager: Arc<LocalSessionManager>,
    /// What they wanted to hear ends with them.
    subscriptions: Arc<Subscriptions>,
    /// Sessions of one caller.
    max: usize,
    clock: Arc<dyn Clock>,
    known: Mutex<HashMap<String, Known>>,
    /// Handshakes whose owner is not named yet.
    unnamed: Mutex<HashMap<String, String>>,
}

impl OwnedSessions {
    pub(super) fn new(
        keeper: Arc<dyn SessionKeeper>,
        (manager, subscriptions): (Arc<LocalSessionManager>, Arc<Subscriptions>),
        max: usize,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let (known, unnamed) = Default::default();
        Self { keeper, manager, subscriptions, max, clock, known, unnamed }
    }

    /// Whether this caller may use the session. One that is another's looks as if it were not there.
    pub(super) async fn may_use(&self, id: &str, caller: &str) -> bool {
        if id.is_empty() || id.len() > NAME_BYTES_MAX {
            return false;
        }
        let now = self.clock.boot();
        if let Some(known) = lock(&self.known).get_mut(id) {
            known.used = now;
            return known.owner == caller;
        }
        match self.keeper.load(id).await {
            Ok(Some(kept)) => {
                let is_owner = kept.owner == caller;
                lock(&self.known).insert(id.to_owned(), Known { owner: kept.owner, used: now });
                is_owner
            }
            Ok(None) => false,
            Err(error) => {
                tracing::warn!(%error, "a session could not be looked up");
                false
            }
        }
    }

    /// The session is this caller's; those that it used longest ago make room.
    pub(super) async fn name_owner(&self, id: &str, caller: &str) {
        let handshake = lock(&self.unnamed).remove(id);
        let used = self.clock.boot();
        let surplus = {
            let mut known = lock(&self.known);
            known.insert(id.to_owned(), Known { owner: caller.to_owned(), used });
            let mut own: Vec<(Duration, String)> = known
                .iter()
                .filter(|(_, known)| known.owner == caller)
                .map(|(id, known)| (known.used, id.clone()))
                .collect();
            own.sort();
            let surplus = own.len().saturating_sub(self.max);
            let surplus: Vec<String> = own.into_iter().take(surplus).map(|(_, id)| id).collect();
            for id in &surplus {
                known.remove(id);
            }
            surplus
        };
        // A client that says very much of itself begins again after a restart.
        if let Some(handshake) = handshake.filter(|text| text.len() <= HANDSHAKE_BYTES_MAX) {
            let owner = caller.to_owned();
            let (id, subscribed) = (id.to_owned(), Vec::new());
            let kept = KeptSession { id, owner, handshake, subscribed };
            if let Err(error) = self.keeper.keep(&kept).await {
                tracing::warn!(%error, "a session will not outlive a restart");
            }
        }
        for id in surplus {
            if let Err(error) = self.manager.close_session(&id.as_str().into()).await {
                tracing::debug!(%error, "a session that made room was gone already");
            }
            self.end(&id).await;
        }
    }

    /// How many are under way.
    pub(super) async fn count(&self) -> usize {
        self.manager.sessions.read().await.len()
    }

    /// The session is over.
    pub(super) async fn end(&self, id: &str) {
        lock(&self.known).remove(id);
        self.subscriptions.remove_session(id, None);
        if let Err(error) = self.keeper.forget(id).await {
            tracing::warn!(%error, "a session could not be forgotten");
        }
    }
}

#[async_trait]
impl SessionStore for OwnedSessions {
    async fn load(&self, id: &str) -> Result<Option<SessionState>, SessionStoreError> {
        let Some(kept) = self.keeper.load(id).await? else { return Ok(None) };
        Ok(Some(serde_json::from_str(&kept.handshake)?))
    }

    async fn store(&self, id: &str, state: &SessionState) -> Result<(), SessionStoreError> {
        let handshake = serde_json::to_string(state)?;
        let mut unnamed = lock(&self.unnamed);
        // Each is named within the same request, unless its client hung up before.
        if unnamed.len() >= UNNAMED_MAX {
            unnamed.clear();
        }
        unnamed.insert(id.to_owned(), handshake);
        Ok(())
    }

    async fn delete(&self, id: &str) -> Result<(), SessionStoreError> {
        self.end(id).await;
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
