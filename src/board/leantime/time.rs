//! Time that was spent: rows of timesheets, several of which may be one entry here.

use super::call::Call;
use super::governor::Lane;
use super::remote::{Remote, not_there};
use super::session::LeantimeSession;
use super::shelf::{Context, Known, Note, Noted};
use super::wire::{self, Row};
use super::{LIST, LeantimeBoard, dates, fault};
use crate::board::record::{About, Rows};
use crate::board::{BoardError, Result};
use crate::domain::{
    PersonId, ProjectId, Role, TaskId, TimeEntry, TimeEntryId, TimeKind, TimeQuery, Timestamp,
    hours_of_seconds,
};
use async_trait::async_trait;
use chrono::{Days, NaiveDate, NaiveTime, TimeZone};
use chrono_tz::Tz;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

impl Noted for TimeEntry {
    const SHELF: &'static str = "time";
    const COLUMNS: &'static [&'static str] =
        &["userId", "ticketId", "projectId", "day", "kind", "seconds", "description"];

    fn number(&self) -> i64 {
        self.id.0
    }

    fn read(row: &Row, known: &Known<'_, Self>, context: &Context) -> Option<Self> {
        let description =
            known.or("description", |e| e.description.clone(), || row.text("description"));
        Some(Self {
            id: row.id("id").map(TimeEntryId)?,
            task: row.id("ticketId").map(TaskId)?,
            project: row.id("projectId").map(ProjectId)?,
            person: row.id("userId").map(PersonId)?,
            day: NaiveDate::parse_from_str(&row.text("day"), "%Y-%m-%d").ok()?,
            kind: row.text("kind").parse().unwrap_or(TimeKind::GeneralNotBillable),
            seconds: u32::try_from(row.int("seconds")).ok()?,
            description,
            created: known.thing.map_or(context.now, |e| e.created),
            modified: known.thing.map_or(context.now, |e| e.modified),
        })
    }

    fn tell(before: Option<&Self>, after: &Self, rows: &mut Rows<'_>, _: &Context) {
        if let Some(before) = before {
            let about = About::kept(after, Some(after.task), Some(after.project));
            rows.fields(about, before, after);
        }
    }

    fn grow(&mut self, at: Timestamp) {
        self.modified = at;
    }
}

/// Whose, on what, when and which kind: one entry.
type Place = (i64, i64, NaiveDate, String);

/// The rows of an entry.
#[derive(Clone, Debug, Default)]
struct Part {
    id: i64,
    seconds: i64,
    at: Option<Timestamp>,
}

#[expect(clippy::cast_possible_truncation, reason = "at most some days of seconds")]
fn seconds(row: &Row) -> i64 {
    (row.number("hours").unwrap_or(0.0).clamp(0.0, 1e6) * 3_600.0).round() as i64
}

/// Where the server puts time that is logged for a day: at its noon.
fn noon(day: NaiveDate, zone: Tz) -> Option<Timestamp> {
    let noon = day.and_time(NaiveTime::from_hms_opt(12, 0, 0)?);
    zone.from_local_datetime(&noon).earliest().map(|at| at.with_timezone(&chrono::Utc))
}

/// Rows that are one entry, under the lowest of their ids.
fn grouped(rows: Vec<Row>, zone: Tz) -> BTreeMap<Place, (Row, Vec<Part>)> {
    let mut found: BTreeMap<Place, (Row, Vec<Part>)> = BTreeMap::new();
    for mut row in rows {
        let text = row.text("workDate");
        let (Some(id), Some(day)) = (row.id("id"), dates::day_of(&text, zone)) else { continue };
        let part = Part { id, seconds: seconds(&row), at: dates::read(&text) };
        let place = (row.int("userId"), row.int("ticketId"), day, row.text("kind"));
        row.put("day", dates::day(day));
        let (first, parts) = found.entry(place).or_insert_with(|| (row.clone(), Vec::new()));
        if id < first.int("id") {
            *first = row;
        }
        parts.push(part);
    }
    for (row, parts) in found.values_mut() {
        let all: i64 = parts.iter().map(|part| part.seconds).sum();
        row.put("seconds", all);
    }
    found.retain(|_, (row, _)| row.int("seconds") > 0);
    found
}

