//! What is counted of a cluster's connections for whoever watches: as the board's or the store's, once
//! one of the two has said that they are its own.

use super::{ConnectError, Meaning};
use crate::instruments::pools::{self, Acquired, Part};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// A connection that comes back is tried before it is lent again. Where all were lent so short a time ago,
/// that is all that keeps them from being lent now.
const JUST_NOW: Duration = Duration::from_millis(500);

/// As whose connections something is counted, and how many of them are lent.
#[derive(Clone, Debug)]
pub(super) struct Counting {
    part: Arc<OnceLock<Part>>,
    lending: Arc<Lending>,
}

/// What is with callers. A connection that is being made, or that is on its way back, is with nobody.
#[derive(Debug)]
struct Lending {
    /// So many connections there may be.
    most: u32,
    lent: AtomicU32,
    /// When the last time ended that all were lent.
    all_until: Mutex<Option<Instant>>,
}

/// A connection that is lent, for as long as this lives.
#[derive(Debug)]
pub(super) struct One(Arc<Lending>);

impl Drop for One {
    fn drop(&mut self) {
        // In this order, or for a moment nothing would tell that all were lent.
        if self.0.lent.load(Ordering::SeqCst) >= self.0.most {
            *self.0.all_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        }
        self.0.lent.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Counting {
    /// Of a pool that has so many connections at most.
    pub(super) fn of(most: u32) -> Self {
        let lending = Lending { most, lent: AtomicU32::new(0), all_until: Mutex::default() };
        Self { part: Arc::default(), lending: Arc::new(lending) }
    }

    /// From now on; who was first stands.
    pub(super) fn is_of(&self, part: Part) {
        let _ = self.part.set(part);
    }

    /// One more is lent.
    pub(super) fn lends(&self) -> One {
        self.lending.lent.fetch_add(1, Ordering::SeqCst);
        One(Arc::clone(&self.lending))
    }

    /// So many are lent.
    pub(super) fn lent(&self) -> u32 {
        self.lending.lent.load(Ordering::SeqCst)
    }

    /// Whether all connections that there may be are lent. Asked when a wait ends: where they are, it was
    /// not the server that was away.
    pub(super) fn is_exhausted(&self) -> bool {
        if self.lent() >= self.lending.most {
            return true;
        }
        let until = *self.lending.all_until.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| until.elapsed() < JUST_NOW)
    }

    /// A connection was made.
    pub(super) fn connected(&self) {
        self.count(pools::connected);
    }

    /// Another host takes the writes.
    pub(super) fn failed_over(&self) {
        self.count(pools::failed_over);
    }

    /// Something went wrong.
    pub(super) fn failed(&self, meaning: Meaning) {
        self.count(|part| pools::failed(part, meaning.word()));
    }

    /// So many connections are lent, lie idle, and may be there.
    pub(super) fn stands(&self, lent: u32, idle: u32, most: u32) {
        self.count(|part| pools::connections(part, lent, idle, most));
    }

    fn count(&self, count: impl FnOnce(Part)) {
        if let Some(part) = self.part.get() {
            count(*part);
        }
    }
}

/// Somebody waits for a connection. It is counted when that is over, also where whoever waited went away
/// before: callers have limits of their own.
pub(super) struct Wait<'a> {
    counting: &'a Counting,
    began: Instant,
    /// There was none to be had at once, and none to be made, when it began.
    was_full: bool,
    end: End,
}

enum End {
    /// Nobody said yet what came of it.
    Open,
    Lent,
    Late(Meaning),
    Failed(Meaning),
}

/// Whoever goes away sooner had other reasons than that no connection came.
const LATE_MIN: Duration = Duration::from_secs(1);

impl<'a> Wait<'a> {
    pub(super) fn begin(counting: &'a Counting, was_full: bool) -> Self {
        Self { counting, began: Instant::now(), was_full, end: End::Open }
    }

    /// This came of it.
    pub(super) fn over<T>(mut self, answer: &Result<T, ConnectError>) {
        self.end = match answer {
            Ok(_) => End::Lent,
            Err(error) if error.is_late() => End::Late(error.meaning()),
            Err(error) => End::Failed(error.meaning()),
        };
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        let waited = self.began.elapsed();
        let (how, meaning) = match self.end {
            End::Lent if self.was_full => (Acquired::Waited, None),
            End::Lent => (Acquired::Ok, None),
            End::Open if waited < LATE_MIN => return,
            End::Open if self.counting.is_exhausted() => {
                (Acquired::GivenUp, Some(Meaning::Exhausted))
            }
            End::Open => (Acquired::GivenUp, Some(Meaning::Gone)),
            End::Late(meaning) => (Acquired::GivenUp, Some(meaning)),
            End::Failed(meaning) => (Acquired::Failed, Some(meaning)),
        };
        self.counting.count(|part| pools::acquired(part, how, waited));
        if let Some(meaning) = meaning {
            self.counting.failed(meaning);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_pool_is_exhausted_while_callers_have_all_of_it_and_no_longer() {
        let counting = Counting::of(2);
        assert!(!counting.is_exhausted(), "nothing is lent");
        let one = counting.lends();
        assert!(!counting.is_exhausted(), "one of two");
        let other = counting.lends();
        assert_eq!(counting.lent(), 2);
        assert!(counting.is_exhausted());
        drop(one);
        // On its way to whoever waited longest.
        assert!(counting.is_exhausted());
        tokio::time::advance(JUST_NOW).await;
        assert!(!counting.is_exhausted(), "nobody was kept from it");
        drop(other);
        assert!(!counting.is_exhausted(), "it was the only one");
        assert_eq!(counting.lent(), 0);
    }
}
