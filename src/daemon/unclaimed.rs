//! After a crash: occurrences that were open, and runs that no claim leads to. A report whose run
//! was interrupted is made after all, as the next attempt.

use super::beliefs::Open;
use super::dispatcher::Dispatcher;
use super::{fate, rooms};
use crate::domain::{
    CatchUp, Claim, Occurrence, OccurrenceId, OccurrenceState, Phase, Playbook, Reason, Run, RunId,
    RunState, TaskId, Trigger, to_delta,
};
use crate::ledger::{ClaimError, LedgerError, RunFilter};
use crate::runner::process;
use crate::schedule::Fits;

impl Dispatcher {
    /// Programs of an earlier life must not go on working beside those of this one.
    pub(super) async fn end_children(&self) -> Result<(), LedgerError> {
        let given_back = self.parts.ledger.give_back_left_over().await?;
        if given_back > 0 {
            tracing::info!(
                runs = given_back,
                "what was set aside for runs that never began is given back"
            );
        }
        let mut under_way = self.parts.ledger.running().await?;
        under_way.retain(|run| self.was_on_this_machine(run) && self.may_have_children(run));
        let mut under_way: Vec<RunId> = under_way.into_iter().map(|run| run.id).collect();
        let workspaces = self.parts.workspaces.iter().flat_map(|all| all.list());
        under_way.extend(workspaces.map(|record| rooms::removing(&record.identifier)));
        if under_way.is_empty() {
            return Ok(());
        }
        let ended = process::sweep_left_over(&under_way).await;
        if ended > 0 {
            tracing::warn!(processes = ended, "programs of an earlier life were ended");
        }
        Ok(())
    }

    /// Whether a run may have started programs: one whose definition is unchanged and starts none
    /// is not looked for among all processes of the machine.
    fn may_have_children(&self, run: &Run) -> bool {
        self.parts.playbook(&run.playbook).is_none_or(|playbook| {
            let starts_some = playbook.work.program().is_some() || playbook.workspace.is_some();
            playbook.hash != run.definition || starts_some
        })
    }

    /// Occurrences that were open are open again.
    pub(super) async fn reopen(&mut self) -> Result<(), LedgerError> {
        let mut others = self.parts.ledger.running().await?;
        others.retain(|run| !self.is_own(run) && !self.is_of_one_gone(run));
        for occurrence in self.parts.ledger.open_occurrences().await? {
            let is_anothers = others.iter().any(|run| run.occurrence == occurrence.id);
            if is_anothers || !self.is_here_now(&occurrence).await? {
                continue;
            }
            // Nobody waits any more for what was asked for by hand in an earlier life.
            if occurrence.trigger == Trigger::Manual && occurrence.state == OccurrenceState::Queued
            {
                let state = OccurrenceState::Skipped { reason: Reason::Interrupted };
                self.parts.ledger.set_occurrence_state(&occurrence.id, state).await?;
                continue;
            }
            // Where nothing is scheduled it would be begun and broken off with the command.
            if self.is_left_to_a_daemon(&occurrence) {
                continue;
            }
            // What waits is taken up by the first look, where others may have it, too.
            if self.parts.ledger.is_shared() && occurrence.state == OccurrenceState::Queued {
                continue;
            }
            let open = if occurrence.state == OccurrenceState::Running {
                self.begun_before(occurrence).await?
            } else {
                let playbook = self.parts.playbook(&occurrence.playbook);
                Open::new(occurrence, playbook)
            };
            self.beliefs.open.insert(open.occurrence.id.clone(), open);
        }
        Ok(())
    }

    /// Whether an occurrence is this life's from now on, or nobody's: what an earlier one had begun is, and
    /// what another daemon had that is not there.
    async fn is_here_now(&self, occurrence: &Occurrence) -> Result<bool, LedgerError> {
        let ledger = &self.parts.ledger;
        let at = match ledger.occurrence_at(&occurrence.id).await {
            Err(error) if error.is_of_newer() => return Ok(false),
            at => at?,
        };
        let Some(at) = at else { return Ok(true) };
        let own = ledger.own_life();
        if at == own {
            return Ok(true);
        }
        let is_left = at.daemon != own.daemon && (ledger.is_shared() || !self.scheduling);
        if is_left {
            return Ok(false);
        }
        ledger.take_over_occurrence(&occurrence.id, &at).await
    }

