//! The record of changes: our own as they were made, those of others as they were found.

use super::LeantimeBoard;
use crate::board::{History, Result, check};
use crate::domain::{Activity, ActivityId, ActivityQuery, Page};
use async_trait::async_trait;

#[async_trait]
impl History for LeantimeBoard {
    async fn activity(&self, query: &ActivityQuery) -> Result<Page<Activity>> {
        check::asked_projects(query.projects.len())?;
        self.look_if_due().await?;
        self.book.activity(query).await
    }

    async fn latest_activity(&self) -> Result<ActivityId> {
        self.look_if_due().await?;
        self.book.latest().await
    }
}
