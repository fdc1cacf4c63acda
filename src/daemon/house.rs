//! Housekeeping between ticks: claims whose holders are gone.

use super::beliefs::Working;
use super::dispatcher::Dispatcher;
use crate::domain::{Claim, EndKind, Reason, RunState, to_delta};
use crate::schedule::backoff;
use std::sync::Arc;
use std::time::Duration;

/// How long an unfinished claim rests before it is seen to again, at first and at most.
const TRIED_AGAIN: (Duration, Duration) = (Duration::from_secs(30), Duration::from_mins(10));

impl Dispatcher {
    /// Ends what nobody renewed, sees to what is left.
    pub(super) async fn keep_house(&mut self) {
        match self.parts.ledger.expire().await {
            Ok(expired) => {
                for claim in expired {
                    tracing::warn!(task = %claim.task, run = %claim.run, "a claim's lease ended");
                    // One whose worker is here is seen to when the worker has stopped.
                    if self.is_at_work(&claim) {
                        self.tell_of_lost_lease(&claim).await;
                    } else if self.scheduling && !self.beliefs.takes_nothing_new() {
                        self.recover(claim).await;
                    }
                }
            }
            Err(error) => tracing::warn!(%error, "the claims could not be swept"),
        }
        if self.scheduling && !self.beliefs.takes_nothing_new() {
            self.see_to_orphans().await;
            self.end_forsaken().await;
            self.learn_fates().await;
        }
    }

    /// Ended claims that the board still shows, and whose workers have stopped: taken away by force,
    /// lost, or left unfinished because the board did not answer.
    async fn see_to_orphans(&mut self) {
        let ledger = Arc::clone(&self.parts.ledger);
        let (orphans, now) = match (ledger.orphans().await, ledger.store().now().await) {
            (Ok(orphans), Ok(now)) => (orphans, now),
            (Err(error), _) => return tracing::warn!(%error, "ended claims could not be read"),
            (_, Err(error)) => return tracing::warn!(%error, "the store does not tell the time"),
        };
        let wall = self.parts.clock.wall();
        let workers = &self.beliefs.workers;
        self.beliefs.tried.retain(|task, _| {
            let is_tried_now = workers.values().any(|worker| worker.task == Some(*task));
            is_tried_now || orphans.iter().any(|claim| claim.task == *task)
        });
        for claim in orphans {
            if !self.has_slot() {
                break;
            }
            let may_act = claim.revoked.as_ref().is_some_and(|r| !r.until.is_past(&now));
            // One whose run's end is not recorded yet is not tried in vain: it is seen to right after that.
            if may_act || self.is_at_work(&claim) || self.knows_end_of(&claim.run) {
                continue;
            }
            // What failed a moment ago is left alone for a while, and each time for longer.
            let failed = claim.ended.as_ref().filter(|end| end.how == EndKind::Expired);
            let (tries, last) = self.beliefs.tried.get(&claim.task).copied().unwrap_or_default();
            let last = last.max(failed.map(|end| end.at));
            let rest = to_delta(backoff(tries.max(1), TRIED_AGAIN.0, TRIED_AGAIN.1));
            if last.is_some_and(|last| (wall - last).abs() < rest) {
                continue;
            }
            self.beliefs.tried.insert(claim.task, (tries.saturating_add(1), Some(wall)));
            self.recover(claim).await;
        }
    }

    /// A worker that slept through its lease's end learns it now, not at its next step (C7).
    async fn tell_of_lost_lease(&self, claim: &Claim) {
        let run = self.parts.ledger.run(claim.run.as_str()).await.ok().flatten();
        let Some(run) = run else { return };
        let holds = |w: &&Working| w.task == run.task && w.occurrence == run.occurrence;
        if let Some(worker) = self.beliefs.workers.values().find(holds) {
            let detail = "its lease ended before it was renewed";
            worker.halt.halt(RunState::ClaimLost, Reason::LeaseExpired, detail);
        }
    }
}
