//! Which work was accepted: a person approved what was handed over, or moved its task to a status of
//! the kind *done*.

use super::belongs::Belongs;
use super::dispatcher::failed;
use super::parts::Parts;
use crate::domain::{HandOver, Run, RunId, StatusKind, TaskId, Verdict};
use crate::tools::desk::DeskError;
use std::collections::{BTreeMap, BTreeSet};

/// Those of these runs whose work was accepted. Where a reviewer handed over, the work is its author's.
pub(super) async fn of(
    parts: &Parts,
    runs: &[Run],
    belongs: &mut Belongs<'_>,
) -> Result<BTreeSet<RunId>, DeskError> {
    let mut at_tasks: BTreeMap<TaskId, Vec<&Run>> = BTreeMap::new();
    for run in runs {
        if let Some(task) = run.task {
            at_tasks.entry(task).or_default().push(run);
        }
    }
    let tasks = at_tasks.keys().copied().collect();
    let hand_overs = parts.ledger.hand_overs(&tasks).await.map_err(failed)?;
    let undecided = hand_overs.iter().filter(|(_, hand_over)| hand_over.decided.is_none());
    belongs.know(undecided.map(|(task, _)| *task)).await?;
    let mut accepted = BTreeSet::new();
    for (task, hand_over) in hand_overs {
        let runs = at_tasks.get(&task).map(Vec::as_slice).unwrap_or_default();
        let Some(run) = whose(&hand_over, runs) else { continue };
        let is_approved = match &hand_over.decided {
            Some(decided) => decided.verdict == Verdict::Approved,
            None => belongs.is_of_kind(task, StatusKind::Done).await?,
        };
        if is_approved {
            accepted.insert(run.id.clone());
        }
    }
    Ok(accepted)
}

/// The run whose work was handed over last.
fn whose<'a>(hand_over: &HandOver, runs: &[&'a Run]) -> Option<&'a Run> {
    let handed = runs.iter().find(|run| run.id == hand_over.run)?;
    let author = hand_over.rework.as_ref().filter(|author| **author != handed.playbook);
    let by_author = author.and_then(|author| {
        let earlier = runs.iter().filter(|run| run.playbook == *author);
        earlier.filter(|run| run.started <= handed.started).max_by_key(|run| run.started)
    });
    Some(by_author.unwrap_or(handed))
}
