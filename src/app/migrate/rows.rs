//! The rows of a store, from one store into another. Versions are new there; what fences there were
//! stands in the values and is as it was.

use super::Watcher;
use crate::app::house::MovedRows;
use crate::board::sql::moving::Step;
use crate::store::{Batch, Result, Store, StoreError};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// So many rows are carried with one commit.
const ROWS: usize = 200;
/// Where it is noted, in the store that is filled, how far that has come; no other key sorts behind it.
const NOTE: &str = "~moving";

/// How far it has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Note {
    /// Which move it is.
    pub id: String,
    /// The last key that is there.
    pub after: Option<String>,
}

/// The move that fills a store, if one does.
pub(super) async fn note(store: &dyn Store) -> Result<Option<Note>> {
    let Some(row) = store.get(NOTE).await? else { return Ok(None) };
    serde_json::from_slice(&row.value).map(Some).map_err(unreadable)
}

/// Whether a store holds nothing.
pub(super) async fn is_empty(store: &dyn Store) -> Result<bool> {
    Ok(store.scan("", None, 1).await?.is_empty())
}

/// The store is filled.
pub(super) async fn forget(store: &dyn Store) -> Result<()> {
    store.commit(Batch::new().delete(NOTE)).await
}

/// How many rows there are.
pub(super) async fn count(store: &dyn Store) -> Result<u64> {
    let (mut count, mut after) = (0, None);
    while let Some((rows, last)) = page(store, after.as_deref()).await? {
        count += rows.len() as u64;
        after = Some(last);
    }
    Ok(count)
}

/// Carries every row over that is not there yet; whether it came to the end before it was stopped.
pub(super) async fn copy(
    from: &dyn Store,
    to: &dyn Store,
    id: &str,
    watcher: &Watcher,
) -> Result<bool> {
    let of = count(from).await?;
    let mut done = count(to).await?;
    let mut after = if let Some(note) = note(to).await? {
        note.after
    } else {
        let first = with_note(Batch::new().check(NOTE, None), id, None)?;
        match to.commit(first).await {
            Ok(()) => None,
            // Of an earlier move that was cut off, and came through after all.
            Err(StoreError::Conflict { .. }) => note(to).await?.and_then(|note| note.after),
            Err(error) => return Err(error),
        }
    };
    loop {
        watcher.show(false, "store", Step { table: "rows", done, of });
        let Some((rows, last)) = page(from, after.as_deref()).await? else { return Ok(true) };
        done += rows.len() as u64;
        let batch =
            rows.into_iter().fold(Batch::new(), |batch, (key, value)| batch.put(key, value));
        to.commit(with_note(batch, id, Some(&last))?).await?;
        after = Some(last);
        // Not before: each try comes further, however soon it is stopped.
        if watcher.stop.is_cancelled() {
            return Ok(false);
        }
    }
}

/// What a store holds, by how its keys begin.
pub(super) async fn sums(store: &dyn Store, of: u64, watcher: &Watcher) -> Result<Vec<MovedRows>> {
    let mut ranges: BTreeMap<String, (u64, Sha256)> = BTreeMap::new();
    let (mut done, mut after) = (0, None);
    while let Some((rows, last)) = page(store, after.as_deref()).await? {
        watcher.show(true, "store", Step { table: "rows", done, of });
        done += rows.len() as u64;
        for (key, value) in rows {
            let range = key.split_inclusive('/').next().unwrap_or_default();
            if !ranges.contains_key(range) {
                ranges.insert(range.to_owned(), (0, Sha256::new()));
            }
            let Some((count, hash)) = ranges.get_mut(range) else { continue };
            *count += 1;
            for part in [key.as_bytes(), value.as_slice()] {
                hash.update((part.len() as u64).to_be_bytes());
                hash.update(part);
            }
        }
        after = Some(last);
    }
    let told = |(name, (rows, hash)): (String, (u64, Sha256))| {
        let sha256 = hash.finalize().iter().fold(String::with_capacity(64), |mut all, byte| {
            let _ = write!(all, "{byte:02x}");
            all
        });
        MovedRows { name, rows, sha256 }
    };
    Ok(ranges.into_iter().map(told).collect())
}

