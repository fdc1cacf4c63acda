//! Claims: how a run takes, keeps and gives back a task. The rules are C1 to C10 of the guide to
//! claims; their tests are named after them.
//!
//! Exclusion is decided by the store alone: every step reads the record, judges it in the store's
//! own time and writes it back only if nobody changed it in between. What a worker may believe
//! without asking is its [`TrustWindow`].

use super::conversations::Left;
use super::newer::{held_by_newer, lost_to_newer};
use super::records::{self, Record};
use super::{ClaimError, Ledger, TRIES_MAX, TrustWindow, keys};
use crate::domain::{
    Assistant, Before, Claim, ClaimEnd, CommentId, EndKind, Fence, Phase, PlaybookName, Reason,
    RunId, StoreTime, TaskId, Wrote,
};
use crate::store::{Batch, StoreError};
use std::time::Duration;

/// What a run asks for.
#[derive(Clone, Debug)]
pub struct Acquire {
    /// The task.
    pub task: TaskId,
    /// The run that is to hold it.
    pub run: RunId,
    /// The run's playbook.
    pub playbook: PlaybookName,
    /// Which attempt at the task, from 1.
    pub attempt: u32,
    /// For how long, until it is renewed.
    pub lease: Duration,
    /// The same for every repetition of this request, another one for any other
    /// ([`Ledger::nonce`]).
    pub nonce: String,
    /// Takes over the ended or parked claim whose record has this fence, and keeps its `before`
    /// and `wrote`: recovery, the next attempt, an answered question.
    pub resume: Option<Fence>,
    /// The last comment on the task, for a fresh claim ([`Before::comment`]).
    pub comment: Option<CommentId>,
}

/// A claim that this run holds, as far as it knows. Clones share one trust window.
#[derive(Clone, Debug)]
pub struct Held {
    /// The record as it was last written or read.
    pub claim: Claim,
    /// While it is open, the run may act.
    pub trust: TrustWindow,
    lease: Duration,
}

/// What a request finds.
enum Verdict {
    /// It is the one that was granted before.
    Granted(Box<Claim>),
    /// This is to be written.
    Take(Box<Claim>),
}

impl Ledger {
    /// Takes a task: durable when it returns (C1, C2, C3). Repeated with the same run and nonce it
    /// returns the same fence (C6), as long as nobody else held the task since; a claim whose lease
    /// has not ended is never taken (C8).
    ///
    /// A claim that ended without being handed back (expired, revoked) leaves its `before` and
    /// `wrote` in the record also for a new holder, because the board may still show them. A
    /// resumed claim that had been announced begins as `announced`, any other as `reserved`.
    ///
    /// # Errors
    /// [`ClaimError::Held`], [`ClaimError::Parked`], [`ClaimError::Revoking`]; [`ClaimError::Lost`]
    /// when the claim to be resumed, or the one granted to this nonce, is no longer there.
    pub async fn acquire(&self, ask: Acquire) -> Result<Held, ClaimError> {
        self.take(ask, None).await
    }

    pub(super) async fn take(
        &self,
        ask: Acquire,
        assistant: Option<Assistant>,
    ) -> Result<Held, ClaimError> {
        if let Some(held) = self.take_first(&ask, assistant.as_ref()).await? {
            return Ok(held);
        }
        let board = &self.options.board;
        let key = keys::claim(board, ask.task);
        for _ in 0..TRIES_MAX {
            // The window counts from before the store was asked for anything.
            let started = self.clock.boot();
            let left = self.left_of(ask.task).await;
            let Left { now, found, has_conversation, is_orphan } =
                left.map_err(|error| held_by_newer(ask.task, error))?;
            let claim = match self.judge(&ask, found.as_ref().map(|r| &r.value), &now)? {
                Verdict::Granted(claim) => return Ok(self.held(*claim, started, &now, ask.lease)),
                Verdict::Take(claim) => Claim { assistant: assistant.clone(), ..*claim },
            };
            let claim = begun(claim, ask.resume);
            let mut batch = Batch::new().put(keys::held(board, ask.task), "{}");
            // Whoever leaves one from here on writes the claim with it, and this is looked at again.
            if is_orphan {
                batch = batch.delete(keys::orphan(board, ask.task));
            }
            let batch = records::replace(batch, &key, &claim, found.as_ref())?;
            // What was said under a claim that nobody took up again is nothing to whoever begins anew.
            let batch = if ask.resume.is_none() && has_conversation {
                self.without_conversation(batch, ask.task).await?
            } else {
                batch
            };
            if self.try_commit(batch).await? {
                return Ok(self.taken(claim, started, &now, ask.lease));
            }
        }
        Err(contended(&key))
    }

