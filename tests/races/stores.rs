//! Stores to race on: one that jostles its callers, one that does not keep its word, one whose
//! answers get lost.

use async_trait::async_trait;
use rota::domain::StoreTime;
use rota::store::{Batch, Result, Row, Store, StoreError, Versioned};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Lets others go first between a caller's look and its commit, and counts who was too late.
#[derive(Debug)]
pub struct Jostled {
    below: Arc<dyn Store>,
    reads: AtomicU64,
    /// Commits that lost the race for a version.
    pub conflicts: AtomicU64,
}

impl Jostled {
    pub fn new(below: Arc<dyn Store>) -> Arc<Self> {
        Arc::new(Self { below, reads: AtomicU64::new(0), conflicts: AtomicU64::new(0) })
    }
}

#[async_trait]
impl Store for Jostled {
    async fn get(&self, key: &str) -> Result<Option<Versioned>> {
        let found = self.below.get(key).await;
        // Some go through at once, some let one thread pass, some everybody.
        match self.reads.fetch_add(1, Ordering::Relaxed) % 3 {
            0 => std::thread::yield_now(),
            1 => tokio::task::yield_now().await,
            _ => {}
        }
        found
    }

    async fn commit(&self, batch: Batch) -> Result<()> {
        let done = self.below.commit(batch).await;
        if let Err(StoreError::Conflict { .. }) = &done {
            self.conflicts.fetch_add(1, Ordering::Relaxed);
        }
        done
    }

    async fn scan(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<Row>> {
        self.below.scan(prefix, after, limit).await
    }

    async fn now(&self) -> Result<StoreTime> {
        self.below.now().await
    }

    fn now_at_most(&self) -> Option<StoreTime> {
        self.below.now_at_most()
    }
}

/// A planted fault: it compares nothing before it swaps, once in `one_in` commits.
#[derive(Debug)]
pub struct Careless {
    pub below: Arc<dyn Store>,
    pub one_in: u64,
    pub commits: AtomicU64,
}

#[async_trait]
impl Store for Careless {
    async fn get(&self, key: &str) -> Result<Option<Versioned>> {
        self.below.get(key).await
    }

    async fn commit(&self, mut batch: Batch) -> Result<()> {
        if self.commits.fetch_add(1, Ordering::Relaxed).is_multiple_of(self.one_in) {
            batch.checks.clear();
        }
        self.below.commit(batch).await
    }

    async fn scan(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<Row>> {
        self.below.scan(prefix, after, limit).await
    }

    async fn now(&self) -> Result<StoreTime> {
        self.below.now().await
    }

    fn now_at_most(&self) -> Option<StoreTime> {
        self.below.now_at_most()
    }
}

/// Every other commit that succeeds is answered as if it had not.
#[derive(Debug)]
pub struct Deaf {
    pub below: Arc<dyn Store>,
    /// Whether it then says that somebody else was quicker, or that nobody knows.
    pub says_conflict: bool,
    pub commits: AtomicU64,
    /// So many answers were lost.
    pub lost: AtomicU64,
}

impl Deaf {
    pub fn new(below: Arc<dyn Store>, says_conflict: bool) -> Arc<Self> {
        Arc::new(Self { below, says_conflict, commits: 0.into(), lost: 0.into() })
    }
}

#[async_trait]
impl Store for Deaf {
    async fn get(&self, key: &str) -> Result<Option<Versioned>> {
        self.below.get(key).await
    }

    async fn commit(&self, batch: Batch) -> Result<()> {
        self.below.commit(batch).await?;
        if self.commits.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) {
            self.lost.fetch_add(1, Ordering::Relaxed);
            return Err(if self.says_conflict {
                StoreError::Conflict { key: "somebody's".into() }
            } else {
                StoreError::Failed("the answer was lost".into())
            });
        }
        Ok(())
    }

    async fn scan(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<Row>> {
        self.below.scan(prefix, after, limit).await
    }

    async fn now(&self) -> Result<StoreTime> {
        self.below.now().await
    }

    fn now_at_most(&self) -> Option<StoreTime> {
        self.below.now_at_most()
    }
}