impl LeantimeBoard {
    /// What was logged in a span of days; only one's own, where the role allows no more.
    async fn sheets(
        &self,
        lane: Lane,
        (first, last): (NaiveDate, NaiveDate),
        fresh: Duration,
    ) -> Result<Vec<Row>> {
        let what = "read timesheets";
        // Days are compared as instants there: one more at each end, and a closer look here.
        let first = first.checked_sub_days(Days::new(1)).unwrap_or(first);
        let last = last.checked_add_days(Days::new(2)).unwrap_or(last);
        let mut params = json!({ "dateFrom": dates::day(first), "dateTo": dates::day(last) });
        let ask = |params: &Value| {
            self.ask_one(lane, Call::new("timesheets.getAll", params.clone()), fresh, what)
        };
        let value = match ask(&params).await {
            Err(BoardError::Denied(_)) => {
                params["userId"] = self.me().await?.0.into();
                ask(&params).await?
            }
            value => value?,
        };
        wire::rows(value).ok_or_else(|| fault::no_sense(what))
    }

    async fn entries(&self, rows: Vec<Row>, since: u64) -> Result<Vec<TimeEntry>> {
        let rows: Vec<Row> =
            grouped(rows, self.options.zone).into_values().map(|(row, _)| row).collect();
        let context = self.bare_context();
        self.shelves.time.observe(&self.book, &rows, since, true, &context).await
    }
}

fn always() -> (NaiveDate, NaiveDate) {
    let day = |year| NaiveDate::from_ymd_opt(year, 1, 1).unwrap_or_default();
    (day(1_970), day(9_998))
}

impl LeantimeSession<'_> {
    /// Below a manager, the server books whatever it is given on the one who writes, and shows nobody
    /// else's time to the one who reads.
    async fn may_book_for(&self, person: PersonId) -> Result<()> {
        let (me, writer) = (self.board.me().await?, self.board.writer(self.stamp.actor).await?);
        for user in [me, writer].into_iter().filter(|user| *user != person) {
            let found = self.board.find_person(user).await?;
            if found.is_none_or(|user| user.role < Role::Manager) {
                return Err(BoardError::Unsupported(format!(
                    "time of person {person} would be read and written as person {user}, to whom \
                     Leantime shows no time but their own and on whom it books whatever they write: \
                     give that user the role manager"
                )));
            }
        }
        Ok(())
    }

    /// Makes the rows of an entry sum up to so many seconds, and keeps it.
    async fn put_time(&mut self, thing: &TimeEntry, what: &str) -> Result<TimeEntry> {
        self.may_book_for(thing.person).await?;
        let zone = self.board.options.zone;
        let span = (thing.day, thing.day);
        let place = (thing.person.0, thing.task.0, thing.day, thing.kind.as_str().to_owned());
        let rows = self.board.sheets(self.lane(), span, Duration::ZERO).await?;
        let known = grouped(rows, zone).remove(&place).map(|(_, parts)| parts).unwrap_or_default();
        let own = noon(thing.day, zone);
        let (here, others): (Vec<Part>, Vec<Part>) =
            known.into_iter().partition(|part| part.at == own);
        let elsewhere: i64 = others.iter().map(|part| part.seconds).sum();
        let mut wanted = i64::from(thing.seconds) - elsewhere;
        let mut calls = Vec::new();
        let mut after = Vec::new();
        if wanted < 0 {
            // Less than stands elsewhere: all of it goes into one row, and only then the others go.
            after.extend(others.iter().map(|part| delete(part.id)));
            wanted = i64::from(thing.seconds);
        }
        if wanted > 0 {
            let hours = hours_of_seconds(u64::try_from(wanted).unwrap_or(0));
            let mut params = json!({
                "hours": hours, "kind": thing.kind.as_str(), "date": dates::day(thing.day),
                "userId": thing.person.0,
            });
            // Only this one takes a description, and adds to what is there; the other one sets.
            let method = if here.is_empty() && others.is_empty() {
                params["description"] = thing.description.as_str().into();
                "timesheets.logTime"
            } else {
                "timesheets.upsertTime"
            };
            let params = json!({ "ticketId": thing.task.0, "params": params });
            calls.push(Call::new(method, params));
        } else {
            calls.extend(here.iter().map(|part| delete(part.id)));
        }
        for calls in [calls, after].into_iter().filter(|calls| !calls.is_empty()) {
            for said in self.call(calls, what).await? {
                if let Err(said) = wire::done(said) {
                    return Err(self.refused(what, &said).await);
                }
            }
        }
        let rows = self.board.sheets(self.lane(), span, Duration::ZERO).await?;
        let Some((row, _)) = grouped(rows, zone).remove(&place) else {
            let said = format!(
                "it is not there: writing time of person {} may need a manager's credential",
                thing.person
            );
            return Err(fault::undone(what, &said));
        };
        if row.int("seconds") != i64::from(thing.seconds) {
            return Err(fault::undone(what, "it is not as it was written"));
        }
        let kept = TimeEntry { id: TimeEntryId(row.int("id")), ..thing.clone() };
        let columns = row.columns(TimeEntry::COLUMNS);
        let note = Note { columns, thing: kept.clone(), is_whole: true };
        self.keep(&self.board.shelves.time, note)?;
        Ok(kept)
    }
}

