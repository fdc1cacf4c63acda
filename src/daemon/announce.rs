//! What a run shows on the board before and after its work: announce and read back, give way to a
//! person, hand back.
//!
//! All of it goes through the same tools and journal as the agent's own effects, as actor `rota`.

use super::earlier;
use super::worker::{Worker, board_trouble, store_trouble};
use crate::board::BoardError;
use crate::crash;
use crate::domain::{
    Before, Claim, Effect, EffectResult, HandOver, Mode, Person, Phase, Project, Reason, RunState,
    StatusId, Task, TaskEdit, Usage, Wrote,
};
use crate::ledger::ClaimError;
use crate::runner::WorkEnd;
use crate::schedule::{find_status, put_back};
use crate::tools::ToolError;

/// Why a claim comes too late.
const CHANGED: &str = "it changed while it was claimed";

impl Worker {
    /// The board user that the playbook acts as.
    pub(super) async fn agent(&self) -> Result<Person, WorkEnd> {
        let people = self.parts.board.people().await.map_err(|e| board_trouble(&e))?;
        self.agent_among(&people)
    }

    pub(super) fn agent_among(&self, people: &[Person]) -> Result<Person, WorkEnd> {
        let name = self.job.playbook.agent.to_lowercase();
        people.iter().find(|p| p.name.to_lowercase() == name).cloned().ok_or_else(|| {
            WorkEnd::ended(
                RunState::Refused,
                Reason::UnknownAgent,
                format!("the board has no user named {:?}", self.job.playbook.agent),
                Usage::default(),
            )
        })
    }

    /// Shows the claim on the board, and reads it back (C9's part that one store can do).
    pub(super) async fn announce(&mut self, task: &Task) -> Result<(), WorkEnd> {
        let Some(rules) = self.job.playbook.claim.clone() else { return Ok(()) };
        if self.job.playbook.mode == Mode::Shadow {
            return Ok(());
        }
        self.revalidate(task)?;
        let agent = self.agent().await?;
        let project = self.project_of(task).await?;
        let status = find_status(&project, &rules.status).ok_or_else(|| {
            WorkEnd::ended(
                RunState::Refused,
                Reason::UnknownStatus,
                format!("project {:?} has no status {}", project.name, rules.status),
                Usage::default(),
            )
        })?;
        let (before, left) = self.held.as_ref().map_or_else(
            || found(task, &Before::default(), &Wrote::default()),
            |held| found(task, &held.claim.before, &held.claim.wrote),
        );
        let mut tags: Vec<String> =
            rules.add_tags.iter().filter(|tag| !task.has_tag(tag)).cloned().collect();
        tags.extend(left);
        let wrote =
            Wrote { assignee: Some(Some(agent.id)), status: Some(status), tags: tags.clone() };
        // What we are about to write is known before it is written: a crash can put it back.
        if self.needs_marker() {
            self.advance(Phase::Announced, Some(before), None).await?;
            self.mark(task).await?;
            self.advance(Phase::Announced, None, Some(wrote)).await?;
        } else {
            self.advance(Phase::Announced, Some(before), Some(wrote)).await?;
        }
        if let Some(held) = &self.held {
            let fence = held.claim.fence;
            self.parts.board.raise_fence(task.id, fence).await.map_err(|e| board_trouble(&e))?;
        }
        crash::reached("announce.begun");
        let mut edits = vec![TaskEdit::Assignee(Some(agent.id)), TaskEdit::Status(status)];
        edits.extend(tags.into_iter().map(TaskEdit::AddTag));
        let written = self.edit_task(task, &edits, Some(task.revision)).await;
        if let Err(error) = written {
            return Err(match error.reason() {
                Reason::RevisionConflict if self.needs_marker() && !self.inherits => {
                    self.withdraw(CHANGED)
                }
                Reason::RevisionConflict => self.lost_race(CHANGED).await,
                _ => tool_trouble(&error),
            });
        }
        self.refresh_brief().await?;
        if !self.needs_marker() {
            let comment = self.render(&rules.comment)?;
            self.comment(task, comment).await.map_err(|error| tool_trouble(&error))?;
        }
        self.read_back(task, agent.id, status).await?;
        crash::reached("announce.done");
        Ok(())
    }

