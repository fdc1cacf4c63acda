//! Writes to one thing come one after the other, writes to different things together.
//!
//! The server has no transactions: what a write checks must hold until it is written, at least
//! against writes of our own.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedMutexGuard, OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

#[derive(Debug, Default)]
pub(super) struct Locks {
    /// Held for writing by what looks at, or touches, many things.
    all: Arc<RwLock<()>>,
    one: Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

/// Dropped, others may write.
#[derive(Debug)]
#[expect(dead_code, reason = "held, never looked at")]
pub(super) enum Held {
    All(OwnedRwLockWriteGuard<()>),
    Some(OwnedRwLockReadGuard<()>, Vec<OwnedMutexGuard<()>>),
}

impl Locks {
    pub(super) async fn all(&self) -> Held {
        Held::All(Arc::clone(&self.all).write_owned().await)
    }

    /// The things of these names.
    pub(super) async fn some(&self, mut names: Vec<String>) -> Held {
        let all = Arc::clone(&self.all).read_owned().await;
        // Always in one order, so that no two wait for each other.
        names.sort_unstable();
        names.dedup();
        let mut held = Vec::with_capacity(names.len());
        for name in names {
            let one = self.of(name);
            held.push(one.lock_owned().await);
        }
        Held::Some(all, held)
    }

    fn of(&self, name: String) -> Arc<tokio::sync::Mutex<()>> {
        let mut one = self.one.lock().unwrap_or_else(PoisonError::into_inner);
        if one.len() > 1_000 {
            one.retain(|_, lock| Arc::strong_count(lock) > 1);
        }
        Arc::clone(one.entry(name).or_default())
    }
}
