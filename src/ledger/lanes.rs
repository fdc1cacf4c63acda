//! Which daemon tells what waits for a channel: of several that share a store one at a time, for as long
//! as it says so again. So nothing is told twice side by side, and the order of a queue is kept.

use super::begun::LifeOf;
use super::records::{self, Record, contended};
use super::{Ledger, Result, TRIES_MAX, keys};
use crate::domain::{Channel, StoreTime};
use crate::store::Batch;
use serde::{Deserialize, Serialize};
use std::time::Duration;

#[derive(Debug, Serialize, Deserialize)]
struct Lane {
    whose: LifeOf,
    until: StoreTime,
}

impl Ledger {
    /// Takes the way to a channel for so long: until when it is this daemon's, on the boot-time clock.
    /// `None`: another one has it. What an earlier life of this daemon had is this one's.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn take_lane(&self, channel: &Channel, lease: Duration) -> Result<Option<Duration>> {
        let key = keys::lane(channel);
        for _ in 0..TRIES_MAX {
            let started = self.clock.boot();
            let looked = records::look::<Lane>(self.store.as_ref(), &key).await;
            let (now, found) = match looked {
                // Until when it is whose, nobody here can tell.
                Err(error) if records::is_newer(&error) => return Ok(None),
                looked => looked?,
            };
            let is_anothers = found.as_ref().is_some_and(|found| {
                let lane = &found.value;
                lane.whose.daemon != self.options.daemon && !lane.until.is_past(&now)
            });
            if is_anothers {
                return Ok(None);
            }
            let lane = Lane { whose: self.own_life(), until: now.plus(lease) };
            let batch = records::replace(Batch::new(), &key, &lane, found.as_ref())?;
            if self.try_commit(batch).await? {
                return Ok(Some(started + lease));
            }
        }
        Err(contended(key))
    }

    /// Leaves it to whoever comes next.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn leave_lane(&self, channel: &Channel) -> Result<()> {
        let key = keys::lane(channel);
        let found: Option<Record<Lane>> = self.read_known(&key).await?;
        if let Some(found) = found.filter(|found| found.value.whose == self.own_life()) {
            self.try_commit(records::remove(Batch::new(), &key, &found)).await?;
        }
        Ok(())
    }
}
