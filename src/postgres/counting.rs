//! What is counted of a cluster's connections for whoever watches: as the board's or the store's, once
//! one of the two has said that they are its own.

use super::{ConnectError, Meaning};
use crate::instruments::pools::{self, Acquired, Part};
use std::sync::{Arc, OnceLock};
use tokio::time::Instant;

/// As whose connections something is counted.
#[derive(Clone, Debug, Default)]
pub(super) struct Counting(Arc<OnceLock<Part>>);

impl Counting {
    /// From now on; who was first stands.
    pub(super) fn is_of(&self, part: Part) {
        let _ = self.0.set(part);
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
        if let Some(part) = self.0.get() {
            count(*part);
        }
    }
}

/// Somebody waits for a connection. It is counted when that is over, also where whoever waited went away
/// before: callers have limits of their own.
pub(super) struct Wait<'a> {
    counting: &'a Counting,
    began: Instant,
    /// All connections that there may be were lent when it began.
    was_exhausted: bool,
    end: End,
}

enum End {
    Lent,
    GivenUp,
    Failed(Meaning),
}

impl<'a> Wait<'a> {
    pub(super) fn begin(counting: &'a Counting, was_exhausted: bool) -> Self {
        Self { counting, began: Instant::now(), was_exhausted, end: End::GivenUp }
    }

    /// This came of it.
    pub(super) fn over<T>(mut self, answer: &Result<T, ConnectError>) {
        self.end = match answer {
            Ok(_) => End::Lent,
            Err(error) if error.is_late() => End::GivenUp,
            Err(error) => End::Failed(error.meaning()),
        };
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        let waited = self.began.elapsed();
        let (how, class) = match (&self.end, self.was_exhausted) {
            (End::Lent, false) => (Acquired::Ok, None),
            (End::Lent, true) => (Acquired::Waited, None),
            (End::GivenUp, true) => (Acquired::GivenUp, Some("exhausted")),
            (End::GivenUp, false) => (Acquired::GivenUp, Some(Meaning::Gone.word())),
            (End::Failed(meaning), _) => (Acquired::Failed, Some(meaning.word())),
        };
        self.counting.count(|part| {
            pools::acquired(part, how, waited);
            if let Some(class) = class {
                pools::failed(part, class);
            }
        });
    }
}
