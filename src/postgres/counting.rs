//! What is counted of a cluster's connections for whoever watches: as the board's or the store's, once
//! one of the two has said that they are its own.

use super::{ConnectError, Meaning};
use crate::instruments::pools::{self, Acquired, Part};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::time::Instant;

/// As whose connections something is counted, and whether a server is there at all.
#[derive(Clone, Debug, Default)]
pub(super) struct Counting {
    part: Arc<OnceLock<Part>>,
    /// The last one that asked for a connection was not let in.
    is_away: Arc<AtomicBool>,
}

impl Counting {
    /// From now on; who was first stands.
    pub(super) fn is_of(&self, part: Part) {
        let _ = self.part.set(part);
    }

    /// Whether there is a server, as far as is known.
    pub(super) fn is_away(&self) -> bool {
        self.is_away.load(Ordering::Relaxed)
    }

    /// A connection was made.
    pub(super) fn connected(&self) {
        self.is_away.store(false, Ordering::Relaxed);
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
    /// All connections that there may be were lent, or were being made, when it began.
    was_full: bool,
    end: End,
}

enum End {
    /// Nobody said yet what came of it.
    Open,
    Lent,
    Late,
    Failed(Meaning),
}

/// Whoever goes away sooner had other reasons than that no connection came.
const LATE_MIN: Duration = Duration::from_secs(1);

impl<'a> Wait<'a> {
    pub(super) fn begin(counting: &'a Counting, was_full: bool) -> Self {
        Self { counting, began: Instant::now(), was_full, end: End::Open }
    }

    /// Whether others had all connections all the time, and nobody was kept from making one.
    pub(super) fn is_exhausted(&self) -> bool {
        self.was_full && !self.counting.is_away()
    }

    /// This came of it.
    pub(super) fn over<T>(mut self, answer: &Result<T, ConnectError>) {
        self.end = match answer {
            Ok(_) => End::Lent,
            Err(error) if error.is_late() => End::Late,
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
            End::Open | End::Late if self.is_exhausted() => {
                (Acquired::GivenUp, Some(Meaning::Exhausted))
            }
            End::Open | End::Late => (Acquired::GivenUp, Some(Meaning::Gone)),
            End::Failed(meaning) => (Acquired::Failed, Some(meaning)),
        };
        let is_away = meaning.is_some_and(|meaning| meaning != Meaning::Exhausted);
        self.counting.is_away.store(is_away, Ordering::Relaxed);
        self.counting.count(|part| pools::acquired(part, how, waited));
        if let Some(meaning) = meaning {
            self.counting.failed(meaning);
        }
    }
}
