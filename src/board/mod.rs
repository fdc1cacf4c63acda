//! Where the team's data lives.
//!
//! One small trait per noun; [`Board`] is all of them. An adapter knows this file and no other
//! adapter. The suite in `tests/contract/board/` holds every adapter to the contract below.
//!
//! # Contract
//! 1. An answer shows every write that returned before the question was asked.
//! 2. A write happens whole or not at all, and is recorded in the activity within the same step:
//!    one row per field that changed, none for a field that did not.
//! 3. A write with a mark that was seen before changes nothing, records nothing and answers with
//!    the entity as it is now, `changed: false`.
//! 4. A write whose stamp names a revision other than the entity's is a [`BoardError::Conflict`].
//! 5. Once a task's fence was raised, a write under a lower fence is [`BoardError::Fenced`],
//!    whatever entity it is about; raising it to a lower number changes nothing.
//! 6. A write that changes nothing (setting a field to its value) succeeds with `changed: false`,
//!    leaves `revision` and `modified` alone and records nothing.
//! 7. Every real change grows `revision` by one and sets `modified` to the adapter's clock.
//! 8. Input is checked before anything is written: blank headlines, unknown people, labels of other
//!    projects, priorities outside 1–5, a task blocking itself (also through others), a parent of
//!    another project are [`BoardError::Malformed`] and say what was expected.
//! 9. A page holds at most what was asked for, in the order asked for; following `next` visits every
//!    task that matched throughout, exactly once, also while others write.
//! 10. Lists (tags, blockers, collaborators) are sorted and free of doubles; texts come back to the
//!     byte.
//! 11. What is deleted is gone for every question but the activity.
//!
//! # Details that all adapters share
//! - A write that adds something leaves one row `created`, whose `after` is the headline, name or
//!   text; one that removes something leaves one row `deleted` for each thing that went.
//! - Tasks that waited for a deleted task wait no longer: a change of those tasks.
//! - A mark stands also for a write that changed nothing, and for one entity: offered for another,
//!   it is a [`BoardError::Conflict`]. A repeated deletion answers with what was deleted.
//! - A write under a higher fence than was seen raises it.
//! - What is addressed and not there is [`BoardError::NotFound`]; what an input refers to and is not
//!   there is [`BoardError::Malformed`]. The writer must be on the board, except to add a person.
//! - Tasks and milestones have revisions; a stamp that names one for anything else is malformed.
//! - The `next` of a page of comments or activity is the last id, as a number, for `after`.
//! - Following the pages of a task query in another order than by id, a task that moves meanwhile is
//!   met where it stood when the first page was asked for. A reader who lets 20,000 rows of activity
//!   pass between pages is told to start again (a conflict).

mod check;
pub mod open;
pub mod overlay;
mod page;
mod record;
pub mod sql;
mod write;

use crate::domain::{
    Activity, ActivityId, ActivityQuery, BoardName, Comment, CommentId, CommentQuery, EffectState,
    Fence, Mark, Milestone, MilestoneEdit, MilestoneId, MilestoneQuery, NewComment, NewMilestone,
    NewPerson, NewProject, NewTask, Page, Person, PersonId, Project, ProjectEdit, ProjectId, Stamp,
    Task, TaskEdit, TaskId, TaskQuery, Written,
};
use async_trait::async_trait;
use std::time::Duration;

/// What a board answers.
pub type Result<T> = std::result::Result<T, BoardError>;

/// Everything a board does.
#[async_trait]
pub trait Board:
    People + Projects + Tasks + Milestones + Comments + History + std::fmt::Debug
{
    /// The name that claims on this board carry.
    fn name(&self) -> BoardName;

    /// What this board can and cannot do.
    fn capabilities(&self) -> Capabilities;

    /// All projects and everybody, read together: what it takes to turn names into ids.
    async fn directory(&self) -> Result<(Vec<Project>, Vec<Person>)> {
        Ok((self.projects().await?, self.people().await?))
    }

    /// From now on, writes under a lower fence of this task are refused. Boards that cannot keep
    /// fences do nothing and say so in [`Capabilities::fencing`].
    async fn raise_fence(&self, task: TaskId, fence: Fence) -> Result<()>;

    /// What became of a stamped write.
    async fn effect_of(&self, mark: &Mark) -> Result<EffectState>;
}

/// What a board can and cannot do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, each asked by name")]
pub struct Capabilities {
    /// Refuses writes under an old fence inside the write's own transaction.
    pub fencing: bool,
    /// Answers [`Board::effect_of`] with certainty.
    pub marks: bool,
    /// Says who made a change.
    pub actors: bool,
    /// Keeps `blocked_by`.
    pub blockers: bool,
}