    /// Gives the claim its full lease again, from now.
    ///
    /// # Errors
    /// [`ClaimError::Lost`]: it is not held any more (C7); the trust window is closed for good. A
    /// failing store closes nothing: the window ends by itself.
    pub async fn renew(&self, held: &mut Held) -> Result<(), ClaimError> {
        let lease = held.lease;
        let started = self.clock.boot();
        let claim = self
            .change(held, |claim, now| {
                claim.lease_ends = Some(now.plus(lease));
                Ok(())
            })
            .await?;
        held.claim = claim;
        held.trust.extend(started, lease, self.options.margin);
        Ok(())
    }

    /// How long ago the claim was given its full lease.
    pub fn since_renewal(&self, held: &Held) -> Duration {
        let begun = (held.trust.closes() + self.options.margin).saturating_sub(held.lease);
        self.clock.boot().saturating_sub(begun)
    }

    /// Notes how far the claim has got and, where given, what was found on the task and what was
    /// written to it. The lease stays as it is.
    ///
    /// # Errors
    /// [`ClaimError::Lost`] as for [`Ledger::renew`]; [`ClaimError::Phase`]: back, or to free or
    /// parked.
    pub async fn advance(
        &self,
        held: &mut Held,
        phase: Phase,
        before: Option<Before>,
        wrote: Option<Wrote>,
    ) -> Result<(), ClaimError> {
        let claim = self
            .change(held, |claim, _| {
                let is_held = !matches!(phase, Phase::Free | Phase::Parked);
                if !is_held || phase < claim.phase {
                    return Err(ClaimError::Phase { from: claim.phase, to: phase });
                }
                claim.phase = phase;
                if let Some(before) = &before {
                    // Since when people are heard was settled before the claim was reserved.
                    claim.before = Before { comment: claim.before.comment, ..before.clone() };
                }
                if let Some(wrote) = &wrote {
                    claim.wrote = wrote.clone();
                }
                Ok(())
            })
            .await?;
        held.claim = claim;
        Ok(())
    }

    /// Notes which comment marks the task as taken.
    ///
    /// # Errors
    /// [`ClaimError::Lost`] as for [`Ledger::renew`].
    pub async fn mark(&self, held: &mut Held, comment: CommentId) -> Result<(), ClaimError> {
        let marked = |claim: &mut Claim, _: &StoreTime| {
            claim.marker = Some(comment);
            Ok(())
        };
        held.claim = self.change(held, marked).await?;
        Ok(())
    }

    /// Ends the claim; its trust window closes at once. To be called when the run has stopped, also
    /// after a `Lost`: of a revoked claim it is the acknowledgement that lets others acquire.
    ///
    /// # Errors
    /// [`ClaimError::Lost`]: it had ended already, in another way.
    pub async fn end(
        &self,
        held: &mut Held,
        how: EndKind,
        reason: Reason,
    ) -> Result<(), ClaimError> {
        held.trust.lose();
        let at = self.clock.wall();
        self.give_back(held, |claim| {
            claim.phase = Phase::Free;
            claim.ended = Some(ClaimEnd { how, reason, at });
        })
        .await
    }

    /// The guard's last check before an effect: this run of this life holds this fence, in the
    /// store's time.
    ///
    /// # Errors
    /// [`ClaimError::Lost`] says why it does not.
    pub async fn check_fence(
        &self,
        task: TaskId,
        fence: Fence,
        run: &RunId,
    ) -> Result<(), ClaimError> {
        let looked = self.claim_look(task).await;
        let (now, found) = looked.map_err(|error| held_by_newer(task, error))?;
        let found = found.as_ref().map(|record| &record.value);
        self.mine(found, fence, run, &now).map(|_| ())
    }

    /// The record of a task's claims, whoever holds it; `None` if it was never claimed.
    pub async fn claim(&self, task: TaskId) -> Result<Option<Claim>, ClaimError> {
        Ok(self.claim_record(task).await?.map(|record| record.value))
    }

    /// The record of a task's claims, to be judged at a time that is later, never earlier.
    pub(super) async fn claim_look(
        &self,
        task: TaskId,
    ) -> Result<(StoreTime, Option<Record<Claim>>), StoreError> {
        records::look(self.store.as_ref(), &keys::claim(&self.options.board, task)).await
    }

    pub(super) async fn claim_record(
        &self,
        task: TaskId,
    ) -> Result<Option<Record<Claim>>, StoreError> {
        records::get(self.store.as_ref(), &keys::claim(&self.options.board, task)).await
    }

    /// The next fence of a task: above every earlier one, and above every epoch's before ours.
    pub(super) fn next_fence(&self, last: Option<Fence>) -> Fence {
        let epoch = u64::from(self.options.epoch) << 32;
        Fence(last.map_or(0, |fence| fence.0).max(epoch) + 1)
    }

