//! So many requests in a minute, for each caller; and so many wrong credentials.

use crate::clock::Clock;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// At most so many are remembered; then those who could ask at once anyway are forgotten.
const KNOWN_MAX: usize = 10_000;

/// A leaky bucket for each of many: fills with each request, and leaks at a steady rate (the generic
/// cell rate algorithm).
#[derive(Debug)]
pub struct Rate<K> {
    clock: Arc<dyn Clock>,
    /// Between two requests at a steady pace.
    every: Duration,
    /// How far ahead of that pace somebody may be.
    ahead_max: Duration,
    /// When each would be at the steady pace again, on the boot-time clock.
    due: Mutex<HashMap<K, Duration>>,
}

impl<K: Eq + Hash + Clone> Rate<K> {
    /// `count` in each span of `per`, all of them at once if need be.
    pub fn new(clock: Arc<dyn Clock>, count: u32, per: Duration) -> Self {
        let every = per / count.max(1);
        Self { clock, every, ahead_max: per.saturating_sub(every), due: Mutex::default() }
    }

    /// One more.
    ///
    /// # Errors
    /// How long to wait, if it is one too many; then it does not count.
    pub fn take(&self, who: &K) -> Result<(), Duration> {
        let now = self.clock.boot();
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        let next = due.get(who).copied().unwrap_or(now).max(now);
        let ahead = next.saturating_sub(now);
        if ahead > self.ahead_max {
            return Err(ahead.saturating_sub(self.ahead_max));
        }
        if due.len() >= KNOWN_MAX && !due.contains_key(who) {
            due.retain(|_, next| *next > now);
            if due.len() >= KNOWN_MAX {
                // Everybody known is at work; whoever is nearest to rest is forgotten.
                if let Some(idle) =
                    due.iter().min_by_key(|(_, next)| **next).map(|(k, _)| k.clone())
                {
                    due.remove(&idle);
                }
            }
        }
        due.insert(who.clone(), next + self.every);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use crate::domain::from_millis;

    fn rate(count: u32) -> (Arc<ManualClock>, Rate<&'static str>) {
        let clock = Arc::new(ManualClock::at(from_millis(0)));
        let rate = Rate::new(Arc::clone(&clock) as _, count, Duration::from_mins(1));
        (clock, rate)
    }

    #[test]
    fn so_many_at_once_and_then_one_at_a_time() {
        let (clock, rate) = rate(6);
        assert!((0..6).all(|_| rate.take(&"a").is_ok()));
        assert_eq!(rate.take(&"a"), Err(Duration::from_secs(10)));
        assert!(rate.take(&"b").is_ok(), "another is not held up");
        clock.advance(Duration::from_secs(10));
        assert!(rate.take(&"a").is_ok());
        assert!(rate.take(&"a").is_err());
        clock.advance(Duration::from_mins(2));
        assert!((0..6).all(|_| rate.take(&"a").is_ok()), "not more is saved up");
        assert!(rate.take(&"a").is_err());
    }

    #[test]
    fn a_refused_one_does_not_count() {
        let (clock, rate) = rate(1);
        assert!(rate.take(&"a").is_ok());
        for _ in 0..100 {
            assert_eq!(rate.take(&"a"), Err(Duration::from_mins(1)));
        }
        clock.advance(Duration::from_mins(1));
        assert!(rate.take(&"a").is_ok());
    }

    #[test]
    fn the_memory_of_callers_is_bounded() {
        let clock = Arc::new(ManualClock::at(from_millis(0)));
        let rate = Rate::new(Arc::clone(&clock) as _, 1, Duration::from_mins(1));
        for who in 0..KNOWN_MAX + 100 {
            assert!(rate.take(&who).is_ok());
        }
        assert!(rate.due.lock().unwrap().len() <= KNOWN_MAX);
    }
}
