//! Records: JSON in the store. What is larger than one value is cut into numbered parts that are
//! written in the same commit; the record's own row then says how many there are and how to tell
//! that they belong together.
//!
//! For a release two versions of the program work side by side on one store. What the newer one adds is a
//! member that the older one passes over, and loses when it writes the record anew. A record that the older
//! one must not write says so: its member `rota` holds the number of its format, and one that knows only
//! lower ones leaves it alone, as it does what holds words that it does not know.

use super::{Ledger, LedgerError, Result, keys};
use crate::domain::StoreTime;
use crate::store::{Batch, Row, Store, StoreError, VALUE_BYTES_MAX, Versioned};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The largest record, in bytes of JSON.
pub(super) const RECORD_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Rows read at a time.
pub(super) const PAGE: usize = 500;
/// How often a record is read again when it was rewritten between its parts.
const READS_MAX: u32 = 16;
/// What a JSON text never begins with.
pub(super) const PARTS_MARK: u8 = b'#';
/// The newest format that is known here. A record that does not say its format has the first.
const FORMAT: u64 = 1;
/// How a record says it.
const FORMAT_SAID: &str = "\"rota\":";

/// A record as it was read.
#[derive(Debug)]
pub(super) struct Record<T> {
    /// The version to check when it is written again.
    pub(super) version: u64,
    /// How many parts it has beside its own row.
    parts: u32,
    pub(super) value: T,
}

/// What stands under a key.
#[derive(Debug)]
pub(super) enum Found<T> {
    /// Nothing.
    Nothing,
    /// What only a newer program can read.
    Newer,
    /// A record.
    Known(Record<T>),
}

