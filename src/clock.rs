//! Time and chance, the two things a pure function may not ask for itself.
//!
//! This is the only file that reads the machine's clocks or its randomness; everything else is
//! given a [`Clock`] and an [`Entropy`], so that a month can be simulated in a second.

use crate::domain::{RunId, StoreTime, Timestamp, from_millis, to_delta};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The clocks of one machine.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// The wall clock, in whole milliseconds. It may step in either direction.
    fn wall(&self) -> Timestamp;

    /// The boot-time clock: never steps, goes on while the machine sleeps.
    fn boot(&self) -> Duration;

    /// The id of this boot; two boots never share one.
    fn boot_id(&self) -> String;

    /// The boot-time clock as an embedded store's own time.
    fn store_time(&self) -> StoreTime {
        StoreTime { era: self.boot_id(), ms: crate::domain::millis(self.boot()) }
    }
}

/// A source of chance.
pub trait Entropy: Send + Sync + std::fmt::Debug {
    /// 64 bits that nobody can guess (in production) or that a seed decides (in tests).
    fn next_u64(&self) -> u64;

    /// A new run's name.
    fn run_id(&self) -> RunId {
        RunId(format!("r-{}", base32(self.next_u64(), 12)))
    }

    /// Distinguishes two attempts to write the same record.
    fn nonce(&self) -> String {
        base32(self.next_u64(), 13)
    }
}

/// Lower-case base32 without look-alikes (Crockford's alphabet), low bits first.
fn base32(mut bits: u64, len: usize) -> String {
    const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    (0..len)
        .map(|_| {
            let digit = char::from(ALPHABET[usize::try_from(bits % 32).unwrap_or(0)]);
            bits /= 32;
            digit
        })
        .collect()
}

/// The machine's own clocks.
#[derive(Debug)]
pub struct SystemClock {
    boot_id: String,
}

impl SystemClock {
    /// The clocks of this machine; reads the boot's id once.
    pub fn new() -> Self {
        let boot_id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
            .map_or_else(|_| "boot".to_owned(), |id| id.trim().to_owned());
        Self { boot_id }
    }

    /// The same, ready to be shared.
    pub fn shared() -> Arc<dyn Clock> {
        Arc::new(Self::new())
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the home of the wall clock")]
    fn wall(&self) -> Timestamp {
        from_millis(chrono::Utc::now().timestamp_millis())
    }

    fn boot(&self) -> Duration {
        nix::time::clock_gettime(nix::time::ClockId::CLOCK_BOOTTIME)
            .map_or(Duration::ZERO, Duration::from)
    }

    fn boot_id(&self) -> String {
        self.boot_id.clone()
    }
}

/// The clocks of a machine whose wall clock is that of a server. Daemons that share one agree on what time
/// it is, whatever somebody set their own machines to: none of them begins an hour early for all.
///
/// It goes on by the boot-time clock from what the server said last, also while that is away; before it
/// has said anything, it is the machine's own.
#[derive(Debug)]
pub struct ServerClock {
    machine: Arc<dyn Clock>,
    /// What the server's clock showed, and the boot-time clock then.
    heard: std::sync::Mutex<Option<(Duration, Timestamp)>>,
}

impl ServerClock {
    /// Over the clocks of this machine.
    pub fn over(machine: Arc<dyn Clock>) -> Self {
        Self { machine, heard: std::sync::Mutex::default() }
    }

