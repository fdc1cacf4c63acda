//! Markers of assistants' claims, on boards where nothing else excludes (C9): as with runs the
//! announcement is one, and stands before any field is written. It lasts longer than the lease, so that
//! not every call that renews has to write.

use super::board::comment_args;
use super::{Assistants, InHand, of_board, of_claim, of_tool};
use crate::daemon::journal::comment_of;
use crate::daemon::marker::{Marking, who};
use crate::domain::{Assistant, Claim, NewMarker, Reason, Task};
use crate::runner::WorkEnd;
use crate::tools::desk::DeskError;
use std::time::Duration;

/// The longest that a marker is written for: others believe none that ends much later.
const LASTS_MAX: Duration = Duration::from_mins(285);

impl Assistants<'_> {
    /// Announces a claim by a comment that marks the task; `false`: the board wants none. Nothing else
    /// shows yet, so that whoever comes second takes that away again and leaves no trace.
    pub(super) async fn mark(
        &self,
        hand: &mut InHand,
        task: &Task,
        text: &str,
    ) -> Result<bool, DeskError> {
        let Some(marking) = Marking::on(self.parts) else { return Ok(false) };
        let marker = NewMarker { run: hand.run.id.clone(), lasts: lasts(&hand.held.claim) };
        let context = self.context_of_rota(hand, None, Some(marker)).await.map_err(of_tool)?;
        let args = comment_args(task, text.to_owned());
        let said = self.parts.tools.call("addComment", args, &context).await.map_err(of_tool)?;
        let Some(comment) = said.effect.as_ref().and_then(comment_of) else {
            let what = "the announcement has no comment".to_owned();
            return Err(DeskError::Failed { what, source: None });
        };
        self.parts.ledger.mark(&mut hand.held, comment).await.map_err(of_claim)?;
        let other = marking.is_others(task.id, Some(comment), Duration::ZERO).await;
        match other.map_err(of_end)? {
            None => Ok(true),
            Some(other) => {
                Err(DeskError::Refused { reason: Reason::LostRace, message: who(&other) })
            }
        }
    }

    /// A renewed claim's marker lasts as long as its lease, at least.
    pub(super) async fn keep_marked(&self, claim: &Claim) {
        let (Some(marking), Some(lease)) = (Marking::on(self.parts), lease_of(claim)) else {
            return;
        };
        if let Err(error) = marking.outlast(claim, lease, lasts(claim)).await {
            tracing::warn!(task = %claim.task, %error, "a marker is renewed by the next call");
        }
    }

    /// The claim ends, or waits: so does its marker. Where nothing else of it shows, the comment goes.
    pub(super) async fn unmark(&self, claim: &Claim) -> Result<(), DeskError> {
        let Some(marking) = Marking::on(self.parts) else { return Ok(()) };
        let is_bare = claim.wrote.status.is_none();
        let goes = |comment| is_bare && claim.marker == Some(comment);
        marking.clear(claim.task, goes).await.map_err(of_board)
    }
}

fn lease_of(claim: &Claim) -> Option<Duration> {
    claim.assistant.as_ref().map(Assistant::lease)
}

fn lasts(claim: &Claim) -> Duration {
    let lease = lease_of(claim).unwrap_or_default();
    (lease + lease / 2).min(LASTS_MAX)
}

fn of_end(end: WorkEnd) -> DeskError {
    DeskError::Refused { reason: end.reason, message: end.detail }
}
