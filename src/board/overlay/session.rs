//! One write over a board: kept apart until all its steps succeeded.

use super::super::write::{Seen, Session, Trace};
use super::super::{BoardError, Result, check, page};
use super::Overlay;
use super::layer::{Layer, next};
use super::lists;
use crate::domain::{
    Activity, ActivityId, Comment, CommentId, CommentQuery, Fence, Mark, Milestone, MilestoneId,
    Person, PersonId, Project, ProjectId, Stamp, StatusKind, Task, TaskId, TaskOrder, TaskQuery,
    Timestamp,
};
use async_trait::async_trait;
use std::collections::BTreeMap;
use tokio::sync::MutexGuard;

/// Dropped, nothing of it happened.
#[derive(Debug)]
pub(super) struct OverlaySession<'a> {
    pub(super) board: &'a Overlay,
    pub(super) draft: Layer,
    _gate: MutexGuard<'a, ()>,
}

impl<'a> OverlaySession<'a> {
    pub(super) fn new(board: &'a Overlay, draft: Layer, gate: MutexGuard<'a, ()>) -> Self {
        Self { board, draft, _gate: gate }
    }

    /// The write happened.
    pub(super) fn commit(self) {
        self.board.layer().absorb(self.draft);
    }
}

fn gone(what: &str) -> BoardError {
    BoardError::NotFound { what: what.to_owned() }
}