    /// The decision was made on an older look at the task: is it still the same task?
    fn revalidate(&self, task: &Task) -> Result<(), WorkEnd> {
        match self.job.revision {
            Some(seen) if seen != task.revision => Err(WorkEnd::ended(
                RunState::Refused,
                Reason::LostRace,
                format!("task {} changed after it was chosen", task.id),
                Usage::default(),
            )),
            _ => Ok(()),
        }
    }

    async fn read_back(
        &mut self,
        task: &Task,
        agent: crate::domain::PersonId,
        status: StatusId,
    ) -> Result<(), WorkEnd> {
        let now = self.parts.board.task(task.id).await.map_err(|e| board_trouble(&e))?;
        if now.assignee == Some(agent) && now.status == status {
            return Ok(());
        }
        Err(self.lost_race("somebody else wrote to it at the same moment").await)
    }

    /// Puts back what is still as we wrote it.
    async fn lost_race(&mut self, detail: &str) -> WorkEnd {
        if let Err(error) = self.put_back().await {
            tracing::warn!(run = %self.run.id, %error, "a lost claim could not be put back whole");
        }
        WorkEnd::ended(RunState::Refused, Reason::LostRace, detail, Usage::default())
    }

    /// A resumed claim stands on the board already: does it still?
    pub(super) async fn take_stock(&mut self, task: &Task) -> Result<(), WorkEnd> {
        self.raise_fence().await?;
        let Some(held) = &self.held else { return Ok(()) };
        // From here on the values of before the claim count as a person's too.
        let at_work = Claim { phase: Phase::Working, marker: None, ..held.claim.clone() };
        let found = self.parts.journal.look(&at_work).await.map_err(|e| board_trouble(&e))?;
        if let Some((reason, detail)) = found {
            self.advance(Phase::Working, None, None).await?;
            return Err(WorkEnd::ended(RunState::Yielded, reason, detail, Usage::default()));
        }
        self.mark(task).await?;
        if was_put_back(&at_work, task) {
            return self.announce(task).await;
        }
        self.advance(Phase::Working, None, None).await
    }

    /// From here on the board refuses the fences before ours, where it can (C2).
    pub(super) async fn raise_fence(&self) -> Result<(), WorkEnd> {
        let Some(held) = &self.held else { return Ok(()) };
        let (task, fence) = (held.claim.task, held.claim.fence);
        self.parts.board.raise_fence(task, fence).await.map_err(|error| board_trouble(&error))
    }

    /// Whether a person took the task over, by what is on the board now (C4).
    pub(super) async fn person_took_over(&self) -> Result<Option<(Reason, String)>, WorkEnd> {
        let Some(held) = &self.held else { return Ok(None) };
        if held.claim.wrote.status.is_none() {
            return Ok(None);
        }
        match self.parts.journal.look(&held.claim).await {
            Ok(found) => Ok(found),
            Err(error) => Err(board_trouble(&error)),
        }
    }

    /// A person took over: their fields stay, ours go back, and a comment tells how things stand.
    pub(super) async fn give_way(&mut self, end: WorkEnd) -> WorkEnd {
        self.leave(&end, "yield.md.hbs").await;
        end
    }

    /// The work came to nothing: the task goes back as it was found.
    pub(super) async fn hand_back(&mut self, end: WorkEnd) -> WorkEnd {
        if self.is_withdrawn {
            return end;
        }
        if end.reason == Reason::LostRace && !self.inherits && !self.is_visible().await {
            return end;
        }
        // A person may have come first; then their edit stays and they are told as always.
        if let Ok(Some((reason, detail))) = self.person_took_over().await {
            let end = WorkEnd { state: RunState::Yielded, reason, detail, ..end };
            return self.give_way(end).await;
        }
        self.leave(&end, "hand-back.md.hbs").await;
        if end.state == RunState::Unverified && !self.unfinished {
            self.ask_about(&end).await;
        }
        end
    }

