//! The one thread that changes the store. It takes what waits, decides it in order, applies it as
//! one batch, makes it durable with one flush, shows it to readers, and only then answers.
//!
//! Many callers share a flush, and no caller blocks a thread of the runtime. `flush()` of the engine
//! ends without an fsync on Linux and loses acknowledged commits at a power cut; `sync_data` of its
//! log file is what makes them durable. `flush_async` is never called: it hangs for good under load.

use super::rows::{VERSION_KEY, encode, version_of};
use crate::store::{Batch, Result, StoreError};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::{mpsc, oneshot};

/// So many commits share a flush at most.
const GROUP_COMMITS_MAX: usize = 256;
/// A group takes no more commits once it has so many bytes.
const GROUP_BYTES_MAX: usize = 1024 * 1024;
/// So many commits may wait before callers do.
pub(super) const WAITING_MAX: usize = 1024;

/// What the committer needs of an engine.
pub(super) trait Engine {
    /// A row as the engine gives it out.
    type Stored: AsRef<[u8]> + Clone;

    /// The stored row of a key.
    fn get(&self, key: &[u8]) -> std::result::Result<Option<Self::Stored>, Fault>;

    /// Sets and removes rows, all at once; not durable yet.
    fn apply(&self, rows: Vec<(Vec<u8>, Option<Vec<u8>>)>) -> std::result::Result<(), Fault>;

    /// What was applied survives a power cut from here on.
    fn make_durable(&self) -> std::result::Result<(), Fault>;

    /// Everything up to this commit is durable: a note for the next opening.
    fn note(&self, version: u64);
}

/// What the rows of a group had before it; `None` where there was no row.
pub(super) type Before<E> = BTreeMap<Vec<u8>, Option<<E as Engine>::Stored>>;

/// A lock that many hold to look, or one to change.
pub(super) trait Guard<T> {
    /// Looks, while nobody changes.
    fn look<R>(&self, what: impl FnOnce(&T) -> R) -> R;
    /// Changes, while nobody looks.
    fn change<R>(&self, what: impl FnOnce(&mut T) -> R) -> R;
}

