//! Writes about who belongs to a project. The entity is the project: a change of its members is a
//! change of it.

use super::call_of;
use crate::board::{self, Board};
use crate::domain::{Entity, Member, ProjectId, Stamp, ToolCall, Value};
use std::collections::BTreeMap;

/// One write about members, with the member as they were found.
#[derive(Clone, Debug)]
pub(in crate::tools) enum MemberWrite {
    Set { seen: Option<Member>, member: Member },
    Remove(Member),
}

impl MemberWrite {
    pub(super) async fn act(&self, board: &dyn Board, stamp: &Stamp) -> board::Result<Entity> {
        let member = match self {
            Self::Set { member, .. } => board.put_member(stamp, member.clone()).await?.after,
            Self::Remove(seen) => {
                board.remove_member(stamp, seen.project, seen.person).await?.after
            }
        };
        Ok(Entity::Project(member.project))
    }

    /// The fields before and after, and what puts them back.
    pub(super) fn shown(&self) -> (Value, Value, Option<ToolCall>) {
        let nobody = Value::Map(BTreeMap::new());
        match self {
            Self::Set { seen, member } if seen.as_ref() == Some(member) => {
                (nobody.clone(), nobody, None)
            }
            Self::Set { seen: Some(seen), member } => {
                (fields(seen), fields(member), Some(set(seen)))
            }
            Self::Set { seen: None, member } => {
                let remove = call_of("removeMember", ids(member));
                (nobody, fields(member), Some(remove))
            }
            Self::Remove(seen) => (fields(seen), nobody, Some(set(seen))),
        }
    }

    /// The project whose name is shown.
    pub(in crate::tools) fn project(&self) -> ProjectId {
        match self {
            Self::Set { member, .. } | Self::Remove(member) => member.project,
        }
    }
}

fn ids(member: &Member) -> Vec<(&'static str, Value)> {
    vec![("projectId", member.project.0.into()), ("userId", member.person.0.into())]
}

fn set(member: &Member) -> ToolCall {
    let mut args = ids(member);
    if let Some(role) = member.role {
        args.push(("role", super::json(&role)));
    }
    call_of("setMember", args)
}

fn fields(member: &Member) -> Value {
    let role = member.role.map_or_else(|| Value::from("member"), |role| super::json(&role));
    Value::map([
        ("project", Value::from(member.project.0)),
        ("person", member.person.0.into()),
        ("role", role),
    ])
}
