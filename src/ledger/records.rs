//! Records: JSON in the store. What is larger than one value is cut into numbered parts that are
//! written in the same commit; the record's own row then says how many there are and how to tell
//! that they belong together.

use super::{Ledger, LedgerError, Result, keys};
use crate::store::{Batch, Row, Store, StoreError, VALUE_BYTES_MAX, Versioned};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The largest record, in bytes of JSON.
pub(super) const RECORD_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Rows read at a time.
pub(super) const PAGE: usize = 500;
/// How often a record is read again when it was rewritten between its parts.
const READS_MAX: u32 = 16;
/// What a JSON text never begins with.
const PARTS_MARK: u8 = b'#';

/// A record as it was read.
#[derive(Debug)]
pub(super) struct Record<T> {
    /// The version to check when it is written again.
    pub(super) version: u64,
    /// How many parts it has beside its own row.
    parts: u32,
    pub(super) value: T,
}

/// What stands in a record's own row when it has parts.
struct Parts {
    count: u32,
    sha256: String,
}

/// Adds a record to a commit. `old` is the record it takes the place of.
pub(super) fn put<T: Serialize, U>(
    batch: Batch,
    key: &str,
    value: &T,
    old: Option<&Record<U>>,
) -> std::result::Result<Batch, StoreError> {
    let text = serde_json::to_string(value)
        .map_err(|error| StoreError::Corrupt { key: key.to_owned(), source: Box::new(error) })?;
    if text.len() > RECORD_BYTES_MAX {
        let (key, bytes) = (key.to_owned(), text.len());
        return Err(StoreError::TooLarge { key, bytes, max: RECORD_BYTES_MAX });
    }
    let old_parts = old.map_or(0, |old| old.parts);
    let mut count = 0;
    let mut batch = batch;
    if text.len() <= VALUE_BYTES_MAX {
        batch = batch.put(key, text);
    } else {
        let sha256 = keys::sha256(text.as_bytes());
        let mut rest = text.as_str();
        while !rest.is_empty() {
            let (part, tail) = rest.split_at(rest.floor_char_boundary(VALUE_BYTES_MAX));
            batch = batch.put(keys::part(key, count), part);
            count += 1;
            rest = tail;
        }
        batch = batch.put(key, format!("#{count} {sha256}"));
    }
    Ok((count..old_parts).fold(batch, |batch, index| batch.delete(keys::part(key, index))))
}

/// Adds the removal of a record to a commit.
pub(super) fn remove<T>(batch: Batch, key: &str, old: &Record<T>) -> Batch {
    let batch = batch.check(key, Some(old.version)).delete(key);
    (0..old.parts).fold(batch, |batch, index| batch.delete(keys::part(key, index)))
}

/// Adds a record that must not exist to a commit.
pub(super) fn create<T: Serialize>(
    batch: Batch,
    key: &str,
    value: &T,
) -> std::result::Result<Batch, StoreError> {
    put::<T, ()>(batch.check(key, None), key, value, None)
}

/// Adds a record that must not have changed since it was read (`None`: must not exist).
pub(super) fn replace<T: Serialize, U>(
    batch: Batch,
    key: &str,
    value: &T,
    old: Option<&Record<U>>,
) -> std::result::Result<Batch, StoreError> {
    put(batch.check(key, old.map(|old| old.version)), key, value, old)
}

/// Reads a record.
pub(super) async fn get<T: DeserializeOwned>(
    store: &dyn Store,
    key: &str,
) -> std::result::Result<Option<Record<T>>, StoreError> {
    let found = store.get(key).await?;
    of(store, key, found).await
}

/// The records of several keys, in their order: asked for together, so many at a time as a page has.
pub(super) async fn get_all<T: DeserializeOwned>(
    store: &dyn Store,
    names: &[String],
) -> std::result::Result<Vec<Option<Record<T>>>, StoreError> {
    let mut records = Vec::with_capacity(names.len());
    for some in names.chunks(PAGE) {
        let asked: Vec<&str> = some.iter().map(String::as_str).collect();
        let found = store.get_all(&asked).await?;
        for (name, found) in some.iter().zip(found) {
            records.push(of(store, name, found).await?);
        }
    }
    Ok(records)
}

