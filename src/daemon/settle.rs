//! The end of an occurrence: its record, its notices, and the answer to whoever waits for it.

use super::beliefs::Open;
use super::dispatcher::Dispatcher;
use super::endings::is_not_taken;
use super::report;
use super::telling;
use super::warnings;
use crate::domain::{
    Decision, Notice, OccurrenceId, OccurrenceState, Playbook, Reason, Run, RunId, RunState,
};
use crate::ledger::{InRow, LedgerError};
use crate::tools::desk::DeskError;
use std::sync::Arc;

/// What became of an occurrence, and what people are told of it.
#[derive(Clone, Debug)]
pub(super) struct End {
    /// Which.
    pub id: OccurrenceId,
    state: OccurrenceState,
    notices: Vec<Notice>,
    in_row: Option<(Arc<Playbook>, InRow)>,
}

impl Dispatcher {
    /// Settles an occurrence that has no runs under way: `finish` says why it had none.
    pub(super) async fn settle(&mut self, id: &OccurrenceId, finish: Option<Reason>) {
        let Some(open) = self.beliefs.open.remove(id) else { return };
        let reason = finish.unwrap_or_else(|| reason_of(&open));
        if self.is_left_to_the_next_life(&open) {
            tracing::info!(occurrence = %id, "broken off: the next daemon runs it again");
            return self.answer(open, reason).await;
        }
        let notices = match &open.playbook {
            Some(playbook) => telling::of_occurrence(&self.parts, playbook, &open.runs).await,
            None => Vec::new(),
        };
        let runs: Vec<RunId> = open.runs.iter().map(|run| run.id.clone()).collect();
        let at = self.parts.clock.wall();
        let state = OccurrenceState::Ran { runs, reason, at };
        let in_row = in_row(&open);
        // Its end and what is told and counted of it are one: what is not recorded as over is told and
        // counted later, or by the next life.
        let end = End { id: id.clone(), state, notices, in_row: in_row.clone() };
        let is_recorded = self.record_end(end).await;
        self.remember(&open, reason).await;
        if is_recorded {
            self.pause_after_failures(in_row).await;
        }
        self.outbox.notify_one();
        self.answer(open, reason).await;
    }

    /// Settles an occurrence that does not run any more.
    pub(super) async fn skip(&mut self, id: &OccurrenceId, reason: Reason) {
        let Some(open) = self.beliefs.open.remove(id) else { return };
        tracing::info!("{}: skipped ({reason})", open.occurrence.playbook);
        let state = OccurrenceState::Skipped { reason };
        self.record_end(End { id: id.clone(), state, notices: Vec::new(), in_row: None }).await;
        self.answer(open, reason).await;
    }

    /// Records an end; whether it is. Where the store fails for a while it is done again later: until then
    /// the occurrence would stand in the way of all that come after it.
    async fn record_end(&mut self, end: End) -> bool {
        let End { id, state, notices, in_row } = &end;
        let (ledger, in_row) = (&self.parts.ledger, in_row.as_ref().map(|(_, what)| *what));
        match ledger.settle_occurrence(id, state.clone(), notices, in_row).await {
            Ok(()) => return true,
            Err(error) if is_not_taken(&error) => {
                tracing::error!(occurrence = %id, %error, "its end is recorded later");
                self.beliefs.unrecorded.push(end);
            }
            // It was taken over, or has ended otherwise.
            Err(error @ LedgerError::Conflict { .. }) => {
                tracing::warn!(occurrence = %id, %error, "its end is not recorded here");
            }
            Err(error) => {
                tracing::error!(occurrence = %id, %error, "its end could not be recorded");
            }
        }
        false
    }

    /// Records the ends that could not be recorded before.
    pub(super) async fn record_ends(&mut self) {
        for end in std::mem::take(&mut self.beliefs.unrecorded) {
            let in_row = end.in_row.clone();
            if self.record_end(end).await {
                self.pause_after_failures(in_row).await;
            }
        }
    }

    /// Lets an occurrence go that another daemon has taken up; its end is recorded there.
    pub(super) async fn forget(&mut self, id: &OccurrenceId) {
        let Some(open) = self.beliefs.open.remove(id) else { return };
        self.answer(open, Reason::AlreadyClaimed).await;
    }

