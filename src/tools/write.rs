//! The writes there are, as data: what a call is planned to do, how it is done, and what shows it.

mod batch;
mod calendar;
mod goals;
mod members;
mod sprints;
mod time;

pub(super) use calendar::EventWrite;
pub(super) use goals::GoalWrite;
pub(super) use members::MemberWrite;
pub(super) use sprints::SprintWrite;
pub(super) use time::TimeWrite;

use super::scope::Reach;
use crate::board::{self, Board};
use crate::domain::{
    Comment, CommentTarget, Entity, Milestone, MilestoneEdit, NewComment, NewMilestone, NewPerson,
    NewProject, NewTask, Project, ProjectEdit, Stamp, Task, TaskEdit, ToolCall, Value,
};
use std::collections::BTreeMap;

/// A call whose names are ids and whose days are instants; nothing is written yet.
#[derive(Clone, Debug)]
pub(super) struct Planned {
    /// What it touches.
    pub reach: Reach,
    /// Whether a task would get a status of kind *done*.
    pub sets_done: bool,
    /// The revision that the caller says it has seen.
    pub revision: Option<u64>,
    /// What is to be written.
    pub write: Write,
}

impl Planned {
    pub(super) fn new(reach: Reach, write: Write) -> Self {
        Self { reach, sets_done: false, revision: None, write }
    }
}

/// One write to the board, with the entity as it was found.
#[derive(Clone, Debug)]
pub(super) enum Write {
    AddTask(NewTask),
    EditTask { seen: Box<Task>, edits: Vec<TaskEdit> },
    DeleteTask(Box<Task>),
    AddComment(NewComment),
    EditComment { seen: Comment, text: String },
    DeleteComment(Comment),
    AddMilestone(NewMilestone),
    EditMilestone { seen: Milestone, edits: Vec<MilestoneEdit> },
    AddProject(NewProject),
    EditProject { seen: Project, edits: Vec<ProjectEdit> },
    AddPerson(NewPerson),
    Time(TimeWrite),
    Goal(GoalWrite),
    Event(EventWrite),
    Sprint(SprintWrite),
    Member(MemberWrite),
}

/// What a write came to.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Acted {
    pub entity: Entity,
    /// The changed fields before.
    pub before: Value,
    /// The changed fields after.
    pub after: Value,
    /// What puts it back.
    pub inverse: Option<ToolCall>,
}

impl Write {
    /// The edits to a task, if it is one.
    pub(super) fn task_edits(&self) -> &[TaskEdit] {
        match self {
            Self::AddTask(new) => &new.edits,
            Self::EditTask { edits, .. } => edits,
            _ => &[],
        }
    }

    /// The revision under which it is planned.
    pub(super) fn revision(&self) -> Option<u64> {
        match self {
            Self::EditTask { seen, .. } => Some(seen.revision),
            Self::EditMilestone { seen, .. } => Some(seen.revision),
            Self::Goal(write) => write.revision(),
            Self::Event(write) => write.revision(),
            _ => None,
        }
    }