    /// Whether this request may have the claim, and what is then to be written.
    fn judge(
        &self,
        ask: &Acquire,
        found: Option<&Claim>,
        now: &StoreTime,
    ) -> Result<Verdict, ClaimError> {
        if let Some(claim) = found {
            if claim.nonce == ask.nonce && claim.run == ask.run {
                return self
                    .mine(found, claim.fence, &ask.run, now)
                    .map(|claim| Verdict::Granted(Box::new(claim.clone())));
            }
            if let Some(revoked) = claim.revoked.as_ref().filter(|r| !r.until.is_past(now)) {
                return Err(ClaimError::Revoking { until: revoked.until.clone() });
            }
            if claim.is_live(now) {
                return Err(ClaimError::Held { claim: Box::new(claim.clone()) });
            }
            if ask.resume.is_none() && claim.phase == Phase::Parked {
                return Err(ClaimError::Parked);
            }
        }
        if let Some(fence) = ask.resume
            && found.map(|claim| claim.fence) != Some(fence)
        {
            return Err(lost(Reason::StaleFence, format!("fence {fence} is not its last")));
        }
        Ok(Verdict::Take(Box::new(self.next_claim(ask, found, now))))
    }

    pub(super) fn next_claim(
        &self,
        ask: &Acquire,
        found: Option<&Claim>,
        now: &StoreTime,
    ) -> Claim {
        let was_handed_back = |claim: &&Claim| {
            let how = claim.ended.as_ref().map(|end| end.how);
            matches!(how, Some(EndKind::Released | EndKind::Yielded))
        };
        let left = match ask.resume {
            Some(_) => found,
            None => found.filter(|claim| !was_handed_back(claim)),
        };
        let found_now = Before { comment: ask.comment, ..Before::default() };
        let before = left.map_or(found_now, |claim| claim.before.clone());
        let wrote = left.map(|claim| claim.wrote.clone()).unwrap_or_default();
        let is_visible = ask.resume.is_some() && wrote != Wrote::default();
        Claim {
            board: self.options.board.clone(),
            task: ask.task,
            fence: self.next_fence(found.map(|claim| claim.fence)),
            phase: if is_visible { Phase::Announced } else { Phase::Reserved },
            holder: Some(self.me(&ask.run)),
            run: ask.run.clone(),
            assistant: None,
            playbook: ask.playbook.clone(),
            attempt: ask.attempt,
            lease_ends: Some(now.plus(ask.lease)),
            nonce: ask.nonce.clone(),
            before,
            wrote,
            marker: left.and_then(|claim| claim.marker),
            parked: None,
            staged: left.filter(|_| ask.resume.is_some()).and_then(|claim| claim.staged.clone()),
            ended: None,
            revoked: None,
            untold: found.map(|claim| claim.untold.clone()).unwrap_or_default(),
        }
    }

    /// A claim that was just taken.
    pub(super) fn taken(
        &self,
        claim: Claim,
        started: Duration,
        now: &StoreTime,
        lease: Duration,
    ) -> Held {
        if let Some(house) = self.counts() {
            house.claim_taken();
        }
        self.held(claim, started, now, lease)
    }

    pub(super) fn held(
        &self,
        claim: Claim,
        started: Duration,
        now: &StoreTime,
        lease: Duration,
    ) -> Held {
        // What is left of the lease when it was looked at: all of it for a new claim, less for one
        // that was granted before. `started` is earlier than `now`, so this errs on the safe side.
        let ends = claim.lease_ends.as_ref().map_or(0, |end| end.ms);
        let left = Duration::from_millis(ends.saturating_sub(now.ms));
        let trust = TrustWindow::new(started, left, self.options.margin);
        Held { claim, trust, lease }
    }

    /// Changes a record that this holder must hold; returns it as written.
    pub(super) async fn change(
        &self,
        held: &Held,
        what: impl Fn(&mut Claim, &StoreTime) -> Result<(), ClaimError>,
    ) -> Result<Claim, ClaimError> {
        let (task, fence) = (held.claim.task, held.claim.fence);
        let key = keys::claim(&self.options.board, task);
        for _ in 0..TRIES_MAX {
            let looked = self.claim_look(task).await;
            let (now, found) = looked.map_err(|error| lost_to_newer(held, error))?;
            let mine = self.mine(found.as_ref().map(|r| &r.value), fence, &held.claim.run, &now);
            let mut claim = match mine {
                Ok(claim) => claim.clone(),
                Err(error) => {
                    held.trust.lose();
                    return Err(error);
                }
            };
            what(&mut claim, &now)?;
            let batch = records::replace(Batch::new(), &key, &claim, found.as_ref())?;
            if self.try_commit(batch).await? {
                return Ok(claim);
            }
        }
        Err(contended(&key))
    }
}

/// Whoever claims anew knows that they do not hold it by an earlier claim.
pub(super) fn begun(mut claim: Claim, resume: Option<Fence>) -> Claim {
    if let Some(principal) = claim.assistant.as_ref().map(|it| it.principal.clone())
        && resume.is_none()
    {
        claim.was_told(&principal);
    }
    claim
}

pub(super) fn lost(reason: Reason, detail: String) -> ClaimError {
    ClaimError::Lost { reason, detail }
}

pub(super) fn contended(key: &str) -> ClaimError {
    ClaimError::Store(StoreError::Conflict { key: key.to_owned() })
}
