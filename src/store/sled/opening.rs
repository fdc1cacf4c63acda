//! Opening the engine: what is damaged is told apart from what is merely out of reach, because a
//! damaged store is moved aside and restored, and one on a full disk must not be.

use super::SledOptions;
use super::rows::{FORMAT, FORMAT_KEY, VERSION_KEY, version_of};
use super::witness::Witness;
use crate::store::{Result, StoreError};
use ::sled::{Config, Db, Error};
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Duration;

/// Our own lock is held, so the engine's can only be that of a store closed a moment ago in this
/// process, whose last thread is still at it.
const LOCK_TRIES_MAX: u32 = 100;
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// An open engine and its log file, and the version of the last commit.
pub(super) struct Opened {
    pub(super) db: Db,
    pub(super) log: File,
    pub(super) version: u64,
    pub(super) witness: Witness,
}

/// Opens or creates the engine in `dir/data`, and reads every row once: a damaged one is found
/// now, while it can still be restored, and not in the middle of the night.
pub(super) fn open(dir: &Path, options: &SledOptions) -> Result<Opened> {
    let data = dir.join("data");
    let opened = catch_unwind(AssertUnwindSafe(|| open_engine(&data, options)));
    let (db, version) = match opened {
        Ok(Ok(opened)) => opened,
        Ok(Err(Trouble::Engine(error))) => return Err(classify(dir, error)),
        Ok(Err(Trouble::Store(error))) => return Err(error),
        Ok(Err(Trouble::Row)) => return Err(unusable(dir, "a row cannot be read")),
        Err(_) => return Err(unusable(dir, "the engine could not make sense of its files")),
    };
    let failed = |error: std::io::Error| StoreError::Failed(Box::new(error));
    let (witness, last) = Witness::open(dir).map_err(failed)?;
    if version < last {
        let why = format!("it ends with commit {version}, but {last} were durable");
        return Err(unusable(dir, &why));
    }
    let log = sync_files(dir, &data).map_err(failed)?;
    witness.note(version);
    Ok(Opened { db, log, version, witness })
}

enum Trouble {
    Engine(Error),
    Store(StoreError),
    Row,
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Engine(error)
    }
}

fn open_engine(data: &Path, options: &SledOptions) -> std::result::Result<(Db, u64), Trouble> {
    let config = Config::new()
        .path(data)
        .cache_capacity(options.cache_bytes)
        // Every commit is flushed by the committer; a flush in between would only cost.
        .flush_every_ms(None);
    let mut tries = 0;
    let db = loop {
        match config.open() {
            Ok(db) => break db,
            Err(error) if tries < LOCK_TRIES_MAX && is_lock(&error) => {
                tries += 1;
                std::thread::sleep(LOCK_PAUSE);
            }
            Err(error) => return Err(error.into()),
        }
    };
    if let Some(format) = db.get(FORMAT_KEY)? {
        if format.as_ref() != FORMAT {
            let source = format!("format {}", String::from_utf8_lossy(&format)).into();
            return Err(Trouble::Store(StoreError::Corrupt { key: "format".into(), source }));
        }
    } else {
        if !db.is_empty() {
            return Err(Trouble::Row);
        }
        let mut batch = ::sled::Batch::default();
        batch.insert(FORMAT_KEY, FORMAT);
        batch.insert(VERSION_KEY, &0_u64.to_be_bytes());
        db.apply_batch(batch)?;
        db.flush()?;
    }
    let version = verify(&db)?;
    Ok((db, version))
}

/// Reads every row; the version of the last commit.
fn verify(db: &Db) -> std::result::Result<u64, Trouble> {
    let stored = db.get(VERSION_KEY)?.ok_or(Trouble::Row)?;
    let last = version_of(&stored).ok_or(Trouble::Row)?;
    for row in db.iter() {
        let (key, value) = row?;
        if key.as_ref() == FORMAT_KEY {
            continue;
        }
        match version_of(&value) {
            Some(version) if version <= last => {}
            _ => return Err(Trouble::Row),
        }
    }
    Ok(last)
}

/// What the engine wrote while it opened, and the names of its files, reach the disk.
fn sync_files(dir: &Path, data: &Path) -> std::io::Result<File> {
    let log = File::options().read(true).write(true).open(data.join("db"))?;
    log.sync_data()?;
    for folder in [Some(data), Some(dir), dir.parent()].into_iter().flatten() {
        if !folder.as_os_str().is_empty() {
            File::open(folder)?.sync_all()?;
        }
    }
    Ok(log)
}

fn is_lock(error: &Error) -> bool {
    matches!(error, Error::Io(error) if error.to_string().contains("could not acquire lock"))
}

/// An error that the operating system made (no rights, no space, a failing disk) says nothing
/// about the files; any other comes from reading them.
fn classify(dir: &Path, error: Error) -> StoreError {
    match &error {
        Error::Io(cause) if cause.raw_os_error().is_some() || is_lock(&error) => {
            StoreError::Failed(Box::new(error))
        }
        _ => StoreError::Unusable { path: dir.to_owned(), source: Box::new(error) },
    }
}

fn unusable(dir: &Path, why: &str) -> StoreError {
    StoreError::Unusable { path: dir.to_owned(), source: why.into() }
}