    async fn answer(&self, mut open: Open, reason: Reason) {
        let replies = std::mem::take(&mut open.replies);
        if replies.is_empty() {
            return;
        }
        let report = report::of_occurrence(&self.parts, &open, reason).await;
        for reply in replies {
            let answer = match &report {
                Ok(report) => Ok(report.clone()),
                Err(error) => Err(DeskError::Failed {
                    what: format!(
                        "the report of {} could not be read: {error}",
                        open.occurrence.id
                    ),
                    source: None,
                }),
            };
            let _ = reply.send(answer);
        }
    }

    /// What the runs say about tasks and playbook, for `rota why`.
    async fn remember(&self, open: &Open, reason: Reason) {
        for run in &open.runs {
            let decision = Decision {
                playbook: run.playbook.clone(),
                task: run.task,
                reason: run.reason.unwrap_or(Reason::WorkFailed),
                detail: run.detail.clone(),
                run: Some(run.id.clone()),
                at: run.ended.unwrap_or_else(|| self.parts.clock.wall()),
            };
            if let Err(error) = self.parts.ledger.decide(decision).await {
                tracing::warn!(run = %run.id, %error, "a decision could not be recorded");
            }
        }
        if open.runs.iter().all(|run| run.task.is_some()) {
            let (playbook, detail) = (&open.occurrence.playbook, open.occurrence.id.as_str());
            self.decide(playbook, None, reason, detail).await;
        }
    }

    /// A playbook that has failed so often in a row as it says pauses itself.
    async fn pause_after_failures(&self, in_row: Option<(Arc<Playbook>, InRow)>) {
        let Some((playbook, InRow::Failure)) = in_row else { return };
        let Some(limit) = playbook.on_failure.pause_after else { return };
        let switch = match self.parts.ledger.playbook_switch(&playbook.name).await {
            Ok(switch) => switch,
            Err(error) => {
                return tracing::warn!(
                    playbook = %playbook.name, %error, "its failures in a row could not be read"
                );
            }
        };
        if switch.failures_in_row >= limit && switch.paused.is_none() {
            let why = format!("{} failures in a row", switch.failures_in_row);
            self.pause_itself(&playbook, &why).await;
        }
    }

    async fn pause_itself(&self, playbook: &Playbook, why: &str) {
        let name = &playbook.name;
        tracing::warn!(playbook = %name, why, "the playbook pauses itself");
        let notices = warnings::of_pause(&self.parts, playbook, why);
        if let Err(error) = self.parts.ledger.pause_telling(name, "rota", why, &notices).await {
            tracing::error!(playbook = %name, %error, "the pause could not be recorded");
            return;
        }
        self.decide(name, None, Reason::PausedItself, why).await;
    }
}

/// An occurrence counts once, by what its tasks came to in their last attempts: one that was done ends a
/// row of failures.
fn in_row(open: &Open) -> Option<(Arc<Playbook>, InRow)> {
    let playbook = open.playbook.as_ref().filter(|_| !open.only_ends)?;
    let counts = |run: &&Run| !open.gone_on.contains(&run.id);
    let ends = || last_attempts(&open.runs).filter(counts).map(|run| run.state);
    let what = if ends().any(|s| matches!(s, RunState::Succeeded | RunState::NothingToDo)) {
        InRow::Success
    } else if ends().any(RunState::may_retry) {
        InRow::Failure
    } else {
        return None;
    };
    Some((Arc::clone(playbook), what))
}

/// The last attempts at each task; runs about none are attempts at the occurrence itself.
pub(super) fn last_attempts(runs: &[Run]) -> impl Iterator<Item = &Run> {
    let is_last =
        |place: usize, run: &Run| runs.iter().skip(place + 1).all(|later| later.task != run.task);
    runs.iter().enumerate().filter(move |(place, run)| is_last(*place, run)).map(|(_, run)| run)
}

/// One word for a whole occurrence: the worst of what its tasks came to in their last attempts.
fn reason_of(open: &Open) -> Reason {
    let failed = last_attempts(&open.runs).find(|run| run.state.may_retry());
    let run = failed.or_else(|| open.runs.last());
    let refused = || open.refused.last().map(|(_, reason, _)| *reason);
    run.and_then(|run| run.reason).or_else(refused).unwrap_or(Reason::NothingToDo)
}