    /// Does it. The revision of the stamp is the caller's, or that of the entity as found.
    pub(super) async fn act(&self, board: &dyn Board, stamp: &Stamp) -> board::Result<Acted> {
        let mut stamp = stamp.clone();
        stamp.revision = stamp.revision.or_else(|| self.revision());
        let stamp = &stamp;
        let entity = match self {
            Self::Time(write) => return write.act(board, stamp).await,
            Self::AddTask(new) => {
                let task = board.add_task(stamp, new.clone()).await?.after;
                return Ok(self.added_task(&task));
            }
            Self::EditTask { seen, edits } => {
                let after = board.edit_task(stamp, seen.id, edits).await?.after;
                return Ok(edited_task(seen, edits, &after));
            }
            Self::DeleteTask(seen) => {
                board.delete_task(stamp, seen.id).await?;
                Entity::Task(seen.id)
            }
            Self::AddComment(new) => {
                Entity::Comment(board.add_comment(stamp, new.clone()).await?.after.id)
            }
            Self::EditComment { seen, text } => {
                board.edit_comment(stamp, seen.id, text.clone()).await?;
                Entity::Comment(seen.id)
            }
            Self::DeleteComment(seen) => {
                board.delete_comment(stamp, seen.id).await?;
                Entity::Comment(seen.id)
            }
            Self::AddMilestone(new) => {
                Entity::Milestone(board.add_milestone(stamp, new.clone()).await?.after.id)
            }
            Self::EditMilestone { seen, edits } => {
                board.edit_milestone(stamp, seen.id, edits).await?;
                Entity::Milestone(seen.id)
            }
            Self::AddProject(new) => {
                Entity::Project(board.add_project(stamp, new.clone()).await?.after.id)
            }
            Self::EditProject { seen, edits } => {
                board.edit_project(stamp, seen.id, edits).await?;
                Entity::Project(seen.id)
            }
            Self::AddPerson(new) => {
                Entity::Person(board.add_person(stamp, new.clone()).await?.after.id)
            }
            Self::Goal(write) => write.act(board, stamp).await?,
            Self::Event(write) => write.act(board, stamp).await?,
            Self::Sprint(write) => write.act(board, stamp).await?,
            Self::Member(write) => write.act(board, stamp).await?,
        };
        Ok(self.shown(Some(entity)))
    }

    /// The same write over the entity as it is now; an error when it is gone.
    pub(super) async fn looked_again(&self, board: &dyn Board) -> board::Result<Self> {
        Ok(match self {
            Self::EditTask { seen, edits } => {
                Self::EditTask { seen: Box::new(board.task(seen.id).await?), edits: edits.clone() }
            }
            Self::EditMilestone { seen, edits } => {
                Self::EditMilestone { seen: board.milestone(seen.id).await?, edits: edits.clone() }
            }
            Self::Goal(write) => Self::Goal(write.looked_again(board).await?),
            Self::Event(write) => Self::Event(write.looked_again(board).await?),
            other => other.clone(),
        })
    }

    /// Whether a conflict may be answered by looking again: only edits of found entities.
    pub(super) fn is_edit(&self) -> bool {
        self.revision().is_some()
    }

    /// What it does, or did: to this entity, if that is known by now.
    pub(super) fn shown(&self, entity: Option<Entity>) -> Acted {
        let empty = || Value::Map(BTreeMap::new());
        let (own, before, after, inverse) = match self {
            Self::Time(write) => return write.shown(entity),
            Self::AddTask(new) => {
                let mut fields = new_task_fields(new);
                fields.extend(new.edits.iter().filter_map(edit_value));
                let inverse = entity.map(|e| delete("deleteTask", e));
                (None, empty(), Value::Map(fields), inverse)
            }
            Self::EditTask { seen, edits } => {
                let mut after = (**seen).clone();
                for edit in edits {
                    edit.apply(&mut after);
                }
                return edited_task(seen, edits, &after);
            }
            Self::DeleteTask(seen) => {
                let before = Value::map([
                    ("headline", Value::from(seen.headline.as_str())),
                    ("project", seen.project.0.into()),
                    ("status", seen.status.0.into()),
                ]);
                (Some(Entity::Task(seen.id)), before, empty(), None)
            }
            Self::AddComment(new) => {
                let inverse = entity.map(|e| delete("deleteComment", e));
                (None, empty(), comment_fields(new.on, &new.text, new.rating), inverse)
            }
            Self::EditComment { seen, text } => return edited_comment(seen, text),
            Self::DeleteComment(seen) => {
                let before = comment_fields(seen.on, &seen.text, seen.rating);
                (Some(Entity::Comment(seen.id)), before, empty(), None)
            }
            Self::EditMilestone { seen, edits } => {
                let (before, after) = milestone_change(seen, edits);
                let inverse = call("editMilestone", seen.id.0, &before);
                (Some(Entity::Milestone(seen.id)), before, after, inverse)
            }
            Self::EditProject { seen, edits } => {
                let (before, after) = project_change(seen, edits);
                let inverse = project_inverse(seen, &before);
                (Some(Entity::Project(seen.id)), before, after, inverse)
            }
            Self::AddMilestone(new) => (None, empty(), json(new), None),
            Self::AddProject(new) => (None, empty(), json(new), None),
            Self::AddPerson(new) => (None, empty(), json(new), None),
            Self::Goal(write) => {
                let (before, after, inverse) = write.shown(entity);
                (write.entity(), before, after, inverse)
            }
            Self::Event(write) => {
                let (before, after, inverse) = write.shown(entity);
                (write.entity(), before, after, inverse)
            }
            Self::Sprint(write) => {
                let (before, after, inverse) = write.shown(entity);
                (write.entity(), before, after, inverse)
            }
            Self::Member(write) => {
                let (before, after, inverse) = write.shown();
                (Some(Entity::Project(write.project())), before, after, inverse)
            }
        };
        let entity = entity.or(own).unwrap_or_else(|| self.not_yet());
        Acted { entity, before, after, inverse }
    }

