//! A worker's lease: taken, renewed while the worker is busy, given back.

use super::halt::Halt;
use super::marker::{Marking, Standing};
use super::parts::Parts;
use super::worker::Worker;
use crate::clock::Clock;
use crate::domain::{EndKind, Fence, Reason, RunState, TaskId};
use crate::ledger::{Acquire, ClaimError, Held, TrustWindow};
use crate::runner::WorkEnd;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

impl Worker {
    /// Takes the task, or the ended claim with this fence.
    pub(super) async fn acquire(
        &self,
        task: TaskId,
        lease: Duration,
        resume: Option<Fence>,
    ) -> Result<Held, (Reason, String)> {
        let mut ask = self.request(task, lease, resume);
        if resume.is_none() {
            // Before the claim is reserved: whatever is said from here on is said on a claimed task.
            ask.comment = Some(if let Some(marking) = Marking::on(&self.parts) {
                marking.first_look(task).await?
            } else {
                let last = self.parts.journal.last_comment(task).await;
                last.map_err(|error| (Reason::BoardUnavailable, error.to_string()))?
            });
        }
        // A reply that was lost is recognised by its nonce, so asking twice is safe (C6).
        let mut answer = self.parts.ledger.acquire(ask.clone()).await;
        if matches!(answer, Err(ClaimError::Store(_))) {
            answer = self.parts.ledger.acquire(ask).await;
        }
        answer.map_err(|error| refusal(&error))
    }

    /// Passes the claim that is held on to this worker's run, the next attempt.
    pub(super) async fn succeed(&mut self, lease: Duration) -> Result<(), (Reason, String)> {
        let Some(held) = &self.held else { return Ok(()) };
        let ask = self.request(held.claim.task, lease, None);
        let mut answer = self.parts.ledger.succeed(held, ask.clone()).await;
        if matches!(answer, Err(ClaimError::Store(_))) {
            answer = self.parts.ledger.succeed(held, ask).await;
        }
        let next = answer.map_err(|error| refusal(&error))?;
        self.run.fence = Some(next.claim.fence);
        self.held = Some(next);
        Ok(())
    }

    fn request(&self, task: TaskId, lease: Duration, resume: Option<Fence>) -> Acquire {
        Acquire {
            task,
            run: self.run.id.clone(),
            playbook: self.run.playbook.clone(),
            attempt: self.run.attempt,
            lease,
            nonce: self.parts.ledger.nonce(),
            resume,
            comment: None,
        }
    }

    /// Ends the claim, if one is held; also after it was lost (that acknowledges it).
    pub(super) async fn end_claim(&mut self, how: EndKind, reason: Reason) {
        let Some(mut held) = self.held.take() else { return };
        match self.parts.ledger.end(&mut held, how, reason).await {
            Ok(()) | Err(ClaimError::Lost { .. }) => {}
            Err(error) => {
                // The lease ends by itself; recovery finds the run finished.
                tracing::warn!(task = %held.claim.task, %error, "the claim could not be released");
            }
        }
    }

    /// Who renews the claim that is held now, as long as the claim is this one.
    pub(super) fn keeper(&self) -> Keeper {
        Keeper {
            parts: Arc::clone(&self.parts),
            halt: Arc::clone(&self.job.halt),
            held: self.held.clone(),
            standing: self.standing.clone(),
        }
    }

    /// Whether the run may no longer believe its claim.
    pub(super) fn lost(&self) -> bool {
        let boot = self.parts.clock.boot();
        self.held.as_ref().is_some_and(|held| !held.trust.is_open(boot))
            || self.standing.as_ref().is_some_and(|own| !own.is_open(boot))
    }
}

/// Renews a claim while its worker is busy: at its work, or waiting for a slow board.
pub(super) struct Keeper {
    parts: Arc<Parts>,
    halt: Arc<Halt>,
    held: Option<Held>,
    standing: Option<Standing>,
}

impl Keeper {
    /// Awaits something while the claim is renewed. When the claim is lost, the run is told to
    /// stop, and what is awaited is given the chance to do so.
    pub(super) fn during<T>(mut self, work: impl Future<Output = T>) -> impl Future<Output = T> {
        // On the heap: a worker awaits one of them after another.
        let mut work = Box::pin(work);
        async move {
            tokio::select! {
                biased;
                done = &mut work => return done,
                () = self.keep() => {}
            }
            work.await
        }
    }

