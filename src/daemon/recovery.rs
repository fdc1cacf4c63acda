//! After a crash: every claim, run and occurrence of an earlier life is seen to, by the crash table
//! of the claim protocol.
//!
//! | found | done |
//! |---|---|
//! | reserved, nothing written | freed; nothing was visible |
//! | marked, no field written | freed; the marker is closed, its comment removed |
//! | announced, work not begun | carried on as the next attempt, or handed back |
//! | working | the run ends `interrupted`; the next attempt, or handed back |
//! | an effect of unknown fate | handed back, `unknown_effect`; it is never repeated |
//! | settling, handing back | the remaining writes are done; each is idempotent |
//! | settled, not released | released |
//! | taken away by an operator | the run ends so; what shows is handed back, and nothing is tried again |
//!
//! Runs without a claim are in `unclaimed`.

use super::announce::may_show;
use super::beliefs::Open;
use super::books;
use super::dispatcher::Dispatcher;
use super::fate;
use super::marker::Marking;
use crate::board::BoardError;
use crate::domain::{
    Claim, Fence, Occurrence, OccurrenceId, OccurrenceState, Phase, Playbook, PlaybookName, Reason,
    Run, RunState, Task, TaskId, Trigger, Wrote,
};
use crate::ledger::{KeptAnswer, LedgerError, RunFilter};
use crate::schedule::{Fits, is_worth_another};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// How an ended or parked claim is taken up again.
#[derive(Clone, Debug)]
pub(super) struct Resume {
    /// The fence of its record.
    pub fence: Fence,
    /// Which attempt comes next.
    pub attempt: u32,
    /// What was asked, and what a person answered.
    pub answer: Option<KeptAnswer>,
    /// It is only taken up to be handed back, for this reason.
    pub give_up: Option<(Reason, String)>,
    /// The run whose outcome was being written: the remaining writes are done under its name.
    pub settling: Option<Box<Run>>,
    /// What was proposed under it is applied.
    pub applies: bool,
}

impl Resume {
    /// An ended or parked claim, for the next attempt at its task.
    pub(super) fn of(claim: &Claim, attempt: u32) -> Self {
        let (answer, give_up, settling) = Default::default();
        Self { fence: claim.fence, attempt, answer, give_up, settling, applies: false }
    }

    /// Whether the work goes on, and nothing is known of an answer to it.
    pub(super) fn goes_on(&self) -> bool {
        let is_finished = self.give_up.is_some() || self.settling.is_some() || self.applies;
        !is_finished && self.answer.is_none()
    }
}

impl Dispatcher {
    /// Once, before the first event: takes over what the life before left behind.
    pub(super) async fn recover_all(&mut self) -> Result<(), LedgerError> {
        self.beliefs.began = Some(self.parts.clock.wall());
        // The stop counts from the first moment: nothing is tried again while it stands.
        self.read_stop().await;
        books::refresh(&self.parts, &mut self.beliefs).await?;
        self.know_others().await?;
        self.end_children().await?;
        self.reopen().await?;
        let ended = match self.parts.ledger.begin_life().await {
            Ok(ended) => ended,
            Err(error) => {
                tracing::error!(%error, "the claims of an earlier life could not be ended");
                return Ok(());
            }
        };
        let still_claimed: Vec<_> = ended.iter().map(|claim| claim.run.clone()).collect();
        self.interrupt_claimless(&still_claimed).await?;
        for claim in ended {
            self.recover(claim).await;
        }
        self.run_again().await;
        Ok(())
    }

    /// Sees to one ended claim.
    pub(super) async fn recover(&mut self, claim: Claim) {
        if claim.assistant.is_some() {
            return self.recover_of_assistant(&claim).await;
        }
        let (task, fence) = (claim.task, claim.fence);
        if self.knows_end_of(&claim.run) {
            tracing::debug!(%task, "an ended claim waits until the end of its run is recorded");
            return;
        }
        let may_show = claim.phase > Phase::Reserved || claim.wrote != Wrote::default();
        if !self.has_slot() {
            tracing::debug!(%task, "an ended claim waits for a free slot");
            return;
        }
        if self.fits_named(&claim.playbook) == Fits::Elsewhere {
            tracing::debug!(%task, "an ended claim waits for a daemon with the labels of its playbook");
            return;
        }
        if self.is_behind_another(&claim).await {
            tracing::debug!(%task, "what an ended claim left waits for another's marker");
            return;
        }
        let shown = if may_show { self.shut_out(&claim).await } else { Ok(None) };
        let shown = match shown {
            Ok(shown) => shown,
            Err(error) => {
                tracing::warn!(%task, %error, "an ended claim waits for the board");
                return;
            }
        };
        match self.recover_one(&claim, shown.as_ref()).await {
            Ok(Some(resume)) => {
                self.resume(&claim, resume).await;
            }
            Ok(None) => {
                if let Some(marking) = Marking::on(&self.parts)
                    && let Err(error) =
                        marking.clear(task, |_| claim.phase <= Phase::Announced).await
                {
                    tracing::warn!(%task, %error, "a marker could not be closed; it is tried again");
                    return;
                }
                if let Err(error) = self.parts.ledger.forget_orphan(task, fence).await {
                    tracing::warn!(%task, %error, "an ended claim could not be put away");
                }
            }
            Err(error) => {
                tracing::error!(%task, %error, "a claim could not be recovered; it is tried again");
            }
        }
    }

