//! A crowd that races for tasks: ledgers as eight daemons would have them, each with a runtime of
//! eight threads, on one store. Every call is written into a history.

use super::history::{Event, Moments, What};
use rota::clock::{Clock, Entropy, ManualClock, SeededEntropy};
use rota::domain::{
    BoardName, Claim, ClaimEnd, DaemonId, EndKind, LifeId, Phase, PlaybookName, Reason, RunId,
    TaskId, from_millis,
};
use rota::ledger::{Acquire, ClaimError, Held, Ledger, LedgerOptions};
use rota::store::{Batch, Store, StoreError};
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

/// So many daemons,
pub const DAEMONS: usize = 8;
/// each with so many threads and takers.
pub const THREADS: usize = 8;

pub const LEASE: Duration = Duration::from_mins(1);

/// A planted fault: what a ledger must not do, done through raw records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A renewal looks neither at the fence nor at the holder.
    RenewsAnybody,
    /// The guard looks neither at the fence nor at the holder.
    LetsAnybodyAct,
    /// A sweep does not look at the lease.
    SweepsTheLiving,
}

/// Where the race is run.
#[derive(Debug)]
pub struct Arena {
    pub store: Arc<dyn Store>,
    pub clock: Arc<ManualClock>,
    pub moments: Moments,
    pub fault: Option<Fault>,
    spots: Vec<Spot>,
    /// Attempts that met another attempt at, or holder of, the same task.
    pub contended: AtomicU64,
    /// All attempts.
    pub attempts: AtomicU64,
    /// The next place in a queue of heats.
    pub heat: AtomicU64,
    /// How many races there were.
    races: AtomicU64,
    /// Where all wait for all.
    pub barrier: Barrier,
}

/// Who is at a task.
#[derive(Debug, Default)]
struct Spot {
    present: AtomicU64,
    arrivals: AtomicU64,
}

/// A clock to race by.
pub fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(from_millis(1_795_000_000_000)))
}

/// The key of a claim's record.
pub fn key(task: TaskId) -> String {
    format!("claim/main/{task}")
}

/// A ledger of this daemon.
pub fn ledger(store: &Arc<dyn Store>, clock: &Arc<ManualClock>, daemon: usize) -> Ledger {
    let options = LedgerOptions {
        board: BoardName::new("main"),
        daemon: DaemonId::new(format!("d{daemon}")),
        life: LifeId::new(format!("life of d{daemon}")),
        margin: Duration::from_secs(5),
        epoch: 0,
    };
    let seed = u64::try_from(daemon).unwrap();
    let (store, clock) = (Arc::clone(store), Arc::clone(clock) as Arc<dyn Clock>);
    Ledger::new(store, clock, Arc::new(SeededEntropy::new(seed)), options)
}

/// A request of this run.
pub fn ask(task: TaskId, run: &str) -> Acquire {
    Acquire {
        task,
        run: RunId::new(run),
        playbook: PlaybookName::new("ai-worker"),
        attempt: 1,
        lease: LEASE,
        nonce: run.to_owned(),
        resume: None,
        comment: None,
    }
}

/// Says a figure where also a quiet run of the tests shows it.
pub fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "races: {text}");
}

impl Arena {
    pub fn new(
        store: Arc<dyn Store>,
        clock: Arc<ManualClock>,
        tasks: i64,
        fault: Option<Fault>,
    ) -> Arc<Self> {
        Arc::new(Self {
            store,
            moments: Moments::new(Arc::clone(&clock)),
            clock,
            fault,
            spots: (0..tasks).map(|_| Spot::default()).collect(),
            contended: AtomicU64::new(0),
            attempts: AtomicU64::new(0),
            heat: AtomicU64::new(0),
            races: AtomicU64::new(0),
            barrier: Barrier::new(DAEMONS * THREADS),
        })
    }

    /// How many tasks there are.
    pub fn tasks(&self) -> i64 {
        i64::try_from(self.spots.len()).unwrap()
    }

