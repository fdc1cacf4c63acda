//! Whoever was asked for changes answers, on the board or by a push: the reviewer looks again.
//!
//! Only reviews of what a person wrote are waited for here; an agent that works again is queued by the
//! reviewer's own run. A comment counts when it is of the person whose turn it is, never when an agent
//! or a run wrote it. Pushes are looked for beside the loop that decides, a few tasks at a time.

use super::brief::text_of;
use super::dispatcher::Dispatcher;
use super::hear::Trouble;
use super::journal::comment_of;
use super::parts::Parts;
use crate::board::BoardError;
use crate::domain::{
    ActivityId, Comment, CommentId, Occurrence, OccurrenceId, OccurrenceState, PersonKind, Rounds,
    RunId, Task, TaskId, Timestamp, Trigger,
};
use crate::ledger::{LedgerError, RunFilter};
use crate::runner::workspace::{Origin, WorkspaceError, judge};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// At most so many tasks are looked at for answers in one tick.
const TASKS_MAX: usize = 50;
/// At most so many repositories are asked in one round.
const ASKED_MAX: usize = 10;
/// How often one is asked.
const EVERY: Duration = Duration::from_mins(1);
/// At most so many runs after a review are looked at for comments of theirs.
const RUNS_MAX: usize = 20;

/// What is known of answers between two looks.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// The board's latest activity that was looked at, and for which reviews.
    seen: Option<(ActivityId, Vec<RunId>)>,
    /// Whose turn it is.
    turn: usize,
}

impl Dispatcher {
    /// Wakes reviewers whose authors have answered on the board.
    pub(super) async fn hear_authors(&mut self) {
        if let Err(error) = self.listen_to_authors().await {
            tracing::warn!(%error, "answers to reviews could not be read; the next tick tries again");
        }
    }

    async fn listen_to_authors(&mut self) -> Result<(), Trouble> {
        let open = self.parts.ledger.open_rounds().await?;
        if open.is_empty() || self.beliefs.stopped {
            return Ok(());
        }
        let latest = self.parts.board.latest_activity().await?;
        let now = Some((latest, open.iter().map(|rounds| rounds.run.clone()).collect()));
        if open.len() <= TASKS_MAX && self.beliefs.heard.seen == now {
            return Ok(());
        }
        let from = self.beliefs.heard.turn % open.len();
        for rounds in open.iter().cycle().skip(from).take(open.len().min(TASKS_MAX)) {
            if let Some(comment) = answer_to(&self.parts, rounds).await? {
                let what = format!("answered/{}/{comment}", rounds.task);
                look_again(&self.parts, rounds, &what).await?;
            }
        }
        self.beliefs.heard.turn = from + TASKS_MAX;
        self.beliefs.heard.seen = now;
        Ok(())
    }
}

/// The first comment by which the person whose turn it is answers a review.
async fn answer_to(parts: &Parts, rounds: &Rounds) -> Result<Option<CommentId>, Trouble> {
    let Some(task) = waiting_task(parts, rounds).await? else { return Ok(None) };
    let said = parts.journal.said_since(task.id, Some(rounds.heard), None).await?;
    if said.is_empty() {
        return Ok(None);
    }
    let people = parts.board.people().await?;
    let is_theirs = |comment: &&Comment| {
        let is_person =
            |p: &crate::domain::Person| p.id == comment.author && p.kind == PersonKind::Person;
        let who = Some(comment.author);
        people.iter().any(is_person) && (who == rounds.author.person || who == task.assignee)
    };
    let theirs: Vec<CommentId> = said.iter().filter(is_theirs).map(|comment| comment.id).collect();
    if theirs.is_empty() {
        return Ok(None);
    }
    // On some boards all that is written through us is written by one user, who may be a person.
    let ours = written_by_runs(parts, rounds).await?;
    Ok(theirs.into_iter().find(|comment| !ours.contains(comment)))
}

