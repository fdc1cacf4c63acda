//! The ledger as the guard of tools sees it, with one look more: before every effect of a run's own
//! work, whether a person took the task over (C4).

use crate::board::{Board, BoardError};
use crate::domain::{
    Claim, CommentQuery, CommentTarget, Effect, EffectResult, Fence, Mark, Phase, Reason, RunId, TaskId,
};
use crate::ledger::{ClaimError, Ledger, LedgerError};
use crate::schedule::{HeldView, Verdict, reconcile};
use crate::tools::{Intended, Journal, JournalError};
use async_trait::async_trait;
use std::sync::Arc;

/// The journal of a daemon's runs.
#[derive(Debug)]
pub struct RunJournal {
    ledger: Arc<Ledger>,
    board: Arc<dyn Board>,
}

impl RunJournal {
    /// Over a ledger, watching a board.
    pub fn new(ledger: Arc<Ledger>, board: Arc<dyn Board>) -> Self {
        Self { ledger, board }
    }

    /// Whether a person took over a claimed task, by what is on the board now.
    pub(super) async fn look(&self, claim: &Claim) -> Result<Option<Verdict>, BoardError> {
        let task = match self.board.task(claim.task).await {
            Ok(task) => Some(task),
            Err(BoardError::NotFound { .. }) => None,
            Err(error) => return Err(error),
        };
        let people = self.board.people().await?;
        let comments = match &task {
            None => Vec::new(),
            Some(_) => self.comments_since(claim).await?,
        };
        let activity = self.activity_since(claim).await?;
        let view = HeldView {
            claim,
            task_now: task.as_ref(),
            comments: &comments,
            activity: &activity,
            people: &people,
        };
        Ok(reconcile(&[view]).into_iter().next())
    }
}

fn journal_error(error: LedgerError) -> JournalError {
    match error {
        LedgerError::TooLarge { .. } => JournalError::TooLarge(error.to_string()),
        other => JournalError::Failed(Box::new(other)),
    }
}

#[async_trait]
impl Journal for RunJournal {
    async fn intend(&self, effect: &Effect, once: Option<&str>) -> Result<Intended, JournalError> {
        let run = self.ledger.run(effect.mark.run.as_str()).await.map_err(journal_error)?;
        let once = once.zip(run).map(|(key, run)| (run.playbook, key.to_owned()));
        match self.ledger.intend(effect, once).await {
            Ok(()) => Ok(Intended::Journaled),
            Err(LedgerError::AlreadyDone { mark }) => {
                let effects = self.ledger.effects(&mark.run).await.map_err(journal_error)?;
                let before = effects.into_iter().find(|effect| effect.mark == mark);
                Ok(Intended::DoneBefore(Box::new(before.unwrap_or_else(|| effect.clone()))))
            }
            Err(error) => Err(journal_error(error)),
        }
    }

    async fn conclude(&self, mark: &Mark, result: EffectResult) -> Result<(), JournalError> {
        self.ledger.conclude(mark, result, Vec::new()).await.map_err(journal_error)
    }

    async fn check_fence(
        &self,
        task: TaskId,
        fence: Fence,
        run: &RunId,
    ) -> Result<(), JournalError> {
        let lost = |reason| JournalError::ClaimLost { task, reason };
        match self.ledger.check_fence(task, fence, run).await {
            Ok(()) => {}
            Err(ClaimError::Lost { reason, .. }) => return Err(lost(reason)),
            Err(ClaimError::Store(error)) => return Err(JournalError::Failed(Box::new(error))),
            Err(_) => return Err(lost(Reason::ClaimLost)),
        }
        let claim = match self.ledger.claim(task).await {
            Ok(Some(claim)) => claim,
            Ok(None) => return Err(lost(Reason::ClaimLost)),
            Err(error) => return Err(JournalError::Failed(Box::new(error))),
        };
        if claim.phase != Phase::Working {
            // Announce and settle write fields themselves; they compare before and after.
            return Ok(());
        }
        match self.look(&claim).await {
            Ok(Some(Verdict::Yield { reason, .. })) => Err(lost(reason)),
            Ok(_) => Ok(()),
            Err(error) => Err(JournalError::Failed(Box::new(error))),
        }
    }
}
