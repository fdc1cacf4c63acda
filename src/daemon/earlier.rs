//! What was journaled before a worker began: by earlier attempts, or by its own run before a crash.

use super::announce::may_show;
use super::parts::Parts;
use super::worker::Worker;
use crate::domain::{
    Effect, EffectActor, EffectResult, OccurrenceId, PlaybookName, RUN_CHECK, Reason, Run, RunState,
};
use crate::ledger::{LedgerError, NEWER, RunFilter};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// At most so many runs before one are looked at.
const RUNS_MAX: usize = 50;
/// At most so many effects are told in one comment.
const DONE_MAX: usize = 30;

impl Worker {
    /// Whether its task may be taken, before anybody claims it or asks a model: what the run comes to can be
    /// written down, and the playbook's rubric has nothing against it. What goes on with work that was taken
    /// already is not asked again.
    pub(super) async fn suits(&mut self) -> Result<(), (Reason, String)> {
        let unread = |error: LedgerError| (Reason::StoreFailed, error.to_string());
        let is_new = self.job.resume.is_none() && self.job.playbook.claim.is_some();
        if let Some(task) = self.job.task.filter(|_| is_new)
            && self.parts.ledger.is_review_of_newer(task).await.map_err(unread)?
        {
            let detail = format!("its review was written by {NEWER}");
            return Err((Reason::AlreadyClaimed, detail));
        }
        self.judge_fitness().await
    }
}

/// The runs before one that worked under the same succession of claims, the latest first: earlier
/// attempts, those that a crash broke off, and the one that asked before the answer.
pub(super) async fn runs_before(parts: &Parts, own: &Run) -> Result<Vec<Run>, LedgerError> {
    let playbook = Some(own.playbook.clone());
    let filter = RunFilter { playbook, task: own.task, ..RunFilter::default() };
    let mut occurrence = own.occurrence.clone();
    let mut before = Vec::new();
    let mut runs = parts.ledger.runs(&filter, RUNS_MAX).await?;
    if own.task.is_none() {
        // Attempts at a report have only their occurrence in common.
        runs.retain(|run| run.occurrence == occurrence && run.attempt < own.attempt);
        return Ok(runs);
    }
    for run in runs.into_iter().filter(|run| run.id != own.id) {
        if run.occurrence != occurrence && !is_taken_up(&own.playbook, &occurrence) {
            break;
        }
        occurrence = run.occurrence.clone();
        before.push(run);
    }
    Ok(before)
}

/// Whether an occurrence was opened to take up a claim whose own had ended.
fn is_taken_up(playbook: &PlaybookName, occurrence: &OccurrenceId) -> bool {
    let rest = occurrence.as_str().strip_prefix(playbook.as_str()).unwrap_or_default();
    rest.starts_with("/resumed/") || rest.starts_with("/recovered/")
}

/// What these runs did, tool by tool; it counts against `scope.max`.
pub(super) async fn counts(
    parts: &Parts,
    runs: &[Run],
) -> Result<BTreeMap<String, u32>, LedgerError> {
    let mut counts = BTreeMap::new();
    for run in runs {
        for effect in parts.ledger.effects(&run.id).await? {
            // What failed did not happen; in its own run it did not count either. What an attempt
            // proposed that came to nothing was dropped with it.
            let failed = match effect.result {
                Some(EffectResult::Failed { .. }) => true,
                Some(EffectResult::Proposed { .. }) => run.state != RunState::Waiting,
                _ => false,
            };
            if effect.actor == EffectActor::Agent && !failed {
                for tool in std::iter::once(effect.tool).chain(effect.bulk) {
                    *counts.entry(tool).or_default() += 1;
                }
            }
        }
    }
    Ok(counts)
}

/// What runs did, the earliest first, for the comment that tells it; empty when nothing of it shows.
pub(super) async fn done_text(parts: &Parts, before: &[Run], own: &Run) -> String {
    let mut done = Vec::new();
    for run in before.iter().rev().chain([own]) {
        let effects = parts.ledger.effects(&run.id).await.unwrap_or_default();
        done.extend(effects.iter().filter_map(shown).map(|shown| (run.attempt, shown)));
    }
    told(&done, !before.is_empty())
}

