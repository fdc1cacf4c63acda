//! A board in memory, over another board or over nothing.
//!
//! The dry run and the rehearsal write here: what is written stays in memory, and reads show it
//! over the board below, which is never written to. Over nothing it is a strict in-memory board
//! for tests. What was edited or removed here hides what is below, whatever happens to it there.
//!
//! New entities and rows of activity get ids above 2⁴⁰ over a board, and from 1 on over nothing.
//! Marks of the board below are honoured; its fences cannot be asked for, so only those that were
//! raised here count.

mod layer;
mod lists;
mod nouns;
mod session;
mod shelf;
mod tasks;

use super::{BatchError, Board, Capabilities, OneWrite, Result, Wrote, check, write};
use crate::clock::Clock;
use crate::domain::{
    Activity, BoardName, Comment, CommentId, EffectState, Fence, Mark, Milestone, MilestoneId,
    Person, PersonId, Project, ProjectId, Stamp, Task, TaskId, Timestamp,
};
use async_trait::async_trait;
use layer::{BASE, Layer};
use session::OverlaySession;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Writes are kept in memory; reads show them over the board below.
#[derive(Debug)]
pub struct Overlay {
    name: BoardName,
    clock: Arc<dyn Clock>,
    below: Option<Arc<dyn Board>>,
    /// Held while something is written.
    gate: tokio::sync::Mutex<()>,
    layer: Mutex<Layer>,
}

impl Overlay {
    /// Over nothing: a strict in-memory board.
    pub fn empty(name: BoardName, clock: Arc<dyn Clock>) -> Self {
        Self {
            name,
            clock,
            below: None,
            gate: tokio::sync::Mutex::default(),
            layer: Mutex::default(),
        }
    }

    /// Over a board, which is never written to. New entities get ids above `1 << 40`.
    pub fn over(below: Arc<dyn Board>, clock: Arc<dyn Clock>) -> Self {
        Self {
            name: below.name(),
            clock,
            below: Some(below),
            gate: tokio::sync::Mutex::default(),
            layer: Mutex::new(Layer::after(BASE)),
        }
    }

    /// What was written, in order.
    pub fn changes_made(&self) -> Vec<Activity> {
        self.layer().activity.clone()
    }

    fn layer(&self) -> MutexGuard<'_, Layer> {
        self.layer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Timestamp {
        check::whole(self.clock.wall())
    }

    async fn session(&self) -> OverlaySession<'_> {
        let gate = self.gate.lock().await;
        let draft = self.layer().draft();
        OverlaySession::new(self, draft, gate)
    }

    async fn find_person(&self, id: PersonId) -> Result<Option<Person>> {
        let found = self.layer().people.get(&id).cloned();
        match (found, &self.below) {
            (None, Some(below)) => there(below.person(id).await),
            (found, _) => Ok(found),
        }
    }

    async fn find_project(&self, id: ProjectId) -> Result<Option<Project>> {
        let found = self.layer().projects.get(&id).cloned();
        match (found, &self.below) {
            (None, Some(below)) => there(below.project(id).await),
            (found, _) => Ok(found),
        }
    }

    async fn find_task(&self, id: TaskId) -> Result<Option<Task>> {
        let found = self.layer().tasks.get(&id).cloned();
        match (found, &self.below) {
            (None, Some(below)) => there(below.task(id).await),
            (found, _) => Ok(found.flatten()),
        }
    }

    async fn find_milestone(&self, id: MilestoneId) -> Result<Option<Milestone>> {
        let found = self.layer().milestones.get(&id).cloned();
        match (found, &self.below) {
            (None, Some(below)) => there(below.milestone(id).await),
            (found, _) => Ok(found),
        }
    }

    async fn find_comment(&self, id: CommentId) -> Result<Option<Comment>> {
        let found = self.layer().comments.get(&id).cloned();
        match (found, &self.below) {
            (None, Some(below)) => lists::comment_below(below.as_ref(), id).await,
            (found, _) => Ok(found.flatten()),
        }
    }

    async fn find_trace(&self, mark: &Mark) -> Result<Option<super::write::Trace>> {
        let found = self.layer().marks.get(mark).cloned();
        match (found, &self.below) {
            (None, Some(below)) => Ok(match below.effect_of(mark).await? {
                EffectState::Applied(entity) => Some(super::write::Trace { entity, was: None }),
                EffectState::Absent | EffectState::Unknown => None,
            }),
            (found, _) => Ok(found),
        }
    }
}

/// `None` for what is not there.
fn there<T>(answer: Result<T>) -> Result<Option<T>> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(super::BoardError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

#[async_trait]
impl Board for Overlay {
    fn name(&self) -> BoardName {
        self.name.clone()
    }

    fn capabilities(&self) -> Capabilities {
        let own = Capabilities {
            fencing: true,
            marks: true,
            actors: true,
            blockers: true,
            steps: true,
            labels: true,
            goal_boards: true,
            project_roles: true,
        };
        let below = self.below.as_ref().map(|below| below.capabilities());
        Capabilities {
            marks: below.is_none_or(|below| below.marks),
            actors: below.is_none_or(|below| below.actors),
            blockers: below.is_none_or(|below| below.blockers),
            project_roles: below.is_none_or(|below| below.project_roles),
            ..own
        }
    }

    async fn raise_fence(&self, task: TaskId, fence: Fence) -> Result<()> {
        check::fence(fence)?;
        let _gate = self.gate.lock().await;
        let mut layer = self.layer();
        let seen = layer.fences.entry(task).or_default();
        *seen = fence.max(*seen);
        Ok(())
    }

    async fn effect_of(&self, mark: &Mark) -> Result<EffectState> {
        let found = self.layer().marks.get(mark).map(|trace| trace.entity);
        match (found, &self.below) {
            (Some(entity), _) => Ok(EffectState::Applied(entity)),
            (None, Some(below)) => below.effect_of(mark).await,
            (None, None) => Ok(EffectState::Absent),
        }
    }

    async fn write_all(
        &self,
        writes: &[(Stamp, OneWrite)],
    ) -> std::result::Result<Vec<Wrote>, BatchError> {
        let mut session = self.session().await;
        let wrote = write::write_all(&mut session, self.now(), writes).await?;
        session.commit();
        Ok(wrote)
    }
}
