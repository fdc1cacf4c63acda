//! The embedded store: sled in a folder, durable by one fsync for many commits.
//!
//! `<dir>/lock` is ours and names the holder; `<dir>/witness` is ours and tells whether the engine
//! lost anything; `<dir>/data` is the engine's. Commits go through one
//! committer (`committer.rs`), in a thread of its own or in that of a caller who is alone; readers read in place, from memory mostly, and are shown nothing that is
//! not durable yet.

mod committer;
mod engine;
mod opening;
mod rows;
#[cfg(test)]
mod schedules;
mod witness;

use super::lock::FolderLock;
use super::{Batch, Result, Row, Store, StoreError, Versioned};
use crate::clock::Clock;
use crate::domain::StoreTime;
use ::sled::IVec;
use async_trait::async_trait;
use committer::{Committer, Engine as _, Fault, Request, Seat as _, Shared, WAITING_MAX};
use engine::SledEngine;
use opening::Opened;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{block_in_place, yield_now};

/// A commit that held its caller's thread up for longer than this was not worth it.
const COMMIT_HERE_MAX: Duration = Duration::from_millis(3);
/// After one such, so many go to the committer's thread before another is tried.
const COMMITS_ELSEWHERE: u32 = 200;
/// So many are made in their caller's thread before it lets others go on.
const COMMITS_IN_A_ROW: u32 = 8;

/// How a folder is opened.
#[derive(Clone, Debug)]
pub struct SledOptions {
    /// Memory for the engine's cache, in bytes.
    pub cache_bytes: u64,
    /// Who opens it, for the lock file: this life of the daemon.
    pub life: String,
}

impl Default for SledOptions {
    fn default() -> Self {
        Self { cache_bytes: 8 * 1024 * 1024, life: String::new() }
    }
}

/// Where the answer to a commit goes.
type Answer = oneshot::Sender<Result<()>>;

/// What readers share with the committer.
type SledShared = Shared<SledEngine, RwLock<()>>;

/// Where the committer is.
type SledSeat = Mutex<Committer<SledEngine, RwLock<()>>>;

/// A store in a folder. Dropping it waits for the commits under way and frees the folder.
pub struct SledStore {
    clock: Arc<dyn Clock>,
    requests: Option<mpsc::Sender<Request<Answer>>>,
    thread: Option<JoinHandle<()>>,
    seat: Arc<SledSeat>,
    /// Commits that were made in their caller's thread.
    here: AtomicU32,
    /// Callers who wait for the committer's thread.
    waiting: AtomicUsize,
    /// So many commits go to the thread before one is made in the caller's again.
    elsewhere: AtomicU32,
    shared: Arc<SledShared>,
    // Last, so that the folder is free only when the engine is closed.
    _lock: FolderLock,
}

impl std::fmt::Debug for SledStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SledStore").finish_non_exhaustive()
    }
}

impl SledStore {
    /// Opens the store in a folder, or creates it (the folder too). Reads every row once.
    ///
    /// # Errors
    /// [`StoreError::Locked`] names the holder; [`StoreError::Unusable`]: the files are damaged;
    /// [`StoreError::Corrupt`]: a newer version wrote them; [`StoreError::Failed`]: out of reach.
    #[expect(clippy::needless_pass_by_value, reason = "options are made to be handed over")]
    pub fn open(dir: &Path, options: SledOptions, clock: Arc<dyn Clock>) -> Result<Self> {
        let failed = |error: std::io::Error| StoreError::Failed(Box::new(error));
        std::fs::create_dir_all(dir).map_err(failed)?;
        let lock = FolderLock::take(dir, &options.life, clock.as_ref())?;
        let Opened { db, log, version, witness } = opening::open(dir, &options)?;
        let engine = SledEngine { db, log, witness };
        let shared: Arc<SledShared> = Arc::new(Shared::new(engine, RwLock::default()));
        let (requests, waiting) = mpsc::channel(WAITING_MAX);
        let committer = Committer { shared: Arc::clone(&shared), version, fault: None, tail: 0 };
        let seat = Arc::new(Mutex::new(committer));
        let at = Arc::clone(&seat);
        let thread = std::thread::Builder::new()
            .name("rota-store".to_owned())
            .spawn(move || committer::run(at.as_ref(), waiting))
            .map_err(failed)?;
        Ok(Self {
            clock,
            requests: Some(requests),
            thread: Some(thread),
            seat,
            here: AtomicU32::new(0),
            waiting: AtomicUsize::new(0),
            elsewhere: AtomicU32::new(0),
            shared,
            _lock: lock,
        })
    }

