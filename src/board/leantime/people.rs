//! People: users of the server, API keys among them.

use super::call::{Call, Reply};
use super::governor::Lane;
use super::session::LeantimeSession;
use super::shelf::{Context, Known, Note, Noted};
use super::wire::{self, Row};
use super::{DIRECTORY, LeantimeBoard, fault};
use crate::board::record::Rows;
use crate::board::{BoardError, People, Result, check, write};
use crate::domain::{
    Entity, NewPerson, Person, PersonId, PersonKind, Role, Stamp, Timestamp, Written,
};
use async_trait::async_trait;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Users that are asked for one by one.
const SINGLE_MAX: usize = 500;
/// Users that are read in one request.
const READ: usize = 50;
/// Characters of a name that fit.
pub(super) const NAME_MAX: usize = 100;

const COLUMNS: &[&str] = &["firstname", "lastname", "username", "role", "source"];

impl Noted for Person {
    const SHELF: &'static str = "person";
    const COLUMNS: &'static [&'static str] = COLUMNS;

    fn number(&self) -> i64 {
        self.id.0
    }

    fn read(row: &Row, known: &Known<'_, Self>, _: &Context) -> Option<Self> {
        row.id("id")?;
        let read = read_person(row);
        let name = known.or("firstname", |p| p.name.clone(), || read.name.clone());
        let email = known.or("username", |p| p.email.clone(), || read.email.clone());
        let kind = known.thing.map_or(read.kind, |person| person.kind);
        Some(Self { name, email, kind, ..read })
    }

    fn tell(_: Option<&Self>, _: &Self, _: &mut Rows<'_>, _: &Context) {}

    fn grow(&mut self, _: Timestamp) {}
}

/// A user as they are there.
pub(super) fn read_person(row: &Row) -> Person {
    let name = format!("{} {}", row.text("firstname"), row.text("lastname"));
    let (name, username) = (name.trim().to_owned(), row.text("username"));
    let is_api = row.text("source") == "api";
    let email = Some(username.clone()).filter(|name| name.contains('@') && !is_api);
    let name = match (name.is_empty(), email.as_deref()) {
        (false, _) => name,
        (true, Some(email)) => email.to_owned(),
        (true, None) => format!("user {}", row.int("id")),
    };
    Person {
        id: PersonId(row.int("id")),
        name,
        email: email.filter(|email| !email.ends_with(".invalid")),
        kind: if is_api { PersonKind::Agent } else { PersonKind::Person },
        role: role_of(row.int("role")),
    }
}

/// A role from its number; what is not known is the least.
pub(super) fn role_of(number: i64) -> Role {
    match number {
        50.. => Role::Owner,
        40..50 => Role::Admin,
        30..40 => Role::Manager,
        20..30 => Role::Editor,
        10..20 => Role::Commenter,
        _ => Role::Readonly,
    }
}

pub(super) fn number_of(role: Role) -> i64 {
    match role {
        Role::Readonly => 5,
        Role::Commenter => 10,
        Role::Editor => 20,
        Role::Manager => 30,
        Role::Admin => 40,
        Role::Owner => 50,
    }
}

fn rows_of(reply: Option<&Reply>) -> Vec<Row> {
    match reply {
        Some(Ok(value)) => wire::rows(value.clone()).unwrap_or_default(),
        _ => Vec::new(),
    }
}

fn get(id: i64) -> Call {
    Call::new("users.getUser", json!({ "id": id }))
}

impl LeantimeBoard {
    /// Everybody that this user can see: all users for an admin, those of its projects otherwise,
    /// and everybody's API keys.
    pub(super) async fn all_people(&self) -> Result<Vec<Person>> {
        let calls = vec![
            Call::new("projects.getEmployees", json!({})),
            Call::new("users.getAll", json!({})),
        ];
        let replies = self.ask(Lane::People, calls, DIRECTORY).await?;
        let mut rows: BTreeMap<i64, Row> = BTreeMap::new();
        let mut add =
            |found: Vec<Row>| rows.extend(found.into_iter().map(|row| (row.int("id"), row)));
        add(rows_of(replies.get(1)));
        if replies.get(1).is_none_or(Reply::is_err) {
            let ids = self.project_ids(DIRECTORY).await?;
            let of = |id: &i64| {
                Call::new("projects.getUsersAssignedToProject", json!({ "projectId": id }))
            };
            for some in ids.chunks(READ) {
                let calls = some.iter().map(of).collect();
                for reply in &self.ask(Lane::People, calls, DIRECTORY).await? {
                    add(rows_of(Some(reply)));
                }
            }
        }
        add(vec![self.own_row(DIRECTORY).await?]);
        let employees = rows_of(replies.first());
        let single: Vec<i64> = employees
            .iter()
            .filter_map(|row| row.id("id"))
            .filter(|id| !rows.contains_key(id))
            .take(SINGLE_MAX)
            .collect();
        for some in single.chunks(READ) {
            let calls = some.iter().map(|id| get(*id)).collect();
            for reply in self.ask(Lane::People, calls, DIRECTORY).await? {
                let row = reply.ok().and_then(Row::of).filter(|row| row.id("id").is_some());
                rows.extend(row.map(|row| (row.int("id"), row)));
            }
        }
        let rows: Vec<Row> = rows.into_values().filter(|row| row.id("id").is_some()).collect();
        self.people_of(&rows).await
    }

