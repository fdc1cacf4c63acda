//! `once` keys: what a playbook does for a key it never does again, across restarts.

use super::{Ledger, Result, keys};
use crate::domain::{Mark, PlaybookName};

impl Ledger {
    /// Whether an effect with this `once` key was intended, and neither failed nor was only
    /// recorded. To look is not to take: [`Ledger::intend`] decides.
    pub async fn seen(&self, playbook: &PlaybookName, key: &str) -> Result<bool> {
        Ok(self.read::<Mark>(&keys::once(playbook, key)).await?.is_some())
    }
}
