//! The one committer that changes the store. It takes what waits, decides it in order, writes it down
//! as one group, makes that durable with one flush, sets its rows, and only then answers.
//!
//! Many callers share a flush, made by a thread of the store's own; a caller who finds nobody at it
//! may commit in its own thread and spare two switches. `flush()` of the engine
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
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
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

/// Where the committer is, for its thread or for a caller who finds nobody there.
pub(super) trait Seat<C> {
    /// Waits until nobody is there; `None` when somebody left it broken.
    fn wait<R>(&self, what: impl FnOnce(&mut C) -> R) -> Option<R>;
    /// Does nothing if somebody is there.
    fn take<R>(&self, what: impl FnOnce(&mut C) -> R) -> Option<R>;
}

impl<C> Seat<C> for Mutex<C> {
    fn wait<R>(&self, what: impl FnOnce(&mut C) -> R) -> Option<R> {
        self.lock().ok().map(|mut committer| what(&mut committer))
    }

    fn take<R>(&self, what: impl FnOnce(&mut C) -> R) -> Option<R> {
        self.try_lock().ok().map(|mut committer| what(&mut committer))
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

/// What only the one who commits may touch.
pub(super) struct Committer<E, G> {
    pub(super) shared: Arc<Shared<E, G>>,
    pub(super) version: u64,
    pub(super) fault: Option<Fault>,
    /// What was set and may not be durable, in bytes of the engine's log.
    pub(super) tail: usize,
}

/// The thread's work: until every sender is gone, or somebody left the committer broken.
pub(super) fn run<E: Engine, G: Gate, A: Reply>(
    seat: &impl Seat<Committer<E, G>>,
    mut requests: impl Requests<A>,
) {
    while let Some(first) = requests.wait() {
        let done = seat.wait(|committer| {
            // What came while a caller committed for itself goes along.
            let mut bytes = size(&first.batch);
            let mut group = vec![first];
            while group.len() < GROUP_COMMITS_MAX && bytes < GROUP_BYTES_MAX {
                let Some(next) = requests.take() else { break };
                bytes += size(&next.batch);
                group.push(next);
            }
            committer.commit(group);
        });
        if done.is_none() {
            return;
        }
    }
}

impl<E: Engine, G: Gate> Committer<E, G> {
    /// Decides these commits, makes those that stand durable, and answers all.
    pub(super) fn commit<A: Reply>(&mut self, requests: Vec<Request<A>>) {
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
mod tests;
