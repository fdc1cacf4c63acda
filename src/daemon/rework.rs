//! What reviewers asked for: it is taken up as soon as it is queued, and nothing that breaks off loses it.

use super::dispatcher::Dispatcher;
use crate::domain::{Occurrence, OccurrenceId, OccurrenceState, Reason, Run, RunState, TaskId};
use crate::ledger::LedgerError;

impl Dispatcher {
    /// A rework that a stop, or the end of the daemon, broke off before anything of it showed is still to
    /// be done: it waits anew, for the end of the stop or the next daemon.
    pub(super) async fn leave_rework_for_later(&self, id: &OccurrenceId, task: Option<TaskId>) {
        let Some(open) = self.beliefs.open.get(id) else { return };
        if !open.occurrence.is_rework() {
            return;
        }
        match self.shows_nothing_of(&open.runs, task).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => return tracing::warn!(occurrence = %id, %error, "it is not begun again"),
        }
        let Some(last) = open.runs.last() else { return };
        let again = Occurrence {
            id: OccurrenceId::new(format!("{id}/again/{}", last.id)),
            state: OccurrenceState::Queued,
            decided: self.parts.clock.wall(),
            ..open.occurrence.clone()
        };
        if let Err(error) = self.parts.ledger.put_occurrence(&again).await {
            tracing::error!(occurrence = %id, %error, "the rework is not queued again");
        }
    }

    /// Whether a stop ended runs at a task before any of them had written to the board.
    async fn shows_nothing_of(
        &self,
        runs: &[Run],
        task: Option<TaskId>,
    ) -> Result<bool, LedgerError> {
        let is_stopped = |run: &Run| {
            let by_stop = matches!(run.reason, Some(Reason::Stopped | Reason::Draining));
            run.task == task && run.state == RunState::Cancelled && by_stop
        };
        if !runs.last().is_some_and(is_stopped) {
            return Ok(false);
        }
        for run in runs.iter().filter(|run| run.task == task) {
            if !self.parts.ledger.effects(&run.id).await?.is_empty() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
