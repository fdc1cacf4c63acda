//! The ledger as the guard of tools sees it, with one look more: before every effect of a run's own
//! work, whether a person took the task over (C4).

use super::marker::{self, REMOVED};
use crate::board::{Board, BoardError};
use crate::domain::{
    ActivityQuery, Claim, Comment, CommentId, CommentQuery, CommentTarget, Effect, EffectResult,
    EffectState, Entity, Fence, Mark, Parked, Person, PersonId, PersonKind, Phase, PlaybookName,
    Reason, RunId, TaskId, Timestamp,
};
use crate::ledger::{Ledger, RunFilter};
use crate::schedule::{Finding, HeldView, command, reconcile};
use crate::tools::{Intended, Journal, JournalError};
use async_trait::async_trait;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Comments asked for at a time.
const PAGE: usize = 1_000;
/// At most so many pages of what was said on one task are read.
const PAGES_MAX: usize = 20;
/// At most so many attempts are looked back for a claim that does not say since when people count.
const ATTEMPTS_MAX: usize = 50;

/// The journal of a daemon's runs.
#[derive(Debug)]
pub struct RunJournal {
    ledger: Arc<Ledger>,
    board: Arc<dyn Board>,
}

/// A question to people.
pub(super) struct Asked<'a> {
    pub task: TaskId,
    /// The run that asked.
    pub run: &'a RunId,
    pub since: Timestamp,
    /// The comment that asks, where it is known.
    pub comment: Option<CommentId>,
    /// The comment that is known to be the answer.
    pub answer: Option<CommentId>,
}

impl RunJournal {
    /// Over a ledger, watching a board.
    pub fn new(ledger: Arc<Ledger>, board: Arc<dyn Board>) -> Self {
        Self { ledger, board }
    }

    /// Whether a person took over a claimed task, by what is on the board now; why, if so.
    pub(super) async fn look(&self, claim: &Claim) -> Result<Option<(Reason, String)>, BoardError> {
        // Together: where each question is a request, this is one.
        let (task, people, comments) =
            futures::join!(self.board.task(claim.task), self.board.people(), self.said_to(claim));
        let task = match task {
            Ok(task) => Some(task),
            Err(BoardError::NotFound { .. }) => None,
            Err(error) => return Err(error),
        };
        let people = people?;
        let comments = if task.is_some() { comments? } else { Vec::new() };
        let view = HeldView {
            claim,
            task_now: task.as_ref(),
            seen_revision: task.as_ref().map_or(0, |task| task.revision),
            comments: &comments,
            agent: agent_of(claim, &people),
            people: &people,
        };
        if let Some(name) = self.decided_by(claim.task).await {
            let detail = format!("{name} has decided about what was handed over before");
            return Ok(Some((Reason::PersonTookOver, detail)));
        }
        let finding = reconcile(&[view]).into_iter().next().map(|verdict| verdict.finding);
        match finding {
            Some(Finding::Yield { reason: Reason::PersonTookOver, .. })
                if self.is_ours(claim).await? =>
            {
                Ok(None)
            }
            Some(Finding::Yield { reason, detail }) => Ok(Some((reason, detail))),
            _ if task.is_some() && self.is_unmarked(claim).await? => {
                Ok(Some((Reason::PersonTookOver, REMOVED.to_owned())))
            }
            _ => Ok(None),
        }
    }

    /// Who has decided about a hand-over of the task that the board does not show yet: a person came
    /// first, whatever the board says.
    async fn decided_by(&self, task: TaskId) -> Option<String> {
        let hand_over = self.ledger.hand_over(task).await.ok().flatten()?;
        hand_over.decided.filter(|decided| !decided.written).map(|decided| decided.name)
    }

    /// Whether somebody took the announcement of a claim away that is worked under.
    async fn is_unmarked(&self, claim: &Claim) -> Result<bool, BoardError> {
        let is_at_work = claim.phase == Phase::Working && claim.holder.is_some();
        match self.board.markers() {
            Some(markers) if is_at_work => marker::is_removed(markers, claim).await,
            _ => Ok(false),
        }
    }

