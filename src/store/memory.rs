//! The store in memory: for tests, rehearsals and the demo. It keeps every rule of the contract
//! but durability, and forgets everything when it is dropped.

use super::{Batch, Result, Row, Store, StoreError, Versioned};
use crate::clock::Clock;
use crate::domain::StoreTime;
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A store in memory.
#[derive(Debug)]
pub struct MemoryStore {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The version of the last commit.
    version: u64,
    rows: BTreeMap<String, Versioned>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, state: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn get(&self, key: &str) -> Result<Option<Versioned>> {
        Ok(self.lock().rows.get(key).cloned())
    }

    async fn commit(&self, batch: Batch) -> Result<()> {
        batch.check_sizes()?;
        let mut state = self.lock();
        for (key, version) in &batch.checks {
            if state.rows.get(key).map(|row| row.version) != *version {
                return Err(StoreError::Conflict { key: key.clone() });
            }
        }
        state.version += 1;
        let version = state.version;
        for (key, value) in batch.puts {
            state.rows.insert(key, Versioned { version, value });
        }
        for key in batch.deletes {
            state.rows.remove(&key);
        }
        Ok(())
    }

    async fn scan(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<Row>> {
        let from = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let state = self.lock();
        let rows = state.rows.range::<str, _>((from, Bound::Unbounded));
        Ok(rows
            .take_while(|(key, _)| key.starts_with(prefix))
            .take(limit)
            .map(|(key, row)| Row {
                key: key.clone(),
                version: row.version,
                value: row.value.clone(),
            })
            .collect())
    }

    async fn now(&self) -> Result<StoreTime> {
        Ok(self.clock.store_time())
    }

    fn now_at_most(&self) -> Option<StoreTime> {
        Some(self.clock.store_time())
    }
}
