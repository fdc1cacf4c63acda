//! The claims of the ledger under futures that are polled in random order, with lost replies, a time
//! that jumps, sweepers and an operator: whoever acts while its trust window is open holds the claim.

use super::judge::{Judge, LEASE, Who};
use super::seeds;
use async_trait::async_trait;
use rota::clock::{Clock, ManualClock, SeededEntropy};
use rota::domain::*;
use rota::ledger::{Acquire, ClaimError, Held, Ledger, LedgerOptions};
use rota::store::memory::MemoryStore;
use rota::store::{Batch, Result, Row, Store, StoreError, Versioned};
use shuttle::future::{block_on, spawn, yield_now};
use shuttle::rand::{Rng as _, thread_rng};
use shuttle::scheduler::RandomScheduler;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// One in so many commits loses its reply, one in so many does not happen.
const LOST: u32 = 25;

/// What is wrong on purpose, so that the judge can be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Planted {
    Nothing,
    /// Compare-and-swap swaps without comparing.
    NoChecks,
    /// The store's time stands still for one daemon: it believes leases for ever.
    FastClock,
}

/// The store as one daemon sees it.
#[derive(Debug)]
struct PolledStore {
    who: Who,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    clock: Arc<ManualClock>,
    store: MemoryStore,
    judge: Mutex<Judge>,
    planted: Planted,
}

fn below(n: u32) -> u32 {
    thread_rng().gen_range(0..n)
}

async fn let_others() {
    for _ in 0..below(3) {
        yield_now().await;
    }
}

impl PolledStore {
    fn time(&self) -> StoreTime {
        let now = self.shared.clock.store_time();
        let is_fast = self.shared.planted == Planted::FastClock && self.who.daemon == "b";
        if is_fast { now.plus(LEASE) } else { now }
    }
}

#[async_trait]
impl Store for PolledStore {
    async fn get(&self, key: &str) -> Result<Option<Versioned>> {
        let_others().await;
        self.shared.store.get(key).await
    }

    async fn commit(&self, mut batch: Batch) -> Result<()> {
        let_others().await;
        let failed = || StoreError::Failed("simulated".into());
        if below(LOST) == 0 {
            return Err(failed());
        }
        if self.shared.planted == Planted::NoChecks {
            batch.checks.clear();
        }
        self.shared.store.commit(batch.clone()).await?;
        let now = self.shared.clock.store_time();
        self.shared.judge.lock().unwrap().committed(&self.who, &batch, &now);
        let_others().await;
        if below(LOST) == 0 { Err(failed()) } else { Ok(()) }
    }

