//! A tick: look at everything, let people win, account for every instant, start what is due.

use super::beliefs::{Open, Working};
use super::books;
use super::dispatcher::Dispatcher;
use super::look::{self, LookError};
use crate::domain::{
    Claim, Decision, OccurrenceId, Phase, PlaybookName, Reason, Revoked, RunId, RunState,
};
use crate::ledger::LedgerError;
use crate::schedule::{Action, Plan, plan};
use crate::tools::desk::DeskError;
use std::collections::BTreeSet;
use std::time::Duration;

/// A daemon whose every look for so long could not read local state ends.
const BLIND_MAX: Duration = Duration::from_mins(5);
/// So often a dispatch plans again because it started or settled something.
const ROUNDS_MAX: usize = 64;

impl Dispatcher {
    /// Reconcile before dispatch; then the clock, the board's news, and the runs.
    pub(super) async fn tick(&mut self) {
        self.be_there().await;
        self.read_stop().await;
        if let Err(error) = self.read_state().await {
            tracing::error!(%error, "local state could not be read");
            return self.cannot_read(&error);
        }
        self.beliefs.blind_since = None;
        self.record_endings().await;
        self.record_ends().await;
        self.see_to_stops().await;
        self.reconcile().await;
        if self.scheduling {
            self.reconcile_assistants().await;
            self.forget_what_ended_elsewhere().await;
            self.wake().await;
            self.hear().await;
            self.see_to_parked().await;
            Box::pin(self.finish_reviews()).await;
            self.hear_authors().await;
            self.share().await;
        }
        self.dispatch().await;
        self.keep_house().await;
        // What was waited for may have ended by that.
        self.settle_ended().await;
    }

    /// What has to be known before anything is decided.
    pub(super) async fn read_state(&mut self) -> Result<(), LedgerError> {
        self.know_epoch().await?;
        books::refresh(&self.parts, &mut self.beliefs).await?;
        self.know_others().await
    }

    /// A database that was put back counts fences from a later epoch on: a daemon that knows an earlier one,
    /// because it was away meanwhile, would give such that were given before. It ends, and learns it when it
    /// starts again.
    async fn know_epoch(&self) -> Result<(), LedgerError> {
        let ledger = &self.parts.ledger;
        let Some(later) = ledger.later_epoch().await? else { return Ok(()) };
        let own = ledger.options().epoch;
        let why = format!(
            "the database was put back while this daemon was at work: it is at epoch {later}, and this daemon \
             began at {own}; it is to be started again"
        );
        ledger.give_up(&why);
        Err(LedgerError::Conflict { what: "the epoch".to_owned(), why })
    }

    /// A look that could not read local state decides nothing. One may be bad luck; when none in a
    /// while could, better an end that whoever started us sees than a daemon that does nothing. A store
    /// that others share is away at times, and comes back by itself: that is waited out.
    fn cannot_read(&mut self, error: &LedgerError) {
        if self.parts.ledger.is_shared() {
            return;
        }
        let now = self.parts.clock.boot();
        let since = *self.beliefs.blind_since.get_or_insert(now);
        if now.saturating_sub(since) >= BLIND_MAX {
            let blind = crate::domain::show_duration(BLIND_MAX);
            self.parts.ledger.give_up(&format!("it could not be read for {blind}: {error}"));
        }
    }

    /// The stop file counts, whoever wrote it and whenever; where daemons share a store, so does what
    /// any of them was told.
    pub(super) async fn read_stop(&mut self) {
        if self.parts.settings.state.is_none() {
            return;
        }
        let stopped = match self.parts.stopped().await {
            Ok(stopped) => stopped,
            // As long as nobody knows, it stays as it was.
            Err(error) => {
                return tracing::warn!(%error, "whether everything is stopped could not be read");
            }
        };
        if let Some(stopped) = &stopped
            && !self.beliefs.stopped
        {
            tracing::warn!(by = %stopped.by, reason = %stopped.reason, "everything is stopped");
            let detail = format!("stop-all by {}: {}", stopped.by, stopped.reason);
            self.halt_all(RunState::Cancelled, Reason::Stopped, &detail);
        }
        self.beliefs.stopped = stopped.is_some();
        self.beliefs.only_here = match (&stopped, self.parts.ledger.is_shared()) {
            (Some(_), true) => matches!(self.parts.ledger.stopped().await, Ok(None)),
            _ => false,
        };
    }

