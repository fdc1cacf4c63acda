//! What a daemon left that is gone: its occurrences are another's, who begins its reports again as the
//! next attempt; what it had set aside for runs is given back. Its claims end with their leases.

use super::beliefs::Open;
use super::dispatcher::Dispatcher;
use super::recovery::taken_up;
use super::settle::last_attempts;
use crate::domain::{Occurrence, OccurrenceId, OccurrenceState, Reason, Run};
use crate::ledger::{LedgerError, LifeOf, RunFilter};
use crate::schedule::Fits;
use std::collections::BTreeSet;
use std::time::Duration;

/// So long an occurrence of which nothing says where it is under way is left to whoever began it.
const UNSAID_MAX: Duration = Duration::from_mins(10);
/// Among so many of the latest runs at a task the next attempt is looked for.
const AT_TASK_MAX: usize = 100;

impl Dispatcher {
    /// An occurrence that is under way, and not here as far as is known.
    pub(super) async fn look_elsewhere(
        &mut self,
        occurrence: Occurrence,
    ) -> Result<(), LedgerError> {
        let at = match self.parts.ledger.occurrence_at(&occurrence.id).await {
            // It is under way, wherever that is.
            Err(error) if error.is_of_newer() => {
                self.count_elsewhere(occurrence);
                return Ok(());
            }
            at => at?,
        };
        if at == Some(self.parts.ledger.own_life()) {
            // The answer was lost when it was begun or taken over, or something failed after that.
            return self.carry_on(occurrence).await;
        }
        if !self.parts.ledger.is_shared() {
            return Ok(());
        }
        let Some(at) = at else { return self.look_anywhere(occurrence).await };
        let is_left = !self.scheduling
            || self.beliefs.takes_nothing_new()
            || self.beliefs.is_there(&at)
            || self.fits_named(&occurrence.playbook) == Fits::Elsewhere;
        if is_left {
            self.count_elsewhere(occurrence);
            return Ok(());
        }
        if self.takes_over(&occurrence.id, &at).await? {
            self.carry_on(occurrence).await?;
        }
        Ok(())
    }

    /// One that was begun by a version which did not say where. It is that daemon's to end; where none
    /// is there that carries out a run of it, it is taken over after a while.
    async fn look_anywhere(&mut self, occurrence: Occurrence) -> Result<(), LedgerError> {
        let (id, boot) = (occurrence.id.clone(), self.parts.clock.boot());
        let since = *self.beliefs.unsaid.entry(id.clone()).or_insert(boot);
        let is_left = !self.scheduling
            || self.beliefs.takes_nothing_new()
            || boot.saturating_sub(since) < UNSAID_MAX
            || self.fits_named(&occurrence.playbook) == Fits::Elsewhere;
        if is_left || self.is_with_somebody(&id).await? {
            self.count_elsewhere(occurrence);
            return Ok(());
        }
        if self.parts.ledger.take_over_unsaid(&id).await? {
            tracing::warn!(occurrence = %id, "taken over: nobody is there who carries it out");
            self.beliefs.unsaid.remove(&id);
            self.carry_on(occurrence).await?;
        }
        Ok(())
    }

    /// Whether another daemon is there that carries out a run of an occurrence.
    async fn is_with_somebody(&self, id: &OccurrenceId) -> Result<bool, LedgerError> {
        let running = self.parts.ledger.running().await?;
        let mut daemons = running
            .iter()
            .filter(|run| run.occurrence == *id)
            .filter_map(|run| run.daemon.as_ref());
        let others = &self.beliefs.others;
        Ok(daemons.any(|daemon| others.iter().any(|it| it.is_there && it.record.id == *daemon)))
    }

    fn count_elsewhere(&mut self, occurrence: Occurrence) {
        if occurrence.task.is_none() && self.scheduling {
            self.beliefs.elsewhere.insert(occurrence.id.clone(), occurrence);
        }
    }

    /// One that is at this life while nothing of it is under way here. What fails is done again by the
    /// next look: until all is known of it, it is not among what is open.
    async fn carry_on(&mut self, occurrence: Occurrence) -> Result<(), LedgerError> {
        let id = occurrence.id.clone();
        // First the end that is known here is written down: no run that has ended is taken for broken off.
        if self.keeps_end_in(&id) {
            self.count_elsewhere(occurrence);
            return Ok(());
        }
        self.end_reports_of(&id).await?;
        self.adopt(occurrence).await?;
        // At the end of this life it is left to the next.
        if !self.beliefs.draining {
            self.run_again_of(&id).await;
        }
        Ok(())
    }