    /// A success that the journal does not show waits for a person, who says whether it is one.
    async fn ask_about(&mut self, end: &WorkEnd) {
        let Ok(Some(task)) = self.read_task().await else { return };
        let (status, missing) = (task.status, end.detail.clone());
        self.handed_over = Some(HandOver {
            rework: Some(self.run.playbook.clone()),
            unverified: Some(missing),
            ..self.hand_over(&task, status, end)
        });
    }

    /// Whether anything of this run stands on the board, or may.
    async fn is_visible(&self) -> bool {
        let effects = self.parts.ledger.effects(&self.run.id).await;
        effects.is_err() || effects.is_ok_and(|effects| effects.iter().any(may_show))
    }

    async fn leave(&mut self, end: &WorkEnd, template: &str) {
        let announced = self.held.as_ref().is_some_and(|h| h.claim.wrote.status.is_some());
        if !announced || end.reason == Reason::NotFound {
            return;
        }
        self.unfinished = true;
        if self.lost() {
            return;
        }
        if let Err(error) = self.begin_leaving(end).await {
            tracing::warn!(run = %self.run.id, reason = %error.reason, "the claim ended meanwhile");
            return;
        }
        // Or a write of the one before, still on its way, would come after what is put back.
        if self.inherits
            && let Err(trouble) = self.raise_fence().await
        {
            tracing::warn!(run = %self.run.id, detail = %trouble.detail, "the fence was not raised");
            return;
        }
        self.put_ending(end).await;
        let restores = end.state == RunState::Yielded
            || self
                .job
                .playbook
                .claim
                .as_ref()
                .is_some_and(|c| c.hand_back == crate::domain::HandBack::Restore);
        if restores && let Err(error) = self.put_back().await {
            tracing::warn!(run = %self.run.id, %error, "the task could not be put back whole");
            return;
        }
        let Ok(Some(task)) = self.read_task().await else { return };
        self.unfinished = false;
        match self.was_settled("addComment").await {
            Ok(false) => {}
            Ok(true) => return,
            Err(error) => {
                tracing::warn!(run = %self.run.id, detail = %error.detail, "no second comment");
                return;
            }
        }
        match self.render(template) {
            Ok(text) => {
                if let Err(error) = self.comment(&task, text).await {
                    tracing::warn!(run = %self.run.id, %error, "the hand-over comment is missing");
                }
            }
            Err(error) => {
                tracing::warn!(run = %self.run.id, detail = %error.detail, "no hand-over comment");
            }
        }
    }

    /// From here on a crash goes on leaving, under the name of this run, and never works again.
    async fn begin_leaving(&mut self, end: &WorkEnd) -> Result<(), WorkEnd> {
        let is_resumed = self.run.reason.is_some() && self.run.settle_from.is_some();
        if !is_resumed {
            let last = earlier::last_seq(&self.parts, &self.run).await;
            self.run.settle_from = Some(last.map_err(|error| store_trouble(&error))?);
        }
        self.run.reason = Some(end.reason);
        self.run.detail.clone_from(&end.detail);
        self.run.summary.clone_from(&end.summary);
        self.run.usage = end.usage;
        if let Err(error) = self.parts.ledger.update_run(&self.run).await {
            tracing::warn!(run = %self.run.id, %error, "that it ends could not be noted");
        }
        self.advance(Phase::Settling, None, None).await
    }

