//! Who belongs to a project: changing it. Who does is told by getUsersAssignedToProject.

use super::assigned::members_of;
use super::people::role;
use crate::domain::{Member, Reason, Role};
use crate::tools::arguments::IdOrName;
use crate::tools::definition::{Definition, Words};
use crate::tools::registry::Parts;
use crate::tools::resolve::Directory;
use crate::tools::scope::Reach;
use crate::tools::show::Change;
use crate::tools::write::{MemberWrite, Planned, Write};
use crate::tools::{Context, ToolError};
use schemars::JsonSchema;
use serde::Deserialize;

pub(super) fn tools() -> Vec<Definition> {
    vec![
        Definition::write::<SetMember, Change>(
            Words {
                name: "setMember",
                title: "Make somebody a member of a project",
                description: "Makes somebody a member of a project, or gives a member another role there. \
                    A project without members is everybody's; with the first one it is its members' \
                    and the managers'. Example: {\"projectId\": \"Website\", \"userId\": \"Bo\", \
                    \"role\": \"commenter\"}.",
                example: r#"{"projectId": "Website", "userId": "Bo", "role": "commenter"}"#,
            },
            Role::Manager,
            (false, true),
            |parts, context, args| Box::pin(set(parts, context, args)),
        ),
        Definition::write::<RemoveMember, Change>(
            Words {
                name: "removeMember",
                title: "Remove a member of a project",
                description: "Takes somebody out of a project's members; without any left it is everybody's \
                    again. Example: {\"projectId\": \"Website\", \"userId\": \"Bo\"}.",
                example: r#"{"projectId": "Website", "userId": "Bo"}"#,
            },
            Role::Manager,
            (false, true),
            |parts, context, args| Box::pin(remove(parts, context, args)),
        ),
    ]
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct SetMember {
    /// Id or name of the project.
    project_id: IdOrName,
    /// Id or name of a person or agent.
    user_id: IdOrName,
    /// The most that they may do there; absent: what they may do on the board.
    role: Option<String>,
}

async fn set(parts: &Parts, context: &Context, args: SetMember) -> Result<Planned, ToolError> {
    let directory = Directory::read(parts, context).await?;
    let project = directory.project(&args.project_id)?.id;
    let person = directory.person(&args.user_id)?;
    let role = args.role.as_deref().map(role).transpose()?;
    let known = members_of(parts, project).await?;
    let seen = known.into_iter().find(|member| member.person == person);
    let member = Member { project, person, role };
    let write = Write::Member(MemberWrite::Set { seen, member });
    Ok(Planned::new(Reach::Project(project), write))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RemoveMember {
    /// Id or name of the project.
    project_id: IdOrName,
    /// Id or name of the member.
    user_id: IdOrName,
}

async fn remove(
    parts: &Parts,
    context: &Context,
    args: RemoveMember,
) -> Result<Planned, ToolError> {
    let directory = Directory::read(parts, context).await?;
    let project = directory.project(&args.project_id)?;
    let person = directory.person(&args.user_id)?;
    let known = members_of(parts, project.id).await?;
    let seen = known.into_iter().find(|member| member.person == person).ok_or_else(|| {
        let name = &project.name;
        let message = format!("person {person} is no member of the project {name:?}");
        ToolError::rejected(Reason::NotFound, message)
    })?;
    let write = Write::Member(MemberWrite::Remove(seen));
    Ok(Planned::new(Reach::Project(project.id), write))
}
