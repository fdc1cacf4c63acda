//! The life of one run: reserve, announce, work, settle, release; and what happens instead when
//! something is in the way.
//!
//! ```text
//! reserve ─▶ announce ─▶ attempt ─▶ settle ─▶ release
//!    │          │          │ ▲ │       │
//!  refused   lost race     │ └─┘ retry │
//!                          ├─▶ yield (a person took over)
//!                          └─▶ hand back (attempts used up, stopped)
//! ```
//! Whatever happens, the run's record is finished exactly once, and the claim ends after it.

use super::again::{broke_off, state_for};
use super::applying;
use super::brief::Brief;
use super::earlier;
use super::endings::Ending;
use super::fate;
use super::halt::Halt;
use super::independence::worked_by;
use super::lease::lost_end;
use super::marker::Standing;
use super::parts::Parts;
use crate::crash;
use crate::domain::{
    CommentId, EndKind, HandOver, Occurrence, Playbook, Reason, Rounds, Run, RunId, RunState, Task,
    TaskId, Usage, Wrote,
};
use crate::instruments::spans;
use crate::ledger::{Amount, Held, LedgerError};
use crate::runner::WorkEnd;
use crate::tools::{Progress, Tally};
use futures::FutureExt as _;
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tracing::{Instrument as _, Span};

/// So often it is tried to record that a run begins.
const STARTS_MAX: u32 = 3;

/// What a worker is given to do.
#[derive(Clone, Debug)]
pub(super) struct Assignment {
    /// By which playbook.
    pub playbook: Arc<Playbook>,
    /// For which occurrence.
    pub occurrence: Occurrence,
    /// As if it were this instant.
    pub now: Option<crate::domain::Timestamp>,
    /// At which task.
    pub task: Option<TaskId>,
    /// The revision of the task that was decided upon.
    pub revision: Option<u64>,
    /// The first run's name.
    pub run: RunId,
    /// Which attempt that is.
    pub attempt: u32,
    /// Takes up an ended or parked claim.
    pub resume: Option<super::recovery::Resume>,
    /// Values for templates, under `set`.
    pub set: BTreeMap<String, String>,
    /// Told when its run begins.
    pub told: Progress,
    /// Tells it to stop.
    pub halt: Arc<Halt>,
}

/// What came of an assignment.
#[derive(Clone, Debug)]
pub(super) struct WorkDone {
    /// Its runs, one for each attempt; empty when it was refused before one began.
    pub runs: Vec<Run>,
    /// Ends of runs among these that the store did not take.
    pub endings: Vec<Ending>,
    /// Why it was refused.
    pub refused: Option<(Reason, String)>,
}

/// A worker.
pub(super) struct Worker {
    pub(super) parts: Arc<Parts>,
    pub(super) job: Assignment,
    pub(super) held: Option<Held>,
    pub(super) run: Run,
    pub(super) tally: Arc<Tally>,
    pub(super) brief: Brief,
    pub(super) began: Duration,
    /// The board still shows the claim although the run has ended: somebody has to see to it.
    pub(super) unfinished: bool,
    /// The claim began with what one before it wrote: the board may show that already.
    pub(super) inherits: bool,
    /// The marker that keeps other daemons off the task, on boards where nothing else does.
    pub(super) standing: Option<Standing>,
    /// The comment by which this worker announced the claim, on such boards.
    pub(super) announced: Option<CommentId>,
    /// Nothing of the task is ours to touch: somebody else was first.
    pub(super) is_withdrawn: bool,
    /// What waits for a person once the run has ended.
    pub(super) handed_over: Option<HandOver>,
    /// How far the review has come once it has, where the run reviews.
    pub(super) rounds: Option<Rounds>,
    /// Ends of its runs that the store did not take.
    pub(super) unrecorded: Vec<Ending>,
    /// What of the day's budget was set aside for its run.
    pub(super) budget: Option<Amount>,
    /// The digest of what its run's prompt was made from.
    pub(super) template: Option<String>,
    /// Its run's span.
    pub(super) span: Span,
}

/// How a run goes on after something ended.
pub(super) enum Next {
    /// The outcome is written to the board, then the claim ends.
    Settle,
    /// Another attempt, after so long.
    Retry(Duration),
    /// The same attempt once more, after so long.
    Anew(Duration),
    /// The task goes back as it was found.
    HandBack,
    /// A person took over: what they did stays.
    Yield,
    /// Nothing may be written any more.
    Abandon,
}

