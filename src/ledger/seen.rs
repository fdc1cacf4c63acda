//! What is done once only, across restarts: `once` keys, under which a playbook does nothing again, and
//! requests from outside, which are believed once.

use super::records::{self, Found};
use super::{Ledger, Result, keys};
use crate::domain::{Mark, PlaybookName, Timestamp};
use crate::store::Batch;

/// So many requests are remembered.
const REQUESTS_MAX: usize = 2_000;
/// So many that need not be remembered any more are forgotten with each one that comes.
const FORGOTTEN_AT_ONCE: usize = 100;

/// Whether a request came before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coming {
    /// It comes for the first time.
    First,
    /// It came before.
    Again,
    /// So many came that no more can be remembered.
    TooMany,
}

impl Ledger {
    /// Whether an effect with this `once` key was intended, and neither failed nor was only
    /// recorded. To look is not to take: [`Ledger::intend`] decides.
    pub async fn seen(&self, playbook: &PlaybookName, key: &str) -> Result<bool> {
        // Whoever did it, and however they noted that.
        Ok(!matches!(self.find::<Mark>(&keys::once(playbook, key)).await?, Found::Nothing))
    }

    /// Whether a request comes for the first time; from then on it is known until this instant. One
    /// request has one such instant.
    pub async fn request_comes(&self, what: &str, until: Timestamp) -> Result<Coming> {
        let known = self.store.scan(keys::REQUEST_SEEN, None, REQUESTS_MAX).await?;
        let now = keys::request_seen_until(self.clock.wall());
        let over = known.iter().take_while(|row| row.key < now).take(FORGOTTEN_AT_ONCE);
        let mut gone = Vec::new();
        for row in over {
            if !records::is_marked(self.store.as_ref(), row).await? {
                gone.push(row.key.clone());
            }
        }
        let over = gone;
        if known.len() >= REQUESTS_MAX && over.is_empty() {
            return Ok(Coming::TooMany);
        }
        let row = keys::request_seen(until, what);
        // Nobody is quicker at rows that are over: whoever removes them, they are gone.
        let batch = over.into_iter().fold(Batch::new(), Batch::delete);
        let is_first = self.try_commit(batch.check(&row, None).put(&row, "{}")).await?;
        Ok(if is_first { Coming::First } else { Coming::Again })
    }
}