    /// Takes an occurrence over from a life that is gone; of several daemons one does.
    async fn takes_over(&mut self, id: &OccurrenceId, from: &LifeOf) -> Result<bool, LedgerError> {
        // Whoever began it may have come since the others were looked at.
        self.know_others().await?;
        if self.beliefs.is_there(from) {
            return Ok(false);
        }
        let is_ours = self.parts.ledger.take_over_occurrence(id, from).await?;
        if is_ours {
            tracing::warn!(occurrence = %id, daemon = %from.daemon, "taken over: its daemon is gone");
        }
        Ok(is_ours)
    }

    /// One that was begun and takes no more tasks: its runs that have ended are told of.
    async fn adopt(&mut self, occurrence: Occurrence) -> Result<(), LedgerError> {
        let open = self.begun_before(occurrence).await?;
        self.beliefs.open.insert(open.occurrence.id.clone(), open);
        Ok(())
    }

    /// One that was begun before, with what is known of its runs. What it had not begun by then waits for
    /// the next occurrence.
    pub(super) async fn begun_before(&self, occurrence: Occurrence) -> Result<Open, LedgerError> {
        let playbook = self.parts.playbook(&occurrence.playbook);
        let mut open = Open::new(occurrence, playbook);
        open.closed = true;
        open.begun_before = true;
        open.refuse(None, Reason::Interrupted, Reason::Interrupted.text());
        open.runs = self.runs_of(&open.occurrence).await?;
        let Occurrence { id, playbook, .. } = &open.occurrence;
        open.unmade = open.runs.is_empty() && !self.parts.ledger.may_have_run(id, playbook).await?;
        Ok(open)
    }

    /// Whether all runs of an occurrence have ended that is to be settled. Of one that was begun before,
    /// some may be under way under claims of their own: at the daemon that had begun it, which is gone for
    /// others and may not be, or at nobody until their claims end. They are told of with it.
    pub(super) async fn has_ended(&mut self, id: &OccurrenceId) -> bool {
        match self.try_to_know_runs(id).await {
            Ok(has_ended) => has_ended,
            Err(error) => {
                tracing::warn!(occurrence = %id, %error, "whether its runs have ended could not be read");
                false
            }
        }
    }

    async fn try_to_know_runs(&mut self, id: &OccurrenceId) -> Result<bool, LedgerError> {
        let Some(open) = self.beliefs.open.get(id).filter(|open| open.begun_before) else {
            return Ok(true);
        };
        let is_claimed = |run: &Run| run.occurrence == *id && run.fence.is_some();
        if self.parts.ledger.running().await?.iter().any(is_claimed) {
            return Ok(false);
        }
        let mut runs = self.runs_of(&open.occurrence).await?;
        // What has ended here and is not written down yet counts, too.
        let is_unwritten = |run: &&Run| runs.iter().all(|known| known.id != run.id);
        let unwritten: Vec<Run> = open.runs.iter().filter(is_unwritten).cloned().collect();
        runs.extend(unwritten);
        // As they came: what is not written down may be an earlier attempt.
        runs.sort_by_key(|run| (run.started, run.attempt, run.fence));
        let last: Vec<Run> = last_attempts(&runs).cloned().collect();
        let mut gone_on = BTreeSet::new();
        for run in last {
            let is_held = match self.is_held_on(&run).await {
                // Whatever a newer Rota does at the task now, it does for another occurrence.
                Err(error) if error.is_of_newer() => false,
                held => held?,
            };
            if is_held {
                return Ok(false);
            }
            match self.has_gone_on(&run).await? {
                Some(true) => {
                    gone_on.insert(run.id);
                }
                Some(false) => {}
                None => return Ok(false),
            }
        }
        if let Some(open) = self.beliefs.open.get_mut(id) {
            open.runs = runs;
            open.gone_on = gone_on;
        }
        Ok(true)
    }

