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
            let mut batch = records::replace(Batch::new(), &key, &session, found.as_ref())?;
            for (key, old) in self.surplus_sessions().await? {
                batch = records::remove(batch, &key, &old);
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
            if self.try_commit(records::remove(Batch::new(), &key, &found)).await? {
                return Ok(());
            }
        }
        Err(records::contended("the sessions"))
    }

    async fn surplus_sessions(&self) -> Result<Vec<(String, Record<OutsideSession>)>> {
        let mut all: Vec<(String, Record<OutsideSession>)> =
            records::scan_all(self.store.as_ref(), keys::SESSION, 2 * SESSIONS_MAX).await?;
        if all.len() < SESSIONS_MAX {
            return Ok(Vec::new());
        }
        all.sort_by_key(|(_, record)| record.value.begun);
        let surplus = all.len() + 1 - SESSIONS_MAX;
        all.truncate(surplus);
        Ok(all)
    }
}
