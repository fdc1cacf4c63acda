//! Writes about sprints.

use super::delete;
use crate::board::{self, Board};
use crate::domain::{Entity, NewSprint, ProjectId, Sprint, SprintId, Stamp, ToolCall, Value};
use chrono::NaiveDate;
use std::collections::BTreeMap;

/// One write about sprints, with the sprint as it was found.
#[derive(Clone, Debug)]
pub(in crate::tools) enum SprintWrite {
    Add(NewSprint),
    Delete(Sprint),
}

impl SprintWrite {
    pub(super) async fn act(&self, board: &dyn Board, stamp: &Stamp) -> board::Result<Entity> {
        Ok(Entity::Sprint(match self {
            Self::Add(new) => board.add_sprint(stamp, new.clone()).await?.after.id,
            Self::Delete(seen) => {
                board.delete_sprint(stamp, seen.id).await?;
                seen.id
            }
        }))
    }

    /// The fields before and after, and what puts them back.
    pub(super) fn shown(&self, entity: Option<Entity>) -> (Value, Value, Option<ToolCall>) {
        let empty = Value::Map(BTreeMap::new());
        match self {
            Self::Add(new) => {
                let after = fields(new.project, &new.name, (new.from, new.to));
                (empty, after, entity.map(|it| delete("deleteSprint", it)))
            }
            Self::Delete(seen) => {
                (fields(seen.project, &seen.name, (seen.from, seen.to)), empty, None)
            }
        }
    }

    /// What it is about, as far as that is known before it was done.
    pub(super) fn entity(&self) -> Option<Entity> {
        match self {
            Self::Add(_) => None,
            Self::Delete(seen) => Some(Entity::Sprint(seen.id)),
        }
    }

    pub(super) fn not_yet() -> Entity {
        Entity::Sprint(SprintId(0))
    }

    /// The project whose name is shown.
    pub(in crate::tools) fn project(&self) -> ProjectId {
        match self {
            Self::Add(new) => new.project,
            Self::Delete(seen) => seen.project,
        }
    }
}

fn fields(project: ProjectId, name: &str, (from, to): (NaiveDate, NaiveDate)) -> Value {
    Value::map([
        ("project", Value::from(project.0)),
        ("name", name.into()),
        ("startDate", from.to_string().into()),
        ("endDate", to.to_string().into()),
    ])
}
