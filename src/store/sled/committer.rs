//! The one thread that changes the store. It takes what waits, decides it in order, writes it down
//! as one group, makes that durable with one flush, sets its rows, and only then answers.
//!
//! Many callers share a flush, and no caller blocks a thread of the runtime. `flush()` of the engine
//! ends without an fsync on Linux and loses acknowledged commits at a power cut; `sync_data` of its
//! log file is what makes them durable. `flush_async` is never called: it hangs for good under load.
//!
//! A group is a redo record: one row of the engine (or a few, the one that counts last), set before
//! the rows that it tells of. The engine recovers what was set up to some point and nothing after
//! it, as long as that fits into a segment of its log (beyond, recovery may step over a hole in what
//! was never flushed: hence [`TAIL_BYTES_MAX`]). So what is there after a crash is the last durable
//! group and those before it whole; `opening.rs` sets the last one's rows again. The engine's own
//! batches would do the same for one more write to the disk each.

use super::rows::{Group, encode, version_of};
use crate::store::{Batch, Result, StoreError};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use tokio::sync::{mpsc, oneshot};

/// So many commits share a flush at most.
const GROUP_COMMITS_MAX: usize = 256;
/// A group takes no more commits once it has so many bytes.
const GROUP_BYTES_MAX: usize = 128 * 1024;
/// Once so much was set, it is made durable before more is: a quarter of a segment.
const TAIL_BYTES_MAX: usize = 128 * 1024;
/// What a row is taken to cost in the engine's log beside itself: now and then its page is written whole.
const ROW_BYTES_MORE: usize = 1024;
/// So many commits may wait before callers do.
pub(super) const WAITING_MAX: usize = 1024;

/// What the committer needs of an engine.
pub(super) trait Engine {
    /// A row as the engine gives it out.
    type Stored: AsRef<[u8]>;

    /// The stored row of a key.
    fn get(&self, key: &[u8]) -> std::result::Result<Option<Self::Stored>, Fault>;

    /// Sets a row, or removes it; not durable yet, and never before what was set earlier.
    fn set(&self, key: &[u8], row: Option<&[u8]>) -> std::result::Result<(), Fault>;

    /// What was set survives a power cut from here on.
    fn make_durable(&self) -> std::result::Result<(), Fault>;

    /// Everything up to this commit is durable: a note for the next opening.
    fn note(&self, version: u64);
}

/// A gate through which many may look, or one change.
pub(super) trait Gate {
    /// Looks, while nobody changes.
    fn look<R>(&self, what: impl FnOnce() -> R) -> R;
    /// Changes, while nobody looks.
    fn change<R>(&self, what: impl FnOnce() -> R) -> R;
}

impl Gate for RwLock<()> {
    fn look<R>(&self, what: impl FnOnce() -> R) -> R {
        let _open = self.read().unwrap_or_else(PoisonError::into_inner);
        what()
    }

