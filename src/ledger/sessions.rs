//! Sessions of clients from outside, so that they outlive a restart of the daemon.

use super::records::{self, Found, Record};
use super::{Ledger, Result, TRIES_MAX, keys};
use crate::domain::{Timestamp, to_delta};
use crate::store::Batch;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A session that was begun so long ago is forgotten.
const KEPT: Duration = Duration::from_hours(30 * 24);
/// At most so many are kept; the oldest make room.
const SESSIONS_MAX: usize = 1_000;
/// So many make room at once.
const SURPLUS_MAX: usize = 100;
/// At most so many addresses are kept with a session; the ones that it asked for first make room.
const SUBSCRIBED_MAX: usize = 100;

/// A session as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutsideSession {
    /// Whose it is.
    pub owner: String,
    /// What its client said when it began, as the room that speaks to it wrote it down.
    pub handshake: String,
    /// When it began.
    pub begun: Timestamp,
    /// The addresses of whose changes its client wants to hear.
    #[serde(default)]
    pub subscribed: Vec<String>,
}

impl Ledger {
    /// A session by its name, unless it is too old.
    pub async fn outside_session(&self, id: &str) -> Result<Option<OutsideSession>> {
        let found: Option<Record<OutsideSession>> = self.read(&keys::session(id)).await?;
        let now = self.clock.wall();
        Ok(found.map(|record| record.value).filter(|s| now - s.begun < to_delta(KEPT)))
    }

    /// Keeps a session, and forgets those for which there is no more room.
    pub async fn keep_outside_session(&self, id: &str, owner: &str, handshake: &str) -> Result<()> {
        let (owner, handshake) = (owner.to_owned(), handshake.to_owned());
        let (begun, subscribed) = (self.clock.wall(), Vec::new());
        let session = OutsideSession { owner, handshake, begun, subscribed };
        let key = keys::session(id);
        for _ in 0..TRIES_MAX {
            let found: Option<Record<OutsideSession>> = self.read(&key).await?;
            let mut batch = records::replace(Batch::new(), &key, &session, found.as_ref())?
                .put(keys::session_at(session.begun, id), "{}");
            if let Some(old) = found.as_ref().filter(|old| old.value.begun != session.begun) {
                batch = batch.delete(keys::session_at(old.value.begun, id));
            }
            for (row, old) in self.surplus_sessions().await? {
                let key = keys::session(&old);
                batch = match self.find::<OutsideSession>(&key).await? {
                    Found::Newer => continue,
                    Found::Nothing => batch.delete(row),
                    Found::Known(found) => records::remove(batch.delete(row), &key, &found),
                };
            }
            if self.try_commit(batch).await? {
                return Ok(());
            }
        }
        Err(records::contended("the sessions"))
    }

    /// A session's client wants to hear of an address, or does not any more. Of a session that is not
    /// kept nothing is.
    pub async fn subscribe_outside_session(
        &self,
        id: &str,
        address: &str,
        wants: bool,
    ) -> Result<()> {
        let key = keys::session(id);
        for _ in 0..TRIES_MAX {
            let Some(found) = self.read::<OutsideSession>(&key).await? else { return Ok(()) };
            let mut session = found.value.clone();
            if session.subscribed.iter().any(|known| known == address) == wants {
                return Ok(());
            }
            if wants {
                session.subscribed.push(address.to_owned());
                let surplus = session.subscribed.len().saturating_sub(SUBSCRIBED_MAX);
                session.subscribed.drain(..surplus);
            } else {
                session.subscribed.retain(|known| known != address);
            }
            let batch = records::replace(Batch::new(), &key, &session, Some(&found))?;
            if self.try_commit(batch).await? {
                return Ok(());
            }
        }
        Err(records::contended("the sessions"))
    }

    /// Forgets a session; it may be gone already.
    pub async fn forget_outside_session(&self, id: &str) -> Result<()> {
        let key = keys::session(id);
        for _ in 0..TRIES_MAX {
            let Some(found) = self.read::<OutsideSession>(&key).await? else { return Ok(()) };
            let batch = records::remove(Batch::new(), &key, &found);
            let batch = batch.delete(keys::session_at(found.value.begun, id));
            if self.try_commit(batch).await? {
                return Ok(());
            }
        }
        Err(records::contended("the sessions"))
    }

    /// The oldest sessions for which there is no more room, as rows of the list and names.
    async fn surplus_sessions(&self) -> Result<Vec<(String, String)>> {
        let rows = self.store.scan(keys::SESSION_AT, None, SESSIONS_MAX + SURPLUS_MAX).await?;
        let surplus = (rows.len() + 1).saturating_sub(SESSIONS_MAX);
        let names = rows.into_iter().take(surplus).filter_map(|row| {
            let name = row.key.rsplit_once('/').map(|(_, name)| name.to_owned())?;
            Some((row.key, name))
        });
        Ok(names.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_that_was_kept_before_subscriptions_were_is_read_and_has_none() {
        let text = r#"{"owner":"token 1","handshake":"{}","begun":"2026-11-23T08:00:00Z"}"#;
        let session: OutsideSession = serde_json::from_str(text).unwrap();
        assert_eq!((session.owner.as_str(), session.subscribed), ("token 1", Vec::new()));
    }
}
