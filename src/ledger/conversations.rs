//! The conversation in which a person was asked, and what they answered: kept beside the claim that waits
//! for the answer, and gone with it.

use super::claims::{contended, lost};
use super::records::{self, PAGE, Record};
use super::{ClaimError, Held, Ledger, LedgerError, TRIES_MAX, keys};
use crate::domain::{Claim, EndKind, Phase, Reason, RunId, StoreTime, TaskId, Value};
use crate::store::{Batch, Row, StoreError, Versioned};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A conversation that waits with a claim. What was said is not in [`Debug`](fmt::Debug).
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct KeptConversation {
    /// The run that asked.
    pub run: RunId,
    /// The definition that it ran with.
    pub definition: String,
    /// The digest of what its prompt was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// What its runner keeps.
    pub what: Value,
}

/// What a person answered, for whoever goes on with it: also where the first one breaks off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptAnswer {
    /// The run that asked.
    pub run: RunId,
    /// The question, as it stands on the task.
    pub question: String,
    /// The answer.
    pub text: String,
    /// What people said after it, the earliest first, each with its author's name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub later: Vec<String>,
    /// How much of that is left out, before what is there.
    #[serde(default)]
    pub left_out: usize,
}

impl fmt::Debug for KeptConversation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptConversation").field("run", &self.run).finish_non_exhaustive()
    }
}

/// What one question finds of a task.
#[derive(Debug)]
pub(super) struct Left {
    /// The store's time, not earlier than the rest.
    pub(super) now: StoreTime,
    /// The record of its claims.
    pub(super) found: Option<Record<Claim>>,
    /// Something is kept that was said under its claim.
    pub(super) has_conversation: bool,
    /// Its claim ended and may still show on the board.
    pub(super) is_orphan: bool,
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
        let key = keys::conversation(&self.options.board, task);
        let is_held =
            |found: Option<&Claim>, now: &StoreTime| self.mine(found, fence, run, now).map(|_| ());
        self.keep(task, &key, kept, is_held).await
    }

    /// Keeps what was answered with the claim that waits for it, before anybody takes that up; nothing is
    /// written where just that is kept already.
    ///
    /// # Errors
    /// [`ClaimError::Lost`]: the claim does not wait any more.
    pub async fn keep_answer(&self, claim: &Claim, answer: &KeptAnswer) -> Result<(), ClaimError> {
        let (task, fence) = (claim.task, claim.fence);
        let waits = |found: Option<&Claim>, _: &StoreTime| match found {
            Some(found) if found.fence == fence && found.phase == Phase::Parked => Ok(()),
            _ => Err(lost(Reason::ClaimLost, format!("the claim of task {task} waits no more"))),
        };
        if matches!(self.answer(task).await, Ok(Some(kept)) if kept == *answer) {
            let (now, found) = self.claim_look(task).await?;
            return waits(found.as_ref().map(|record| &record.value), &now);
        }
        self.keep(task, &keys::answer(&self.options.board, task), answer, waits).await
    }

    /// Keeps something with a claim that is as `stands` says, in the place of an earlier one.
    async fn keep<T: Serialize>(
        &self,
        task: TaskId,
        key: &str,
        kept: &T,
        stands: impl Fn(Option<&Claim>, &StoreTime) -> Result<(), ClaimError>,
    ) -> Result<(), ClaimError> {
        let claim = keys::claim(&self.options.board, task);
        for _ in 0..TRIES_MAX {
            let (now, found) = self.claim_look(task).await?;
            stands(found.as_ref().map(|record| &record.value), &now)?;
            let version = found.map(|record| record.version);
            let earlier = self.without(Batch::new(), key).await?;
            if !earlier.deletes.is_empty() {
                self.try_commit(earlier.check(claim.as_str(), version)).await?;
            }
            let batch = Batch::new().check(claim.as_str(), version);
            if self.try_commit(records::create(batch, key, kept)?).await? {
                return Ok(());
            }
        }
        Err(contended(key))
    }

    /// What was answered to whoever has or had a task's claim, if anything was.
    ///
    /// # Errors
    /// Also where it cannot be read any more.
    pub async fn answer(&self, task: TaskId) -> Result<Option<KeptAnswer>, LedgerError> {
        let key = keys::answer(&self.options.board, task);
        Ok(self.read(&key).await?.map(|record| record.value))
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

    /// What there is of a task, and the time: with one question.
    pub(super) async fn left_of(&self, task: TaskId) -> Result<Left, StoreError> {
        let (board, store) = (&self.options.board, self.store.as_ref());
        let others =
            [keys::orphan(board, task), keys::conversation(board, task), keys::answer(board, task)];
        let looked = records::look_around(store, &keys::claim(board, task), &others).await?;
        let (now, found, others) = looked;
        let mut others = others.into_iter();
        let is_orphan = others.next().unwrap_or_default();
        Ok(Left { now, found, has_conversation: others.any(|is_there| is_there), is_orphan })
    }

    /// Adds its removal to a commit, and that of the answer, whether they can be read or not.
    pub(super) async fn without_conversation(
        &self,
        batch: Batch,
        task: TaskId,
    ) -> Result<Batch, StoreError> {
        let board = &self.options.board;
        let batch = self.without(batch, &keys::conversation(board, task)).await?;
        self.without(batch, &keys::answer(board, task)).await
    }

    async fn without(&self, batch: Batch, key: &str) -> Result<Batch, StoreError> {
        let Some(Versioned { version, value }) = self.store.get(key).await? else {
            return Ok(batch);
        };
        let row = Row { key: key.to_owned(), version, value };
        if records::is_marked(self.store.as_ref(), &row).await? {
            return Ok(batch);
        }
        let parts = keys::parts_under(&format!("{key}/"));
        let parts = self.store.scan(&parts, None, PAGE).await?;
        Ok(parts.into_iter().fold(batch.delete(key), |batch, part| batch.delete(part.key)))
    }
}
