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
//! 12. Several writes in one step see those before them; if one fails, none of them happened.
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
//! - Tasks, milestones, goals, events and sprints have revisions; a stamp that names one for anything
//!   else is malformed.
//! - The `next` of a page of comments or activity is the last id, as a number, for `after`.
//! - Pages of goals, events, sprints, timers and members are in the order of ids, those of time in the
//!   order of days: places that never change.
//! - A goal's parts stay when it goes, without a parent; its comments go with it. A goal board with
//!   goals, a sprint with tasks and a task with time spent on it do not go: that is a conflict.
//!   Timers on a task go with it.
//! - A sprint is one of the task's project; a goal's milestone is one of the goal's project; a goal is
//!   never a part of itself; planned work does not end before it begins.
//! - There is one time entry for a person, task, day and kind of work, never of 0 seconds, and at most
//!   24 hours for a person and day in all. Time spent on a task, and timers, count as a change of the
//!   task as comments do.
//! - There is one timer for a person and task (or no task): starting another is a conflict that says
//!   since when it runs. Stopping one logs its time in the same step.
//! - A change of a project's members is a change of the project, in the field `members.<person>`.
//! - Following the pages of a task query in another order than by id, a task that moves meanwhile is
//!   met where it stood when the first page was asked for. A reader who lets 20,000 rows of activity
//!   pass between pages is told to start again (a conflict).

mod batch;
mod check;
mod directory;
mod kept;
pub mod leantime;
mod markers;
pub mod open;
pub mod overlay;
mod page;
mod record;
pub mod sql;
mod write;

pub use batch::{BATCH_MAX, BatchError, OneWrite, Wrote};
pub use directory::Directory;
pub use markers::Markers;

use crate::domain::{
    Activity, ActivityId, ActivityQuery, BoardName, CalendarEvent, Comment, CommentId,
    CommentQuery, EffectState, EventEdit, EventId, EventQuery, Fence, Goal, GoalBoard, GoalBoardId,
    GoalBoardQuery, GoalEdit, GoalId, GoalQuery, Mark, Member, MemberQuery, Milestone,
    MilestoneEdit, MilestoneId, MilestoneQuery, NewComment, NewEvent, NewGoal, NewGoalBoard,
    NewMilestone, NewPerson, NewProject, NewSprint, NewTask, NewTimer, Page, Person, PersonId,
    Project, ProjectEdit, ProjectId, ScheduleQuery, Scheduled, Sprint, SprintEdit, SprintId,
    SprintQuery, Stamp, StopTimer, Stopped, Task, TaskEdit, TaskId, TaskQuery, TimeChange,
    TimeEntry, TimeEntryId, TimeGroup, TimeQuery, TimeSum, Timer, TimerId, TimerQuery, Week,
    Written,
};
use async_trait::async_trait;
use std::time::Duration;

/// What a board answers.
pub type Result<T> = std::result::Result<T, BoardError>;

