//! Decisions.
use super::{Ledger, Result};
use crate::domain::{Decision, PlaybookName, TaskId, Timestamp};

impl Ledger {
    /// Records a decision, unless the playbook's last one about the subject says the same.
    pub async fn decide(&self, _decision: Decision) -> Result<()> {
        todo!()
    }
    /// About a task, newest first; as they stood at an instant, if asked.
    pub async fn decisions_about_task(
        &self,
        _task: TaskId,
        _at: Option<Timestamp>,
    ) -> Result<Vec<Decision>> {
        todo!()
    }
    /// About a playbook as a whole, newest first; as they stood at an instant, if asked.
    pub async fn decisions_about_playbook(
        &self,
        _playbook: &PlaybookName,
        _at: Option<Timestamp>,
    ) -> Result<Vec<Decision>> {
        todo!()
    }
}