    async fn scan(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<Row>> {
        let_others().await;
        self.shared.store.scan(prefix, after, limit).await
    }

    async fn now(&self) -> Result<StoreTime> {
        let_others().await;
        Ok(self.time())
    }

    fn now_at_most(&self) -> Option<StoreTime> {
        Some(self.time())
    }
}

fn ledger(shared: &Arc<Shared>, daemon: &str) -> (Who, Arc<Ledger>) {
    let who = Who { daemon: daemon.to_owned(), life: 1 };
    let options = LedgerOptions {
        board: BoardName::new("main"),
        daemon: DaemonId::new(daemon),
        life: LifeId::new(who.life_name()),
        margin: Duration::from_secs(5),
        epoch: 0,
    };
    let store = Arc::new(PolledStore { who: who.clone(), shared: Arc::clone(shared) });
    let chance = Arc::new(SeededEntropy::new(u64::from(below(u32::MAX))));
    let clock = Arc::clone(&shared.clock) as Arc<dyn Clock>;
    (who, Arc::new(Ledger::new(store, clock, chance, options)))
}

/// Takes tasks again and again, and does with them what runs do.
async fn work(shared: Arc<Shared>, who: Who, ledger: Arc<Ledger>, number: u32) {
    for round in 0..2 {
        let task = TaskId(i64::from(below(2)) + 1);
        let run = RunId::new(format!("r-{}-{number}-{round}", who.daemon));
        let ask = Acquire {
            task,
            run: run.clone(),
            playbook: PlaybookName::new("p"),
            attempt: 1,
            lease: LEASE,
            nonce: ledger.nonce(),
            resume: None,
            comment: None,
        };
        let mut answer = ledger.acquire(ask.clone()).await;
        if matches!(answer, Err(ClaimError::Store(_))) {
            answer = ledger.acquire(ask).await;
        }
        let Ok(mut held) = answer else { continue };
        let run = use_claim(&shared, &who, &ledger, &mut held, run).await;
        match below(4) {
            0 => {
                let until = shared.clock.wall();
                let _ = ledger.park(&mut held, "which?", None, until).await;
            }
            // It is killed.
            1 => {}
            _ => {
                let _ = ledger.end(&mut held, EndKind::Released, Reason::HandedOver).await;
                if held.trust.is_open(shared.clock.boot()) {
                    shared.judge.lock().unwrap().acted(&who, task, held.claim.fence, &run);
                }
            }
        }
    }
}

async fn use_claim(
    shared: &Shared,
    who: &Who,
    ledger: &Ledger,
    held: &mut Held,
    mut run: RunId,
) -> RunId {
    let task = held.claim.task;
    for step in 0..below(6) {
        let_others().await;
        // Nothing happens between this look at the window and the act.
        if held.trust.is_open(shared.clock.boot()) {
            shared.judge.lock().unwrap().acted(who, task, held.claim.fence, &run);
        }
        let lost = match below(4) {
            0 | 1 => ledger.renew(held).await.is_err(),
            2 => ledger.advance(held, Phase::Working, None, None).await.is_err(),
            _ => {
                let next = RunId::new(format!("{run}-{step}"));
                let ask = Acquire {
                    task,
                    run: next.clone(),
                    playbook: PlaybookName::new("p"),
                    attempt: 2,
                    lease: LEASE,
                    nonce: ledger.nonce(),
                    resume: None,
                    comment: None,
                };
                match ledger.succeed(held, ask).await {
                    Ok(succeeded) => {
                        *held = succeeded;
                        run = next;
                        false
                    }
                    Err(_) => true,
                }
            }
        };
        if lost && below(2) == 0 {
            break;
        }
    }
    run
}

/// One order of polling, from the beginning to the end.
fn one_order(planted: Planted) -> Vec<String> {
    block_on(async move {
        let clock = Arc::new(ManualClock::at(from_millis(1_800_000_000_000)));
        let store = MemoryStore::new(Arc::clone(&clock) as _);
        let judge = Mutex::default();
        let shared = Arc::new(Shared { clock: Arc::clone(&clock), store, judge, planted });
        let mut handles = Vec::new();
        for daemon in ["a", "b", "c"] {
            let (who, ledger) = ledger(&shared, daemon);
            for number in 0..2 {
                let work = work(Arc::clone(&shared), who.clone(), Arc::clone(&ledger), number);
                handles.push(spawn(work));
            }
            handles.push(spawn(async move {
                for _ in 0..3 {
                    let _ = ledger.expire().await;
                    if below(6) == 0 {
                        let _ = ledger.revoke(TaskId(1), "a trial", "Ada").await;
                    }
                }
            }));
        }
        handles.push(spawn(async move {
            for _ in 0..10 {
                clock.advance(Duration::from_millis(u64::from(below(30_000))));
                for _ in 0..below(20) {
                    yield_now().await;
                }
            }
        }));
        for handle in handles {
            handle.await.unwrap();
        }
        let judge = shared.judge.lock().unwrap();
        if judge.violations.is_empty() { Vec::new() } else { told(&judge) }
    })
}

fn told(judge: &Judge) -> Vec<String> {
    let mut all = judge.violations.clone();
    all.push(judge.story());
    all
}

/// Tries orders, beginning with this seed, until one shows a fault; returns how many were tried and
/// what was found.
fn try_orders(planted: Planted, first: u64, orders: u64) -> (u64, Vec<String>) {
    for seed in first..first + orders {
        let found = Arc::new(Mutex::new(Vec::new()));
        let out = Arc::clone(&found);
        let mut config = shuttle::Config::new();
        // Unoptimised code needs more than the default of a few pages.
        config.stack_size = 1 << 20;
        config.max_steps = shuttle::MaxSteps::FailAfter(1_000_000);
        let scheduler = RandomScheduler::new_from_seed(seed, 1);
        shuttle::Runner::new(scheduler, config).run(move || {
            *out.lock().unwrap() = one_order(planted);
        });
        let found = std::mem::take(&mut *found.lock().unwrap());
        if !found.is_empty() {
            return (seed - first + 1, found);
        }
    }
    (orders, Vec::new())
}

#[test]
fn in_whatever_order_futures_are_polled_only_the_holder_acts() {
    let (first, orders) = seeds(500);
    let (tried, found) = try_orders(Planted::Nothing, first, orders);
    println!("{tried} orders of polling, from ROTA_SIM_SEED={first} on");
    assert!(found.is_empty(), "ROTA_SIM_SEED={}: {}", first + tried - 1, found.join("\n"));
}

#[test]
fn a_store_that_does_not_compare_is_found_out() {
    let (tried, found) = try_orders(Planted::NoChecks, 0, 200);
    println!("found by order {tried}");
    assert!(!found.is_empty(), "the judge sees nothing");
}

#[test]
fn a_daemon_with_a_store_time_of_its_own_is_found_out() {
    let (tried, found) = try_orders(Planted::FastClock, 0, 200);
    println!("found by order {tried}");
    assert!(!found.is_empty(), "the judge sees nothing");
}