/// Everything a board does.
#[async_trait]
pub trait Board:
    People
    + Projects
    + Members
    + Tasks
    + Milestones
    + Sprints
    + Goals
    + Calendar
    + Timesheets
    + Timers
    + Comments
    + History
    + std::fmt::Debug
{
    /// The name that claims on this board carry.
    fn name(&self) -> BoardName;

    /// What this board can and cannot do.
    fn capabilities(&self) -> Capabilities;

    /// All projects and everybody, read together: what it takes to turn names into ids.
    async fn directory(&self) -> Result<Directory> {
        Ok(Directory::new(self.projects().await?, self.people().await?))
    }

    /// From now on, writes under a lower fence of this task are refused. Boards that cannot keep
    /// fences do nothing and say so in [`Capabilities::fencing`].
    async fn raise_fence(&self, task: TaskId, fence: Fence) -> Result<()>;

    /// What keeps daemons apart that share this board and no store; `None` where the board itself does.
    fn markers(&self) -> Option<&dyn Markers> {
        None
    }

    /// What became of a stamped write.
    async fn effect_of(&self, mark: &Mark) -> Result<EffectState>;

    /// Tells the instruments how its connections stand, where it has some.
    fn measure(&self) {}

    /// Several writes in one step, in their order, each under its own stamp: all of them happen or
    /// none does. At most [`BATCH_MAX`].
    async fn write_all(
        &self,
        writes: &[(Stamp, OneWrite)],
    ) -> std::result::Result<Vec<Wrote>, BatchError> {
        let _ = writes;
        let what = "this board cannot write several things in one step, all or nothing: leave \
                    atomic out, and each is written, and reported, by itself";
        Err(BoardError::Unsupported(what.to_owned()).into())
    }
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
    /// Does several writes in one step ([`Board::write_all`]).
    pub steps: bool,
    /// Lets a project's labels be chosen.
    pub labels: bool,
    /// Lets goal boards be added and removed, and goals be removed.
    pub goal_boards: bool,
    /// Lets somebody have a role of their own in a project, and a project list nobody.
    pub project_roles: bool,
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

/// Who belongs to which project. A project that lists nobody is everybody's
/// ([`role_in`](crate::domain::role_in)).
#[async_trait]
pub trait Members: Projects {
    /// Those that match, by project and person.
    async fn members(&self, query: &MemberQuery) -> Result<Page<Member>>;
    /// Makes somebody a member, or gives a member another role.
    async fn put_member(&self, stamp: &Stamp, member: Member) -> Result<Written<Member>>;
    /// Removes a member; answers with what they were.
    async fn remove_member(
        &self,
        stamp: &Stamp,
        project: ProjectId,
        person: PersonId,
    ) -> Result<Written<Member>>;

    /// The projects that a person is a member of, and those that list nobody.
    async fn projects_of(&self, person: PersonId) -> Result<Vec<Project>> {
        let mut closed_to = std::collections::BTreeSet::new();
        let mut query = MemberQuery { limit: 1_000, ..MemberQuery::default() };
        let mut own = std::collections::BTreeSet::new();
        loop {
            let page = self.members(&query).await?;
            for member in page.items {
                closed_to.insert(member.project);
                if member.person == person {
                    own.insert(member.project);
                }
            }
            query.after = page.next;
            if query.after.is_none() {
                break;
            }
        }
        let mut projects = self.projects().await?;
        projects.retain(|project| own.contains(&project.id) || !closed_to.contains(&project.id));
        Ok(projects)
    }
}

/// Sprints.
#[async_trait]
pub trait Sprints: Send + Sync {
    /// One of them.
    async fn sprint(&self, id: SprintId) -> Result<Sprint>;
    /// Those that match, by id.
    async fn sprints(&self, query: &SprintQuery) -> Result<Page<Sprint>>;
    /// Adds one.
    async fn add_sprint(&self, stamp: &Stamp, new: NewSprint) -> Result<Written<Sprint>>;
    /// Changes one.
    async fn edit_sprint(
        &self,
        stamp: &Stamp,
        id: SprintId,
        edits: &[SprintEdit],
    ) -> Result<Written<Sprint>>;
    /// Removes one that no task is in; answers with what it was.
    async fn delete_sprint(&self, stamp: &Stamp, id: SprintId) -> Result<Written<Sprint>>;
}

/// Goal boards and goals.
#[async_trait]
pub trait Goals: Send + Sync {
    /// One of the goal boards.
    async fn goal_board(&self, id: GoalBoardId) -> Result<GoalBoard>;
    /// Those that match, by id.
    async fn goal_boards(&self, query: &GoalBoardQuery) -> Result<Page<GoalBoard>>;
    /// Adds one.
    async fn add_goal_board(&self, stamp: &Stamp, new: NewGoalBoard) -> Result<Written<GoalBoard>>;
    /// Removes one without goals; answers with what it was.
    async fn delete_goal_board(&self, stamp: &Stamp, id: GoalBoardId)
    -> Result<Written<GoalBoard>>;
    /// One of the goals.
    async fn goal(&self, id: GoalId) -> Result<Goal>;
    /// Those that match, by id.
    async fn goals(&self, query: &GoalQuery) -> Result<Page<Goal>>;
    /// Adds one.
    async fn add_goal(&self, stamp: &Stamp, new: NewGoal) -> Result<Written<Goal>>;
    /// Changes one: all edits in one step, in order.
    async fn edit_goal(
        &self,
        stamp: &Stamp,
        id: GoalId,
        edits: &[GoalEdit],
    ) -> Result<Written<Goal>>;
    /// Removes one and its comments; answers with what it was.
    async fn delete_goal(&self, stamp: &Stamp, id: GoalId) -> Result<Written<Goal>>;
}

/// What people have to do when.
#[async_trait]
pub trait Calendar: Send + Sync {
    /// One of the events.
    async fn event(&self, id: EventId) -> Result<CalendarEvent>;
    /// Those that match, by id.
    async fn events(&self, query: &EventQuery) -> Result<Page<CalendarEvent>>;
    /// Adds one.
    async fn add_event(&self, stamp: &Stamp, new: NewEvent) -> Result<Written<CalendarEvent>>;
    /// Changes one: all edits in one step, in order.
    async fn edit_event(
        &self,
        stamp: &Stamp,
        id: EventId,
        edits: &[EventEdit],
    ) -> Result<Written<CalendarEvent>>;
    /// Removes one; answers with what it was.
    async fn delete_event(&self, stamp: &Stamp, id: EventId) -> Result<Written<CalendarEvent>>;
    /// A person's events, and the tasks assigned to them whose work is planned then, in their order
    /// ([`Scheduled::place`]). More than [`SCHEDULED_MAX`] are malformed: the span is too long.
    async fn schedule(&self, query: &ScheduleQuery) -> Result<Vec<Scheduled>>;
}

/// The most that a schedule holds.
pub const SCHEDULED_MAX: usize = 2_000;
/// The most sums of one answer.
pub const SUMS_MAX: usize = 10_000;

/// Time that was spent.
#[async_trait]
pub trait Timesheets: Send + Sync {
    /// One of the entries.
    async fn time_entry(&self, id: TimeEntryId) -> Result<TimeEntry>;
    /// Those that match, by day and id.
    async fn time_entries(&self, query: &TimeQuery) -> Result<Page<TimeEntry>>;
    /// Adds to the time of a person, task, day and kind of work, or sets it. Answers with the entry;
    /// with one of 0 seconds if that removed it.
    async fn log_time(&self, stamp: &Stamp, change: TimeChange) -> Result<Written<TimeEntry>>;
    /// The sums of those that match, in the order of their keys. More than [`SUMS_MAX`] are
    /// malformed: the question is too wide.
    async fn time_sums(&self, query: &TimeQuery, by: TimeGroup) -> Result<Vec<TimeSum>>;

    /// A person's seven days from `start` on, in one of these projects; in all for none.
    async fn week(
        &self,
        person: PersonId,
        start: chrono::NaiveDate,
        projects: &[ProjectId],
    ) -> Result<Week> {
        let mut query = TimeQuery {
            people: vec![person],
            projects: projects.to_vec(),
            from: Some(start),
            to: start.checked_add_days(chrono::Days::new(7)),
            limit: 1_000,
            ..TimeQuery::default()
        };
        let mut entries = Vec::new();
        loop {
            let page = self.time_entries(&query).await?;
            entries.extend(page.items);
            query.after = page.next;
            if query.after.is_none() {
                return Ok(Week::of(start, &entries));
            }
        }
    }
}

/// Timers that run.
#[async_trait]
pub trait Timers: Send + Sync {
    /// One of them.
    async fn timer(&self, id: TimerId) -> Result<Timer>;
    /// Those that match, by id.
    async fn timers(&self, query: &TimerQuery) -> Result<Page<Timer>>;
    /// Starts one.
    async fn start_timer(&self, stamp: &Stamp, new: NewTimer) -> Result<Written<Timer>>;
    /// Stops one, and logs its time if that was asked for.
    async fn stop_timer(&self, stamp: &Stamp, stop: StopTimer) -> Result<Written<Stopped>>;
}

/// Comments on tasks, projects and goals, status updates included.
#[async_trait]
pub trait Comments: Send + Sync {
    /// Those that match, oldest first unless asked otherwise. Later comments have larger ids, and
    /// no id is given twice, also after a deletion.
    async fn comments(&self, query: &CommentQuery) -> Result<Page<Comment>>;
    /// Adds one. A comment on a task counts as a change of the task (`modified`, not `revision`).
    async fn add_comment(&self, stamp: &Stamp, new: NewComment) -> Result<Written<Comment>>;
    /// Removes one; answers with what it was.
    async fn delete_comment(&self, stamp: &Stamp, id: CommentId) -> Result<Written<Comment>>;
    /// Puts another text in the place of one's: no change of what it is on.
    async fn edit_comment(
        &self,
        stamp: &Stamp,
        id: CommentId,
        text: String,
    ) -> Result<Written<Comment>>;
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
