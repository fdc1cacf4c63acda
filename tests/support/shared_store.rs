//! A store that several daemons share, each through a door of its own: it hears of the others' commits,
//! can be cut off or lose its answers for a while, and dies with its daemon.

use async_trait::async_trait;
use rota::domain::StoreTime;
use rota::store::{Batch, Result, Row, Store, StoreError, Versioned};
use std::sync::{Arc, Mutex};
use tokio::sync::watch;

/// What is behind all doors.
#[derive(Debug)]
pub struct SharedStore {
    below: Arc<dyn Store>,
    doors: Mutex<Vec<watch::Sender<u64>>>,
}

/// The store as one daemon sees it.
#[derive(Debug)]
pub struct Door {
    shared: Arc<SharedStore>,
    number: usize,
    way: Mutex<Way>,
}

#[derive(Clone, Copy, Debug)]
enum Way {
    Open,
    /// Nothing comes through for now.
    Cut,
    /// What is committed is, but nobody is told.
    Deaf,
    /// Whoever comes never goes on: its process is gone.
    Dead,
}

impl SharedStore {
    pub fn over(below: &Arc<dyn Store>) -> Arc<Self> {
        Arc::new(Self { below: Arc::clone(below), doors: Mutex::default() })
    }

    /// Another door.
    pub fn door(self: &Arc<Self>) -> Arc<Door> {
        let mut doors = self.doors.lock().unwrap();
        doors.push(watch::Sender::new(0));
        let (number, way) = (doors.len() - 1, Mutex::new(Way::Open));
        Arc::new(Door { shared: Arc::clone(self), number, way })
    }
}

impl Door {
    /// The process of its daemon ends here and now.
    pub fn die(&self) {
        *self.way.lock().unwrap() = Way::Dead;
    }

    /// The network between is cut.
    pub fn cut(&self) {
        *self.way.lock().unwrap() = Way::Cut;
    }

    /// Connections are lost between a commit and its answer.
    pub fn deafen(&self) {
        *self.way.lock().unwrap() = Way::Deaf;
    }

    /// It is mended.
    pub fn mend(&self) {
        *self.way.lock().unwrap() = Way::Open;
    }

    async fn pass(&self) -> Result<()> {
        let way = *self.way.lock().unwrap();
        match way {
            Way::Open | Way::Deaf => Ok(()),
            Way::Cut => Err(StoreError::Failed("the network is cut".into())),
            Way::Dead => std::future::pending().await,
        }
    }
}

#[async_trait]
impl Store for Door {
    async fn get(&self, key: &str) -> Result<Option<Versioned>> {
        self.pass().await?;
        self.shared.below.get(key).await
    }

    async fn get_all(&self, keys: &[&str]) -> Result<Vec<Option<Versioned>>> {
        self.pass().await?;
        self.shared.below.get_all(keys).await
    }

    async fn look(&self, keys: &[&str]) -> Result<(StoreTime, Vec<Option<Versioned>>)> {
        self.pass().await?;
        self.shared.below.look(keys).await
    }

    async fn commit(&self, batch: Batch) -> Result<()> {
        self.pass().await?;
        self.shared.below.commit(batch).await?;
        for (number, door) in self.shared.doors.lock().unwrap().iter().enumerate() {
            if number != self.number {
                door.send_modify(|count| *count += 1);
            }
        }
        let way = *self.way.lock().unwrap();
        match way {
            Way::Deaf => Err(StoreError::Failed("the answer was lost".into())),
            _ => Ok(()),
        }
    }

    async fn scan(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<Row>> {
        self.pass().await?;
        self.shared.below.scan(prefix, after, limit).await
    }

    async fn now(&self) -> Result<StoreTime> {
        self.pass().await?;
        self.shared.below.now().await
    }

    fn now_at_most(&self) -> Option<StoreTime> {
        self.shared.below.now_at_most()
    }

    fn changes(&self) -> Option<watch::Receiver<u64>> {
        Some(self.shared.doors.lock().unwrap()[self.number].subscribe())
    }
}
