//! Since when a playbook's timetable holds, across restarts: instants before an edit are nobody's.

use super::{Ledger, LedgerError, Result, TRIES_MAX, records};
use crate::domain::{PlaybookName, Timestamp};
use crate::store::{Batch, StoreError};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
struct Timetable {
    fingerprint: String,
    since: Timestamp,
}

impl Ledger {
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
            if let Some(known) = known.filter(|k| k.fingerprint == fingerprint && k.since <= now) {
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
    format!("timetable/{playbook}")
}