    /// Whether all that is left of a claim is to put its task back, and another has marked that.
    async fn is_behind_another(&self, claim: &Claim) -> bool {
        let Some(marking) = Marking::on(&self.parts) else { return false };
        let run = self.parts.ledger.run(claim.run.as_str()).await.ok().flatten();
        if run.is_none_or(|run| run.state == RunState::Running) {
            return false;
        }
        let other = marking.is_others(claim.task, None, Duration::ZERO).await;
        other.map_or(true, |other| other.is_some())
    }

    /// Lets nobody write under the ended claim any more, and then looks at its task: a holder that
    /// slept may wake up meanwhile, and a write of its that was on the way may just have arrived.
    async fn shut_out(&self, claim: &Claim) -> Result<Option<Task>, BoardError> {
        let board = &self.parts.board;
        let gone = |error| match error {
            BoardError::NotFound { .. } => Ok(None),
            error => Err(error),
        };
        if let Err(error) = board.raise_fence(claim.task, Fence(claim.fence.0 + 1)).await {
            return gone(error);
        }
        board.task(claim.task).await.map(Some).or_else(gone)
    }

    /// Whether one run more may be under way. A command without a daemon only hands back.
    pub(super) fn has_slot(&self) -> bool {
        let slots = usize::try_from(self.parts.settings.slots).unwrap_or(usize::MAX);
        !self.scheduling || self.beliefs.workers.len() < slots
    }

    /// What is to be done with an ended claim; `None`: nothing is visible any more.
    async fn recover_one(
        &mut self,
        claim: &Claim,
        shown: Option<&Task>,
    ) -> Result<Option<Resume>, LedgerError> {
        let run = self.parts.ledger.run(claim.run.as_str()).await?;
        let effects = self.parts.ledger.effects(&claim.run).await?;
        let announced = claim.wrote.status.is_some() || !effects.is_empty();
        let next = |attempt, give_up| Resume { give_up, ..Resume::of(claim, attempt) };
        if let Some(resume) = self.recover_staged(claim, run.as_ref()).await? {
            return Ok(Some(resume));
        }
        let Some(run) = run else {
            return Ok(announced.then(|| next(claim.attempt, None)));
        };
        // The first attempt wrote nothing: neither did its announcement arrive, however far it got.
        let is_silent = run.attempt == 1 && !effects.iter().any(may_show);
        let never_shown = Self::shows_nothing(claim, shown, is_silent);
        if run.state != RunState::Running {
            return Ok(if never_shown { None } else { self.after_end(claim, &run) });
        }
        if claim.was_taken_away() {
            let run = self.end_taken_away(run).await?;
            return Ok(if never_shown { None } else { self.after_end(claim, &run) });
        }
        let (attempt, attempts_max) = (run.attempt, self.attempts_max(&run));
        let unknown = fate::learn(&self.parts, &run).await?;
        if run.settle_from.is_some() && unknown.is_none() {
            // A reason in a record that has not ended: it was being handed back.
            let give_up = run.reason.map(|reason| (reason, run.detail.clone()));
            let settling = Some(Box::new(run));
            return Ok(Some(Resume { settling, ..next(attempt, give_up) }));
        }
        self.interrupt(run).await?;
        if !announced || never_shown {
            return Ok(None);
        }
        Ok(Some(match unknown {
            Some(detail) => next(attempt, Some((Reason::UnknownEffect, detail))),
            None if attempt >= attempts_max => next(attempt, Some(used_up(attempt, attempts_max))),
            None => next(attempt + 1, None),
        }))
    }