#[async_trait]
impl Session for OverlaySession<'_> {
    async fn seen(&mut self, stamp: &Stamp) -> Result<Seen> {
        let drafted = stamp.mark.as_ref().and_then(|mark| self.draft.marks.get(mark));
        let trace = match (drafted, &stamp.mark) {
            (Some(trace), _) => Some(trace.clone()),
            (None, Some(mark)) => self.board.find_trace(mark).await?,
            (None, None) => None,
        };
        let fence = stamp.claim.map(|(task, _)| {
            let drafted = self.draft.fences.get(&task).copied();
            let kept = || self.board.layer().fences.get(&task).copied();
            drafted.or_else(kept).unwrap_or_default()
        });
        Ok(Seen { trace, fence: fence.unwrap_or_default() })
    }

    async fn keep_fence(&mut self, task: TaskId, fence: Fence) -> Result<()> {
        self.draft.fences.insert(task, fence);
        Ok(())
    }

    async fn record(&mut self, rows: Vec<Activity>, trace: Option<(&Mark, Trace)>) -> Result<()> {
        for mut row in rows {
            row.id = ActivityId(next(&mut self.draft.last.activity));
            self.draft.activity.push(row);
        }
        if let Some((mark, trace)) = trace {
            self.draft.marks.insert(mark.clone(), trace);
        }
        Ok(())
    }

    async fn find_person(&mut self, id: PersonId) -> Result<Option<Person>> {
        match self.draft.people.get(&id) {
            Some(found) => Ok(Some(found.clone())),
            None => self.board.find_person(id).await,
        }
    }

    async fn person_named(&mut self, folded: &str) -> Result<Option<PersonId>> {
        let people = lists::people(self.board).await?;
        let named = people.values().find(|person| check::fold(person.name.trim()) == folded);
        Ok(named.map(|person| person.id))
    }

    async fn insert_person(&mut self, person: &Person) -> Result<PersonId> {
        let id = PersonId(next(&mut self.draft.last.person));
        self.draft.people.insert(id, Person { id, ..person.clone() });
        Ok(id)
    }

    async fn find_project(&mut self, id: ProjectId) -> Result<Option<Project>> {
        match self.draft.projects.get(&id) {
            Some(found) => Ok(Some(found.clone())),
            None => self.board.find_project(id).await,
        }
    }

    async fn project_named(&mut self, folded: &str) -> Result<Option<ProjectId>> {
        let projects = lists::projects(self.board).await?;
        let named = projects.values().find(|project| check::fold(project.name.trim()) == folded);
        Ok(named.map(|project| project.id))
    }

    async fn insert_project(&mut self, project: &Project) -> Result<ProjectId> {
        let id = ProjectId(next(&mut self.draft.last.project));
        self.draft.projects.insert(id, Project { id, ..project.clone() });
        Ok(id)
    }

    async fn update_project(&mut self, project: &Project) -> Result<()> {
        self.draft.projects.insert(project.id, project.clone());
        Ok(())
    }

    async fn find_task(&mut self, id: TaskId) -> Result<Option<Task>> {
        match self.draft.tasks.get(&id) {
            Some(found) => Ok(found.clone()),
            None => self.board.find_task(id).await,
        }
    }

    async fn tasks_where(&mut self, query: &TaskQuery, max: usize) -> Result<Vec<Task>> {
        let mut query =
            TaskQuery { order: TaskOrder::Id, limit: 1_000, after: None, ..query.clone() };
        let mut found = BTreeMap::new();
        loop {
            // What this write already changed may match no longer; what it changed otherwise does
            // not begin to match by it.
            let answer = self.board.page(&query).await?;
            found.extend(answer.items.into_iter().map(|task| (task.id, task)));
            query.after = answer.next;
            if query.after.is_none() || found.len() > max {
                break;
            }
        }
        for (id, task) in &self.draft.tasks {
            found.remove(id);
            let Some(task) = task else { continue };
            let home = self.board.find_project(task.project).await?;
            let kind = home.map_or(StatusKind::New, |home| home.kind_of(task.status));
            if page::matches(&query, task, kind) {
                found.insert(*id, task.clone());
            }
        }
        Ok(found.into_values().take(max).collect())
    }

    async fn insert_task(&mut self, task: &Task, _: StatusKind) -> Result<TaskId> {
        let id = TaskId(next(&mut self.draft.last.task));
        self.draft.tasks.insert(id, Some(Task { id, ..task.clone() }));
        Ok(id)
    }

    async fn update_task(&mut self, task: &Task, _: StatusKind) -> Result<()> {
        self.draft.tasks.insert(task.id, Some(task.clone()));
        Ok(())
    }

    async fn touch_task(&mut self, task: &Task, at: Timestamp) -> Result<()> {
        let touched = Task { modified: at, ..task.clone() };
        self.draft.tasks.insert(task.id, Some(touched));
        Ok(())
    }

    async fn remove_task(&mut self, id: TaskId) -> Result<()> {
        match self.find_task(id).await? {
            Some(_) => self.draft.tasks.insert(id, None),
            None => return Err(gone("the task to remove")),
        };
        Ok(())
    }

    async fn find_milestone(&mut self, id: MilestoneId) -> Result<Option<Milestone>> {
        match self.draft.milestones.get(&id) {
            Some(found) => Ok(Some(found.clone())),
            None => self.board.find_milestone(id).await,
        }
    }

    async fn insert_milestone(&mut self, milestone: &Milestone) -> Result<MilestoneId> {
        let id = MilestoneId(next(&mut self.draft.last.milestone));
        self.draft.milestones.insert(id, Milestone { id, ..milestone.clone() });
        Ok(id)
    }

    async fn update_milestone(&mut self, milestone: &Milestone) -> Result<()> {
        self.draft.milestones.insert(milestone.id, milestone.clone());
        Ok(())
    }

    async fn find_comment(&mut self, id: CommentId) -> Result<Option<Comment>> {
        match self.draft.comments.get(&id) {
            Some(found) => Ok(found.clone()),
            None => self.board.find_comment(id).await,
        }
    }

    async fn comments_where(&mut self, query: &CommentQuery, max: usize) -> Result<Vec<Comment>> {
        let mut query = CommentQuery { limit: 1_000, ..query.clone() };
        let mut found = Vec::new();
        loop {
            let answer = lists::comments(self.board, &query).await?;
            let more = answer.next.is_some();
            query.after = answer.items.last().map(|comment| comment.id).or(query.after);
            found.extend(answer.items);
            if !more || found.len() >= max {
                found.truncate(max);
                return Ok(found);
            }
        }
    }

    async fn insert_comment(&mut self, comment: &Comment) -> Result<CommentId> {
        let id = CommentId(next(&mut self.draft.last.comment));
        self.draft.comments.insert(id, Some(Comment { id, ..comment.clone() }));
        Ok(id)
    }

    async fn update_comment(&mut self, comment: &Comment) -> Result<()> {
        self.draft.comments.insert(comment.id, Some(comment.clone()));
        Ok(())
    }

    async fn remove_comment(&mut self, id: CommentId) -> Result<()> {
        self.draft.comments.insert(id, None);
        Ok(())
    }
}
