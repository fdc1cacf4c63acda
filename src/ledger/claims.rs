//! Claims: how a run takes, keeps and gives back a task.
use super::{ClaimError, Ledger, TrustWindow};
use crate::domain::{
    Before, Claim, EndKind, Fence, Phase, PlaybookName, Reason, RunId, TaskId, Timestamp, Wrote,
};
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
    /// The same for every repetition of this request, another one for any other ([`Ledger::nonce`]).
    pub nonce: String,
    /// Takes over the ended or parked claim whose record has this fence, and keeps its `before`
    /// and `wrote`.
    pub resume: Option<Fence>,
}

/// A claim that this run holds, as far as it knows.
#[derive(Debug)]
pub struct Held {
    /// The record as it was last written or read.
    pub claim: Claim,
    /// While it is open, the run may act.
    pub trust: TrustWindow,
    pub(in crate::ledger) lease: Duration,
}

impl Ledger {
    /// Takes a task (C1, C2, C3, C6, C8).
    pub async fn acquire(&self, _ask: Acquire) -> Result<Held, ClaimError> {
        todo!()
    }
    /// Gives the claim its full lease again.
    pub async fn renew(&self, _held: &mut Held) -> Result<(), ClaimError> {
        todo!()
    }
    /// Notes how far the claim has got, what was found, and what was written.
    pub async fn advance(
        &self,
        _held: &mut Held,
        _phase: Phase,
        _before: Option<Before>,
        _wrote: Option<Wrote>,
    ) -> Result<(), ClaimError> {
        todo!()
    }
    /// Ends the claim; call it also after `Lost`: it acknowledges a revocation.
    pub async fn end(
        &self,
        _held: &mut Held,
        _how: EndKind,
        _reason: Reason,
    ) -> Result<(), ClaimError> {
        todo!()
    }
    /// Lets the claim wait for a person, without a lease.
    pub async fn park(
        &self,
        _held: &mut Held,
        _question: &str,
        _until: Timestamp,
    ) -> Result<(), ClaimError> {
        todo!()
    }
    /// The guard's last check before an effect.
    pub async fn check_fence(
        &self,
        _task: TaskId,
        _fence: Fence,
        _run: &RunId,
    ) -> Result<(), ClaimError> {
        todo!()
    }
    /// Takes a claim away by force (C8).
    pub async fn revoke(
        &self,
        _task: TaskId,
        _reason: &str,
        _by: &str,
    ) -> Result<Claim, ClaimError> {
        todo!()
    }
    /// The record of a task's claims.
    pub async fn claim(&self, _task: TaskId) -> Result<Option<Claim>, ClaimError> {
        todo!()
    }
    /// Every claim that is not free, parked ones included.
    pub async fn claims(&self) -> Result<Vec<Claim>, ClaimError> {
        todo!()
    }
}
