//! What follows an attempt: the outcome, another attempt, or the end.

use super::earlier;
use super::endings::{Ending, is_not_taken};
use super::lease::lost_end;
use super::parts::Parts;
use super::worker::{Next, WorkDone, Worker};
use crate::crash;
use crate::domain::{AsLeft, EndKind, Notice, Reason, Run, RunId, RunState, Usage, millis};
use crate::instruments::spans;
use crate::ledger::LedgerError;
use crate::runner::WorkEnd;
use crate::schedule::{Retry, after_failure};
use crate::tools::Tally;
use futures::FutureExt as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tracing::Instrument as _;

/// So often, after such pauses, what board or store did not answer is asked again at a run's end: a database
/// that is started anew is there again within seconds. The trust window ends it sooner.
pub(super) const ASK_AGAIN: [Duration; 4] = [
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
];

/// And not beyond this: a store that says nothing takes its time with each answer.
pub(super) const RECORD_MAX: Duration = Duration::from_secs(15);

impl Worker {
    /// What follows from how an attempt ended.
    pub(super) fn after(&self, end: &WorkEnd) -> Next {
        if self.lost() || end.state == RunState::ClaimLost {
            return Next::Abandon;
        }
        match end.state {
            RunState::Yielded => Next::Yield,
            RunState::Succeeded | RunState::NothingToDo | RunState::Waiting => Next::Settle,
            _ if end.reason == Reason::UnknownEffect || self.job.halt.cause().is_some() => {
                self.given_up()
            }
            state => {
                let (limits, now) = (&self.job.playbook.limits, self.parts.clock.wall());
                match after_failure((state, end.reason), self.run.attempt, now, limits) {
                    Retry::Again { not_before, .. } => {
                        Next::Retry((not_before - now).to_std().unwrap_or_default())
                    }
                    Retry::HandBack { .. } => self.given_up(),
                }
            }
        }
    }

    /// What follows when an attempt could not even begin.
    pub(super) fn after_trouble(&self, end: &WorkEnd) -> Next {
        match end.state {
            _ if self.lost() => Next::Abandon,
            RunState::ClaimLost => Next::Abandon,
            RunState::Yielded => Next::Yield,
            _ if self.held.is_some() => Next::HandBack,
            _ => self.after(end),
        }
    }

    /// A task goes back; without one there is nothing to put back.
    fn given_up(&self) -> Next {
        if self.held.is_some() { Next::HandBack } else { Next::Settle }
    }

    /// Waits, under the claim, until the next attempt may begin; or how it ends instead.
    pub(super) async fn wait_for_next(
        &mut self,
        end: &WorkEnd,
        wait: Duration,
    ) -> Option<(WorkEnd, Next)> {
        let (halt, attempt) = (Arc::clone(&self.job.halt), self.run.attempt);
        if halt.may_go_on() {
            let wait = crate::domain::show_duration(wait);
            let (state, reason) = (end.state, end.reason);
            let text = format!(
                "attempt {attempt} ended: {state} ({reason}); the next one begins in {wait}"
            );
            self.note(&text).await;
        }
        // The runtime's timer measures how long, never when: it stands still while the machine sleeps,
        // so that a backoff may last longer than asked for, never shorter. Where tests inject a clock,
        // they make it from the runtime's time, which they pause.
        let waiting = async {
            tokio::select! {
                biased;
                () = halt.is_last() => false,
                () = tokio::time::sleep(wait) => true,
            }
        };
        let waited = self.keeper().during(waiting).await;
        if self.lost() {
            return Some((lost_end(self.halted_end(end.clone())), Next::Abandon));
        }
        if waited {
            return None;
        }
        // Unless somebody gave another cause, it is the daemon that ends.
        let detail =
            format!("attempt {attempt} ended: {} ({}), {}", end.state, end.reason, end.detail);
        halt.halt(RunState::Cancelled, Reason::Draining, detail);
        Some((self.halted_end(end.clone()), self.given_up()))
    }

    /// Takes the claim for the attempt of this number, and begins it.
    pub(super) async fn next_attempt(&mut self, attempt: u32) -> Result<(), WorkEnd> {
        let id = self.parts.entropy.run_id();
        self.run = Self::new_run(&self.parts, &self.job, id, attempt);
        self.span = spans::run(&self.run);
        self.began = self.parts.clock.boot();
        self.tally = Arc::new(Tally::new(0, self.tally.counts()));
        let ended = |state, reason, detail| WorkEnd::ended(state, reason, detail, Usage::default());
        let lease = self.job.playbook.claim.as_ref().map_or(Duration::ZERO, |c| c.lease);
        self.budget = None;
        let reserved = self.reserve_budget().await;
        let succeeded = self.succeed(lease).await;
        // Also where the claim was lost: that is how this attempt ended.
        let recorded = self.record_start().await;
        succeeded.map_err(|(reason, detail)| ended(RunState::ClaimLost, reason, detail))?;
        recorded
            .map_err(|error| ended(RunState::Failed, Reason::StoreFailed, error.to_string()))?;
        reserved.map_err(|(reason, detail)| ended(RunState::Failed, reason, detail))?;
        let before = earlier::last_proposal(&self.parts, &self.run).await;
        let before = before
            .map_err(|error| ended(RunState::Failed, Reason::StoreFailed, error.to_string()))?;
        self.tally.begin_proposals(before);
        let keeper = self.keeper();
        let span = self.span.clone();
        keeper.during(self.begin()).instrument(span).await
    }