/// The task of a review, as long as it is in the status in which it was left.
async fn waiting_task(parts: &Parts, rounds: &Rounds) -> Result<Option<Task>, Trouble> {
    match parts.board.task(rounds.task).await {
        Ok(task) => Ok((task.status == rounds.status).then_some(task)),
        Err(BoardError::NotFound { .. }) => {
            parts.ledger.forget_rounds(rounds.task, &rounds.run).await?;
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// Comments on the task that runs wrote, the reviewer's own and those after it.
async fn written_by_runs(
    parts: &Parts,
    rounds: &Rounds,
) -> Result<BTreeSet<CommentId>, LedgerError> {
    let filter = RunFilter { task: Some(rounds.task), ..RunFilter::default() };
    let mut written = BTreeSet::new();
    for run in parts.ledger.runs(&filter, RUNS_MAX).await? {
        let effects = parts.ledger.effects(&run.id).await?;
        written.extend(effects.iter().filter_map(comment_of));
        if run.id == rounds.run {
            break;
        }
    }
    Ok(written)
}

/// Queues another look, once for each thing that led to it: past `[select]`, not past the gates, and
/// only as long as the task is where the review left it.
async fn look_again(parts: &Parts, rounds: &Rounds, what: &str) -> Result<(), LedgerError> {
    let now = parts.clock.wall();
    let occurrence = Occurrence {
        id: OccurrenceId::new(format!("{}@{what}", rounds.reviewer)),
        playbook: rounds.reviewer.clone(),
        trigger: Trigger::Review,
        planned: now,
        task: Some(rounds.task),
        decided: now,
        state: OccurrenceState::Queued,
        covers: None,
        status: Some(rounds.status),
    };
    if parts.ledger.knows_occurrence(&occurrence.id).await? {
        return Ok(());
    }
    tracing::info!(task = %rounds.task, reviewer = %rounds.reviewer, what, "the review goes on");
    parts.ledger.put_occurrence(&occurrence).await
}

/// Looks for pushes until it is dropped.
pub(super) async fn keep(parts: Arc<Parts>) {
    let mut timer = super::upkeep::timer(EVERY);
    let mut pushes = Pushes::default();
    loop {
        timer.tick().await;
        pushes.look(&parts).await;
    }
}

/// What is known of pushes between two looks.
#[derive(Debug, Default)]
pub(super) struct Pushes {
    /// When each task's repository was asked last.
    asked: BTreeMap<TaskId, Timestamp>,
    /// Repositories that could not be asked: told once each.
    failed: BTreeSet<String>,
}

impl Pushes {
    /// Asks some of the repositories in which authors are to push, each at most once a minute.
    pub(super) async fn look(&mut self, parts: &Parts) {
        let open = match parts.ledger.open_rounds().await {
            Ok(open) => open,
            Err(error) => return tracing::warn!(%error, "open reviews could not be read"),
        };
        let is_open = |task: &TaskId| open.iter().any(|rounds| rounds.task == *task);
        self.asked.retain(|task, _| is_open(task));
        let now = parts.clock.wall();
        let may_ask = |rounds: &&Rounds| {
            let is_known = rounds.pushed.is_some() && rounds.source.is_some();
            let last = self.asked.get(&rounds.task);
            let is_due = last.is_none_or(|last| now - *last >= crate::domain::to_delta(EVERY));
            is_known && is_due && !rounds.findings.is_empty()
        };
        let mut due: Vec<Rounds> = open.iter().filter(may_ask).cloned().collect();
        // The longest unasked first.
        due.sort_by_key(|rounds| self.asked.get(&rounds.task).copied());
        due.truncate(ASKED_MAX);
        for rounds in due {
            self.asked.insert(rounds.task, now);
            if let Err(why) = look_for_push(parts, &rounds).await {
                let source = rounds.source.map(|source| source.repository).unwrap_or_default();
                if self.failed.insert(source) {
                    tracing::warn!(
                        task = %rounds.task, why,
                        "it cannot be seen whether the author has pushed; this is told once"
                    );
                }
            }
        }
    }
}

/// Queues another look where a branch is no longer at the commit that was looked at.
async fn look_for_push(parts: &Parts, rounds: &Rounds) -> Result<(), String> {
    let (Some(seen), Some(source), Some(workspaces)) =
        (&rounds.pushed, &rounds.source, &parts.workspaces)
    else {
        return Ok(());
    };
    let said = |error: &dyn std::fmt::Display| error.to_string();
    let waits = waiting_task(parts, rounds).await.map_err(|error| said(&error))?;
    let Some(playbook) = parts.playbook(&rounds.reviewer).filter(|_| waits.is_some()) else {
        return Ok(());
    };
    let rules = playbook.workspace.as_ref();
    let Some(wanted) = rules.and_then(|rules| rules.source.as_ref()) else { return Ok(()) };
    // What was allowed when it was written down may be no more.
    let of_playbook = rules.iter().flat_map(|rules| &rules.repositories);
    let allowed: Vec<String> =
        of_playbook.chain(&workspaces.options().repositories).cloned().collect();
    let (repository, reference) = (&source.repository, source.reference.as_deref());
    let path = Path::new(&playbook.path);
    let origin: Origin = judge(wanted, repository, reference, &allowed, path)
        .map_err(|error: WorkspaceError| said(&error))?;
    let run = RunId::new(format!("w-{}", parts.entropy.nonce()));
    let head = workspaces.remote_head(&origin, &run, &CancellationToken::new()).await;
    let head = head.map_err(|error| said(&error))?;
    let Some(head) = head.filter(|head| head != seen) else { return Ok(()) };
    let what = format!("pushed/{}/{}/{head}", rounds.task, text_of(rounds.at));
    look_again(parts, rounds, &what).await.map_err(|error| said(&error))
}
