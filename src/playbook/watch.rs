//! Wakes whoever keeps the library when files change.
//!
//! An event says only "look again": what changed is found by looking. An event may be lost, so it
//! is also time to look again when nothing was heard for a while.

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::mpsc;

/// Editors write in several steps; they have finished when it was quiet for so long.
const QUIET: Duration = Duration::from_millis(200);
/// Somebody who never stops writing is not waited for any longer.
const QUIET_MAX: Duration = Duration::from_secs(2);

/// Watches folders.
#[derive(Debug)]
pub struct Watch {
    /// Ends the watching when it is dropped.
    _watcher: RecommendedWatcher,
    events: mpsc::Receiver<()>,
    recheck: Duration,
}

/// Why folders cannot be watched.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The operating system refuses.
    #[error("folder cannot be watched")]
    Refused(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Watch {
    /// Watches these folders; looks again after `recheck` even when nothing was reported. A folder
    /// that does not exist is left to the looking.
    ///
    /// # Errors
    /// The operating system has no more watches to give.
    pub fn new(folders: &[PathBuf], recheck: Duration) -> Result<Self, WatchError> {
        // One place is enough: an event that finds it taken says nothing new.
        let (sender, events) = mpsc::channel(1);
        let refused = |error: notify::Error| WatchError::Refused(Box::new(error));
        let mut watcher =
            notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
                if event.is_ok_and(|event| event.kind.is_access()) {
                    return;
                }
                let _ = sender.try_send(());
            })
            .map_err(refused)?;
        for folder in folders.iter().filter(|folder| folder.is_dir()) {
            watcher.watch(folder, RecursiveMode::NonRecursive).map_err(refused)?;
        }
        Ok(Self { _watcher: watcher, events, recheck })
    }

    /// Returns when something changed and then was quiet for a moment, or when it is time to look
    /// again.
    pub async fn changed(&mut self) {
        match tokio::time::timeout(self.recheck, self.events.recv()).await {
            Err(_) => return,
            Ok(None) => {
                tokio::time::sleep(self.recheck).await;
                return;
            }
            Ok(Some(())) => {}
        }
        let settle = async {
            while let Ok(Some(())) = tokio::time::timeout(QUIET, self.events.recv()).await {}
        };
        let _ = tokio::time::timeout(QUIET_MAX, settle).await;
    }
}
