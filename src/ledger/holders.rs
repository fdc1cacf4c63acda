//! Who holds a claim: a run of this life, or somebody's assistant, which is the same holder whichever
//! daemon, or which of its lives, serves it.

use super::claims::{Acquire, Held, contended, lost};
use super::{ClaimError, Ledger, TRIES_MAX, keys, records};
use crate::domain::{
    Assistant, Claim, CommentId, EndKind, Fence, Holder, Parked, Phase, Reason, RunId, StoreTime,
    TaskId, Timestamp, Untold,
};
use crate::store::Batch;
use std::time::Duration;

impl Ledger {
    /// Takes a task for somebody's assistant, by the rules of [`Ledger::acquire`].
    ///
    /// # Errors
    /// As for [`Ledger::acquire`].
    pub async fn acquire_for(
        &self,
        ask: Acquire,
        assistant: Assistant,
    ) -> Result<Held, ClaimError> {
        self.take(ask, Some(assistant)).await
    }

    /// The claim of an assistant, to renew, to work under or to end; the lease stays as it is.
    ///
    /// # Errors
    /// [`ClaimError::Lost`]: no assistant holds it with this fence.
    pub async fn take_up(&self, task: TaskId, fence: Fence) -> Result<Held, ClaimError> {
        let started = self.clock.boot();
        let (now, found) = self.claim_look(task).await?;
        let found = found.map(|record| record.value);
        let Some(Claim { run, assistant: Some(assistant), .. }) = &found else {
            return Err(lost(Reason::ClaimLost, "no assistant holds it".to_owned()));
        };
        let claim = self.mine(found.as_ref(), fence, run, &now)?.clone();
        Ok(self.held(claim, started, &now, assistant.lease()))
    }

    /// Gives an assistant's claim another lease, from now.
    ///
    /// # Errors
    /// As for [`Ledger::renew`].
    pub async fn renew_for(&self, held: &mut Held, minutes: u32) -> Result<(), ClaimError> {
        let started = self.clock.boot();
        let set = |claim: &mut Claim, now: &StoreTime| {
            if let Some(assistant) = &mut claim.assistant {
                assistant.minutes = minutes;
                claim.lease_ends = Some(now.plus(assistant.lease()));
            }
            Ok(())
        };
        let claim = self.change(held, set).await?;
        let lease = claim.assistant.as_ref().map_or(Duration::ZERO, Assistant::lease);
        held.trust.extend(started, lease, self.options.margin);
        held.claim = claim;
        Ok(())
    }

    /// Lets the claim wait for a person, without lease or holder, until it is resumed or overdue.
    /// An answer is a later comment than the one given.
    ///
    /// # Errors
    /// [`ClaimError::Lost`] as for [`Ledger::end`].
    pub async fn park(
        &self,
        held: &mut Held,
        question: &str,
        comment: Option<CommentId>,
        until: Timestamp,
    ) -> Result<(), ClaimError> {
        let (since, question) = (self.clock.wall(), question.to_owned());
        let parked = Parked { since, until, question, comment, answer: None };
        self.let_wait(held, parked, None).await
    }

    /// Lets the claim wait for a person's decision about what this run proposes.
    ///
    /// # Errors
    /// [`ClaimError::Lost`] as for [`Ledger::end`].
    pub async fn park_staged(
        &self,
        held: &mut Held,
        (what, run): (&str, &RunId),
        until: Timestamp,
    ) -> Result<(), ClaimError> {
        let (since, question) = (self.clock.wall(), what.to_owned());
        let parked = Parked { since, until, question, comment: None, answer: None };
        self.let_wait(held, parked, Some(run)).await
    }

    async fn let_wait(
        &self,
        held: &mut Held,
        parked: Parked,
        staged: Option<&RunId>,
    ) -> Result<(), ClaimError> {
        held.trust.lose();
        self.give_back(held, |claim| {
            claim.phase = Phase::Parked;
            claim.parked = Some(parked.clone());
            claim.staged = staged.cloned();
        })
        .await
    }

    /// Lets an assistant's claim wait for a person, as [`Ledger::park`] does; not one that is being
    /// handed back.
    ///
    /// # Errors
    /// [`ClaimError::Lost`] as for [`Ledger::renew`]; [`ClaimError::Phase`]: it is not at work.
    pub async fn park_for(&self, held: &mut Held, parked: Parked) -> Result<(), ClaimError> {
        held.trust.lose();
        let set = |claim: &mut Claim, _: &StoreTime| {
            if claim.phase != Phase::Working {
                return Err(ClaimError::Phase { from: claim.phase, to: Phase::Parked });
            }
            claim.phase = Phase::Parked;
            claim.holder = None;
            claim.lease_ends = None;
            claim.parked = Some(parked.clone());
            Ok(())
        };
        held.claim = self.change(held, set).await?;
        Ok(())
    }

    /// Which comment is the answer to a question that waits; the first one noted stays.
    pub async fn note_answer(
        &self,
        task: TaskId,
        fence: Fence,
        comment: CommentId,
    ) -> Result<(), ClaimError> {
        let key = keys::claim(&self.options.board, task);
        for _ in 0..TRIES_MAX {
            let Some(record) = self.claim_record(task).await? else { return Ok(()) };
            let mut claim = record.value.clone();
            let parked = claim.parked.as_mut().filter(|parked| parked.answer.is_none());
            let Some(parked) = parked.filter(|_| record.value.fence == fence) else {
                return Ok(());
            };
            parked.answer = Some(comment);
            let batch = records::replace(Batch::new(), &key, &claim, Some(&record))?;
            if self.try_commit(batch).await? {
                return Ok(());
            }
        }
        Err(contended(&key))
    }

