//! What people switch: armed, paused, everything stopped; and the counters by which a playbook
//! pauses itself. Whatever a person switches is in the audit log, in the same commit.

use super::newer::NEWER;
use super::records::{self, Found, Record, contended};
use super::stop::Stopped;
use super::{Ledger, LedgerError, Result, TRIES_MAX, keys};
use crate::domain::{Notice, PlaybookName, Timestamp};
use crate::store::{Batch, Row, StoreError, Versioned};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A playbook's switches and counters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PlaybookSwitch {
    /// The hash of the triggers and rights that a person armed; `None`: never armed.
    pub armed: Option<String>,
    /// Set while it is paused.
    pub paused: Option<Paused>,
    /// Occurrences that failed, since the last success.
    pub failures_in_row: u32,
    /// Reports that had nothing to say, since the last one that had.
    pub silent_in_row: u32,
    /// When the first of them was.
    pub silent_since: Option<Timestamp>,
}

/// What an occurrence is in its playbook's row of failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InRow {
    /// One failure more.
    Failure,
    /// The end of the row.
    Success,
}

/// Who paused a playbook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paused {
    /// Who.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
}

/// The switches of all playbooks, as they were read together.
#[derive(Clone, Debug, Default)]
pub struct Switches {
    /// By their keys.
    read: BTreeMap<String, PlaybookSwitch>,
    /// Keys of those that could not be read.
    unread: BTreeSet<String>,
}

impl Switches {
    /// A playbook's switches; those of one never heard of are all off. `None`: they could not be read,
    /// and [`Ledger::playbook_switch`] says why.
    pub fn of(&self, playbook: &PlaybookName) -> Option<PlaybookSwitch> {
        let key = keys::switch(playbook);
        if self.unread.contains(&key) {
            return None;
        }
        Some(self.read.get(&key).cloned().unwrap_or_default())
    }
}

/// Who did what, for the audit log.
struct Act<'a> {
    who: &'a str,
    what: &'static str,
    detail: String,
}

impl Ledger {
    /// A playbook's switches; those of one never heard of are all off. One whose switches only a newer
    /// Rota can read is paused here.
    pub async fn playbook_switch(&self, playbook: &PlaybookName) -> Result<PlaybookSwitch> {
        Ok(match self.find::<PlaybookSwitch>(&keys::switch(playbook)).await? {
            Found::Nothing => PlaybookSwitch::default(),
            Found::Known(record) => record.value,
            Found::Newer => {
                let (by, at) = (NEWER.to_owned(), self.clock.wall());
                let reason = "its switches were written by a newer Rota".to_owned();
                PlaybookSwitch { paused: Some(Paused { by, at, reason }), ..Default::default() }
            }
        })
    }

    /// The switches of all playbooks, in a few questions however many there are. What of them cannot be
    /// read is the trouble of whoever asks for it.
    pub async fn playbook_switches(&self) -> Result<Switches> {
        let mut switches = Switches::default();
        let mut after: Option<String> = None;
        loop {
            let rows = self.store.scan(keys::SWITCH, after.as_deref(), records::PAGE).await?;
            let is_last = rows.len() < records::PAGE;
            after = rows.last().map(|row| row.key.clone());
            for Row { key, version, value } in rows {
                let found = Some(Versioned { version, value });
                match records::of::<PlaybookSwitch>(self.store.as_ref(), &key, found).await {
                    Ok(Some(record)) => {
                        switches.read.insert(key, record.value);
                    }
                    Ok(None) => {}
                    Err(StoreError::Corrupt { .. } | StoreError::Newer { .. }) => {
                        switches.unread.insert(key);
                    }
                    Err(error) => return Err(error.into()),
                }
            }
            if is_last {
                return Ok(switches);
            }
        }
    }

    /// Arms it for the triggers and rights that have this hash.
    pub async fn arm(
        &self,
        playbook: &PlaybookName,
        rights: &str,
        by: &str,
    ) -> Result<PlaybookSwitch> {
        let act = Act { who: by, what: "arm", detail: format!("{playbook} for {rights}") };
        self.switch(playbook, Some(act), |switch| switch.armed = Some(rights.to_owned())).await
    }

    /// Disarms it.
    pub async fn disarm(&self, playbook: &PlaybookName, by: &str) -> Result<PlaybookSwitch> {
        let act = Act { who: by, what: "disarm", detail: playbook.to_string() };
        self.switch(playbook, Some(act), |switch| switch.armed = None).await
    }

    /// Pauses it; a pause that is there already is kept.
    pub async fn pause(
        &self,
        playbook: &PlaybookName,
        by: &str,
        reason: &str,
    ) -> Result<PlaybookSwitch> {
        self.pause_telling(playbook, by, reason, &[]).await
    }

    /// The same, and whoever is to hear of it does: both in one commit.
    pub async fn pause_telling(
        &self,
        playbook: &PlaybookName,
        by: &str,
        reason: &str,
        notices: &[Notice],
    ) -> Result<PlaybookSwitch> {
        let act = Act { who: by, what: "pause", detail: format!("{playbook}: {reason}") };
        let at = self.clock.wall();
        let paused = Paused { by: by.to_owned(), at, reason: reason.to_owned() };
        let pause = |switch: &mut PlaybookSwitch| {
            switch.paused.get_or_insert_with(|| paused.clone());
        };
        self.switch_telling(playbook, Some(act), notices, pause).await
    }

