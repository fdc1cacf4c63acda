//! The engine as the committer sees it: sled's rows, its log file, and our witness beside them.

use super::committer::{Engine, Fault};
use super::witness::Witness;
use ::sled::{Db, IVec};
use std::fs::File;
use std::sync::Arc;

/// The engine of an open folder.
pub(super) struct SledEngine {
    pub(super) db: Db,
    /// The engine's log, open for syncing.
    pub(super) log: File,
    pub(super) witness: Witness,
}

impl Engine for SledEngine {
    type Stored = IVec;

    fn get(&self, key: &[u8]) -> Result<Option<IVec>, Fault> {
        Ok(self.db.get(key)?)
    }

    fn set(&self, key: &[u8], row: Option<&[u8]>) -> Result<(), Fault> {
        match row {
            Some(row) => self.db.insert(key, row)?,
            None => self.db.remove(key)?,
        };
        Ok(())
    }

    fn make_durable(&self) -> Result<(), Fault> {
        self.db.flush()?;
        self.log.sync_data().map_err(|error| Fault::Sync(Arc::new(error)))
    }

    fn note(&self, version: u64) {
        self.witness.note(version);
    }
}