    /// Commits in the caller's thread, if nobody else is at it or waits, and others of the runtime
    /// can go on meanwhile; gives the batch back if not.
    ///
    /// A flush of a quick disk is shorter than the two switches to the committer's thread and back
    /// are dear. On a slow one the thread is left free.
    fn commit_here(&self, batch: Batch) -> std::result::Result<Result<()>, Batch> {
        // The thread would wait for its turn in vain if callers kept coming before it.
        if self.waiting.load(Ordering::Relaxed) > 0 || !has_other_workers() {
            return Err(batch);
        }
        let left = |left: u32| left.checked_sub(1);
        if self.elsewhere.fetch_update(Ordering::Relaxed, Ordering::Relaxed, left).is_ok() {
            return Err(batch);
        }
        let (answer, mut answered) = oneshot::channel();
        let mut request = Some(Request { batch, answer });
        self.seat.take(|committer| {
            let begun = self.clock.boot();
            // Another thread takes over what this one would have done: sockets, timers, other tasks.
            block_in_place(|| committer.commit(request.take().into_iter().collect()));
            if self.clock.boot().saturating_sub(begun) > COMMIT_HERE_MAX {
                self.elsewhere.store(COMMITS_ELSEWHERE, Ordering::Relaxed);
            }
        });
        match request {
            Some(request) => Err(request.batch),
            None => Ok(answered.try_recv().unwrap_or_else(|_| Err(Fault::Closed.closes()))),
        }
    }

    /// Reads; the engine panics where it should report, and that must not take a worker thread
    /// with it.
    fn read<T>(
        &self,
        what: impl FnOnce(&SledEngine) -> std::result::Result<T, Fault>,
    ) -> Result<T> {
        let answer = catch_unwind(AssertUnwindSafe(|| self.shared.shown(what)));
        answer.unwrap_or(Err(Fault::Panicked)).map_err(|fault| match fault {
            // After a failed write of its own the engine answers nothing any more, reads neither.
            Fault::Engine(::sled::Error::Io(..)) => fault.closes(),
            fault => fault.into(),
        })
    }
}

impl Drop for SledStore {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(thread) = self.thread.take() {
            // Its faults were answered; there is nobody left to tell.
            let _ = thread.join();
        }
    }
}

#[async_trait]
impl Store for SledStore {
    async fn get(&self, key: &str) -> Result<Option<Versioned>> {
        let stored = self.read(|engine| engine.get(key.as_bytes()))?;
        stored
            .map(|stored| row(key, &stored))
            .transpose()
            .map(|row| row.map(|Row { version, value, .. }| Versioned { version, value }))
    }

    async fn commit(&self, batch: Batch) -> Result<()> {
        batch.check_sizes()?;
        let batch = match self.commit_here(batch) {
            Ok(answer) => {
                // Whoever commits again and again lets others of its task and thread go on in between.
                if self.here.fetch_add(1, Ordering::Relaxed).is_multiple_of(COMMITS_IN_A_ROW) {
                    yield_now().await;
                }
                return answer;
            }
            Err(batch) => batch,
        };
        let _waiting = Waiting::of(&self.waiting);
        let (answer, answered) = oneshot::channel();
        let closed = || Fault::Closed.closes();
        let requests = self.requests.as_ref().ok_or_else(closed)?;
        requests.send(Request { batch, answer }).await.map_err(|_| closed())?;
        answered.await.map_err(|_| closed())?
    }

    async fn scan(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<Row>> {
        let from = match after {
            Some(after) if after >= prefix => Bound::Excluded(after.as_bytes().to_vec()),
            _ => Bound::Included(prefix.as_bytes().to_vec()),
        };
        let stored = self.read(|engine| {
            let rows = engine.db.range((from, Bound::Unbounded));
            // A caller's key is UTF-8; our own rows begin with a byte that never is.
            let ours = |key: &IVec| key.starts_with(prefix.as_bytes()) && key[0] != 0xff;
            let rows = rows.take_while(|row| row.as_ref().map_or(true, |(key, _)| ours(key)));
            Ok(rows.take(limit).collect::<std::result::Result<Vec<_>, _>>()?)
        })?;
        stored
            .into_iter()
            .map(|(key, value)| {
                let key = std::str::from_utf8(&key).map_err(|_| Fault::Row)?;
                row(key, &value)
            })
            .collect()
    }

    async fn now(&self) -> Result<StoreTime> {
        Ok(self.clock.store_time())
    }

    fn now_at_most(&self) -> Option<StoreTime> {
        Some(self.clock.store_time())
    }
}

/// Counts a caller for as long as it waits, or until it gives up.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn of(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Whether others of this runtime go on while this thread waits for the disk.
fn has_other_workers() -> bool {
    Handle::try_current().is_ok_and(|runtime| {
        runtime.runtime_flavor() == RuntimeFlavor::MultiThread
            && runtime.metrics().num_workers() > 1
    })
}

fn row(key: &str, stored: &[u8]) -> Result<Row> {
    let (version, value) = rows::decode(stored).ok_or_else(|| StoreError::Corrupt {
        key: key.to_owned(),
        source: "shorter than its version".into(),
    })?;
    Ok(Row { key: key.to_owned(), version, value })
}
