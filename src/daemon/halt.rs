//! Telling a run to stop, and why.

use crate::domain::{Reason, RunState};
use std::sync::{Mutex, PoisonError};
use tokio_util::sync::CancellationToken;

/// Why a run is told to stop, and how it ends then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HaltCause {
    /// How the run ends.
    pub state: RunState,
    /// Why.
    pub reason: Reason,
    /// The particulars, for people.
    pub detail: String,
}

/// A run's stop handle. The first cause counts; later ones are ignored.
#[derive(Debug, Default)]
pub(super) struct Halt {
    token: CancellationToken,
    last: CancellationToken,
    cause: Mutex<Option<HaltCause>>,
}

impl Halt {
    /// Tells the run to stop.
    pub(super) fn halt(&self, state: RunState, reason: Reason, detail: impl Into<String>) {
        let mut cause = self.cause.lock().unwrap_or_else(PoisonError::into_inner);
        cause.get_or_insert_with(|| HaltCause { state, reason, detail: detail.into() });
        self.token.cancel();
    }

    /// Lets the attempt under way come to its end; there is none after it.
    pub(super) fn no_more(&self) {
        self.last.cancel();
    }

    /// Whether another attempt may follow.
    pub(super) fn may_go_on(&self) -> bool {
        !self.last.is_cancelled() && !self.token.is_cancelled()
    }

    /// Returns when no further attempt may begin.
    pub(super) async fn is_last(&self) {
        tokio::select! {
            biased;
            () = self.last.cancelled() => {}
            () = self.token.cancelled() => {}
        }
    }

    /// Why the run was told to stop, if it was.
    pub(super) fn cause(&self) -> Option<HaltCause> {
        self.cause.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether what it does is not its own any more.
    pub(super) fn is_lost(&self) -> bool {
        self.cause().is_some_and(|cause| cause.state == RunState::ClaimLost)
    }

    /// The token that runners watch.
    pub(super) fn token(&self) -> CancellationToken {
        self.token.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_cause_counts() {
        let halt = Halt::default();
        assert_eq!(halt.cause(), None);
        halt.halt(RunState::Yielded, Reason::PersonTookOver, "Ada");
        halt.halt(RunState::Cancelled, Reason::Stopped, "later");
        assert_eq!(halt.cause().map(|cause| cause.reason), Some(Reason::PersonTookOver));
        assert!(halt.token().is_cancelled() && !halt.is_lost());
        let other = Halt::default();
        other.halt(RunState::ClaimLost, Reason::LeaseExpired, "its lease has ended");
        assert!(other.is_lost());
    }
}
