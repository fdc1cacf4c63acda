//! The conversation in which a person was asked: kept beside the claim that waits for the answer, and
//! gone with it.

use super::claims::contended;
use super::records::{self, PAGE};
use super::{ClaimError, Held, Ledger, LedgerError, TRIES_MAX, keys};
use crate::domain::{Claim, EndKind, Phase, RunId, TaskId, Value};
use crate::store::{Batch, StoreError};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A conversation that waits with a claim. What was said is not in [`Debug`](fmt::Debug).
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct KeptConversation {
    /// The run that asked.
    pub run: RunId,
    /// The definition that it ran with.
    pub definition: String,
    /// What its runner keeps.
    pub what: Value,
}

impl fmt::Debug for KeptConversation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptConversation").field("run", &self.run).finish_non_exhaustive()
    }
}

impl Ledger {
    /// Keeps a conversation with a claim that is about to wait, in the place of an earlier one.
    ///
    /// # Errors
    /// [`ClaimError::Lost`]: the claim is not held any more.
    pub async fn keep_conversation(
        &self,
        held: &Held,
        kept: &KeptConversation,
    ) -> Result<(), ClaimError> {
        let (task, fence, run) = (held.claim.task, held.claim.fence, &held.claim.run);
        let board = &self.options.board;
        let (key, claim) = (keys::conversation(board, task), keys::claim(board, task));
        for _ in 0..TRIES_MAX {
            let now = self.store.now().await?;
            let found = self.claim_record(task).await?;
            self.mine(found.as_ref().map(|record| &record.value), fence, run, &now)?;
            let version = found.map(|record| record.version);
            let earlier = self.without_conversation(Batch::new(), task).await?;
            if !earlier.deletes.is_empty() {
                self.try_commit(earlier.check(claim.as_str(), version)).await?;
            }
            let batch = Batch::new().check(claim.as_str(), version);
            if self.try_commit(records::create(batch, &key, kept)?).await? {
                return Ok(());
            }
        }
        Err(contended(&key))
    }

    /// The conversation that is kept with a task's claim, if one is.
    ///
    /// # Errors
    /// Also where it cannot be read any more.
    pub async fn conversation(
        &self,
        task: TaskId,
    ) -> Result<Option<KeptConversation>, LedgerError> {
        let key = keys::conversation(&self.options.board, task);
        Ok(self.read(&key).await?.map(|record| record.value))
    }

    /// Adds its removal to the commit of a claim that ends for good; what has only expired is taken up again.
    pub(super) async fn unless_it_goes_on(
        &self,
        batch: Batch,
        claim: &Claim,
    ) -> Result<Batch, StoreError> {
        let is_over = claim.ended.as_ref().is_some_and(|end| end.how != EndKind::Expired);
        if claim.phase != Phase::Free || !is_over {
            return Ok(batch);
        }
        self.without_conversation(batch, claim.task).await
    }

    /// Adds its removal to a commit, whether it can be read or not.
    pub(super) async fn without_conversation(
        &self,
        batch: Batch,
        task: TaskId,
    ) -> Result<Batch, StoreError> {
        let key = keys::conversation(&self.options.board, task);
        if self.store.get(&key).await?.is_none() {
            return Ok(batch);
        }
        let parts = keys::parts_under(&format!("{key}/"));
        let parts = self.store.scan(&parts, None, PAGE).await?;
        Ok(parts.into_iter().fold(batch.delete(key), |batch, part| batch.delete(part.key)))
    }
}
