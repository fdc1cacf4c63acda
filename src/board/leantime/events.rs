//! Events: a calendar belongs to whoever's credential it is.

use super::call::{Call, Parcel};
use super::governor::{Governor, Lane};
use super::remote::{Remote, not_there};
use super::session::LeantimeSession;
use super::shelf::{Context, Known, Note, Noted};
use super::wire::{self, Row};
use super::{LIST, LeantimeBoard, dates, fault};
use crate::board::record::{About, Rows};
use crate::board::{BoardError, Result, check};
use crate::domain::{CalendarEvent, EventId, EventQuery, PersonId, Span, Timestamp, When};
use async_trait::async_trait;
use serde_json::{Value, json};
use std::time::Duration;

impl Noted for CalendarEvent {
    const SHELF: &'static str = "event";
    const COLUMNS: &'static [&'static str] = &["text", "dateFrom", "dateTo", "isAllDay", "userId"];

    fn number(&self) -> i64 {
        self.id.0
    }

    fn read(row: &Row, known: &Known<'_, Self>, context: &Context) -> Option<Self> {
        let from = dates::read(&row.text("dateFrom"))?;
        let to = dates::read(&row.text("dateTo")).unwrap_or(from).max(from);
        let read = if row.text("isAllDay") == "true" {
            When::Days { first: from.date_naive(), last: to.date_naive() }
        } else {
            When::Timed(Span { from, to })
        };
        let same_begin = known.or("dateFrom", |e| Some(e.when), || None);
        let same_end = known.or("dateTo", |e| Some(e.when), || None);
        let same_kind = known.or("isAllDay", |e| Some(e.when), || None);
        let when = match (same_begin, same_end, same_kind) {
            (Some(when), Some(_), Some(_)) => when,
            _ => read,
        };
        Some(Self {
            id: row.id("id").map(EventId)?,
            owner: row.id("userId").map(PersonId)?,
            title: known.or("text", |e| e.title.clone(), || title(&row.text("text"))),
            description: known.thing.map(|e| e.description.clone()).unwrap_or_default(),
            location: known.thing.map(|e| e.location.clone()).unwrap_or_default(),
            when,
            created: known.thing.map_or(context.now, |e| e.created),
            modified: known.thing.map_or(context.now, |e| e.modified),
            revision: known.thing.map_or(1, |e| e.revision),
        })
    }

    fn tell(before: Option<&Self>, after: &Self, rows: &mut Rows<'_>, _: &Context) {
        if let Some(before) = before {
            rows.fields(About::kept(after, None, None), before, after);
        }
    }

    fn grow(&mut self, at: Timestamp) {
        self.revision += 1;
        self.modified = at;
    }
}

fn title(text: &str) -> String {
    let text = text.trim();
    if text.is_empty() { "Event".to_owned() } else { text.to_owned() }
}

/// One name for what single events and lists call differently.
fn regular(mut row: Row, owner: PersonId, is_listed: bool) -> Row {
    let text = row.text(if is_listed { "title" } else { "description" });
    row.put("text", text);
    let is_all_day = matches!(row.text("allDay").as_str(), "true" | "1");
    row.put("isAllDay", is_all_day.to_string());
    if is_listed || !row.has("userId") {
        row.put("userId", owner.0);
    }
    row
}

/// As the server stores it.
fn stored(when: When) -> (String, String, &'static str) {
    let form = "%Y-%m-%d %H:%M:%S";
    match when {
        When::Timed(Span { from, to }) => {
            (from.format(form).to_string(), to.format(form).to_string(), "false")
        }
        When::Days { first, last } => (
            format!("{} 00:00:00", dates::day(first)),
            format!("{} 23:59:59", dates::day(last)),
            "true",
        ),
    }
}

fn get(id: EventId) -> Call {
    Call::new("calendar.getEvent", json!({ "eventId": id.0 }))
}

impl LeantimeBoard {
    /// Those whose calendars can be read, with the way to each.
    async fn owners(&self) -> Result<Vec<(PersonId, Governor)>> {
        let me = self.me().await?;
        let others = self.others.iter().filter(|(id, _)| **id != me);
        let others = others.map(|(id, governor)| (*id, governor.clone()));
        Ok([(me, self.own.clone())].into_iter().chain(others).collect())
    }
}

