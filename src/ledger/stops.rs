//! Runs that somebody asked to stop where they are not: whichever daemon carries them out reads it.

use super::newer::NEWER;
use super::records::{self, Found};
use super::{Ledger, Result, keys};
use crate::domain::{RunId, Timestamp};
use crate::store::Batch;
use serde::{Deserialize, Serialize};

/// Somebody asked a run to stop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopAsked {
    /// Which.
    pub run: RunId,
    /// Who.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

impl Ledger {
    /// Asks a run to stop; whoever asked first stands.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn ask_stop(&self, run: &RunId, by: &str) -> Result<()> {
        let asked = StopAsked { run: run.clone(), by: by.to_owned(), at: self.clock.wall() };
        let batch = records::create(Batch::new(), &keys::stop_asked(run), &asked)?;
        // It was asked before, or is now: either is what was wanted.
        self.try_commit(batch).await?;
        Ok(())
    }

    /// Who asked a run to stop, if somebody did.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn stop_asked(&self, run: &RunId) -> Result<Option<StopAsked>> {
        Ok(self.read(&keys::stop_asked(run)).await?.map(|found| found.value))
    }

    /// The runs that are to stop.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn stops_asked(&self) -> Result<Vec<StopAsked>> {
        let rows: Vec<(String, Found<StopAsked>)> =
            records::scan_found(self.store.as_ref(), keys::STOP_ASKED, None, records::PAGE).await?;
        let asked = rows.into_iter().filter_map(|(key, found)| match found {
            Found::Known(record) => Some(record.value),
            Found::Nothing => None,
            // Whatever else it says: that run is to stop.
            Found::Newer => {
                let run = RunId::new(key.strip_prefix(keys::STOP_ASKED)?);
                Some(StopAsked { run, by: NEWER.to_owned(), at: self.clock.wall() })
            }
        });
        Ok(asked.collect())
    }

    /// It has ended.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn forget_stop(&self, run: &RunId) -> Result<()> {
        let key = keys::stop_asked(run);
        // Whoever wrote what cannot be read here forgets it.
        if !matches!(self.find::<StopAsked>(&key).await?, Found::Newer) {
            self.store.commit(Batch::new().delete(key)).await?;
        }
        Ok(())
    }
}