/// Carries an assignment out.
pub(super) async fn carry_out(parts: Arc<Parts>, job: Assignment) -> WorkDone {
    let run = job.run.clone();
    let work = async {
        match Worker::reserve(Arc::clone(&parts), job).await {
            Ok(worker) => {
                let line = super::progress::begun(&worker.run);
                worker.job.told.begun(&worker.run.id, line);
                // Boxed: it waits long, and what reserving took is given back before.
                let (runs, endings) = Box::pin(worker.work()).await;
                WorkDone { runs, endings, refused: None }
            }
            Err(refused) => {
                WorkDone { runs: Vec::new(), endings: Vec::new(), refused: Some(refused) }
            }
        }
    };
    // A fault of ours ends one run, never the daemon's count of what runs.
    match AssertUnwindSafe(work).catch_unwind().await {
        Ok(done) => done,
        Err(_) => broke_off(&parts, &run).await,
    }
}

impl Worker {
    /// Takes the claim, where the playbook claims, and records the run.
    async fn reserve(parts: Arc<Parts>, job: Assignment) -> Result<Self, (Reason, String)> {
        let began = parts.clock.boot();
        let settling = job.resume.as_ref().and_then(|resume| resume.settling.as_deref()).cloned();
        // Without knowing what was done before, nothing may be done now.
        let unread = |error: LedgerError| (Reason::StoreFailed, error.to_string());
        let last_seq = match &settling {
            Some(run) => earlier::last_seq(&parts, run).await.map_err(unread)?,
            None => 0,
        };
        let is_taken_up = settling.is_some();
        let fresh = || Self::new_run(&parts, &job, job.run.clone(), job.attempt);
        // Whoever finishes a run carries it out from now on.
        let daemon = Some(parts.settings.daemon.clone());
        let mut run = Run { daemon, ..settling.unwrap_or_else(fresh) };
        if !is_taken_up && job.resume.as_ref().is_some_and(|resume| resume.applies) {
            applying::begins(&parts, &mut run).await.map_err(unread)?;
        }
        let before = earlier::runs_before(&parts, &run).await.map_err(unread)?;
        let counts = earlier::counts(&parts, &before).await.map_err(unread)?;
        let tally = Arc::new(Tally::new(last_seq, counts));
        let proposed = earlier::proposed(&parts, &before, &run).await.map_err(unread)?;
        tally.begin_proposals(u32::try_from(proposed.len()).unwrap_or(u32::MAX));
        let mut worker = Self {
            span: spans::run(&run),
            run,
            budget: None,
            tally,
            brief: Brief::default(),
            held: None,
            began,
            unfinished: false,
            inherits: false,
            standing: None,
            announced: None,
            is_withdrawn: false,
            handed_over: None,
            rounds: None,
            unrecorded: Vec::new(),
            template: None,
            parts,
            job,
        };
        worker.suits().await?;
        worker.reserve_budget().await?;
        if let (Some(rules), Some(task)) = (&worker.job.playbook.claim, worker.job.task) {
            let lease = rules.lease;
            let fence = worker.job.resume.as_ref().map(|resume| resume.fence);
            let held = worker.acquire(task, lease, fence).await;
            let held = worker.or_give_back(held).await?;
            worker.run.fence = Some(held.claim.fence);
            let fence = held.claim.fence;
            worker.inherits = held.claim.wrote != Wrote::default();
            worker.held = Some(held);
            crash::reached("claim.reserved");
            let text = format!("{} claims task {task} (fence {fence})", worker.job.playbook.name);
            tracing::info!(run = %worker.run.id, "{text}");
            worker.parts.tell("claimed", Some(&worker.run.id), text);
        }
        if let Err(error) = worker.record_begin().await {
            let detail = error.to_string();
            worker.end_claim(EndKind::Expired, Reason::StoreFailed).await;
            worker.give_back_budget().await;
            return Err((Reason::StoreFailed, detail));
        }
        worker.recall_answer().await;
        Ok(worker)
    }

    pub(super) fn new_run(parts: &Parts, job: &Assignment, id: RunId, attempt: u32) -> Run {
        Run {
            id,
            playbook: job.playbook.name.clone(),
            definition: job.playbook.hash.clone(),
            occurrence: job.occurrence.id.clone(),
            task: job.task,
            attempt,
            fence: None,
            state: RunState::Running,
            reason: None,
            detail: String::new(),
            outcome: None,
            summary: String::new(),
            started: parts.clock.wall(),
            ended: None,
            usage: Usage::default(),
            daemon: Some(parts.settings.daemon.clone()),
            settle_from: None,
            left: None,
            reviewer: None,
            by: Some(worked_by(parts, &job.playbook)),
            looked_at: None,
            evidence: Vec::new(),
        }
    }

