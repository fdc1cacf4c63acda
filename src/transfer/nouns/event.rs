//! Events in calendars.

use super::super::noun::{Card, Key, Kind, Noun, there};
use super::super::way::{Way, missing};
use super::{all, no_field};
use crate::board::Result;
use crate::domain::{
    CalendarEvent, EventEdit, EventId, EventQuery, NewEvent, PersonId, Stamp, When,
};
use async_trait::async_trait;

fn owner(event: &CalendarEvent, way: &Way) -> Result<PersonId> {
    way.person(event.owner).map_err(|_| missing(&way.name(event.owner)))
}

fn shown(when: When) -> String {
    match when {
        When::Timed(span) => {
            format!("{} {}", span.from.timestamp_millis(), span.to.timestamp_millis())
        }
        When::Days { first, last } => format!("{first} {last}"),
    }
}

#[async_trait]
impl Noun for CalendarEvent {
    type Edit = EventEdit;
    const KIND: Kind = Kind::Event;

    fn key(&self) -> Key {
        (self.id.0, 0)
    }

    fn title(&self) -> String {
        self.title.clone()
    }

    fn card(&self) -> Card {
        vec![
            ("title", self.title.as_str().into()),
            ("description", self.description.as_str().into()),
            ("location", self.location.as_str().into()),
            ("when", shown(self.when).into()),
        ]
    }

    fn wish(
        &self,
        field: &str,
        _: Option<&Self>,
        _: &Way,
    ) -> std::result::Result<Vec<Self::Edit>, String> {
        Ok(vec![match field {
            "title" => EventEdit::Title(self.title.clone()),
            "description" => EventEdit::Description(self.description.clone()),
            "location" => EventEdit::Location(self.location.clone()),
            "when" => EventEdit::When(self.when),
            _ => return no_field(field),
        }])
    }

    fn apply(edit: &Self::Edit, to: &mut Self) {
        edit.apply(to);
    }

    fn refusal(&self, way: &Way) -> Option<String> {
        owner(self, way).err().map(|error| error.to_string())
    }

    async fn alike(&self, way: &Way) -> Result<Vec<Self>> {
        let query = EventQuery { owners: vec![owner(self, way)?], ..EventQuery::default() };
        let found = all(|after| {
            let query = EventQuery { after, limit: 1_000, ..query.clone() };
            async move { way.target.events(&query).await }
        });
        let mut found = found.await?;
        found.retain(|event| event.title.trim() == self.title.trim());
        Ok(found)
    }

    async fn get(&self, way: &Way, key: Key) -> Result<Option<Self>> {
        there(way.target.event(EventId(key.0)).await)
    }

    async fn add(&self, way: &Way, stamp: &Stamp, _: &[Self::Edit]) -> Result<Self> {
        let new = NewEvent {
            owner: owner(self, way)?,
            title: self.title.clone(),
            description: self.description.clone(),
            location: self.location.clone(),
            when: self.when,
        };
        Ok(way.target.add_event(stamp, new).await?.after)
    }

    async fn edit(
        &self,
        way: &Way,
        stamp: &Stamp,
        was: &Self,
        edits: &[Self::Edit],
    ) -> Result<Self> {
        Ok(way.target.edit_event(stamp, was.id, edits).await?.after)
    }
}
