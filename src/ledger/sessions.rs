//! Sessions of clients from outside, so that they outlive a restart of the daemon.

use super::records::{self, Record};
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

/// A session as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutsideSession {
    /// Whose it is.
    pub owner: String,
    /// What its client said when it began, as the room that speaks to it wrote it down.
    pub handshake: String,
    /// When it began.
    pub begun: Timestamp,
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
        let session = OutsideSession { owner, handshake, begun: self.clock.wall() };
        let key = keys::session(id);
        for _ in 0..TRIES_MAX {
            let found: Option<Record<OutsideSession>> = self.read(&key).await?;
            let mut batch = records::replace(Batch::new(), &key, &session, found.as_ref())?
                .put(keys::session_at(session.begun, id), "{}");
            if let Some(old) = found.as_ref().filter(|old| old.value.begun != session.begun) {
                batch = batch.delete(keys::session_at(old.value.begun, id));
            }
            for (row, old) in self.surplus_sessions().await? {
                batch = batch.delete(row).delete(keys::session(&old));
            }
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
