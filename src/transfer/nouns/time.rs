//! Time that was spent: one entry for a person, task, day and kind of work, on both boards.

use super::super::noun::{Card, Key, Kind, Noun, there};
use super::super::way::{Way, missing, needed};
use super::{all, no_field};
use crate::board::Result;
use crate::domain::{
    PersonId, Stamp, TaskId, TimeAmount, TimeChange, TimeEntry, TimeEntryId, TimeQuery,
};
use async_trait::async_trait;

/// A change of one field.
#[derive(Clone, Debug)]
pub(in crate::transfer) enum TimeEdit {
    Seconds(u32),
    Description(String),
}

/// Whose and on what, on the target.
fn place(entry: &TimeEntry, way: &Way) -> Result<(TaskId, PersonId)> {
    let task = needed(way.task(entry.task), "its task")?;
    Ok((task, way.person(entry.person).map_err(|_| missing(&way.name(entry.person)))?))
}

/// An entry, changed, as it is to stand there.
fn change(entry: &TimeEntry, (task, person): (TaskId, PersonId), edits: &[TimeEdit]) -> TimeChange {
    let mut whole = entry.clone();
    for edit in edits {
        TimeEntry::apply(edit, &mut whole);
    }
    TimeChange {
        task,
        person,
        day: entry.day,
        kind: entry.kind,
        amount: TimeAmount::Set(whole.seconds),
        description: Some(whole.description),
    }
}

#[async_trait]
impl Noun for TimeEntry {
    type Edit = TimeEdit;
    const KIND: Kind = Kind::Time;

    fn key(&self) -> Key {
        (self.id.0, 0)
    }

    fn title(&self) -> String {
        format!("task {} on {}", self.task, self.day)
    }

    fn card(&self) -> Card {
        vec![
            ("seconds", i64::from(self.seconds).into()),
            ("description", self.description.as_str().into()),
        ]
    }

    fn wish(
        &self,
        field: &str,
        _: Option<&Self>,
        _: &Way,
    ) -> std::result::Result<Vec<Self::Edit>, String> {
        Ok(vec![match field {
            "seconds" => TimeEdit::Seconds(self.seconds),
            "description" => TimeEdit::Description(self.description.clone()),
            _ => return no_field(field),
        }])
    }

    fn apply(edit: &Self::Edit, to: &mut Self) {
        match edit.clone() {
            TimeEdit::Seconds(seconds) => to.seconds = seconds,
            TimeEdit::Description(text) => to.description = text,
        }
    }

    /// Whatever stands there for that person, task, day and kind of work.
    async fn twin(&self, way: &Way) -> Result<Option<Self>> {
        let (task, person) = place(self, way)?;
        if task.0 < 0 || person.0 < 0 {
            return Ok(None);
        }
        let query = TimeQuery {
            people: vec![person],
            tasks: vec![task],
            kinds: vec![self.kind],
            from: Some(self.day),
            to: self.day.succ_opt(),
            ..TimeQuery::default()
        };
        let found = all(|after| {
            let query = TimeQuery { after, limit: 1_000, ..query.clone() };
            async move { way.target.time_entries(&query).await }
        });
        Ok(found.await?.into_iter().next())
    }

    fn differs(&self, twin: &Self) -> Option<String> {
        (self.seconds != twin.seconds)
            .then(|| "other time of that day stands there: left as it is there".to_owned())
    }

    fn refusal(&self, way: &Way) -> Option<String> {
        place(self, way).err().map(|error| error.to_string())
    }

    async fn alike(&self, way: &Way) -> Result<Vec<Self>> {
        Ok(self.twin(way).await?.into_iter().collect())
    }

    async fn get(&self, way: &Way, key: Key) -> Result<Option<Self>> {
        match self.twin(way).await? {
            Some(found) => Ok(Some(found)),
            None => there(way.target.time_entry(TimeEntryId(key.0)).await),
        }
    }

    async fn add(&self, way: &Way, stamp: &Stamp, _: &[Self::Edit]) -> Result<Self> {
        let change = change(self, place(self, way)?, &[]);
        Ok(way.target.log_time(stamp, change).await?.after)
    }

    async fn edit(
        &self,
        way: &Way,
        stamp: &Stamp,
        was: &Self,
        edits: &[Self::Edit],
    ) -> Result<Self> {
        let change = change(was, (was.task, was.person), edits);
        Ok(way.target.log_time(stamp, change).await?.after)
    }
}
