//! The outcome reaches the board, and the task a person.

use super::again::ASK_AGAIN;
use super::announce::tool_trouble;
use super::by_rota::{comment_args, edit_params};
use super::earlier;
use super::worker::{Worker, board_trouble, store_trouble};
use crate::crash;
use crate::domain::{
    EffectActor, EffectResult, EffectState, Entity, HandOver, Mode, Occurrence, OccurrenceId,
    OccurrenceState, Outcome, PersonId, Phase, PlaybookName, Project, Reason, RunState, StatusId,
    StatusKind, Task, TaskEdit, Trigger, Usage, Value, Verdict, Wrote, to_delta,
};
use crate::ledger::ClaimError;
use crate::runner::WorkEnd;
use crate::schedule::{find_person, outcome_of, outcome_status};
use crate::template;

/// What a write is about, where its journal tells.
type Settled = Option<Entity>;

impl Worker {
    /// Writes the outcome to the board. True: a person came first, and their edit stays.
    pub(super) async fn settle(&mut self, end: WorkEnd) -> (WorkEnd, bool) {
        let announced = self.held.as_ref().is_some_and(|h| h.claim.wrote.status.is_some());
        if !announced || end.state == RunState::NothingToDo {
            if announced {
                self.leave_unchanged().await;
            }
            return (end, false);
        }
        let mut waits = ASK_AGAIN.iter();
        let trouble = loop {
            match self.settle_once(&end).await {
                Ok(settled) => return settled,
                Err(trouble) => {
                    // What was not answered may have been written: looked at again, it counts as written
                    // where it was. Handed back before that is known, the task would show two ends.
                    let may_pass =
                        matches!(trouble.reason, Reason::StoreFailed | Reason::BoardUnavailable);
                    let wait =
                        waits.next().filter(|_| may_pass && !self.unfinished && !self.lost());
                    let Some(wait) = wait else { break trouble };
                    tracing::warn!(run = %self.run.id, detail = %trouble.detail, "the outcome is written once more");
                    tokio::time::sleep(*wait).await;
                }
            }
        };
        if trouble.state == RunState::Yielded {
            return (self.give_way(trouble).await, true);
        }
        if self.unfinished || self.lost() || trouble.state == RunState::ClaimLost {
            self.unfinished = true;
            return (trouble, false);
        }
        (self.hand_back(trouble).await, false)
    }

    async fn settle_once(&mut self, end: &WorkEnd) -> Result<(WorkEnd, bool), WorkEnd> {
        // Read before the look: whatever a person does after this, one of the checks below sees it.
        let Some(task) = self.read_task().await? else { return Ok((end.clone(), false)) };
        self.is_as_settling_began(&task).await?;
        if let Some((reason, detail)) = self.person_took_over().await? {
            let end = WorkEnd { state: RunState::Yielded, reason, detail, ..end.clone() };
            return Ok((self.give_way(end).await, true));
        }
        crash::reached("settle.begun");
        self.put_ending(end).await;
        Ok((self.write_outcome(&task, end).await?, false))
    }

    /// Once the settling has begun, a look tells no more who changed assignee or status: where the outcome is
    /// not written yet, they are as they were then, or a person came in between (C4).
    async fn is_as_settling_began(&self, task: &Task) -> Result<(), WorkEnd> {
        let Some(claim) = self.held.as_ref().map(|held| &held.claim) else { return Ok(()) };
        let wrote = &claim.wrote;
        let is_same = wrote.assignee.is_none_or(|assignee| assignee == task.assignee)
            && wrote.status.is_none_or(|status| status == task.status);
        if claim.phase < Phase::Settling || is_same || self.was_settled("editTask").await? {
            return Ok(());
        }
        Err(WorkEnd::ended(
            RunState::Yielded,
            Reason::PersonTookOver,
            "its assignee or status changed while the outcome was written",
            Usage::default(),
        ))
    }

    /// The work found nothing to do: the task goes back without a word.
    async fn leave_unchanged(&mut self) {
        if let Err(error) = self.put_back().await {
            self.unfinished = true;
            tracing::warn!(run = %self.run.id, %error, "the task could not be put back whole");
        }
    }

