//! Which tasks are taken, and by whom: those that are claimed, and of those that occurrences name also those
//! whose review only a newer Rota can read. What a run here would come to could not be written down, so it
//! waits as it does for a claim.

use super::look::LookError;
use super::parts::Parts;
use crate::domain::{PlaybookName, RunId, TaskId};
use crate::ledger::NEWER;
use crate::schedule::TakenBy;
use std::collections::{BTreeMap, BTreeSet};

/// The tasks that are taken, of these also by what a newer Rota wrote of their reviews.
pub(super) async fn taken(
    parts: &Parts,
    named: &BTreeSet<TaskId>,
) -> Result<BTreeMap<TaskId, TakenBy>, LookError> {
    let (claims, mut newer) = parts.ledger.claims_and_newer().await?;
    for task in named {
        if parts.ledger.is_review_of_newer(*task).await? {
            newer.push(*task);
        }
    }
    let (run, playbook) = (RunId::new(NEWER), PlaybookName::new(NEWER));
    let unread = TakenBy { run, playbook, parked: false, by_newer: true };
    let by_newer = newer.into_iter().map(|task| (task, unread.clone()));
    let known = claims.into_iter().map(|claim| {
        let parked = claim.parked.is_some();
        let playbook = match claim.assistant {
            Some(assistant) => PlaybookName::new(assistant.name),
            None => claim.playbook,
        };
        (claim.task, TakenBy { run: claim.run, playbook, parked, by_newer: false })
    });
    Ok(known.chain(by_newer).collect())
}
