//! What all simulated daemons share: the time, chance, the weather, and the judge who sees every step.

use super::judge::{Judge, Who};
use rota::clock::{Clock, Entropy, SeededEntropy};
use rota::domain::*;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// The machine's time, from which every clock is made. It goes with the paused time of the runtime;
/// a suspend lets it jump while no timer fires.
#[derive(Debug)]
pub struct TrueTime {
    began: Timestamp,
    since: tokio::time::Instant,
    slept_ms: AtomicU64,
}

impl TrueTime {
    fn passed(&self) -> Duration {
        self.since.elapsed() + Duration::from_millis(self.slept_ms.load(SeqCst))
    }

    /// Everything is suspended for so long.
    pub fn sleep_through(&self, by: Duration) {
        self.slept_ms.fetch_add(millis(by), SeqCst);
    }
}

/// The clocks of one daemon's machine: its wall clock may be set wrong.
#[derive(Debug)]
pub struct MachineClock {
    truth: Arc<TrueTime>,
    wrong_by_ms: AtomicI64,
}

impl MachineClock {
    pub fn new(truth: &Arc<TrueTime>) -> Self {
        Self { truth: Arc::clone(truth), wrong_by_ms: AtomicI64::new(0) }
    }

    /// Somebody sets the wall clock.
    pub fn set_wrong_by(&self, ms: i64) {
        self.wrong_by_ms.store(ms, SeqCst);
    }
}

impl Clock for MachineClock {
    fn wall(&self) -> Timestamp {
        let wrong = chrono::TimeDelta::milliseconds(self.wrong_by_ms.load(SeqCst));
        self.truth.began + to_delta(self.truth.passed()) + wrong
    }
    fn boot(&self) -> Duration {
        Duration::from_hours(24) + self.truth.passed()
    }
    fn boot_id(&self) -> String {
        "simulated".to_owned()
    }
}

/// How often things go wrong, as one in so many; each seed has its own.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    pub store_fails: u64,
    pub board_fails: u64,
    pub model_fails: u64,
    pub channel_fails: u64,
    pub is_slow: u64,
    pub crash: u64,
    pub freeze: u64,
    pub clock_step: u64,
    pub suspend: u64,
    pub person: u64,
}

/// What is wrong on purpose, so that the judge can be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Planted {
    Nothing,
    /// The store swaps without comparing.
    NoChecks,
    /// The store loses what is journaled and says nothing.
    NoJournal,
    /// Daemons run one thing more at once than they should.
    OneTooMany,
}

/// What everybody shares.
#[derive(Debug)]
pub struct World {
    pub truth: Arc<TrueTime>,
    /// The true time as a clock: the shared store's own.
    pub clock: Arc<MachineClock>,
    pub chance: SeededEntropy,
    pub weather: Weather,
    pub planted: Planted,
    /// Whether the daemons know that they share the store: every other seed's do. It counts commits.
    pub commits: Option<watch::Sender<u64>>,
    calm: AtomicBool,
    judge: Mutex<Judge>,
}

impl World {
    pub fn new(seed: u64, planted: Planted) -> Arc<Self> {
        let chance = SeededEntropy::new(seed);
        let began = "2026-11-03T09:00:00Z".parse().unwrap();
        let since = tokio::time::Instant::now();
        let truth = Arc::new(TrueTime { began, since, slept_ms: AtomicU64::new(0) });
        let clock = Arc::new(MachineClock::new(&truth));
        let one_in = |least: u64, most: u64| least + chance.next_u64() % (most - least + 1);
        let weather = Weather {
            store_fails: one_in(40, 2_000),
            board_fails: one_in(30, 1_000),
            model_fails: one_in(8, 60),
            channel_fails: one_in(3, 20),
            is_slow: one_in(15, 400),
            crash: one_in(6, 40),
            freeze: one_in(6, 40),
            clock_step: one_in(6, 40),
            suspend: one_in(15, 80),
            person: one_in(1, 8),
        };
        Arc::new(Self {
            truth,
            clock,
            chance,
            weather,
            planted,
            commits: (seed % 2 == 1).then(|| watch::Sender::new(0)),
            calm: AtomicBool::new(false),
            judge: Mutex::default(),
        })
    }

    /// A number below `n`.
    pub fn below(&self, n: u64) -> u64 {
        self.chance.next_u64() % n
    }

    /// Whether it happens that happens once in so many times, as long as there is trouble at all.
    pub fn strikes(&self, one_in: u64) -> bool {
        !self.is_calm() && self.below(one_in) == 0
    }

    /// From now on nothing goes wrong any more.
    pub fn calm_down(&self) {
        self.calm.store(true, SeqCst);
    }

    pub fn is_calm(&self) -> bool {
        self.calm.load(SeqCst)
    }

    pub fn judge(&self) -> MutexGuard<'_, Judge> {
        self.judge.lock().unwrap()
    }

    /// Something happened that the story of this seed should tell.
    pub fn note(&self, text: impl FnOnce() -> String) {
        let at = self.truth.passed();
        self.judge().note(at, &text());
    }

    pub fn store_time(&self) -> StoreTime {
        self.clock.store_time()
    }
}

/// How a life is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pulse {
    /// It goes on.
    Beating,
    /// Its machine is suspended, or it waits for its processor: it goes on later, where it was.
    Stopped,
    /// Its process was killed.
    Dead,
}

/// What ties one life of a daemon to the world: whatever it reads or writes passes here before and
/// after, and here it is delayed, suspended and killed.
#[derive(Debug)]
pub struct Link {
    pub who: Who,
    pub world: Arc<World>,
    pulse: Mutex<Pulse>,
    /// Wakes in the order in which they wait, unlike a watch channel.
    changed: Notify,
}

impl Link {
    pub fn new(daemon: &str, life: u64, world: &Arc<World>) -> Arc<Self> {
        let who = Who { daemon: daemon.to_owned(), life };
        let (pulse, changed) = (Mutex::new(Pulse::Beating), Notify::new());
        Arc::new(Self { who, world: Arc::clone(world), pulse, changed })
    }

    pub fn set(&self, pulse: Pulse) {
        *self.pulse.lock().unwrap() = pulse;
        self.changed.notify_waiters();
    }

    fn pulse(&self) -> Pulse {
        *self.pulse.lock().unwrap()
    }

    pub fn is_dead(&self) -> bool {
        self.pulse() == Pulse::Dead
    }

    /// Comes by: others are let through first now and then, and sometimes it takes long.
    pub async fn pass(&self) {
        if !self.world.is_calm() {
            for _ in 0..self.world.below(3) {
                tokio::task::yield_now().await;
            }
            if self.world.strikes(self.world.weather.is_slow) {
                let most = if self.world.below(8) == 0 { 90_000 } else { 3_000 };
                tokio::time::sleep(Duration::from_millis(self.world.below(most))).await;
            }
        }
        self.beats().await;
    }

    /// Returns at once, after a suspend, or never.
    async fn beats(&self) {
        loop {
            // There is but one thread: nothing changes between this look and the wait.
            match self.pulse() {
                Pulse::Beating => return,
                Pulse::Stopped => self.changed.notified().await,
                Pulse::Dead => std::future::pending().await,
            }
        }
    }
}
