//! The outbox.
use super::{Ledger, Result};
use crate::domain::{Notice, RunId, Timestamp};

impl Ledger {
    /// Stores notices; one whose key is known is ignored.
    pub async fn enqueue(&self, _notices: Vec<Notice>) -> Result<()> {
        todo!()
    }
    /// Those to be delivered now, longest waiting first.
    pub async fn due_notices(&self, _now: Timestamp, _limit: usize) -> Result<Vec<Notice>> {
        todo!()
    }
    /// It was delivered.
    pub async fn notice_delivered(&self, _key: &str, _at: Timestamp) -> Result<()> {
        todo!()
    }
    /// It was not; tried again at `not_before` if the trouble passes, else given up.
    pub async fn notice_failed(
        &self,
        _key: &str,
        _error: &str,
        _not_before: Timestamp,
        _is_transient: bool,
    ) -> Result<()> {
        todo!()
    }
    /// The latest notices, newest first; of one run, if asked.
    pub async fn notices(&self, _limit: usize, _run: Option<&RunId>) -> Result<Vec<Notice>> {
        todo!()
    }
}
