//! Calendars: what somebody has to do when, events, and planned work.

use super::tasks::refuse;
use crate::domain::{
    CalendarEvent, During, EventEdit, EventId, NewEvent, PersonId, Reason, Role, ScheduleQuery,
    Span, TaskEdit, TaskId, Value, When,
};
use crate::tools::arguments::{Id, IdOrName};
use crate::tools::dates::{self, Dates};
use crate::tools::definition::{Definition, Words};
use crate::tools::guard::told;
use crate::tools::registry::Parts;
use crate::tools::resolve::Directory;
use crate::tools::scope::Reach;
use crate::tools::show::{self, CalendarView, Change};
use crate::tools::write::{EventWrite, Planned, Write};
use crate::tools::{Context, ToolError};
use chrono::TimeDelta;
use schemars::JsonSchema;
use serde::Deserialize;

pub(super) fn tools() -> Vec<Definition> {
    let mut tools = vec![
        Definition::read::<GetCalendar, CalendarView>(
            Words {
                name: "getCalendar",
                title: "Get a calendar",
                description: "Your events and the tasks you planned, in a span. Example: {\"from\": \
                    \"today\", \"until\": \"+7d\"}.",
                example: r#"{"from": "today", "until": "+7d"}"#,
            },
            Role::Readonly,
            |parts, context, args| Box::pin(get(parts, context, args)),
        ),
        Definition::write::<Schedule, Change>(
            Words {
                name: "scheduleTaskOnCalendar",
                title: "Schedule a task",
                description: "Plans when a task is worked on. Example: {\"id\": 7, \"editFrom\": \
                    \"now\", \"editTo\": \"+2h\"}.",
                example: r#"{"id": 7, "editFrom": "2026-11-03T09:00", "editTo": "2026-11-03T11:00"}"#,
            },
            Role::Editor,
            (false, true),
            |parts, context, args| Box::pin(schedule(parts, context, args)),
        ),
    ];
    tools.extend(events());
    tools
}