    /// A rework that waits is a daemon's: a command without one ends before it does.
    pub(super) fn is_left_to_a_daemon(&self, occurrence: &Occurrence) -> bool {
        let waits = occurrence.state == OccurrenceState::Queued;
        !self.scheduling && waits && occurrence.is_passed_on()
    }

    pub(super) async fn runs_of(&self, occurrence: &Occurrence) -> Result<Vec<Run>, LedgerError> {
        let filter = RunFilter {
            playbook: Some(occurrence.playbook.clone()),
            since: Some(occurrence.decided.min(occurrence.planned)),
            ..RunFilter::default()
        };
        let runs = self.parts.ledger.runs(&filter, 1_000).await?;
        // As they came, not newest first.
        let own = runs.into_iter().rev().filter(|run| run.occurrence == occurrence.id);
        Ok(own.filter(|run| run.state != RunState::Running).collect())
    }

    /// Runs without a claim that were under way have ended with the process.
    pub(super) async fn interrupt_claimless(
        &mut self,
        claimed: &[RunId],
    ) -> Result<(), LedgerError> {
        for run in self.parts.ledger.running().await? {
            let is_left =
                !claimed.contains(&run.id) && (self.is_own(&run) || self.is_taken_over(&run));
            if is_left && self.waits(&run).await? {
                continue;
            }
            if is_left && !self.is_claimed(&run).await? {
                self.end_broken_off(run).await?;
            }
        }
        Ok(())
    }

    /// Whether a run without a claim is of an occurrence that an earlier life of this daemon took over,
    /// and did not come to see to.
    fn is_taken_over(&self, run: &Run) -> bool {
        let is_open = self.beliefs.open.contains_key(&run.occurrence);
        is_open && run.fence.is_none() && self.is_of_one_gone(run)
    }

    /// Own runs, and those of daemons that are gone, that are under way by their record while nobody works
    /// for them and their claim is somebody else's by now: it was taken anew before they were taken up.
    pub(super) async fn end_forsaken(&mut self) {
        if let Err(error) = self.try_to_end_forsaken().await {
            tracing::warn!(%error, "runs that were broken off could not be ended");
        }
    }

    async fn try_to_end_forsaken(&mut self) -> Result<(), LedgerError> {
        for run in self.parts.ledger.running().await? {
            let id = run.id.clone();
            match self.end_where_forsaken(run).await {
                // What a newer Rota wrote about one keeps nobody from ending the others.
                Err(error) if error.is_of_newer() => {
                    tracing::debug!(run = %id, %error, "it is not ended here");
                }
                ended => ended?,
            }
        }
        Ok(())
    }

    async fn end_where_forsaken(&mut self, run: Run) -> Result<(), LedgerError> {
        if self.knows_end_of(&run.id) {
            return Ok(());
        }
        if run.fence.is_none() {
            if self.is_left_behind(&run).await? {
                self.end_broken_off(run).await?;
            }
            return Ok(());
        }
        let has_worker = self.beliefs.workers.values().any(|w| w.task == run.task);
        let is_nobodys = self.is_own(&run) || self.is_of_one_gone(&run);
        let is_left = is_nobodys && !has_worker;
        if is_left && self.waits(&run).await? {
            return Ok(());
        }
        if is_left && !self.is_claimed(&run).await? {
            self.end_broken_off(run).await?;
        }
        Ok(())
    }

    /// Whether the claim's record still names a run: its holder, or whoever sees to what is left of
    /// it, ends the run.
    async fn is_claimed(&self, run: &Run) -> Result<bool, LedgerError> {
        let Some(task) = run.task.filter(|_| run.fence.is_some()) else { return Ok(false) };
        let ledger = &self.parts.ledger;
        let claim = match ledger.claim(task).await {
            // Whoever has it by now ends the run.
            Err(error) if error.is_of_newer() => return Ok(true),
            claim => claim.map_err(of_claim)?,
        };
        let Some(claim) = claim.filter(|claim| claim.run == run.id) else { return Ok(false) };
        if claim.phase != Phase::Free {
            return Ok(true);
        }
        let orphans = ledger.orphans().await.map_err(of_claim)?;
        Ok(orphans.iter().any(|orphan| orphan.task == task && orphan.fence == claim.fence))
    }