    /// The entity that an addition would make has no number yet: 0.
    fn not_yet(&self) -> Entity {
        use crate::domain::{CommentId, MilestoneId, PersonId, ProjectId, TaskId};
        match self {
            Self::AddTask(_) | Self::EditTask { .. } | Self::DeleteTask(_) => {
                Entity::Task(TaskId(0))
            }
            Self::AddComment(_) | Self::EditComment { .. } | Self::DeleteComment(_) => {
                Entity::Comment(CommentId(0))
            }
            Self::AddMilestone(_) | Self::EditMilestone { .. } => Entity::Milestone(MilestoneId(0)),
            Self::AddProject(_) | Self::EditProject { .. } | Self::Member(_) => {
                Entity::Project(ProjectId(0))
            }
            Self::AddPerson(_) => Entity::Person(PersonId(0)),
            Self::Time(write) => write.shown(None).entity,
            Self::Goal(write) => write.not_yet(),
            Self::Event(_) => EventWrite::not_yet(),
            Self::Sprint(_) => SprintWrite::not_yet(),
        }
    }

    fn added_task(&self, task: &Task) -> Acted {
        let mut acted = self.shown(Some(Entity::Task(task.id)));
        if let Value::Map(after) = &mut acted.after {
            after.insert("status".to_owned(), task.status.0.into());
            for edit in self.task_edits() {
                after.insert(edit.field(), edit.value_in(task));
            }
        }
        acted
    }
}

fn edited_task(seen: &Task, edits: &[TaskEdit], after: &Task) -> Acted {
    let mut fields: (BTreeMap<_, _>, BTreeMap<_, _>) = Default::default();
    for edit in edits {
        let (old, new) = (edit.value_in(seen), edit.value_in(after));
        if old != new {
            fields.0.insert(edit.field(), old);
            fields.1.insert(edit.field(), new);
        }
    }
    Acted {
        entity: Entity::Task(seen.id),
        before: Value::Map(fields.0),
        after: Value::Map(fields.1),
        inverse: task_inverse(seen, edits),
    }
}

/// The call that puts a task's fields back, the last edit first.
fn task_inverse(seen: &Task, edits: &[TaskEdit]) -> Option<ToolCall> {
    let mut task = seen.clone();
    let mut back = Vec::new();
    for edit in edits {
        back.extend(edit.inverse(&task));
        edit.apply(&mut task);
    }
    back.reverse();
    let id = seen.id.0;
    let one = |tool: &str, name: &str, value: Value| ToolCall {
        tool: tool.to_owned(),
        args: Value::map([("id", Value::Int(id)), (name, value)]),
    };
    match back.as_slice() {
        [] => None,
        [TaskEdit::AddTag(tag)] => Some(one("addTag", "tag", tag.as_str().into())),
        [TaskEdit::RemoveTag(tag)] => Some(one("removeTag", "tag", tag.as_str().into())),
        [TaskEdit::AddBlocker(other)] => Some(one("addDependency", "dependsOn", other.0.into())),
        [TaskEdit::RemoveBlocker(other)] => {
            Some(one("removeDependency", "dependsOn", other.0.into()))
        }
        edits => Some(one("editTask", "params", params_of(edits))),
    }
}

