//! Goal boards and goals in SQL.

use super::super::kept::{day_number, day_of};
use super::super::{Goals, Result};
use super::SqlBoard;
use super::dialect::DbRow;
use super::stored::{Stored, written};
use super::text::{Bind, Sql};
use crate::domain::{
    Goal, GoalBoard, GoalBoardId, GoalBoardQuery, GoalEdit, GoalId, GoalQuery, MilestoneId,
    NewGoal, NewGoalBoard, Page, PersonId, ProjectId, Stamp, Written, from_millis,
};
use async_trait::async_trait;

/// A word that was written by [`std::fmt::Display`].
pub(super) fn parsed<T: std::str::FromStr<Err = String>>(word: &str) -> sqlx::Result<T> {
    word.parse().map_err(|error: String| sqlx::Error::Decode(error.into()))
}

impl Stored for GoalBoard {
    const TABLE: &'static str = "goal_boards";
    const COLUMNS: &'static str = "id, project, title, description, author, created";

    fn read(row: &DbRow) -> sqlx::Result<Self> {
        Ok(Self {
            id: GoalBoardId(row.try_get(0)?),
            project: ProjectId(row.try_get(1)?),
            title: row.try_get(2)?,
            description: row.try_get(3)?,
            author: PersonId(row.try_get(4)?),
            created: from_millis(row.try_get(5)?),
        })
    }

    fn numbered(self, id: i64) -> Self {
        Self { id: GoalBoardId(id), ..self }
    }

    fn key(id: GoalBoardId) -> Vec<(&'static str, Bind)> {
        vec![("id", id.0.into())]
    }

    fn values(&self) -> Vec<(&'static str, Bind)> {
        vec![
            ("project", self.project.0.into()),
            ("title", self.title.as_str().into()),
            ("description", self.description.as_str().into()),
            ("author", self.author.0.into()),
            ("created", self.created.timestamp_millis().into()),
        ]
    }

    fn narrow(sql: &mut Sql, query: &GoalBoardQuery) {
        sql.and_ints("project", query.projects.iter().map(|id| id.0));
    }
}

impl Stored for Goal {
    const TABLE: &'static str = "goals";
    const COLUMNS: &'static str = "id, board, project, title, description, owner, start_value, \
        current_value, end_value, metric, status, milestone, parent, first_day, last_day, author, \
        created, modified, revision";

    fn read(row: &DbRow) -> sqlx::Result<Self> {
        let number = |at: usize| row.try_get::<Option<i64>>(at);
        Ok(Self {
            id: GoalId(row.try_get(0)?),
            board: GoalBoardId(row.try_get(1)?),
            project: ProjectId(row.try_get(2)?),
            title: row.try_get(3)?,
            description: row.try_get(4)?,
            owner: number(5)?.map(PersonId),
            start_value: row.try_get(6)?,
            current_value: row.try_get(7)?,
            end_value: row.try_get(8)?,
            metric: parsed(row.try_get(9)?)?,
            status: parsed(row.try_get(10)?)?,
            milestone: number(11)?.map(MilestoneId),
            parent: number(12)?.map(GoalId),
            start: number(13)?.map(day_of),
            end: number(14)?.map(day_of),
            author: PersonId(row.try_get(15)?),
            created: from_millis(row.try_get(16)?),
            modified: from_millis(row.try_get(17)?),
            revision: row.try_get::<i64>(18)?.cast_unsigned(),
        })
    }

    fn numbered(self, id: i64) -> Self {
        Self { id: GoalId(id), ..self }
    }

    fn key(id: GoalId) -> Vec<(&'static str, Bind)> {
        vec![("id", id.0.into())]
    }

    fn values(&self) -> Vec<(&'static str, Bind)> {
        vec![
            ("board", self.board.0.into()),
            ("project", self.project.0.into()),
            ("title", self.title.as_str().into()),
            ("description", self.description.as_str().into()),
            ("owner", self.owner.map(|id| id.0).into()),
            ("start_value", self.start_value.into()),
            ("current_value", self.current_value.into()),
            ("end_value", self.end_value.into()),
            ("metric", self.metric.as_str().into()),
            ("status", self.status.as_str().into()),
            ("milestone", self.milestone.map(|id| id.0).into()),
            ("parent", self.parent.map(|id| id.0).into()),
            ("first_day", self.start.map(day_number).into()),
            ("last_day", self.end.map(day_number).into()),
            ("author", self.author.0.into()),
            ("created", self.created.timestamp_millis().into()),
            ("modified", self.modified.timestamp_millis().into()),
            ("revision", self.revision.cast_signed().into()),
        ]
    }

    fn narrow(sql: &mut Sql, query: &GoalQuery) {
        sql.and_ints("project", query.projects.iter().map(|id| id.0));
        sql.and_ints("board", query.boards.iter().map(|id| id.0));
        sql.and_int("milestone =", query.milestone.map(|id| id.0));
        sql.and_int("parent =", query.parent.map(|id| id.0));
        match query.has_parent {
            Some(true) => sql.push(" and parent is not null"),
            Some(false) => sql.push(" and parent is null"),
            None => sql,
        };
    }
}

#[async_trait]
impl Goals for SqlBoard {
    async fn goal_board(&self, id: GoalBoardId) -> Result<GoalBoard> {
        self.one(id).await
    }

    async fn goal_boards(&self, query: &GoalBoardQuery) -> Result<Page<GoalBoard>> {
        self.some(query).await
    }

    async fn add_goal_board(&self, stamp: &Stamp, new: NewGoalBoard) -> Result<Written<GoalBoard>> {
        written!(self, own new, add_goal_board(stamp))
    }

    async fn delete_goal_board(
        &self,
        stamp: &Stamp,
        id: GoalBoardId,
    ) -> Result<Written<GoalBoard>> {
        written!(self, delete_goal_board(stamp, id))
    }

    async fn goal(&self, id: GoalId) -> Result<Goal> {
        self.one(id).await
    }

    async fn goals(&self, query: &GoalQuery) -> Result<Page<Goal>> {
        self.some(query).await
    }

    async fn add_goal(&self, stamp: &Stamp, new: NewGoal) -> Result<Written<Goal>> {
        written!(self, own new, add_goal(stamp))
    }

    async fn edit_goal(
        &self,
        stamp: &Stamp,
        id: GoalId,
        edits: &[GoalEdit],
    ) -> Result<Written<Goal>> {
        written!(self, edit_goal(stamp, id, edits))
    }

    async fn delete_goal(&self, stamp: &Stamp, id: GoalId) -> Result<Written<Goal>> {
        written!(self, delete_goal(stamp, id))
    }
}
