//! What was journaled before a worker began: by earlier attempts, or by its own run before a crash.

use super::parts::Parts;
use super::worker::Assignment;
use crate::domain::{EffectActor, EffectResult, Run};
use crate::ledger::RunFilter;
use std::collections::BTreeMap;

/// What earlier attempts at the task did, tool by tool; it counts against `scope.max`.
pub(super) async fn earlier_counts(parts: &Parts, job: &Assignment) -> BTreeMap<String, u32> {
    let mut counts = BTreeMap::new();
    let (Some(task), true) = (job.task, job.attempt > 1) else { return counts };
    let filter = RunFilter {
        playbook: Some(job.playbook.name.clone()),
        task: Some(task),
        ..RunFilter::default()
    };
    let limit = usize::try_from(job.attempt - 1).unwrap_or(1);
    for run in parts.ledger.runs(&filter, limit).await.unwrap_or_default() {
        for effect in parts.ledger.effects(&run.id).await.unwrap_or_default() {
            // What failed did not happen; in its own run it did not count either.
            let failed = matches!(effect.result, Some(EffectResult::Failed { .. }));
            if effect.actor == EffectActor::Agent && !failed {
                *counts.entry(effect.tool).or_default() += 1;
            }
        }
    }
    counts
}

/// The number of a run's last journaled write.
pub(super) async fn last_seq(parts: &Parts, run: &Run) -> u32 {
    let effects = parts.ledger.effects(&run.id).await.unwrap_or_default();
    effects.iter().map(|effect| effect.mark.seq).max().unwrap_or(0)
}