/// What one effect of the agent left on the board.
fn shown(effect: &Effect) -> Option<String> {
    match &effect.result {
        Some(EffectResult::Done { entity, .. })
            if effect.actor == EffectActor::Agent && !effect.is_beside_board() =>
        {
            Some(format!("{} ({entity})", effect.tool))
        }
        _ => None,
    }
}

/// `attempt 1: addComment (comment 2); attempt 2: …`; one attempt alone goes without its number.
fn told(done: &[(u32, String)], several: bool) -> String {
    let mut text = String::new();
    let mut last = None;
    for (attempt, shown) in done.iter().take(DONE_MAX) {
        if several && last != Some(*attempt) {
            let gap = if text.is_empty() { "" } else { "; " };
            let _ = write!(text, "{gap}attempt {attempt}: {shown}");
        } else {
            let gap = if text.is_empty() { "" } else { ", " };
            let _ = write!(text, "{gap}{shown}");
        }
        last = Some(*attempt);
    }
    match done.len().saturating_sub(DONE_MAX) {
        0 => text,
        more => format!("{text}, and {more} more (see `rota runs list`)"),
    }
}

/// What is proposed and waits to be decided together: by runs that asked a person before they went on,
/// and by this one. The earliest first.
pub(super) async fn proposed(
    parts: &Parts,
    before: &[Run],
    own: &Run,
) -> Result<Vec<(u32, Effect)>, LedgerError> {
    let asked = before.iter().rev().filter(|run| run.state == RunState::Waiting);
    let mut all = Vec::new();
    for run in asked.chain([own]) {
        for effect in parts.ledger.effects(&run.id).await? {
            if let Some(EffectResult::Proposed { number, .. }) = effect.result {
                all.push((number, effect));
            }
        }
    }
    all.sort_by_key(|(number, _)| *number);
    Ok(all)
}

/// The number of the last proposal that waits to be decided together with what this run proposes.
pub(super) async fn last_proposal(parts: &Parts, own: &Run) -> Result<u32, LedgerError> {
    let before = runs_before(parts, own).await?;
    let all = proposed(parts, &before, own).await?;
    Ok(all.last().map_or(0, |(number, _)| *number))
}

/// Whether a run before this one has begun to write for its agent.
pub(super) async fn has_written(parts: &Parts, own: &Run) -> bool {
    for run in runs_before(parts, own).await.unwrap_or_default() {
        if wrote(parts, &run).await.unwrap_or_default() {
            return true;
        }
    }
    false
}

/// Whether a run wrote anything for its agent. A check that ran is nothing that was written.
pub(super) async fn wrote(parts: &Parts, run: &Run) -> Result<bool, LedgerError> {
    let effects = parts.ledger.effects(&run.id).await?;
    let is_own = |effect: &Effect| effect.actor == EffectActor::Agent && effect.tool != RUN_CHECK;
    Ok(effects.iter().any(|effect| is_own(effect) && may_show(effect)))
}

/// The number of a run's last journaled write.
pub(super) async fn last_seq(parts: &Parts, run: &Run) -> Result<u32, LedgerError> {
    let effects = parts.ledger.effects(&run.id).await?;
    Ok(effects.iter().map(|effect| effect.mark.seq).max().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_list_of_what_was_done_says_how_many_it_leaves_out() {
        let one = |attempt| (attempt, "addComment (comment 7)".to_owned());
        assert_eq!(told(&[], true), "");
        assert_eq!(told(&[one(1)], false), "addComment (comment 7)");
        assert_eq!(told(&[one(2)], true), "attempt 2: addComment (comment 7)");
        let text = told(&vec![one(1); DONE_MAX + 5], true);
        assert!(text.ends_with(", and 5 more (see `rota runs list`)"), "{text}");
        assert_eq!(text.matches("addComment").count(), DONE_MAX);
    }
}
