//! The export, and what is done when the store cannot be opened: it is moved aside, and a fresh one
//! is filled from the last export.
//!
//! An export is older than the store it replaces, so nothing of it may be trusted to be the last
//! word: the epoch is raised, so that no fence comes twice; everything is stopped until a person
//! starts it; and instants after the export are for the daemon to record as `lost_ledger`. The order
//! of the steps is such that a crash between any two of them leaves a store that is not used before
//! [`restore`] has been done again.

mod file;

use super::stop::{self, Stopped};
use super::{Ledger, keys, records};
use crate::clock::{Clock, ServerClock};
use crate::domain::Timestamp;
use crate::store::watched::WatchedStore;
use crate::store::{self, Batch, Store, StoreError};
use file::{Header, Turn, Writer};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Epochs of databases that were put back are counted in hours from here: the begin of 2025.
const EPOCHS_FROM: i64 = 1_735_689_600;
/// So many rows are imported with one commit.
const IMPORT_ROWS: usize = 200;
/// What restoring did, for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// Where the unusable store was put; `None`: there was none.
    pub moved_to: Option<PathBuf>,
    /// Rows that were imported.
    pub rows: u64,
    /// When the export was made; instants after it are lost. `None`: there was no usable export.
    pub exported: Option<Timestamp>,
    /// What was wrong with the export, if it could not be used; nothing was imported then.
    pub export_fault: Option<String>,
    /// The new epoch.
    pub epoch: u32,
}

/// Why there is no export, or no restored store.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// A file could not be read, written or moved.
    #[error("{}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The epoch's file is damaged and no export knows better: a fence might come twice.
    #[error("{} does not hold a number; write one higher than any epoch before", path.display())]
    Epoch {
        /// The file.
        path: PathBuf,
    },
    /// The store did not.
    #[error("local state")]
    Store(#[from] StoreError),
}

/// Where the export is kept.
pub fn export_path(state: &Path) -> PathBuf {
    state.join("export.jsonl")
}

/// The epoch for [`super::LedgerOptions`]; 0 where no store was ever restored.
///
/// # Errors
/// [`ExportError::Epoch`] when the file holds no number.
pub fn read_epoch(state: &Path) -> Result<u32, ExportError> {
    let path = state.join("epoch");
    match std::fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(source) if source.kind() != io::ErrorKind::InvalidData => {
            Err(ExportError::File { path, source })
        }
        Err(_) => Err(ExportError::Epoch { path }),
        Ok(text) => text.trim().parse().map_err(|_| ExportError::Epoch { path }),
    }
}

/// The epoch that a store itself knows of: of one that daemons share, no state folder knows it.
///
/// # Errors
/// The store's.
pub async fn epoch_of(store: &dyn Store) -> Result<u32, ExportError> {
    let Some(row) = store.get(keys::EPOCH).await? else { return Ok(0) };
    serde_json::from_slice(&row.value).map_err(|error| {
        StoreError::Corrupt { key: keys::EPOCH.to_owned(), source: Box::new(error) }.into()
    })
}

/// Begins a new epoch in a store that was put back by other means than ours: above every one that it
/// may have come to since the copy was made, so that no fence is given twice. Everything is stopped until
/// a person has looked, and what fell due meanwhile is not caught up: by the clock of the store's server,
/// for whoever types may sit at a machine whose own is wrong. A stop that only a newer Rota can
/// read stays as it is: it is one.
///
/// # Errors
/// The store's, or the file's.
pub async fn begin_epoch(
    store: &dyn Store,
    state: &Path,
    by: &str,
    clock: &ServerClock,
) -> Result<u32, ExportError> {
    let at = clock.wall();
    let known = epoch_of(store).await?.max(read_epoch(state)?);
    // A copy that is older than an earlier one that was put back does not know what epoch that one came to.
    let hours = (at.timestamp() - EPOCHS_FROM) / 3_600;
    let epoch = known.saturating_add(1).max(u32::try_from(hours).unwrap_or(0));
    let path = state.join("epoch");
    write_durably(&path, format!("{epoch}\n").as_bytes())
        .map_err(|source| ExportError::File { path, source })?;
    let reason = "the database was put back; look at the board, then start again".to_owned();
    let stopped = Stopped { by: by.to_owned(), reason, at: Some(at) };
    let stands = records::get::<Stopped>(store, keys::STOPPED).await;
    let mut batch = records::put::<_, ()>(Batch::new(), keys::EPOCH, &epoch, None)?;
    if !stands.is_err_and(|error| records::is_newer(&error)) {
        batch = records::put::<_, ()>(batch, keys::STOPPED, &stopped, None)?;
    }
    store.commit(records::put::<_, ()>(batch, keys::LOST_UNTIL, &at, None)?).await?;
    Ok(epoch)
}