    async fn write_outcome(&mut self, task: &Task, end: &WorkEnd) -> Result<WorkEnd, WorkEnd> {
        let outcome = outcome_of(&self.job.playbook, end.outcome.as_deref()).into_owned();
        let outcome = self.to_its_author(outcome, task).await?;
        if let Some(run) = self.staged_run() {
            return self.apply(task, &outcome, &run, end).await;
        }
        if let Some(question) = &outcome.ask {
            return self.ask(task, question, &outcome, end).await;
        }
        let project = self.project_of(task).await?;
        let (edits, handed_over) = self.outcome_edits(&outcome, task, &project).await?;
        self.begin_settling(task, end).await?;
        if let Some(name) = &outcome.comment
            && !self.was_settled("addComment").await?
        {
            let args = comment_args(task, self.render(name)?);
            let said = self.outcome_write("addComment", args, None).await;
            said.map_err(|error| tool_trouble(&error))?;
        }
        if !edits.is_empty() && !self.was_settled("editTask").await? {
            self.write_edits(task, &edits).await?;
        }
        if self.job.playbook.mode == Mode::Staged
            && let Some(staged) = self.stage(task, end).await?
        {
            return Ok(staged);
        }
        let wrote = edits.iter().find_map(|edit| match edit {
            TaskEdit::Status(status) => Some(*status),
            _ => None,
        });
        let left = wrote.unwrap_or(task.status);
        self.passed_on(&outcome, task, (left, handed_over), end).await
    }

    /// The outcome stands on the board: who has the task next, another playbook or a person.
    pub(super) async fn passed_on(
        &mut self,
        outcome: &Outcome,
        task: &Task,
        (left, handed_over): (StatusId, bool),
        end: &WorkEnd,
    ) -> Result<WorkEnd, WorkEnd> {
        let reason = if handed_over { Reason::HandedOver } else { end.reason };
        let end = WorkEnd { reason, ..end.clone() };
        let (end, is_over) = match (&outcome.rework, outcome.verdict) {
            (None, verdict) if verdict != Some(Verdict::ChangesRequested) => (end, false),
            (rework, _) => self.send_back(rework.as_ref(), left, end).await?,
        };
        if let Some(verdict) = outcome.verdict {
            self.note_rounds(task, (verdict, is_over), left).await?;
        }
        if end.reason == Reason::HandedOver {
            self.handed_over = Some(self.hand_over(task, left, &end));
        }
        Ok(end)
    }

    /// The task goes back to whoever worked at it: another playbook, or a person whose turn it is
    /// then. For a limited number of rounds; whether that is used up.
    async fn send_back(
        &self,
        rework: Option<&PlaybookName>,
        left: StatusId,
        end: WorkEnd,
    ) -> Result<(WorkEnd, bool), WorkEnd> {
        let round = self.round().await?;
        let rounds = self.job.playbook.review.rounds;
        if round >= rounds {
            let detail = format!("round {round} of {rounds}: a person decides");
            return Ok((WorkEnd { reason: Reason::HandedOver, detail, ..end }, true));
        }
        let whom = match rework {
            Some(playbook) => {
                self.queue_rework(playbook, Some(left)).await?;
                playbook.as_str()
            }
            None => "whoever worked at it",
        };
        let detail = format!("round {round} of {rounds}: back to {whom}");
        Ok((WorkEnd { reason: Reason::SentBack, detail, ..end }, false))
    }

    /// What waits for a person from now on. Where a reviewer hands over, its author works again when
    /// changes are asked for.
    pub(super) fn hand_over(&self, task: &Task, status: StatusId, end: &WorkEnd) -> HandOver {
        let own = &self.run.playbook;
        let mut outcomes = self.job.playbook.outcomes.values();
        let author = outcomes.find_map(|outcome| outcome.rework.as_ref());
        // What a person wrote and a reviewer looked at is nobody's to work at but a person's.
        let is_persons = self.rounds.as_ref().is_some_and(|it| it.author.playbook.is_none());
        let is_theirs = self.job.playbook.reviews() && (author.is_none() || is_persons);
        HandOver {
            task: task.id,
            run: self.run.id.clone(),
            from: format!("the playbook {own}"),
            rework: (!is_theirs).then(|| author.unwrap_or(own).clone()),
            assistant: None,
            status,
            since: self.parts.clock.wall(),
            summary: self.with_findings(&end.summary),
            unverified: None,
            decided: None,
        }
    }

