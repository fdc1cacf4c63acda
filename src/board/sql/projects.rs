//! Projects in SQL.

use super::super::{BoardError, Projects, Result, check};
use super::SqlBoard;
use super::columns::{from_json, kind_number, to_json};
use super::dialect::{Connection, DbRow, failed, query};
use super::stored::written;
use super::text::Sql;
use crate::domain::{
    Entity, NewProject, Project, ProjectEdit, ProjectId, Stamp, Status, Written, from_millis,
};
use async_trait::async_trait;

const COLUMNS: &str = "id, name, details, closed, statuses, created";

fn read(row: &DbRow) -> sqlx::Result<Project> {
    Ok(Project {
        id: ProjectId(row.try_get(0)?),
        name: row.try_get(1)?,
        details: row.try_get(2)?,
        closed: row.try_get::<i64>(3)? != 0,
        statuses: from_json(row.try_get(4)?)?,
        created: from_millis(row.try_get(5)?),
    })
}

/// Those of these ids; all for none.
pub(super) async fn select(on: &mut Connection, ids: &[ProjectId]) -> Result<Vec<Project>> {
    let mut sql = Sql::new("select ");
    sql.push(COLUMNS).push(" from projects where true");
    sql.and_ints("id", ids.iter().map(|id| id.0));
    sql.push(" order by id");
    let rows = sql.fetch_all(on).await?;
    rows.iter().map(read).collect::<sqlx::Result<_>>().map_err(failed)
}

pub(super) async fn find(on: &mut Connection, id: ProjectId) -> Result<Option<Project>> {
    Ok(select(on, &[id]).await?.pop())
}

pub(super) async fn named(on: &mut Connection, folded: &str) -> Result<Option<ProjectId>> {
    let id = query("select id from projects where folded = $1").bind(folded).maybe_int(on).await?;
    Ok(id.map(ProjectId))
}

pub(super) async fn insert(on: &mut Connection, project: &Project) -> Result<ProjectId> {
    let id = query(
        "insert into projects (name, folded, details, closed, statuses, created) \
         values ($1, $2, $3, $4, $5, $6) returning id",
    )
    .bind(&project.name)
    .bind(check::fold(project.name.trim()))
    .bind(&project.details)
    .bind(i64::from(project.closed))
    .bind(to_json(&project.statuses)?)
    .bind(project.created.timestamp_millis())
    .int(on)
    .await?;
    Ok(ProjectId(id))
}

pub(super) async fn update(on: &mut Connection, project: &Project) -> Result<()> {
    let before = find(on, project.id).await?;
    query(
        "update projects set name = $1, folded = $2, details = $3, closed = $4, statuses = $5 \
         where id = $6",
    )
    .bind(&project.name)
    .bind(check::fold(project.name.trim()))
    .bind(&project.details)
    .bind(i64::from(project.closed))
    .bind(to_json(&project.statuses)?)
    .bind(project.id.0)
    .execute(&mut *on)
    .await?;
    for status in &project.statuses {
        let known = before.as_ref().and_then(|before| before.status(status.id));
        if known.is_some_and(|known| known.kind != status.kind) {
            refresh_kind(on, project.id, status).await?;
        }
    }
    Ok(())
}

/// What a status means stands with each task that has it.
async fn refresh_kind(on: &mut Connection, project: ProjectId, status: &Status) -> Result<()> {
    for text in [
        "update task_tags set status_kind = $1 \
         where task in (select id from tasks where project = $2 and status = $3)",
        "update tasks set status_kind = $1 where project = $2 and status = $3",
    ] {
        query(text)
            .bind(kind_number(status.kind))
            .bind(project.0)
            .bind(status.id.0)
            .execute(&mut *on)
            .await?;
    }
    Ok(())
}

#[async_trait]
impl Projects for SqlBoard {
    async fn projects(&self) -> Result<Vec<Project>> {
        Ok(self.kept().await?.projects.values().cloned().collect())
    }

    async fn project(&self, id: ProjectId) -> Result<Project> {
        let kept = self.kept().await?;
        let found = kept.projects.get(&id).cloned();
        found.ok_or_else(|| BoardError::NotFound { what: Entity::Project(id).to_string() })
    }

    async fn add_project(&self, stamp: &Stamp, new: NewProject) -> Result<Written<Project>> {
        written!(self, own new, add_project(stamp))
    }

    async fn edit_project(
        &self,
        stamp: &Stamp,
        id: ProjectId,
        edits: &[ProjectEdit],
    ) -> Result<Written<Project>> {
        written!(self, edit_project(stamp, id, edits))
    }
}