    /// Records that its first run begins, tried a few times.
    async fn record_begin(&self) -> Result<(), LedgerError> {
        let mut started = self.record_start().await;
        for _ in 1..STARTS_MAX {
            // Whether it was recorded is unknown; recording it alike twice is allowed.
            if matches!(started, Err(LedgerError::Store(_))) {
                started = self.record_start().await;
            }
        }
        started
    }

    pub(super) async fn record_start(&self) -> Result<(), LedgerError> {
        // Its run began before this worker did.
        let is_first = self.run.attempt == self.job.attempt;
        let resume = self.job.resume.as_ref().filter(|_| is_first);
        if resume.is_some_and(|resume| resume.settling.is_some()) {
            return self.parts.ledger.update_run(&self.run).await;
        }
        self.parts.ledger.start_run(&self.run, &self.job.playbook.source).await
    }

    /// From announce to release, over as many attempts as it takes: its runs, and the ends of such that
    /// the store did not take.
    async fn work(mut self) -> (Vec<Run>, Vec<Ending>) {
        let mut runs = Vec::new();
        let keeper = self.keeper();
        if let Some((end, next)) = keeper.during(self.taken_up()).await {
            self.close(end, next).await;
            return (vec![self.run], self.unrecorded);
        }
        let keeper = self.keeper();
        let span = self.span.clone();
        let mut begun = keeper.during(self.begin()).instrument(span).await;
        loop {
            let keeper = self.keeper();
            let (end, next) = match begun {
                Ok(()) => {
                    let span = self.span.clone();
                    let end = keeper.during(self.attempt()).instrument(span).await;
                    let end = self.with_fates(end).await;
                    let next = self.or_anew(&end, self.after(&end)).await;
                    (end, next)
                }
                Err(end) => {
                    let next = self.after_trouble(&end);
                    (end, next)
                }
            };
            let attempt = self.run.attempt + u32::from(matches!(next, Next::Retry(_)));
            let over = match next {
                Next::Retry(wait) | Next::Anew(wait) => self.wait_for_next(&end, wait).await,
                next => Some((end.clone(), next)),
            };
            if let Some((end, next)) = over {
                let span = self.span.clone();
                self.close(end, next).instrument(span.clone()).await;
                spans::run_ended(&span, &self.run);
                runs.push(self.run);
                return (runs, self.unrecorded);
            }
            let keeper = self.keeper();
            keeper.during(self.log_time()).await;
            let keeper = self.keeper();
            keeper.during(self.finish_record(&end, Vec::new())).await;
            spans::run_ended(&self.span, &self.run);
            runs.push(self.run.clone());
            begun = self.next_attempt(attempt).await;
        }
    }

    /// A claim that was taken up only to be finished: settled to the end, or handed back.
    async fn taken_up(&mut self) -> Option<(WorkEnd, Next)> {
        let resume = self.job.resume.clone()?;
        let end = if let Some((reason, detail)) = resume.give_up {
            let ended = WorkEnd::ended(state_for(reason), reason, detail, self.run.usage);
            WorkEnd { summary: self.run.summary.clone(), ..ended }
        } else if resume.settling.is_some() || resume.applies {
            let done = WorkEnd::done(self.run.summary.clone(), self.run.usage);
            WorkEnd { outcome: self.run.outcome.clone(), ..done }
        } else {
            return None;
        };
        let next = match end.state {
            RunState::Succeeded | RunState::NothingToDo => Next::Settle,
            RunState::Yielded => Next::Yield,
            _ => Next::HandBack,
        };
        let task = self.read_task().await.ok().flatten();
        if let Err(trouble) = self.raise_fence().await {
            tracing::warn!(run = %self.run.id, detail = %trouble.detail, "the fence was not raised");
        }
        if let Err(trouble) = self.begin_brief(task.as_ref()).await {
            return Some((trouble, Next::HandBack));
        }
        match self.is_outrun().await {
            Ok(None) => Some((end, next)),
            Ok(Some(outrun)) => Some((outrun, Next::HandBack)),
            Err(trouble) => Some((trouble, Next::Abandon)),
        }
    }