/// Lets a store and a state folder know of an epoch, neither of which knows a higher one then.
///
/// # Errors
/// The store's, or the file's.
pub async fn raise_epoch(store: &dyn Store, state: &Path) -> Result<(), ExportError> {
    let epoch = epoch_of(store).await?.max(read_epoch(state)?);
    if epoch == 0 {
        return Ok(());
    }
    let path = state.join("epoch");
    write_durably(&path, format!("{epoch}\n").as_bytes())
        .map_err(|source| ExportError::File { path, source })?;
    store.commit(records::put::<_, ()>(Batch::new(), keys::EPOCH, &epoch, None)?).await?;
    Ok(())
}

/// Writes every row, as one instant had them, to a temporary file, makes it durable and gives it
/// its name. Returns the number of lines. The rows are read and written page by page.
///
/// The snapshot is consistent: what is committed while it is written is written again at its end,
/// the last of it while further commits wait for some milliseconds. So a watermark is never past
/// occurrences that the export lacks. What is committed after that instant is lost with the store;
/// the raised epoch keeps its fences from coming twice.
pub async fn export(
    store: &WatchedStore,
    path: &Path,
    epoch: u32,
    clock: &dyn Clock,
) -> Result<u64, ExportError> {
    let turn = Arc::new(tokio::sync::Mutex::new(())).lock_owned().await;
    write(store, path, epoch, clock, turn).await.map(|(lines, _)| lines)
}

async fn write(
    store: &WatchedStore,
    path: &Path,
    epoch: u32,
    clock: &dyn Clock,
    turn: Turn,
) -> Result<(u64, u64), ExportError> {
    let failed = |source| ExportError::File { path: path.to_owned(), source };
    let header = Header { rota_export: file::FORMAT, at: clock.wall(), epoch };
    let mut copy = store.copy().await;
    let mut out = {
        let path = path.to_owned();
        blocking(move || Writer::begin(&path, &header, turn)).await.map_err(failed)?
    };
    loop {
        let page = copy.next().await?;
        if page.is_empty() {
            break;
        }
        out = blocking(move || {
            page.into_iter().try_for_each(|change| out.add(change))?;
            Ok(out)
        })
        .await
        .map_err(failed)?;
    }
    let commits = copy.commits().unwrap_or_default();
    drop(copy);
    let lines = blocking(move || out.finish()).await.map_err(failed)?;
    Ok((lines, commits))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}

impl Ledger {
    /// The epoch of a shared store, where it is later than the one that this life began with: the store was
    /// put back meanwhile.
    ///
    /// # Errors
    /// The store's.
    pub async fn later_epoch(&self) -> super::Result<Option<u32>> {
        if !self.is_shared() {
            return Ok(None);
        }
        let found: Option<records::Record<u32>> = self.read_known(keys::EPOCH).await?;
        Ok(found.map(|found| found.value).filter(|epoch| *epoch > self.options.epoch))
    }

    /// Exports to a state folder what the store holds, unless nothing was committed since the last
    /// export of this life. Returns the number of lines written; `None`: there was nothing new, or the
    /// store is shared with others, and is kept, and kept safe, elsewhere.
    pub async fn export(&self, state: &Path) -> Result<Option<u64>, ExportError> {
        if self.is_shared() {
            return Ok(None);
        }
        let path = export_path(state);
        // One after the other, also after one that was broken off: two would spoil each other's file.
        let turn = Arc::clone(&self.exporting).lock_owned().await;
        let is_same = self.exported.load(Ordering::SeqCst) == self.watched.commits();
        if is_same && path.exists() {
            return Ok(None);
        }
        let epoch = self.options.epoch;
        let (lines, commits) =
            write(&self.watched, &path, epoch, self.clock.as_ref(), turn).await?;
        self.exported.store(commits, Ordering::SeqCst);
        Ok(Some(lines))
    }
}

/// Whether a restore was begun and not finished: the store is not to be used before it is.
pub fn is_restore_pending(state: &Path) -> bool {
    restore_mark(state).exists()
}

/// The file that is there while a restore was begun and not finished.
pub fn restore_mark(state: &Path) -> PathBuf {
    state.join("RESTORING")
}

/// A restore begins, durably: whoever opens the store next finishes it ([`restore`]).
///
/// # Errors
/// When that cannot be written.
pub fn begin_restore(state: &Path) -> io::Result<()> {
    write_durably(&restore_mark(state), b"")
}

/// Whether [`restore`] must come before the store is opened: one was begun and not finished, or the
/// store's folder is gone while an export shows that there was one.
pub fn needs_restore(state: &Path, store_dir: &Path) -> bool {
    is_restore_pending(state) || (export_path(state).exists() && !store_dir.exists())
}