/// The record of what was found under its key.
pub(super) async fn of<T: DeserializeOwned>(
    store: &dyn Store,
    key: &str,
    mut found: Option<Versioned>,
) -> std::result::Result<Option<Record<T>>, StoreError> {
    for _ in 0..READS_MAX {
        let Some(Versioned { version, value }) = found else { return Ok(None) };
        let row = Row { key: key.to_owned(), version, value };
        if let Some(record) = complete(store, &row).await? {
            return Ok(Some(record));
        }
        found = store.get(key).await?;
    }
    Err(corrupt(key, "its parts do not fit together"))
}

/// Up to `limit` records that begin with `prefix` and come after `after`, with their keys.
pub(super) async fn scan<T: DeserializeOwned>(
    store: &dyn Store,
    prefix: &str,
    after: Option<&str>,
    limit: usize,
) -> std::result::Result<Vec<(String, Record<T>)>, StoreError> {
    let mut records = Vec::new();
    for row in store.scan(prefix, after, limit).await? {
        match complete(store, &row).await? {
            Some(record) => records.push((row.key, record)),
            // It was rewritten, or removed, since the scan.
            None => {
                if let Some(record) = get(store, &row.key).await? {
                    records.push((row.key, record));
                }
            }
        }
    }
    Ok(records)
}

/// Everything that begins with `prefix`, at most `limit` records.
pub(super) async fn scan_all<T: DeserializeOwned>(
    store: &dyn Store,
    prefix: &str,
    limit: usize,
) -> std::result::Result<Vec<(String, Record<T>)>, StoreError> {
    let mut all: Vec<(String, Record<T>)> = Vec::new();
    loop {
        let rows = PAGE.min(limit - all.len());
        let after = all.last().map(|(key, _)| key.clone());
        let page = scan(store, prefix, after.as_deref(), rows).await?;
        let is_last = page.is_empty();
        all.extend(page);
        if is_last || all.len() >= limit {
            return Ok(all);
        }
    }
}

/// The record of a row, with its parts; `None` if they are of another writing of it.
async fn complete<T: DeserializeOwned>(
    store: &dyn Store,
    row: &Row,
) -> std::result::Result<Option<Record<T>>, StoreError> {
    let read = |bytes: &[u8], parts| {
        serde_json::from_slice(bytes)
            .map(|value| Some(Record { version: row.version, parts, value }))
            .map_err(|error| StoreError::Corrupt { key: row.key.clone(), source: Box::new(error) })
    };
    if row.value.first() != Some(&PARTS_MARK) {
        return read(&row.value, 0);
    }
    let parts = parts_of(row)?;
    let mut bytes = Vec::new();
    for index in 0..parts.count {
        match store.get(&keys::part(&row.key, index)).await? {
            Some(part) => bytes.extend(part.value),
            None => return Ok(None),
        }
    }
    if keys::sha256(&bytes) != parts.sha256 {
        return Ok(None);
    }
    read(&bytes, parts.count)
}

fn parts_of(row: &Row) -> std::result::Result<Parts, StoreError> {
    let text = std::str::from_utf8(&row.value).unwrap_or_default();
    let split = text.strip_prefix('#').and_then(|text| text.split_once(' '));
    let parts = split.and_then(|(count, sha256)| {
        Some(Parts { count: count.parse().ok()?, sha256: sha256.to_owned() })
    });
    let bound = u32::try_from(RECORD_BYTES_MAX / VALUE_BYTES_MAX * 2).unwrap_or(u32::MAX);
    parts
        .filter(|parts| parts.count <= bound)
        .ok_or_else(|| corrupt(&row.key, "it does not say which parts it has"))
}

fn corrupt(key: &str, why: &str) -> StoreError {
    StoreError::Corrupt { key: key.to_owned(), source: why.into() }
}

impl Ledger {
    /// Reads a record.
    pub(super) async fn read<T: DeserializeOwned>(&self, key: &str) -> Result<Option<Record<T>>> {
        Ok(get(self.store.as_ref(), key).await?)
    }

    /// Commits; `false` when somebody else was quicker and it has to be looked at again.
    pub(super) async fn try_commit(&self, batch: Batch) -> std::result::Result<bool, StoreError> {
        match self.store.commit(batch).await {
            Ok(()) => Ok(true),
            Err(StoreError::Conflict { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Somebody else was quicker every time.
pub(super) fn contended(what: impl Into<String>) -> LedgerError {
    LedgerError::Contended { what: what.into() }
}
