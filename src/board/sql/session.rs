//! One transaction that writes: the steps of a write, in SQL.

use super::super::Result;
use super::super::write::{Seen, Session, Trace};
use super::dialect::Connection;
use super::{comments, history, milestones, people, projects, tasks, traces};
use crate::domain::{
    Activity, Comment, CommentId, CommentQuery, Fence, Mark, Milestone, MilestoneId, Person,
    PersonId, Project, ProjectId, Stamp, StatusKind, Task, TaskId, TaskQuery, Timestamp,
};
use async_trait::async_trait;

/// Dropped, it undoes everything.
#[derive(Debug)]
pub(super) struct SqlSession {
    transaction: Connection,
    /// The writer, as found with the mark: nobody writes beside this transaction, and it changes nobody.
    writer: Option<Person>,
}

impl SqlSession {
    pub(super) fn new(transaction: Connection) -> Self {
        Self { transaction, writer: None }
    }

    pub(super) fn connection(&mut self) -> &mut Connection {
        &mut self.transaction
    }

    pub(super) async fn commit(self) -> Result<()> {
        self.transaction.commit().await
    }
}

#[async_trait]
impl Session for SqlSession {
    async fn seen(&mut self, stamp: &Stamp) -> Result<Seen> {
        let (seen, writer) = traces::seen(self.connection(), stamp).await?;
        self.writer = writer;
        Ok(seen)
    }

    async fn keep_fence(&mut self, task: TaskId, fence: Fence) -> Result<()> {
        traces::raise_fence(self.connection(), task, fence).await
    }

    async fn record(&mut self, rows: Vec<Activity>, trace: Option<(&Mark, Trace)>) -> Result<()> {
        history::record(self.connection(), rows, trace).await
    }

    async fn find_person(&mut self, id: PersonId) -> Result<Option<Person>> {
        match &self.writer {
            Some(writer) if writer.id == id => Ok(Some(writer.clone())),
            _ => people::find(self.connection(), id).await,
        }
    }

    async fn person_named(&mut self, folded: &str) -> Result<Option<PersonId>> {
        people::named(self.connection(), folded).await
    }

    async fn insert_person(&mut self, person: &Person) -> Result<PersonId> {
        people::insert(self.connection(), person).await
    }

    async fn find_project(&mut self, id: ProjectId) -> Result<Option<Project>> {
        projects::find(self.connection(), id).await
    }

    async fn project_named(&mut self, folded: &str) -> Result<Option<ProjectId>> {
        projects::named(self.connection(), folded).await
    }

    async fn insert_project(&mut self, project: &Project) -> Result<ProjectId> {
        projects::insert(self.connection(), project).await
    }

    async fn update_project(&mut self, project: &Project) -> Result<()> {
        projects::update(self.connection(), project).await
    }

    async fn find_task(&mut self, id: TaskId) -> Result<Option<Task>> {
        tasks::find(self.connection(), id).await
    }

    async fn tasks_where(&mut self, query: &TaskQuery, max: usize) -> Result<Vec<Task>> {
        tasks::by_id(self.connection(), query, max).await
    }

    async fn insert_task(&mut self, task: &Task, kind: StatusKind) -> Result<TaskId> {
        tasks::insert(self.connection(), task, kind).await
    }

    async fn update_task(&mut self, task: &Task, kind: StatusKind) -> Result<()> {
        tasks::update(self.connection(), task, kind).await
    }

    async fn touch_task(&mut self, task: &Task, at: Timestamp) -> Result<()> {
        tasks::touch(self.connection(), task.id, at).await
    }

    async fn remove_task(&mut self, id: TaskId) -> Result<()> {
        tasks::remove(self.connection(), id).await
    }

    async fn find_milestone(&mut self, id: MilestoneId) -> Result<Option<Milestone>> {
        milestones::find(self.connection(), id).await
    }

    async fn insert_milestone(&mut self, milestone: &Milestone) -> Result<MilestoneId> {
        milestones::insert(self.connection(), milestone).await
    }

    async fn update_milestone(&mut self, milestone: &Milestone) -> Result<()> {
        milestones::update(self.connection(), milestone).await
    }

    async fn find_comment(&mut self, id: CommentId) -> Result<Option<Comment>> {
        comments::find(self.connection(), id).await
    }

    async fn comments_where(&mut self, query: &CommentQuery, max: usize) -> Result<Vec<Comment>> {
        comments::select(self.connection(), query, max).await
    }

    async fn insert_comment(&mut self, comment: &Comment) -> Result<CommentId> {
        comments::insert(self.connection(), comment).await
    }

    async fn update_comment(&mut self, comment: &Comment) -> Result<()> {
        comments::update(self.connection(), comment).await
    }

    async fn remove_comment(&mut self, id: CommentId) -> Result<()> {
        comments::remove(self.connection(), id).await
    }
}