    /// Returns when there is nothing to renew any more.
    async fn keep(&mut self) {
        let (parts, halt) = (Arc::clone(&self.parts), Arc::clone(&self.halt));
        let fence = self.held.as_ref().map(|held| held.claim.fence);
        let standing = self.standing.clone();
        let Some(((own, marking), fence)) = standing.zip(Marking::on(&parts)).zip(fence) else {
            return self.keep_claim().await;
        };
        // A board that is slow is not to hold up the lease.
        tokio::select! {
            biased;
            () = self.keep_claim() => {}
            (state, reason, detail) = marking.keep(&own, fence) => halt.halt(state, reason, detail),
        }
    }

    async fn keep_claim(&mut self) {
        let Some(held) = &mut self.held else { return };
        let every = self.parts.settings.renew;
        let first = every.saturating_sub(self.parts.ledger.since_renewal(held));
        let mut timer = tokio::time::interval_at(Instant::now() + first, every);
        timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let trust = held.trust.clone();
        loop {
            let is_closed = tokio::select! {
                biased;
                _ = timer.tick() => false,
                () = closed(&trust, self.parts.clock.as_ref()) => true,
            };
            // The worker itself has given it up meanwhile: that is no loss.
            if trust.is_lost() {
                return;
            }
            let renewed = if is_closed { None } else { renewed(&self.parts, held).await };
            let (reason, detail) = match renewed {
                Some(Ok(())) => continue,
                Some(Err(ClaimError::Lost { reason, detail })) => (reason, detail),
                None => {
                    trust.lose();
                    let detail =
                        "the claim could not be renewed in time: the store does not answer";
                    (Reason::ClaimLost, detail.to_owned())
                }
                Some(Err(error)) if !trust.is_open(self.parts.clock.boot()) => {
                    trust.lose();
                    let detail = format!("the claim could not be renewed: {error}");
                    (Reason::ClaimLost, detail)
                }
                Some(Err(error)) => {
                    tracing::warn!(%error, "a renewal failed and is tried again");
                    continue;
                }
            };
            return self.halt.halt(RunState::ClaimLost, reason, detail);
        }
    }
}

/// Asks for the whole lease again. `None`: there was no answer as long as the claim could be believed; a
/// store that says nothing keeps nobody at work beyond that.
async fn renewed(parts: &Parts, held: &mut Held) -> Option<Result<(), ClaimError>> {
    let (trust, margin) = (held.trust.clone(), parts.ledger.options().margin);
    let patience = async {
        if trust.is_open(parts.clock.boot()) {
            closed(&trust, parts.clock.as_ref()).await;
        } else {
            // The machine slept: whether the claim is still there is to be found out.
            tokio::time::sleep(margin).await;
        }
    };
    tokio::select! {
        biased;
        renewed = parts.ledger.renew(held) => Some(renewed),
        () = patience => None,
    }
}

/// Returns when a claim is not to be believed any more, however often it is renewed until then.
async fn closed(trust: &TrustWindow, clock: &dyn Clock) {
    loop {
        let boot = clock.boot();
        if !trust.is_open(boot) {
            return;
        }
        tokio::time::sleep(trust.closes().saturating_sub(boot)).await;
    }
}

/// The end of a run that may not believe its claim any more, whatever its work says of itself (C7).
/// Who told it to stop, or took the task over, is known better.
pub(super) fn lost_end(end: WorkEnd) -> WorkEnd {
    match end.state {
        RunState::ClaimLost | RunState::Yielded | RunState::Cancelled => end,
        // Such an effect is never repeated: its run must not look as if it might be.
        _ if end.reason == Reason::UnknownEffect => end,
        state => WorkEnd {
            state: RunState::ClaimLost,
            reason: Reason::LeaseExpired,
            detail: format!(
                "its lease ended before it was done; its work: {state} ({})",
                end.reason
            ),
            outcome: None,
            ..end
        },
    }
}

fn refusal(error: &ClaimError) -> (Reason, String) {
    match error {
        ClaimError::Lost { reason, detail } => (*reason, detail.clone()),
        ClaimError::Store(_) => (Reason::StoreFailed, error.to_string()),
        _ => (Reason::AlreadyClaimed, error.to_string()),
    }
}
