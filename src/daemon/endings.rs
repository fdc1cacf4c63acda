//! Ends of runs that the store did not take: kept, and recorded by the next look that can, before anybody
//! takes such a run for one that broke off and makes it again.

use super::again::RECORD_MAX;
use super::dispatcher::Dispatcher;
use crate::domain::{HandOver, Notice, OccurrenceId, Rounds, Run, RunId};
use crate::ledger::{Ledger, LedgerError};
use crate::store::StoreError;

/// The end of a run, and what is recorded along with it.
#[derive(Clone, Debug)]
pub(super) struct Ending {
    /// The run as it ended.
    pub run: Run,
    /// What people are told of it.
    pub notices: Vec<Notice>,
    /// What waits for a person from then on.
    pub hand_over: Option<HandOver>,
    /// How far a review has come by it.
    pub rounds: Option<Rounds>,
}

impl Ending {
    /// Records it; alike twice is allowed.
    pub(super) async fn record(&self, ledger: &Ledger) -> Result<(), LedgerError> {
        let with = (self.hand_over.as_ref(), self.rounds.as_ref());
        ledger.finish_with(&self.run, self.notices.clone(), with).await
    }
}

/// Whether the store did not take something, or did not say that it did.
pub(super) fn is_not_taken(error: &LedgerError) -> bool {
    matches!(
        error,
        LedgerError::Store(
            StoreError::Failed(_) | StoreError::Conflict { .. } | StoreError::Closed(_)
        ) | LedgerError::Contended { .. }
    )
}

impl Dispatcher {
    /// What is kept of ends is gone with this life: it is tried to record it once more, for a moment.
    pub(super) async fn record_what_is_kept(&mut self) {
        if self.beliefs.endings.is_empty() && self.beliefs.unrecorded.is_empty() {
            return;
        }
        let recording = async {
            self.record_endings().await;
            self.record_ends().await;
        };
        if tokio::time::timeout(RECORD_MAX, recording).await.is_err() {
            tracing::error!("ends could not be recorded in time; the next start sees to them");
        }
    }

    /// Records the ends of runs that could not be recorded before.
    pub(super) async fn record_endings(&mut self) {
        for ending in std::mem::take(&mut self.beliefs.endings) {
            let run = &ending.run.id;
            match ending.record(&self.parts.ledger).await {
                Ok(()) => tracing::info!(%run, "the end of the run is recorded now"),
                Err(error) if is_not_taken(&error) => {
                    tracing::error!(%run, %error, "the end of the run is recorded later");
                    self.beliefs.endings.push(ending);
                }
                // Whoever saw to it meanwhile has ended it otherwise.
                Err(error) => {
                    tracing::warn!(%run, %error, "the end of the run is not recorded here");
                }
            }
        }
    }

    /// Whether the end of a run of an occurrence is not written down yet.
    pub(super) fn keeps_end_in(&self, occurrence: &OccurrenceId) -> bool {
        self.beliefs.endings.iter().any(|ending| ending.run.occurrence == *occurrence)
    }

    /// Whether the end of a run that is under way by its record is only not written down yet.
    pub(super) fn knows_end_of(&self, run: &RunId) -> bool {
        self.beliefs.endings.iter().any(|ending| ending.run.id == *run)
    }
}