    /// Whether a run that failed was followed by the next attempt under another occurrence: whoever took its
    /// claim up did not have this one. `None`: such an occurrence is under way, and may begin it yet.
    async fn has_gone_on(&self, run: &Run) -> Result<Option<bool>, LedgerError> {
        let claimed = run.task.zip(run.fence).filter(|_| run.state.may_retry());
        let Some((task, fence)) = claimed else { return Ok(Some(false)) };
        let begins = taken_up(&run.playbook, task, fence);
        let is_next = |id: &OccurrenceId| id.as_str().starts_with(&begins);
        // Read before its runs: one that is not under way any more has begun what it was to begin.
        let open = self.parts.ledger.open_occurrences().await?;
        let filter = RunFilter { task: Some(task), ..RunFilter::default() };
        let runs = self.parts.ledger.runs(&filter, AT_TASK_MAX).await?;
        if runs.iter().any(|next| next.attempt > run.attempt && is_next(&next.occurrence)) {
            return Ok(Some(true));
        }
        let may_go_on = open.iter().any(|occurrence| is_next(&occurrence.id));
        Ok((!may_go_on).then_some(false))
    }

    /// The runs without a claim of one that is at this life: those that no worker carries out here have
    /// ended with the life that did, whatever has that daemon's name by now.
    async fn end_reports_of(&mut self, id: &OccurrenceId) -> Result<(), LedgerError> {
        for run in self.parts.ledger.running().await? {
            let is_its = run.occurrence == *id && run.fence.is_none();
            if is_its && self.worker_of(&run).is_none() {
                self.end_broken_off(run).await?;
            }
        }
        Ok(())
    }

    /// Whether a run without a claim has ended by its occurrence: that one has settled, and the daemon
    /// is gone that carried it out, or is this one; or it is at this life, where nobody does.
    pub(super) async fn is_left_behind(&self, run: &Run) -> Result<bool, LedgerError> {
        let ledger = &self.parts.ledger;
        if run.fence.is_some() || self.worker_of(run).is_some() {
            return Ok(false);
        }
        let looked = async {
            let at = ledger.occurrence_at(&run.occurrence).await?;
            Ok::<_, LedgerError>((at, ledger.occurrence(&run.occurrence).await?))
        };
        let (at, occurrence) = match looked.await {
            Err(error) if error.is_of_newer() => return Ok(false),
            looked => looked?,
        };
        if ledger.is_shared() && at == Some(ledger.own_life()) {
            return Ok(true);
        }
        let has_settled = occurrence.is_some_and(|occurrence| occurrence.state.is_settled());
        // Of one that ended here, its end could not be written down.
        Ok(has_settled && (self.is_own(run) || self.is_of_one_gone(run)))
    }

    /// Whether another daemon carried a run out that is not there any more.
    pub(super) fn is_of_one_gone(&self, run: &Run) -> bool {
        let Some(daemon) = run.daemon.as_ref().filter(|_| self.parts.ledger.is_shared()) else {
            return false;
        };
        let mut others = self.beliefs.others.iter();
        let is_there = others.any(|other| other.record.id == *daemon && other.is_there);
        *daemon != self.parts.settings.daemon && !is_there
    }

    /// What somebody asked for by hand, and nobody waits for any more: at a daemon that is gone, or at this
    /// one, where they were told that it could not be written down.
    pub(super) async fn end_forsaken_wish(
        &mut self,
        occurrence: &Occurrence,
    ) -> Result<(), LedgerError> {
        let Some(at) = self.parts.ledger.occurrence_at(&occurrence.id).await? else {
            return Ok(());
        };
        let is_left = at != self.parts.ledger.own_life()
            && (!self.parts.ledger.is_shared()
                || self.beliefs.is_there(&at)
                || !self.takes_over(&occurrence.id, &at).await?);
        if !is_left {
            let state = OccurrenceState::Skipped { reason: Reason::Interrupted };
            self.parts.ledger.set_occurrence_state(&occurrence.id, state).await?;
        }
        Ok(())
    }

    /// What lives that are gone had set aside for runs that never began is given back, once.
    pub(super) async fn bury(&mut self) -> Result<(), LedgerError> {
        let life_of = |other: &crate::ledger::KnownDaemon| LifeOf {
            daemon: other.record.id.clone(),
            life: other.record.life.clone(),
        };
        let others = self.beliefs.others.iter();
        let gone: Vec<LifeOf> = others.filter(|other| !other.is_there).map(life_of).collect();
        // One that comes back is there again.
        self.beliefs.buried.retain(|buried| gone.contains(buried));
        for whose in gone {
            if self.beliefs.buried.contains(&whose) {
                continue;
            }
            let given_back = self.parts.ledger.give_back_of(|of| *of == whose).await?;
            tracing::debug!(daemon = %whose.daemon, runs = given_back, "a daemon is gone");
            self.beliefs.buried.insert(whose);
        }
        Ok(())
    }
}