    fn spot(&self, task: TaskId) -> &Spot {
        &self.spots[usize::try_from(task.0).unwrap()]
    }

    /// Every taker does this at the same time; what they saw, in no order.
    pub fn race<F>(self: &Arc<Self>, what: impl Fn(Taker) -> F + Sync) -> Vec<Event>
    where
        F: Future<Output = Taker> + Send + 'static,
    {
        let race = self.races.fetch_add(1, Ordering::SeqCst);
        let daemon = |number: usize| {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(THREADS)
                .build()
                .unwrap();
            let ledger = Arc::new(ledger(&self.store, &self.clock, number));
            let takers = (0..THREADS).map(|thread| Taker {
                arena: Arc::clone(self),
                ledger: Arc::clone(&ledger),
                name: format!("d{number}t{thread}r{race}"),
                chance: SeededEntropy::new(u64::try_from(number * THREADS + thread).unwrap()),
                asked: 0,
                events: Vec::new(),
                held: Vec::new(),
            });
            runtime
                .block_on(async { takers.map(&what).collect::<JoinSet<Taker>>().join_all().await })
        };
        let daemon = &daemon;
        std::thread::scope(|scope| {
            let daemons: Vec<_> =
                (0..DAEMONS).map(|number| scope.spawn(move || daemon(number))).collect();
            let takers = daemons.into_iter().flat_map(|daemon| daemon.join().unwrap());
            takers.flat_map(|taker| taker.events).collect()
        })
    }
}

/// One of those who race.
#[derive(Debug)]
pub struct Taker {
    pub arena: Arc<Arena>,
    pub ledger: Arc<Ledger>,
    name: String,
    chance: SeededEntropy,
    asked: u64,
    pub events: Vec<Event>,
    /// What it holds, as far as it knows.
    pub held: Vec<Held>,
}

impl Taker {
    /// Once in so many times.
    pub fn once_in(&self, times: u64) -> bool {
        self.chance.next_u64().is_multiple_of(times)
    }

    /// Tries to take a task; another's is no fault.
    pub async fn attempt(&mut self, task: TaskId) -> Option<Held> {
        self.asked += 1;
        let ask = ask(task, &format!("{}-{}", self.name, self.asked));
        let (arena, run) = (Arc::clone(&self.arena), ask.run.to_string());
        let spot = arena.spot(task);
        let is_met = spot.present.fetch_add(1, Ordering::SeqCst) > 0;
        let arrived = spot.arrivals.fetch_add(1, Ordering::SeqCst) + 1;
        let began = arena.moments.now();
        let answer = self.ledger.acquire(ask.clone()).await;
        let held = match answer {
            Ok(held) => {
                let lease_ends = held.claim.lease_ends.as_ref().unwrap().ms;
                self.note(&held, began, What::Acquired { nonce: ask.nonce, lease_ends });
                Some(held)
            }
            Err(ClaimError::Held { claim }) => {
                assert_ne!(claim.run.as_str(), run, "refused because of itself");
                spot.present.fetch_sub(1, Ordering::SeqCst);
                None
            }
            Err(error) => panic!("{error}"),
        };
        let is_joined = spot.arrivals.load(Ordering::SeqCst) > arrived;
        if is_met || is_joined || held.is_none() {
            arena.contended.fetch_add(1, Ordering::Relaxed);
        }
        arena.attempts.fetch_add(1, Ordering::Relaxed);
        held
    }

    /// It no longer stands at the task, though it holds it.
    pub fn leave(&self, held: &Held) {
        self.arena.spot(held.claim.task).present.fetch_sub(1, Ordering::SeqCst);
    }

    fn note(&mut self, held: &Held, began: u64, what: What) {
        let claim = (held.claim.task, held.claim.fence);
        self.events.push(self.arena.moments.event(began, claim, held.claim.run.as_str(), what));
    }

