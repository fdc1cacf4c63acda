//! The steps of a write, the same for every adapter that keeps its own data: mark → fence →
//! revision → validation → write → activity → mark.
//!
//! An adapter gives a [`Session`]: one transaction that nobody else writes beside. If a step
//! fails, the adapter drops the session and nothing of it happens.

mod batch;
mod calendar;
mod comments;
mod goals;
mod keep;
mod members;
mod milestones;
mod people;
mod projects;
mod sprints;
mod task_delete;
mod tasks;
mod time;
mod timers;

pub(super) use batch::write_all;
pub(super) use calendar::{add_event, delete_event, edit_event};
pub(super) use comments::{add_comment, delete_comment, edit_comment};
pub(super) use goals::{add_goal, add_goal_board, delete_goal, delete_goal_board, edit_goal};
pub(super) use keep::Keeps;
pub(super) use members::{put_member, remove_member};
pub(super) use milestones::{add_milestone, edit_milestone};
pub(super) use people::add_person;
pub(super) use projects::{add_project, edit_project};
pub(super) use sprints::{add_sprint, delete_sprint, edit_sprint};
pub(super) use task_delete::delete_task;
pub(super) use tasks::{add_task, edit_task};
pub(super) use time::log_time;
pub(super) use timers::{start_timer, stop_timer};

use super::record::Rows;
use super::{BoardError, Result, check};
use crate::domain::{
    Activity, CalendarEvent, Comment, CommentId, CommentQuery, Entity, Fence, Goal, GoalBoard,
    Mark, Member, Milestone, MilestoneId, Person, PersonId, Project, ProjectId, Sprint, Stamp,
    StatusKind, Task, TaskId, TaskQuery, TimeEntry, Timer, Timestamp, Written,
};
use async_trait::async_trait;
use serde::de::DeserializeOwned;

/// Most entities that one write touches besides its own.
pub(super) const TOUCHED_MAX: usize = 10_000;

/// What is kept of a stamped write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trace {
    /// What was written.
    pub(super) entity: Entity,
    /// What it was, as JSON, when the write removed it.
    pub(super) was: Option<String>,
}

/// What an adapter remembers of a stamp's mark and of the task it claims.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// What was written under the mark.
    pub(super) trace: Option<Trace>,
    /// The highest fence of the claimed task; 0 before the first.
    pub(super) fence: Fence,
}

/// One transaction of an adapter.
#[async_trait]
pub(super) trait Session:
    Send
    + Keeps<GoalBoard>
    + Keeps<Goal>
    + Keeps<CalendarEvent>
    + Keeps<TimeEntry>
    + Keeps<Timer>
    + Keeps<Sprint>
    + Keeps<Member>
{
    /// The first thing that is asked: an adapter may look the writer up with it.
    async fn seen(&mut self, stamp: &Stamp) -> Result<Seen>;
    async fn keep_fence(&mut self, task: TaskId, fence: Fence) -> Result<()>;
    /// Keeps rows in this order under new ids, and the trace of a mark.
    async fn record(&mut self, rows: Vec<Activity>, trace: Option<(&Mark, Trace)>) -> Result<()>;

    async fn find_person(&mut self, id: PersonId) -> Result<Option<Person>>;
    /// By folded name.
    async fn person_named(&mut self, folded: &str) -> Result<Option<PersonId>>;
    async fn insert_person(&mut self, person: &Person) -> Result<PersonId>;

    async fn find_project(&mut self, id: ProjectId) -> Result<Option<Project>>;
    /// By folded name.
    async fn project_named(&mut self, folded: &str) -> Result<Option<ProjectId>>;
    async fn insert_project(&mut self, project: &Project) -> Result<ProjectId>;
    /// Also keeps the kinds of its tasks' statuses right.
    async fn update_project(&mut self, project: &Project) -> Result<()>;

    async fn find_task(&mut self, id: TaskId) -> Result<Option<Task>>;
    /// By id, at most `max`; the query's order, limit and cursor do not count.
    async fn tasks_where(&mut self, query: &TaskQuery, max: usize) -> Result<Vec<Task>>;
    async fn insert_task(&mut self, task: &Task, kind: StatusKind) -> Result<TaskId>;
    async fn update_task(&mut self, task: &Task, kind: StatusKind) -> Result<()>;
    /// Moves `modified` alone.
    async fn touch_task(&mut self, task: &Task, at: Timestamp) -> Result<()>;
    async fn remove_task(&mut self, id: TaskId) -> Result<()>;

    async fn find_milestone(&mut self, id: MilestoneId) -> Result<Option<Milestone>>;
    async fn insert_milestone(&mut self, milestone: &Milestone) -> Result<MilestoneId>;
    async fn update_milestone(&mut self, milestone: &Milestone) -> Result<()>;

    async fn find_comment(&mut self, id: CommentId) -> Result<Option<Comment>>;
    /// By id, at most `max`; the query's limit does not count.
    async fn comments_where(&mut self, query: &CommentQuery, max: usize) -> Result<Vec<Comment>>;
    async fn insert_comment(&mut self, comment: &Comment) -> Result<CommentId>;
    async fn update_comment(&mut self, comment: &Comment) -> Result<()>;
    async fn remove_comment(&mut self, id: CommentId) -> Result<()>;
}

