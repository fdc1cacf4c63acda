//! Writes to one thing come one after the other, writes to different things together.
//!
//! The server has no transactions: what a write checks must hold until it is written, at least
//! against writes of our own. A write names whatever it looks at and whatever it touches, and nothing
//! else: no write holds up a claim of another task.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::OwnedMutexGuard;

#[derive(Debug, Default)]
pub(super) struct Locks {
    one: Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

/// Dropped, others may write.
#[derive(Debug)]
#[expect(dead_code, reason = "held, never looked at")]
pub(super) struct Held(Vec<OwnedMutexGuard<()>>);

impl Locks {
    /// The one thing of this name: for nouns whose names, or links, are looked for among all.
    pub(super) async fn one(&self, name: &str) -> Held {
        self.some(vec![name.to_owned()]).await
    }

    /// The things of these names.
    pub(super) async fn some(&self, mut names: Vec<String>) -> Held {
        // Always in one order, so that no two wait for each other.
        names.sort_unstable();
        names.dedup();
        let mut held = Vec::with_capacity(names.len());
        for name in names {
            let one = self.of(name);
            held.push(one.lock_owned().await);
        }
        Held(held)
    }

    fn of(&self, name: String) -> Arc<tokio::sync::Mutex<()>> {
        let mut one = self.one.lock().unwrap_or_else(PoisonError::into_inner);
        if one.len() > 1_000 {
            one.retain(|_, lock| Arc::strong_count(lock) > 1);
        }
        Arc::clone(one.entry(name).or_default())
    }
}
