//! Changes to the board: what can be edited, how a write is stamped, and the record of it.

use super::{
    ActivityId, CommentId, EventId, Fence, GoalBoardId, GoalId, MilestoneId, NewMarker, PersonId,
    ProjectId, RunId, SprintId, StatusId, Task, TaskId, TaskKind, TimeEntryId, TimerId, Timestamp,
    Value,
};
use chrono::SecondsFormat;
use serde::{Deserialize, Serialize};
use std::fmt;

/// One change to one field of a task. Applied, inverted and recorded by the functions below and
/// nowhere else, so that every board means the same by it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskEdit {
    /// Its one line; not blank.
    Headline(String),
    /// Its text.
    Description(String),
    /// When it counts as done.
    AcceptanceCriteria(String),
    /// What sort of task.
    Kind(TaskKind),
    /// One of its project's labels.
    Status(StatusId),
    /// 1 critical … 5 lowest.
    Priority(Option<u8>),
    /// Effort in points.
    Storypoints(Option<f64>),
    /// Hours planned.
    PlanHours(Option<f64>),
    /// Hours that remain.
    HoursRemaining(Option<f64>),
    /// One more tag; nothing if it is there.
    AddTag(String),
    /// One tag less; nothing if it is absent.
    RemoveTag(String),
    /// Who is to do it.
    Assignee(Option<PersonId>),
    /// Who else takes part.
    Collaborators(Vec<PersonId>),
    /// When it is to be finished.
    Due(Option<Timestamp>),
    /// Planned begin of the work.
    WorkFrom(Option<Timestamp>),
    /// Planned end of the work.
    WorkTo(Option<Timestamp>),
    /// The milestone it counts towards.
    Milestone(Option<MilestoneId>),
    /// The sprint it is in.
    Sprint(Option<SprintId>),
    /// The task of which this is a subtask.
    Parent(Option<TaskId>),
    /// One more task that must be done first.
    AddBlocker(TaskId),
    /// One less.
    RemoveBlocker(TaskId),
    /// Its place within a column.
    Sort(i64),
    /// A field of the team's own; `None` removes it.
    Field(String, Option<String>),
}

impl TaskEdit {
    /// The field's name, as activity and `rota runs show` print it.
    pub fn field(&self) -> String {
        match self {
            Self::Headline(_) => "headline",
            Self::Description(_) => "description",
            Self::AcceptanceCriteria(_) => "acceptance_criteria",
            Self::Kind(_) => "kind",
            Self::Status(_) => "status",
            Self::Priority(_) => "priority",
            Self::Storypoints(_) => "storypoints",
            Self::PlanHours(_) => "plan_hours",
            Self::HoursRemaining(_) => "hours_remaining",
            Self::AddTag(_) | Self::RemoveTag(_) => "tags",
            Self::Assignee(_) => "assignee",
            Self::Collaborators(_) => "collaborators",
            Self::Due(_) => "due",
            Self::WorkFrom(_) => "work_from",
            Self::WorkTo(_) => "work_to",
            Self::Milestone(_) => "milestone",
            Self::Sprint(_) => "sprint",
            Self::Parent(_) => "parent",
            Self::AddBlocker(_) | Self::RemoveBlocker(_) => "blocked_by",
            Self::Sort(_) => "sort",
            Self::Field(name, _) => return format!("fields.{name}"),
        }
        .to_owned()
    }

    /// The field's value in a task, as activity records it.
    pub fn value_in(&self, task: &Task) -> Value {
        match self {
            Self::Headline(_) => task.headline.as_str().into(),
            Self::Description(_) => task.description.as_str().into(),
            Self::AcceptanceCriteria(_) => task.acceptance_criteria.as_str().into(),
            Self::Kind(_) => task.kind.as_str().into(),
            Self::Status(_) => task.status.0.into(),
            Self::Priority(_) => task.priority.into(),
            Self::Storypoints(_) => task.storypoints.into(),
            Self::PlanHours(_) => task.plan_hours.into(),
            Self::HoursRemaining(_) => task.hours_remaining.into(),
            Self::AddTag(_) | Self::RemoveTag(_) => task.tags.clone().into(),
            Self::Assignee(_) => task.assignee.map(|p| p.0).into(),
            Self::Collaborators(_) => numbers(task.collaborators.iter().map(|p| p.0)),
            Self::Due(_) => instant(task.due),
            Self::WorkFrom(_) => instant(task.work_from),
            Self::WorkTo(_) => instant(task.work_to),
            Self::Milestone(_) => task.milestone.map(|m| m.0).into(),
            Self::Sprint(_) => task.sprint.map(|s| s.0).into(),
            Self::Parent(_) => task.parent.map(|t| t.0).into(),
            Self::AddBlocker(_) | Self::RemoveBlocker(_) => {
                numbers(task.blocked_by.iter().map(|t| t.0))
            }
            Self::Sort(_) => task.sort.into(),
            Self::Field(name, _) => task.fields.get(name).cloned().into(),
        }
    }

