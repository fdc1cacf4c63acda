//! How often an exchange is tried again, and after how long, by the class of what went wrong.

use crate::domain::RunId;
use crate::model::ModelError;
use std::time::Duration;

/// Tries where the other side cannot be reached, or breaks off.
const TRIES_MAX: u32 = 4;
/// Tries where it asks to wait: it is there, and others use it.
const ASKED_MAX: u32 = 8;
/// The wait before the second try; doubled before each further one.
const WAIT_FIRST: Duration = Duration::from_secs(1);
/// The longest wait that nobody asked for.
const WAIT_MAX: Duration = Duration::from_mins(1);

/// The patience with one exchange.
#[derive(Debug)]
pub(super) struct Patience {
    tries: u32,
    asked: u32,
    seed: u64,
}

impl Patience {
    /// For an exchange of a run.
    pub fn new(run: &RunId, turn: u32) -> Self {
        // FNV-1a: the same run waits the same each time, and no two runs wait alike.
        let bytes = run.as_str().bytes().chain(turn.to_le_bytes());
        let seed = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self { tries: 1, asked: 1, seed }
    }

    /// How long to wait before the next try; `None` when there is none.
    pub fn wait(&mut self, error: &ModelError) -> Option<Duration> {
        if !error.is_transient() {
            return None;
        }
        let is_asked =
            matches!(error.cause(), ModelError::RateLimited { .. } | ModelError::Overloaded { .. });
        let (count, max) =
            if is_asked { (&mut self.asked, ASKED_MAX) } else { (&mut self.tries, TRIES_MAX) };
        if *count >= max {
            return None;
        }
        let wait = (WAIT_FIRST * 2_u32.pow(*count - 1)).min(WAIT_MAX);
        *count += 1;
        self.seed = self.seed.rotate_left(17).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        // Up to a quarter more: many runs that were refused at once do not come again at once.
        let quarter = u32::try_from(self.seed >> 40).unwrap_or(0);
        let spread = wait / 4 * (quarter & 0xff) / 256;
        Some(error.retry_after().unwrap_or(wait) + spread)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(run: &str, error: &ModelError) -> Vec<Duration> {
        let mut patience = Patience::new(&RunId::new(run), 0);
        std::iter::from_fn(|| patience.wait(error)).take(100).collect()
    }

    #[test]
    fn waits_grow_differ_between_runs_and_come_to_an_end() {
        let down = ModelError::Unavailable("x".into());
        let some = waits("r-1", &down);
        assert_eq!(some.len(), 3);
        for (wait, least) in some.iter().zip([1, 2, 4]) {
            let least = Duration::from_secs(least);
            assert!((least..=least * 5 / 4).contains(wait), "{some:?}");
        }
        assert_eq!(some, waits("r-1", &down));
        assert_ne!(some, waits("r-2", &down));
    }

    #[test]
    fn whoever_asks_to_wait_is_waited_for_as_long_and_oftener() {
        let after = Duration::from_secs(30);
        let busy = ModelError::RateLimited { retry_after: Some(after) };
        let asked = waits("r-1", &busy);
        assert_eq!(asked.len(), 7);
        assert!(asked.iter().all(|wait| *wait >= after && *wait < after * 2), "{asked:?}");
        let unsaid = waits("r-1", &ModelError::Overloaded { retry_after: None });
        assert!(unsaid.iter().all(|wait| *wait <= WAIT_MAX * 5 / 4), "{unsaid:?}");
    }

    #[test]
    fn what_does_not_pass_is_not_tried_again() {
        assert!(waits("r-1", &ModelError::Denied("x".into())).is_empty());
        assert!(waits("r-1", &ModelError::ContextTooLong("x".into())).is_empty());
    }
}
