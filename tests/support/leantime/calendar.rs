//! Events of the caller's own calendar.

use super::dates::{Form, Use, instant, parse, read};
use super::error::{Outcome, RpcError};
use super::rows::{Columns as _, NO_DATE, Row, row};
use super::rpc::{ADMIN, EDIT, Method, VIEW};
use super::signature::object;
use super::state::{Caller, State};
use super::users::only;
use super::widths;
use serde_json::{Value, json};

pub const METHODS: &[Method] = &[
    ("calendar.addEvent", "values: array", EDIT, add),
    ("calendar.getEvent", "eventId: int", VIEW, get),
    ("calendar.editEvent", "values: array", EDIT, edit),
    ("calendar.patch", "id: int, params: array", EDIT, patch),
    ("calendar.delEvent", "id: int", EDIT, delete),
    (
        "calendar.getMyCalendar",
        "from?: null|string|CarbonImmutable, until?: null|string|CarbonImmutable",
        VIEW,
        all,
    ),
    ("calendar.getICalUrl", "", VIEW, ical_url),
];

/// Times that stand in a field of their own are not understood: noon it becomes.
fn times(state: &mut State, values: &Row, into: &mut Row) {
    for (name, column) in [("dateFrom", Use::From), ("dateTo", Use::Until)] {
        let text = values.text(name);
        if text.is_empty() {
            continue;
        }
        if parse(&text).0 != Form::Instant {
            state.violation(&format!("an event's {name} that is no instant: {text}"));
        }
        into.insert(name.to_owned(), json!(read(&text, column, state.options.zone)));
    }
}

fn add(state: &mut State, caller: &Caller, args: &Row) -> Outcome {
    let values = object(args, "values");
    let Some(description) = values.get("description") else { return Err(RpcError::server()) };
    let all_day = if values.text("allDay") == "true" { "true" } else { "false" };
    let mut event = row(json!({
        "userId": caller.id, "dateFrom": NO_DATE, "dateTo": NO_DATE, "description": description,
        "kind": null, "allDay": all_day,
    }));
    times(state, &values, &mut event);
    widths::fit(state, "an event", &mut event, widths::EVENTS);
    Ok(json!(state.events.insert(event)))
}

/// Admins may read and change everybody's.
fn own<'a>(state: &'a State, caller: &Caller, id: i64) -> Option<&'a Row> {
    let is_admin = caller.role >= ADMIN;
    state.events.get(id).filter(|event| is_admin || event.int("userId") == caller.id)
}

fn get(state: &mut State, caller: &Caller, args: &Row) -> Outcome {
    let event = own(state, caller, args.int("eventId"));
    Ok(event.map_or(json!(false), |event| json!(event)))
}

/// Any `allDay`, also a false one, makes the event last all day.
fn edit(state: &mut State, caller: &Caller, args: &Row) -> Outcome {
    let values = object(args, "values");
    let id = values.int("id");
    if own(state, caller, id).is_none() {
        return Ok(json!(false));
    }
    let is_set = !values.value("allDay").is_null();
    if is_set && !matches!(values.text("allDay").as_str(), "true" | "1") {
        state.violation("editEvent with an allDay that is not true makes it true");
    }
    if !values.contains_key("description") {
        return Err(RpcError::server());
    }
    let mut changed = only(&values, &["description"]);
    changed.insert("allDay".to_owned(), json!(if is_set { "true" } else { "false" }));
    times(state, &values, &mut changed);
    widths::fit(state, "an event", &mut changed, widths::EVENTS);
    if let Some(event) = state.events.get_mut(id) {
        event.extend(changed);
    }
    Ok(json!(true))
}

/// Columns as they are: no date is read.
fn patch(state: &mut State, caller: &Caller, args: &Row) -> Outcome {
    let id = args.int("id");
    if own(state, caller, id).is_none() {
        return Ok(json!(false));
    }
    let columns = ["description", "dateFrom", "dateTo", "allDay", "kind"];
    let mut changed = object(args, "params");
    changed.retain(|name, _| columns.contains(&name.as_str()));
    widths::fit(state, "an event", &mut changed, widths::EVENTS);
    let any = !changed.is_empty();
    if let Some(event) = state.events.get_mut(id) {
        event.extend(changed);
    }
    Ok(json!(any))
}

fn delete(state: &mut State, caller: &Caller, args: &Row) -> Outcome {
    let id = args.int("id");
    let is_own = state.events.get(id).is_some_and(|event| event.int("userId") == caller.id);
    if is_own {
        state.events.remove(id);
    }
    Ok(if is_own { json!(1) } else { json!(false) })
}

/// The caller's events, and every ticket with a date that the caller works on: once for the day it
/// is due and once for the time it is worked on.
fn all(state: &mut State, caller: &Caller, _: &Row) -> Outcome {
    let events = state.events.iter().filter(|event| event.int("userId") == caller.id);
    let events = events.map(|event| {
        let is_day = event.text("allDay") == "true";
        let title = event.text("description");
        let mut entry = entry(event, &title, ("dateFrom", "dateTo"), is_day);
        let url = format!("/calendar/showMyCalendar/#/calendar/editEvent/{}", event.int("id"));
        entry.extend(row(json!({
            "description": "", "projectId": "", "eventType": "calendar", "dateContext": "plan",
            "url": url,
        })));
        Value::Object(entry)
    });
    let is_own = |ticket: &&Row| ticket.int("editorId") == caller.id;
    let tickets = state.tickets.iter().filter(is_own).flat_map(|ticket| {
        let contexts = [("due", "dateToFinish", "dateToFinish"), ("edit", "editFrom", "editTo")];
        let is_dated = |name: &str| instant(&ticket.text(name)).is_some();
        let dated = contexts.into_iter().filter(|(_, from, to)| is_dated(from) && is_dated(to));
        let entries = dated.map(|(context, from, to)| {
            let title = format!("{context}: {}", ticket.text("headline"));
            let mut entry = entry(ticket, &title, (from, to), false);
            let url = format!("/dashboard/home/#/tickets/showTicket/{}", ticket.int("id"));
            entry.extend(row(json!({
                "description": ticket.text("description"), "projectId": ticket.int("projectId"),
                "eventType": "ticket", "dateContext": context, "url": url,
            })));
            Value::Object(entry)
        });
        entries.collect::<Vec<_>>()
    });
    Ok(events.chain(tickets).collect())
}

fn entry(of: &Row, title: &str, (from, to): (&str, &str), is_day: bool) -> Row {
    row(json!({
        "title": title, "allDay": is_day, "dateFrom": of.value(from), "dateTo": of.value(to),
        "id": of.value("id"), "backgroundColor": "var(--accent1)", "borderColor": "var(--accent1)",
    }))
}

fn ical_url(_: &mut State, _: &Caller, _: &Row) -> Outcome {
    Err(RpcError::field("User has no iCal feed configured"))
}
