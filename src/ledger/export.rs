//! The export, and restoring from it.
use super::Result;
use crate::clock::Clock;
use crate::domain::Timestamp;
use crate::store::{self, Store};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What restoring did, for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// Where the unusable store was put; `None`: there was none.
    pub moved_to: Option<PathBuf>,
    /// Rows that were imported.
    pub rows: u64,
    /// When the export was made; instants after it are `lost_ledger`. `None`: there was no usable export.
    pub exported: Option<Timestamp>,
    /// What was wrong with the export, if it could not be used.
    pub export_fault: Option<String>,
    /// The new epoch.
    pub epoch: u32,
}

/// Where the export is kept.
pub fn export_path(state: &Path) -> PathBuf {
    state.join("export.jsonl")
}
/// The epoch; 0 where no store was ever restored.
pub fn read_epoch(_state: &Path) -> std::io::Result<u32> {
    todo!()
}
/// Writes every row to a file: a temporary one first, fsynced, then renamed. Returns the number of rows.
pub async fn export(
    _store: &dyn Store,
    _path: &Path,
    _epoch: u32,
    _clock: &dyn Clock,
) -> Result<u64> {
    todo!()
}
/// Whether a restore was begun and not finished: the store is not to be used before [`restore`].
pub fn is_restore_pending(_state: &Path) -> bool {
    todo!()
}
/// Moves the store in `store_dir` aside, opens a fresh one, imports the last export, raises the epoch and stops everything.
pub async fn restore(
    _state: &Path,
    _store_dir: &Path,
    _open: impl FnOnce() -> store::Result<Arc<dyn Store>>,
    _clock: &dyn Clock,
) -> Result<(Arc<dyn Store>, Restored)> {
    todo!()
}
