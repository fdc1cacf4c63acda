//! sled.
use super::{Batch, Result, Row, Store, Versioned};
use crate::clock::Clock;
use crate::domain::StoreTime;
use async_trait::async_trait;
use std::path::Path;
use std::sync::Arc;

/// How a folder is opened.
#[derive(Clone, Debug)]
pub struct SledOptions {
    /// Memory for the engine's cache, in bytes.
    pub cache_bytes: u64,
    /// Who opens it, for the lock file: this life of the daemon.
    pub life: String,
}

impl Default for SledOptions {
    fn default() -> Self {
        Self { cache_bytes: 8 * 1024 * 1024, life: String::new() }
    }
}

/// A store in a folder.
#[derive(Debug)]
pub struct SledStore {}

impl SledStore {
    /// Opens or creates it.
    pub fn open(_dir: &Path, _options: SledOptions, _clock: Arc<dyn Clock>) -> Result<Self> {
        todo!()
    }
}

#[async_trait]
impl Store for SledStore {
    async fn get(&self, _key: &str) -> Result<Option<Versioned>> {
        todo!()
    }
    async fn commit(&self, _batch: Batch) -> Result<()> {
        todo!()
    }
    async fn scan(&self, _prefix: &str, _after: Option<&str>, _limit: usize) -> Result<Vec<Row>> {
        todo!()
    }
    async fn now(&self) -> Result<StoreTime> {
        todo!()
    }
}