/// Edits as the `params` of editTask.
fn params_of(edits: &[TaskEdit]) -> Value {
    let mut params: BTreeMap<String, Value> = BTreeMap::new();
    for edit in edits {
        let (name, value) = param(edit);
        match (params.get_mut(name), value) {
            (Some(Value::List(have)), Value::List(more)) => have.extend(more),
            (Some(Value::Map(have)), Value::Map(more)) => have.extend(more),
            (_, value) => {
                params.insert(name.to_owned(), value);
            }
        }
    }
    Value::Map(params)
}

fn param(edit: &TaskEdit) -> (&'static str, Value) {
    let list = |tag: &String| Value::List(vec![tag.as_str().into()]);
    match edit {
        TaskEdit::Headline(_) => ("headline", value_of(edit)),
        TaskEdit::Description(_) => ("description", value_of(edit)),
        TaskEdit::AcceptanceCriteria(_) => ("acceptanceCriteria", value_of(edit)),
        TaskEdit::Kind(_) => ("type", value_of(edit)),
        TaskEdit::Status(_) => ("status", value_of(edit)),
        TaskEdit::Priority(_) => ("priority", value_of(edit)),
        TaskEdit::Storypoints(_) => ("storypoints", value_of(edit)),
        TaskEdit::PlanHours(_) => ("planHours", value_of(edit)),
        TaskEdit::HoursRemaining(_) => ("hoursRemaining", value_of(edit)),
        TaskEdit::AddTag(tag) => ("addTags", list(tag)),
        TaskEdit::RemoveTag(tag) => ("removeTags", list(tag)),
        TaskEdit::Assignee(_) => ("editorId", value_of(edit)),
        TaskEdit::Collaborators(_) => ("collaborators", value_of(edit)),
        TaskEdit::Due(_) => ("dateToFinish", value_of(edit)),
        TaskEdit::WorkFrom(_) => ("editFrom", value_of(edit)),
        TaskEdit::WorkTo(_) => ("editTo", value_of(edit)),
        TaskEdit::Milestone(_) => ("milestone", value_of(edit)),
        TaskEdit::Sprint(_) => ("sprint", value_of(edit)),
        TaskEdit::Parent(_) => ("parent", value_of(edit)),
        TaskEdit::AddBlocker(id) => ("addDependencies", Value::List(vec![id.0.into()])),
        TaskEdit::RemoveBlocker(id) => ("removeDependencies", Value::List(vec![id.0.into()])),
        TaskEdit::Sort(_) => ("sort", value_of(edit)),
        TaskEdit::Field(name, value) => ("fields", Value::map([(name.as_str(), value.clone())])),
    }
}

/// The value that an edit sets.
fn value_of(edit: &TaskEdit) -> Value {
    let mut bare = super::show::bare_task();
    edit.apply(&mut bare);
    edit.value_in(&bare)
}

fn edit_value(edit: &TaskEdit) -> Option<(String, Value)> {
    let value = value_of(edit);
    (!value.is_null()).then(|| (edit.field(), value))
}

fn new_task_fields(new: &NewTask) -> BTreeMap<String, Value> {
    let mut fields = BTreeMap::from([
        ("headline".to_owned(), Value::from(new.headline.as_str())),
        ("project".to_owned(), new.project.0.into()),
        ("kind".to_owned(), new.kind.as_str().into()),
    ]);
    if let Some(parent) = new.parent {
        fields.insert("parent".to_owned(), parent.0.into());
    }
    if let Some(status) = new.status {
        fields.insert("status".to_owned(), status.0.into());
    }
    fields
}

fn comment_fields(on: CommentTarget, text: &str, rating: Option<crate::domain::Rating>) -> Value {
    let (place, id) = match on {
        CommentTarget::Task(id) => ("task", id.0),
        CommentTarget::Project(id) => ("project", id.0),
        CommentTarget::Goal(id) => ("goal", id.0),
    };
    let mut fields =
        BTreeMap::from([("comment".to_owned(), Value::from(text)), (place.to_owned(), id.into())]);
    if let Some(rating) = rating {
        fields.insert("rating".to_owned(), rating.to_string().into());
    }
    Value::Map(fields)
}

