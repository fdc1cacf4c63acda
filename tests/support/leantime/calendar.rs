//! Events of the caller's own calendar.

use super::dates::{Form, Use, parse, read};
use super::error::{Outcome, RpcError};
use super::rows::{Columns as _, NO_DATE, Row, row};
use super::rpc::{EDIT, Method, VIEW};
use super::signature::object;
use super::state::{Caller, State};
use super::users::only;
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
    Ok(json!(state.events.insert(event)))
}

fn own<'a>(state: &'a State, caller: &Caller, id: i64) -> Option<&'a Row> {
    state.events.get(id).filter(|event| event.int("userId") == caller.id)
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
    let any = !changed.is_empty();
    if let Some(event) = state.events.get_mut(id) {
        event.extend(changed);
    }
    Ok(json!(any))
}

fn delete(state: &mut State, caller: &Caller, args: &Row) -> Outcome {
    let id = args.int("id");
    let is_own = own(state, caller, id).is_some();
    if is_own {
        state.events.remove(id);
    }
    Ok(if is_own { json!(1) } else { json!(false) })
}

/// The caller's events, and every ticket with a date that the caller works on.
fn all(state: &mut State, caller: &Caller, _: &Row) -> Outcome {
    let entry = |title: &Value, id: &Value, from: &Value, to: &Value, kind: &str, day: bool| {
        json!({
            "title": title, "allDay": day, "description": "", "dateFrom": from, "dateTo": to,
            "id": id, "projectId": "", "eventType": kind, "dateContext": "plan",
            "backgroundColor": "var(--accent1)", "borderColor": "var(--accent1)",
            "url": format!("/calendar/showMyCalendar/#/calendar/editEvent/{id}"),
        })
    };
    let events = state.events.iter().filter(|event| event.int("userId") == caller.id);
    let events = events.map(|event| {
        let (from, to) = (event.value("dateFrom"), event.value("dateTo"));
        let is_day = event.text("allDay") == "true";
        entry(event.value("description"), event.value("id"), from, to, "calendar", is_day)
    });
    let is_dated =
        |ticket: &&Row| ticket.int("editorId") == caller.id && ticket.text("editFrom") != NO_DATE;
    let tickets = state.tickets.iter().filter(is_dated).map(|ticket| {
        let (from, to) = (ticket.value("editFrom"), ticket.value("editTo"));
        let mut entry =
            entry(ticket.value("headline"), ticket.value("id"), from, to, "ticket", false);
        entry["projectId"] = ticket.value("projectId").clone();
        entry
    });
    Ok(events.chain(tickets).collect())
}

fn ical_url(_: &mut State, _: &Caller, _: &Row) -> Outcome {
    Err(RpcError::field("User has no iCal feed configured"))
}
