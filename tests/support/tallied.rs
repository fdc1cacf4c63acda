//! A store with somebody at its door who counts what is read.

use async_trait::async_trait;
use rota::domain::StoreTime;
use rota::store::{Batch, Result, Row, Store, Versioned};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::watch;

#[derive(Debug)]
pub struct Tallied {
    below: Arc<dyn Store>,
    /// Rows that were handed out.
    rows: AtomicUsize,
    /// How often something was asked.
    questions: AtomicUsize,
    /// Only keys that begin so count.
    prefix: Mutex<String>,
}

impl Tallied {
    pub fn new(below: &Arc<dyn Store>) -> Arc<Self> {
        let (rows, questions, prefix) = Default::default();
        Arc::new(Self { below: Arc::clone(below), rows, questions, prefix })
    }

    /// From now on what is read of keys that begin so is counted, from nothing.
    pub fn count(&self, prefix: &str) {
        prefix.clone_into(&mut self.prefix.lock().unwrap());
        self.rows.store(0, Ordering::SeqCst);
        self.questions.store(0, Ordering::SeqCst);
    }

    pub fn rows(&self) -> usize {
        self.rows.load(Ordering::SeqCst)
    }

    pub fn questions(&self) -> usize {
        self.questions.load(Ordering::SeqCst)
    }

    fn note(&self, key: &str, rows: usize) {
        if key.starts_with(self.prefix.lock().unwrap().as_str()) {
            self.rows.fetch_add(rows, Ordering::SeqCst);
            self.questions.fetch_add(1, Ordering::SeqCst);
        }
    }
}

#[async_trait]
impl Store for Tallied {
    async fn get(&self, key: &str) -> Result<Option<Versioned>> {
        let found = self.below.get(key).await?;
        self.note(key, usize::from(found.is_some()));
        Ok(found)
    }

    async fn get_all(&self, keys: &[&str]) -> Result<Vec<Option<Versioned>>> {
        let found = self.below.get_all(keys).await?;
        if let Some(first) = keys.first() {
            self.note(first, found.iter().flatten().count());
        }
        Ok(found)
    }

    async fn look(&self, keys: &[&str]) -> Result<(StoreTime, Vec<Option<Versioned>>)> {
        let (now, found) = self.below.look(keys).await?;
        if let Some(first) = keys.first() {
            self.note(first, found.iter().flatten().count());
        }
        Ok((now, found))
    }

    async fn commit(&self, batch: Batch) -> Result<()> {
        self.below.commit(batch).await
    }

    async fn scan(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<Row>> {
        let rows = self.below.scan(prefix, after, limit).await?;
        self.note(prefix, rows.len());
        Ok(rows)
    }

    async fn now(&self) -> Result<StoreTime> {
        self.below.now().await
    }

    fn now_at_most(&self) -> Option<StoreTime> {
        self.below.now_at_most()
    }

    fn changes(&self) -> Option<watch::Receiver<u64>> {
        self.below.changes()
    }
}
