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

/// Whether another attempt with the same prompt and the same rights may come out otherwise: what went
/// wrong was chance, or something outside that passes. Whatever would meet the same wall again is
/// handed back at once: it would cost as much, and people would hear of it later.
pub fn is_worth_another(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::Interrupted
            | Reason::LeaseExpired
            | Reason::ClaimLost
            | Reason::LostRace
            | Reason::TimedOut
            | Reason::Stalled
            | Reason::Unverified
            | Reason::UnknownOutcome
            | Reason::NoOutcome
            | Reason::WorkFailed
            | Reason::CommandFailed
            | Reason::ModelFailed
            | Reason::WorkspaceFailed
            | Reason::WorkspaceBusy
            | Reason::WorkspacesFull
            | Reason::HookFailed
            | Reason::GatherFailed
            | Reason::ToolFailed
            | Reason::BoardUnavailable
            | Reason::StoreFailed
            | Reason::UpstreamUnavailable
            | Reason::TrustWindow
            | Reason::StaleFence
            | Reason::RevisionConflict
    )
}

/// What follows when the attempt of this number ended so, for this reason, at that time.
pub fn after_failure(
    (state, reason): (RunState, Reason),
    attempt: u32,
    ended: Timestamp,
    limits: &Limits,
) -> Retry {
    if !state.may_retry() {
        return Retry::HandBack { reason: reason_of(state) };
    }
    if !is_worth_another(reason) {
        return Retry::HandBack { reason };
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
        let timed_out = (RunState::TimedOut, Reason::TimedOut);
        let again = after_failure(timed_out, 2, ended, &limits(3));
        assert_eq!(again, Retry::Again { attempt: 3, not_before: from_millis(20_000) });
        let failed = (RunState::Failed, Reason::ModelFailed);
        let last = after_failure(failed, 3, ended, &limits(3));
        assert_eq!(last, Retry::HandBack { reason: Reason::AttemptsUsedUp });
    }

    #[test]
    fn what_a_person_ended_is_not_tried_again() {
        for state in [RunState::Yielded, RunState::Cancelled, RunState::ClaimLost] {
            let next = after_failure((state, reason_of(state)), 1, from_millis(0), &limits(3));
            assert!(matches!(next, Retry::HandBack { .. }), "{state} was tried again");
        }
    }

    /// Chance, or what passes.
    const AGAIN: &str = "lost_race claim_lost lease_expired interrupted timed_out stalled unverified \
        unknown_outcome no_outcome work_failed command_failed model_failed workspace_failed \
        workspace_busy workspaces_full hook_failed gather_failed tool_failed board_unavailable \
        store_failed upstream_unavailable trust_window stale_fence revision_conflict";
    /// It ended well, waits for somebody, was not to begin, or the task was not to be taken.
    const NO_FAILURE: &str = "done handed_over sent_back already_told nothing_to_do claimed waiting \
        proposed recorded_only too_late catch_up_none superseded catch_up_max overlap replaced other_event \
        outside_hours paused not_armed stopped not_this_daemon runs_per_day budget_day paused_itself \
        playbook_gone lost_ledger draining other_project other_status missing_tag excluded_tag \
        assigned other_assignee other_kind other_due changed_recently condition_false \
        condition_failed beyond_limit no_acceptance_criteria no_estimate open_blockers \
        no_description already_claimed no_slot concurrent_limit review_queue_full \
        attempts_used_up backing_off ping_pong delegation_depth \
        not_independent unsuitable rubric_failed";
    /// A person, or an operator, decided.
    const DECIDED: &str = "person_took_over stop_tag stop_comment force_released cancelled \
        answer_overdue proposals_rejected proposals_expired";
    /// The same again: what was said, what is allowed and what is written down stay as they are.
    const SAME_AGAIN: &str = "unknown_agent unknown_status unknown_person not_found model_declined \
        repeated_failure budget_spent source_refused sandbox_unavailable no_workspace template_failed \
        unknown_effect unknown_tool tool_not_listed tool_not_accepted tool_changed \
        invalid_arguments out_of_scope scope_max token_refused service_is_nobody role_too_low \
        review_changed ambiguous unsupported audit_broken";

    #[test]
    fn every_reason_has_its_place_and_only_what_passes_is_tried_again() {
        let next =
            |reason| after_failure((RunState::Failed, reason), 1, from_millis(0), &limits(3));
        let within = |list: &str, reason: Reason| list.split(' ').any(|code| code == reason.code());
        for reason in Reason::ALL {
            let places = [AGAIN, NO_FAILURE, DECIDED, SAME_AGAIN];
            let found = places.iter().filter(|list| within(list, *reason)).count();
            assert_eq!(found, 1, "give {reason} its place in one of these lists");
            match next(*reason) {
                Retry::Again { attempt, .. } => {
                    assert!(within(AGAIN, *reason), "{reason} is tried again");
                    assert_eq!(attempt, 2);
                }
                Retry::HandBack { reason: why } => {
                    assert!(!within(AGAIN, *reason), "{reason} is handed back");
                    assert_eq!(why, *reason, "it says why");
                }
            }
        }
    }

    #[test]
    fn what_a_run_ends_with_by_its_state_alone_is_tried_again_where_the_state_is() {
        for state in [RunState::TimedOut, RunState::Stalled, RunState::Unverified] {
            assert!(is_worth_another(reason_of(state)), "{state}");
        }
    }
}
