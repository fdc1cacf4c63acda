//! The daemons that share a store: who they are, which of them are there, which take no new work.
//!
//! Each writes a record of its own, again and again, and nobody else writes it: one of a later version
//! is left as it is. What people say about a daemon stands beside it. A daemon that has written nothing
//! for a lease, by the store's time, is gone, and what it had begun may be taken over. Until when it
//! may believe that it is there itself, is told by its boot-time clock, as for a claim.

use super::records::{self, Record, contended};
use super::{Ledger, LedgerError, Result, TRIES_MAX, keys};
use crate::domain::{DaemonId, LifeId, StoreTime, Timestamp, millis};
use crate::store::{Batch, Row};
use chrono::TimeDelta;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// More daemons than ever share a store.
const DAEMONS_MAX: usize = 10_000;
/// So long after it was there last a daemon is remembered.
const REMEMBERED: TimeDelta = TimeDelta::days(7);

/// What a daemon says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DaemonRecord {
    /// Its name.
    pub id: DaemonId,
    /// Which of its lives.
    pub life: LifeId,
    /// The version of its program.
    pub version: String,
    /// Its labels, which `runs_on` asks for.
    #[serde(default)]
    pub labels: Vec<String>,
    /// Runs at once.
    pub slots: u32,
    /// When this life began, by its own clock: for people.
    pub since: Timestamp,
    /// When it wrote this last, by its own clock: for people.
    pub at: Timestamp,
    /// The same in the store's own time.
    pub seen: StoreTime,
    /// When it is gone unless it writes again, in the store's own time.
    pub until: StoreTime,
    /// When it ended in good order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<Timestamp>,
}

/// That a daemon takes no new work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drained {
    /// Which.
    pub daemon: DaemonId,
    /// Who said so.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// A daemon as the others know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownDaemon {
    /// What it says of itself.
    pub record: DaemonRecord,
    /// Whether it takes no new work.
    pub drained: Option<Drained>,
    /// Whether it is there.
    pub is_there: bool,
    /// How long ago it was seen; `None`: on a clock that no longer runs.
    pub seen_ago: Option<Duration>,
}

/// As what a daemon is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enrolment {
    /// The version of its program.
    pub version: String,
    /// Its labels.
    pub labels: Vec<String>,
    /// Runs at once.
    pub slots: u32,
    /// When this life began.
    pub since: Timestamp,
    /// It is gone when it has written nothing for so long.
    pub lease: Duration,
}

/// How a daemon stands that said that it is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It is there.
    There,
    /// It is, and was gone for the others meanwhile: they may have taken over what it had begun. It
    /// believes that it is there only once it has let go of that ([`Ledger::come_back`]).
    Back,
    /// Another life has its name.
    Taken(Box<DaemonRecord>),
}

impl DaemonRecord {
    /// Whether it is there at this time of the store.
    pub fn is_there(&self, now: &StoreTime) -> bool {
        self.left.is_none() && !self.until.is_past(now)
    }
}