    /// The server's clock showed this at some time between `asked`, by the boot-time clock, and now. Says by
    /// how much it is ahead of the machine's own wall clock, in milliseconds.
    pub fn hear(&self, asked: Duration, said: Timestamp) -> i64 {
        let (boot, wall) = (self.machine.boot(), self.machine.wall());
        let half = boot.saturating_sub(asked) / 2;
        let middle = asked + half;
        let mut heard = self.lock();
        // What it may be without having changed is no news: time would only tremble by it.
        let doubt = to_delta(half + Duration::from_millis(1));
        let is_news = heard.is_none_or(|heard| (said - shown(heard, middle)).abs() > doubt);
        if is_news {
            *heard = Some((middle, said));
        }
        let now = heard.map_or(wall, |heard| shown(heard, boot));
        (now - wall).num_milliseconds()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<(Duration, Timestamp)>> {
        self.heard.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// What a clock shows at this time of the boot-time clock that showed something at another.
fn shown((then, wall): (Duration, Timestamp), boot: Duration) -> Timestamp {
    let exact = wall + to_delta(boot.saturating_sub(then)) - to_delta(then.saturating_sub(boot));
    from_millis(exact.timestamp_millis())
}

impl Clock for ServerClock {
    fn wall(&self) -> Timestamp {
        let (heard, boot) = (*self.lock(), self.machine.boot());
        heard.map_or_else(|| self.machine.wall(), |heard| shown(heard, boot))
    }

    fn boot(&self) -> Duration {
        self.machine.boot()
    }

    fn boot_id(&self) -> String {
        self.machine.boot_id()
    }
}

/// The machine's own randomness.
#[derive(Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn next_u64(&self) -> u64 {
        uuid::Uuid::new_v4().as_u64_pair().0 ^ uuid::Uuid::new_v4().as_u64_pair().1.rotate_left(17)
    }
}

/// Chance that a seed decides (SplitMix64): the same seed gives the same numbers.
#[derive(Debug)]
pub struct SeededEntropy {
    state: AtomicU64,
}

impl SeededEntropy {
    /// Starts from a seed.
    pub fn new(seed: u64) -> Self {
        Self { state: AtomicU64::new(seed) }
    }
}

impl Entropy for SeededEntropy {
    fn next_u64(&self) -> u64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut z = self.state.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// A clock that stands still until it is moved: for tests, rehearsals and the demo's working day.
#[derive(Debug)]
pub struct ManualClock {
    state: std::sync::Mutex<(Timestamp, Duration)>,
    boot_id: String,
}

impl ManualClock {
    /// Stands at this instant, with the boot-time clock at one day.
    pub fn at(wall: Timestamp) -> Self {
        Self {
            state: std::sync::Mutex::new((wall, Duration::from_hours(24))),
            boot_id: "manual".to_owned(),
        }
    }

    /// Time passes: both clocks go on.
    pub fn advance(&self, by: Duration) {
        let mut state = self.lock();
        state.0 += crate::domain::to_delta(by);
        state.1 += by;
    }

    /// Somebody sets the wall clock; the boot-time clock does not care.
    pub fn step_wall(&self, to: Timestamp) {
        self.lock().0 = to;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, (Timestamp, Duration)> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Clock for ManualClock {
    fn wall(&self) -> Timestamp {
        self.lock().0
    }

    fn boot(&self) -> Duration {
        self.lock().1
    }

    fn boot_id(&self) -> String {
        self.boot_id.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_ids_are_short_and_differ() {
        let chance = SeededEntropy::new(7);
        let (a, b) = (chance.run_id(), chance.run_id());
        assert_ne!(a, b);
        assert_eq!(a.as_str().len(), 14);
        assert_eq!(SeededEntropy::new(7).run_id(), a);
    }

    /// A machine an hour ahead, and its clock by a server.
    fn served() -> (Arc<ManualClock>, ServerClock, Timestamp) {
        let right = from_millis(1_790_000_000_000);
        let machine = Arc::new(ManualClock::at(right + chrono::TimeDelta::hours(1)));
        let clock = ServerClock::over(Arc::clone(&machine) as _);
        (machine, clock, right)
    }

    #[test]
    fn a_machine_whose_clock_is_wrong_goes_by_that_of_the_server_once_it_has_heard_it() {
        let (machine, clock, right) = served();
        assert_eq!(clock.wall(), machine.wall(), "nobody has said anything yet");
        assert_eq!(clock.hear(machine.boot(), right), -3_600_000);
        assert_eq!(clock.wall(), right);
        machine.advance(Duration::from_mins(10));
        assert_eq!(clock.wall(), right + chrono::TimeDelta::minutes(10));
        machine.step_wall(right - chrono::TimeDelta::days(1));
        assert_eq!(clock.wall(), right + chrono::TimeDelta::minutes(10), "nobody asks that one");
        assert_eq!((clock.boot(), clock.boot_id()), (machine.boot(), machine.boot_id()));
    }

    #[test]
    fn what_was_long_on_its_way_moves_a_server_clock_only_as_far_as_it_can_be_trusted() {
        let (machine, clock, right) = served();
        clock.hear(machine.boot(), right);
        let asked = machine.boot();
        machine.advance(Duration::from_secs(4));
        // Said at any time of those four seconds.
        for early in [0, 1_000, 4_000] {
            clock.hear(asked, right + chrono::TimeDelta::milliseconds(early));
            assert_eq!(clock.wall(), right + chrono::TimeDelta::seconds(4), "{early}");
        }
        // The server was set, whatever the way took.
        clock.hear(asked, right + chrono::TimeDelta::minutes(1));
        let set = right + chrono::TimeDelta::minutes(1) + chrono::TimeDelta::seconds(2);
        assert_eq!(clock.wall(), set);
        clock.hear(machine.boot(), right);
        assert_eq!(clock.wall(), right);
    }

    #[test]
    fn the_boot_clock_does_not_go_back() {
        let clock = SystemClock::new();
        assert!(clock.boot() <= clock.boot());
    }
}
