//! Adding people.

use super::super::record::{About, Rows};
use super::super::{BoardError, Result, check};
use super::{Session, Trace, begin, finish, misused, repeated};
use crate::domain::{Entity, NewPerson, Person, PersonId, Stamp, Timestamp, Written};

/// Adds somebody. The writer may be somebody who is not on the board: the first one cannot be.
pub(in crate::board) async fn add_person<S: Session>(
    session: &mut S,
    at: Timestamp,
    stamp: &Stamp,
    new: NewPerson,
) -> Result<Written<Person>> {
    if let Some(trace) = begin(session, stamp).await? {
        let Entity::Person(id) = trace.entity else { return misused(stamp, &trace) };
        return repeated(session.find_person(id).await?, &trace);
    }
    check::no_revision(stamp, "a new person")?;
    check::new_person(&new)?;
    if let Some(id) = session.person_named(&check::fold(new.name.trim())).await? {
        return Err(BoardError::Conflict(format!("the name {:?} is person {id}'s", new.name)));
    }
    let mut person = Person {
        id: PersonId(0),
        name: new.name,
        email: new.email,
        kind: new.kind,
        role: new.role,
    };
    person.id = session.insert_person(&person).await?;
    let mut rows = Rows::new(stamp, at);
    rows.created(About::person(&person), &person.name);
    let trace = Trace { entity: Entity::Person(person.id), was: None };
    finish(session, stamp, rows, trace).await?;
    Ok(Written { after: person, changed: true })
}
