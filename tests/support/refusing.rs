//! A store that does not take the commits which a test does not want: nothing of such a commit happens.

use async_trait::async_trait;
use rota::domain::StoreTime;
use rota::store::{Batch, Result, Row, Store, StoreError, Versioned};
use std::sync::{Arc, Mutex};

#[derive(Debug)]
pub struct Refusing {
    below: Arc<dyn Store>,
    /// What a value of a refused commit holds; `None`: all are taken.
    about: Mutex<Option<String>>,
}

impl Refusing {
    pub fn over(below: &Arc<dyn Store>) -> Arc<Self> {
        Arc::new(Self { below: Arc::clone(below), about: Mutex::default() })
    }

    /// From now on no commit is taken that writes a value with this text.
    pub fn refuse(&self, text: &str) {
        *self.about.lock().unwrap() = Some(text.to_owned());
    }

    /// From now on all are.
    pub fn take_all(&self) {
        *self.about.lock().unwrap() = None;
    }

    fn is_refused(&self, batch: &Batch) -> bool {
        let about = self.about.lock().unwrap();
        about.as_ref().is_some_and(|text| {
            batch.puts.iter().any(|(_, value)| String::from_utf8_lossy(value).contains(text))
        })
    }
}

#[async_trait]
impl Store for Refusing {
    async fn get(&self, key: &str) -> Result<Option<Versioned>> {
        self.below.get(key).await
    }

    async fn commit(&self, batch: Batch) -> Result<()> {
        if self.is_refused(&batch) {
            return Err(StoreError::Failed("the test does not want it".into()));
        }
        self.below.commit(batch).await
    }

    async fn scan(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<Row>> {
        self.below.scan(prefix, after, limit).await
    }

    async fn now(&self) -> Result<StoreTime> {
        self.below.now().await
    }
}