type Rows = Vec<(String, Vec<u8>)>;

/// Rows after a key and the last key of them; nothing at the end. Notes of a move are no rows.
async fn page(store: &dyn Store, after: Option<&str>) -> Result<Option<(Rows, String)>> {
    let rows = store.scan("", after, ROWS).await?;
    let Some(last) = rows.last() else { return Ok(None) };
    let last = last.key.clone();
    let rows = rows.into_iter().filter(|row| row.key != NOTE);
    Ok(Some((rows.map(|row| (row.key, row.value)).collect(), last)))
}

fn with_note(batch: Batch, id: &str, after: Option<&str>) -> Result<Batch> {
    let note = Note { id: id.to_owned(), after: after.map(str::to_owned) };
    Ok(batch.put(NOTE, serde_json::to_string(&note).map_err(unreadable)?))
}

fn unreadable(error: serde_json::Error) -> StoreError {
    StoreError::Corrupt { key: NOTE.to_owned(), source: Box::new(error) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use crate::domain::StoreTime;
    use crate::store::memory::MemoryStore;
    use crate::store::{Row, Versioned};
    use tokio::sync::watch;
    use tokio_util::sync::CancellationToken;

    fn store() -> MemoryStore {
        MemoryStore::new(SystemClock::shared())
    }

    fn watcher() -> Watcher {
        let stop = CancellationToken::new();
        Watcher { tell: watch::channel(crate::app::house::MoveStep::default()).0, stop }
    }

    async fn filled(rows: usize) -> MemoryStore {
        let store = store();
        for row in 0..rows {
            let kind = ["claim", "audit", "run"][row % 3];
            let batch = Batch::new().put(format!("{kind}/{row:05}"), format!("value {row}"));
            store.commit(batch).await.unwrap();
        }
        store
    }

    /// Somebody stops the move with every commit.
    #[derive(Debug)]
    struct Stopping<'a>(&'a MemoryStore, CancellationToken);

    #[async_trait::async_trait]
    impl Store for Stopping<'_> {
        async fn get(&self, key: &str) -> Result<Option<Versioned>> {
            self.0.get(key).await
        }

        async fn commit(&self, batch: Batch) -> Result<()> {
            self.1.cancel();
            self.0.commit(batch).await
        }

        async fn scan(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<Row>> {
            self.0.scan(prefix, after, limit).await
        }

        async fn now(&self) -> Result<StoreTime> {
            self.0.now().await
        }

        fn now_at_most(&self) -> Option<StoreTime> {
            self.0.now_at_most()
        }
    }

    #[tokio::test]
    async fn rows_are_carried_once_each_however_often_it_is_stopped() {
        let (from, to) = (filled(3 * ROWS + 7).await, store());
        let mut stopped = 0;
        loop {
            let watcher = watcher();
            let stopping = Stopping(&to, watcher.stop.clone());
            if copy(&from, &stopping, "m1", &watcher).await.unwrap() {
                break;
            }
            stopped += 1;
        }
        assert_eq!(stopped, 4, "once after each of four commits");
        assert_eq!(note(&to).await.unwrap().map(|note| note.id).as_deref(), Some("m1"));
        let watcher = watcher();
        let there = sums(&to, 0, &watcher).await.unwrap();
        assert_eq!(there, sums(&from, 0, &watcher).await.unwrap());
        forget(&to).await.unwrap();
        assert_eq!(count(&to).await.unwrap(), count(&from).await.unwrap());
        assert_eq!(note(&to).await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_row_that_differs_differs_in_the_sum_of_its_range_alone() {
        let (one, other) = (filled(9).await, filled(9).await);
        other.commit(Batch::new().put("audit/00001", "another")).await.unwrap();
        let watcher = watcher();
        let (one, other) =
            (sums(&one, 9, &watcher).await.unwrap(), sums(&other, 9, &watcher).await.unwrap());
        let names: Vec<&str> = one
            .iter()
            .zip(&other)
            .filter(|(one, other)| one != other)
            .map(|(one, _)| one.name.as_str())
            .collect();
        assert_eq!(names, ["audit/"]);
        assert_eq!(one.iter().map(|sum| sum.rows).sum::<u64>(), 9);
    }
}
