//! Writes about goals and goal boards.

use super::{changed, delete};
use crate::board::{self, Board};
use crate::domain::{
    Entity, Goal, GoalBoard, GoalBoardId, GoalEdit, GoalId, NewGoal, NewGoalBoard, PersonId,
    ProjectId, Stamp, ToolCall, Value,
};
use std::collections::BTreeMap;

/// One write about goals, with what was found.
#[derive(Clone, Debug)]
pub(in crate::tools) enum GoalWrite {
    AddBoard(NewGoalBoard),
    DeleteBoard(GoalBoard),
    Add { new: NewGoal, project: ProjectId },
    Edit { seen: Box<Goal>, edits: Vec<GoalEdit> },
    Delete(Box<Goal>),
}

impl GoalWrite {
    pub(super) fn revision(&self) -> Option<u64> {
        match self {
            Self::Edit { seen, .. } => Some(seen.revision),
            _ => None,
        }
    }

    pub(super) async fn act(&self, board: &dyn Board, stamp: &Stamp) -> board::Result<Entity> {
        Ok(match self {
            Self::AddBoard(new) => {
                Entity::GoalBoard(board.add_goal_board(stamp, new.clone()).await?.after.id)
            }
            Self::DeleteBoard(seen) => {
                board.delete_goal_board(stamp, seen.id).await?;
                Entity::GoalBoard(seen.id)
            }
            Self::Add { new, .. } => {
                Entity::Goal(board.add_goal(stamp, new.clone()).await?.after.id)
            }
            Self::Edit { seen, edits } => {
                board.edit_goal(stamp, seen.id, edits).await?;
                Entity::Goal(seen.id)
            }
            Self::Delete(seen) => {
                board.delete_goal(stamp, seen.id).await?;
                Entity::Goal(seen.id)
            }
        })
    }

    pub(super) async fn looked_again(&self, board: &dyn Board) -> board::Result<Self> {
        Ok(match self {
            Self::Edit { seen, edits } => {
                Self::Edit { seen: Box::new(board.goal(seen.id).await?), edits: edits.clone() }
            }
            other => other.clone(),
        })
    }

    /// The changed fields before and after, and what puts them back.
    pub(super) fn shown(&self, entity: Option<Entity>) -> (Value, Value, Option<ToolCall>) {
        let empty = Value::Map(BTreeMap::new());
        match self {
            Self::AddBoard(new) => {
                let after = board_fields(new.project, &new.title, &new.description);
                (empty, after, entity.map(|it| delete("deleteGoalboard", it)))
            }
            Self::DeleteBoard(seen) => {
                (board_fields(seen.project, &seen.title, &seen.description), empty, None)
            }
            Self::Add { new, project } => {
                let mut fields = BTreeMap::from([
                    ("title".to_owned(), Value::from(new.title.as_str())),
                    ("project".to_owned(), project.0.into()),
                    ("canvasId".to_owned(), new.board.0.into()),
                    ("startValue".to_owned(), new.start_value.into()),
                    ("endValue".to_owned(), new.end_value.into()),
                ]);
                let set = new.edits.iter().map(new_value).filter(|(_, value)| !value.is_null());
                fields.extend(set.map(|(name, value)| (name.to_owned(), value)));
                (empty, Value::Map(fields), entity.map(|it| delete("deleteGoal", it)))
            }
            Self::Edit { seen, edits } => {
                let pairs = edits.iter().map(|edit| {
                    let (name, new) = new_value(edit);
                    (name, new_value(&edit.inverse(seen)).1, new)
                });
                let (before, after) = changed(pairs);
                let inverse = back("editGoal", seen.id.0, &before);
                (before, after, inverse)
            }
            Self::Delete(seen) => (goal_fields(seen), empty, None),
        }
    }

    /// What it is about, as far as that is known before it was done.
    pub(super) fn entity(&self) -> Option<Entity> {
        match self {
            Self::AddBoard(_) | Self::Add { .. } => None,
            Self::DeleteBoard(seen) => Some(Entity::GoalBoard(seen.id)),
            Self::Edit { seen, .. } | Self::Delete(seen) => Some(Entity::Goal(seen.id)),
        }
    }

    pub(super) fn not_yet(&self) -> Entity {
        match self {
            Self::AddBoard(_) | Self::DeleteBoard(_) => Entity::GoalBoard(GoalBoardId(0)),
            _ => Entity::Goal(GoalId(0)),
        }
    }

    /// The project whose name is shown, and whether a person's is.
    pub(in crate::tools) fn names(&self) -> (Option<ProjectId>, bool) {
        let owner = |edits: &[GoalEdit]| edits.iter().any(|e| matches!(e, GoalEdit::Owner(_)));
        match self {
            Self::AddBoard(new) => (Some(new.project), false),
            Self::DeleteBoard(seen) => (Some(seen.project), false),
            Self::Add { new, project } => (Some(*project), owner(&new.edits)),
            Self::Edit { edits, .. } => (None, owner(edits)),
            Self::Delete(seen) => (Some(seen.project), seen.owner.is_some()),
        }
    }
}

/// The arguments of a tool that takes its fields flat: those before, and the id.
pub(super) fn back(tool: &str, id: i64, before: &Value) -> Option<ToolCall> {
    let mut args = before.as_map().filter(|map| !map.is_empty())?.clone();
    args.insert("id".to_owned(), id.into());
    Some(ToolCall { tool: tool.to_owned(), args: Value::Map(args) })
}

fn board_fields(project: ProjectId, title: &str, description: &str) -> Value {
    Value::map([
        ("project", Value::from(project.0)),
        ("title", title.into()),
        ("description", description.into()),
    ])
}

fn goal_fields(goal: &Goal) -> Value {
    Value::map([
        ("title", Value::from(goal.title.as_str())),
        ("description", goal.description.as_str().into()),
        ("project", goal.project.0.into()),
        ("canvasId", goal.board.0.into()),
        ("ownerId", goal.owner.map(|p| p.0).into()),
        ("startValue", goal.start_value.into()),
        ("currentValue", goal.current_value.into()),
        ("endValue", goal.end_value.into()),
    ])
}

/// The name of what an edit sets, as createGoal and editGoal take it, and the value.
fn new_value(edit: &GoalEdit) -> (&'static str, Value) {
    let id = |person: Option<PersonId>| Value::from(person.map(|p| p.0));
    let day = |day: Option<chrono::NaiveDate>| Value::from(day.map(|day| day.to_string()));
    match edit {
        GoalEdit::Title(new) => ("title", Value::from(new.as_str())),
        GoalEdit::Description(new) => ("description", new.as_str().into()),
        GoalEdit::Owner(new) => ("ownerId", id(*new)),
        GoalEdit::StartValue(new) => ("startValue", (*new).into()),
        GoalEdit::CurrentValue(new) => ("currentValue", (*new).into()),
        GoalEdit::EndValue(new) => ("endValue", (*new).into()),
        GoalEdit::Metric(new) => ("metricType", new.as_str().into()),
        GoalEdit::Status(new) => ("status", new.as_str().into()),
        GoalEdit::Milestone(new) => ("milestoneId", new.map(|m| m.0).into()),
        GoalEdit::Parent(new) => ("parentId", new.map(|g| g.0).into()),
        GoalEdit::Start(new) => ("startDate", day(*new)),
        GoalEdit::End(new) => ("endDate", day(*new)),
    }
}