    /// Announces a new claim, or looks whether a resumed one still stands on the board.
    pub(super) async fn begin(&mut self) -> Result<(), WorkEnd> {
        let task = self.read_task().await?;
        self.begin_brief(task.as_ref()).await?;
        let (Some(held), Some(task)) = (&self.held, task) else { return Ok(()) };
        // A fresh claim may find what an ended one before it wrote, or meant to: that may never have
        // arrived, so it is announced like any other.
        let is_fresh = self.job.resume.is_none() && self.run.attempt == self.job.attempt;
        if let Some(cause) = self.job.halt.cause().filter(|_| is_fresh) {
            // Nothing shows yet, so nothing need be put back.
            return Err(WorkEnd::ended(cause.state, cause.reason, cause.detail, Usage::default()));
        }
        if held.claim.wrote.status.is_some() && !is_fresh {
            self.take_stock(&task).await
        } else {
            self.announce(&task).await
        }
    }

    /// The end that a halt asked for, else the one at hand.
    pub(super) fn halted_end(&self, end: WorkEnd) -> WorkEnd {
        match self.job.halt.cause() {
            Some(cause) => {
                WorkEnd { state: cause.state, reason: cause.reason, detail: cause.detail, ..end }
            }
            None => end,
        }
    }

    /// Nothing may be tried again while it is not known what the last attempt did.
    pub(super) async fn with_fates(&self, end: WorkEnd) -> WorkEnd {
        // Whoever has taken the claim over may be writing under this run's name: it learns them.
        if self.lost() {
            return end;
        }
        let unknown = match fate::learn(&self.parts, &self.run).await {
            Ok(unknown) => unknown,
            Err(error) => Some(error.to_string()),
        };
        match unknown {
            Some(detail) if end.state.may_retry() => {
                WorkEnd { state: RunState::Failed, reason: Reason::UnknownEffect, detail, ..end }
            }
            _ => end,
        }
    }

    /// Writes what is to be written to the board, finishes the record, ends the claim.
    async fn close(&mut self, end: WorkEnd, next: Next) {
        crash::reached("run.ended");
        self.keeper().during(self.end_progress(&end)).await;
        let keeper = self.keeper();
        let (end, how) = keeper.during(self.write_end_and_time(end, next)).await;
        let how = if self.unfinished { EndKind::Expired } else { how };
        if self.unfinished {
            self.run.settle_from = None;
        }
        // The lease lasts as long as anything is still to be asked of the board.
        let keeper = self.keeper();
        keeper.during(self.close_staging(&end, how)).await;
        let keeper = self.keeper();
        let (reason, how) = keeper.during(self.wind_up(end, how)).await;
        if let Some(how) = how {
            self.end_claim(how, reason).await;
            crash::reached("claim.released");
        }
    }

    async fn write_end_and_time(&mut self, end: WorkEnd, next: Next) -> (WorkEnd, EndKind) {
        let (end, how) = self.write_end(end, next).await;
        // Whoever waits for an answer did so before it began to wait.
        if end.reason != Reason::Waiting {
            self.log_time().await;
        }
        (end, how)
    }

    /// What the board is told of a run's end, and how its claim ends then.
    async fn write_end(&mut self, end: WorkEnd, next: Next) -> (WorkEnd, EndKind) {
        match next {
            Next::Abandon => (lost_end(end), EndKind::Expired),
            Next::Yield => (self.give_way(end).await, EndKind::Yielded),
            Next::HandBack | Next::Retry(_) | Next::Anew(_) => {
                (self.hand_back(end).await, EndKind::Released)
            }
            Next::Settle => match self.settle(end).await {
                (end, _) if self.unfinished && self.lost() => (lost_end(end), EndKind::Expired),
                (end, true) => (end, EndKind::Yielded),
                (end, false) => (end, EndKind::Released),
            },
        }
    }

    /// The task as it is now; `None` when the run is about none.
    pub(super) async fn read_task(&self) -> Result<Option<Task>, WorkEnd> {
        let Some(id) = self.job.task else { return Ok(None) };
        match self.parts.board.task(id).await {
            Ok(task) => Ok(Some(task)),
            Err(error) => Err(board_trouble(&error)),
        }
    }
}

/// How a run ends when local state cannot be read.
pub(super) fn store_trouble(error: &LedgerError) -> WorkEnd {
    let (state, reason) = (RunState::Failed, Reason::StoreFailed);
    WorkEnd::ended(state, reason, error.to_string(), Usage::default())
}

/// How a run ends when the board does not answer as hoped.
pub(super) fn board_trouble(error: &crate::board::BoardError) -> WorkEnd {
    use crate::board::BoardError;
    let reason = match error {
        BoardError::NotFound { .. } => Reason::NotFound,
        BoardError::Fenced { .. } => Reason::StaleFence,
        _ => Reason::BoardUnavailable,
    };
    let state = if reason == Reason::NotFound { RunState::Yielded } else { RunState::Failed };
    WorkEnd::ended(state, reason, error.to_string(), Usage::default())
}