/// Who is on the board.
#[async_trait]
pub trait People: Send + Sync {
    /// Everybody, by id.
    async fn people(&self) -> Result<Vec<Person>>;
    /// One of them.
    async fn person(&self, id: PersonId) -> Result<Person>;
    /// Adds somebody; a name that is taken is a conflict.
    async fn add_person(&self, stamp: &Stamp, new: NewPerson) -> Result<Written<Person>>;
}

/// Projects and their labels.
#[async_trait]
pub trait Projects: Send + Sync {
    /// All of them, by id.
    async fn projects(&self) -> Result<Vec<Project>>;
    /// One of them.
    async fn project(&self, id: ProjectId) -> Result<Project>;
    /// Adds one; a name that is taken is a conflict.
    async fn add_project(&self, stamp: &Stamp, new: NewProject) -> Result<Written<Project>>;
    /// Changes one.
    async fn edit_project(
        &self,
        stamp: &Stamp,
        id: ProjectId,
        edits: &[ProjectEdit],
    ) -> Result<Written<Project>>;
}

/// Tasks and subtasks.
#[async_trait]
pub trait Tasks: Send + Sync {
    /// One of them.
    async fn task(&self, id: TaskId) -> Result<Task>;
    /// Those that match.
    async fn tasks(&self, query: &TaskQuery) -> Result<Page<Task>>;
    /// Adds one.
    async fn add_task(&self, stamp: &Stamp, new: NewTask) -> Result<Written<Task>>;
    /// Changes one: all edits in one step, in order.
    async fn edit_task(
        &self,
        stamp: &Stamp,
        id: TaskId,
        edits: &[TaskEdit],
    ) -> Result<Written<Task>>;
    /// Removes one, its subtasks and their comments; answers with what it was.
    async fn delete_task(&self, stamp: &Stamp, id: TaskId) -> Result<Written<Task>>;
}

/// Milestones.
#[async_trait]
pub trait Milestones: Send + Sync {
    /// One of them.
    async fn milestone(&self, id: MilestoneId) -> Result<Milestone>;
    /// Those that match, by deadline.
    async fn milestones(&self, query: &MilestoneQuery) -> Result<Vec<Milestone>>;
    /// Adds one.
    async fn add_milestone(&self, stamp: &Stamp, new: NewMilestone) -> Result<Written<Milestone>>;
    /// Changes one.
    async fn edit_milestone(
        &self,
        stamp: &Stamp,
        id: MilestoneId,
        edits: &[MilestoneEdit],
    ) -> Result<Written<Milestone>>;
}

/// Comments on tasks and projects, status updates included.
#[async_trait]
pub trait Comments: Send + Sync {
    /// Those that match, oldest first unless asked otherwise. Later comments have larger ids, and
    /// no id is given twice, also after a deletion.
    async fn comments(&self, query: &CommentQuery) -> Result<Page<Comment>>;
    /// Adds one. A comment on a task counts as a change of the task (`modified`, not `revision`).
    async fn add_comment(&self, stamp: &Stamp, new: NewComment) -> Result<Written<Comment>>;
    /// Removes one; answers with what it was.
    async fn delete_comment(&self, stamp: &Stamp, id: CommentId) -> Result<Written<Comment>>;
}

/// The record of every change.
#[async_trait]
pub trait History: Send + Sync {
    /// Those that match.
    async fn activity(&self, query: &ActivityQuery) -> Result<Page<Activity>>;
    /// The latest row there is; `ActivityId(0)` before the first.
    async fn latest_activity(&self) -> Result<ActivityId>;
}

/// Why a board did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum BoardError {
    /// It is not there.
    #[error("{what} is not on the board")]
    NotFound {
        /// What was looked for, with its id.
        what: String,
    },
    /// Somebody changed it in between, or the name is taken.
    #[error("conflict: {0}")]
    Conflict(String),
    /// A later claim of the task exists.
    #[error("fence {offered} is stale: fence {seen} of task {task} has been seen")]
    Fenced {
        /// The claimed task.
        task: TaskId,
        /// The fence of the write.
        offered: Fence,
        /// The highest fence seen.
        seen: Fence,
    },
    /// The writer may not.
    #[error("not allowed: {0}")]
    Denied(String),
    /// Too many requests.
    #[error("the board asks to wait {}", crate::domain::show_duration(*retry_after))]
    RateLimited {
        /// For so long.
        retry_after: Duration,
    },
    /// It cannot be reached just now.
    #[error("the board cannot be reached: {what}")]
    Unavailable {
        /// What was attempted.
        what: String,
        /// The cause.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// What was given makes no sense: says what is wrong and what was expected.
    #[error("{0}")]
    Malformed(String),
    /// This board cannot do that: says what to do instead.
    #[error("{0}")]
    Unsupported(String),
    /// The board's file or schema cannot be used: says what to do.
    #[error("{what}")]
    Unusable {
        /// What is wrong and what to do.
        what: String,
        /// The cause.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
}

impl BoardError {
    /// Whether the same request may succeed later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::RateLimited { .. } | Self::Unavailable { .. })
    }
}
