//! The shared board as one life sees it: late, failing before or after the write, and watched.

use super::judge::Write;
use super::world::{Link, World};
use async_trait::async_trait;
use rota::board::{
    Board, BoardError, Capabilities, Comments, History, Milestones, People, Projects, Result, Tasks,
};
use rota::domain::*;
use std::sync::Arc;

#[derive(Debug)]
pub struct SimulatedBoard {
    pub link: Arc<Link>,
    pub inner: Arc<dyn Board>,
}

impl SimulatedBoard {
    fn world(&self) -> &World {
        &self.link.world
    }

    fn fails(&self, when: &str) -> Result<()> {
        if self.world().strikes(self.world().weather.board_fails) {
            self.world().note(|| format!("{}: the board fails {when}", self.link.who.daemon));
            return Err(BoardError::Unavailable { what: "simulated".into(), source: None });
        }
        Ok(())
    }

    async fn read(&self) -> Result<()> {
        self.link.pass().await;
        self.fails("to answer")
    }

    /// Before a write; after it [`SimulatedBoard::written`].
    async fn write(&self) -> Result<()> {
        self.link.pass().await;
        self.fails("before a write")
    }

    async fn written<T: Send>(
        &self,
        stamp: &Stamp,
        write: Write<'_>,
        result: Result<Written<T>>,
    ) -> Result<Written<T>> {
        if let Ok(written) = &result {
            self.world().judge().wrote(&self.link.who, stamp, write, written.changed);
        }
        self.link.pass().await;
        let written = result?;
        self.fails("after a write")?;
        Ok(written)
    }
}

#[async_trait]
impl Board for SimulatedBoard {
    fn name(&self) -> BoardName {
        self.inner.name()
    }
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }
    async fn raise_fence(&self, task: TaskId, fence: Fence) -> Result<()> {
        self.write().await?;
        self.inner.raise_fence(task, fence).await?;
        self.world().judge().raised(&self.link.who, task, fence);
        self.link.pass().await;
        self.fails("after raising a fence")
    }
    async fn effect_of(&self, mark: &Mark) -> Result<EffectState> {
        self.read().await?;
        self.inner.effect_of(mark).await
    }
}

#[async_trait]
impl People for SimulatedBoard {
    async fn people(&self) -> Result<Vec<Person>> {
        self.read().await?;
        self.inner.people().await
    }
    async fn person(&self, id: PersonId) -> Result<Person> {
        self.read().await?;
        self.inner.person(id).await
    }
    async fn add_person(&self, stamp: &Stamp, new: NewPerson) -> Result<Written<Person>> {
        self.inner.add_person(stamp, new).await
    }
}

#[async_trait]
impl Projects for SimulatedBoard {
    async fn projects(&self) -> Result<Vec<Project>> {
        self.read().await?;
        self.inner.projects().await
    }
    async fn project(&self, id: ProjectId) -> Result<Project> {
        self.read().await?;
        self.inner.project(id).await
    }
    async fn add_project(&self, stamp: &Stamp, new: NewProject) -> Result<Written<Project>> {
        self.inner.add_project(stamp, new).await
    }
    async fn edit_project(
        &self,
        stamp: &Stamp,
        id: ProjectId,
        edits: &[ProjectEdit],
    ) -> Result<Written<Project>> {
        self.inner.edit_project(stamp, id, edits).await
    }
}

#[async_trait]
impl Tasks for SimulatedBoard {
    async fn task(&self, id: TaskId) -> Result<Task> {
        self.read().await?;
        self.inner.task(id).await
    }
    async fn tasks(&self, query: &TaskQuery) -> Result<Page<Task>> {
        self.read().await?;
        self.inner.tasks(query).await
    }
    async fn add_task(&self, stamp: &Stamp, new: NewTask) -> Result<Written<Task>> {
        self.write().await?;
        let result = self.inner.add_task(stamp, new).await;
        self.written(stamp, Write::Task, result).await
    }
    async fn edit_task(
        &self,
        stamp: &Stamp,
        id: TaskId,
        edits: &[TaskEdit],
    ) -> Result<Written<Task>> {
        self.write().await?;
        let result = self.inner.edit_task(stamp, id, edits).await;
        self.written(stamp, Write::Edits(id, edits), result).await
    }
    async fn delete_task(&self, stamp: &Stamp, id: TaskId) -> Result<Written<Task>> {
        self.inner.delete_task(stamp, id).await
    }
}

#[async_trait]
impl Milestones for SimulatedBoard {
    async fn milestone(&self, id: MilestoneId) -> Result<Milestone> {
        self.inner.milestone(id).await
    }
    async fn milestones(&self, query: &MilestoneQuery) -> Result<Vec<Milestone>> {
        self.inner.milestones(query).await
    }
    async fn add_milestone(&self, stamp: &Stamp, new: NewMilestone) -> Result<Written<Milestone>> {
        self.inner.add_milestone(stamp, new).await
    }
    async fn edit_milestone(
        &self,
        stamp: &Stamp,
        id: MilestoneId,
        edits: &[MilestoneEdit],
    ) -> Result<Written<Milestone>> {
        self.inner.edit_milestone(stamp, id, edits).await
    }
}

#[async_trait]
impl Comments for SimulatedBoard {
    async fn comments(&self, query: &CommentQuery) -> Result<Page<Comment>> {
        self.read().await?;
        self.inner.comments(query).await
    }
    async fn add_comment(&self, stamp: &Stamp, new: NewComment) -> Result<Written<Comment>> {
        self.write().await?;
        let text = new.text.clone();
        let result = self.inner.add_comment(stamp, new).await;
        self.written(stamp, Write::Comment(&text), result).await
    }
    async fn delete_comment(&self, stamp: &Stamp, id: CommentId) -> Result<Written<Comment>> {
        self.inner.delete_comment(stamp, id).await
    }
}

#[async_trait]
impl History for SimulatedBoard {
    async fn activity(&self, query: &ActivityQuery) -> Result<Page<Activity>> {
        self.read().await?;
        self.inner.activity(query).await
    }
    async fn latest_activity(&self) -> Result<ActivityId> {
        self.read().await?;
        self.inner.latest_activity().await
    }
}
