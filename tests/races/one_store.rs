//! Sixty-four takers, as eight daemons with eight threads each, race for two thousand tasks on one
//! store: C1, C2 and C8 over whole histories.
//!
//! With `ROTA_FULL=1` the race in memory goes on for a million contended acquisitions.

use super::crowd::{Arena, DAEMONS, THREADS, Taker, clock, key, say};
use super::history::{Event, What, judge};
use super::stores::Jostled;
use rota::clock::{Clock, SystemClock};
use rota::domain::{Claim, TaskId};
use rota::store::Store;
use rota::store::memory::MemoryStore;
use rota::store::sled::{SledOptions, SledStore};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Each takes every task that it gets; all go the same way, so that they meet at each.
pub async fn take_them_all(mut taker: Taker) -> Taker {
    for task in 0..taker.arena.tasks() {
        if let Some(held) = taker.attempt(TaskId(task)).await {
            taker.held.push(held);
        }
    }
    taker.arena.barrier.wait().await;
    for held in std::mem::take(&mut taker.held) {
        assert!(taker.check(&held).await);
        taker.leave(&held);
        assert!(taker.release(held).await);
    }
    taker
}

/// Heats: all try for the same task; whoever gets it works a little and gives it back.
pub async fn heats(mut taker: Taker, contended: u64) -> Taker {
    let crowd = u64::try_from(DAEMONS * THREADS).unwrap();
    let tasks = u64::try_from(taker.arena.tasks()).unwrap();
    while taker.arena.contended.load(Ordering::Relaxed) < contended {
        let place = taker.arena.heat.fetch_add(1, Ordering::Relaxed);
        let task = TaskId(i64::try_from(place / crowd % tasks).unwrap());
        let Some(mut held) = taker.attempt(task).await else { continue };
        if taker.once_in(4) {
            taker.renew(&mut held).await;
        }
        if taker.once_in(4) {
            taker.check(&held).await;
        }
        taker.leave(&held);
        taker.release(held).await;
    }
    taker
}

/// Runs both and judges; the whole history of each task fits its record.
fn race(
    name: &str,
    store: Arc<dyn Store>,
    clock: Arc<rota::clock::ManualClock>,
    tasks: i64,
    contended: u64,
) {
    let watch = SystemClock::new();
    let started = watch.boot();
    let store = Jostled::new(store);
    let arena = Arena::new(Arc::clone(&store) as _, clock, tasks, None);
    let first = arena.race(take_them_all);
    let winners = wins(&first);
    assert_eq!(winners.len(), usize::try_from(tasks).unwrap(), "a task without a winner");
    assert!(winners.values().all(|fences| fences == &[1]), "a task with two winners");
    let heats = arena.race(move |taker| heats(taker, contended));
    let raced = watch.boot().saturating_sub(started);
    let mut history = first;
    history.extend(heats);
    let violations = judge(&history);
    assert!(violations.is_empty(), "{} violations: {:?}", violations.len(), &violations[..1]);
    let wins = wins(&history);
    let all: usize = wins.values().map(Vec::len).sum();
    for (task, fences) in &wins {
        let expected: Vec<u64> = (1..=u64::try_from(fences.len()).unwrap()).collect();
        assert_eq!(fences, &expected, "task {task}: a fence was lost");
    }
    say(&format!(
        "{name}: {tasks} tasks, {} takers, {} acquisitions of which {} contended, {all} won, {} commits lost a race for a version, {} calls judged, \
         0 violations, {:.1} s racing and {:.1} s in all",
        DAEMONS * THREADS,
        arena.attempts.load(Ordering::Relaxed),
        arena.contended.load(Ordering::Relaxed),
        store.conflicts.load(Ordering::Relaxed),
        history.len(),
        raced.as_secs_f64(),
        watch.boot().saturating_sub(started).as_secs_f64(),
    ));
}

/// The fences under which each task was won, in order.
fn wins(history: &[Event]) -> BTreeMap<i64, Vec<u64>> {
    let mut wins: BTreeMap<i64, Vec<u64>> = BTreeMap::new();
    for event in history.iter().filter(|event| matches!(event.what, What::Acquired { .. })) {
        wins.entry(event.task.0).or_default().push(event.fence.0);
    }
    for fences in wins.values_mut() {
        fences.sort_unstable();
    }
    wins
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long the tests may take is said by the environment"
)]
/// Whether the tests may take their time.
pub fn is_full() -> bool {
    std::env::var("ROTA_FULL").is_ok()
}

#[test]
fn in_memory_every_contended_acquisition_has_one_winner_and_fences_only_rise() {
    let clock = clock();
    let store = Arc::new(MemoryStore::new(Arc::clone(&clock) as Arc<dyn Clock>));
    race("memory", store, clock, 2_000, if is_full() { 1_000_000 } else { 200_000 });
}

#[test]
fn on_disk_too_every_contended_acquisition_has_one_winner_and_fences_only_rise() {
    let (clock, dir) = (clock(), tempfile::tempdir().unwrap());
    let folder = dir.path().join("store");
    let timer = Arc::clone(&clock) as Arc<dyn Clock>;
    let store = SledStore::open(&folder, SledOptions::default(), timer).unwrap();
    let (tasks, contended) = if is_full() { (2_000, 200_000) } else { (250, 20_000) };
    race("sled", Arc::new(store), Arc::clone(&clock), tasks, contended);
    // What was won is what is found when the folder is opened again.
    let store = SledStore::open(&folder, SledOptions::default(), clock).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        for task in 0..tasks {
            let found = store.get(&key(TaskId(task))).await.unwrap().unwrap();
            let claim: Claim = serde_json::from_slice(&found.value).unwrap();
            assert!(claim.fence.0 >= 1 && claim.holder.is_none(), "{claim:?}");
        }
    });
}
