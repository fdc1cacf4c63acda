//! Who belongs to a project.

use super::super::record::{About, Rows};
use super::super::{BoardError, Result, check};
use super::keep::{Keeps, find, remembered};
use super::{Session, Trace, actor, begin, finish, misused, person, project, repeated};
use crate::domain::{
    Entity, Member, PersonId, Project, ProjectId, Role, Stamp, Timestamp, Value, Written,
};

/// Makes somebody a member, or gives a member another role.
pub(in crate::board) async fn put_member<S: Session>(
    session: &mut S,
    at: Timestamp,
    stamp: &Stamp,
    member: Member,
) -> Result<Written<Member>> {
    let id = (member.project, member.person);
    if let Some(trace) = begin(session, stamp).await? {
        return again(session, stamp, &trace, id).await;
    }
    check::no_revision(stamp, "a member")?;
    actor(session, stamp).await?;
    let home = project(session, member.project).await?;
    person(session, member.person, "the member").await?;
    let before = find::<Member, S>(session, id).await?;
    match &before {
        None => {
            session.insert(&member).await?;
        }
        Some(known) if *known != member => session.update(&member).await?,
        Some(_) => {}
    }
    done(session, at, stamp, &home, (before, Some(member))).await
}

/// Removes a member.
pub(in crate::board) async fn remove_member<S: Session>(
    session: &mut S,
    at: Timestamp,
    stamp: &Stamp,
    of: ProjectId,
    who: PersonId,
) -> Result<Written<Member>> {
    if let Some(trace) = begin(session, stamp).await? {
        return again(session, stamp, &trace, (of, who)).await;
    }
    check::no_revision(stamp, "a member")?;
    actor(session, stamp).await?;
    let home = project(session, of).await?;
    let Some(was) = find::<Member, S>(session, (of, who)).await? else {
        return Err(BoardError::NotFound {
            what: format!("person {who} as a member of project {of}"),
        });
    };
    Keeps::<Member>::remove(session, (of, who)).await?;
    done(session, at, stamp, &home, (Some(was), None)).await
}

/// The member that a mark stands for is written with it: the mark's entity is the project.
async fn again<S: Session>(
    session: &mut S,
    stamp: &Stamp,
    trace: &Trace,
    id: (ProjectId, PersonId),
) -> Result<Written<Member>> {
    let was = trace.was.as_ref().and_then(|json| serde_json::from_str::<Member>(json).ok());
    let is_other = was.is_some_and(|was| (was.project, was.person) != id);
    if trace.entity != Entity::Project(id.0) || is_other {
        return misused(stamp, trace);
    }
    repeated(find::<Member, S>(session, id).await?, trace)
}

async fn done<S: Session>(
    session: &mut S,
    at: Timestamp,
    stamp: &Stamp,
    home: &Project,
    (before, after): (Option<Member>, Option<Member>),
) -> Result<Written<Member>> {
    let mut rows = Rows::new(stamp, at);
    let shown = |member: &Option<Member>| member.as_ref().map(|m| word(m.role)).into();
    let (old, new): (Value, Value) = (shown(&before), shown(&after));
    let Some(member) = after.or(before) else {
        return Err(BoardError::NotFound { what: "the member".to_owned() });
    };
    rows.changed(About::project(home), &format!("members.{}", member.person), old, new);
    let changed = !rows.is_empty();
    let trace = Trace { entity: Entity::Project(home.id), was: remembered(&member) };
    finish(session, stamp, rows, trace).await?;
    Ok(Written { after: member, changed })
}

fn word(role: Option<Role>) -> &'static str {
    match role {
        None => "member",
        Some(Role::Readonly) => "readonly",
        Some(Role::Commenter) => "commenter",
        Some(Role::Editor) => "editor",
        Some(Role::Manager) => "manager",
        Some(Role::Admin) => "admin",
        Some(Role::Owner) => "owner",
    }
}
