//! A worker's lease: taken, renewed while the work goes on, given back.

use super::worker::Worker;
use crate::domain::{EndKind, Fence, Reason, RunState, TaskId};
use crate::ledger::{Acquire, ClaimError, Held};
use std::future::Future;
use std::time::Duration;

impl Worker {
    /// Takes the task, or the ended claim with this fence.
    pub(super) async fn acquire(
        &self,
        task: TaskId,
        lease: Duration,
        resume: Option<Fence>,
    ) -> Result<Held, (Reason, String)> {
        let ask = self.request(task, lease, resume);
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

    /// Awaits something while the claim is renewed. When the claim is lost, the run is told to
    /// stop, and the awaited work is given the chance to do so.
    pub(super) async fn hold<T>(&mut self, work: impl Future<Output = T>) -> T {
        let every = self.parts.settings.renew;
        let mut timer = tokio::time::interval(every);
        timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        timer.tick().await;
        tokio::pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                _ = timer.tick(), if self.held.is_some() => {}
            }
            let Some(held) = &mut self.held else { continue };
            match self.parts.ledger.renew(held).await {
                Ok(()) => {}
                Err(ClaimError::Lost { reason, detail }) => {
                    self.job.halt.halt(RunState::ClaimLost, reason, detail);
                }
                Err(error) if !held.trust.is_open(self.parts.clock.boot()) => {
                    held.trust.lose();
                    self.job.halt.halt(
                        RunState::ClaimLost,
                        Reason::ClaimLost,
                        format!("the claim could not be renewed: {error}"),
                    );
                }
                Err(error) => tracing::warn!(%error, "a renewal failed and is tried again"),
            }
        }
    }

    /// Whether the run may no longer believe its claim.
    pub(super) fn lost(&self) -> bool {
        self.held.as_ref().is_some_and(|held| !held.trust.is_open(self.parts.clock.boot()))
    }
}

fn refusal(error: &ClaimError) -> (Reason, String) {
    match error {
        ClaimError::Lost { reason, detail } => (*reason, detail.clone()),
        ClaimError::Store(_) => (Reason::StoreFailed, error.to_string()),
        _ => (Reason::AlreadyClaimed, error.to_string()),
    }
}
