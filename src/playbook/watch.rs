//! Wakes whoever keeps the library when files change.
use std::path::PathBuf;
use std::time::Duration;

/// Watches folders.
#[derive(Debug)]
pub struct Watch {}

/// Why folders cannot be watched.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The operating system refuses.
    #[error("folder cannot be watched")]
    Refused(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Watch {
    /// Watches these folders; looks again after `recheck` even when nothing was reported.
    pub fn new(folders: &[PathBuf], recheck: Duration) -> Result<Self, WatchError> {
        todo!()
    }
    /// Returns when something changed and then was quiet for a moment, or when it is time to look again.
    pub async fn changed(&mut self) {
        todo!()
    }
}
