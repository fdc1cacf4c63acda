//! After a failed attempt: another one, and when, or a hand-back.

use crate::domain::{Limits, Reason, RunState, Timestamp, to_delta};
use std::time::Duration;

/// What follows a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// One more attempt.
    Again {
        /// Its number, from 2.
        attempt: u32,
        /// Not before this instant.
        not_before: Timestamp,
    },
    /// None: the task is handed back.
    HandBack {
        /// Why.
        reason: Reason,
    },
}

/// The wait after the failed attempt of this number (from 1): `min`, doubled for each further one, at
/// most `max`. The same each time; tasks do not fail in lockstep, so nothing needs to be spread.
pub fn backoff(attempt: u32, min: Duration, max: Duration) -> Duration {
    let doubled = 1_u32.checked_shl(attempt.saturating_sub(1)).and_then(|by| min.checked_mul(by));
    doubled.unwrap_or(max).min(max)
}

/// What follows when the attempt of this number ended so at that time.
pub fn after_failure(state: RunState, attempt: u32, ended: Timestamp, limits: &Limits) -> Retry {
    if !state.may_retry() {
        return Retry::HandBack { reason: reason_of(state) };
    }
    if attempt >= limits.attempts {
        return Retry::HandBack { reason: Reason::AttemptsUsedUp };
    }
    let wait = to_delta(backoff(attempt, limits.backoff_min, limits.backoff_max));
    let not_before = ended.checked_add_signed(wait).unwrap_or(ended);
    Retry::Again { attempt: attempt.saturating_add(1), not_before }
}

/// Why a run that is not tried again ended.
fn reason_of(state: RunState) -> Reason {
    match state {
        RunState::Running | RunState::Failed => Reason::WorkFailed,
        RunState::Succeeded => Reason::Done,
        RunState::NothingToDo => Reason::NothingToDo,
        RunState::Refused => Reason::NoSlot,
        RunState::TimedOut => Reason::TimedOut,
        RunState::Stalled => Reason::Stalled,
        RunState::Yielded => Reason::PersonTookOver,
        RunState::ClaimLost => Reason::ClaimLost,
        RunState::Unverified => Reason::Unverified,
        RunState::Waiting => Reason::Waiting,
        RunState::Interrupted => Reason::Interrupted,
        RunState::Cancelled => Reason::Cancelled,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{DayBudget, from_millis};

    fn limits(attempts: u32) -> Limits {
        Limits {
            turns: 1,
            tokens: 1,
            cost_micros: None,
            time: Duration::from_mins(1),
            idle: Duration::from_mins(1),
            attempts,
            backoff_min: Duration::from_secs(10),
            backoff_max: Duration::from_mins(5),
            concurrent: 1,
            runs_per_day: None,
            day: DayBudget::default(),
        }
    }

    #[test]
    fn the_wait_doubles_up_to_the_most() {
        let wait = |attempt| backoff(attempt, Duration::from_secs(10), Duration::from_mins(5));
        let waits: Vec<_> = (1..=7).map(|attempt| wait(attempt).as_secs()).collect();
        assert_eq!(waits, [10, 20, 40, 80, 160, 300, 300]);
        assert_eq!(wait(u32::MAX), Duration::from_mins(5));
        assert_eq!(wait(0), Duration::from_secs(10));
    }

    #[test]
    fn after_the_last_attempt_the_task_is_handed_back() {
        let ended = from_millis(0);
        let again = after_failure(RunState::TimedOut, 2, ended, &limits(3));
        assert_eq!(again, Retry::Again { attempt: 3, not_before: from_millis(20_000) });
        let last = after_failure(RunState::Failed, 3, ended, &limits(3));
        assert_eq!(last, Retry::HandBack { reason: Reason::AttemptsUsedUp });
    }

    #[test]
    fn what_a_person_ended_is_not_tried_again() {
        for state in [RunState::Yielded, RunState::Cancelled, RunState::ClaimLost] {
            let next = after_failure(state, 1, from_millis(0), &limits(3));
            assert!(matches!(next, Retry::HandBack { .. }), "{state} was tried again");
        }
    }
}
