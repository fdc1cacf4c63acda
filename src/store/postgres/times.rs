//! The server's time: what was told of it, and how late it can be by now.

use super::failure::Fault;
use super::{ERA, Result};
use crate::clock::{Clock as _, ServerClock};
use crate::domain::{StoreTime, from_millis, millis};
use crate::instruments::pools;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

/// So far apart a daemon's clock and the server's may be before it is said.
const APART_MS_MAX: u64 = 5_000;

/// A server's clock that is behind what it said before by more than this has been set.
const BEHIND_MAX_MS: i64 = 1_000;

/// For so long what the server said tells how late it can be at most.
const HEARD_MAX: Duration = Duration::from_secs(5);

/// By one part in so many a clock may go faster than another while something sets it right.
const DRIFT: u32 = 8;

/// What is known of it. Every answer that holds it is told here, also that to a commit.
#[derive(Debug, Default)]
pub(super) struct Times {
    /// The latest time that was told.
    latest: AtomicI64,
    /// What the server said last, and when by the boot-time clock it was asked.
    heard: Mutex<Option<(Duration, i64)>>,
    /// The clock that goes by this time, where there is one.
    clock: OnceLock<Arc<ServerClock>>,
    /// The server's clock and this machine's are far apart, which was said.
    is_apart: AtomicBool,
}

impl Times {
    /// From now on this clock hears it; the first one stays.
    pub(super) fn tell_from_now(&self, clock: Arc<ServerClock>) {
        let _ = self.clock.set(clock);
    }

    /// When a question is asked, by the boot-time clock.
    pub(super) fn asks(&self) -> Option<Duration> {
        Some(self.clock.get()?.boot())
    }

    /// The time that callers are told where the server said this to a question of that time.
    pub(super) fn hear(&self, asked: Option<Duration>, said: i64) -> Result<StoreTime> {
        let not_before = not_before(self.latest.fetch_max(said, Ordering::SeqCst), said);
        *self.heard() = asked.filter(|_| not_before.is_ok()).map(|asked| (asked, said));
        let ms = not_before?;
        self.tell(asked, said);
        Ok(StoreTime { era: ERA.to_owned(), ms: ms.unsigned_abs() })
    }

    /// A time than which the server's is not later, if it said something lately.
    pub(super) fn at_most(&self) -> Option<StoreTime> {
        let now = self.asks()?;
        let (asked, said) = (*self.heard())?;
        let at_most = at_most(said, now.checked_sub(asked)?)?;
        let ms = at_most.max(self.latest.load(Ordering::SeqCst)).unsigned_abs();
        Some(StoreTime { era: ERA.to_owned(), ms })
    }

    fn heard(&self) -> MutexGuard<'_, Option<(Duration, i64)>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the clock what the server said to a question of that time.
    fn tell(&self, asked: Option<Duration>, said: i64) {
        let (Some(clock), Some(asked)) = (self.clock.get(), asked) else { return };
        let ahead = clock.hear(asked, from_millis(said));
        pools::clock_ahead(ahead);
        let is_apart = ahead.unsigned_abs() > APART_MS_MAX;
        match (is_apart, self.is_apart.swap(is_apart, Ordering::SeqCst)) {
            (true, false) => tracing::warn!(
                "this machine's clock is {} s {} that of the store's server, by which playbooks wake: \
                 set both by the network",
                ahead.unsigned_abs() / 1_000,
                if ahead > 0 { "behind" } else { "before" },
            ),
            (false, true) => {
                tracing::info!("this machine's clock and that of the store's server agree again");
            }
            _ => {}
        }
    }
}

/// The time that the server says, or the latest that it said before, where it is hardly behind that.
fn not_before(latest: i64, said: i64) -> std::result::Result<i64, Fault> {
    let behind = latest.saturating_sub(said);
    if behind > BEHIND_MAX_MS {
        return Err(Fault::SetBack(Duration::from_millis(behind.unsigned_abs())));
    }
    Ok(latest.max(said))
}

/// What a server's clock shows at most so long after it was asked and said this; `None`: that was too long
/// ago to tell. It said whole milliseconds, and not before it was asked.
fn at_most(said: i64, passed: Duration) -> Option<i64> {
    let passed = Some(passed).filter(|passed| *passed <= HEARD_MAX)?;
    let ms = i64::try_from(millis(passed + passed / DRIFT)).ok()?;
    Some(said.saturating_add(ms).saturating_add(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_the_servers_clock_is_set_back_time_stands_still_or_is_not_told() {
        for (latest, said, told) in [
            (0, 10, Some(10)),
            (10, 10, Some(10)),
            (20, 5, Some(20)),
            (5_000, 4_000, Some(5_000)),
            (5_000, 3_999, None),
            (3_600_000, 0, None),
            (3_600_000, 3_600_001, Some(3_600_001)),
        ] {
            assert_eq!(not_before(latest, said).ok(), told, "{latest}, then {said}");
        }
        let why = not_before(3_600_000, 0).unwrap_err().to_string();
        assert!(why.contains("3600 s behind"), "{why}");
    }

    #[test]
    fn how_late_it_is_at_most_is_told_for_a_while_and_errs_on_the_late_side() {
        for (passed_ms, at_most_ms) in [
            (0, Some(1_002)),
            (8, Some(1_011)),
            (800, Some(1_902)),
            (5_000, Some(6_627)),
            (5_001, None),
        ] {
            let told = at_most(1_000, Duration::from_millis(passed_ms));
            assert_eq!(told, at_most_ms, "{passed_ms} ms later");
        }
    }
}
