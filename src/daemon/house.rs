//! Housekeeping between ticks: claims whose holders are gone.

use super::dispatcher::Dispatcher;
use crate::domain::EndKind;
use chrono::TimeDelta;
use std::sync::Arc;

/// How long an unfinished claim rests before it is seen to again.
const TRIED_AGAIN: TimeDelta = TimeDelta::seconds(30);

impl Dispatcher {
    /// Ends what nobody renewed, sees to what is left.
    pub(super) async fn keep_house(&mut self) {
        match self.parts.ledger.expire().await {
            Ok(expired) => {
                for claim in expired {
                    tracing::warn!(task = %claim.task, run = %claim.run, "a claim's lease ended");
                    // One whose worker is here is seen to when the worker has stopped.
                    if self.scheduling && !self.is_at_work(&claim) {
                        self.recover(claim).await;
                    }
                }
            }
            Err(error) => tracing::warn!(%error, "the claims could not be swept"),
        }
        if self.scheduling && !self.beliefs.draining {
            self.see_to_orphans().await;
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
        for claim in orphans {
            let may_act = claim.revoked.as_ref().is_some_and(|r| !r.until.is_past(&now));
            // What failed a moment ago is left alone for a while.
            let is_fresh = claim.ended.as_ref().is_some_and(|end| {
                end.how == EndKind::Expired && (wall - end.at).abs() < TRIED_AGAIN
            });
            if !may_act && !is_fresh && !self.is_at_work(&claim) {
                self.recover(claim).await;
            }
        }
    }
}
