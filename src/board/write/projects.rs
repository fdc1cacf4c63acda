//! Adding and changing projects.

use super::super::record::{About, Rows};
use super::super::{BoardError, Result, check};
use super::{Session, Trace, actor, begin, finish, misused, project, repeated};
use crate::domain::{
    Entity, NewProject, Project, ProjectEdit, ProjectId, Stamp, TaskQuery, Timestamp, Written,
};

/// Adds a project.
pub(in crate::board) async fn add_project<S: Session>(
    session: &mut S,
    at: Timestamp,
    stamp: &Stamp,
    new: NewProject,
) -> Result<Written<Project>> {
    if let Some(trace) = begin(session, stamp).await? {
        let Entity::Project(id) = trace.entity else { return misused(stamp, &trace) };
        return repeated(session.find_project(id).await?, &trace);
    }
    check::no_revision(stamp, "a new project")?;
    actor(session, stamp).await?;
    let statuses = check::new_project(&new)?;
    name_is_free(session, None, &new.name).await?;
    let mut project = Project {
        id: ProjectId(0),
        name: new.name,
        details: new.details,
        closed: false,
        statuses,
        created: at,
    };
    project.id = session.insert_project(&project).await?;
    let mut rows = Rows::new(stamp, at);
    rows.created(About::project(&project), &project.name);
    let trace = Trace { entity: Entity::Project(project.id), was: None };
    finish(session, stamp, rows, trace).await?;
    Ok(Written { after: project, changed: true })
}

/// Changes a project.
pub(in crate::board) async fn edit_project<S: Session>(
    session: &mut S,
    at: Timestamp,
    stamp: &Stamp,
    id: ProjectId,
    edits: &[ProjectEdit],
) -> Result<Written<Project>> {
    if let Some(trace) = begin(session, stamp).await? {
        if trace.entity != Entity::Project(id) {
            return misused(stamp, &trace);
        }
        return repeated(session.find_project(id).await?, &trace);
    }
    let before = project(session, id).await?;
    check::no_revision(stamp, "a project")?;
    actor(session, stamp).await?;
    let mut after = before.clone();
    for edit in edits {
        match edit.clone() {
            ProjectEdit::Name(name) => {
                check::project_name(&name)?;
                after.name = name;
            }
            ProjectEdit::Details(text) => {
                check::details(&text)?;
                after.details = text;
            }
            ProjectEdit::Closed(closed) => after.closed = closed,
            ProjectEdit::Statuses(statuses) => after.statuses = check::labels(&statuses)?,
        }
    }
    name_is_free(session, Some(id), &after.name).await?;
    left_out(session, &before, &after).await?;
    let mut rows = Rows::new(stamp, at);
    rows.project(&before, &after, edits);
    let changed = !rows.is_empty();
    if changed {
        session.update_project(&after).await?;
    }
    finish(session, stamp, rows, Trace { entity: Entity::Project(id), was: None }).await?;
    Ok(Written { after, changed })
}

async fn name_is_free<S: Session>(
    session: &mut S,
    own: Option<ProjectId>,
    name: &str,
) -> Result<()> {
    match session.project_named(&check::fold(name.trim())).await? {
        Some(id) if Some(id) != own => {
            Err(BoardError::Conflict(format!("the name {name:?} is project {id}'s")))
        }
        _ => Ok(()),
    }
}

/// No task still has a label that is left out.
async fn left_out<S: Session>(session: &mut S, before: &Project, after: &Project) -> Result<()> {
    for status in &before.statuses {
        if after.status(status.id).is_some() {
            continue;
        }
        let query = TaskQuery {
            projects: vec![before.id],
            statuses: vec![status.id],
            ..TaskQuery::default()
        };
        if let Some(task) = session.tasks_where(&query, 1).await?.first() {
            return Err(BoardError::Conflict(format!(
                "status {} ({}) cannot be left out: task {} has it",
                status.id, status.label, task.id
            )));
        }
    }
    Ok(())
}
