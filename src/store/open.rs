//! The store's options, and the choice between its adapters. Called by the composition root alone.

use super::memory::MemoryStore;
use super::postgres::PostgresStore;
use super::sled::{SledOptions, SledStore};
use super::{Result, Store};
use crate::clock::Clock;
use crate::domain::LifeId;
use crate::postgres::Cluster;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// `[store]` of `rota.toml`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StoreOptions {
    /// Where the ledger is kept.
    pub engine: Engine,
    /// The store's folder in the state folder.
    pub path: PathBuf,
    /// How much memory the engine may use as a cache, in MiB (1 to 4096).
    #[schemars(range(min = 1, max = 4096))]
    pub cache_mib: u32,
}

/// The engine of a store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Engine {
    /// In the state folder, durable.
    #[default]
    Sled,
    /// In memory, forgotten at the end: for rehearsals only.
    Memory,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self { engine: Engine::default(), path: PathBuf::from("store"), cache_mib: 8 }
    }
}

impl StoreOptions {
    /// The folder of an embedded store in this state folder.
    pub fn folder(&self, state: &Path) -> PathBuf {
        state.join(&self.path)
    }
}

/// Opens the store of a state folder for this life of the daemon.
pub fn open(
    options: &StoreOptions,
    state: &Path,
    life: &LifeId,
    clock: Arc<dyn Clock>,
) -> Result<Arc<dyn Store>> {
    Ok(match options.engine {
        Engine::Memory => Arc::new(MemoryStore::new(clock)),
        Engine::Sled => {
            let cache_bytes = u64::from(options.cache_mib.clamp(1, 4096)) * 1024 * 1024;
            let (folder, life) = (options.folder(state), life.to_string());
            Arc::new(SledStore::open(&folder, SledOptions { cache_bytes, life }, clock)?)
        }
    })
}

/// Opens the store that a team's daemons share on a server; it is read from with connections of its own.
pub async fn open_shared(cluster: Cluster) -> Result<Arc<dyn Store>> {
    Ok(Arc::new(PostgresStore::open(cluster).await?))
}