    /// Ends a pause and forgets the failures before it.
    pub async fn resume(&self, playbook: &PlaybookName, by: &str) -> Result<PlaybookSwitch> {
        let act = Act { who: by, what: "resume", detail: playbook.to_string() };
        self.switch(playbook, Some(act), |switch| {
            switch.paused = None;
            switch.failures_in_row = 0;
        })
        .await
    }

    /// Adds to the commit that settles an occurrence what it is in its playbook's row of failures. Switches
    /// that cannot be read count nothing: they are the trouble of whoever asks for them.
    pub(super) async fn count_in_row(
        &self,
        batch: Batch,
        playbook: &PlaybookName,
        what: InRow,
    ) -> Result<Batch> {
        let key = keys::switch(playbook);
        let found: Option<Record<PlaybookSwitch>> = match self.read(&key).await {
            Err(
                error @ LedgerError::Store(StoreError::Corrupt { .. } | StoreError::Newer { .. }),
            ) => {
                tracing::warn!(%playbook, %error, "its failures in a row could not be counted");
                return Ok(batch);
            }
            found => found?,
        };
        let old = found.as_ref().map(|record| record.value.clone()).unwrap_or_default();
        let failures_in_row = match what {
            InRow::Failure => old.failures_in_row.saturating_add(1),
            InRow::Success => 0,
        };
        if failures_in_row == old.failures_in_row {
            return Ok(batch);
        }
        let switch = PlaybookSwitch { failures_in_row, ..old };
        Ok(records::replace(batch, &key, &switch, found.as_ref())?)
    }

    /// One more report in a row that had nothing to say (`true`), or one that had (`false`).
    pub async fn record_silence(
        &self,
        playbook: &PlaybookName,
        silent: bool,
    ) -> Result<PlaybookSwitch> {
        let now = self.clock.wall();
        self.switch(playbook, None, |switch| {
            let count = switch.silent_in_row.saturating_add(1);
            switch.silent_in_row = if silent { count } else { 0 };
            switch.silent_since = silent.then(|| switch.silent_since.unwrap_or(now));
        })
        .await
    }

    /// Whether everything is stopped, as the store says. The file of [`super::stop`] counts too, and so
    /// does a stop that only a newer Rota can read.
    pub async fn stopped(&self) -> Result<Option<Stopped>> {
        Ok(match self.find::<Stopped>(keys::STOPPED).await? {
            Found::Nothing => None,
            Found::Known(record) => Some(record.value),
            Found::Newer => {
                let reason = "what it says was written by a newer Rota".to_owned();
                Some(Stopped { by: NEWER.to_owned(), reason, at: None })
            }
        })
    }

    /// Stops everything (`Some`; a stop that is there already is kept) or lets it start again
    /// (`None`), in the store.
    pub async fn set_stopped(&self, stopped: Option<Stopped>, by: &str) -> Result<()> {
        for _ in 0..TRIES_MAX {
            let found: Option<Record<Stopped>> = match self.read(keys::STOPPED).await {
                Err(error) if error.is_of_newer() && stopped.is_some() => return Ok(()),
                found => found?,
            };
            let (batch, what, detail) = match (&found, &stopped) {
                (Some(_), Some(_)) | (None, None) => return Ok(()),
                (Some(found), None) => {
                    let batch = records::remove(Batch::new(), keys::STOPPED, found);
                    (batch, "start-all", "")
                }
                (None, Some(stopped)) => {
                    let batch = records::create(Batch::new(), keys::STOPPED, stopped)?;
                    (batch, "stop-all", stopped.reason.as_str())
                }
            };
            let (audited, _) = self.audit_batch(by, what, detail).await?;
            if self.try_commit(batch.and(audited)).await? {
                return Ok(());
            }
        }
        Err(contended(keys::STOPPED))
    }

    async fn switch(
        &self,
        playbook: &PlaybookName,
        act: Option<Act<'_>>,
        what: impl Fn(&mut PlaybookSwitch),
    ) -> Result<PlaybookSwitch> {
        self.switch_telling(playbook, act, &[], what).await
    }

    /// Changes a playbook's switches and tells of it; what changes nothing is not written.
    async fn switch_telling(
        &self,
        playbook: &PlaybookName,
        act: Option<Act<'_>>,
        notices: &[Notice],
        what: impl Fn(&mut PlaybookSwitch),
    ) -> Result<PlaybookSwitch> {
        let key = keys::switch(playbook);
        for _ in 0..TRIES_MAX {
            let found: Option<Record<PlaybookSwitch>> = self.read(&key).await?;
            let old = found.as_ref().map(|record| record.value.clone()).unwrap_or_default();
            let mut switch = old.clone();
            what(&mut switch);
            if switch == old {
                return Ok(old);
            }
            let mut batch = records::replace(Batch::new(), &key, &switch, found.as_ref())?;
            if let Some(act) = &act {
                let (audited, _) = self.audit_batch(act.who, act.what, &act.detail).await?;
                batch = batch.and(audited);
            }
            batch = self.notices_batch(batch, notices, None).await?;
            if self.try_commit(batch).await? {
                return Ok(switch);
            }
        }
        Err(contended(key))
    }
}
