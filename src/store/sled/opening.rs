//! Opening the engine: what is damaged is told apart from what is merely out of reach, because a
//! damaged store is moved aside and restored, and one on a full disk must not be.

use super::SledOptions;
use super::rows::{FORMAT, FORMAT_BEFORE, FORMAT_KEY, Group, version_of};
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
    let format = db.get(FORMAT_KEY)?;
    match format.as_deref() {
        Some(FORMAT) => redo(&db)?,
        Some(FORMAT_BEFORE) => set_format(&db)?,
        Some(other) => {
            let source = format!("format {}", String::from_utf8_lossy(other)).into();
            return Err(Trouble::Store(StoreError::Corrupt { key: "format".into(), source }));
        }
        None if db.is_empty() => set_format(&db)?,
        None => return Err(Trouble::Row),
    }
    let version = verify(&db)?;
    Ok((db, version))
}

fn set_format(db: &Db) -> std::result::Result<(), Trouble> {
    db.insert(FORMAT_KEY, FORMAT)?;
    db.flush()?;
    Ok(())
}

/// Sets the rows of the last group again where a crash came between it and them.
fn redo(db: &Db) -> std::result::Result<(), Trouble> {
    let get = |key: &[u8]| db.get(key).map(|row| row.map(|row| row.to_vec()));
    let Ok(group) = Group::read(get)? else { return Err(Trouble::Row) };
    for (key, row) in group.into_iter().flat_map(|group| group.rows) {
        // A group that is there in full writes nothing.
        if db.get(&key)?.as_deref() != row.as_deref() {
            match row {
                Some(row) => db.insert(key, row)?,
                None => db.remove(key)?,
            };
        }
    }
    Ok(())
}

/// Reads every row; the version of the last commit, which is the highest of all: that of the last
/// group, or of a row of its own in the format before.
fn verify(db: &Db) -> std::result::Result<u64, Trouble> {
    let mut last = 0;
    for row in db.iter() {
        let (key, value) = row?;
        if key.as_ref() != FORMAT_KEY {
            last = version_of(&value).ok_or(Trouble::Row)?.max(last);
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

#[cfg(test)]
mod tests {
    use super::super::rows::{GROUP_KEY, encode};
    use super::*;
    use std::collections::BTreeMap;

    /// What a folder holds after something was done to its engine, and the version of its last commit.
    fn opened_after(what: impl FnOnce(&Db)) -> Result<(BTreeMap<String, Vec<u8>>, u64)> {
        let dir = tempfile::tempdir().unwrap();
        let Opened { db, .. } = open(dir.path(), &SledOptions::default())?;
        what(&db);
        db.flush().unwrap();
        drop(db);
        let Opened { db, version, .. } = open(dir.path(), &SledOptions::default())?;
        let rows = db.iter().map(|row| row.unwrap());
        let rows = rows.filter(|(key, _)| key[0] != 0xff);
        let text = |key: &[u8]| String::from_utf8(key.to_vec()).unwrap();
        Ok((rows.map(|(key, row)| (text(&key), row.to_vec())).collect(), version))
    }

    #[test]
    fn a_group_that_a_crash_left_without_its_rows_is_there_in_full() {
        for length in [10, 9_000] {
            let new = encode(8, &vec![b'n'; length]);
            let rows = [(b"a", Some(new.clone())), (b"b", None), (b"c", Some(new.clone()))];
            let rows = rows.map(|(key, row)| (key.to_vec(), row)).to_vec();
            let group = Group { version: 8, rows };
            // Cut off after each of its rows in turn, before all of them and after them.
            for done in 0..=group.rows.len() {
                let (found, version) = opened_after(|db| {
                    for key in ["a", "b"] {
                        db.insert(key, encode(7, b"old")).unwrap();
                    }
                    for (key, row) in group.record() {
                        db.insert(key, row).unwrap();
                    }
                    for (key, row) in group.rows.iter().take(done) {
                        match row {
                            Some(row) => db.insert(key, row.clone()).unwrap(),
                            None => db.remove(key).unwrap(),
                        };
                    }
                })
                .unwrap();
                let expected = ["a", "c"].map(|key| (key.to_owned(), new.clone()));
                assert_eq!(found, BTreeMap::from(expected), "{length} bytes, {done} rows");
                assert_eq!(version, 8);
            }
        }
    }

    #[test]
    fn a_group_that_was_only_begun_never_was() {
        let group =
            Group { version: 8, rows: vec![(b"a".to_vec(), Some(encode(8, &[1; 20_000])))] };
        let (found, version) = opened_after(|db| {
            db.insert("a", encode(7, b"old")).unwrap();
            let record = group.record();
            for (key, row) in &record[..record.len() - 1] {
                db.insert(key.as_slice(), row.as_slice()).unwrap();
            }
        })
        .unwrap();
        assert_eq!(found, BTreeMap::from([("a".to_owned(), encode(7, b"old"))]));
        // A version that a begun commit took is not given again.
        assert_eq!(version, 8);
    }

    #[test]
    fn the_format_before_is_taken_over_and_a_damaged_group_is_told() {
        let (found, version) = opened_after(|db| {
            db.insert(FORMAT_KEY, FORMAT_BEFORE).unwrap();
            db.insert("a", encode(5, b"old")).unwrap();
            db.insert(b"\xffversion", &9_u64.to_be_bytes()).unwrap();
        })
        .unwrap();
        assert_eq!(found, BTreeMap::from([("a".to_owned(), encode(5, b"old"))]));
        assert_eq!(version, 9);
        let damaged = opened_after(|db| {
            db.insert(GROUP_KEY, encode(5, &[0, 0, 0, 0, 9, 9])).unwrap();
        });
        assert!(matches!(damaged, Err(StoreError::Unusable { .. })), "{damaged:?}");
    }
}
