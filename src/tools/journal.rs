//! The seam to the ledger: what the guard needs of the journal of effects and of claims.

use crate::domain::{Effect, EffectResult, Fence, Mark, PlaybookName, Reason, RunId, TaskId};
use async_trait::async_trait;

/// The journal of effects.
///
/// When [`Journal::intend`] returns, the intent survives `kill -9` and a power cut.
#[async_trait]
pub trait Journal: Send + Sync + std::fmt::Debug {
    /// Writes down an effect that is about to be done. With `once`, an effect of the same playbook
    /// and key that was done before is not intended again.
    async fn intend(
        &self,
        effect: &Effect,
        once: Option<(&PlaybookName, &str)>,
    ) -> Result<Intended, JournalError>;

    /// Writes down what came of it.
    async fn conclude(&self, mark: &Mark, result: EffectResult) -> Result<(), JournalError>;

    /// Whether this is still the task's claim, held by this run.
    async fn check_fence(
        &self,
        task: TaskId,
        fence: Fence,
        run: &RunId,
    ) -> Result<(), JournalError>;
}

/// What the journal said to an intent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Intended {
    /// It is written down; go on.
    Journaled,
    /// The `once` key was used: this earlier effect did it.
    DoneBefore(Mark),
}

/// Why the journal did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The claim has ended or is another run's.
    #[error("the claim of task {task} is no longer this run's")]
    ClaimLost {
        /// The task.
        task: TaskId,
        /// `claim_lost`, `stale_fence`, or why it ended (`person_took_over`, `force_released`).
        reason: Reason,
    },
    /// It is too large to be journaled: nothing was done.
    #[error("{0}")]
    TooLarge(String),
    /// The store failed.
    #[error("the journal failed")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}