    /// People win: a run whose task a person took over is told to stop.
    async fn reconcile(&self) {
        // Together: a board may take all these questions in one request.
        let workers = self.beliefs.workers.iter();
        futures::future::join_all(workers.map(|(run, worker)| self.reconcile_one(run, worker)))
            .await;
    }

    async fn reconcile_one(&self, run: &RunId, worker: &Working) {
        let Some(task) = worker.task else { return };
        let claim = match self.parts.ledger.claim(task).await {
            Ok(Some(Claim { revoked: Some(revoked), .. })) if self.is_mine(&revoked) => {
                let detail = "an operator took the claim away";
                return worker.halt.halt(RunState::ClaimLost, Reason::ForceReleased, detail);
            }
            Ok(Some(claim)) if claim.phase == Phase::Working => claim,
            Ok(_) => return,
            Err(error) => return tracing::warn!(%task, %error, "the claim could not be read"),
        };
        match self.parts.journal.look(&claim).await {
            Ok(Some((reason, detail))) => {
                tracing::info!(%task, %run, %reason, %detail, "a person took over");
                worker.halt.halt(RunState::Yielded, reason, detail);
            }
            Ok(None) => {}
            Err(error) => tracing::warn!(%task, %error, "the task could not be looked at"),
        }
    }

    /// Whether a claim that was taken away was one of this life's.
    fn is_mine(&self, revoked: &Revoked) -> bool {
        let (holder, settings) = (&revoked.holder, &self.parts.settings);
        holder.daemon == settings.daemon && holder.life == settings.life
    }

    /// Records why something was not done.
    pub(super) async fn decide(
        &self,
        playbook: &PlaybookName,
        task: Option<crate::domain::TaskId>,
        reason: Reason,
        detail: &str,
    ) {
        let decision = Decision {
            playbook: playbook.clone(),
            task,
            reason,
            detail: detail.to_owned(),
            run: None,
            at: self.parts.clock.wall(),
        };
        if let Err(error) = self.parts.ledger.decide(decision).await {
            tracing::warn!(%playbook, %error, "a decision could not be recorded");
        }
    }

