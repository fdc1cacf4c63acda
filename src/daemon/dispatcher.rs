//! The dispatcher: one loop, one event after another. It alone changes what the daemon believes and
//! starts runs; whatever happens comes to it as an [`Event`].

use super::alarm::{Alarm, Woken};
use super::beliefs::{Beliefs, Open, Working};
use super::books;
use super::event::Event;
use super::halt::Halt;
use super::parts::Parts;
use super::presence::Presence;
use super::worker::{self, Assignment, WorkDone};
use crate::domain::{
    Occurrence, OccurrenceId, OccurrenceState, PlaybookName, Reason, RunId, RunState, TaskId,
    Timestamp, Trigger, Value,
};
use crate::ledger::LedgerError;
use crate::schedule::Refusal;
use crate::tools::desk::{DeskError, RunReport, RunRequest, Switch};
use std::sync::{Arc, PoisonError};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio_util::task::TaskTracker;
use tracing::{Instrument as _, Span};

/// The one that decides.
pub(super) struct Dispatcher {
    pub(super) parts: Arc<Parts>,
    pub(super) beliefs: Beliefs,
    pub(super) alarm: Option<Alarm>,
    /// Whether clock and board may wake playbooks; otherwise only what is asked for runs.
    pub(super) scheduling: bool,
    pub(super) workers: TaskTracker,
    pub(super) events: mpsc::WeakSender<Event>,
    /// Tells the courier that there may be something to deliver.
    pub(super) outbox: Arc<Notify>,
    /// That this daemon is there, where it shares the store.
    pub(super) presence: Option<Arc<Presence>>,
}

impl Dispatcher {
    /// Handles events until there is nobody left who could send one, or until a drain is over.
    pub(super) async fn run(mut self, mut events: mpsc::Receiver<Event>) {
        while let Some(event) = events.recv().await {
            self.handle(event).await;
            if self.beliefs.is_idle_but_for_waiting() {
                for idler in self.beliefs.idlers.drain(..) {
                    let _ = idler.send(());
                }
                if self.beliefs.draining {
                    break;
                }
            }
        }
        self.record_what_is_kept().await;
        if let Some(alarm) = &self.alarm
            && let Err(error) = alarm.stop().await
        {
            tracing::debug!(%error, "the alarm did not stop");
        }
        self.workers.close();
        self.workers.wait().await;
    }

    async fn handle(&mut self, event: Event) {
        match event {
            Event::Woken(Woken::Entry { name, at }) => {
                tracing::debug!(playbook = %name, %at, "woken");
                if !self.is_accounted(&PlaybookName::new(name), at) {
                    self.tick().await;
                }
            }
            Event::Woken(Woken::Jumped(jump)) => {
                tracing::warn!(?jump, "the clocks jumped: everything is considered again");
                // Since when a timetable holds is asked again, too: it may lie ahead now.
                self.beliefs.books.clear();
                self.beliefs.books_seen = None;
                self.tick().await;
            }
            Event::Tick(done) => {
                self.tick().await;
                if let Some(done) = done {
                    let _ = done.send(());
                }
            }
            Event::Heard(done) => {
                self.look_around().await;
                let _ = done.send(());
            }
            Event::WorkDone { occurrence, run, task, done } => {
                self.work_done(&occurrence, &run, task, done).await;
            }
            Event::Run { request, reply } => self.run_by_hand(request, reply).await,
            Event::Arrived { arrival, reply } => {
                let _ = reply.send(self.receive(*arrival).await);
                self.dispatch().await;
            }
            Event::Decided { task, reply } => Box::pin(self.carry_out_decision(task, reply)).await,
            Event::StopRun { run, by, reply } => self.stop_run(run, &by, reply).await,
            Event::Switch { playbook, switch, by, reply } => {
                let answer = self.switch(&playbook, switch, &by).await;
                let _ = reply.send(answer);
            }
            Event::Stopped(stopped) => self.stopped(stopped).await,
            Event::Reload(reply) => {
                let changes = self.reload().await;
                if let Some(reply) = reply {
                    let _ = reply.send(changes);
                }
            }
            Event::Drain => {
                tracing::info!(runs = self.beliefs.workers.len(), "draining");
                self.beliefs.draining = true;
                for worker in self.beliefs.workers.values() {
                    worker.halt.no_more();
                }
            }
            Event::StopNow => {
                self.beliefs.draining = true;
                self.halt_all(RunState::Cancelled, Reason::Draining, "the daemon was told to stop");
            }
            Event::Alive(reply) => {
                let _ = reply.send(());
            }
            Event::WhenIdle(reply) => self.beliefs.idlers.push(reply),
        }
    }

