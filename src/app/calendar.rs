//! What is read at the secret addresses of calendars.

use super::outside::Outside;
use crate::board::BoardError;
use crate::domain::{
    During, Initiative, Person, PersonId, Principal, ProjectId, ScheduleQuery, Scheduled, Span,
    Timestamp, icalendar,
};
use crate::tools::Context;
use crate::web::calendar::{FeedError, Feeds};
use async_trait::async_trait;
use chrono::TimeDelta;
use secrecy::SecretString;

/// So many days back and ahead are told; fewer where that would be too much.
const SPANS: [(i64, i64); 3] = [(90, 366), (14, 92), (1, 14)];
/// A longer document is not sent.
const DOCUMENT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Makes the entries' names unique in the world.
const HOST: &str = "rota";

#[async_trait]
impl Feeds for Outside {
    async fn feed(&self, secret: SecretString) -> Result<Option<String>, FeedError> {
        let failed = |error: Box<dyn std::error::Error + Send + Sync>| FeedError(error);
        let person = self.ledger.feed_of(&secret).await.map_err(|error| failed(error.into()))?;
        let Some(person) = person else { return Ok(None) };
        let owner = match self.board.person(person).await {
            Ok(owner) => owner,
            Err(BoardError::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(failed(error.into())),
        };
        let projects = self.theirs(&owner).await?;
        let mut last = None;
        for span in SPANS {
            match self.entries(person, span).await {
                Ok(mut entries) => {
                    entries.retain(|entry| match (entry, &projects) {
                        (Scheduled::Task(task), Some(theirs)) => theirs.contains(&task.project),
                        _ => true,
                    });
                    let document = icalendar(&owner.name, HOST, &entries);
                    if document.len() <= DOCUMENT_BYTES_MAX {
                        return Ok(Some(document));
                    }
                }
                // Too much for one answer.
                Err(error @ BoardError::Malformed(_)) => last = Some(error),
                Err(error) => return Err(failed(error.into())),
            }
        }
        let last = last.unwrap_or_else(|| BoardError::Malformed("it is too long".to_owned()));
        Err(failed(last.into()))
    }
}

impl Outside {
    /// The projects that there are for whose calendar it is; `None`: all.
    async fn theirs(&self, owner: &Person) -> Result<Option<Vec<ProjectId>>, FeedError> {
        let principal = Principal { person: owner.clone(), by: Initiative::Person };
        let context = Context::person(principal, self.zone);
        self.tools.projects_of(&context).await.map_err(|error| FeedError(error.into()))
    }

    async fn entries(
        &self,
        person: PersonId,
        (back, ahead): (i64, i64),
    ) -> Result<Vec<Scheduled>, BoardError> {
        let now: Timestamp = self.clock.wall();
        let span = Span { from: now - TimeDelta::days(back), to: now + TimeDelta::days(ahead) };
        let during = During::instants(span, self.zone);
        self.board.schedule(&ScheduleQuery { person, during }).await
    }
}
