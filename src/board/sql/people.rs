//! People in SQL.

use super::super::{BoardError, People, Result, check};
use super::SqlBoard;
use super::dialect::{Connection, DbRow, failed, query};
use super::stored::written;
use crate::domain::{Entity, NewPerson, Person, PersonId, PersonKind, Role, Stamp, Written};
use async_trait::async_trait;

const KINDS: [(PersonKind, &str); 2] =
    [(PersonKind::Person, "person"), (PersonKind::Agent, "agent")];
pub(super) const ROLES: [(Role, &str); 6] = [
    (Role::Readonly, "readonly"),
    (Role::Commenter, "commenter"),
    (Role::Editor, "editor"),
    (Role::Manager, "manager"),
    (Role::Admin, "admin"),
    (Role::Owner, "owner"),
];

/// The word for one of a few things.
pub(super) fn word_of<T: PartialEq>(words: &[(T, &'static str)], thing: &T) -> &'static str {
    words.iter().find(|(known, _)| known == thing).map_or("", |(_, word)| word)
}

/// The thing that a word means.
pub(super) fn thing_of<T: Copy>(words: &[(T, &str)], word: &str) -> sqlx::Result<T> {
    words
        .iter()
        .find(|(_, known)| *known == word)
        .map(|(thing, _)| *thing)
        .ok_or_else(|| sqlx::Error::Decode(format!("unknown word {word:?}").into()))
}

pub(super) fn read(row: &DbRow) -> sqlx::Result<Person> {
    Ok(Person {
        id: PersonId(row.try_get(0)?),
        name: row.try_get(1)?,
        email: row.try_get(2)?,
        kind: thing_of(&KINDS, row.try_get(3)?)?,
        role: thing_of(&ROLES, row.try_get(4)?)?,
    })
}

/// Everybody, by id.
pub(super) async fn all(on: &mut Connection) -> Result<Vec<Person>> {
    let rows =
        query("select id, name, email, kind, role from people order by id").fetch_all(on).await?;
    rows.iter().map(read).collect::<sqlx::Result<_>>().map_err(failed)
}

pub(super) async fn find(on: &mut Connection, id: PersonId) -> Result<Option<Person>> {
    let row = query("select id, name, email, kind, role from people where id = $1")
        .bind(id.0)
        .fetch_optional(on)
        .await?;
    row.as_ref().map(read).transpose().map_err(failed)
}

pub(super) async fn named(on: &mut Connection, folded: &str) -> Result<Option<PersonId>> {
    let id = query("select id from people where folded = $1").bind(folded).maybe_int(on).await?;
    Ok(id.map(PersonId))
}

pub(super) async fn insert(on: &mut Connection, person: &Person) -> Result<PersonId> {
    let id = query(
        "insert into people (name, folded, email, kind, role) values ($1, $2, $3, $4, $5) \
         returning id",
    )
    .bind(&person.name)
    .bind(check::fold(person.name.trim()))
    .bind(person.email.as_deref())
    .bind(word_of(&KINDS, &person.kind))
    .bind(word_of(&ROLES, &person.role))
    .int(on)
    .await?;
    Ok(PersonId(id))
}

#[async_trait]
impl People for SqlBoard {
    async fn people(&self) -> Result<Vec<Person>> {
        Ok(self.kept().await?.people.to_vec())
    }

    async fn person(&self, id: PersonId) -> Result<Person> {
        let kept = self.kept().await?;
        let found = kept.people.iter().find(|person| person.id == id).cloned();
        found.ok_or_else(|| BoardError::NotFound { what: Entity::Person(id).to_string() })
    }

    async fn add_person(&self, stamp: &Stamp, new: NewPerson) -> Result<Written<Person>> {
        written!(self, own new, add_person(stamp))
    }
}
