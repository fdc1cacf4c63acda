//! The daemons that share a store: who they are, which of them are there, which take no new work.
//!
//! Each writes a record of its own, again and again, and nobody else writes it: one of a later version
//! is left as it is. What people say about a daemon stands beside it. A daemon that has written nothing
//! for a lease, by the store's time, is gone, and what it had begun may be taken over. Until when it
//! may believe that it is there itself, is told by its boot-time clock, as for a claim.
//!
//! What a command does by hand where no daemon runs is done under a name of its own, of which nothing is
//! left when it ends.

use super::newer::NEWER;
use super::records::{self, Found, Record, contended};
use super::{Ledger, LedgerError, Result, TRIES_MAX, keys};
use crate::domain::{DaemonId, LifeId, PlaybookName, StoreTime, Timestamp, millis};
use crate::store::{Batch, Row};
use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
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
    /// A newer Rota wrote what it says of itself: what of that is not understood is left out, and it is
    /// there unless it clearly is not.
    pub is_newer: bool,
}

/// The playbooks that a daemon has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnPlaybooks {
    /// Whose.
    pub daemon: DaemonId,
    /// The hash of each one's text.
    pub hashes: BTreeMap<PlaybookName, String>,
}

/// What can be understood of what a newer Rota says of itself.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Glimpse {
    id: serde_json::Value,
    life: serde_json::Value,
    version: serde_json::Value,
    until: serde_json::Value,
    left: serde_json::Value,
    labels: serde_json::Value,
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
            let looked = records::look::<DaemonRecord>(self.store.as_ref(), &key).await?;
            let (now, found) = looked;
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

    /// A command that was typed ends: nobody needs to know that it was there.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn leave_no_trace(&self) -> Result<()> {
        let key = keys::daemon(&self.options.daemon);
        for _ in 0..TRIES_MAX {
            let found: Option<Record<DaemonRecord>> = self.read(&key).await?;
            let Some(found) = found.filter(|found| found.value.life == self.options.life) else {
                return Ok(());
            };
            if self.try_commit(records::remove(Batch::new(), &key, &found)).await? {
                return Ok(());
            }
        }
        Err(contended(key))
    }

    /// Notes which playbooks this daemon has, for whoever compares them.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn tell_playbooks(&self, hashes: BTreeMap<PlaybookName, String>) -> Result<()> {
        let daemon = self.options.daemon.clone();
        let key = keys::daemon_playbooks(&daemon);
        let own = OwnPlaybooks { daemon, hashes };
        for _ in 0..TRIES_MAX {
            let found: Option<Record<OwnPlaybooks>> = self.read(&key).await?;
            if found.as_ref().is_some_and(|found| found.value == own) {
                return Ok(());
            }
            let batch = records::replace(Batch::new(), &key, &own, found.as_ref())?;
            if self.try_commit(batch).await? {
                return Ok(());
            }
        }
        Err(contended(key))
    }

    /// Which playbooks daemons have, as they told it last.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn told_playbooks(&self) -> Result<Vec<OwnPlaybooks>> {
        let rows: Vec<(String, Record<OwnPlaybooks>)> =
            records::scan_all(self.store.as_ref(), keys::DAEMON_PLAYBOOKS, DAEMONS_MAX).await?;
        Ok(rows.into_iter().map(|(_, row)| row.value).collect())
    }

    /// Every daemon that is remembered, by name; of what a later version wrote, what is understood.
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
        let drained =
            records::scan_found::<Drained>(self.store.as_ref(), keys::DRAINED, None, DAEMONS_MAX)
                .await?;
        let drained: BTreeMap<String, Drained> = drained
            .into_iter()
            .filter_map(|(key, found)| {
                let segment = key.strip_prefix(keys::DRAINED)?.to_owned();
                Some((segment, self.drained_of(found)?))
            })
            .collect();
        let mut all = Vec::with_capacity(rows.len());
        for row in &rows {
            let (is_there, record, is_newer) =
                match records::parse::<DaemonRecord>(&row.key, &row.value) {
                    Ok(record) => (record.is_there(&now), record, false),
                    Err(error) if records::is_newer(&error) => {
                        self.store.leave_alone(&row.key, row.version);
                        let (record, is_there) = self.glimpse(row, &now);
                        (is_there, record, true)
                    }
                    Err(error) => {
                        tracing::debug!(key = %row.key, %error, "a daemon is left out");
                        continue;
                    }
                };
            let segment = row.key.strip_prefix(keys::DAEMON).unwrap_or_default();
            all.push(KnownDaemon {
                drained: drained.get(segment).cloned(),
                is_there,
                seen_ago: (record.seen.era == now.era)
                    .then(|| Duration::from_millis(now.ms.saturating_sub(record.seen.ms))),
                record,
                is_newer,
            });
        }
        Ok(all)
    }

    /// A newer daemon, as far as it is understood, and whether it is there: where nobody here can tell,
    /// it is, so that nothing of it is taken over.
    fn glimpse(&self, row: &Row, now: &StoreTime) -> (DaemonRecord, bool) {
        let seen: Glimpse = serde_json::from_slice(&row.value).unwrap_or_default();
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let until: Option<StoreTime> = serde_json::from_value(seen.until).ok();
        let has_gone = until.as_ref().is_some_and(|until| until.is_past(now));
        let version = text(&seen.version);
        let at = self.clock.wall();
        let record = DaemonRecord {
            id: seen.id.as_str().map_or_else(|| keys::daemon_of(&row.key), DaemonId::new),
            life: LifeId::new(text(&seen.life)),
            version: if version.is_empty() { "newer".to_owned() } else { version },
            labels: serde_json::from_value(seen.labels).unwrap_or_default(),
            slots: 0,
            since: at,
            at,
            seen: StoreTime { era: String::new(), ms: 0 },
            until: until.unwrap_or_else(|| now.clone()),
            left: None,
        };
        (record, !has_gone && seen.left.is_null())
    }

    /// What is said of a daemon that takes no new work; what cannot be read says that, too.
    fn drained_of(&self, found: Found<Drained>) -> Option<Drained> {
        match found {
            Found::Nothing => None,
            Found::Known(record) => Some(record.value),
            Found::Newer => {
                let (daemon, by) = (self.options.daemon.clone(), NEWER.to_owned());
                Some(Drained { daemon, by, at: self.clock.wall() })
            }
        }
    }

    /// From now on a daemon takes no new work, or (`false`) it does again; false when it was so before.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`]: no daemon of this name is remembered.
    pub async fn drain_daemon(&self, id: &DaemonId, drained: bool, by: &str) -> Result<bool> {
        let key = keys::drained(id);
        // Also of a command in its place, before that daemon has ever been there.
        let is_own = id.as_str() == self.options.daemon.configured();
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
        // What is done by hand in its place is, too.
        let daemon = DaemonId::new(self.options.daemon.configured());
        let found = self.find(&keys::drained(&daemon)).await?;
        Ok(self.drained_of(found))
    }

    /// Forgets daemons that have been gone for long.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn forget_daemons(&self) -> Result<()> {
        let long_ago = self.clock.wall() - REMEMBERED;
        for known in self.daemons().await? {
            let is_own = known.record.id == self.options.daemon;
            if is_own || known.is_newer || known.is_there || known.record.at >= long_ago {
                continue;
            }
            let id = &known.record.id;
            let key = keys::daemon(id);
            let found: Option<Record<DaemonRecord>> = self.read_known(&key).await?;
            if let Some(found) = found.filter(|found| found.value == known.record) {
                let mut batch = records::remove(Batch::new(), &key, &found);
                if let Found::Known(drained) = self.find::<Drained>(&keys::drained(id)).await? {
                    batch = records::remove(batch, &keys::drained(id), &drained);
                }
                let playbooks = keys::daemon_playbooks(id);
                if let Found::Known(own) = self.find::<OwnPlaybooks>(&playbooks).await? {
                    batch = records::remove(batch, &playbooks, &own);
                }
                self.try_commit(batch).await?;
            }
        }
        Ok(())
    }
}
