//! A tick: look at everything, let people win, account for every instant, start what is due.

use super::beliefs::{Book, Open, Whole, Working};
use super::books;
use super::dispatcher::Dispatcher;
use super::look::{self, civil_midnight};
use crate::domain::{
    Claim, Decision, Occurrence, OccurrenceId, OccurrenceState, Phase, Playbook, PlaybookName,
    Reason, Revoked, RunId, RunState, Timestamp, to_delta,
};
use crate::ledger::LedgerError;
use crate::schedule::{Action, Fits, GRACE, Plan, WakeInput, plan, wakes};
use crate::store::StoreError;
use crate::tools::desk::DeskError;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// A daemon whose every look for so long could not read local state ends.
const BLIND_MAX: Duration = Duration::from_mins(5);
/// So often a dispatch plans again because it started or settled something.
const ROUNDS_MAX: usize = 64;
/// So many playbooks are accounted for together.
const TOGETHER_MAX: usize = 128;

/// What has to be known for all playbooks that fall due.
struct Known {
    /// What is open of each.
    whole: BTreeMap<PlaybookName, Whole>,
    /// Up to here the ledger was lost.
    lost_until: Option<Timestamp>,
}

/// What falls due of a playbook.
struct Due {
    name: PlaybookName,
    playbook: Arc<Playbook>,
    /// Up to where its instants are recorded.
    watermark: Option<Timestamp>,
    /// And up to where they will be.
    mark: Option<Timestamp>,
    /// What is to be recorded.
    occurrences: Vec<Occurrence>,
    /// When it wakes next.
    next: Option<Timestamp>,
}