    /// Gives an assistant the claim back that waited for an answer: at work again in one step.
    ///
    /// # Errors
    /// [`ClaimError::Lost`]: it does not wait under this fence any more.
    pub async fn take_up_parked(
        &self,
        parked: &Claim,
        assistant: Assistant,
        nonce: String,
    ) -> Result<Held, ClaimError> {
        let key = keys::claim(&self.options.board, parked.task);
        let started = self.clock.boot();
        for _ in 0..TRIES_MAX {
            let (now, found) = self.claim_look(parked.task).await?;
            let waits = |claim: &Claim| claim.phase == Phase::Parked && claim.fence == parked.fence;
            let Some(record) = found.filter(|record| waits(&record.value)) else {
                return Err(lost(Reason::ClaimLost, "it does not wait any more".to_owned()));
            };
            let lease = assistant.lease();
            let claim = Claim {
                fence: self.next_fence(Some(parked.fence)),
                phase: Phase::Working,
                holder: Some(self.me(&parked.run)),
                assistant: Some(assistant.clone()),
                lease_ends: Some(now.plus(lease)),
                nonce: nonce.clone(),
                parked: None,
                // Closed when it was parked; it is marked anew.
                marker: None,
                ..record.value.clone()
            };
            let batch = records::replace(Batch::new(), &key, &claim, Some(&record))?;
            if self.try_commit(batch).await? {
                return Ok(self.held(claim, started, &now, lease));
            }
        }
        Err(contended(&key))
    }

    /// The step from which on a claim is handed back. Of several who begin at once one does: `false`
    /// says that it was somebody else, who goes on alone.
    ///
    /// # Errors
    /// [`ClaimError::Lost`] as for [`Ledger::renew`].
    pub async fn begin_hand_back(&self, held: &mut Held) -> Result<bool, ClaimError> {
        let begin = |claim: &mut Claim, _: &StoreTime| {
            if claim.phase == Phase::Settling {
                return Err(ClaimError::Phase { from: claim.phase, to: Phase::Settling });
            }
            claim.phase = Phase::Settling;
            Ok(())
        };
        match self.change(held, begin).await {
            Ok(claim) => held.claim = claim,
            Err(ClaimError::Phase { .. }) => return Ok(false),
            Err(error) => return Err(error),
        }
        Ok(true)
    }

    /// What this principal is to be told of a claim that they lost: once, from here on they know.
    pub async fn tell_loser(
        &self,
        task: TaskId,
        principal: &str,
    ) -> Result<Option<Untold>, ClaimError> {
        let key = keys::claim(&self.options.board, task);
        for _ in 0..TRIES_MAX {
            let Some(record) = self.claim_record(task).await? else { return Ok(None) };
            let mut claim = record.value.clone();
            let Some(told) = claim.was_told(principal) else { return Ok(None) };
            let batch = records::replace(Batch::new(), &key, &claim, Some(&record))?;
            if self.try_commit(batch).await? {
                return Ok(Some(told));
            }
        }
        Err(contended(&key))
    }

    /// The claim under which a task is held or waits for an answer now, whoever holds it, and how
    /// long its lease still lasts.
    pub async fn holding(&self, task: TaskId) -> Result<Option<(Claim, Duration)>, ClaimError> {
        let (now, found) = self.claim_look(task).await?;
        let Some(claim) = found.map(|record| record.value) else { return Ok(None) };
        if claim.phase != Phase::Parked && !claim.is_live(&now) {
            return Ok(None);
        }
        let ends = claim.lease_ends.as_ref().map_or(0, |end| end.ms);
        Ok(Some((claim, Duration::from_millis(ends.saturating_sub(now.ms)))))
    }

    pub(super) fn me(&self, run: &RunId) -> Holder {
        let (daemon, life) = (self.options.daemon.clone(), self.options.life.clone());
        Holder { daemon, life, run: run.clone() }
    }

    /// The record, if this run of this life holds it with this fence now.
    pub(super) fn mine<'a>(
        &self,
        found: Option<&'a Claim>,
        fence: Fence,
        run: &RunId,
        now: &StoreTime,
    ) -> Result<&'a Claim, ClaimError> {
        let Some(claim) = found else {
            return Err(lost(Reason::ClaimLost, "it was never claimed".to_owned()));
        };
        let me = self.me(run);
        if claim.fence != fence {
            let is_revoked = claim.revoked.as_ref().is_some_and(|r| r.holder == me)
                || claim.ended.as_ref().is_some_and(|end| end.how == EndKind::Revoked);
            let reason = if is_revoked { Reason::ForceReleased } else { Reason::StaleFence };
            return Err(lost(reason, format!("its fence is {}, not {fence}", claim.fence)));
        }
        let is_held = claim.holder.as_ref().is_some_and(|holder| match &claim.assistant {
            // It is held by whoever calls, whichever daemon serves them.
            Some(_) => holder.run == *run,
            None => *holder == me,
        });
        if is_held {
            if claim.is_live(now) {
                return Ok(claim);
            }
            return Err(lost(Reason::LeaseExpired, "its lease has ended".to_owned()));
        }
        Err(match (&claim.holder, &claim.ended) {
            (Some(other), _) => lost(Reason::AlreadyClaimed, format!("run {} holds it", other.run)),
            (None, Some(end)) => lost(end.reason, "it has ended".to_owned()),
            (None, None) => lost(Reason::Waiting, "it is parked".to_owned()),
        })
    }
}
