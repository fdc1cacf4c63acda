//! What was journaled before a worker began: by earlier attempts, or by its own run before a crash.

use super::parts::Parts;
use super::worker::Assignment;
use crate::domain::{EffectActor, EffectResult, Run, RunState};
use crate::ledger::RunFilter;
use std::collections::BTreeMap;

/// At most so many runs of a playbook are looked at for those of one occurrence.
const LOOKED_AT_MAX: usize = 100;

/// What earlier attempts did, tool by tool; it counts against `scope.max`.
pub(super) async fn earlier_counts(parts: &Parts, job: &Assignment) -> BTreeMap<String, u32> {
    let mut counts = BTreeMap::new();
    for run in earlier_attempts(parts, job, job.attempt).await {
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

/// The attempts before this one, the latest first: at the task; without one, for the occurrence.
pub(super) async fn earlier_attempts(parts: &Parts, job: &Assignment, attempt: u32) -> Vec<Run> {
    let many = usize::try_from(attempt.saturating_sub(1)).unwrap_or(0);
    if many == 0 {
        return Vec::new();
    }
    let filter = RunFilter {
        playbook: Some(job.playbook.name.clone()),
        task: job.task,
        ..RunFilter::default()
    };
    let runs = parts.ledger.runs(&filter, LOOKED_AT_MAX).await.unwrap_or_default();
    let is_earlier = |run: &Run| match job.task {
        Some(_) => run.state != RunState::Running,
        None => run.occurrence == job.occurrence.id && run.attempt < attempt,
    };
    runs.into_iter().filter(is_earlier).take(many).collect()
}

/// The number of a run's last journaled write.
pub(super) async fn last_seq(parts: &Parts, run: &Run) -> u32 {
    let effects = parts.ledger.effects(&run.id).await.unwrap_or_default();
    effects.iter().map(|effect| effect.mark.seq).max().unwrap_or(0)
}