    /// Puts back those of our fields that are still as we wrote them.
    pub(super) async fn put_back(&mut self) -> Result<(), ToolError> {
        let Some(held) = &self.held else { return Ok(()) };
        let claim = held.claim.clone();
        if self.is_anothers(claim.task).await {
            // Theirs may be what stands there now. When they have gone, what is still ours goes back.
            let why = "somebody else has marked the task";
            return Err(ToolError::fatal(Reason::LostRace, why));
        }
        let task = match self.parts.board.task(claim.task).await {
            Ok(task) => task,
            Err(BoardError::NotFound { .. }) => return Ok(()),
            Err(error) => {
                return Err(ToolError::fatal(Reason::BoardUnavailable, error.to_string()));
            }
        };
        let edits = put_back(&claim, &task);
        if edits.is_empty() {
            return Ok(());
        }
        self.edit_task(&task, &edits, Some(task.revision)).await.map(|_| ())
    }

    /// Moves the claim on, and learns what it is then.
    pub(super) async fn advance(
        &mut self,
        phase: Phase,
        before: Option<Before>,
        wrote: Option<Wrote>,
    ) -> Result<(), WorkEnd> {
        let Some(held) = &mut self.held else { return Ok(()) };
        let advanced = self.parts.ledger.advance(held, phase, before, wrote).await;
        advanced.map_err(|error| claim_trouble(&error))
    }

    pub(super) async fn project_of(&self, task: &Task) -> Result<Project, WorkEnd> {
        self.parts.board.project(task.project).await.map_err(|error| board_trouble(&error))
    }

    /// A template, filled in with what this run knows.
    pub(super) fn render(&self, template: &str) -> Result<String, WorkEnd> {
        let nonce = self.parts.entropy.nonce();
        self.parts.templates().render(template, &self.brief.value(), &nonce).map_err(|error| {
            WorkEnd::ended(
                RunState::Failed,
                Reason::TemplateFailed,
                error.to_string(),
                Usage::default(),
            )
        })
    }
}

/// What is found on a task, and which tags an ended claim left there that was never handed back. Where
/// its values still stand, what it found counts.
pub(super) fn found(task: &Task, before: &Before, wrote: &Wrote) -> (Before, Vec<String>) {
    let is_left = |tag: &String| wrote.tags.contains(tag) && !before.tags.contains(tag);
    let (left, tags) = task.tags.iter().cloned().partition(is_left);
    let ours = wrote.assignee == Some(task.assignee);
    let assignee = if ours { before.assignee } else { task.assignee };
    let ours = wrote.status == Some(task.status);
    let status = if ours { before.status } else { Some(task.status) };
    (Before { assignee, status, tags, revision: task.revision, comment: before.comment }, left)
}

/// Whether the fields of an announced claim stand as they were found: its hand-back was broken off
/// after they were put back.
fn was_put_back(claim: &Claim, task: &Task) -> bool {
    let (before, wrote) = (&claim.before, &claim.wrote);
    let stands = wrote.assignee == Some(task.assignee) && wrote.status == Some(task.status);
    !stands && task.assignee == before.assignee && Some(task.status) == before.status
}

/// Whether a write may stand on the board: it was not refused.
pub(super) fn may_show(effect: &Effect) -> bool {
    !matches!(
        effect.result,
        Some(EffectResult::Failed { .. } | EffectResult::Recorded | EffectResult::Proposed { .. })
    )
}

/// How a run ends whose claim does not take what is to be noted in it.
pub(super) fn claim_trouble(error: &ClaimError) -> WorkEnd {
    let (state, reason) = match error {
        ClaimError::Lost { reason, .. } => (RunState::ClaimLost, *reason),
        _ => (RunState::Failed, Reason::StoreFailed),
    };
    WorkEnd::ended(state, reason, error.to_string(), Usage::default())
}

/// How a run ends when a tool of the daemon's own refuses or fails.
pub(super) fn tool_trouble(error: &ToolError) -> WorkEnd {
    let reason = error.reason();
    let state = match reason {
        Reason::ClaimLost | Reason::StaleFence | Reason::TrustWindow => RunState::ClaimLost,
        Reason::PersonTookOver | Reason::StopTag | Reason::StopComment => RunState::Yielded,
        _ => RunState::Failed,
    };
    WorkEnd::ended(state, reason, error.to_string(), Usage::default())
}