fn delete(id: i64) -> Call {
    Call::new("timesheets.deleteTime", json!({ "id": id }))
}

#[async_trait]
impl Remote for TimeEntry {
    async fn one(board: &LeantimeBoard, lane: Lane, id: TimeEntryId) -> Result<Self> {
        let since = board.shelves.time.generation();
        let rows = board.sheets(lane, always(), Duration::ZERO).await?;
        let all = board.entries(rows, since).await?;
        all.into_iter().find(|entry| entry.id == id).ok_or_else(|| not_there::<Self>(id))
    }

    async fn all(board: &LeantimeBoard, lane: Lane, query: &TimeQuery) -> Result<Vec<Self>> {
        let since = board.shelves.time.generation();
        let (first, last) = always();
        let span = (query.from.unwrap_or(first), query.to.unwrap_or(last));
        let rows = board.sheets(lane, span, LIST).await?;
        board.entries(rows, since).await
    }

    async fn add(session: &mut LeantimeSession<'_>, entry: &Self) -> Result<Self> {
        session.put_time(entry, "log time").await
    }

    async fn change(session: &mut LeantimeSession<'_>, entry: &Self) -> Result<()> {
        session.put_time(entry, "change logged time").await?;
        Ok(())
    }

    async fn remove(session: &mut LeantimeSession<'_>, id: TimeEntryId) -> Result<()> {
        let what = "remove logged time";
        let entry = Self::one(session.board, session.lane(), id).await?;
        session.may_book_for(entry.person).await?;
        let rows =
            session.board.sheets(session.lane(), (entry.day, entry.day), Duration::ZERO).await?;
        let place = (entry.person.0, entry.task.0, entry.day, entry.kind.as_str().to_owned());
        let parts = grouped(rows, session.board.options.zone).remove(&place);
        let parts = parts.map(|(_, parts)| parts).unwrap_or_default();
        let calls = parts.iter().map(|part| delete(part.id)).collect();
        session.call(calls, what).await?;
        let rows =
            session.board.sheets(session.lane(), (entry.day, entry.day), Duration::ZERO).await?;
        if grouped(rows, session.board.options.zone).contains_key(&place) {
            return Err(fault::undone(what, "it is still there"));
        }
        session.forget(&session.board.shelves.time, id.0)
    }
}