/// Mark, then fence. `Some`: the mark was seen, nothing more is to be done.
async fn begin<S: Session>(session: &mut S, stamp: &Stamp) -> Result<Option<Trace>> {
    check::stamp(stamp)?;
    let Seen { trace, fence: seen } = session.seen(stamp).await?;
    if trace.is_some() {
        return Ok(trace);
    }
    // A lower fence than was seen is refused, a higher one remembered.
    match stamp.claim {
        Some((task, offered)) if offered < seen => Err(BoardError::Fenced { task, offered, seen }),
        Some((task, offered)) if offered > seen => {
            session.keep_fence(task, offered).await?;
            Ok(None)
        }
        _ => Ok(None),
    }
}

/// Activity, then mark.
async fn finish<S: Session>(
    session: &mut S,
    stamp: &Stamp,
    rows: Rows<'_>,
    trace: Trace,
) -> Result<()> {
    let trace = stamp.mark.as_ref().map(|mark| (mark, trace));
    if rows.is_empty() && trace.is_none() {
        return Ok(());
    }
    session.record(rows.into_vec(), trace).await
}

/// The answer to a mark that was seen: the entity as it is, or, if that write removed it, as it was.
fn repeated<T: DeserializeOwned>(now: Option<T>, trace: &Trace) -> Result<Written<T>> {
    let was = || trace.was.as_ref().and_then(|json| serde_json::from_str(json).ok());
    match now.or_else(was) {
        Some(after) => Ok(Written { after, changed: false }),
        None => Err(not_found(trace.entity)),
    }
}

/// A mark that was used for something else than it is offered for now.
fn misused<T>(stamp: &Stamp, trace: &Trace) -> Result<T> {
    let mark = stamp.mark.as_ref().map(ToString::to_string).unwrap_or_default();
    Err(BoardError::Conflict(format!("mark {mark} was used for {}", trace.entity)))
}

fn not_found(entity: Entity) -> BoardError {
    BoardError::NotFound { what: entity.to_string() }
}

/// The writer is on the board.
async fn actor<S: Session>(session: &mut S, stamp: &Stamp) -> Result<()> {
    person(session, stamp.actor, "the writer").await
}

async fn person<S: Session>(session: &mut S, id: PersonId, what: &str) -> Result<()> {
    match session.find_person(id).await? {
        Some(_) => Ok(()),
        None => check::malformed(format!(
            "{what}, person {id}, is not on the board: expected somebody who is"
        )),
    }
}

async fn project<S: Session>(session: &mut S, id: ProjectId) -> Result<Project> {
    session.find_project(id).await?.ok_or_else(|| not_found(Entity::Project(id)))
}

async fn task<S: Session>(session: &mut S, id: TaskId) -> Result<Task> {
    session.find_task(id).await?.ok_or_else(|| not_found(Entity::Task(id)))
}

fn revision(stamp: &Stamp, now: u64, entity: Entity) -> Result<()> {
    match stamp.revision {
        Some(seen) if seen != now => Err(BoardError::Conflict(format!(
            "{entity} has revision {now} by now, the write is for {seen}"
        ))),
        _ => Ok(()),
    }
}

fn too_many<T>(what: &str) -> Result<T> {
    Err(BoardError::Conflict(format!("more than {TOUCHED_MAX} {what} would change in one step")))
}