    /// The revision is checked: a person who is quicker by a hair wins (C4).
    async fn write_edits(&self, task: &Task, edits: &[TaskEdit]) -> Result<(), WorkEnd> {
        let now = self.parts.board.task(task.id).await.map_err(|error| board_trouble(&error))?;
        if let Some((reason, detail)) = self.person_took_over().await? {
            return Err(WorkEnd::ended(RunState::Yielded, reason, detail, Usage::default()));
        }
        if now.assignee != task.assignee || now.status != task.status {
            return Err(WorkEnd::ended(
                RunState::Yielded,
                Reason::PersonTookOver,
                "its assignee or status changed while the outcome was written",
                Usage::default(),
            ));
        }
        let args = Value::map([("id", Value::from(task.id.0)), ("params", edit_params(edits))]);
        match self.outcome_write("editTask", args, Some(now.revision)).await {
            Ok(_) => Ok(()),
            Err(error) if error.reason() == Reason::RevisionConflict => Err(WorkEnd::ended(
                RunState::Yielded,
                Reason::PersonTookOver,
                "somebody changed it while the outcome was written",
                Usage::default(),
            )),
            Err(error) => Err(tool_trouble(&error)),
        }
    }

    async fn outcome_edits(
        &self,
        outcome: &Outcome,
        task: &Task,
        project: &Project,
    ) -> Result<(Vec<TaskEdit>, bool), WorkEnd> {
        let mut edits = Vec::new();
        let mut handed_over = false;
        let status = outcome_status(outcome, project).map_err(|selector| {
            WorkEnd::ended(
                RunState::Failed,
                Reason::UnknownStatus,
                format!("project {:?} has no status {selector}", project.name),
                Usage::default(),
            )
        })?;
        if let Some(status) = status {
            handed_over = project.kind_of(status) == StatusKind::Waiting;
            edits.push(TaskEdit::Status(status));
        }
        if let Some(assign) = &outcome.assign {
            edits.push(TaskEdit::Assignee(self.whom(assign).await?));
        }
        edits.extend(outcome.add_tags.iter().cloned().map(TaskEdit::AddTag));
        edits.extend(outcome.remove_tags.iter().cloned().map(TaskEdit::RemoveTag));
        edits.retain(|edit| edit.inverse(task).is_some());
        Ok((edits, handed_over))
    }

    /// Who is meant by `assign`: a template that gives an id, a name, or nothing (nobody).
    async fn whom(&self, assign: &str) -> Result<Option<PersonId>, WorkEnd> {
        let value = template::fill_value(assign, &self.brief.value()).map_err(|error| {
            WorkEnd::ended(
                RunState::Failed,
                Reason::TemplateFailed,
                error.to_string(),
                Usage::default(),
            )
        })?;
        let text = if value.is_null() { String::new() } else { value.to_string() };
        let text = text.trim();
        if text.is_empty() {
            return Ok(None);
        }
        let people = self.parts.board.people().await.map_err(|error| board_trouble(&error))?;
        find_person(&people, text).map(|p| Some(p.id)).ok_or_else(|| {
            WorkEnd::ended(
                RunState::Failed,
                Reason::UnknownPerson,
                format!("nobody on the board is {text:?} (outcome.assign)"),
                Usage::default(),
            )
        })
    }

    /// From here on a crash finishes the settling instead of working again. What is noted as ours
    /// is what stands on the board now, the agent's own edits included: until the outcome is
    /// written, a person who takes over gets that put back.
    pub(super) async fn begin_settling(
        &mut self,
        task: &Task,
        end: &WorkEnd,
    ) -> Result<(), WorkEnd> {
        let tags = self.held.as_ref().map(|h| h.claim.wrote.tags.clone()).unwrap_or_default();
        let wrote = Wrote { assignee: Some(task.assignee), status: Some(task.status), tags };
        if self.run.settle_from.is_none() {
            let last = earlier::last_seq(&self.parts, &self.run).await;
            self.run.settle_from = Some(last.map_err(|error| store_trouble(&error))?);
        }
        self.run.outcome.clone_from(&end.outcome);
        self.run.summary.clone_from(&end.summary);
        self.run.usage = end.usage;
        let updated = self.parts.ledger.update_run(&self.run).await;
        updated.map_err(|error| store_trouble(&error))?;
        // Begun again, what a person did in between is not noted as ours.
        let is_begun = self.held.as_ref().is_some_and(|held| held.claim.phase >= Phase::Settling);
        self.advance(Phase::Settling, None, (!is_begun).then_some(wrote)).await
    }

