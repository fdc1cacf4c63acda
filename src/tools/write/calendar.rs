//! Writes about events in calendars.

use super::goals::back;
use super::{changed, delete};
use crate::board::{self, Board};
use crate::domain::{
    CalendarEvent, Entity, EventEdit, EventId, NewEvent, PersonId, Stamp, ToolCall, Value, When,
};
use crate::tools::show;
use std::collections::BTreeMap;

/// One write about events, with the event as it was found.
#[derive(Clone, Debug)]
pub(in crate::tools) enum EventWrite {
    Add(NewEvent),
    Edit { seen: CalendarEvent, edits: Vec<EventEdit> },
    Delete(CalendarEvent),
}

impl EventWrite {
    pub(super) fn revision(&self) -> Option<u64> {
        match self {
            Self::Edit { seen, .. } => Some(seen.revision),
            _ => None,
        }
    }

    pub(super) async fn act(&self, board: &dyn Board, stamp: &Stamp) -> board::Result<Entity> {
        Ok(Entity::Event(match self {
            Self::Add(new) => board.add_event(stamp, new.clone()).await?.after.id,
            Self::Edit { seen, edits } => {
                board.edit_event(stamp, seen.id, edits).await?;
                seen.id
            }
            Self::Delete(seen) => {
                board.delete_event(stamp, seen.id).await?;
                seen.id
            }
        }))
    }

    pub(super) async fn looked_again(&self, board: &dyn Board) -> board::Result<Self> {
        Ok(match self {
            Self::Edit { seen, edits } => {
                Self::Edit { seen: board.event(seen.id).await?, edits: edits.clone() }
            }
            other => other.clone(),
        })
    }

    /// The changed fields before and after, and what puts them back.
    pub(super) fn shown(&self, entity: Option<Entity>) -> (Value, Value, Option<ToolCall>) {
        let empty = Value::Map(BTreeMap::new());
        match self {
            Self::Add(new) => {
                let after = fields(new.owner, &new.title, &new.when);
                (empty, after, entity.map(|it| delete("deleteEvent", it)))
            }
            Self::Edit { seen, edits } => {
                let mut after = seen.clone();
                for edit in edits {
                    edit.apply(&mut after);
                }
                let whole = named(&seen.title, &seen.when);
                let pairs = whole.iter().cloned().zip(named(&after.title, &after.when));
                let (before, after) =
                    changed(pairs.map(|((name, old), (_, new))| (name, old, new)));
                // The tool wants the title and both dates each time.
                let inverse = (before != after)
                    .then(|| back("editEvent", seen.id.0, &Value::map(whole)))
                    .flatten();
                (before, after, inverse)
            }
            Self::Delete(seen) => {
                let mut before = fields(seen.owner, &seen.title, &seen.when);
                if let Value::Map(map) = &mut before {
                    map.insert("description".to_owned(), seen.description.as_str().into());
                    map.insert("location".to_owned(), seen.location.as_str().into());
                }
                (before, empty, None)
            }
        }
    }

    /// What it is about, as far as that is known before it was done.
    pub(super) fn entity(&self) -> Option<Entity> {
        match self {
            Self::Add(_) => None,
            Self::Edit { seen, .. } | Self::Delete(seen) => Some(Entity::Event(seen.id)),
        }
    }

    pub(super) fn not_yet() -> Entity {
        Entity::Event(EventId(0))
    }

    /// Whether a person's name is shown.
    pub(in crate::tools) fn names_person(&self) -> bool {
        !matches!(self, Self::Edit { .. })
    }
}

fn fields(owner: PersonId, title: &str, when: &When) -> Value {
    let mut all = vec![("userId", Value::from(owner.0))];
    all.extend(named(title, when));
    Value::map(all)
}

/// As addEvent and editEvent take them.
fn named(title: &str, when: &When) -> Vec<(&'static str, Value)> {
    let (from, to, all_day) = match *when {
        When::Timed(span) => (show::instant(span.from), show::instant(span.to), false),
        When::Days { first, last } => (first.to_string(), last.to_string(), true),
    };
    vec![
        ("eventTitle", title.into()),
        ("dateFrom", from.into()),
        ("dateTo", to.into()),
        ("allDay", all_day.into()),
    ]
}