impl<T> Guard<T> for RwLock<T> {
    fn look<R>(&self, what: impl FnOnce(&T) -> R) -> R {
        what(&self.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn change<R>(&self, what: impl FnOnce(&mut T) -> R) -> R {
        what(&mut self.write().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Where commits wait.
pub(super) trait Requests<A> {
    /// The next one, waited for; `None` when nobody can send any more.
    fn wait(&mut self) -> Option<Request<A>>;
    /// The next one, if it is there already.
    fn take(&mut self) -> Option<Request<A>>;
}

impl<A> Requests<A> for mpsc::Receiver<Request<A>> {
    fn wait(&mut self) -> Option<Request<A>> {
        self.blocking_recv()
    }

    fn take(&mut self) -> Option<Request<A>> {
        self.try_recv().ok()
    }
}

/// Where an answer goes.
pub(super) trait Reply {
    /// Answers; a caller that no longer waits is told by its nonce when it asks again.
    fn reply(self, answer: Result<()>);
}

impl Reply for oneshot::Sender<Result<()>> {
    fn reply(self, answer: Result<()>) {
        let _ = self.send(answer);
    }
}

/// A commit and where its answer goes.
pub(super) struct Request<A> {
    pub(super) batch: Batch,
    pub(super) answer: A,
}

/// What the committer and the readers share.
///
/// Between applying a group and its flush, `before` holds what the group's keys had before, and
/// readers are shown that: nobody acts upon a commit that a power cut could still take back, and
/// nobody sees a part of one, because `before` changes only under the write lock, together with
/// the engine.
pub(super) struct Shared<E, L> {
    pub(super) engine: E,
    pub(super) before: L,
}

impl<E: Engine, L: Guard<Before<E>>> Shared<E, L> {
    /// The row of a key as readers are shown it.
    pub(super) fn shown(&self, key: &[u8]) -> std::result::Result<Option<E::Stored>, Fault> {
        self.before.look(|before| match before.get(key) {
            Some(stored) => Ok(stored.clone()),
            None => self.engine.get(key),
        })
    }
}

/// Why the committer gave up. One fault is told to many callers.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum Fault {
    /// The engine reported it.
    #[error("the engine failed")]
    Engine(#[from] ::sled::Error),
    /// The log file could not be made durable.
    #[error("the log could not be flushed")]
    Sync(#[source] Arc<std::io::Error>),
    /// The engine panicked.
    #[error("the engine broke down")]
    Panicked,
    /// The thread is gone.
    #[error("the store is closed")]
    Closed,
    /// A stored row is damaged.
    #[error("a row cannot be read")]
    Row,
}

impl Fault {
    /// The answer to commits from here on.
    pub(super) fn closes(self) -> StoreError {
        StoreError::Closed(Box::new(self))
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        Self::Failed(Box::new(fault))
    }
}

/// The thread's own state.
pub(super) struct Committer<E, L> {
    pub(super) shared: Arc<Shared<E, L>>,
    pub(super) version: u64,
    pub(super) fault: Option<Fault>,
}

impl<E: Engine, L: Guard<Before<E>>> Committer<E, L> {
    /// Works until every sender is gone.
    pub(super) fn run<A: Reply>(mut self, mut requests: impl Requests<A>) {
        while let Some(first) = requests.wait() {
            let mut bytes = size(&first.batch);
            let mut group = vec![first];
            while group.len() < GROUP_COMMITS_MAX && bytes < GROUP_BYTES_MAX {
                let Some(next) = requests.take() else { break };
                bytes += size(&next.batch);
                group.push(next);
            }
            self.commit(group);
        }
    }

    fn commit<A: Reply>(&mut self, group: Vec<Request<A>>) {
        let (batches, answers): (Vec<_>, Vec<_>) =
            group.into_iter().map(|request| (request.batch, request.answer)).unzip();
        let verdicts = match self.fault.clone() {
            Some(fault) => Err(fault),
            None => catch_unwind(AssertUnwindSafe(|| self.carry_out(batches)))
                .unwrap_or(Err(Fault::Panicked)),
        };
        match verdicts {
            Ok(verdicts) => {
                for (answer, verdict) in answers.into_iter().zip(verdicts) {
                    answer.reply(verdict);
                }
            }
            Err(fault) => {
                for answer in answers {
                    answer.reply(Err(fault.clone().closes()));
                }
                // After a failed flush nobody knows what is on the disk: only opening again tells.
                self.fault = Some(fault);
            }
        }
    }

    /// Decides and carries out a group; on a fault it is unknown what of it happened.
    fn carry_out(&mut self, batches: Vec<Batch>) -> std::result::Result<Vec<Result<()>>, Fault> {
        let engine = &self.shared.engine;
        let mut group = Group { engine, version: self.version, after: BTreeMap::new() };
        let mut verdicts = Vec::with_capacity(batches.len());
        for batch in batches {
            let verdict = if let Some(key) = group.failed_check(&batch)? {
                Err(StoreError::Conflict { key })
            } else {
                group.add(batch);
                Ok(())
            };
            verdicts.push(verdict);
        }
        let (version, after) = (group.version, group.after);
        if version > self.version {
            self.make_durable(version, after)?;
            self.version = version;
            self.shared.engine.note(version);
        }
        Ok(verdicts)
    }

    fn make_durable(
        &self,
        version: u64,
        after: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    ) -> std::result::Result<(), Fault> {
        let engine = &self.shared.engine;
        let mut before = BTreeMap::new();
        for key in after.keys() {
            before.insert(key.clone(), engine.get(key)?);
        }
        let mut rows: Vec<_> = after.into_iter().collect();
        // The engine would write down the removal of what was not there.
        rows.retain(|(key, row)| row.is_some() || before.get(key).is_some_and(Option::is_some));
        rows.push((VERSION_KEY.to_vec(), Some(version.to_be_bytes().to_vec())));
        self.shared.before.change(|shown| {
            *shown = before;
            engine.apply(rows)
        })?;
        engine.make_durable()?;
        self.shared.before.change(BTreeMap::clear);
        Ok(())
    }
}

/// The commits of a group so far, over the engine.
struct Group<'a, E> {
    engine: &'a E,
    version: u64,
    /// What the group leaves behind: stored rows, or `None` for deleted ones.
    after: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

impl<E: Engine> Group<'_, E> {
    /// The first key whose check does not hold.
    fn failed_check(&self, batch: &Batch) -> std::result::Result<Option<String>, Fault> {
        let version = |row: &[u8]| version_of(row).ok_or(Fault::Row);
        for (key, wanted) in &batch.checks {
            let found = match self.after.get(key.as_bytes()) {
                Some(row) => row.as_deref().map(version),
                None => self.engine.get(key.as_bytes())?.map(|row| version(row.as_ref())),
            };
            if found.transpose()? != *wanted {
                return Ok(Some(key.clone()));
            }
        }
        Ok(None)
    }

    fn add(&mut self, batch: Batch) {
        self.version += 1;
        for (key, value) in batch.puts {
            self.after.insert(key.into_bytes(), Some(encode(self.version, &value)));
        }
        for key in batch.deletes {
            self.after.insert(key.into_bytes(), None);
        }
    }
}

fn size(batch: &Batch) -> usize {
    batch.puts.iter().map(|(key, value)| key.len() + value.len()).sum()
}

#[cfg(test)]
mod tests {
    use super::super::engine::SledEngine;
    use super::super::witness::Witness;
    use super::*;
    use std::fs::File;

    #[test]
    fn a_commit_that_could_not_be_made_durable_is_not_shown_and_ends_all_commits() {
        let dir = tempfile::tempdir().unwrap();
        let db = ::sled::open(dir.path().join("data")).unwrap();
        let engine = SledEngine {
            db,
            // The kernel refuses to sync it.
            log: File::open("/dev/null").unwrap(),
            witness: Witness::open(dir.path()).unwrap().0,
        };
        let shared = Arc::new(Shared { engine, before: RwLock::default() });
        let mut committer = Committer { shared: Arc::clone(&shared), version: 0, fault: None };
        for key in ["a", "b"] {
            let (answer, mut answered) = oneshot::channel();
            let batch = Batch::new().put(key, "1");
            committer.commit(vec![Request { batch, answer }]);
            let answer = answered.try_recv().unwrap();
            assert!(matches!(answer, Err(StoreError::Closed(_))), "{key}: {answer:?}");
        }
        // Readers are shown what was there before; the second was not even tried.
        assert_eq!(shared.before.read().unwrap().get(&b"a"[..]), Some(&None));
        assert_eq!(shared.engine.db.get("b").unwrap(), None);
        assert_eq!(Witness::open(dir.path()).unwrap().1, 0);
    }
}
