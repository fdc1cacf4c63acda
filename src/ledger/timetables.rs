//! Since when a playbook's timetable holds, across restarts: instants before an edit are nobody's.

use super::{Ledger, LedgerError, Result, TRIES_MAX};
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
        let key = format!("timetable/{playbook}");
        for _ in 0..TRIES_MAX {
            let known = self.store.get(&key).await?;
            let version = known.as_ref().map(|known| known.version);
            if let Some(known) = known {
                let record: Timetable = serde_json::from_slice(&known.value).map_err(|source| {
                    StoreError::Corrupt { key: key.clone(), source: Box::new(source) }
                })?;
                if record.fingerprint == fingerprint && record.since <= now {
                    return Ok(record.since);
                }
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
}
