//! The contract of the store, sentence by sentence, for every adapter; then what is particular to
//! the embedded one, and to the one that daemons share.

mod embedded;
mod postgres;
mod postgres_faults;
mod suite;

use crate::support::postgres::{Team, schema};
use rota::clock::{Clock, ManualClock};
use rota::domain::from_millis;
use rota::store::Store;
use rota::store::memory::MemoryStore;
use rota::store::postgres::PostgresStore;
use rota::store::sled::{SledOptions, SledStore};
use std::sync::Arc;
use tempfile::TempDir;

/// A store, the clock it was given, and what has to outlive it.
pub struct Fixture {
    pub store: Arc<dyn Store>,
    pub clock: Arc<ManualClock>,
    /// Removed when the test ends.
    pub _dir: Option<TempDir>,
    pub _team: Option<Team>,
}

/// An empty store in memory.
pub fn memory() -> Fixture {
    let clock = Arc::new(ManualClock::at(from_millis(1_795_000_000_000)));
    let store = Arc::new(MemoryStore::new(Arc::clone(&clock) as Arc<dyn Clock>));
    Fixture { store, clock, _dir: None, _team: None }
}

/// An empty store in a folder of its own.
pub fn sled() -> Fixture {
    let clock = Arc::new(ManualClock::at(from_millis(1_795_000_000_000)));
    let dir = tempfile::tempdir().unwrap();
    let store = SledStore::open(
        &dir.path().join("store"),
        SledOptions::default(),
        Arc::clone(&clock) as Arc<dyn Clock>,
    );
    Fixture { store: Arc::new(store.unwrap()), clock, _dir: Some(dir), _team: None }
}

/// An empty store in a schema of its own; `None`: there is no PostgreSQL here.
pub async fn postgres() -> Option<Fixture> {
    let team = schema().await?;
    let clock = Arc::new(ManualClock::at(from_millis(1_795_000_000_000)));
    let store = PostgresStore::open(team.cluster(4)).await.unwrap();
    Some(Fixture { store: Arc::new(store), clock, _dir: None, _team: Some(team) })
}

/// Runs these at the same time, on as many threads as the runtime has.
pub async fn at_once<T: Send + 'static>(
    work: impl IntoIterator<Item: Future<Output = T> + Send + 'static>,
) -> Vec<T> {
    work.into_iter().collect::<tokio::task::JoinSet<T>>().join_all().await
}