impl Ledger {
    /// This life is there from now on, unless another one has its name that is there.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn enroll(&self, ask: &Enrolment) -> Result<Presence> {
        self.be_there(ask, true).await
    }

    /// It still is.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn stay(&self, ask: &Enrolment) -> Result<Presence> {
        self.be_there(ask, false).await
    }

    async fn be_there(&self, ask: &Enrolment, begins: bool) -> Result<Presence> {
        let (id, life) = (&self.options.daemon, &self.options.life);
        let key = keys::daemon(id);
        for _ in 0..TRIES_MAX {
            // What may be believed counts from before the store was asked for anything.
            let started = self.clock.boot();
            let now = self.store.now().await?;
            let found: Option<Record<DaemonRecord>> = self.read(&key).await?;
            let known = found.as_ref().map(|found| &found.value);
            if let Some(other) = known.filter(|known| known.life != *life)
                && (!begins || other.is_there(&now))
            {
                if !begins {
                    // Nothing that this life began is its own any more.
                    self.there_until.store(1, Ordering::Release);
                }
                return Ok(Presence::Taken(Box::new(other.clone())));
            }
            let was_there = known.is_some_and(|known| known.is_there(&now));
            if !begins && !was_there {
                // Before it is written: the answer to that may be lost.
                self.was_gone.store(true, Ordering::Release);
            }
            let record = DaemonRecord {
                id: id.clone(),
                life: life.clone(),
                version: ask.version.clone(),
                labels: ask.labels.clone(),
                slots: ask.slots,
                since: ask.since,
                at: self.clock.wall(),
                until: now.plus(ask.lease),
                seen: now,
                left: None,
            };
            let batch = records::replace(Batch::new(), &key, &record, found.as_ref())?;
            if self.try_commit(batch).await? {
                let until = (started + ask.lease).saturating_sub(self.options.margin);
                self.there_until.fetch_max(millis(until), Ordering::AcqRel);
                return Ok(if begins || was_there { Presence::There } else { Presence::Back });
            }
        }
        Err(contended(key))
    }

    /// Whether this daemon may believe that it is there for the others. One that never said so is alone.
    pub fn is_there(&self) -> bool {
        let until = self.there_until.load(Ordering::Acquire);
        !self.was_gone.load(Ordering::Acquire) && (until == 0 || millis(self.clock.boot()) < until)
    }

    /// What this daemon had begun before it was gone for the others is let go: it may believe that it is
    /// there as soon as it has said so.
    pub fn come_back(&self) {
        self.was_gone.store(false, Ordering::Release);
    }

    /// This life ends in good order.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn leave(&self) -> Result<()> {
        let key = keys::daemon(&self.options.daemon);
        for _ in 0..TRIES_MAX {
            let found: Option<Record<DaemonRecord>> = self.read(&key).await?;
            let Some(found) = found.filter(|found| found.value.life == self.options.life) else {
                return Ok(());
            };
            let gone = DaemonRecord { left: Some(self.clock.wall()), ..found.value.clone() };
            let batch = records::replace(Batch::new(), &key, &gone, Some(&found))?;
            if self.try_commit(batch).await? {
                return Ok(());
            }
        }
        Err(contended(key))
    }

    /// Every daemon that is remembered, by name. What a later version wrote otherwise is left out.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn daemons(&self) -> Result<Vec<KnownDaemon>> {
        // The time first: whoever writes after that is there.
        let now = self.store.now().await?;
        let rows = self.store.scan(keys::DAEMON, None, DAEMONS_MAX).await?;
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let drained = self.store.scan(keys::DRAINED, None, DAEMONS_MAX).await?;
        let drained: Vec<Drained> = drained.iter().filter_map(readable).collect();
        let known = rows.iter().filter_map(readable).map(|record: DaemonRecord| KnownDaemon {
            drained: drained.iter().find(|drained| drained.daemon == record.id).cloned(),
            is_there: record.is_there(&now),
            seen_ago: (record.seen.era == now.era)
                .then(|| Duration::from_millis(now.ms.saturating_sub(record.seen.ms))),
            record,
        });
        Ok(known.collect())
    }

    /// From now on a daemon takes no new work, or (`false`) it does again; false when it was so before.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`]: no daemon of this name is remembered.
    pub async fn drain_daemon(&self, id: &DaemonId, drained: bool, by: &str) -> Result<bool> {
        let key = keys::drained(id);
        let is_own = *id == self.options.daemon;
        if !is_own && self.store.get(&keys::daemon(id)).await?.is_none() {
            return Err(LedgerError::NotFound { what: format!("daemon {id}") });
        }
        for _ in 0..TRIES_MAX {
            let found: Option<Record<Drained>> = self.read(&key).await?;
            let (batch, what) = match (&found, drained) {
                (Some(_), true) | (None, false) => return Ok(false),
                (Some(found), false) => (records::remove(Batch::new(), &key, found), "undrain"),
                (None, true) => {
                    let (daemon, by) = (id.clone(), by.to_owned());
                    let new = Drained { daemon, by, at: self.clock.wall() };
                    (records::create(Batch::new(), &key, &new)?, "drain")
                }
            };
            let (audited, _) = self.audit_batch(by, what, id.as_str()).await?;
            if self.try_commit(batch.and(audited)).await? {
                return Ok(true);
            }
        }
        Err(contended(key))
    }

    /// Who said that this daemon takes no new work, if somebody did.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn drained(&self) -> Result<Option<Drained>> {
        let found = self.read(&keys::drained(&self.options.daemon)).await?;
        Ok(found.map(|found| found.value))
    }

    /// Forgets daemons that have been gone for long.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn forget_daemons(&self) -> Result<()> {
        let long_ago = self.clock.wall() - REMEMBERED;
        for known in self.daemons().await? {
            let is_own = known.record.id == self.options.daemon;
            if is_own || known.is_there || known.record.at >= long_ago {
                continue;
            }
            let key = keys::daemon(&known.record.id);
            let found: Option<Record<DaemonRecord>> = self.read(&key).await?;
            if let Some(found) = found.filter(|found| found.value == known.record) {
                let batch = records::remove(Batch::new(), &key, &found);
                self.try_commit(batch.delete(keys::drained(&known.record.id))).await?;
            }
        }
        Ok(())
    }
}

/// A record, unless it is one that only a later version can read.
fn readable<T: DeserializeOwned>(row: &Row) -> Option<T> {
    let read = serde_json::from_slice(&row.value);
    if let Err(error) = &read {
        tracing::debug!(key = %row.key, %error, "a record of another version is left alone");
    }
    read.ok()
}