    /// Plans and carries out, until a plan changes nothing any more.
    pub(super) async fn dispatch(&mut self) {
        for _ in 0..ROUNDS_MAX {
            self.settle_ended().await;
            if !self.beliefs.open.values().any(|open| !open.closed) {
                return;
            }
            let snapshot = match look::look(&self.parts, &mut self.beliefs).await {
                Ok(snapshot) => snapshot,
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "nothing can be started"
                    );
                    return self.leave_unlooked(&error).await;
                }
            };
            let plan = plan(&snapshot);
            if !self.carry_out(plan).await {
                return;
            }
        }
    }

    /// True when something was started or ended, so that the next plan may differ.
    async fn carry_out(&mut self, plan: Plan) -> bool {
        let mut changed = false;
        let somebody_waits = self.beliefs.open.values().any(|open| !open.replies.is_empty());
        for refusal in plan.refusals {
            self.decide(&refusal.playbook, refusal.task, refusal.reason, &refusal.detail).await;
            self.clarify(&refusal).await;
            if let (Reason::PingPong, Some(task)) = (refusal.reason, refusal.task) {
                self.tell_ping_pong(&refusal.playbook, task, &refusal.detail).await;
            }
            if !somebody_waits {
                continue;
            }
            let waiting = self.beliefs.open.values_mut().filter(|open| {
                open.occurrence.playbook == refusal.playbook
                    && !open.closed
                    && !open.replies.is_empty()
            });
            for open in waiting {
                open.refuse(refusal.task, refusal.reason, &refusal.detail);
            }
        }
        // What could not be begun is planned anew as a whole: closed, it would end without a run.
        let mut not_begun: BTreeSet<OccurrenceId> = BTreeSet::new();
        for action in plan.actions {
            match action {
                Action::Start { occurrence, .. } | Action::Close { occurrence }
                    if not_begun.contains(&occurrence) => {}
                Action::Start { occurrence, task, attempt, .. } => {
                    if self.start(&occurrence, task, attempt, None).await {
                        changed = true;
                    } else {
                        changed |= self.leave_unbegun(&occurrence);
                        not_begun.insert(occurrence);
                    }
                }
                Action::Wait { occurrence, reason } => {
                    tracing::debug!(%occurrence, %reason, "waits");
                }
                Action::Close { occurrence } => {
                    if let Some(open) = self.beliefs.open.get_mut(&occurrence) {
                        open.closed = true;
                        changed = true;
                    }
                }
                Action::Finish { occurrence, reason } => {
                    self.settle(&occurrence, Some(reason)).await;
                    changed = true;
                }
                Action::Skip { occurrence, reason } => {
                    self.skip(&occurrence, reason).await;
                    changed = true;
                }
                Action::Cancel { occurrence, reason } => {
                    self.cancel(&occurrence, reason).await;
                }
            }
        }
        changed
    }

    /// One that could not be begun waits for the next look, which tells whether it was. Where none comes,
    /// whoever waits for it is told. True when it is not open here any more.
    fn leave_unbegun(&mut self, id: &OccurrenceId) -> bool {
        if self.scheduling {
            return !self.beliefs.open.contains_key(id);
        }
        let message = format!("local state did not say whether {id} has begun");
        self.let_unbegun_go(id, Reason::StoreFailed, &message);
        true
    }

    /// Nothing could be looked at, so nothing more is begun for now: the next look tries again. Where none
    /// comes, what has begun ends with the runs it had, and whoever waits for the rest is told.
    async fn leave_unlooked(&mut self, error: &LookError) {
        if self.scheduling {
            return;
        }
        let is_left =
            |(id, open): &(&OccurrenceId, &Open)| !open.closed && !self.beliefs.has_workers(id);
        let left = self.beliefs.open.iter().filter(is_left);
        let left: Vec<_> = left.map(|(id, open)| (id.clone(), open.started > 0)).collect();
        let reason = match error {
            LookError::Board(_) => Reason::BoardUnavailable,
            LookError::Ledger(_) | LookError::Claims(_) => Reason::StoreFailed,
        };
        for (id, has_begun) in left {
            if has_begun {
                self.settle(&id, None).await;
            } else {
                self.let_unbegun_go(&id, reason, &format!("{id} was not begun: {error}"));
            }
        }
    }

    /// It is not open here any more, and whoever waits for it is told why.
    fn let_unbegun_go(&mut self, id: &OccurrenceId, reason: Reason, message: &str) {
        let Some(mut open) = self.beliefs.open.remove(id) else { return };
        for reply in std::mem::take(&mut open.replies) {
            let message = message.to_owned();
            let _ = reply.send(Err(DeskError::Refused { reason, message }));
        }
    }

    async fn cancel(&self, occurrence: &OccurrenceId, reason: Reason) {
        for worker in self.beliefs.workers.values().filter(|w| w.occurrence == *occurrence) {
            worker.halt.halt(RunState::Cancelled, reason, reason.text());
        }
        // Runs of one that was begun before may be under way at a daemon that was thought gone.
        let is_taken_over = self.parts.ledger.is_shared()
            && self.beliefs.open.get(occurrence).is_some_and(|open| open.begun_before);
        if (is_taken_over || self.beliefs.elsewhere.contains_key(occurrence))
            && let Err(error) = self.ask_to_stop(occurrence, reason).await
        {
            tracing::warn!(%occurrence, %error, "what is under way elsewhere was not asked to stop");
        }
    }

    /// Settles occurrences whose runs have all ended.
    pub(super) async fn settle_ended(&mut self) {
        let ended: Vec<OccurrenceId> = self
            .beliefs
            .open
            .iter()
            .filter(|(id, open)| open.closed && !self.beliefs.has_workers(id))
            .map(|(id, _)| id.clone())
            .collect();
        for id in ended {
            if self.has_ended(&id).await {
                self.settle(&id, None).await;
            }
        }
    }
}