    /// Makes the change. `modified` and `revision` are the board's business.
    pub fn apply(&self, task: &mut Task) {
        match self.clone() {
            Self::Headline(text) => task.headline = text,
            Self::Description(text) => task.description = text,
            Self::AcceptanceCriteria(text) => task.acceptance_criteria = text,
            Self::Kind(kind) => task.kind = kind,
            Self::Status(status) => task.status = status,
            Self::Priority(priority) => task.priority = priority,
            Self::Storypoints(points) => task.storypoints = points,
            Self::PlanHours(hours) => task.plan_hours = hours,
            Self::HoursRemaining(hours) => task.hours_remaining = hours,
            Self::AddTag(tag) if task.has_tag(&tag) => {}
            Self::AddTag(tag) => add(&mut task.tags, tag.trim().to_owned()),
            Self::RemoveTag(tag) => {
                let tag = tag.trim().to_lowercase();
                task.tags.retain(|t| t.trim().to_lowercase() != tag);
            }
            Self::Assignee(person) => task.assignee = person,
            Self::Collaborators(mut people) => {
                people.sort_unstable();
                people.dedup();
                task.collaborators = people;
            }
            Self::Due(at) => task.due = at,
            Self::WorkFrom(at) => task.work_from = at,
            Self::WorkTo(at) => task.work_to = at,
            Self::Milestone(milestone) => task.milestone = milestone,
            Self::Sprint(sprint) => task.sprint = sprint,
            Self::Parent(parent) => task.parent = parent,
            Self::AddBlocker(other) => add(&mut task.blocked_by, other),
            Self::RemoveBlocker(other) => task.blocked_by.retain(|t| *t != other),
            Self::Sort(place) => task.sort = place,
            Self::Field(name, Some(text)) => {
                task.fields.insert(name, text);
            }
            Self::Field(name, None) => {
                task.fields.remove(&name);
            }
        }
    }

    /// The edit that puts back what this one would change in `task`; `None` if it changes nothing.
    pub fn inverse(&self, task: &Task) -> Option<Self> {
        let mut after = task.clone();
        self.apply(&mut after);
        if self.value_in(task) == self.value_in(&after) {
            return None;
        }
        Some(match self {
            Self::Headline(_) => Self::Headline(task.headline.clone()),
            Self::Description(_) => Self::Description(task.description.clone()),
            Self::AcceptanceCriteria(_) => {
                Self::AcceptanceCriteria(task.acceptance_criteria.clone())
            }
            Self::Kind(_) => Self::Kind(task.kind),
            Self::Status(_) => Self::Status(task.status),
            Self::Priority(_) => Self::Priority(task.priority),
            Self::Storypoints(_) => Self::Storypoints(task.storypoints),
            Self::PlanHours(_) => Self::PlanHours(task.plan_hours),
            Self::HoursRemaining(_) => Self::HoursRemaining(task.hours_remaining),
            Self::AddTag(tag) => Self::RemoveTag(tag.clone()),
            Self::RemoveTag(tag) => {
                let kept = task.tags.iter().find(|t| t.trim().eq_ignore_ascii_case(tag.trim()));
                Self::AddTag(kept.unwrap_or(tag).clone())
            }
            Self::Assignee(_) => Self::Assignee(task.assignee),
            Self::Collaborators(_) => Self::Collaborators(task.collaborators.clone()),
            Self::Due(_) => Self::Due(task.due),
            Self::WorkFrom(_) => Self::WorkFrom(task.work_from),
            Self::WorkTo(_) => Self::WorkTo(task.work_to),
            Self::Milestone(_) => Self::Milestone(task.milestone),
            Self::Sprint(_) => Self::Sprint(task.sprint),
            Self::Parent(_) => Self::Parent(task.parent),
            Self::AddBlocker(other) => Self::RemoveBlocker(*other),
            Self::RemoveBlocker(other) => Self::AddBlocker(*other),
            Self::Sort(_) => Self::Sort(task.sort),
            Self::Field(name, _) => Self::Field(name.clone(), task.fields.get(name).cloned()),
        })
    }
}

