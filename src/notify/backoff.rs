//! When the outbox tries again.

use std::time::Duration;

/// So many attempts are made before a notice counts as undeliverable: about three days.
pub const ATTEMPTS_MAX: u32 = 80;

/// The longest wait between two attempts, whatever a channel asks for.
pub const DELAY_MAX: Duration = Duration::from_hours(1);

/// The wait before the second attempt.
const DELAY_MIN: Duration = Duration::from_secs(5);

/// The wait after so many failed attempts (from 1): 5 s, 10 s, 20 s … 1 h.
pub fn delay(attempts: u32) -> Duration {
    let doublings = attempts.saturating_sub(1).min(20);
    DELAY_MIN.saturating_mul(1 << doublings).min(DELAY_MAX)
}

/// The wait after so many failed attempts, when the last one's channel may have named its own.
pub fn next_try(attempts: u32, retry_after: Option<Duration>) -> Duration {
    delay(attempts).max(retry_after.unwrap_or_default()).min(DELAY_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_cap_and_never_shrink() {
        assert_eq!(delay(1), Duration::from_secs(5));
        assert_eq!(delay(2), Duration::from_secs(10));
        assert_eq!(delay(0), delay(1));
        assert!((1..200).all(|attempts| delay(attempts) <= delay(attempts + 1)));
        assert_eq!(delay(u32::MAX), DELAY_MAX);
    }

    #[test]
    fn what_a_channel_asks_for_only_lengthens_the_wait() {
        let minute = Some(Duration::from_mins(1));
        assert_eq!(next_try(1, minute), Duration::from_mins(1));
        assert_eq!(next_try(8, minute), delay(8));
        assert_eq!(next_try(1, Some(Duration::from_hours(999))), DELAY_MAX);
    }

    #[test]
    fn all_attempts_together_take_about_three_days() {
        let total: Duration = (1..ATTEMPTS_MAX).map(delay).sum();
        assert!(total > Duration::from_hours(60) && total < Duration::from_hours(80), "{total:?}");
    }
}