    /// What is to be done about a claim whose run has ended; `None`: it had settled, and its release
    /// is all that was missing.
    fn after_end(&self, claim: &Claim, run: &Run) -> Option<Resume> {
        let reason = run.reason.unwrap_or(Reason::Interrupted);
        let is_lost = run.state == RunState::ClaimLost;
        if run.settle_from.is_some() && !is_lost {
            return None;
        }
        let resume = |attempt, give_up| Some(Resume { give_up, ..Resume::of(claim, attempt) });
        let attempts_max = self.attempts_max(run);
        let is_visible = claim.wrote.status.is_some();
        let is_taken_away = claim.was_taken_away();
        let may_retry = run.settle_from.is_none()
            && !is_taken_away
            && reason != Reason::UnknownEffect
            && (is_lost || run.state.may_retry() && is_worth_another(reason));
        match run.state {
            _ if may_retry && run.attempt < attempts_max => resume(run.attempt + 1, None),
            _ if !is_visible => None,
            RunState::Succeeded | RunState::Waiting => None,
            _ if is_taken_away => {
                resume(run.attempt, Some((Reason::ForceReleased, run.detail.clone())))
            }
            _ if may_retry => resume(run.attempt, Some(used_up(run.attempt, attempts_max))),
            _ => resume(run.attempt, Some((reason, run.detail.clone()))),
        }
    }

    /// Whether an announcement never arrived: the task is as it was found.
    fn shows_nothing(claim: &Claim, task: Option<&Task>, is_silent: bool) -> bool {
        let wrote = &claim.wrote;
        if claim.phase == Phase::Announced && *wrote == Wrote::default() {
            // It had come to its marker at most.
            return true;
        }
        task.is_some_and(|task| {
            (claim.phase == Phase::Announced || is_silent)
                && task.assignee == claim.before.assignee
                && Some(task.status) == claim.before.status
                && !wrote.tags.iter().any(|tag| task.has_tag(tag))
        })
    }

    fn attempts_max(&self, run: &Run) -> u32 {
        self.parts.playbook(&run.playbook).map_or(1, |playbook| playbook.limits.attempts)
    }

    /// Takes an ended or parked claim up again: as the next attempt, or to hand it back.
    pub(super) async fn resume(&mut self, claim: &Claim, resume: Resume) -> Option<OccurrenceId> {
        let run = self.run_of(claim).await;
        let id = match &run {
            Some(run) => run.occurrence.clone(),
            None => OccurrenceId::new(format!("{}/recovered/{}", claim.playbook, claim.run)),
        };
        let (playbook, resume) = match self.allowed(claim, run.as_ref(), resume).await {
            Ok(Some(allowed)) => allowed,
            Ok(None) => {
                tracing::error!(
                    task = %claim.task, playbook = %claim.playbook,
                    "the playbook is gone and its definition was not kept: its task stays as it is"
                );
                self.end_without_definition(claim, run).await;
                return None;
            }
            Err(error) => {
                tracing::error!(task = %claim.task, %error, "a claim could not be taken up again");
                return None;
            }
        };
        let is_open = self.beliefs.open.contains_key(&id);
        let occurrence = if is_open {
            id
        } else {
            match self.open_again(claim).await {
                Ok(id) => id,
                Err(error) => {
                    tracing::error!(task = %claim.task, %error, "a claim could not be taken up again");
                    return None;
                }
            }
        };
        if let Some(open) = self.beliefs.open.get_mut(&occurrence) {
            open.closed = true;
            open.playbook = Some(playbook);
            // What failed there is handed back here, which is no second failure.
            let has_failed = run.as_ref().is_some_and(|run| run.state.may_retry());
            let only_ends = resume.settling.is_some() || resume.give_up.is_some() && has_failed;
            open.only_ends = !is_open && only_ends;
        }
        self.start(&occurrence, Some(claim.task), resume.attempt, Some(resume)).await;
        Some(occurrence)
    }

    /// The run of a claim that can neither go on nor be handed back: under way for ever, it would keep its
    /// occurrence open, and with that all later ones from beginning.
    async fn end_without_definition(&mut self, claim: &Claim, run: Option<Run>) {
        let is_its = |run: &Run| run.id == claim.run && run.state == RunState::Running;
        let Some(run) = run.filter(is_its) else { return };
        let detail = "its definition was not kept: its task stays as it is".to_owned();
        let how = (RunState::Cancelled, Reason::PlaybookGone);
        if let Err(error) = self.break_off(run, how, detail).await {
            tracing::warn!(task = %claim.task, %error, "a run that nobody goes on with could not be ended");
        }
    }