    /// Whether the last change of assignee and of status was a write of this claim's own run: the
    /// agent may be allowed to change them itself. Boards that do not say who never get here with
    /// a different answer than the values give.
    async fn is_ours(&self, claim: &Claim) -> Result<bool, BoardError> {
        if !self.board.capabilities().actors {
            return Ok(false);
        }
        for field in ["assignee", "status"] {
            let query = ActivityQuery {
                task: Some(claim.task),
                field: Some(field.to_owned()),
                latest_first: true,
                limit: 1,
                ..ActivityQuery::default()
            };
            let last = self.board.activity(&query).await?.items.into_iter().next();
            // A field that nobody changed since is as we found it.
            let Some(row) = last.filter(|row| row.after != expected(claim, field)) else {
                continue;
            };
            if !self.is_of_claim(row.mark.as_ref(), claim).await {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether a write was made for this claim: by its run, or by an earlier attempt.
    async fn is_of_claim(&self, mark: Option<&Mark>, claim: &Claim) -> bool {
        let Some(mark) = mark else { return false };
        if mark.run == claim.run {
            return true;
        }
        let run = self.ledger.run(mark.run.as_str()).await.ok().flatten();
        run.is_some_and(|run| run.task == Some(claim.task) && run.playbook == claim.playbook)
    }

    /// The last comment on a task, by the board's own order; `CommentId(0)` if there is none.
    pub(super) async fn last_comment(&self, task: TaskId) -> Result<CommentId, BoardError> {
        let query = CommentQuery {
            on: Some(CommentTarget::Task(task)),
            latest_first: true,
            limit: 1,
            ..CommentQuery::default()
        };
        let last = self.board.comments(&query).await?.items.into_iter().next();
        Ok(last.map_or(CommentId(0), |comment| comment.id))
    }

    /// What was said on a task since a comment; where none is known, in records of earlier versions,
    /// since an instant, by the clocks.
    pub(super) async fn said_since(
        &self,
        task: TaskId,
        comment: Option<CommentId>,
        instant: Option<Timestamp>,
    ) -> Result<Vec<Comment>, BoardError> {
        let mut query = CommentQuery {
            on: Some(CommentTarget::Task(task)),
            from: instant.filter(|_| comment.is_none()),
            after: comment,
            limit: PAGE,
            ..CommentQuery::default()
        };
        let mut said = Vec::new();
        for _ in 0..PAGES_MAX {
            let page = self.board.comments(&query).await?;
            said.extend(page.items);
            query.after = said.last().map(|last: &Comment| last.id).or(query.after);
            if page.next.is_none() {
                break;
            }
        }
        Ok(said)
    }

    /// The first comment of a person since a question.
    pub(super) async fn answer_to(
        &self,
        claim: &Claim,
        parked: &Parked,
    ) -> Result<Option<Comment>, BoardError> {
        Ok(self.answers_to(claim, parked).await?.into_iter().next())
    }

    /// What people said since a question, but for their commands; the first of it is the answer.
    pub(super) async fn answers_to(
        &self,
        claim: &Claim,
        parked: &Parked,
    ) -> Result<Vec<Comment>, BoardError> {
        let Parked { since, comment, answer, .. } = *parked;
        let asked = Asked { task: claim.task, run: &claim.run, since, comment, answer };
        self.answers(&asked).await
    }

    /// The same, whatever became of the claim that waited.
    pub(super) async fn answers(&self, asked: &Asked<'_>) -> Result<Vec<Comment>, BoardError> {
        let people = self.board.people().await?;
        let comments = self.said_since(asked.task, asked.comment, Some(asked.since)).await?;
        let Some(own) = self.said_under(asked.run).await? else { return Ok(Vec::new()) };
        let is_person =
            |author| people.iter().any(|p| p.id == author && p.kind == PersonKind::Person);
        let agents = people.iter().filter(|person| person.kind == PersonKind::Agent);
        let agents: Vec<&str> = agents.map(|agent| agent.name.as_str()).collect();
        // A word that is no command may be what was asked for.
        let is_command =
            |text: &str| command::told(text, &agents).is_some_and(|told| told.command.is_ok());
        let is_answer = |comment: &Comment| {
            let is_said = is_person(comment.author) && !own.contains(&comment.id);
            asked.answer == Some(comment.id) || is_said && !is_command(&comment.text)
        };
        Ok(comments.into_iter().filter(is_answer).collect())
    }

    /// Comments that were written by a run: no answer to what it asks, also where they arrive after the
    /// question. `None`: it is not known now.
    async fn said_under(&self, run: &RunId) -> Result<Option<BTreeSet<CommentId>>, BoardError> {
        let effects = match self.ledger.effects(run).await {
            Ok(effects) => effects,
            Err(error) => {
                tracing::warn!(%run, %error, "what was written under a claim is not known");
                return Ok(None);
            }
        };
        let mut own: BTreeSet<CommentId> = effects.iter().filter_map(comment_of).collect();
        for effect in effects.iter().filter(|effect| effect.result.is_none()) {
            if let EffectState::Applied(Entity::Comment(id)) =
                self.board.effect_of(&effect.mark).await?
            {
                own.insert(id);
            }
        }
        Ok(Some(own))
    }

    /// What was said on a claimed task since it was claimed: between two attempts, and while no
    /// daemon lived, too.
    async fn said_to(&self, claim: &Claim) -> Result<Vec<Comment>, BoardError> {
        let since = match claim.before.comment {
            Some(_) => None,
            None => self.first_attempt(claim).await,
        };
        self.said_since(claim.task, claim.before.comment, since).await
    }

    /// When the first attempt under a claim began.
    async fn first_attempt(&self, claim: &Claim) -> Option<Timestamp> {
        let filter = RunFilter {
            playbook: Some(claim.playbook.clone()),
            task: Some(claim.task),
            ..RunFilter::default()
        };
        let runs = self.ledger.runs(&filter, ATTEMPTS_MAX).await.unwrap_or_default();
        let later = runs.iter().take_while(|run| run.attempt > 1).count();
        runs.iter().take(later + 1).map(|run| run.started).min()
    }
}

/// The comment that an effect wrote.
pub(super) fn comment_of(effect: &Effect) -> Option<CommentId> {
    match effect.result.as_ref()? {
        EffectResult::Done { entity: Entity::Comment(id), .. } => Some(*id),
        _ => None,
    }
}

/// What we last wrote to a field, as activity records it.
fn expected(claim: &Claim, field: &str) -> crate::domain::Value {
    match field {
        "assignee" => claim.wrote.assignee.flatten().map(|person| person.0).into(),
        _ => claim.wrote.status.map(|status| status.0).into(),
    }
}

/// The board user that the claim was announced for.
fn agent_of(claim: &Claim, people: &[Person]) -> PersonId {
    let announced = claim.wrote.assignee.flatten();
    let some_agent = || people.iter().find(|p| p.kind == PersonKind::Agent).map(|p| p.id);
    announced.or_else(some_agent).unwrap_or(PersonId(0))
}

#[async_trait]
impl Journal for RunJournal {
    async fn intend(
        &self,
        effect: &Effect,
        once: Option<(&PlaybookName, &str)>,
    ) -> Result<Intended, JournalError> {
        Journal::intend(self.ledger.as_ref(), effect, once).await
    }

    async fn conclude(&self, mark: &Mark, result: EffectResult) -> Result<(), JournalError> {
        Journal::conclude(self.ledger.as_ref(), mark, result).await
    }

    async fn check_fence(
        &self,
        task: TaskId,
        fence: Fence,
        run: &RunId,
    ) -> Result<(), JournalError> {
        Journal::check_fence(self.ledger.as_ref(), task, fence, run).await?;
        let lost = |reason| JournalError::ClaimLost { task, reason };
        let claim = match self.ledger.claim(task).await {
            Ok(Some(claim)) => claim,
            Ok(None) => return Err(lost(Reason::ClaimLost)),
            Err(error) => return Err(JournalError::Failed(Box::new(error))),
        };
        if claim.phase != Phase::Working {
            // Announce and settle write fields themselves; they compare before and after.
            return Ok(());
        }
        match self.look(&claim).await {
            Ok(Some((reason, _))) => Err(lost(reason)),
            Ok(None) => Ok(()),
            Err(error) => Err(JournalError::Failed(Box::new(error))),
        }
    }
}
