//! What other programs told: kept with the occurrence that it woke, so that neither is there without the
//! other, also after a crash.

use super::records::{self, contended};
use super::{Ledger, Result, TRIES_MAX, keys, occurrences};
use crate::domain::{Arrival, Occurrence, OccurrenceId};
use crate::store::Batch;

impl Ledger {
    /// Records an occurrence and what woke it, together; without the latter where it does not run. False:
    /// an occurrence of this id was recorded before, and nothing was done.
    pub async fn receive(
        &self,
        occurrence: &Occurrence,
        arrival: Option<&Arrival>,
    ) -> Result<bool> {
        for _ in 0..TRIES_MAX {
            if self.knows_occurrence(&occurrence.id).await? {
                return Ok(false);
            }
            let mut batch = occurrences::create(Batch::new(), occurrence)?;
            if let Some(arrival) = arrival {
                batch = records::create(batch, &keys::arrival(&occurrence.id), arrival)?;
            }
            if self.try_commit(batch).await? {
                self.count_settled([occurrence]);
                return Ok(true);
            }
        }
        Err(contended(occurrence.id.as_str()))
    }

    /// What woke an occurrence; `None` where no other program did.
    pub async fn arrival(&self, occurrence: &OccurrenceId) -> Result<Option<Arrival>> {
        Ok(self.read(&keys::arrival(occurrence)).await?.map(|record| record.value))
    }
}
