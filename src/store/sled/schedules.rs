//! The committer under thousands of schedules: the same code as in production, with an engine and
//! a lock that let a scheduler decide who goes next at every step.
//!
//! What is asked, whatever the order: a commit that was answered is durable; what a reader is
//! shown is durable, and never a part of a commit; of two commits against one version one wins.
//! Two planted faults, an engine that flushes behind its caller's back and a lock that lets
//! readers in too early, must be found.

use super::committer::{
    self, Committer, Engine, Fault, Gate, Reply, Request, Requests, Seat, Shared,
};
use super::rows::{Group, decode, version_of};
use crate::store::{Batch, Result, StoreError};
use shuttle::sync::atomic::{AtomicBool, Ordering};
use shuttle::sync::{Arc, Mutex, RwLock, mpsc};
use shuttle::thread;
use std::collections::BTreeMap;

const SCHEDULES: usize = 5_000;
const WRITERS: usize = 3;
const TRIES: usize = 2;

type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

/// Rows in memory, and what of them a power cut would leave.
#[derive(Clone, Default)]
struct Disk {
    rows: Arc<Mutex<Rows>>,
    durable: Arc<Mutex<Rows>>,
    /// Whether something was noted as durable that was not.
    noted_early: Arc<AtomicBool>,
    /// Planted: flushes later, and says that it has.
    is_hasty: bool,
}

impl Disk {
    /// The version of a key that opening after a power cut would find; 0 for none.
    fn durable(&self, key: &str) -> u64 {
        let durable = self.durable.lock().unwrap();
        let get = |key: &[u8]| Ok::<_, std::convert::Infallible>(durable.get(key).cloned());
        let Ok(group) = Group::read(get);
        let rows = group.unwrap().map(|group| group.rows).unwrap_or_default();
        let redone = rows.into_iter().find(|(of, _)| of == key.as_bytes());
        let row = redone.map_or_else(|| durable.get(key.as_bytes()).cloned(), |(_, row)| row);
        row.and_then(|row| version_of(&row)).unwrap_or(0)
    }

    fn flush(&self) {
        let rows = self.rows.lock().unwrap().clone();
        *self.durable.lock().unwrap() = rows;
    }
}

impl Engine for Disk {
    type Stored = Vec<u8>;

    fn get(&self, key: &[u8]) -> std::result::Result<Option<Vec<u8>>, Fault> {
        Ok(self.rows.lock().unwrap().get(key).cloned())
    }

    fn set(&self, key: &[u8], row: Option<&[u8]>) -> std::result::Result<(), Fault> {
        let mut all = self.rows.lock().unwrap();
        match row {
            Some(row) => all.insert(key.to_vec(), row.to_vec()),
            None => all.remove(key),
        };
        Ok(())
    }

    fn make_durable(&self) -> std::result::Result<(), Fault> {
        if self.is_hasty {
            let later = self.clone();
            thread::spawn(move || later.flush());
        } else {
            self.flush();
        }
        Ok(())
    }

    fn note(&self, version: u64) {
        let durable = self.durable.lock().unwrap();
        let last = durable.values().filter_map(|row| version_of(row)).max();
        // Not asserted here: the committer would take the panic for the engine's.
        self.noted_early.fetch_or(last < Some(version), Ordering::SeqCst);
    }
}

impl Gate for RwLock<()> {
    fn look<R>(&self, what: impl FnOnce() -> R) -> R {
        let _open = self.read().unwrap();
        what()
    }

    fn change<R>(&self, what: impl FnOnce() -> R) -> R {
        let _alone = self.write().unwrap();
        what()
    }
}

/// Planted: a gate that keeps nobody out.
struct Leaky;

impl Gate for Leaky {
    fn look<R>(&self, what: impl FnOnce() -> R) -> R {
        what()
    }

    fn change<R>(&self, what: impl FnOnce() -> R) -> R {
        what()
    }
}

impl<C> Seat<C> for Mutex<C> {
    fn wait<R>(&self, what: impl FnOnce(&mut C) -> R) -> Option<R> {
        Some(what(&mut self.lock().unwrap()))
    }

    fn take<R>(&self, what: impl FnOnce(&mut C) -> R) -> Option<R> {
        self.try_lock().ok().map(|mut committer| what(&mut committer))
    }
}

impl<A> Requests<A> for mpsc::Receiver<Request<A>> {
    fn wait(&mut self) -> Option<Request<A>> {
        self.recv().ok()
    }

    fn take(&mut self) -> Option<Request<A>> {
        self.try_recv().ok()
    }
}

impl Reply for mpsc::Sender<Result<()>> {
    fn reply(self, answer: Result<()>) {
        let _ = self.send(answer);
    }
}

