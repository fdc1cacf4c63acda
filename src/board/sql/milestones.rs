//! Milestones in SQL.

use super::super::{BoardError, Milestones, Result, check};
use super::SqlBoard;
use super::columns::at_or_after;
use super::dialect::{Connection, DbRow, failed, query};
use super::memo::Question;
use super::stored::written;
use super::text::Sql;
use crate::domain::{
    Entity, Milestone, MilestoneEdit, MilestoneId, MilestoneQuery, NewMilestone, PersonId,
    ProjectId, Stamp, Written, from_millis,
};
use async_trait::async_trait;

const SELECT: &str = "select id, project, headline, color, assignee, begins, ends, depends_on, \
                      done, revision from milestones where true";

fn read(row: &DbRow) -> sqlx::Result<Milestone> {
    Ok(Milestone {
        id: MilestoneId(row.try_get(0)?),
        project: ProjectId(row.try_get(1)?),
        headline: row.try_get(2)?,
        color: row.try_get(3)?,
        assignee: row.try_get::<Option<i64>>(4)?.map(PersonId),
        from: from_millis(row.try_get(5)?),
        to: from_millis(row.try_get(6)?),
        depends_on: row.try_get::<Option<i64>>(7)?.map(MilestoneId),
        done: row.try_get::<i64>(8)? != 0,
        revision: row.try_get::<i64>(9)?.cast_unsigned(),
    })
}

async fn select(on: &mut Connection, sql: Sql) -> Result<Vec<Milestone>> {
    let rows = sql.fetch_all(on).await?;
    rows.iter().map(read).collect::<sqlx::Result<_>>().map_err(failed)
}

pub(super) async fn find(on: &mut Connection, id: MilestoneId) -> Result<Option<Milestone>> {
    let mut sql = Sql::new(SELECT);
    sql.push(" and id = ").int(id.0);
    Ok(select(on, sql).await?.pop())
}

pub(super) async fn insert(on: &mut Connection, milestone: &Milestone) -> Result<MilestoneId> {
    let id = query(
        "insert into milestones (project, headline, color, assignee, begins, ends, depends_on, \
         done, revision) values ($1, $2, $3, $4, $5, $6, $7, $8, $9) returning id",
    )
    .bind(milestone.project.0)
    .bind(&milestone.headline)
    .bind(&milestone.color)
    .bind(milestone.assignee.map(|who| who.0))
    .bind(milestone.from.timestamp_millis())
    .bind(milestone.to.timestamp_millis())
    .bind(milestone.depends_on.map(|other| other.0))
    .bind(i64::from(milestone.done))
    .bind(milestone.revision.cast_signed())
    .int(on)
    .await?;
    Ok(MilestoneId(id))
}

pub(super) async fn update(on: &mut Connection, milestone: &Milestone) -> Result<()> {
    query(
        "update milestones set headline = $1, color = $2, assignee = $3, begins = $4, ends = $5, \
         depends_on = $6, done = $7, revision = $8 where id = $9",
    )
    .bind(&milestone.headline)
    .bind(&milestone.color)
    .bind(milestone.assignee.map(|who| who.0))
    .bind(milestone.from.timestamp_millis())
    .bind(milestone.to.timestamp_millis())
    .bind(milestone.depends_on.map(|other| other.0))
    .bind(i64::from(milestone.done))
    .bind(milestone.revision.cast_signed())
    .bind(milestone.id.0)
    .execute(on)
    .await
}

#[async_trait]
impl Milestones for SqlBoard {
    async fn milestone(&self, id: MilestoneId) -> Result<Milestone> {
        let found = find(&mut self.reader().await?, id).await?;
        found.ok_or_else(|| BoardError::NotFound { what: Entity::Milestone(id).to_string() })
    }

    async fn milestones(&self, query: &MilestoneQuery) -> Result<Vec<Milestone>> {
        let ask = async {
            check::asked_projects(query.projects.len())?;
            let mut sql = Sql::new(SELECT);
            sql.and_ints("project", query.projects.iter().map(|id| id.0));
            sql.and_int("ends >=", query.to_from.map(at_or_after));
            sql.and_int("ends <", query.to_before.map(at_or_after));
            sql.and_int("done =", query.done.map(i64::from));
            sql.push(" order by ends, id");
            select(&mut self.reader().await?, sql).await
        };
        self.memo.recall(Question::Milestones(query.clone()), ask).await
    }

    async fn add_milestone(&self, stamp: &Stamp, new: NewMilestone) -> Result<Written<Milestone>> {
        written!(self, own new, add_milestone(stamp))
    }

    async fn edit_milestone(
        &self,
        stamp: &Stamp,
        id: MilestoneId,
        edits: &[MilestoneEdit],
    ) -> Result<Written<Milestone>> {
        written!(self, edit_milestone(stamp, id, edits))
    }
}
