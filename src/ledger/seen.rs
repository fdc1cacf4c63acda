//! `once` keys.
use super::{Ledger, Result};
use crate::domain::PlaybookName;

impl Ledger {
    /// Whether an effect with this `once` key was intended and not found undone.
    pub async fn seen(&self, _playbook: &PlaybookName, _key: &str) -> Result<bool> {
        todo!()
    }
}