    /// Whether a write of the settling was done before a crash.
    pub(super) async fn was_settled(&self, tool: &str) -> Result<bool, WorkEnd> {
        Ok(self.settled(tool).await?.is_some())
    }

    /// What a write of the settling that was done already is about.
    async fn settled(&self, tool: &str) -> Result<Option<Settled>, WorkEnd> {
        let Some(from) = self.run.settle_from else { return Ok(None) };
        let effects = self.parts.ledger.effects(&self.run.id).await;
        let effects = effects.map_err(|error| store_trouble(&error))?;
        for effect in effects.iter().filter(|e| e.mark.seq > from && e.tool == tool) {
            if effect.actor != EffectActor::Rota {
                continue;
            }
            match &effect.result {
                Some(EffectResult::Done { entity, .. }) => return Ok(Some(Some(*entity))),
                Some(EffectResult::Recorded | EffectResult::Proposed { .. }) => {
                    return Ok(Some(None));
                }
                Some(EffectResult::Unknown) => return Err(unknown(tool)),
                Some(EffectResult::Failed { .. }) => {}
                None => match self.parts.board.effect_of(&effect.mark).await {
                    Ok(EffectState::Applied(entity)) => return Ok(Some(Some(entity))),
                    Ok(EffectState::Absent) => {}
                    Ok(EffectState::Unknown) => return Err(unknown(tool)),
                    Err(error) => return Err(board_trouble(&error)),
                },
            }
        }
        Ok(None)
    }

    /// Asks a person and parks the claim: no lease, no slot, until they answer.
    async fn ask(
        &mut self,
        task: &Task,
        template: &str,
        outcome: &Outcome,
        end: &WorkEnd,
    ) -> Result<WorkEnd, WorkEnd> {
        let question = self.render(template)?;
        self.keep_conversation(end).await;
        self.begin_settling(task, end).await?;
        if !self.was_settled("addComment").await? {
            self.comment(task, question.clone()).await.map_err(|error| tool_trouble(&error))?;
        }
        let asked = if let Some(Some(Entity::Comment(id))) = self.settled("addComment").await? {
            id
        } else {
            let last = self.parts.journal.last_comment(task.id).await;
            last.map_err(|error| board_trouble(&error))?
        };
        // Afterwards it holds the task no more.
        self.log_time().await;
        // Whoever answers first lets it go on, and that begins with a marker of its own.
        self.close_marker().await;
        let until = self.parts.clock.wall() + to_delta(outcome.answer_within);
        if let Some(held) = &mut self.held {
            let ledger = &self.parts.ledger;
            let mut parked = ledger.park(held, &question, Some(asked), until).await;
            if matches!(parked, Err(ClaimError::Store(_))) {
                // Whether it waits is unknown; letting it wait alike twice is allowed.
                parked = ledger.park(held, &question, Some(asked), until).await;
            }
            parked.map_err(|error| {
                WorkEnd::ended(
                    RunState::ClaimLost,
                    Reason::ClaimLost,
                    error.to_string(),
                    Usage::default(),
                )
            })?;
        }
        Ok(WorkEnd { state: RunState::Waiting, reason: Reason::Waiting, ..end.clone() })
    }

    /// Another playbook takes the task next.
    async fn queue_rework(
        &self,
        playbook: &PlaybookName,
        status: Option<StatusId>,
    ) -> Result<(), WorkEnd> {
        // The same however often it is tried.
        let at = self.run.started;
        let occurrence = Occurrence {
            id: OccurrenceId::new(format!("{playbook}@rework/{}", self.run.id)),
            playbook: playbook.clone(),
            trigger: Trigger::Rework,
            planned: at,
            task: self.run.task,
            decided: at,
            state: OccurrenceState::Queued,
            covers: None,
            status,
        };
        self.parts.ledger.put_occurrence(&occurrence).await.map_err(|error| {
            WorkEnd::ended(
                RunState::Failed,
                Reason::StoreFailed,
                error.to_string(),
                Usage::default(),
            )
        })
    }
}

fn unknown(tool: &str) -> WorkEnd {
    let detail = format!("it is not known whether {tool} happened");
    WorkEnd::ended(RunState::Failed, Reason::UnknownEffect, detail, Usage::default())
}