fn add<T: Ord>(list: &mut Vec<T>, item: T) {
    if let Err(place) = list.binary_search(&item) {
        list.insert(place, item);
    }
}

fn numbers(ids: impl Iterator<Item = i64>) -> Value {
    Value::List(ids.map(Value::Int).collect())
}

fn instant(at: Option<Timestamp>) -> Value {
    at.map(|at| at.to_rfc3339_opts(SecondsFormat::AutoSi, true)).into()
}

/// Who writes, for which run, under which claim. Every write to the board carries one.
///
/// A write with a mark that the board has seen changes nothing and answers as the first did.
/// A write whose claim's fence is lower than one the board has seen for that task is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// The board user whose name is written.
    pub actor: PersonId,
    /// Which write of which run this is; `None` for people.
    pub mark: Option<Mark>,
    /// The run's claimed task and its fence, whatever entity the write is about.
    pub claim: Option<(TaskId, Fence)>,
    /// The revision the writer has seen; another one is a conflict.
    pub revision: Option<u64>,
    /// Makes a comment on a task a marker as well, on boards that have markers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub marker: Option<NewMarker>,
}

impl Stamp {
    /// A write by hand: no run, no claim.
    pub fn by(actor: PersonId) -> Self {
        Self { actor, mark: None, claim: None, revision: None, marker: None }
    }
}

/// The one write of one run: `run:seq`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Mark {
    /// The run.
    pub run: RunId,
    /// The write's number in the run's journal, from 1.
    pub seq: u32,
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.run, self.seq)
    }
}

/// What became of a write.
#[derive(Clone, Debug, PartialEq)]
pub struct Written<T> {
    /// The entity after the write.
    pub after: T,
    /// False when the mark had been seen, or the write changed nothing.
    pub changed: bool,
}

/// What a board knows about a stamped write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EffectState {
    /// It happened, to this entity.
    Applied(Entity),
    /// It did not happen.
    Absent,
    /// This board cannot tell.
    Unknown,
}

/// Anything on the board that can change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entity {
    /// A task.
    Task(TaskId),
    /// A comment.
    Comment(CommentId),
    /// A milestone.
    Milestone(MilestoneId),
    /// A project.
    Project(ProjectId),
    /// A person.
    Person(PersonId),
    /// A set of goals.
    GoalBoard(GoalBoardId),
    /// A goal.
    Goal(GoalId),
    /// An event in a calendar.
    Event(EventId),
    /// Time spent on a task.
    TimeEntry(TimeEntryId),
    /// A timer.
    Timer(TimerId),
    /// A sprint.
    Sprint(SprintId),
    /// Something that is not on the board: a tool of another server did it.
    Outside,
}

impl Entity {
    /// Its id, as a number.
    pub fn number(self) -> i64 {
        match self {
            Self::Task(id) => id.0,
            Self::Comment(id) => id.0,
            Self::Milestone(id) => id.0,
            Self::Project(id) => id.0,
            Self::Person(id) => id.0,
            Self::GoalBoard(id) => id.0,
            Self::Goal(id) => id.0,
            Self::Event(id) => id.0,
            Self::TimeEntry(id) => id.0,
            Self::Timer(id) => id.0,
            Self::Sprint(id) => id.0,
            Self::Outside => 0,
        }
    }

    /// What people call such a thing.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Task(_) => "task",
            Self::Comment(_) => "comment",
            Self::Milestone(_) => "milestone",
            Self::Project(_) => "project",
            Self::Person(_) => "person",
            Self::GoalBoard(_) => "goal board",
            Self::Goal(_) => "goal",
            Self::Event(_) => "event",
            Self::TimeEntry(_) => "time entry",
            Self::Timer(_) => "timer",
            Self::Sprint(_) => "sprint",
            Self::Outside => "something outside",
        }
    }
}

impl fmt::Display for Entity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.noun(), self.number())
    }
}

/// One change that happened on the board.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Activity {
    /// Its place in the order of things.
    pub id: ActivityId,
    /// When.
    pub at: Timestamp,
    /// Who; `None` where the board does not say.
    pub actor: Option<PersonId>,
    /// What changed.
    pub entity: Entity,
    /// The task it is about: the task itself, or the one commented on.
    pub task: Option<TaskId>,
    /// The project it is about.
    pub project: Option<ProjectId>,
    /// The field; `created`, `deleted`, or a name that [`TaskEdit::field`] gives.
    pub field: String,
    /// Its value before.
    pub before: Value,
    /// Its value after.
    pub after: Value,
    /// The stamped write that did it; `None` for people.
    pub mark: Option<Mark>,
}
