//! Stopping a run: here, or at whichever daemon on the store carries it out. What one is asked that has
//! it not stands in the store until the run has ended; who has it reads that.

use super::beliefs::Working;
use super::dispatcher::{Dispatcher, failed};
use super::unclaimed::of_claim;
use crate::domain::{Claim, OccurrenceId, Phase, Reason, Run, RunId, RunState};
use crate::ledger::LedgerError;
use crate::tools::desk::DeskError;
use std::collections::BTreeSet;
use tokio::sync::oneshot;

impl Dispatcher {
    /// Stops a run; whoever asks is told when it has ended.
    pub(super) async fn stop_run(
        &mut self,
        run: RunId,
        by: &str,
        reply: oneshot::Sender<Result<(), DeskError>>,
    ) {
        let record = match self.parts.ledger.run(run.as_str()).await {
            Ok(record) => record.filter(|record| record.state == RunState::Running),
            Err(_) => None,
        };
        // Later attempts have other names: the record tells which worker has this one.
        let own = self.beliefs.workers.get(&run);
        let worker = own.or_else(|| record.as_ref().and_then(|record| self.worker_of(record)));
        if let Some(worker) = worker {
            worker.halt.halt(RunState::Cancelled, Reason::Cancelled, format!("by {by}"));
            return self.beliefs.stoppers.push((run, reply));
        }
        let is_anothers =
            |record: &Run| record.daemon.as_ref().is_some_and(|d| *d != self.parts.settings.daemon);
        let Some(record) =
            record.filter(|record| self.parts.ledger.is_shared() && is_anothers(record))
        else {
            let message = format!("run {run} is not under way here");
            let _ = reply.send(Err(DeskError::NotFound(message)));
            return;
        };
        match self.parts.ledger.ask_stop(&record.id, by).await {
            Ok(()) => self.beliefs.stoppers.push((record.id, reply)),
            Err(error) => {
                let _ = reply.send(Err(failed(error)));
            }
        }
    }

    /// Asks whichever daemon carries an occurrence out to stop its runs.
    pub(super) async fn ask_to_stop(
        &self,
        occurrence: &OccurrenceId,
        reason: Reason,
    ) -> Result<(), LedgerError> {
        let ledger = &self.parts.ledger;
        let asked = ledger.stops_asked().await?;
        for run in ledger.running().await?.iter().filter(|run| run.occurrence == *occurrence) {
            if asked.iter().all(|asked| asked.run != run.id) {
                ledger.ask_stop(&run.id, &format!("rota: {}", reason.text())).await?;
            }
        }
        Ok(())
    }

    /// The worker that carries a run out, if one does here.
    pub(super) fn worker_of(&self, run: &Run) -> Option<&Working> {
        let mut workers = self.beliefs.workers.values();
        workers.find(|w| w.task == run.task && w.occurrence == run.occurrence)
    }

    /// Stops what others were asked to stop, and tells those who asked here what has ended elsewhere.
    pub(super) async fn see_to_stops(&mut self) {
        if !self.parts.ledger.is_shared() {
            return;
        }
        if let Err(error) = self.try_to_see_to_stops().await {
            tracing::warn!(%error, "which runs are to stop could not be read");
        }
    }

    async fn try_to_see_to_stops(&mut self) -> Result<(), LedgerError> {
        let ledger = &self.parts.ledger;
        let mut under_way = BTreeSet::new();
        for asked in ledger.stops_asked().await? {
            let run = match ledger.run(asked.run.as_str()).await {
                // It is for whoever can read it.
                Err(error) if error.is_of_newer() => continue,
                run => run?,
            };
            let Some(run) = run else {
                ledger.forget_stop(&asked.run).await?;
                continue;
            };
            // Whichever attempt it has come to by now.
            if let Some(worker) = self.worker_of(&run) {
                let detail = format!("by {}", asked.by);
                worker.halt.halt(RunState::Cancelled, Reason::Cancelled, detail);
            }
            if run.state == RunState::Running || self.is_under_way(&run).await? {
                under_way.insert(asked.run);
            } else {
                ledger.forget_stop(&asked.run).await?;
            }
        }
        let mut waiting = Vec::new();
        for (run, reply) in std::mem::take(&mut self.beliefs.stoppers) {
            // What has not ended here is told by its worker; a question without an answer is asked again.
            let record = ledger.run(run.as_str()).await;
            let is_over = record.is_ok_and(|r| r.is_none_or(|r| r.state != RunState::Running));
            let is_here = self.beliefs.workers.contains_key(&run);
            if is_over && !is_here && !under_way.contains(&run) {
                let _ = reply.send(Ok(()));
            } else {
                waiting.push((run, reply));
            }
        }
        self.beliefs.stoppers = waiting;
        Ok(())
    }

    /// Whether a run that has ended may have been one attempt, after which another comes.
    async fn is_under_way(&self, run: &Run) -> Result<bool, LedgerError> {
        if self.worker_of(run).is_some() {
            return Ok(true);
        }
        if run.task.is_none() || run.fence.is_none() {
            let occurrence = self.parts.ledger.occurrence(&run.occurrence).await?;
            return Ok(occurrence.is_some_and(|occurrence| !occurrence.state.is_settled()));
        }
        match self.is_held_on(run).await {
            Err(error) if error.is_of_newer() => Ok(true),
            held => held,
        }
    }

    /// Whether the claim that a run had is held for its occurrence: so it is from one attempt to the next.
    pub(super) async fn is_held_on(&self, run: &Run) -> Result<bool, LedgerError> {
        let ledger = &self.parts.ledger;
        let Some(task) = run.task.filter(|_| run.fence.is_some()) else { return Ok(false) };
        let claim = ledger.claim(task).await.map_err(of_claim)?;
        let is_held = |claim: &Claim| {
            claim.assistant.is_none() && !matches!(claim.phase, Phase::Free | Phase::Parked)
        };
        let Some(claim) = claim.filter(is_held) else { return Ok(false) };
        let holder = ledger.run(claim.run.as_str()).await?;
        Ok(holder.is_none_or(|holder| holder.occurrence == run.occurrence))
    }

    /// Whether somebody asked the run of a claim, or an attempt before it, to stop before its daemon was
    /// gone.
    pub(super) async fn is_to_stop(&self, claim: &Claim) -> bool {
        let ledger = &self.parts.ledger;
        if !ledger.is_shared() {
            return false;
        }
        let asked = ledger.stops_asked().await.unwrap_or_default();
        if asked.is_empty() {
            return false;
        }
        let own = ledger.run(claim.run.as_str()).await.ok().flatten();
        for asked in asked {
            if asked.run == claim.run {
                return true;
            }
            let before = ledger.run(asked.run.as_str()).await.ok().flatten();
            if let (Some(own), Some(before)) = (&own, before)
                && before.task == own.task
                && before.occurrence == own.occurrence
            {
                return true;
            }
        }
        false
    }
}