    /// The claim of a run, where its record still names the run.
    async fn claim_of(&self, run: &Run) -> Result<Option<Claim>, LedgerError> {
        let Some(task) = run.task.filter(|_| run.fence.is_some()) else { return Ok(None) };
        let claim = match self.parts.ledger.claim(task).await {
            Err(error) if error.is_of_newer() => return Ok(None),
            claim => claim.map_err(of_claim)?,
        };
        Ok(claim.filter(|claim| claim.run == run.id))
    }

    /// Whether a run broke off when its claim waited for a person already: all that is missing is its
    /// end, which is written now.
    async fn waits(&mut self, run: &Run) -> Result<bool, LedgerError> {
        let waits = |claim: &Claim| claim.phase == Phase::Parked && claim.assistant.is_none();
        let Some(claim) = self.claim_of(run).await?.filter(waits) else { return Ok(false) };
        let reason = if claim.staged.is_some() { Reason::Proposed } else { Reason::Waiting };
        let ended = Run {
            state: RunState::Waiting,
            reason: Some(reason),
            ended: Some(self.parts.clock.wall()),
            ..run.clone()
        };
        let notices = match self.parts.playbook(&run.playbook) {
            Some(playbook) if reason == Reason::Proposed => {
                super::telling::of_proposals(&self.parts, &playbook, &ended).await
            }
            _ => Vec::new(),
        };
        self.parts.ledger.finish_run(&ended, notices).await?;
        if let Some(open) = self.beliefs.open.get_mut(&ended.occurrence) {
            open.runs.push(ended);
        }
        Ok(true)
    }

    pub(super) async fn end_broken_off(&mut self, run: Run) -> Result<(), LedgerError> {
        if self.claim_of(&run).await?.is_some_and(|claim| claim.was_taken_away()) {
            return self.end_taken_away(run).await.map(|_| ());
        }
        match fate::learn(&self.parts, &run).await? {
            None => self.interrupt(run).await,
            Some(effect) => {
                let detail = format!("the daemon ended while it worked; unknown: {effect}");
                let how = (RunState::Interrupted, Reason::UnknownEffect);
                self.break_off(run, how, detail).await.map(|_| ())
            }
        }
    }

    /// A run whose claim an operator took away, and whose daemon ended before the run had stopped. Returns
    /// it as it ended.
    pub(super) async fn end_taken_away(&mut self, run: Run) -> Result<Run, LedgerError> {
        const TAKEN_AWAY: &str = "an operator took the claim away, and the daemon ended";
        let detail = match fate::learn(&self.parts, &run).await? {
            None => TAKEN_AWAY.to_owned(),
            Some(effect) => format!("{TAKEN_AWAY}; unknown: {effect}"),
        };
        self.break_off(run, (RunState::ClaimLost, Reason::ForceReleased), detail).await
    }

    /// Whether what a run left running may be here: of this daemon, or of what was done by hand in its
    /// place and is over.
    fn was_on_this_machine(&self, run: &Run) -> bool {
        let files = self.parts.settings.daemon.configured();
        let is_same = run.daemon.as_ref().is_some_and(|daemon| daemon.configured() == files);
        self.is_own(run) || is_same && self.is_of_one_gone(run)
    }

    /// Whether this daemon carried a run out.
    pub(super) fn is_own(&self, run: &Run) -> bool {
        run.daemon.as_ref().is_none_or(|daemon| *daemon == self.parts.settings.daemon)
    }

    /// A run under way when the process ended has ended with it.
    pub(super) async fn interrupt(&mut self, run: Run) -> Result<(), LedgerError> {
        let detail = "the daemon ended while it worked".to_owned();
        let how = (RunState::Interrupted, Reason::Interrupted);
        self.break_off(run, how, detail).await.map(|_| ())
    }

    pub(super) async fn break_off(
        &mut self,
        run: Run,
        (state, reason): (RunState, Reason),
        detail: String,
    ) -> Result<Run, LedgerError> {
        let ended = Run {
            state,
            reason: Some(reason),
            detail,
            ended: Some(self.parts.clock.wall()),
            // Whatever it was writing is not all there: it has not settled.
            settle_from: None,
            ..run
        };
        self.parts.ledger.finish_run(&ended, Vec::new()).await?;
        tracing::warn!(run = %ended.id, %reason, "interrupted by the end of the daemon");
        if let Some(open) = self.beliefs.open.get_mut(&ended.occurrence) {
            open.runs.push(ended.clone());
        }
        Ok(ended)
    }

