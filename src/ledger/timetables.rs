//! Since when a playbook's timetable holds, across restarts: instants before an edit are nobody's.

use super::records::{self, PAGE};
use super::{Ledger, LedgerError, Result, TRIES_MAX};
use crate::domain::{PlaybookName, Timestamp};
use crate::store::{Batch, StoreError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const TIMETABLE: &str = "timetable/";

#[derive(Debug, Serialize, Deserialize)]
struct Timetable {
    fingerprint: String,
    since: Timestamp,
}

/// The timetables of all playbooks as they were noted last, read together.
#[derive(Debug, Default)]
pub struct Timetables(BTreeMap<String, Timetable>);

impl Timetables {
    /// Since when a playbook has had this timetable; `None`: [`Ledger::timetable_since`] notes it, or
    /// says why it cannot be read.
    pub fn since(
        &self,
        playbook: &PlaybookName,
        fingerprint: &str,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let known = self.0.get(&key(playbook))?;
        known.holds(fingerprint, now).then_some(known.since)
    }
}

impl Timetable {
    /// Whether it is this one, and begun by now.
    fn holds(&self, fingerprint: &str, now: Timestamp) -> bool {
        self.fingerprint == fingerprint && self.since <= now
    }
}

impl Ledger {
    /// The timetables of all playbooks, in a few questions however many there are.
    pub async fn timetables(&self) -> Result<Timetables> {
        let mut all = BTreeMap::new();
        let mut after: Option<String> = None;
        loop {
            let rows = self.store.scan(TIMETABLE, after.as_deref(), PAGE).await?;
            let is_last = rows.len() < PAGE;
            after = rows.last().map(|row| row.key.clone());
            let read = rows.into_iter();
            all.extend(read.filter_map(|row| {
                records::parse(&row.key, &row.value).ok().map(|known| (row.key, known))
            }));
            if is_last {
                return Ok(Timetables(all));
            }
        }
    }

    /// Since when a playbook has had this timetable (told by its fingerprint): `now`, if it is new.
    /// A beginning that lies ahead was noted by a clock that was wrong: it is `now` as well.
    pub async fn timetable_since(
        &self,
        playbook: &PlaybookName,
        fingerprint: &str,
        now: Timestamp,
    ) -> Result<Timestamp> {
        let key = key(playbook);
        for _ in 0..TRIES_MAX {
            let (version, known) = match self.timetable(&key).await {
                // Since when it holds there is not known here: only what comes from now on counts.
                Err(error) if error.is_of_newer() => return Ok(now),
                known => known?.unzip(),
            };
            if let Some(known) = known.filter(|known| known.holds(fingerprint, now)) {
                return Ok(known.since);
            }
            let record = Timetable { fingerprint: fingerprint.to_owned(), since: now };
            let value = serde_json::to_vec(&record)
                .map_err(|source| StoreError::Failed(Box::new(source)))?;
            let batch = Batch::new().check(key.clone(), version).put(key.clone(), value);
            match self.store.commit(batch).await {
                Ok(()) => return Ok(now),
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(LedgerError::Contended { what: key })
    }

    /// The same, only read; `None` where another timetable was noted last, or none.
    pub async fn timetable_began(
        &self,
        playbook: &PlaybookName,
        fingerprint: &str,
    ) -> Result<Option<Timestamp>> {
        let known = match self.timetable(&key(playbook)).await {
            Err(error) if error.is_of_newer() => None,
            known => known?,
        };
        let known = known.filter(|(_, known)| known.fingerprint == fingerprint);
        Ok(known.map(|(_, known)| known.since))
    }

    async fn timetable(&self, key: &str) -> Result<Option<(u64, Timetable)>> {
        let Some(found) = self.store.get(key).await? else { return Ok(None) };
        let record = records::parse(key, &found.value)?;
        Ok(Some((found.version, record)))
    }
}

fn key(playbook: &PlaybookName) -> String {
    format!("{TIMETABLE}{playbook}")
}
