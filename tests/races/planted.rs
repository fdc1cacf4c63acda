//! Tests of the judge: the same races over a store, a ledger or a sweep with a planted fault must
//! end with a violation of the sentence that the fault breaks; and without a fault with none.

use super::crowd::{Arena, Fault, LEASE, Taker, clock, say};
use super::history::{Event, Violation, What, judge};
use super::one_store::heats;
use super::stores::{Careless, Jostled};
use rota::clock::Clock;
use rota::domain::TaskId;
use rota::ledger::Held;
use rota::store::Store;
use rota::store::memory::MemoryStore;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

const TASKS: i64 = 40;
/// Steps of each taker.
const STEPS: u32 = 150;

/// Takes, renews, works, falls asleep with a claim and wakes up later, while time passes and
/// somebody sweeps.
async fn live_and_let_die(mut taker: Taker) -> Taker {
    let mut asleep: Vec<Held> = Vec::new();
    for _ in 0..STEPS {
        if taker.once_in(24) {
            taker.arena.clock.advance(Duration::from_secs(3));
        }
        if taker.once_in(48) {
            taker.sweep().await;
        }
        if !asleep.is_empty() && taker.once_in(6) {
            let held = asleep.remove(0);
            wake_up(&mut taker, held).await;
        }
        let task = TaskId(i64::try_from(taker.arena.moments.now()).unwrap() % TASKS);
        let Some(mut held) = taker.attempt(task).await else { continue };
        if taker.once_in(3) {
            taker.leave(&held);
            asleep.push(held);
            continue;
        }
        let is_mine = taker.renew(&mut held).await && taker.check(&held).await;
        if is_mine || taker.once_in(2) {
            taker.release(held).await;
        }
    }
    for held in asleep {
        wake_up(&mut taker, held).await;
    }
    taker
}

/// It does not know what became of its claim.
async fn wake_up(taker: &mut Taker, mut held: Held) {
    if taker.once_in(2) {
        taker.renew(&mut held).await;
    }
    taker.check(&held).await;
    if taker.once_in(2) {
        taker.renew(&mut held).await;
    }
    taker.release(held).await;
}

/// The history of a race in which leases end, with a fault or without.
fn leases(fault: Option<Fault>) -> Vec<Event> {
    let clock = clock();
    let store = MemoryStore::new(Arc::clone(&clock) as Arc<dyn Clock>);
    let arena = Arena::new(Jostled::new(Arc::new(store)), clock, TASKS, fault);
    arena.race(live_and_let_die)
}

/// How often such a thing happened.
fn count(history: &[Event], is_it: impl Fn(&What) -> bool) -> usize {
    history.iter().filter(|event| is_it(&event.what)).count()
}

/// The history has at least one violation of this sort.
#[track_caller]
fn blamed(name: &str, history: &[Event], is_it: impl Fn(&Violation) -> bool) {
    let found = judge(history);
    let of_the_sort = found.iter().filter(|violation| is_it(violation)).count();
    say(&format!(
        "planted: {name}: {} calls, {} violations, {of_the_sort} of the expected sort, the first {:?}",
        history.len(),
        found.len(),
        found.iter().find(|violation| is_it(violation)),
    ));
    assert!(of_the_sort > 0, "{name} was not found in {} calls: {found:?}", history.len());
}

#[test]
fn with_leases_that_end_nothing_is_blamed_and_everything_happened() {
    let history = leases(None);
    let violations = judge(&history);
    assert!(violations.is_empty(), "{} violations: {:?}", violations.len(), &violations[..1]);
    let acquired = count(&history, |what| matches!(what, What::Acquired { .. }));
    let swept = count(&history, |what| *what == What::Swept);
    let lost = count(&history, |what| *what == What::Lost);
    let renewed = count(&history, |what| matches!(what, What::Renewed { .. }));
    say(&format!(
        "leases of {} s: {acquired} acquired, {renewed} renewed, {lost} told that it is lost, \
         {swept} swept, 0 violations",
        LEASE.as_secs()
    ));
    assert!(acquired > 100 && renewed > 50 && swept > 5 && lost > 20, "the race was too tame");
}

/// A race on a store that forgets to compare once in so many commits.
fn careless(one_in: u64) -> Vec<Event> {
    let clock = clock();
    let below = Arc::new(MemoryStore::new(Arc::clone(&clock) as Arc<dyn Clock>));
    let careless: Arc<dyn Store> = Arc::new(Careless { below, one_in, commits: AtomicU64::new(1) });
    let arena = Arena::new(Jostled::new(careless), clock, 200, None);
    let mut history = arena.race(take_them_all_patiently);
    history.extend(arena.race(|taker| heats(taker, 20_000)));
    history
}

/// As in the sound race, but being dispossessed is no reason to break off.
async fn take_them_all_patiently(mut taker: Taker) -> Taker {
    for task in 0..taker.arena.tasks() {
        if let Some(held) = taker.attempt(TaskId(task)).await {
            taker.check(&held).await;
            taker.held.push(held);
        }
    }
    taker.arena.barrier.wait().await;
    for held in std::mem::take(&mut taker.held) {
        taker.release(held).await;
    }
    taker
}

#[test]
fn a_store_that_swaps_without_comparing_is_found() {
    for one_in in [1, 5] {
        blamed(
            &format!("no comparison in 1 of {one_in} commits"),
            &careless(one_in),
            |violation| {
                matches!(violation, Violation::TwoHolders { .. } | Violation::FenceTwice { .. })
            },
        );
    }
}

#[test]
fn a_renewal_that_ignores_the_fence_is_found() {
    blamed("renewal without fence", &leases(Some(Fault::RenewsAnybody)), |violation| {
        matches!(violation, Violation::StaleAccepted { what: What::Renewed { .. }, .. })
    });
}

#[test]
fn a_guard_that_ignores_the_fence_is_found() {
    blamed("guard without fence", &leases(Some(Fault::LetsAnybodyAct)), |violation| {
        matches!(violation, Violation::StaleAccepted { what: What::Checked, .. })
    });
}

#[test]
fn a_sweep_that_frees_a_live_holder_is_found() {
    let history = leases(Some(Fault::SweepsTheLiving));
    blamed("sweep of the living", &history, |violation| {
        matches!(violation, Violation::LiveFreed { .. })
    });
    blamed("sweep of the living, seen by its victims", &history, |violation| {
        matches!(violation, Violation::LostWhileLive { .. })
    });
    blamed("sweep of the living, seen by exclusion", &history, |violation| {
        matches!(violation, Violation::TwoHolders { .. })
    });
}
