//! Housekeeping between ticks: claims whose holders are gone, and the export that a damaged store is
//! restored from.

use super::dispatcher::Dispatcher;
use super::parts::Parts;
use crate::ledger::export::{self, ExportError};
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
        // Whoever drives the time also says when to export.
        if due && self.alarm.is_some() {
            self.beliefs.exported = Some(now);
            self.export().await;
        }
    }

    /// Writes the export; a failure is told and does not stop anything.
    async fn export(&self) {
        if let Err(error) = export(&self.parts).await {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "local state could not be exported"
            );
        }
    }
}

/// Writes the export of a house that has a state folder.
pub(super) async fn export(parts: &Parts) -> Result<(), ExportError> {
    let Some(state) = &parts.settings.state else { return Ok(()) };
    let path = export::export_path(state);
    let epoch = parts.ledger.options().epoch;
    let store = parts.ledger.store().as_ref();
    export::export(store, &path, epoch, parts.clock.as_ref()).await.map(|_| ())
}