/// Where among so many a daemon of this name begins.
fn first_of(daemon: &str, count: usize) -> usize {
    let hash = |sum: usize, byte: u8| sum.wrapping_mul(31).wrapping_add(usize::from(byte));
    daemon.bytes().fold(7, hash) % count.max(1)
}

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
    }

    /// What has to be known before anything is decided.
    pub(super) async fn read_state(&mut self) -> Result<(), LedgerError> {
        books::refresh(&self.parts, &mut self.beliefs).await?;
        self.know_others().await
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

    /// Accounts for every planned instant that has come, and sets the alarm for the next.
    async fn wake(&mut self) {
        if self.beliefs.only_here {
            // What this daemon does not do, others do.
            return;
        }
        let now = self.parts.clock.wall();
        // Nothing falls due before the instant that the alarm is set to.
        let may_be_due =
            |book: &Book| book.timetable.is_some() && book.next.is_none_or(|next| next <= now);
        let books = self.beliefs.books.iter().filter(|(_, book)| may_be_due(book));
        let mut names: Vec<PlaybookName> = books.map(|(name, _)| name.clone()).collect();
        if names.is_empty() {
            return;
        }
        let lost_until = match self.parts.ledger.lost_until().await {
            Ok(lost_until) => lost_until,
            Err(error) => return tracing::error!(%error, "no instants could be recorded"),
        };
        if self.parts.ledger.is_shared() {
            // Others are at the same: each begins elsewhere, and finds done what they did.
            let begin = first_of(self.parts.settings.daemon.as_str(), names.len());
            names.rotate_left(begin);
        }
        let known = Known { whole: self.beliefs.whole(), lost_until };
        for names in names.chunks(TOGETHER_MAX) {
            match self.wake_some(names, &known).await {
                // What others recorded in that moment is only looked at.
                Ok(late) if !late.is_empty() => self.wake_each(&late, &known).await,
                Ok(_) => {}
                Err(error @ LedgerError::Store(StoreError::Failed(_) | StoreError::Closed(_))) => {
                    tracing::error!(%error, playbooks = names.len(), "instants could not be recorded");
                }
                // One of them may be what cannot be read: the others are not to suffer for it.
                Err(_) => self.wake_each(names, &known).await,
            }
        }
    }

    /// Each by itself.
    async fn wake_each(&mut self, names: &[PlaybookName], known: &Known) {
        for name in names {
            match self.wake_some(std::slice::from_ref(name), known).await {
                Ok(late) if late.is_empty() => {}
                Ok(_) => {
                    tracing::debug!(playbook = %name, "another daemon recorded its instants");
                }
                Err(error) => {
                    tracing::error!(playbook = %name, %error, "its instants could not be recorded");
                }
            }
        }
    }

    /// Accounts for some playbooks: what has to be known of them is asked together, and what is recorded
    /// shares flushes. Returns those whose instants another daemon recorded meanwhile.
    async fn wake_some(
        &mut self,
        names: &[PlaybookName],
        known: &Known,
    ) -> Result<Vec<PlaybookName>, LedgerError> {
        let all = self.fall_due(names, known).await?;
        let this = &*self;
        let recorded = futures::future::join_all(all.iter().map(|due| this.record(due))).await;
        let mut late = Vec::new();
        for (due, recorded) in all.into_iter().zip(recorded) {
            match recorded {
                Ok(()) => self.account_for(due).await,
                Err(LedgerError::Conflict { .. }) if self.parts.ledger.is_shared() => {
                    late.push(due.name);
                }
                Err(error) => {
                    tracing::error!(playbook = %due.name, %error, "its instants could not be recorded");
                }
            }
        }
        Ok(late)
    }

    /// What falls due of these playbooks and has no record yet.
    async fn fall_due(
        &self,
        names: &[PlaybookName],
        known: &Known,
    ) -> Result<Vec<Due>, LedgerError> {
        let ledger = &self.parts.ledger;
        let marks = ledger.watermarks(names).await?;
        let now = self.parts.clock.wall();
        let mut all = Vec::new();
        for (name, watermark) in names.iter().zip(marks) {
            let Some(book) = self.beliefs.books.get(name) else { continue };
            let Some(timetable) = &book.timetable else { continue };
            let fits = self.fits(&book.playbook);
            // A daemon with its labels may come yet: until then its instants are nobody's to skip.
            let wait = match fits {
                Fits::Elsewhere => continue,
                Fits::Nowhere if ledger.is_shared() => to_delta(GRACE),
                Fits::Nowhere | Fits::Here => chrono::TimeDelta::zero(),
            };
            let of_book = (known, watermark, fits);
            let input = self.wake_input(book, timetable, of_book, now - wait).await?;
            let wakes = wakes(&input);
            let trigger = timetable.trigger();
            let decided = wakes.decisions.iter().map(|d| d.occurrence(name, trigger, now));
            all.push(Due {
                name: name.clone(),
                playbook: Arc::clone(&book.playbook),
                watermark,
                mark: wakes.watermark,
                occurrences: decided.collect(),
                next: wakes.next.map(|next| next + wait),
            });
        }
        let planned: Vec<&Occurrence> = all.iter().flat_map(|due| &due.occurrences).collect();
        let recorded = ledger.recorded(&planned).await?;
        for due in &mut all {
            due.occurrences.retain(|occurrence| !recorded.contains(&occurrence.id));
        }
        Ok(all)
    }

    /// Records instants. The store may say that it failed and have written all the same: then they
    /// would wait for a restart, so it is told again, which changes nothing where it was written.
    async fn record(&self, due: &Due) -> Result<(), LedgerError> {
        let Due { name, watermark, occurrences, .. } = due;
        let is_new = |mark: &Timestamp| Some(*mark) != *watermark || !occurrences.is_empty();
        let Some(mark) = due.mark.filter(is_new) else { return Ok(()) };
        let ledger = &self.parts.ledger;
        let record = || ledger.record_occurrences(name, mark, *watermark, occurrences.clone());
        match record().await {
            Err(LedgerError::Store(error)) => {
                tracing::warn!(playbook = %name, %error, "its instants are recorded once more");
                record().await
            }
            answer => answer,
        }
    }

    /// What was recorded is known from now on, and the alarm is set.
    async fn account_for(&mut self, due: Due) {
        for occurrence in due.occurrences {
            self.note_occurrence(&occurrence).await;
            if occurrence.state == OccurrenceState::Queued {
                let open = Open::new(occurrence.clone(), Some(Arc::clone(&due.playbook)));
                self.beliefs.open.insert(occurrence.id, open);
            }
        }
        self.set_alarm(&due.name, due.next).await;
    }

    async fn wake_input<'a>(
        &self,
        book: &'a Book,
        timetable: &'a crate::schedule::Timetable,
        (known, watermark, fits): (&Known, Option<Timestamp>, Fits),
        now: Timestamp,
    ) -> Result<WakeInput<'a>, LedgerError> {
        let playbook = &book.playbook;
        let whole = known.whole.get(&playbook.name).copied().unwrap_or_default();
        let today = civil_midnight(now, playbook.on.zone);
        let runs_today = match playbook.limits.runs_per_day {
            Some(_) => self.parts.ledger.runs_started_since(&playbook.name, today).await?,
            None => 0,
        };
        Ok(WakeInput {
            playbook: &playbook.name,
            on: &playbook.on,
            timetable,
            watermark,
            since: book.since,
            armed: book.armed,
            paused: book.switch.paused.is_some(),
            lost_until: known.lost_until,
            stopped: self.beliefs.stopped,
            not_this_daemon: fits != Fits::Here,
            running: whole.running,
            queued: whole.queued,
            runs_today,
            runs_per_day: playbook.limits.runs_per_day,
            now,
        })
    }

    /// A skipped instant is a decision about the playbook.
    async fn note_occurrence(&self, occurrence: &Occurrence) {
        let OccurrenceState::Skipped { reason } = &occurrence.state else { return };
        let planned = super::brief::text_of(occurrence.planned);
        let detail = match occurrence.covers {
            Some(covers) => format!(
                "{} instants from {planned} to {}",
                covers.count,
                super::brief::text_of(covers.last)
            ),
            None => format!("the instant {planned}"),
        };
        tracing::info!("{}: skipped ({reason}), {detail}", occurrence.playbook);
        self.decide(&occurrence.playbook, None, *reason, &detail).await;
    }

    async fn set_alarm(&mut self, name: &PlaybookName, next: Option<Timestamp>) {
        if let Some(book) = self.beliefs.books.get_mut(name) {
            book.next = next;
        }
        if let Some(alarm) = &self.alarm
            && let Err(error) = alarm.set(name.as_str(), next).await
        {
            tracing::error!(playbook = %name, %error, "the alarm could not be set; the tick still looks");
        }
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
                    return;
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
        if let Some(mut open) = self.beliefs.open.remove(id) {
            for reply in std::mem::take(&mut open.replies) {
                let message = format!("local state did not say whether {id} has begun");
                let reason = Reason::StoreFailed;
                let _ = reply.send(Err(DeskError::Refused { reason, message }));
            }
        }
        true
    }

    async fn cancel(&self, occurrence: &OccurrenceId, reason: Reason) {
        for worker in self.beliefs.workers.values().filter(|w| w.occurrence == *occurrence) {
            worker.halt.halt(RunState::Cancelled, reason, reason.text());
        }
        if self.beliefs.elsewhere.contains_key(occurrence)
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
            self.settle(&id, None).await;
        }
    }
}
