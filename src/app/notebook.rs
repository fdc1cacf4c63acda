//! The notebook of a Leantime board, over the store: rows that are larger than the store's values
//! stand there in pieces.

use crate::board::leantime::notebook::{Line, Notebook};
use crate::board::{BoardError, Result};
use crate::domain::BoardName;
use crate::store::{Batch, Store, StoreError, VALUE_BYTES_MAX};
use async_trait::async_trait;
use std::sync::Arc;

/// Bytes of a piece; the first one has the number of further ones before it.
const PIECE: usize = VALUE_BYTES_MAX - 4;
/// How often a row is read again that changed between its pieces.
const TRIES_MAX: usize = 10;

/// Rows of a board in the store that claims are in.
#[derive(Debug)]
pub(super) struct StoreNotebook {
    store: Arc<dyn Store>,
    prefix: String,
}

impl StoreNotebook {
    pub(super) fn new(store: Arc<dyn Store>, board: &BoardName) -> Self {
        Self { store, prefix: format!("leantime/{board}/") }
    }

    fn row(&self, key: &str) -> String {
        format!("{}row/{key}", self.prefix)
    }

    fn piece(&self, key: &str, number: u32) -> String {
        format!("{}more/{key}/{number:06}", self.prefix)
    }

    /// The row with its version, put together.
    async fn read(&self, key: &str) -> Result<Option<(u64, u32, Vec<u8>)>> {
        for _ in 0..TRIES_MAX {
            let Some(first) = self.store.get(&self.row(key)).await.map_err(failed)? else {
                return Ok(None);
            };
            let (more, mut bytes) = part(&first.value)?;
            let mut is_whole = true;
            for number in 1..=more {
                match self.store.get(&self.piece(key, number)).await.map_err(failed)? {
                    Some(piece) => bytes.extend(piece.value),
                    None => is_whole = false,
                }
            }
            if more == 0 {
                return Ok(Some((first.version, more, bytes)));
            }
            // Nobody wrote it while its pieces were read.
            let now = self.store.get(&self.row(key)).await.map_err(failed)?;
            if is_whole && now.is_some_and(|now| now.version == first.version) {
                return Ok(Some((first.version, more, bytes)));
            }
        }
        let what = "the notebook of the Leantime board changes too fast to be read".to_owned();
        Err(BoardError::Unavailable { what, source: None })
    }

    async fn add(&self, mut batch: Batch, (key, value): Line) -> Result<Batch> {
        let before = self.read(&key).await?.map_or(0, |(_, more, _)| more);
        let after = match value {
            None => {
                batch = batch.delete(self.row(&key));
                0
            }
            Some(value) => {
                let mut pieces = value.chunks(PIECE);
                let head = pieces.next().unwrap_or_default();
                let more = u32::try_from(pieces.len()).unwrap_or(u32::MAX);
                let first = [&more.to_le_bytes()[..], head].concat();
                batch = batch.put(self.row(&key), first);
                for (number, piece) in (1..).zip(pieces) {
                    batch = batch.put(self.piece(&key, number), piece);
                }
                more
            }
        };
        for number in after + 1..=before {
            batch = batch.delete(self.piece(&key, number));
        }
        Ok(batch)
    }
}

/// How many further pieces there are, and the first.
fn part(value: &[u8]) -> Result<(u32, Vec<u8>)> {
    match value.split_first_chunk::<4>() {
        Some((more, bytes)) => Ok((u32::from_le_bytes(*more), bytes.to_vec())),
        None => Err(BoardError::Unusable {
            what: "a row of the Leantime board's notebook is damaged".to_owned(),
            source: None,
        }),
    }
}

fn failed(error: StoreError) -> BoardError {
    let what = "the notebook of the Leantime board".to_owned();
    BoardError::Unavailable { what, source: Some(Box::new(error)) }
}

#[async_trait]
impl Notebook for StoreNotebook {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.read(key).await?.map(|(_, _, bytes)| bytes))
    }

    async fn commit(&self, expected: &[Line], lines: Vec<Line>) -> Result<bool> {
        let mut batch = Batch::new();
        for (key, value) in expected {
            let found = self.read(key).await?;
            if found.as_ref().map(|(_, _, bytes)| bytes) != value.as_ref() {
                return Ok(false);
            }
            batch = batch.check(self.row(key), found.map(|(version, _, _)| version));
        }
        for line in lines {
            batch = self.add(batch, line).await?;
        }
        match self.store.commit(batch).await {
            Ok(()) => Ok(true),
            Err(StoreError::Conflict { .. }) => Ok(false),
            Err(error) => Err(failed(error)),
        }
    }

    async fn scan(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Vec<u8>)>> {
        let own = self.row("");
        let after = after.map(|key| self.row(key));
        let rows = self.store.scan(&self.row(prefix), after.as_deref(), limit).await;
        let mut found = Vec::new();
        for row in rows.map_err(failed)? {
            let Some(key) = row.key.strip_prefix(&own) else { continue };
            let (more, bytes) = part(&row.value)?;
            let whole = if more == 0 { Some(bytes) } else { self.get(key).await? };
            found.extend(whole.map(|bytes| (key.to_owned(), bytes)));
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::memory::MemoryStore;

    fn notebook() -> StoreNotebook {
        let clock = Arc::new(crate::clock::ManualClock::at(crate::domain::from_millis(0)));
        StoreNotebook::new(Arc::new(MemoryStore::new(clock)), &BoardName::new("main"))
    }

    #[tokio::test]
    async fn large_rows_come_back_whole_and_leave_nothing_when_they_shrink() {
        let book = notebook();
        for size in [0, 1, PIECE, PIECE + 1, 200_000, 5, 3 * PIECE] {
            let bytes: Vec<u8> = (0..size).map(|n| u8::try_from(n % 251).unwrap()).collect();
            let line = ("task/1".to_owned(), Some(bytes.clone()));
            assert!(book.commit(&[], vec![line]).await.unwrap());
            assert_eq!(book.get("task/1").await.unwrap(), Some(bytes.clone()), "{size}");
            let all = book.scan("task/", None, 9).await.unwrap();
            assert_eq!(all, [("task/1".to_owned(), bytes)]);
            let rows = book.store.scan("leantime/", None, 1_000).await.unwrap().len();
            assert_eq!(rows, size.div_ceil(PIECE).max(1), "{size}");
        }
        assert!(book.commit(&[], vec![("task/1".to_owned(), None)]).await.unwrap());
        assert!(book.store.scan("leantime/", None, 9).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn of_two_that_expect_the_same_row_the_second_gets_nothing() {
        let book = notebook();
        let row = |text: &str| ("a".to_owned(), Some(text.as_bytes().to_vec()));
        let absent = [("a".to_owned(), None)];
        assert!(book.commit(&absent, vec![row("1")]).await.unwrap());
        assert!(!book.commit(&absent, vec![row("2")]).await.unwrap());
        assert!(book.commit(&[row("1")], vec![row("3")]).await.unwrap());
        assert_eq!(book.get("a").await.unwrap(), Some(b"3".to_vec()));
    }
}