    /// Whether a tick has seen to this instant already. One tick sees to all that is due: of many
    /// that ring together only the first needs one.
    fn is_accounted(&self, name: &PlaybookName, at: Timestamp) -> bool {
        let book = self.beliefs.books.get(name);
        book.and_then(|book| book.next).is_some_and(|next| next > at)
    }

    /// Starts a worker; false: its occurrence is not under way here, as far as is known.
    pub(super) async fn start(
        &mut self,
        occurrence: &OccurrenceId,
        task: Option<TaskId>,
        attempt: u32,
        resume: Option<super::recovery::Resume>,
    ) -> bool {
        let begins = self.begins(occurrence).await;
        if begins {
            self.start_one(occurrence, task, attempt, resume);
        }
        begins
    }

    fn start_one(
        &mut self,
        occurrence: &OccurrenceId,
        task: Option<TaskId>,
        attempt: u32,
        resume: Option<super::recovery::Resume>,
    ) {
        let Some(open) = self.beliefs.open.get_mut(occurrence) else { return };
        let book = self.beliefs.books.get(&open.occurrence.playbook);
        let current = book.map(|book| Arc::clone(&book.playbook));
        // What is only handed back goes by the definition that recovery chose.
        let hands_back = resume.as_ref().is_some_and(|resume| resume.give_up.is_some());
        let chosen = open.playbook.clone();
        let playbook = if hands_back { chosen.or(current) } else { current.or(chosen) };
        let Some(playbook) = playbook else { return };
        open.playbook = Some(Arc::clone(&playbook));
        open.started += 1;
        // From here on its runs tell what is to become of it.
        open.unmade = false;
        open.taken.extend(task);
        let halt = Arc::new(Halt::default());
        let revision =
            self.beliefs.candidates.as_ref().and_then(|(_, tasks)| {
                task.and_then(|task| tasks.get(task)).map(|task| task.revision)
            });
        let run = self.parts.entropy.run_id();
        let job = Assignment {
            playbook,
            occurrence: open.occurrence.clone(),
            now: open.at,
            task,
            revision: if resume.is_some() { None } else { revision },
            run: run.clone(),
            attempt,
            resume,
            set: open.set.clone(),
            told: open.told.clone(),
            halt: Arc::clone(&halt),
        };
        let working = Working {
            playbook: job.playbook.name.clone(),
            occurrence: occurrence.clone(),
            task,
            claims: job.playbook.claim.is_some() && task.is_some(),
            halt,
        };
        self.beliefs.workers.insert(run.clone(), working);
        self.spawn(job, run);
    }

    /// Whether an occurrence is under way here, or can be from now on. Of several daemons that know
    /// one, the first to begin has it; the others forget it, or it would stand in the way of all
    /// that come after it.
    async fn begins(&mut self, id: &OccurrenceId) -> bool {
        let Some(open) = self.beliefs.open.get_mut(id) else { return false };
        if open.occurrence.state != OccurrenceState::Queued {
            return true;
        }
        let mut found = self.parts.ledger.begin_occurrence(id).await;
        if matches!(found, Ok(OccurrenceState::Running)) {
            // The answer to an earlier try of this life was lost, or another daemon was quicker.
            found = match self.parts.ledger.occurrence_at(id).await {
                Ok(Some(at)) if at == self.parts.ledger.own_life() => Ok(OccurrenceState::Queued),
                Ok(_) => found,
                Err(error) => Err(error),
            };
        }
        match found {
            Ok(OccurrenceState::Queued) => {}
            Ok(state) => {
                tracing::info!(occurrence = %id, "another daemon has taken it up");
                if state == OccurrenceState::Running && open.occurrence.task.is_none() {
                    // It counts as under way at once, not from the next look on.
                    let occurrence = Occurrence { state, ..open.occurrence.clone() };
                    self.beliefs.elsewhere.insert(id.clone(), occurrence);
                }
                self.forget(id).await;
                return false;
            }
            Err(LedgerError::NotFound { .. }) => {
                tracing::info!(occurrence = %id, "it is not there any more");
                self.forget(id).await;
                return false;
            }
            Err(error) => {
                open.tried = true;
                tracing::error!(occurrence = %id, %error, "the occurrence could not be started");
                return false;
            }
        }
        open.occurrence.state = OccurrenceState::Running;
        true
    }