    /// What follows the last write for a run: its fates, what people are told, its record, its marker.
    /// Why it ended, and how its claim ends; `None`: it waits for a person.
    pub(super) async fn wind_up(
        &mut self,
        end: WorkEnd,
        how: EndKind,
    ) -> (Reason, Option<EndKind>) {
        self.with_fates(end.clone()).await;
        if end.state == RunState::Yielded || end.state.may_retry() {
            let task = self.read_task().await.ok().flatten();
            self.run.left = task.map(|t| AsLeft { revision: t.revision, modified: t.modified });
        }
        crash::reached("settle.done");
        let (end, notices) = self.tell(end).await;
        let parked = end.state == RunState::Waiting;
        let is_known = self.finish_record(&end, notices).await;
        // Released, a claim would lead nobody to a run whose end is not on record; so does one that expired.
        let how = if is_known { how } else { EndKind::Expired };
        if !parked && how != EndKind::Expired {
            self.close_marker().await;
        }
        (end.reason, (!parked).then_some(how))
    }

    /// Whether something that board or store did not answer may be asked again: not by a run that was told
    /// to stop, nor under a claim that is lost, nor of a store that takes no more.
    pub(super) fn may_ask_again(&self) -> bool {
        let is_closed = self.parts.ledger.closed().now_or_never().is_some();
        !is_closed && !self.lost() && self.job.halt.cause().is_none()
    }

    /// Ends the run's record. False: the store did not take it, or did not say so, for as long as it could be
    /// asked.
    pub(super) async fn finish_record(&mut self, end: &WorkEnd, notices: Vec<Notice>) -> bool {
        self.run.state = end.state;
        self.run.reason = Some(end.reason);
        self.run.detail.clone_from(&end.detail);
        self.run.outcome.clone_from(&end.outcome);
        self.run.summary.clone_from(&end.summary);
        self.run.ended = Some(self.parts.clock.wall());
        // An end that something of ours came to knows nothing of what the work has used.
        if end.usage != Usage::default() {
            self.run.usage = end.usage;
        }
        self.run.usage.elapsed_ms = millis(self.parts.clock.boot().saturating_sub(self.began));
        let ending = self.ending(end, notices);
        let mut result = ending.record(&self.parts.ledger).await;
        // Whether it happened is unknown; finishing alike twice is allowed.
        let until = Instant::now() + RECORD_MAX;
        for wait in std::iter::once(Duration::ZERO).chain(ASK_AGAIN) {
            let is_over = !wait.is_zero() && (!self.may_ask_again() || Instant::now() > until);
            let is_refused =
                matches!(result, Err(LedgerError::Store(_) | LedgerError::Contended { .. }));
            if !is_refused || is_over {
                break;
            }
            tokio::time::sleep(wait).await;
            result = ending.record(&self.parts.ledger).await;
        }
        let is_known = !result.as_ref().is_err_and(is_not_taken);
        let id = &self.run.id;
        match result {
            Ok(()) => {
                let text = format!("{}: {} ({})", self.run.playbook, end.state, end.reason);
                tracing::info!(run = %id, task = self.job.task.map(|task| task.0), "{text}");
                self.parts.tell("ended", Some(id), text);
            }
            Err(error) => {
                tracing::error!(run = %id, %error, "the end of the run could not be recorded");
            }
        }
        if !is_known {
            self.unrecorded.push(ending);
        }
        is_known
    }

    fn ending(&self, end: &WorkEnd, notices: Vec<Notice>) -> Ending {
        let waits = end.reason == Reason::HandedOver || end.state == RunState::Unverified;
        let hand_over = self.handed_over.as_ref().filter(|_| waits);
        let rounds = self.rounds.as_ref().filter(|_| end.state == RunState::Succeeded);
        Ending {
            run: self.run.clone(),
            notices,
            hand_over: hand_over.cloned(),
            rounds: rounds.cloned(),
        }
    }
}

/// How a run ends that is only taken up to be handed back.
pub(super) fn state_for(reason: Reason) -> RunState {
    match reason {
        Reason::PersonTookOver | Reason::StopTag | Reason::StopComment | Reason::NotFound => {
            RunState::Yielded
        }
        Reason::Stopped
        | Reason::Cancelled
        | Reason::Draining
        | Reason::Paused
        | Reason::NotArmed
        | Reason::NotThisDaemon
        | Reason::PlaybookGone => RunState::Cancelled,
        Reason::NothingToDo => RunState::NothingToDo,
        Reason::Interrupted => RunState::Interrupted,
        Reason::TimedOut => RunState::TimedOut,
        Reason::Stalled => RunState::Stalled,
        Reason::Unverified => RunState::Unverified,
        Reason::ForceReleased | Reason::ClaimLost => RunState::ClaimLost,
        _ => RunState::Failed,
    }
}

/// A worker that panicked: its claim ends with its lease and is seen to then; its first record ends
/// here, if no claim leads to it.
pub(super) async fn broke_off(parts: &Parts, run: &RunId) -> WorkDone {
    const DETAIL: &str = "the worker broke off: a fault of the program, see its log";
    tracing::error!(%run, "the worker panicked");
    let record = parts.ledger.run(run.as_str()).await.ok().flatten();
    let ended = record.filter(|r| r.state == RunState::Running && r.fence.is_none()).map(|r| Run {
        state: RunState::Failed,
        reason: Some(Reason::WorkFailed),
        detail: DETAIL.to_owned(),
        ended: Some(parts.clock.wall()),
        ..r
    });
    if let Some(ended) = &ended
        && let Err(error) = parts.ledger.finish_run(ended, Vec::new()).await
    {
        tracing::error!(%run, %error, "the end of the run could not be recorded");
    }
    let refused = Some((Reason::WorkFailed, DETAIL.to_owned()));
    WorkDone { runs: ended.into_iter().collect(), endings: Vec::new(), refused }
}