/// The two ways to the committer.
struct Store<G> {
    seat: std::sync::Arc<Mutex<Committer<Disk, G>>>,
    door: mpsc::Sender<Request<mpsc::Sender<Result<()>>>>,
    shared: std::sync::Arc<Shared<Disk, G>>,
}

impl<G> Clone for Store<G> {
    fn clone(&self) -> Self {
        let Self { seat, door, shared } = self;
        Self { seat: seat.clone(), door: door.clone(), shared: shared.clone() }
    }
}

impl<G: Gate> Store<G> {
    /// Commits as a caller does: in its own thread if nobody is at it, or else it waits.
    fn commit(&self, batch: Batch) -> Result<()> {
        let (answer, answered) = mpsc::channel();
        let mut request = Some(Request { batch, answer });
        self.seat.take(|committer| committer.commit(request.take().into_iter().collect()));
        if let Some(request) = request {
            assert!(self.door.send(request).is_ok(), "the committer is gone");
        }
        answered.recv().expect("a commit was never answered")
    }
}

fn number<G: Gate>(shared: &Shared<Disk, G>, key: &str) -> (Option<u64>, u64) {
    let row =
        shared.shown(|engine| engine.get(key.as_bytes())).unwrap().and_then(|row| decode(&row));
    row.map_or((None, 0), |(version, value)| {
        (Some(version), u64::from_be_bytes(value.try_into().unwrap()))
    })
}

/// Counts both keys up together, as often as it wins.
fn write<G: Gate>(store: &Store<G>) -> u64 {
    let shared = &store.shared;
    let mut won = 0;
    for _ in 0..TRIES {
        let (version, count) = number(shared, "a");
        let next = (count + 1).to_be_bytes();
        let batch = Batch::new().check("a", version).put("a", next).put("b", next);
        match store.commit(batch) {
            Ok(()) => {
                let durable = shared.engine.durable("a");
                assert!(Some(durable) > version, "answered before it was durable");
                won += 1;
            }
            Err(StoreError::Conflict { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
    won
}

/// Looks at both keys, the one that is shown last first.
fn read<G: Gate>(shared: &Shared<Disk, G>) {
    for _ in 0..TRIES {
        for (first, then) in [("a", "b"), ("b", "a")] {
            let (seen, count) = number(shared, first);
            let durable = shared.engine.durable(first);
            assert!(seen <= Some(durable) || seen.is_none(), "shown before it was durable");
            assert!(number(shared, then).1 >= count, "a part of a commit was shown");
        }
    }
}

/// One schedule: writers and a reader over one committer, until all have ended.
fn schedule(gate: impl Gate + Send + Sync + 'static, is_hasty: bool) {
    let engine = Disk { is_hasty, ..Disk::default() };
    let shared = std::sync::Arc::new(Shared::new(engine, gate));
    let (door, requests) = mpsc::channel();
    let committer =
        Committer { shared: std::sync::Arc::clone(&shared), version: 0, fault: None, tail: 0 };
    let seat = std::sync::Arc::new(Mutex::new(committer));
    let at = std::sync::Arc::clone(&seat);
    let committer = thread::spawn(move || committer::run(at.as_ref(), requests));
    let store = Store { seat, door, shared: std::sync::Arc::clone(&shared) };
    let writers: Vec<_> = (0..WRITERS)
        .map(|_| {
            let store = store.clone();
            thread::spawn(move || write(&store))
        })
        .collect();
    drop(store);
    let looking = std::sync::Arc::clone(&shared);
    let reader = thread::spawn(move || read(&looking));
    let won: u64 = writers.into_iter().map(|writer| writer.join().unwrap()).sum();
    reader.join().unwrap();
    committer.join().unwrap();
    let (_, count) = number(&shared, "a");
    assert_eq!(count, won, "of two commits against one version both won");
    assert!(count > 0, "nobody won");
    assert!(!shared.engine.noted_early.load(Ordering::SeqCst), "noted before it was durable");
}

/// Whether some schedule of these ends badly, and how.
fn found(what: impl Fn() + Send + Sync + 'static) -> Option<String> {
    let run = std::panic::AssertUnwindSafe(|| shuttle::check_random(what, SCHEDULES));
    let panic = std::panic::catch_unwind(run).err()?;
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string))
}

#[test]
fn in_five_thousand_schedules_what_is_answered_or_shown_is_durable_and_whole() {
    shuttle::check_random(|| schedule(RwLock::new(()), false), SCHEDULES);
}

#[test]
fn an_engine_that_flushes_later_is_found() {
    let fault = found(|| schedule(RwLock::new(()), true));
    assert!(fault.as_ref().is_some_and(|text| text.contains("durable")), "{fault:?}");
}

#[test]
fn a_lock_that_lets_readers_in_too_early_is_found() {
    let fault = found(|| schedule(Leaky, false));
    assert!(fault.as_ref().is_some_and(|text| text.contains("shown")), "{fault:?}");
}
