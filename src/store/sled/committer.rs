//! The one thread that changes the store. It takes what waits, decides it in order, applies it as
//! one batch, makes it durable with one flush, shows it to readers, and only then answers.
//!
//! Many callers share a flush, and no caller blocks a thread of the runtime. `flush()` of the engine
//! ends without an fsync on Linux and loses acknowledged commits at a power cut; `sync_data` of its
//! log file is what makes them durable. `flush_async` is never called: it hangs for good under load.

use super::rows::{VERSION_KEY, encode, version_of};
use super::witness::Witness;
use crate::store::{Batch, Result, StoreError};
use ::sled::{Db, IVec};
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::{mpsc, oneshot};

/// So many commits share a flush at most.
const GROUP_COMMITS_MAX: usize = 256;
/// A group takes no more commits once it has so many bytes.
const GROUP_BYTES_MAX: usize = 1024 * 1024;
/// So many commits may wait before callers do.
pub(super) const WAITING_MAX: usize = 1024;

/// A commit and where its answer goes.
pub(super) struct Request {
    pub(super) batch: Batch,
    pub(super) answer: oneshot::Sender<Result<()>>,
}

/// What the committer and the readers share.
///
/// Between applying a group and its flush, `before` holds what the group's keys had before, and
/// readers are shown that: nobody acts upon a commit that a power cut could still take back, and
/// nobody sees a part of one, because `before` changes only under the write lock, together with
/// the engine.
pub(super) struct Shared {
    pub(super) db: Db,
    pub(super) before: RwLock<BTreeMap<Vec<u8>, Option<IVec>>>,
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

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        Self::Failed(Box::new(fault))
    }
}

/// The thread's own state.
pub(super) struct Committer {
    pub(super) shared: Arc<Shared>,
    pub(super) log: File,
    pub(super) version: u64,
    pub(super) witness: Witness,
    pub(super) fault: Option<Fault>,
}

impl Committer {
    /// Works until every sender is gone.
    pub(super) fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        while let Some(first) = requests.blocking_recv() {
            let mut bytes = size(&first.batch);
            let mut group = vec![first];
            while group.len() < GROUP_COMMITS_MAX && bytes < GROUP_BYTES_MAX {
                let Ok(next) = requests.try_recv() else { break };
                bytes += size(&next.batch);
                group.push(next);
            }
            self.commit(group);
        }
    }

    fn commit(&mut self, group: Vec<Request>) {
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
                    // A caller that no longer waits is told by its nonce when it asks again.
                    let _ = answer.send(verdict);
                }
            }
            Err(fault) => {
                for answer in answers {
                    let _ = answer.send(Err(fault.clone().into()));
                }
                // After a failed flush nobody knows what is on the disk: only opening again tells.
                self.fault = Some(fault);
            }
        }
    }

    /// Decides and carries out a group; on a fault it is unknown what of it happened.
    fn carry_out(&mut self, batches: Vec<Batch>) -> std::result::Result<Vec<Result<()>>, Fault> {
        let mut group = Group { db: &self.shared.db, version: self.version, after: HashMap::new() };
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
            self.witness.note(version);
        }
        Ok(verdicts)
    }

    fn make_durable(
        &self,
        version: u64,
        after: HashMap<Vec<u8>, Option<Vec<u8>>>,
    ) -> std::result::Result<(), Fault> {
        let db = &self.shared.db;
        let mut before = BTreeMap::new();
        let mut batch = ::sled::Batch::default();
        for (key, value) in after {
            before.insert(key.clone(), db.get(&key)?);
            match value {
                Some(value) => batch.insert(key, value),
                None => batch.remove(key),
            }
        }
        batch.insert(VERSION_KEY, &version.to_be_bytes());
        {
            let mut shown = self.shared.before.write().unwrap_or_else(PoisonError::into_inner);
            *shown = before;
            db.apply_batch(batch)?;
        }
        db.flush()?;
        self.log.sync_data().map_err(|error| Fault::Sync(Arc::new(error)))?;
        self.shared.before.write().unwrap_or_else(PoisonError::into_inner).clear();
        Ok(())
    }
}

/// The commits of a group so far, over the engine.
struct Group<'a> {
    db: &'a Db,
    version: u64,
    /// What the group leaves behind: stored rows, or `None` for deleted ones.
    after: HashMap<Vec<u8>, Option<Vec<u8>>>,
}

impl Group<'_> {
    /// The first key whose check does not hold.
    fn failed_check(&self, batch: &Batch) -> std::result::Result<Option<String>, Fault> {
        for (key, wanted) in &batch.checks {
            let found = match self.after.get(key.as_bytes()) {
                Some(row) => row.as_deref().map(|row| version_of(row).ok_or(Fault::Row)),
                None => self.db.get(key)?.map(|row| version_of(&row).ok_or(Fault::Row)),
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
    use super::*;

    #[test]
    fn a_commit_that_could_not_be_made_durable_is_not_shown_and_ends_all_commits() {
        let dir = tempfile::tempdir().unwrap();
        let db = ::sled::open(dir.path().join("data")).unwrap();
        let shared = Arc::new(Shared { db, before: RwLock::default() });
        let mut committer = Committer {
            shared: Arc::clone(&shared),
            // The kernel refuses to sync it.
            log: File::open("/dev/null").unwrap(),
            version: 0,
            witness: Witness::open(dir.path()).unwrap().0,
            fault: None,
        };
        for key in ["a", "b"] {
            let (answer, mut answered) = oneshot::channel();
            let batch = Batch::new().put(key, "1");
            committer.commit(vec![Request { batch, answer }]);
            let answer = answered.try_recv().unwrap();
            assert!(matches!(answer, Err(StoreError::Failed(_))), "{key}: {answer:?}");
        }
        // Readers are shown what was there before; the second was not even tried.
        assert_eq!(shared.before.read().unwrap().get(&b"a"[..]), Some(&None));
        assert_eq!(shared.db.get("b").unwrap(), None);
        assert_eq!(Witness::open(dir.path()).unwrap().1, 0);
    }
}