impl LeantimeSession<'_> {
    /// An event is written with its owner's credential.
    async fn calendar_of(&self, owner: PersonId) -> Result<Governor> {
        let owners = self.board.owners().await?;
        let found = owners.into_iter().find(|(id, _)| *id == owner);
        found.map(|(_, governor)| governor).ok_or_else(|| {
            BoardError::Unsupported(format!(
                "Leantime gives nobody a way into person {owner}'s calendar but themselves: name \
                 their credential in the configuration"
            ))
        })
    }

    async fn write_event(&mut self, owner: PersonId, call: Call, what: &str) -> Result<Value> {
        self.calendar_of(owner).await?;
        let replies = self.act_as(owner, Parcel::Calls(vec![call])).await?;
        let reply = replies.into_iter().next().ok_or_else(|| fault::no_sense(what))?;
        reply.map_err(|refusal| fault::refused(&refusal, what))
    }

    async fn event_row(&self, owner: PersonId, id: EventId, what: &str) -> Result<Option<Row>> {
        let governor = self.calendar_of(owner).await?;
        let answer = governor.read(self.lane(), vec![get(id)], Duration::ZERO).await;
        let reply = answer.map_err(fault::troubled)?.first().cloned();
        match reply {
            Some(Ok(value)) => {
                let row = Row::of(value).filter(|row| row.int("id") == id.0);
                Ok(row.map(|row| regular(row, owner, false)))
            }
            Some(Err(refusal)) => Err(fault::refused(&refusal, what)),
            None => Err(fault::no_sense(what)),
        }
    }

    /// Makes the stored row as it is to be, and keeps it.
    async fn put_event(&mut self, thing: &CalendarEvent, what: &str) -> Result<()> {
        let (from, to, all_day) = stored(thing.when);
        let params = json!({
            "description": thing.title, "dateFrom": from, "dateTo": to, "allDay": all_day,
        });
        // The call named after it makes a whole-day event of everything.
        let call = Call::new("calendar.patch", json!({ "id": thing.id.0, "params": params }));
        let said = self.write_event(thing.owner, call, what).await?;
        if let Err(said) = wire::done(said) {
            return Err(self.refused(what, &said).await);
        }
        let row = self.event_row(thing.owner, thing.id, what).await?;
        let row = row.ok_or_else(|| fault::undone(what, "it is not there"))?;
        let is_kept = row.text("text") == thing.title
            && dates::read(&row.text("dateFrom")) == dates::read(&from)
            && dates::read(&row.text("dateTo")) == dates::read(&to)
            && row.text("isAllDay") == all_day;
        if !is_kept {
            return Err(fault::undone(what, "it is not as it was written"));
        }
        let columns = row.columns(CalendarEvent::COLUMNS);
        let note = Note { columns, thing: thing.clone(), is_whole: true };
        self.keep(&self.board.shelves.events, note)
    }
}

#[async_trait]
impl Remote for CalendarEvent {
    async fn one(board: &LeantimeBoard, lane: Lane, id: EventId) -> Result<Self> {
        let notes = &board.shelves.events;
        notes.load(&board.book).await?;
        let since = notes.generation();
        for (owner, governor) in board.owners().await? {
            let answer = governor.read(lane, vec![get(id)], Duration::ZERO).await;
            let reply = answer.map_err(fault::troubled)?.first().cloned();
            let row = reply.and_then(std::result::Result::ok).and_then(Row::of);
            let row = row.filter(|row| row.int("id") == id.0);
            let Some(row) = row.map(|row| regular(row, owner, false)) else { continue };
            // Anybody's single event is shown to anybody.
            if row.int("userId") != owner.0 {
                continue;
            }
            let context = board.bare_context();
            let seen = notes.observe(&board.book, &[row], since, true, &context).await?;
            return seen.into_iter().next().ok_or_else(|| not_there::<Self>(id));
        }
        Err(not_there::<Self>(id))
    }

    async fn all(board: &LeantimeBoard, lane: Lane, query: &EventQuery) -> Result<Vec<Self>> {
        let what = "read a calendar";
        let notes = &board.shelves.events;
        let since = notes.generation();
        let mut found = Vec::new();
        for (owner, governor) in board.owners().await? {
            if !query.owners.is_empty() && !query.owners.contains(&owner) {
                continue;
            }
            // A span cannot be asked for: naming one is an error there.
            let calls = vec![Call::new("calendar.getMyCalendar", json!({}))];
            let answer = governor.read(lane, calls, LIST).await.map_err(fault::troubled)?;
            let value = match answer.first().cloned() {
                Some(reply) => reply.map_err(|refusal| fault::refused(&refusal, what))?,
                None => return Err(fault::no_sense(what)),
            };
            let rows = wire::rows(value).ok_or_else(|| fault::no_sense(what))?;
            let is_event = |row: &Row| row.text("eventType") == "calendar";
            let rows: Vec<Row> =
                rows.into_iter().filter(is_event).map(|row| regular(row, owner, true)).collect();
            let context = board.bare_context();
            found.extend(notes.observe(&board.book, &rows, since, true, &context).await?);
        }
        Ok(found)
    }

    async fn add(session: &mut LeantimeSession<'_>, event: &Self) -> Result<Self> {
        let what = "add an event";
        if event.title.len() > 65_535 {
            return check::malformed("the title is too long: expected fewer characters");
        }
        let (from, to, _) = stored(event.when);
        let sent = |text: &str| dates::read(text).map(dates::instant).unwrap_or_default();
        let values = json!({
            "description": event.title, "dateFrom": sent(&from), "dateTo": sent(&to),
        });
        let call = Call::new("calendar.addEvent", json!({ "values": values }));
        let said = session.write_event(event.owner, call, what).await?;
        let Some(id) = wire::new_id(said) else {
            return Err(session.refused(what, "it gives no id").await);
        };
        let thing = Self { id: EventId(id), ..event.clone() };
        session.put_event(&thing, what).await?;
        Ok(thing)
    }

    async fn change(session: &mut LeantimeSession<'_>, event: &Self) -> Result<()> {
        session.put_event(event, "change an event").await
    }

    async fn remove(session: &mut LeantimeSession<'_>, id: EventId) -> Result<()> {
        let what = "remove an event";
        let event = Self::one(session.board, session.lane(), id).await?;
        let call = Call::new("calendar.delEvent", json!({ "id": id.0 }));
        let said = session.write_event(event.owner, call, what).await?;
        if let Err(said) = wire::done(said) {
            return Err(session.refused(what, &said).await);
        }
        if session.event_row(event.owner, id, what).await?.is_some() {
            return Err(fault::undone(what, "it is still there"));
        }
        session.forget(&session.board.shelves.events, id.0)
    }
}