    /// Runs without a claim that were interrupted begin again as the next attempt. Where nobody is
    /// here to do so, their occurrences stay as they are for the next daemon.
    pub(super) async fn run_again(&mut self) {
        let ids: Vec<OccurrenceId> = self.beliefs.open.keys().cloned().collect();
        for id in ids {
            self.run_again_of(&id).await;
        }
    }

    /// The same of one occurrence.
    pub(super) async fn run_again_of(&mut self, id: &OccurrenceId) {
        let Some(open) = self.beliefs.open.get(id) else { return };
        let again = self.to_be_run_again(open);
        if !again.is_empty() && !self.scheduling {
            self.beliefs.open.remove(id);
            return;
        }
        for (task, attempt) in again {
            tracing::info!(occurrence = %id, attempt, "an interrupted run begins again");
            self.start(id, task, attempt, None).await;
        }
    }

    /// The tasks (none: a report) that an occurrence begins again with, and which attempts these are.
    fn to_be_run_again(&self, open: &Open) -> Vec<(Option<TaskId>, u32)> {
        let Some(playbook) = open.playbook.as_deref() else { return Vec::new() };
        let is_begun =
            open.occurrence.state == OccurrenceState::Running && playbook.claim.is_none();
        let may_run = self.may_still_run(playbook, &open.occurrence);
        if !is_begun || !may_run || self.fits(playbook) != Fits::Here {
            return Vec::new();
        }
        if open.unmade {
            // Its daemon ended before the run was recorded. What takes tasks finds them the next time.
            let is_report = !playbook.takes_tasks() && open.occurrence.task.is_none();
            return is_report.then_some((None, 1)).into_iter().collect();
        }
        let is_last = |place: usize, run: &Run| {
            open.runs.iter().skip(place + 1).all(|later| later.task != run.task)
        };
        let last = open.runs.iter().enumerate().filter(|(place, run)| is_last(*place, run));
        last.map(|(_, run)| run)
            .filter(|run| was_broken_off(run) && run.attempt < playbook.limits.attempts)
            .map(|run| (run.task, run.attempt + 1))
            .collect()
    }

    /// Whether an occurrence may run now by what people say of its playbook and by its planned
    /// instant; what was asked for by hand nobody waits for any more.
    fn may_still_run(&self, playbook: &Playbook, occurrence: &Occurrence) -> bool {
        let Some(book) = self.beliefs.books.get(&playbook.name) else { return false };
        let is_held = self.beliefs.stopped || book.switch.paused.is_some() || !book.armed;
        if is_held || occurrence.trigger == Trigger::Manual {
            return false;
        }
        let now = self.parts.clock.wall();
        let timetable = book.timetable.as_ref();
        let starts = timetable.map_or(occurrence.planned, |t| t.start_of(occurrence.planned));
        let is_late = playbook.on.late.is_some_and(|late| now - starts > to_delta(late));
        // What another program told, no later instant tells.
        let is_superseded = occurrence.trigger != Trigger::Webhook
            && playbook.on.catch_up != CatchUp::All
            && timetable
                .and_then(|table| table.after(occurrence.planned))
                .is_some_and(|next| next <= now);
        !is_late && !is_superseded
    }

    /// Whether the end of this life breaks an occurrence off that the next one is to run again.
    pub(super) fn is_left_to_the_next_life(&self, open: &Open) -> bool {
        self.beliefs.draining && self.scheduling && !self.to_be_run_again(open).is_empty()
    }
}

/// Whether a run ended because its daemon did.
fn was_broken_off(run: &Run) -> bool {
    let end = (run.state, run.reason);
    end == (RunState::Interrupted, Some(Reason::Interrupted))
        || end == (RunState::Cancelled, Some(Reason::Draining))
}

pub(super) fn of_claim(error: ClaimError) -> LedgerError {
    match error {
        ClaimError::Store(error) => LedgerError::Store(error),
        error => LedgerError::Conflict { what: "its claim".to_owned(), why: error.to_string() },
    }
}
