//! Runs that somebody asked to stop where they are not: whichever daemon carries them out reads it.

use super::records::{self, Record};
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
        let rows: Vec<(String, Record<StopAsked>)> =
            records::scan(self.store.as_ref(), keys::STOP_ASKED, None, records::PAGE).await?;
        Ok(rows.into_iter().map(|(_, row)| row.value).collect())
    }

    /// It has ended.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn forget_stop(&self, run: &RunId) -> Result<()> {
        self.store.commit(Batch::new().delete(keys::stop_asked(run))).await?;
        Ok(())
    }
}