/// Stops everything, raises the epoch, moves the store in `store_dir` aside, opens a fresh one with
/// `open`, and imports the last export. To be called when opening says
/// [`StoreError::Unusable`], or when [`needs_restore`].
pub async fn restore(
    state: &Path,
    store_dir: &Path,
    open: impl FnOnce() -> store::Result<Arc<dyn Store>>,
    clock: &dyn Clock,
) -> Result<(Arc<dyn Store>, Restored), ExportError> {
    let at = clock.wall();
    let reason = "the ledger was restored from an export; look at the board, then start again";
    let file = |path: PathBuf| move |source| ExportError::File { path, source };
    let pending = restore_mark(state);
    stop::set(state, "rota", reason, at).map_err(file(stop::stop_path(state)))?;
    write_durably(&pending, b"").map_err(file(pending.clone()))?;

    // Read through once before anything is done, so that a damaged one is not used in part.
    let export = file::check(&export_path(state));
    let exported_epoch = export.as_ref().ok().map(|header| header.epoch);
    let epoch = match (read_epoch(state), exported_epoch) {
        (Ok(epoch), known) => epoch.max(known.unwrap_or(0)),
        (Err(ExportError::Epoch { .. }), Some(known)) => known,
        (Err(error), _) => return Err(error),
    };
    let epoch = epoch.saturating_add(1);
    let epoch_path = state.join("epoch");
    write_durably(&epoch_path, format!("{epoch}\n").as_bytes()).map_err(file(epoch_path))?;

    let moved_to = move_aside(store_dir, at).map_err(file(store_dir.to_owned()))?;
    let store = open()?;
    let mut restored = Restored { moved_to, rows: 0, exported: None, export_fault: None, epoch };
    match export {
        Ok(header) => {
            restored.exported = Some(header.at);
            restored.rows = import(store.as_ref(), &export_path(state)).await?;
        }
        Err(fault) => {
            restored.export_fault = Some(fault);
            // The next export would overwrite what a person may still make sense of.
            let path = export_path(state);
            move_aside(&path, at).map_err(file(path))?;
        }
    }
    let stopped = Stopped { by: "rota".to_owned(), reason: reason.to_owned(), at: Some(at) };
    let batch = records::put::<_, ()>(Batch::new(), keys::STOPPED, &stopped, None)?;
    let batch = records::put::<_, ()>(batch, keys::EPOCH, &epoch, None)?;
    store.commit(records::put::<_, ()>(batch, keys::LOST_UNTIL, &at, None)?).await?;
    std::fs::remove_file(&pending)
        .and_then(|()| File::open(state)?.sync_all())
        .map_err(file(pending))?;
    Ok((store, restored))
}

async fn import(store: &dyn Store, path: &Path) -> Result<u64, ExportError> {
    let damaged = |fault: String| ExportError::File {
        path: path.to_owned(),
        source: io::Error::new(io::ErrorKind::InvalidData, fault),
    };
    let (_, mut lines) = file::read(path).map_err(damaged)?;
    let mut count = 0;
    loop {
        // Of a key that comes twice the later line counts, within a commit too.
        let mut rows: BTreeMap<String, Option<String>> = BTreeMap::new();
        while rows.len() < IMPORT_ROWS {
            let Some(line) = lines.next().transpose().map_err(damaged)? else { break };
            count += 1;
            rows.insert(line.k, line.v);
        }
        if rows.is_empty() {
            return Ok(count);
        }
        let batch = rows.into_iter().fold(Batch::new(), |batch, (key, value)| match value {
            Some(value) => batch.put(key, value),
            None => batch.delete(key),
        });
        store.commit(batch).await?;
    }
}

/// Renames a file or folder to a name that says when and why; `None` if there is none.
fn move_aside(store_dir: &Path, at: Timestamp) -> io::Result<Option<PathBuf>> {
    let name = store_dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let stamp = at.format("%Y%m%dT%H%M%S%3fZ");
    for attempt in 0..100 {
        let suffix = if attempt == 0 { String::new() } else { format!("-{attempt}") };
        let to = store_dir.with_file_name(format!("{name}.unusable-{stamp}{suffix}"));
        if to.exists() {
            continue;
        }
        return match std::fs::rename(store_dir, &to) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
            Ok(()) => sync_folder(store_dir).map(|()| Some(to)),
        };
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("tmp");
    let mut file = File::create(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)?;
    sync_folder(path)
}

fn sync_folder(of: &Path) -> io::Result<()> {
    match of.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Some(parent) => File::open(parent)?.sync_all(),
        None => File::open(".")?.sync_all(),
    }
}
