//! Housekeeping between ticks: claims whose holders are gone, and the export that a damaged store is
//! restored from.

use super::dispatcher::Dispatcher;
use crate::ledger::export;
use chrono::TimeDelta;

/// How often local state is exported.
const EXPORT_EVERY: TimeDelta = TimeDelta::minutes(1);

impl Dispatcher {
    /// Ends what nobody renewed, sees to what is left, exports.
    pub(super) async fn keep_house(&mut self) {
        match self.parts.ledger.expire().await {
            Ok(expired) => {
                for claim in expired {
                    tracing::warn!(task = %claim.task, run = %claim.run, "a claim's lease ended");
                    if self.scheduling {
                        self.recover(claim).await;
                    }
                }
            }
            Err(error) => tracing::warn!(%error, "the claims could not be swept"),
        }
        let now = self.parts.clock.wall();
        let due = self.beliefs.exported.is_none_or(|last| (now - last).abs() >= EXPORT_EVERY);
        if due && self.scheduling {
            self.beliefs.exported = Some(now);
            self.export().await;
        }
    }

    /// Writes the export; a failure is told and does not stop anything.
    pub(super) async fn export(&self) {
        let Some(state) = &self.parts.settings.state else { return };
        let path = export::export_path(state);
        let ledger = &self.parts.ledger;
        let epoch = ledger.options().epoch;
        let store = ledger.store().as_ref();
        if let Err(error) = export::export(store, &path, epoch, self.parts.clock.as_ref()).await {
            tracing::error!(path = %path.display(), %error, "local state could not be exported");
        }
    }
}
