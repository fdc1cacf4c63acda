//! A store that does not take the commits which a test does not want: nothing of such a commit happens. Of
//! others it takes, and loses the answer.

use async_trait::async_trait;
use rota::domain::StoreTime;
use rota::store::{Batch, Result, Row, Store, StoreError, Versioned};
use std::sync::{Arc, Mutex};

#[derive(Debug)]
pub struct Refusing {
    below: Arc<dyn Store>,
    /// What a value of a refused commit holds; `None`: all are taken.
    about: Mutex<Option<String>>,
    /// The same of one that is taken, and nobody is told.
    unsaid: Mutex<Option<String>>,
}

impl Refusing {
    pub fn over(below: &Arc<dyn Store>) -> Arc<Self> {
        let (about, unsaid) = Default::default();
        Arc::new(Self { below: Arc::clone(below), about, unsaid })
    }

    /// From now on no commit is taken that writes a value with this text.
    pub fn refuse(&self, text: &str) {
        *self.about.lock().unwrap() = Some(text.to_owned());
    }

    /// From now on whoever commits a value with this text is told that it failed, and it did not.
    pub fn lose_answers(&self, text: &str) {
        *self.unsaid.lock().unwrap() = Some(text.to_owned());
    }

    /// From now on all are taken, and said to be.
    pub fn take_all(&self) {
        *self.about.lock().unwrap() = None;
        *self.unsaid.lock().unwrap() = None;
    }
}

fn is_about(text: &Mutex<Option<String>>, batch: &Batch) -> bool {
    let text = text.lock().unwrap();
    text.as_ref().is_some_and(|text| {
        batch.puts.iter().any(|(_, value)| String::from_utf8_lossy(value).contains(text))
    })
}

#[async_trait]
impl Store for Refusing {
    async fn get(&self, key: &str) -> Result<Option<Versioned>> {
        self.below.get(key).await
    }

    async fn commit(&self, batch: Batch) -> Result<()> {
        if is_about(&self.about, &batch) {
            return Err(StoreError::Failed("the test does not want it".into()));
        }
        let is_unsaid = is_about(&self.unsaid, &batch);
        self.below.commit(batch).await?;
        if is_unsaid {
            return Err(StoreError::Failed("the answer was lost".into()));
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
