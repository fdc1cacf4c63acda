//! What a Leantime board cannot keep itself: revisions, marks, fences, the record of changes, what was
//! written as it was written, and things that have no place there.
//!
//! A notebook is a small ordered set of rows. Whoever composes the program gives one that lasts; the
//! one in memory forgets with the process, which costs the record of changes and certainty about
//! writes under way, never the board's data.

use crate::board::Result;
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A row to be kept, or removed.
pub type Line = (String, Option<Vec<u8>>);

/// Rows by their keys.
///
/// Keys are at most 200 bytes of printable ASCII. Values may have some hundred kilobytes: texts of
/// the board stand in them.
#[async_trait]
pub trait Notebook: Send + Sync + std::fmt::Debug {
    /// The row.
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>>;

    /// If every row in `expected` is as it is there, all of `lines` at once; false and nothing of it
    /// otherwise. What was committed is not forgotten once this returned.
    async fn commit(&self, expected: &[Line], lines: Vec<Line>) -> Result<bool>;

    /// Rows whose keys begin with `prefix` and come after `after`, in order, at most `limit`.
    async fn scan(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Vec<u8>)>>;
}

/// A notebook that lasts as long as the process.
#[derive(Debug, Default)]
pub struct MemoryNotebook {
    rows: Mutex<BTreeMap<String, Vec<u8>>>,
}

impl MemoryNotebook {
    fn rows(&self) -> MutexGuard<'_, BTreeMap<String, Vec<u8>>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Notebook for MemoryNotebook {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.rows().get(key).cloned())
    }

    async fn commit(&self, expected: &[Line], lines: Vec<Line>) -> Result<bool> {
        let mut rows = self.rows();
        if expected.iter().any(|(key, value)| rows.get(key) != value.as_ref()) {
            return Ok(false);
        }
        for (key, value) in lines {
            match value {
                Some(value) => rows.insert(key, value),
                None => rows.remove(&key),
            };
        }
        Ok(true)
    }

    async fn scan(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Vec<u8>)>> {
        let rows = self.rows();
        let begin = after.unwrap_or(prefix).to_owned();
        let found = rows
            .range(begin..)
            .skip_while(|(key, _)| after.is_some_and(|after| key.as_str() <= after))
            .take_while(|(key, _)| key.starts_with(prefix));
        Ok(found.take(limit).map(|(key, value)| (key.clone(), value.clone())).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(key: &str, value: &str) -> Line {
        (key.into(), Some(value.into()))
    }

    #[tokio::test]
    async fn of_two_that_expect_the_same_row_the_second_gets_nothing() {
        let book = MemoryNotebook::default();
        let absent = [("a".to_owned(), None)];
        assert!(book.commit(&absent, vec![row("a", "1"), row("b", "1")]).await.unwrap());
        assert!(!book.commit(&absent, vec![row("a", "2"), row("c", "2")]).await.unwrap());
        assert!(
            book.commit(&[row("a", "1")], vec![row("a", "3"), ("b".into(), None)]).await.unwrap()
        );
        assert_eq!(book.scan("", None, 9).await.unwrap(), [("a".into(), b"3".to_vec())]);
    }

    #[tokio::test]
    async fn a_scan_goes_on_after_a_key_and_stays_with_its_prefix() {
        let book = MemoryNotebook::default();
        let rows = ["a/1", "b/1", "b/2", "b/3", "c/1"].map(|key| row(key, key));
        book.commit(&[], rows.to_vec()).await.unwrap();
        let keys = async |after, limit| -> Vec<String> {
            let found = book.scan("b/", after, limit).await.unwrap();
            found.into_iter().map(|(key, _)| key).collect()
        };
        assert_eq!(keys(None, 2).await, ["b/1", "b/2"]);
        assert_eq!(keys(Some("b/2"), 2).await, ["b/3"]);
        assert!(keys(Some("b/3"), 2).await.is_empty());
    }
}
