//! The export, and what is done when the store cannot be opened: it is moved aside, and a fresh one
//! is filled from the last export.
//!
//! An export is older than the store it replaces, so nothing of it may be trusted to be the last
//! word: the epoch is raised, so that no fence comes twice; everything is stopped until a person
//! starts it; and instants after the export are for the daemon to record as `lost_ledger`. The order
//! of the steps is such that a crash between any two of them leaves a store that is not used before
//! [`restore`] has been done again.

use super::stop::{self, Stopped};
use super::{keys, records};
use crate::clock::Clock;
use crate::domain::Timestamp;
use crate::store::{self, Batch, Row, Store, StoreError, VALUE_BYTES_MAX};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A store holds no more rows than can be exported at once.
const ROWS_MAX: usize = 4_000_000;
/// So many rows are imported with one commit.
const IMPORT_ROWS: usize = 200;
/// A line is a row in JSON; escaping makes it at most six times as long.
const LINE_BYTES_MAX: u64 = (VALUE_BYTES_MAX as u64 + 1024) * 6;

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

#[derive(Serialize, Deserialize)]
struct Header {
    rota_export: u32,
    at: Timestamp,
    epoch: u32,
}

#[derive(Serialize, Deserialize)]
struct Line {
    k: String,
    v: String,
}

#[derive(Serialize, Deserialize)]
struct Footer {
    rows: u64,
    sha256: String,
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

/// Writes every row, as one instant saw them, to a temporary file, makes it durable and gives it
/// its name. Returns the number of rows. Done every minute and at shutdown.
pub async fn export(
    store: &dyn Store,
    path: &Path,
    epoch: u32,
    clock: &dyn Clock,
) -> Result<u64, ExportError> {
    let at = clock.wall();
    // One scan: pages would show different instants, and a watermark past its occurrences.
    let rows = store.scan("", None, ROWS_MAX).await?;
    let path = path.to_owned();
    let write = move || {
        write_export(&path, &Header { rota_export: 1, at, epoch }, rows)
            .map_err(|source| ExportError::File { path, source })
    };
    tokio::task::spawn_blocking(write).await.unwrap_or_else(|error| {
        let path = PathBuf::from("export");
        Err(ExportError::File { path, source: io::Error::other(error) })
    })
}

/// Whether a restore was begun and not finished: the store is not to be used before it is.
pub fn is_restore_pending(state: &Path) -> bool {
    state.join("RESTORING").exists()
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
    let pending = state.join("RESTORING");
    stop::set(state, "rota", reason, at).map_err(file(stop::stop_path(state)))?;
    write_durably(&pending, b"").map_err(file(pending.clone()))?;

    let export = read_export(&export_path(state));
    let exported_epoch = export.as_ref().ok().map(|export| export.header.epoch);
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
        Ok(export) => {
            restored.exported = Some(export.header.at);
            restored.rows = import(store.as_ref(), export.rows).await?;
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
    store.commit(records::put::<_, ()>(batch, keys::EPOCH, &epoch, None)?).await?;
    std::fs::remove_file(&pending)
        .and_then(|()| File::open(state)?.sync_all())
        .map_err(file(pending))?;
    Ok((store, restored))
}

fn write_export(path: &Path, header: &Header, rows: Vec<Row>) -> io::Result<u64> {
    let temporary = path.with_extension("tmp");
    let mut out = BufWriter::new(File::create(&temporary)?);
    let mut hash = Sha256::new();
    let mut line = |out: &mut BufWriter<File>, text: String| {
        hash.update(text.as_bytes());
        hash.update(b"\n");
        writeln!(out, "{text}")
    };
    line(&mut out, serde_json::to_string(header)?)?;
    let mut count = 0;
    for row in rows {
        let v = String::from_utf8(row.value).map_err(|_| io::ErrorKind::InvalidData)?;
        line(&mut out, serde_json::to_string(&Line { k: row.key, v })?)?;
        count += 1;
    }
    let sha256 = keys::hex(&hash.finalize());
    writeln!(out, "{}", serde_json::to_string(&Footer { rows: count, sha256 })?)?;
    let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)?;
    sync_folder(path)?;
    Ok(count)
}

struct Export {
    header: Header,
    rows: Vec<Line>,
}

/// Reads a whole export; what is wrong with it, in words, if it is not whole.
fn read_export(path: &Path) -> Result<Export, String> {
    let file = File::open(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => "there is no export".to_owned(),
        _ => format!("the export cannot be opened: {error}"),
    })?;
    let mut reader = BufReader::new(file);
    let mut hash = Sha256::new();
    let mut next = || -> Result<String, String> {
        let mut line = String::new();
        let mut bounded = io::Read::take(&mut reader, LINE_BYTES_MAX);
        let read = bounded.read_line(&mut line);
        read.map_err(|error| format!("the export cannot be read: {error}"))?;
        line.pop().filter(|end| *end == '\n').ok_or("the export breaks off")?;
        Ok(line)
    };
    let not_json = |error: serde_json::Error| format!("the export is damaged: {error}");
    let mut line = next()?;
    let header: Header = serde_json::from_str(&line).map_err(not_json)?;
    if header.rota_export != 1 {
        return Err(format!("the export has format {}, not 1", header.rota_export));
    }
    let mut rows = Vec::new();
    loop {
        hash.update(line.as_bytes());
        hash.update(b"\n");
        line = next()?;
        if let Ok(footer) = serde_json::from_str::<Footer>(&line) {
            let is_whole =
                footer.rows == rows.len() as u64 && footer.sha256 == keys::hex(&hash.finalize());
            return if is_whole {
                Ok(Export { header, rows })
            } else {
                Err("the export is damaged: its sum does not fit".to_owned())
            };
        }
        rows.push(serde_json::from_str(&line).map_err(not_json)?);
    }
}

async fn import(store: &dyn Store, rows: Vec<Line>) -> Result<u64, ExportError> {
    let mut count = 0;
    let mut rows = rows.into_iter().peekable();
    while rows.peek().is_some() {
        let mut batch = Batch::new();
        for row in rows.by_ref().take(IMPORT_ROWS) {
            batch = batch.put(row.k, row.v);
            count += 1;
        }
        store.commit(batch).await?;
    }
    Ok(count)
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