/// What a record says of its format.
#[derive(Deserialize)]
struct Said {
    rota: u64,
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

/// The same with what only a newer program can read.
pub(super) async fn find_all<T: DeserializeOwned>(
    store: &dyn Store,
    names: &[String],
) -> std::result::Result<Vec<Found<T>>, StoreError> {
    let mut all = Vec::with_capacity(names.len());
    for some in names.chunks(PAGE) {
        let asked: Vec<&str> = some.iter().map(String::as_str).collect();
        let found = store.get_all(&asked).await?;
        for (name, found) in some.iter().zip(found) {
            all.push(Found::of(of(store, name, found).await)?);
        }
    }
    Ok(all)
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

/// The store's time with a record, asked for together: the time is not earlier than what was read.
pub(super) async fn look<T: DeserializeOwned>(
    store: &dyn Store,
    key: &str,
) -> std::result::Result<(StoreTime, Option<Record<T>>), StoreError> {
    let (now, record, _) = look_around(store, key, &[]).await?;
    Ok((now, record))
}

/// The same with whether anything is under each of these other keys. All of it is asked for again where the
/// record was rewritten between its parts: what was written along with it is then seen, too.
pub(super) async fn look_around<T: DeserializeOwned>(
    store: &dyn Store,
    key: &str,
    others: &[String],
) -> std::result::Result<(StoreTime, Option<Record<T>>, Vec<bool>), StoreError> {
    let asked: Vec<&str> = std::iter::once(key).chain(others.iter().map(String::as_str)).collect();
    for _ in 0..READS_MAX {
        let (now, found) = store.look(&asked).await?;
        let mut found = found.into_iter();
        let own = found.next().flatten();
        let others: Vec<bool> = found.map(|other| other.is_some()).collect();
        let Some(Versioned { version, value }) = own else { return Ok((now, None, others)) };
        let row = Row { key: key.to_owned(), version, value };
        if let Some(record) = complete(store, &row).await? {
            return Ok((now, Some(record), others));
        }
    }
    Err(corrupt(key, "its parts do not fit together"))
}

/// Up to `limit` records that begin with `prefix` and come after `after`, with their keys; none: there
/// are no more. What only a newer program can read is left out.
pub(super) async fn scan<T: DeserializeOwned>(
    store: &dyn Store,
    prefix: &str,
    after: Option<&str>,
    limit: usize,
) -> std::result::Result<Vec<(String, Record<T>)>, StoreError> {
    let mut after = after.map(str::to_owned);
    loop {
        let page = scan_found(store, prefix, after.as_deref(), limit).await?;
        let Some((last, _)) = page.last() else { return Ok(Vec::new()) };
        after = Some(last.clone());
        let records: Vec<_> =
            page.into_iter().filter_map(|(key, found)| Some((key, found.known()?))).collect();
        if !records.is_empty() {
            return Ok(records);
        }
    }
}

/// The same with what only a newer program can read, and with what has gone since the scan.
pub(super) async fn scan_found<T: DeserializeOwned>(
    store: &dyn Store,
    prefix: &str,
    after: Option<&str>,
    limit: usize,
) -> std::result::Result<Vec<(String, Found<T>)>, StoreError> {
    let mut all = Vec::new();
    for row in store.scan(prefix, after, limit).await? {
        let found = match complete(store, &row).await {
            // It was rewritten, or removed, since the scan.
            Ok(None) => get(store, &row.key).await,
            found => found,
        };
        all.push((row.key, Found::of(found)?));
    }
    Ok(all)
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
    let read = |bytes: &[u8], parts| match parse(&row.key, bytes) {
        Ok(value) => Ok(Some(Record { version: row.version, parts, value })),
        Err(error) => {
            if is_newer(&error) {
                store.leave_alone(&row.key, row.version);
            }
            Err(error)
        }
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

/// What the text of a record says.
pub(super) fn parse<T: DeserializeOwned>(
    key: &str,
    bytes: &[u8],
) -> std::result::Result<T, StoreError> {
    if let Some(format) = newer_format(bytes) {
        let source = format!("its format is {format}, and {FORMAT} is known here").into();
        return Err(StoreError::Newer { key: key.to_owned(), source });
    }
    serde_json::from_slice(bytes).map_err(|error| {
        let (key, is_json) = (key.to_owned(), error.is_data());
        let source = Box::new(error);
        // What is damaged is rarely JSON still: those are words that are not known here.
        if is_json {
            StoreError::Newer { key, source }
        } else {
            StoreError::Corrupt { key, source }
        }
    })
}

/// The format that a record says it has, where it is newer than what is known here.
fn newer_format(bytes: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(bytes).ok()?;
    if !text.starts_with('{') || !text.contains(FORMAT_SAID) {
        return None;
    }
    let said: Said = serde_json::from_str(text).ok()?;
    Some(said.rota).filter(|format| *format > FORMAT)
}

/// Whether a row, whatever it is about, says that it is a newer program's.
pub(super) async fn is_marked(
    store: &dyn Store,
    row: &Row,
) -> std::result::Result<bool, StoreError> {
    if row.value.first() != Some(&PARTS_MARK) {
        return Ok(newer_format(&row.value).is_some());
    }
    match complete::<serde::de::IgnoredAny>(store, row).await {
        Ok(_) | Err(StoreError::Corrupt { .. }) => Ok(false),
        Err(StoreError::Newer { .. }) => Ok(true),
        Err(error) => Err(error),
    }
}

/// Whether only a newer program can read what was asked for.
pub(super) fn is_newer(error: &StoreError) -> bool {
    matches!(error, StoreError::Newer { .. })
}

/// What was read; what only a newer program can read is nothing here.
pub(super) fn known<T>(
    read: std::result::Result<Option<T>, StoreError>,
) -> std::result::Result<Option<T>, StoreError> {
    match read {
        Err(StoreError::Newer { .. }) => Ok(None),
        read => read,
    }
}

impl<T> Found<T> {
    fn of(
        read: std::result::Result<Option<Record<T>>, StoreError>,
    ) -> std::result::Result<Self, StoreError> {
        match read {
            Ok(Some(record)) => Ok(Self::Known(record)),
            Ok(None) => Ok(Self::Nothing),
            Err(StoreError::Newer { .. }) => Ok(Self::Newer),
            Err(error) => Err(error),
        }
    }

    /// The record, if it can be read.
    pub(super) fn known(self) -> Option<Record<T>> {
        match self {
            Self::Known(record) => Some(record),
            Self::Nothing | Self::Newer => None,
        }
    }
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

    /// The same, where what only a newer program can read is nothing to whoever asks.
    pub(super) async fn read_known<T: DeserializeOwned>(
        &self,
        key: &str,
    ) -> Result<Option<Record<T>>> {
        Ok(known(get(self.store.as_ref(), key).await)?)
    }

    /// What stands under a key.
    pub(super) async fn find<T: DeserializeOwned>(&self, key: &str) -> Result<Found<T>> {
        Ok(Found::of(get(self.store.as_ref(), key).await)?)
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