    fn note_answer(&mut self, held: &Held, began: u64, done: Result<What, ClaimError>) -> bool {
        let what = match done {
            Ok(what) => what,
            Err(ClaimError::Lost { .. }) => What::Lost,
            Err(error) => panic!("{error}"),
        };
        let is_mine = what != What::Lost;
        self.note(held, began, what);
        is_mine
    }

    /// Renews; whether the claim is still its own.
    pub async fn renew(&mut self, held: &mut Held) -> bool {
        let began = self.arena.moments.now();
        let done = if self.arena.fault == Some(Fault::RenewsAnybody) {
            self.renew_anybody(held).await
        } else {
            self.ledger.renew(held).await
        };
        let lease_ends = held.claim.lease_ends.as_ref().map_or(0, |end| end.ms);
        self.note_answer(held, began, done.map(|()| What::Renewed { lease_ends }))
    }

    /// Asks the guard whether it may act.
    pub async fn check(&mut self, held: &Held) -> bool {
        let (task, fence) = (held.claim.task, held.claim.fence);
        let began = self.arena.moments.now();
        let done = if self.arena.fault == Some(Fault::LetsAnybodyAct) {
            Ok(())
        } else {
            self.ledger.check_fence(task, fence, &held.claim.run).await
        };
        self.note_answer(held, began, done.map(|()| What::Checked))
    }

    /// Gives it back.
    pub async fn release(&mut self, mut held: Held) -> bool {
        let began = self.arena.moments.now();
        let done = self.ledger.end(&mut held, EndKind::Released, Reason::Done).await;
        self.note_answer(&held, began, done.map(|()| What::Released))
    }

    /// Ends what nobody renewed.
    pub async fn sweep(&mut self) {
        let began = self.arena.moments.now();
        let swept = if self.arena.fault == Some(Fault::SweepsTheLiving) {
            self.sweep_the_living().await
        } else {
            self.ledger.expire().await.unwrap()
        };
        for claim in swept {
            let of = (claim.task, claim.fence);
            self.events.push(self.arena.moments.event(began, of, "sweeper", What::Swept));
        }
    }

    async fn renew_anybody(&self, held: &mut Held) -> Result<(), ClaimError> {
        let until = self.arena.clock.store_time().plus(LEASE);
        let changed = self
            .rewrite(held.claim.task, |claim| {
                claim.lease_ends = Some(until.clone());
            })
            .await?;
        held.claim.lease_ends = Some(until);
        if changed.is_some() { Ok(()) } else { Err(is_lost()) }
    }

    async fn sweep_the_living(&self) -> Vec<Claim> {
        let mut swept = Vec::new();
        for claim in self.ledger.claims().await.unwrap() {
            let at = self.arena.clock.wall();
            let ended = ClaimEnd { how: EndKind::Expired, reason: Reason::LeaseExpired, at };
            let changed = self.rewrite(claim.task, |claim| {
                claim.phase = Phase::Free;
                claim.holder = None;
                claim.lease_ends = None;
                claim.ended = Some(ended.clone());
            });
            swept.extend(changed.await.unwrap());
        }
        swept
    }

    /// Changes the record of a claim that is not free, past the ledger.
    async fn rewrite(
        &self,
        task: TaskId,
        change: impl Fn(&mut Claim),
    ) -> Result<Option<Claim>, StoreError> {
        loop {
            let Some(found) = self.arena.store.get(&key(task)).await? else { return Ok(None) };
            let mut claim: Claim = serde_json::from_slice(&found.value).unwrap();
            if claim.phase == Phase::Free {
                return Ok(None);
            }
            change(&mut claim);
            let text = serde_json::to_vec(&claim).unwrap();
            let batch = Batch::new().check(key(task), Some(found.version)).put(key(task), text);
            match self.arena.store.commit(batch).await {
                Ok(()) => return Ok(Some(claim)),
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error),
            }
        }
    }
}

fn is_lost() -> ClaimError {
    ClaimError::Lost { reason: Reason::ClaimLost, detail: String::new() }
}