    fn spawn(&mut self, job: Assignment, run: RunId) {
        let (occurrence, task) = (job.occurrence.id.clone(), job.task);
        let Some(events) = self.events.upgrade() else { return };
        let parts = Arc::clone(&self.parts);
        let span = self.beliefs.open.get_mut(&occurrence).map_or_else(Span::none, Open::span);
        self.workers.spawn(async move {
            let done = worker::carry_out(parts, job).instrument(span).await;
            let event = Event::WorkDone { occurrence, run, task, done };
            if events.send(event).await.is_err() {
                tracing::debug!("nobody is left to hear that a run ended");
            }
        });
    }

    async fn work_done(
        &mut self,
        occurrence: &OccurrenceId,
        run: &RunId,
        task: Option<TaskId>,
        done: WorkDone,
    ) {
        self.beliefs.workers.remove(run);
        self.beliefs.endings.extend(done.endings);
        let stopped: Vec<_> = self
            .beliefs
            .stoppers
            .extract_if(.., |(wanted, _)| {
                wanted == run || done.runs.iter().any(|finished| finished.id == *wanted)
            })
            .collect();
        for (_, reply) in stopped {
            let _ = reply.send(Ok(()));
        }
        if let Some((reason, detail)) = &done.refused
            && matches!(reason, Reason::BudgetDay | Reason::Unsuitable | Reason::RubricFailed)
            && let Some(open) = self.beliefs.open.get(occurrence)
        {
            let playbook = open.occurrence.playbook.clone();
            self.decide(&playbook, task, *reason, detail).await;
            let (reason, detail) = (*reason, detail.clone());
            self.clarify(&Refusal { playbook, task, reason, detail }).await;
        }
        if let Some(open) = self.beliefs.open.get_mut(occurrence) {
            if let Some((reason, detail)) = done.refused {
                tracing::info!(%occurrence, ?task, %reason, %detail, "not taken");
                let passes = matches!(reason, Reason::LostRace | Reason::AlreadyClaimed);
                if passes && open.occurrence.is_rework() {
                    // What a reviewer asked for is still to be done: it is planned again.
                    open.closed = false;
                    open.taken.retain(|taken| Some(*taken) != task);
                }
                open.refused.push((task, reason, detail));
            }
            open.runs.extend(done.runs);
        }
        self.leave_rework_for_later(occurrence, task).await;
        self.record_endings().await;
        self.outbox.notify_one();
        self.share().await;
        self.dispatch().await;
    }

    async fn run_by_hand(
        &mut self,
        request: RunRequest,
        reply: oneshot::Sender<Result<RunReport, DeskError>>,
    ) {
        match self.open_by_hand(&request).await {
            Ok(mut open) => {
                open.replies.push(reply);
                self.beliefs.open.insert(open.occurrence.id.clone(), open);
                self.dispatch().await;
            }
            Err(error) => {
                let _ = reply.send(Err(error));
            }
        }
    }