    async fn people_of(&self, rows: &[Row]) -> Result<Vec<Person>> {
        let notes = &self.shelves.people;
        let context = self.bare_context();
        // Some lists leave it out, or name nothing for it.
        let sourced = |row: &Row| {
            let mut row = row.clone();
            row.put("source", row.text("source"));
            row
        };
        let rows: Vec<Row> = rows.iter().map(sourced).collect();
        notes.observe(&self.book, &rows, notes.generation(), true, &context).await
    }

    pub(super) async fn find_person(&self, id: PersonId) -> Result<Option<Person>> {
        let all = self.all_people().await?;
        if let Some(found) = all.into_iter().find(|person| person.id == id) {
            return Ok(Some(found));
        }
        if id.0 <= 0 {
            return Ok(None);
        }
        let replies = self.ask(Lane::People, vec![get(id.0)], DIRECTORY).await?;
        let row = replies.into_iter().next().and_then(Reply::ok).and_then(Row::of);
        let row: Vec<Row> = row.filter(|row| row.int("id") == id.0).into_iter().collect();
        Ok(self.people_of(&row).await?.pop())
    }
}

impl LeantimeSession<'_> {
    pub(super) async fn new_person(&mut self, person: &Person) -> Result<PersonId> {
        if person.name.chars().count() > NAME_MAX {
            return check::malformed(format!(
                "the name has more than {NAME_MAX} characters, which Leantime would cut off: \
                 expected fewer"
            ));
        }
        if let Some(email) = &person.email {
            let fold = check::fold;
            let all = self.board.all_people().await?;
            let has = |other: &&Person| other.email.as_deref().map(fold) == Some(fold(email));
            if let Some(other) = all.iter().find(has) {
                return Err(BoardError::Conflict(format!(
                    "the address {email:?} is person {}'s: Leantime lets each user have their own",
                    other.id
                )));
            }
        }
        let what = "add a user";
        let secret = uuid::Uuid::new_v4();
        let login = person
            .email
            .clone()
            .unwrap_or_else(|| format!("{}@rota.invalid", uuid::Uuid::new_v4().simple()));
        let values = json!({
            "firstname": person.name, "lastname": "", "phone": "", "user": login,
            "role": number_of(person.role).to_string(), "password": format!("Aa1!{secret}"),
            "clientId": "", "status": "a", "source": "",
        });
        let call = Call::new("users.addUser", json!({ "values": values }));
        let said = self.call(vec![call], what).await?.pop().unwrap_or(Value::Null);
        let Some(id) = wire::new_id(said.clone()) else {
            let said = wire::done(said).err().unwrap_or_default();
            return Err(self.refused(what, &said).await);
        };
        let row = Row::of(self.ask(get(id), what).await?).filter(|row| row.int("id") == id);
        let row = row.ok_or_else(|| fault::undone(what, "it is not there"))?;
        let columns = row.columns(COLUMNS);
        let thing = Person { id: PersonId(id), ..person.clone() };
        let note = Note { columns, thing, is_whole: true };
        self.keep(&self.board.shelves.people, note)?;
        Ok(PersonId(id))
    }
}

#[async_trait]
impl People for LeantimeBoard {
    async fn people(&self) -> Result<Vec<Person>> {
        self.all_people().await
    }

    async fn person(&self, id: PersonId) -> Result<Person> {
        let found = self.find_person(id).await?;
        found.ok_or_else(|| BoardError::NotFound { what: Entity::Person(id).to_string() })
    }

    async fn add_person(&self, stamp: &Stamp, new: NewPerson) -> Result<Written<Person>> {
        // One after the other: names are looked for among all.
        let mut session = LeantimeSession::new(self, stamp, self.locks.one("people").await);
        let written = write::add_person(&mut session, self.now(), stamp, new).await;
        session.end(written).await
    }
}