fn edited_comment(seen: &Comment, text: &str) -> Acted {
    let told = |text: &str| comment_fields(seen.on, text, seen.rating);
    let args = [("id", Value::from(seen.id.0)), ("text", seen.text.as_str().into())];
    Acted {
        entity: Entity::Comment(seen.id),
        before: told(&seen.text),
        after: told(text),
        inverse: Some(ToolCall { tool: "editComment".to_owned(), args: Value::map(args) }),
    }
}

/// Names and values of a milestone's edits, before and after; as `params` of editMilestone.
fn milestone_change(seen: &Milestone, edits: &[MilestoneEdit]) -> (Value, Value) {
    let at = |at: crate::domain::Timestamp| Value::from(at.to_rfc3339());
    let pairs = edits.iter().map(|edit| match edit {
        MilestoneEdit::Headline(new) => {
            ("headline", seen.headline.as_str().into(), Value::from(new.as_str()))
        }
        MilestoneEdit::Color(new) => ("color", seen.color.as_str().into(), new.as_str().into()),
        MilestoneEdit::Assignee(new) => {
            ("editorId", seen.assignee.map(|p| p.0).into(), new.map(|p| p.0).into())
        }
        MilestoneEdit::From(new) => ("editFrom", at(seen.from), at(*new)),
        MilestoneEdit::To(new) => ("editTo", at(seen.to), at(*new)),
        MilestoneEdit::DependsOn(new) => {
            ("dependentMilestone", seen.depends_on.map(|m| m.0).into(), new.map(|m| m.0).into())
        }
        MilestoneEdit::Done(new) => ("done", seen.done.into(), (*new).into()),
    });
    changed(pairs)
}

/// Names and values of a project's edits, before and after; as arguments of editProject.
fn project_change(seen: &Project, edits: &[ProjectEdit]) -> (Value, Value) {
    let state = |closed: bool| Value::from(i64::from(closed));
    let pairs = edits.iter().map(|edit| match edit {
        ProjectEdit::Name(new) => ("name", seen.name.as_str().into(), Value::from(new.as_str())),
        ProjectEdit::Details(new) => ("details", seen.details.as_str().into(), new.as_str().into()),
        ProjectEdit::Closed(new) => ("state", state(seen.closed), state(*new)),
        ProjectEdit::Statuses(new) => ("statuses", json(&seen.statuses), json(new)),
    });
    changed(pairs)
}

fn project_inverse(seen: &Project, before: &Value) -> Option<ToolCall> {
    let mut args = before.as_map().filter(|map| !map.is_empty())?.clone();
    args.insert("id".to_owned(), seen.id.0.into());
    Some(ToolCall { tool: "editProject".to_owned(), args: Value::Map(args) })
}

fn changed(pairs: impl Iterator<Item = (&'static str, Value, Value)>) -> (Value, Value) {
    let (mut before, mut after) = (BTreeMap::new(), BTreeMap::new());
    for (name, old, new) in pairs.filter(|(_, old, new)| old != new) {
        before.insert(name.to_owned(), old);
        after.insert(name.to_owned(), new);
    }
    (Value::Map(before), Value::Map(after))
}

fn call(tool: &str, id: i64, params: &Value) -> Option<ToolCall> {
    params.as_map().filter(|map| !map.is_empty())?;
    let args = Value::map([("id", Value::Int(id)), ("params", params.clone())]);
    Some(ToolCall { tool: tool.to_owned(), args })
}

fn call_of(tool: &str, args: Vec<(&str, Value)>) -> ToolCall {
    ToolCall { tool: tool.to_owned(), args: Value::map(args) }
}

fn delete(tool: &str, entity: Entity) -> ToolCall {
    ToolCall { tool: tool.to_owned(), args: Value::map([("id", entity.number())]) }
}

/// Any of the house's words as a value.
fn json<T: serde::Serialize>(of: &T) -> Value {
    super::show::value(of)
}