    /// The run of a claim; where it died before it had one, the last run at the task before it.
    async fn run_of(&self, claim: &Claim) -> Option<Run> {
        if let Ok(Some(run)) = self.parts.ledger.run(claim.run.as_str()).await {
            return Some(run);
        }
        let filter = RunFilter {
            playbook: Some(claim.playbook.clone()),
            task: Some(claim.task),
            ..RunFilter::default()
        };
        self.parts.ledger.runs(&filter, 1).await.ok()?.pop()
    }

    /// By which definition a claim is taken up again, and whether to work or only to hand back: who
    /// stopped, paused, removed or changed a playbook meanwhile meant its interrupted runs too. `None`: the
    /// playbook is gone, and so is what it was.
    async fn allowed(
        &self,
        claim: &Claim,
        run: Option<&Run>,
        resume: Resume,
    ) -> Result<Option<(Arc<Playbook>, Resume)>, LedgerError> {
        let current = self.parts.playbook(&claim.playbook).filter(|p| p.claim.is_some());
        let Some(playbook) = current else {
            let Some(run) = run else { return Ok(None) };
            let kept = self.parts.ledger.definition(&run.definition).await?;
            let Some(text) = kept else { return Ok(None) };
            let library = self.parts.library.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(playbook) = library.old(&claim.playbook, &text) else { return Ok(None) };
            let give_up = Some((Reason::PlaybookGone, String::new()));
            let give_up = resume.give_up.clone().or(give_up);
            let attempt = claim.attempt;
            return Ok(Some((playbook, Resume { attempt, give_up, ..resume })));
        };
        if resume.give_up.is_some() || resume.settling.is_some() || resume.applies {
            return Ok(Some((playbook, resume)));
        }
        let book = self.beliefs.books.get(&claim.playbook);
        let is_changed = run.is_some_and(|run| run.definition != playbook.hash);
        let against = if self.beliefs.stopped {
            Some(Reason::Stopped)
        } else if book.is_some_and(|book| book.switch.paused.is_some()) {
            Some(Reason::Paused)
        } else if is_changed && book.is_some_and(|book| !book.armed) {
            Some(Reason::NotArmed)
        } else if self.is_to_stop(claim).await {
            Some(Reason::Cancelled)
        } else if self.fits(&playbook) != Fits::Here {
            Some(Reason::NotThisDaemon)
        } else if !self.scheduling {
            // Whoever typed a command waits for that alone.
            Some(Reason::Interrupted)
        } else {
            None
        };
        let Some(reason) = against else { return Ok(Some((playbook, resume))) };
        let detail = match reason {
            Reason::Stopped => "the daemon ended while it worked, and everything is stopped",
            Reason::Interrupted => "no daemon is here that could try it again",
            _ => "",
        };
        let give_up = Some((reason, detail.to_owned()));
        Ok(Some((playbook, Resume { attempt: claim.attempt, give_up, ..resume })))
    }

    /// A settled occurrence never changes: what is taken up after it gets one of its own.
    async fn open_again(&mut self, claim: &Claim) -> Result<OccurrenceId, LedgerError> {
        let now = self.parts.clock.wall();
        let occurrence = Occurrence {
            // One of its own for each try: a try that fails settles it.
            id: OccurrenceId::new(format!(
                "{}{}",
                taken_up(&claim.playbook, claim.task, claim.fence),
                self.parts.ledger.nonce()
            )),
            playbook: claim.playbook.clone(),
            trigger: Trigger::Rework,
            planned: now,
            task: Some(claim.task),
            decided: now,
            // At once under way: it never waits, and is no work for others who look for some.
            state: OccurrenceState::Running,
            covers: None,
            status: None,
        };
        self.parts.ledger.put_occurrence(&occurrence).await?;
        let playbook = self.parts.playbook(&claim.playbook);
        let mut open = Open::new(occurrence, playbook);
        open.closed = true;
        let id = open.occurrence.id.clone();
        self.beliefs.open.insert(id.clone(), open);
        Ok(id)
    }
}

/// How the occurrences begin their names under which a claim with this fence is taken up again.
pub(super) fn taken_up(playbook: &PlaybookName, task: TaskId, fence: Fence) -> String {
    format!("{playbook}/resumed/{task}/{fence}/")
}

fn used_up(attempt: u32, attempts_max: u32) -> (Reason, String) {
    (Reason::AttemptsUsedUp, format!("the daemon ended during attempt {attempt} of {attempts_max}"))
}
