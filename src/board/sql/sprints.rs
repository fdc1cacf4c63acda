//! Sprints and members in SQL.

use super::super::kept::{day_number, day_of};
use super::super::{Members, Result, Sprints};
use super::SqlBoard;
use super::dialect::DbRow;
use super::memo::Question;
use super::people::{ROLES, thing_of, word_of};
use super::stored::{Stored, written};
use super::text::{Bind, Sql};
use crate::domain::{
    Member, MemberQuery, NewSprint, Page, PersonId, ProjectId, Sprint, SprintEdit, SprintId,
    SprintQuery, Stamp, Written,
};
use async_trait::async_trait;

impl Stored for Sprint {
    const TABLE: &'static str = "sprints";
    const COLUMNS: &'static str = "id, project, name, first_day, last_day, revision";

    fn read(row: &DbRow) -> sqlx::Result<Self> {
        Ok(Self {
            id: SprintId(row.try_get(0)?),
            project: ProjectId(row.try_get(1)?),
            name: row.try_get(2)?,
            from: day_of(row.try_get(3)?),
            to: day_of(row.try_get(4)?),
            revision: row.try_get::<i64>(5)?.cast_unsigned(),
        })
    }

    fn numbered(self, id: i64) -> Self {
        Self { id: SprintId(id), ..self }
    }

    fn key(id: SprintId) -> Vec<(&'static str, Bind)> {
        vec![("id", id.0.into())]
    }

    fn values(&self) -> Vec<(&'static str, Bind)> {
        vec![
            ("project", self.project.0.into()),
            ("name", self.name.as_str().into()),
            ("first_day", day_number(self.from).into()),
            ("last_day", day_number(self.to).into()),
            ("revision", self.revision.cast_signed().into()),
        ]
    }

    fn narrow(sql: &mut Sql, query: &SprintQuery) {
        sql.and_ints("project", query.projects.iter().map(|id| id.0));
        sql.and_int("first_day <=", query.on.map(day_number));
        sql.and_int("last_day >=", query.on.map(day_number));
    }
}

impl Stored for Member {
    const TABLE: &'static str = "members";
    const COLUMNS: &'static str = "project, person, role";
    const PLACE: &'static [&'static str] = &["project", "person"];

    fn read(row: &DbRow) -> sqlx::Result<Self> {
        let role: Option<&str> = row.try_get(2)?;
        Ok(Self {
            project: ProjectId(row.try_get(0)?),
            person: PersonId(row.try_get(1)?),
            role: role.map(|word| thing_of(&ROLES, word)).transpose()?,
        })
    }

    fn numbered(self, _: i64) -> Self {
        self
    }

    fn key((project, person): (ProjectId, PersonId)) -> Vec<(&'static str, Bind)> {
        vec![("project", project.0.into()), ("person", person.0.into())]
    }

    fn values(&self) -> Vec<(&'static str, Bind)> {
        vec![
            ("project", self.project.0.into()),
            ("person", self.person.0.into()),
            ("role", self.role.map(|role| word_of(&ROLES, &role)).into()),
        ]
    }

    fn narrow(sql: &mut Sql, query: &MemberQuery) {
        sql.and_ints("project", query.projects.iter().map(|id| id.0));
        sql.and_ints("person", query.people.iter().map(|id| id.0));
    }
}

#[async_trait]
impl Sprints for SqlBoard {
    async fn sprint(&self, id: SprintId) -> Result<Sprint> {
        self.one(id).await
    }

    async fn sprints(&self, query: &SprintQuery) -> Result<Page<Sprint>> {
        self.some(query).await
    }

    async fn add_sprint(&self, stamp: &Stamp, new: NewSprint) -> Result<Written<Sprint>> {
        written!(self, own new, add_sprint(stamp))
    }

    async fn edit_sprint(
        &self,
        stamp: &Stamp,
        id: SprintId,
        edits: &[SprintEdit],
    ) -> Result<Written<Sprint>> {
        written!(self, edit_sprint(stamp, id, edits))
    }

    async fn delete_sprint(&self, stamp: &Stamp, id: SprintId) -> Result<Written<Sprint>> {
        written!(self, delete_sprint(stamp, id))
    }
}

#[async_trait]
impl Members for SqlBoard {
    async fn members(&self, query: &MemberQuery) -> Result<Page<Member>> {
        self.memo.recall(Question::Members(query.clone()), self.some(query)).await
    }

    async fn put_member(&self, stamp: &Stamp, member: Member) -> Result<Written<Member>> {
        written!(self, own member, put_member(stamp))
    }

    async fn remove_member(
        &self,
        stamp: &Stamp,
        project: ProjectId,
        person: PersonId,
    ) -> Result<Written<Member>> {
        written!(self, remove_member(stamp, project, person))
    }
}
