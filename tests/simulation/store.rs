//! The shared store as one life sees it: late, failing before or after the commit, and watched.

use super::world::{Link, Planted, World};
use async_trait::async_trait;
use rota::domain::StoreTime;
use rota::store::memory::MemoryStore;
use rota::store::{Batch, Result, Row, Store, StoreError, Versioned};
use std::sync::Arc;
use tokio::sync::watch;

#[derive(Debug)]
pub struct SimulatedStore {
    pub link: Arc<Link>,
    pub inner: Arc<MemoryStore>,
}

impl SimulatedStore {
    fn world(&self) -> &World {
        &self.link.world
    }

    fn fails(&self, when: &str) -> Result<()> {
        if self.world().strikes(self.world().weather.store_fails) {
            self.world().note(|| format!("{}: the store fails {when}", self.link.who.daemon));
            return Err(StoreError::Failed("simulated".into()));
        }
        Ok(())
    }
}

#[async_trait]
impl Store for SimulatedStore {
    async fn get(&self, key: &str) -> Result<Option<Versioned>> {
        self.link.pass().await;
        self.fails("to read")?;
        self.inner.get(key).await
    }

    async fn commit(&self, batch: Batch) -> Result<()> {
        self.link.pass().await;
        self.fails("before a commit")?;
        let mut batch = batch;
        if self.world().planted == Planted::NoChecks {
            batch.checks.clear();
        }
        if self.world().planted == Planted::NoJournal {
            batch.puts.retain(|(key, _)| !key.starts_with("effect/"));
        }
        let result = self.inner.commit(batch.clone()).await;
        if result.is_ok() {
            let now = self.world().store_time();
            self.world().judge().committed(&self.link.who, &batch, &now);
            if let Some(commits) = &self.world().commits {
                commits.send_modify(|count| *count += 1);
            }
        }
        self.link.pass().await;
        result.and_then(|()| self.fails("after a commit"))
    }

    async fn scan(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<Row>> {
        self.link.pass().await;
        self.fails("to scan")?;
        self.inner.scan(prefix, after, limit).await
    }

    async fn now(&self) -> Result<StoreTime> {
        self.link.pass().await;
        self.inner.now().await
    }

    fn now_at_most(&self) -> Option<StoreTime> {
        self.inner.now_at_most()
    }

    fn changes(&self) -> Option<watch::Receiver<u64>> {
        self.world().commits.as_ref().map(watch::Sender::subscribe)
    }
}