    async fn open_by_hand(&mut self, request: &RunRequest) -> Result<Open, DeskError> {
        self.be_there().await;
        self.read_stop().await;
        books::refresh(&self.parts, &mut self.beliefs).await.map_err(failed)?;
        self.know_others().await.map_err(failed)?;
        let Some(book) = self.beliefs.books.get(&request.playbook) else {
            return Err(self.no_such(&request.playbook));
        };
        let refused = |reason: Reason, message: String| Err(DeskError::Refused { reason, message });
        if self.beliefs.stopped {
            let message = "everything is stopped; `rota start-all` lifts it".to_owned();
            return refused(Reason::Stopped, message);
        }
        if self.beliefs.draining {
            return refused(Reason::Draining, "the daemon is stopping".to_owned());
        }
        self.may_run_here(&book.playbook)?;
        let now = self.parts.clock.wall();
        let planned = request.at.unwrap_or(now);
        let id = format!("{}/manual/{}", request.playbook, self.parts.entropy.nonce());
        let occurrence = Occurrence {
            id: OccurrenceId::new(id),
            playbook: request.playbook.clone(),
            trigger: Trigger::Manual,
            planned,
            task: request.task,
            decided: now,
            state: OccurrenceState::Queued,
            covers: None,
            status: None,
        };
        self.parts.ledger.put_occurrence(&occurrence).await.map_err(failed)?;
        let mut open = Open::new(occurrence, Some(Arc::clone(&book.playbook)));
        open.set.clone_from(&request.set);
        open.told = request.told.clone();
        open.at = request.at;
        Ok(open)
    }

    fn no_such(&self, playbook: &PlaybookName) -> DeskError {
        let mut known: Vec<_> = self.beliefs.books.keys().map(PlaybookName::as_str).collect();
        known.sort_unstable();
        let library = self.parts.library.lock().unwrap_or_else(PoisonError::into_inner);
        let faults = library.faults_of(playbook);
        let why = match faults.first() {
            Some(fault) => format!("its file has faults: {fault} (`rota check` tells all)"),
            None if known.is_empty() => {
                format!("there are no playbooks in {}", library.folder().display())
            }
            None => format!("there are {}", known.join(", ")),
        };
        DeskError::NotFound(format!("there is no playbook {playbook}; {why}"))
    }

    async fn switch(
        &mut self,
        name: &PlaybookName,
        switch: Switch,
        by: &str,
    ) -> Result<Value, DeskError> {
        books::refresh(&self.parts, &mut self.beliefs).await.map_err(failed)?;
        let Some(book) = self.beliefs.books.get(name) else { return Err(self.no_such(name)) };
        let playbook = Arc::clone(&book.playbook);
        let ledger = &self.parts.ledger;
        let what = match switch {
            Switch::Arm(seen) => {
                if seen.is_some_and(|seen| seen != playbook.hash) {
                    return Err(DeskError::Refused {
                        reason: Reason::ReviewChanged,
                        message: format!(
                            "{name} was changed since its rights were shown; look at them, and arm it then"
                        ),
                    });
                }
                books::arm(&self.parts, &playbook, by).await.map_err(failed)?;
                "armed"
            }
            Switch::Pause => {
                ledger.pause(name, by, "by hand").await.map_err(failed)?;
                "paused"
            }
            Switch::Resume => {
                ledger.resume(name, by).await.map_err(failed)?;
                "resumed"
            }
        };
        ledger.audit(by, what, name.as_str()).await.map_err(failed)?;
        self.tick().await;
        let book = self.beliefs.books.get(name);
        Ok(Value::map([
            ("playbook", Value::from(name.as_str())),
            ("armed", book.is_some_and(|book| book.armed).into()),
            ("paused", book.is_some_and(|book| book.switch.paused.is_some()).into()),
            ("next", book.and_then(|book| book.next).map(super::brief::text_of).into()),
        ]))
    }

    async fn stopped(&mut self, stopped: Option<String>) {
        self.beliefs.stopped = stopped.is_some();
        if let Some(why) = stopped {
            self.halt_all(RunState::Cancelled, Reason::Stopped, &format!("stop-all by {why}"));
        }
        self.tick().await;
    }

    pub(super) fn halt_all(&self, state: RunState, reason: Reason, detail: &str) {
        for worker in self.beliefs.workers.values() {
            worker.halt.halt(state, reason, detail);
        }
    }

    /// Reads playbooks and templates again.
    async fn reload(&mut self) -> Value {
        let changes = super::reload::reload(&self.parts);
        self.tick().await;
        changes
    }
}

/// A failure of the ledger, for whoever asked.
pub(super) fn failed(error: LedgerError) -> DeskError {
    DeskError::Failed {
        what: "local state could not be read or written".to_owned(),
        source: Some(Box::new(error)),
    }
}
