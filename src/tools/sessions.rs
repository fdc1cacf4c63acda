//! Who is signed in to the pages, as tools see it: the trait that `ledger` implements.

use super::desk::DeskError;
use crate::domain::PersonId;
use crate::ledger::PageSession;
use async_trait::async_trait;

/// The sessions of the pages.
#[async_trait]
pub trait Sessions: Send + Sync {
    /// Every session that is not over, those used last first.
    async fn sessions(&self) -> Result<Vec<PageSession>, DeskError>;
    /// Ends somebody's sessions, or one of them; how many.
    async fn end_sessions(
        &self,
        person: PersonId,
        which: Option<&str>,
        by: &str,
    ) -> Result<usize, DeskError>;
}
