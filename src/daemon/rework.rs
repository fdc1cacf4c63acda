//! What reviewers asked for: it is taken up as soon as it is queued, and nothing that breaks off loses it.

use super::beliefs::Open;
use super::dispatcher::Dispatcher;
use crate::domain::{Occurrence, OccurrenceId, OccurrenceState, Reason, Run, RunState, TaskId};
use crate::ledger::LedgerError;

impl Dispatcher {
    /// Occurrences that a reviewer's run has queued for another playbook.
    pub(super) async fn take_up_rework(&mut self) {
        let queued = match self.parts.ledger.open_occurrences().await {
            Ok(open) => open,
            Err(error) => {
                tracing::warn!(%error, "queued occurrences could not be read");
                return;
            }
        };
        let new = queued.into_iter().filter(|occurrence| {
            occurrence.is_passed_on()
                && occurrence.state == OccurrenceState::Queued
                && !self.is_left_to_a_daemon(occurrence)
                && !self.beliefs.open.contains_key(&occurrence.id)
        });
        for occurrence in new.collect::<Vec<_>>() {
            let playbook = self.parts.playbook(&occurrence.playbook);
            self.beliefs.open.insert(occurrence.id.clone(), Open::new(occurrence, playbook));
        }
    }

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