    fn change<R>(&self, what: impl FnOnce() -> R) -> R {
        let _alone = self.write().unwrap_or_else(PoisonError::into_inner);
        what()
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
/// The rows of a group are set when it is durable, and all while the gate is closed: nobody acts upon
/// a commit that a power cut could still take back, and nobody sees a part of one.
pub(super) struct Shared<E, G> {
    pub(super) engine: E,
    gate: G,
    /// Why a durable commit cannot be shown; then nothing is.
    broken: OnceLock<Fault>,
}

impl<E: Engine, G: Gate> Shared<E, G> {
    pub(super) fn new(engine: E, gate: G) -> Self {
        Self { engine, gate, broken: OnceLock::new() }
    }

    /// What readers are shown of the engine.
    pub(super) fn shown<T>(
        &self,
        what: impl FnOnce(&E) -> std::result::Result<T, Fault>,
    ) -> std::result::Result<T, Fault> {
        self.gate.look(|| match self.broken.get() {
            Some(fault) => Err(fault.clone()),
            None => what(&self.engine),
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
pub(super) struct Committer<E, G> {
    pub(super) shared: Arc<Shared<E, G>>,
    pub(super) version: u64,
    pub(super) fault: Option<Fault>,
    /// What was set and may not be durable, in bytes of the engine's log.
    pub(super) tail: usize,
}

impl<E: Engine, G: Gate> Committer<E, G> {
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

    fn commit<A: Reply>(&mut self, requests: Vec<Request<A>>) {
        let (batches, answers): (Vec<_>, Vec<_>) =
            requests.into_iter().map(|request| (request.batch, request.answer)).unzip();
        let durable = match self.fault.clone() {
            Some(fault) => Err(fault),
            None => caught(|| self.make_durable(batches)),
        };
        match durable {
            Ok((verdicts, None)) => answer(answers, verdicts),
            Ok((verdicts, Some(group))) => {
                let (shared, tail) = (Arc::clone(&self.shared), &mut self.tail);
                // Callers wake up while their rows are set; nobody is shown anything in between.
                let set = shared.gate.change(|| {
                    answer(answers, verdicts);
                    let set = caught(|| group.set(&shared.engine, tail));
                    // What was answered is durable and cannot be shown: nothing is from here on.
                    set.inspect_err(|fault| drop(shared.broken.set(fault.clone())))
                });
                self.version = group.version;
                self.shared.engine.note(group.version);
                let tidied =
                    set.and_then(|()| caught(|| group.tidy(&shared.engine, &mut self.tail)));
                self.fault = tidied.err();
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

    /// Decides commits in order, and writes those that stand down as one group. On a fault it is
    /// unknown what of it is durable.
    fn make_durable(&mut self, batches: Vec<Batch>) -> std::result::Result<Durable, Fault> {
        let engine = &self.shared.engine;
        let mut deciding = Deciding { engine, version: self.version, after: BTreeMap::new() };
        let mut verdicts = Vec::with_capacity(batches.len());
        for batch in batches {
            let verdict = if let Some(key) = deciding.failed_check(&batch)? {
                Err(StoreError::Conflict { key })
            } else {
                deciding.add(batch);
                Ok(())
            };
            verdicts.push(verdict);
        }
        if deciding.version == self.version {
            return Ok((verdicts, None));
        }
        let group = deciding.group()?;
        for (key, row) in group.record() {
            set(engine, &mut self.tail, &key, Some(&row))?;
        }
        engine.make_durable()?;
        self.tail = 0;
        Ok((verdicts, Some(group)))
    }
}

/// What became of commits, and the group of those that stand, if any do.
type Durable = (Vec<Result<()>>, Option<Group>);

fn answer<A: Reply>(answers: Vec<A>, verdicts: Vec<Result<()>>) {
    for (answer, verdict) in answers.into_iter().zip(verdicts) {
        answer.reply(verdict);
    }
}

/// The engine panics where it should report.
fn caught<T>(
    what: impl FnOnce() -> std::result::Result<T, Fault>,
) -> std::result::Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(what)).unwrap_or(Err(Fault::Panicked))
}

/// Sets a row; what is not durable stays small.
fn set<E: Engine>(
    engine: &E,
    tail: &mut usize,
    key: &[u8],
    row: Option<&[u8]>,
) -> std::result::Result<(), Fault> {
    // A row goes to the log by itself, and with its page every few times.
    let bytes = key.len() + 2 * row.map_or(0, <[u8]>::len) + ROW_BYTES_MORE;
    if *tail + bytes > TAIL_BYTES_MAX {
        engine.make_durable()?;
        *tail = 0;
    }
    *tail += bytes;
    engine.set(key, row)
}

impl Group {
    /// Sets its rows: it is durable.
    fn set<E: Engine>(&self, engine: &E, tail: &mut usize) -> std::result::Result<(), Fault> {
        self.rows.iter().try_for_each(|(key, row)| set(engine, tail, key, row.as_deref()))
    }

    /// Removes what of its record goes beyond one row: once the rows are set, it has served.
    fn tidy<E: Engine>(&self, engine: &E, tail: &mut usize) -> std::result::Result<(), Fault> {
        self.parts().iter().try_for_each(|key| set(engine, tail, key, None))
    }
}

/// The commits of a group so far, over the engine.
struct Deciding<'a, E> {
    engine: &'a E,
    version: u64,
    /// What the group leaves behind: stored rows, or `None` for deleted ones.
    after: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

impl<E: Engine> Deciding<'_, E> {
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

    /// The rows that they leave behind.
    fn group(self) -> std::result::Result<Group, Fault> {
        let mut rows = Vec::with_capacity(self.after.len());
        for (key, row) in self.after {
            // The engine would write down the removal of what was not there.
            if row.is_some() || self.engine.get(&key)?.is_some() {
                rows.push((key, row));
            }
        }
        Ok(Group { version: self.version, rows })
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
        let shared = Arc::new(Shared::new(engine, RwLock::default()));
        let mut committer =
            Committer { shared: Arc::clone(&shared), version: 0, fault: None, tail: 0 };
        for key in ["a", "b"] {
            let (answer, mut answered) = oneshot::channel();
            let batch = Batch::new().put(key, "1");
            committer.commit(vec![Request { batch, answer }]);
            let answer = answered.try_recv().unwrap();
            assert!(matches!(answer, Err(StoreError::Closed(_))), "{key}: {answer:?}");
        }
        // Readers are shown what was there before; the second was not even tried.
        assert_eq!(shared.engine.db.get("a").unwrap(), None);
        assert_eq!(shared.engine.db.get("b").unwrap(), None);
        assert_eq!(Witness::open(dir.path()).unwrap().1, 0);
    }

    /// An engine in memory that cannot set one key.
    #[derive(Default)]
    struct Stubborn(std::sync::Mutex<BTreeMap<Vec<u8>, Vec<u8>>>);

    impl Engine for Stubborn {
        type Stored = Vec<u8>;

        fn get(&self, key: &[u8]) -> std::result::Result<Option<Vec<u8>>, Fault> {
            Ok(self.0.lock().unwrap().get(key).cloned())
        }

        fn set(&self, key: &[u8], row: Option<&[u8]>) -> std::result::Result<(), Fault> {
            assert_ne!(key, b"b", "the engine breaks down");
            let mut rows = self.0.lock().unwrap();
            match row {
                Some(row) => rows.insert(key.to_vec(), row.to_vec()),
                None => rows.remove(key),
            };
            Ok(())
        }

        fn make_durable(&self) -> std::result::Result<(), Fault> {
            Ok(())
        }

        fn note(&self, _: u64) {}
    }

    #[test]
    fn a_durable_commit_whose_rows_cannot_be_set_ends_reading_and_is_there_at_the_next_opening() {
        let shared = Arc::new(Shared::new(Stubborn::default(), RwLock::default()));
        let mut committer =
            Committer { shared: Arc::clone(&shared), version: 0, fault: None, tail: 0 };
        let mut commit = |batch: Batch| {
            let (answer, mut answered) = oneshot::channel();
            committer.commit(vec![Request { batch, answer }]);
            answered.try_recv().unwrap()
        };
        let shown = |key: &str| shared.shown(|engine| engine.get(key.as_bytes()));
        commit(Batch::new().put("a", "1")).unwrap();
        assert!(shown("a").unwrap().is_some());
        // It is durable: its record is.
        commit(Batch::new().put("a", "2").put("b", "2")).unwrap();
        assert!(shown("a").is_err(), "a part of a commit is shown");
        let refused = commit(Batch::new().put("c", "3"));
        assert!(matches!(refused, Err(StoreError::Closed(_))), "{refused:?}");
        let group = Group::read(|key| shared.engine.get(key)).unwrap().unwrap().unwrap();
        let keys: Vec<_> = group.rows.iter().map(|(key, _)| key.as_slice()).collect();
        assert_eq!(keys, [b"a", b"b"]);
    }

    /// An engine in memory that counts what was set since it was flushed.
    #[derive(Default)]
    struct Counting {
        rows: std::sync::Mutex<BTreeMap<Vec<u8>, Vec<u8>>>,
        /// Now, and at most.
        unsynced: std::sync::Mutex<(usize, usize)>,
    }

    impl Engine for Counting {
        type Stored = Vec<u8>;

        fn get(&self, key: &[u8]) -> std::result::Result<Option<Vec<u8>>, Fault> {
            Ok(self.rows.lock().unwrap().get(key).cloned())
        }

        fn set(&self, key: &[u8], row: Option<&[u8]>) -> std::result::Result<(), Fault> {
            let mut unsynced = self.unsynced.lock().unwrap();
            unsynced.0 += key.len() + row.map_or(0, <[u8]>::len);
            unsynced.1 = unsynced.1.max(unsynced.0);
            let mut rows = self.rows.lock().unwrap();
            match row {
                Some(row) => rows.insert(key.to_vec(), row.to_vec()),
                None => rows.remove(key),
            };
            Ok(())
        }

        fn make_durable(&self) -> std::result::Result<(), Fault> {
            self.unsynced.lock().unwrap().0 = 0;
            Ok(())
        }

        fn note(&self, _: u64) {}
    }

    #[test]
    fn what_is_not_durable_stays_small_however_much_is_committed() {
        let shared = Arc::new(Shared::new(Counting::default(), RwLock::default()));
        let mut committer =
            Committer { shared: Arc::clone(&shared), version: 0, fault: None, tail: 0 };
        for round in 0..40_u8 {
            let mut answers = Vec::new();
            let mut group = Vec::new();
            for commit in 0..round {
                let value = vec![round; usize::from(round) * 150];
                let batch = Batch::new()
                    .put(format!("{round}/{commit}"), value.clone())
                    .put(format!("of all/{commit}"), value);
                let (answer, answered) = oneshot::channel();
                group.push(Request { batch, answer });
                answers.push(answered);
            }
            committer.commit(group);
            assert!(answers.iter_mut().all(|answered| answered.try_recv().unwrap().is_ok()));
        }
        let at_most = shared.engine.unsynced.lock().unwrap().1;
        assert!((TAIL_BYTES_MAX / 3..=TAIL_BYTES_MAX).contains(&at_most), "{at_most} bytes");
        let rows = shared.engine.rows.lock().unwrap();
        let ours = rows.keys().filter(|key| key[0] != 0xff).count();
        assert_eq!(ours, (0..40).sum::<usize>() + 39);
        assert_eq!(rows.keys().filter(|key| key[0] == 0xff).count(), 1, "no parts are left");
    }
}