fn events() -> [Definition; 3] {
    [
        Definition::write::<AddEvent, Change>(
            Words {
                name: "addEvent",
                title: "Add an event",
                description: "Adds an event; between days it is all day. Example: {\"eventTitle\": \
                    \"Review\", \"dateFrom\": \"2026-11-03T09:00\", \"dateTo\": \"2026-11-03T10:00\"}.",
                example: r#"{"eventTitle": "Review", "dateFrom": "2026-11-03T09:00", "dateTo": "2026-11-03T10:00"}"#,
            },
            Role::Editor,
            (false, false),
            |parts, context, args| Box::pin(add(parts, context, args)),
        ),
        Definition::write::<EditEvent, Change>(
            Words {
                name: "editEvent",
                title: "Edit an event",
                description: "Renames or moves an event. Example: {\"id\": 3, \"eventTitle\": \"Fair\", \
                    \"dateFrom\": \"today\", \"dateTo\": \"+1d\"}.",
                example: r#"{"id": 3, "eventTitle": "Review", "dateFrom": "2026-11-03T10:00", "dateTo": "2026-11-03T11:00"}"#,
            },
            Role::Editor,
            (false, true),
            |parts, context, args| Box::pin(edit(parts, context, args)),
        ),
        Definition::write::<DeleteEvent, Change>(
            Words {
                name: "deleteEvent",
                title: "Delete an event",
                description: "Removes an event for good. Example: {\"id\": 3}.",
                example: r#"{"id": 3}"#,
            },
            Role::Editor,
            (true, true),
            |parts, context, args| Box::pin(delete(parts, context, args)),
        ),
    ]
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct GetCalendar {
    /// Instant or day.
    from: String,
    /// Instant or last day.
    until: String,
    /// Whose, if not yours.
    user_id: Option<IdOrName>,
}

async fn get(parts: &Parts, context: &Context, args: GetCalendar) -> Result<Value, ToolError> {
    let directory = Directory::read(parts, context).await?;
    let person = whose(&directory, args.user_id.as_ref())?;
    let dates = Dates { zone: context.zone, now: parts.clock.wall() };
    let span =
        Span { from: dates.begin("from", &args.from)?, to: dates.end("until", &args.until)? };
    if span.to <= span.from {
        return Err(refuse(
            "until: expected it later than from, such as {\"from\": \"today\", \"until\": \"+7d\"}",
        ));
    }
    let during = During::instants(span, context.zone);
    let query = ScheduleQuery { person, during };
    let found = parts.board.schedule(&query).await.map_err(|e| told(&e))?;
    let local = |at: crate::domain::Timestamp| at.with_timezone(&context.zone).to_rfc3339();
    Ok(show::value(&CalendarView {
        person: person.0,
        person_name: directory.names.person(Some(person)),
        from: local(span.from),
        until: local(span.to),
        items: found.into_iter().map(|one| directory.names.scheduled(one)).collect(),
    }))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct AddEvent {
    /// One line.
    event_title: String,
    /// Instant or day.
    date_from: String,
    /// Instant or last day.
    date_to: String,
    /// Whole days.
    all_day: Option<bool>,
    /// Whose, if not yours.
    user_id: Option<IdOrName>,
}

async fn add(parts: &Parts, context: &Context, args: AddEvent) -> Result<Planned, ToolError> {
    let directory = Directory::read(parts, context).await?;
    let owner = whose(&directory, args.user_id.as_ref())?;
    may_write(context, &directory, owner)?;
    let new = NewEvent {
        owner,
        title: title(&args.event_title)?,
        description: String::new(),
        location: String::new(),
        when: when(parts, context, (&args.date_from, &args.date_to), args.all_day)?,
    };
    Ok(Planned::new(Reach::Board, Write::Event(EventWrite::Add(new))))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct EditEvent {
    /// The event.
    id: Id,
    /// One line.
    event_title: Option<String>,
    /// Instant or day.
    date_from: Option<String>,
    /// Instant or last day.
    date_to: Option<String>,
    /// As it was, if left out.
    all_day: Option<bool>,
}

async fn edit(parts: &Parts, context: &Context, args: EditEvent) -> Result<Planned, ToolError> {
    let seen = own_event(parts, context, args.id).await?;
    let was_all_day = matches!(seen.when, When::Days { .. });
    let all_day = Some(args.all_day.unwrap_or(was_all_day));
    let mut edits = Vec::new();
    if let Some(text) = &args.event_title {
        edits.push(EventEdit::Title(title(text)?));
    }
    if args.date_from.is_some() || args.date_to.is_some() || args.all_day.is_some() {
        // An end that is not named stays; both are as somebody would write them.
        let (was_from, was_to) = match seen.when {
            When::Timed(span) => (show::instant(span.from), show::instant(span.to)),
            When::Days { first, last } => (first.to_string(), last.to_string()),
        };
        let from = args.date_from.as_deref().unwrap_or(&was_from);
        let to = args.date_to.as_deref().unwrap_or(&was_to);
        edits.push(EventEdit::When(when(parts, context, (from, to), all_day)?));
    }
    if edits.is_empty() {
        return Err(refuse("name at least one field, such as \"eventTitle\": \"Review\""));
    }
    let write = Write::Event(EventWrite::Edit { seen, edits });
    Ok(Planned::new(Reach::Board, write))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct DeleteEvent {
    /// The event.
    id: Id,
}

async fn delete(parts: &Parts, context: &Context, args: DeleteEvent) -> Result<Planned, ToolError> {
    let seen = own_event(parts, context, args.id).await?;
    Ok(Planned::new(Reach::Board, Write::Event(EventWrite::Delete(seen))))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Schedule {
    /// The task.
    id: Id,
    /// When the work begins.
    edit_from: String,
    /// When it ends.
    edit_to: String,
}

async fn schedule(parts: &Parts, context: &Context, args: Schedule) -> Result<Planned, ToolError> {
    let seen = parts.board.task(TaskId(args.id.0)).await.map_err(|e| told(&e))?;
    let dates = Dates { zone: context.zone, now: parts.clock.wall() };
    let from = dates.begin("editFrom", &args.edit_from)?;
    let to = dates.last("editTo", &args.edit_to)?;
    if to < from {
        return Err(refuse(
            "editTo: expected it not before editFrom, such as {\"editFrom\": \"today\", \
             \"editTo\": \"tomorrow\"}",
        ));
    }
    let edits = vec![TaskEdit::WorkFrom(Some(from)), TaskEdit::WorkTo(Some(to))];
    let reach = Reach::Task { id: seen.id, parent: seen.parent, project: seen.project };
    Ok(Planned::new(reach, Write::EditTask { seen: Box::new(seen), edits }))
}

/// Whose calendar is meant: the caller's, unless another is named.
fn whose(directory: &Directory, name: Option<&IdOrName>) -> Result<PersonId, ToolError> {
    directory.person(name.unwrap_or(&IdOrName::Id(0)))
}

/// An event that the caller may change.
async fn own_event(parts: &Parts, context: &Context, id: Id) -> Result<CalendarEvent, ToolError> {
    let directory = Directory::read(parts, context).await?;
    let seen = parts.board.event(EventId(id.0)).await.map_err(|e| told(&e))?;
    may_write(context, &directory, seen.owner)?;
    Ok(seen)
}

/// Everybody writes in their own calendar; managers in everybody's.
fn may_write(context: &Context, directory: &Directory, owner: PersonId) -> Result<(), ToolError> {
    let is_own = directory.person(&IdOrName::Id(0)).is_ok_and(|me| me == owner);
    if is_own || context.principal.person.role >= Role::Manager {
        return Ok(());
    }
    let name = directory.names.person(Some(owner)).unwrap_or_else(|| owner.to_string());
    Err(ToolError::rejected(
        Reason::RoleTooLow,
        format!("that is in the calendar of {name}: only they and managers write there"),
    ))
}

/// From when to when. Two days make whole days, unless it is said whether they do.
fn when(
    parts: &Parts,
    context: &Context,
    (from, to): (&str, &str),
    all_day: Option<bool>,
) -> Result<When, ToolError> {
    let dates = Dates { zone: context.zone, now: parts.clock.wall() };
    let read = (dates.read("dateFrom", from)?, dates.read("dateTo", to)?);
    let are_days = matches!(read, (dates::When::Day(_), dates::When::Day(_)));
    let when = if all_day.unwrap_or(are_days) {
        let first = dates.day("dateFrom", from)?;
        // What ends at midnight is not on the day that begins then.
        let last = match read.1 {
            dates::When::Day(day) => day,
            dates::When::At(at) => {
                let last = at - TimeDelta::milliseconds(1);
                last.with_timezone(&context.zone).date_naive().max(first)
            }
        };
        let is_backwards = dates.end("dateTo", to)? < dates.begin("dateFrom", from)?;
        if is_backwards { None } else { Some(When::Days { first, last }) }
    } else {
        let span = Span { from: dates.begin("dateFrom", from)?, to: dates.end("dateTo", to)? };
        (span.from <= span.to).then_some(When::Timed(span))
    };
    when.ok_or_else(|| {
        refuse(
            "dateTo: expected it not before dateFrom, such as {\"dateFrom\": \
             \"2026-11-03T09:00\", \"dateTo\": \"2026-11-03T10:00\"}",
        )
    })
}

fn title(text: &str) -> Result<String, ToolError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(refuse("eventTitle: expected one line that is not blank, such as \"Review\""));
    }
    Ok(text.to_owned())
}
