//! Booked time: one row for a user, a ticket, an instant and a kind.

use super::dates::{self, Use, iso};
use super::error::{Outcome, RpcError};
use super::rows::{Columns as _, NO_DATE, Row, decimal, number, row};
use super::rpc::{EDIT, MANAGE, Method, OPEN, VIEW, whom};
use super::signature::object;
use super::state::{Caller, State};
use super::users::only;
use chrono::{Datelike as _, Days, NaiveDate, TimeDelta, Timelike as _};
use serde_json::{Value, json};

pub const METHODS: &[Method] = &[
    ("timesheets.logTime", "ticketId: int, params: array", EDIT, log),
    ("timesheets.upsertTime", "ticketId: int, params: array", EDIT, upsert),
    ("timesheets.updateTime", "values: array", EDIT, update),
    ("timesheets.deleteTime", "id: int", EDIT, delete),
    ("timesheets.getTimesheet", "id: int", VIEW, get),
    (
        "timesheets.getAll",
        "dateFrom: date, dateTo: date, projectId?: int, kind?: string, userId?: ?int",
        VIEW,
        get_all,
    ),
    (
        "timesheets.getWeeklyTimesheets",
        "projectId: int, fromDate: date, userId?: int",
        VIEW,
        weekly,
    ),
    ("timesheets.pollForNewTimesheets", "projectId?: int", VIEW, poll),
    ("timesheets.getLoggedHoursForTicketByDate", "ticketId: int", OPEN, by_date),
    ("timesheets.getSumLoggedHoursForTicket", "ticketId: int", OPEN, sum),
    ("timesheets.getUsersTicketHours", "ticketId: int, userId: int", VIEW, of_user),
    ("timesheets.getLoggableHourTypes", "", OPEN, kinds),
    ("timesheets.getRemainingHours", "ticketOrId: int|Tickets", OPEN, kinds),
];

const KINDS: &[&str] = &[
    "GENERAL_BILLABLE",
    "GENERAL_NOT_BILLABLE",
    "PROJECTMANAGEMENT",
    "DEVELOPMENT",
    "BUGFIXING_NOT_BILLABLE",
    "TESTING",
];

/// What was sent, with who it is for and when: others' time takes a manager.
fn entry(state: &State, caller: &Caller, args: &Row) -> Result<Row, RpcError> {
    let params = object(args, "params");
    let user = if caller.role >= MANAGE { whom(caller, &params, "userId") } else { caller.id };
    let date = if params.has("timestamp") {
        let instant = chrono::DateTime::from_timestamp(params.int("timestamp"), 0);
        instant.map_or_else(|| NO_DATE.to_owned(), dates::stored)
    } else if params.has("date") {
        dates::read(&params.text("date"), Use::From, state.options.zone)
    } else {
        return Err(RpcError::field("Date or timestamp is a required field"));
    };
    if params.value("hours").is_null() {
        return Err(RpcError::field("Hours is a required field"));
    }
    if params.value("kind").is_null() {
        return Err(RpcError::field("Timesheet type is a required field"));
    }
    Ok(row(json!({
        "userId": user, "ticketId": args.int("ticketId"), "workDate": date,
        "hours": number(decimal(params.value("hours"))), "kind": params.text("kind"),
        "description": params.text("description"),
    })))
}

fn look(state: &mut State, caller: &Caller, entry: &Row) {
    let ticket = entry.int("ticketId");
    if state.seen_ticket(caller, ticket).is_none() {
        state.violation(&format!("time on ticket {ticket}, which the caller cannot see"));
    }
    let kind = entry.text("kind");
    if !KINDS.contains(&kind.as_str()) {
        state.violation(&format!("a kind of time that there is not: {kind}"));
    }
    if entry.text("workDate") == NO_DATE {
        state.violation("time at a date that could not be read");
    }
}

fn is_same(sheet: &Row, entry: &Row) -> bool {
    ["userId", "ticketId", "workDate", "kind"].iter().all(|it| sheet.get(*it) == entry.get(*it))
}

/// Adds a row, or the hours to the row that is there. Rows without hours go.
pub fn book(state: &mut State, entry: &Row, adds: bool) {
    let now = state.local_stamp();
    if let Some(sheet) = state.sheets.iter_mut().find(|sheet| is_same(sheet, entry)) {
        let before = if adds { decimal(sheet.value("hours")) } else { 0.0 };
        let hours = number(before + decimal(entry.value("hours")));
        sheet.insert("hours".to_owned(), hours);
        if adds {
            let (at, new, old) =
                (sheet.text("workDate"), entry.text("description"), sheet.text("description"));
            let text = format!("{at}\n{new}\n--\n\n{old}");
            sheet.insert("description".to_owned(), json!(text));
        }
    } else {
        let mut sheet = entry.clone();
        sheet.extend(row(json!({
            "invoicedEmpl": 0, "invoicedComp": 0, "invoicedEmplDate": NO_DATE,
            "invoicedCompDate": NO_DATE, "paid": 0, "paidDate": NO_DATE, "modified": now,
        })));
        state.sheets.insert(sheet);
    }
    let empty = state.sheets.iter().filter(|sheet| decimal(sheet.value("hours")) == 0.0);
    let empty: Vec<i64> = empty.map(|sheet| sheet.int("id")).collect();
    for id in empty {
        state.sheets.remove(id);
    }
}

/// Takes any ticket, also one that is not there.
fn log(state: &mut State, caller: &Caller, args: &Row) -> Outcome {
    let entry = entry(state, caller, args)?;
    look(state, caller, &entry);
    book(state, &entry, true);
    Ok(json!(true))
}

fn upsert(state: &mut State, caller: &Caller, args: &Row) -> Outcome {
    let mut entry = entry(state, caller, args)?;
    look(state, caller, &entry);
    // Only a new row would take it, and that is made without.
    entry.insert("description".to_owned(), json!(""));
    book(state, &entry, false);
    Ok(json!(true))
}

fn is_ours(state: &State, caller: &Caller, id: i64) -> bool {
    let own = state.sheets.get(id).is_some_and(|sheet| sheet.int("userId") == caller.id);
    own || caller.role >= MANAGE
}

fn update(state: &mut State, caller: &Caller, args: &Row) -> Outcome {
    state.violation("updateTime replaces everything; use upsertTime");
    let values = object(args, "values");
    if !is_ours(state, caller, values.int("id")) {
        return Ok(Value::Null);
    }
    let zone = state.options.zone;
    let Some(sheet) = state.sheets.get_mut(values.int("id")) else { return Ok(Value::Null) };
    sheet.insert("hours".to_owned(), number(decimal(values.value("hours"))));
    sheet.insert("description".to_owned(), json!(values.text("description")));
    sheet.insert("kind".to_owned(), json!(values.text("kind")));
    let date = dates::read(&values.text("date"), Use::From, zone);
    sheet.insert("workDate".to_owned(), json!(date));
    Ok(Value::Null)
}

fn delete(state: &mut State, caller: &Caller, args: &Row) -> Outcome {
    let id = args.int("id");
    if !is_ours(state, caller, id) {
        return Ok(json!(false));
    }
    Ok(json!(state.sheets.remove(id).is_some()))
}

fn project_of(state: &State, sheet: &Row) -> i64 {
    state.tickets.get(sheet.int("ticketId")).map_or(0, |ticket| ticket.int("projectId"))
}

fn get(state: &mut State, caller: &Caller, args: &Row) -> Outcome {
    let id = args.int("id");
    if !is_ours(state, caller, id) {
        return Ok(json!(false));
    }
    let Some(sheet) = state.sheets.get(id) else { return Ok(json!(false)) };
    let mut row = sheet.clone();
    row.insert("projectId".to_owned(), json!(project_of(state, sheet)));
    Ok(Value::Object(row))
}

/// With the names of what it was booked on; nothing where that is gone.
fn shown(state: &State, sheet: &Row) -> Option<Row> {
    let ticket = state.tickets.get(sheet.int("ticketId"))?;
    let (project, user) = (ticket.int("projectId"), sheet.int("userId"));
    let milestone = state.tickets.get(ticket.int("milestoneid"));
    let mut row = sheet.clone();
    row.extend(super::rows::row(json!({
        "name": state.project(project, "name"), "projectId": project, "clientName": null,
        "clientId": null, "firstname": state.user(user, "firstname"),
        "lastname": state.user(user, "lastname"), "headline": ticket.value("headline"),
        "planHours": ticket.value("planHours"), "tags": ticket.value("tags"),
        "milestone": milestone.map(|milestone| milestone.value("headline")),
    })));
    Some(row)
}

/// One's own take one's own id; without it they are everybody's, which takes a manager.
fn get_all(state: &mut State, caller: &Caller, args: &Row) -> Outcome {
    let zone = state.options.zone;
    let from = dates::read(&args.text("dateFrom"), Use::Due, zone);
    let until = dates::read(&args.text("dateTo"), Use::Due, zone);
    let (project, kind) = (args.int("projectId"), args.text("kind"));
    let user = args.int("userId");
    let need = if user == caller.id { EDIT } else { MANAGE };
    if caller.role < need {
        return Err(RpcError::denied());
    }
    let is_meant = |sheet: &&Row| {
        let date = sheet.text("workDate");
        date >= from
            && date <= until
            && (project <= 0 || project_of(state, sheet) == project)
            && (user == 0 || sheet.int("userId") == user)
            && (kind.is_empty() || kind == "all" || sheet.text("kind") == kind)
            && state.can_see(caller, project_of(state, sheet))
    };
    let rows = state.sheets.iter().filter(is_meant).filter_map(|sheet| shown(state, sheet));
    Ok(rows.map(Value::Object).collect())
}

fn poll(state: &mut State, caller: &Caller, args: &Row) -> Outcome {
    let project = args.int("projectId");
    let is_meant = |sheet: &&Row| {
        let home = project_of(state, sheet);
        state.can_see(caller, home)
            && (project == 0 || home == project)
            && (caller.role >= MANAGE || sheet.int("userId") == caller.id)
    };
    let rows = state.sheets.iter().filter(is_meant).filter_map(|sheet| {
        let mut row = shown(state, sheet)?;
        for name in ["workDate", "invoicedEmplDate", "invoicedCompDate", "paidDate", "modified"] {
            row.insert(name.to_owned(), iso(sheet.value(name)));
        }
        Some(Value::Object(row))
    });
    Ok(rows.collect())
}

/// Seven days from a Monday. What was booked at noon or later stands on the day after: the server
/// rounds to the nearest midnight, and bare dates were booked at noon.
fn weekly(state: &mut State, caller: &Caller, args: &Row) -> Outcome {
    let user = whom(caller, args, "userId");
    if user != caller.id && caller.role < MANAGE {
        return Err(RpcError::denied());
    }
    let project = args.int("projectId");
    let day_of = |text: &str| NaiveDate::parse_from_str(text.get(..10).unwrap_or(text), "%Y-%m-%d");
    let begin = day_of(&args.text("fromDate")).map_err(|_| RpcError::cast("fromDate"))?;
    let mut groups = Row::new();
    let own = |sheet: &&Row| {
        sheet.int("userId") == user && (project <= 0 || project_of(state, sheet) == project)
    };
    for sheet in state.sheets.iter().filter(own) {
        let (Some(at), Some(shown)) =
            (dates::instant(&sheet.text("workDate")), shown(state, sheet))
        else {
            continue;
        };
        let local = at.with_timezone(&state.options.zone).naive_local();
        let day = local.date() + Days::new(u64::from(local.hour() >= 12));
        let place = (day - begin).num_days();
        if !(0..7).contains(&place) {
            continue;
        }
        let key = format!("{}-{}-{}", sheet.int("ticketId"), sheet.text("kind"), at.format("%T"));
        let group = groups.entry(key).or_insert_with(|| week(state, &shown, begin, local.hour()));
        let hours = decimal(sheet.value("hours"));
        let cell = &mut group[format!("day{}", place + 1)];
        cell["hours"] = number(decimal(&cell["hours"]) + hours);
        cell["actualWorkDate"] = json!(micros(at));
        cell["description"] = sheet.value("description").clone();
        group["rowSum"] = number(decimal(&group["rowSum"]) + hours);
    }
    Ok(Value::Object(groups))
}

fn micros(at: chrono::DateTime<chrono::Utc>) -> String {
    at.format("%Y-%m-%dT%H:%M:%S.000000Z").to_string()
}

/// An empty week.
fn week(state: &State, shown: &Row, begin: NaiveDate, hour: u32) -> Value {
    let mut group = only(shown, &["kind", "clientName", "name", "headline", "ticketId"]);
    group.insert("hasTimesheetOffset".to_owned(), json!(hour != 0));
    group.insert("rowSum".to_owned(), json!(0));
    let midnight = |day: NaiveDate| {
        let text = dates::day(&day.to_string(), false, state.options.zone);
        dates::instant(&text).map(micros).unwrap_or_default()
    };
    for (number, day) in (1..=7).zip(begin.iter_days()) {
        let start = midnight(day);
        let actual = if hour == 0 { start.clone() } else { String::new() };
        let cell = json!({
            "start": start, "end": midnight(day + TimeDelta::days(1)), "localDay": day.to_string(),
            "actualWorkDate": actual, "hours": 0, "description": "",
        });
        group.insert(format!("day{number}"), cell);
    }
    Value::Object(group)
}

fn on_ticket(state: &State, ticket: i64) -> impl Iterator<Item = &Row> {
    state.sheets.iter().filter(move |sheet| sheet.int("ticketId") == ticket)
}

/// All days of the month; those with hours have them as a string.
fn by_date(state: &mut State, _: &Caller, args: &Row) -> Outcome {
    let today = state.now.date_naive();
    let first = today.with_day(1).unwrap_or(today);
    let mut days = Row::new();
    for day in first.iter_days().take_while(|day| day.month() == first.month()) {
        days.insert(day.to_string(), json!({ "utc": day.to_string(), "summe": 0 }));
    }
    for sheet in on_ticket(state, args.int("ticketId")) {
        let day = sheet.text("workDate").get(..10).unwrap_or_default().to_owned();
        let before = days.get(&day).map_or(0.0, |entry| decimal(&entry["summe"]));
        let sum = format!("{:.2}", before + decimal(sheet.value("hours")));
        days.insert(day.clone(), json!({ "utc": day, "summe": sum }));
    }
    Ok(Value::Object(days))
}

fn sum(state: &mut State, _: &Caller, args: &Row) -> Outcome {
    let sheets = on_ticket(state, args.int("ticketId"));
    Ok(number(sheets.map(|sheet| decimal(sheet.value("hours"))).sum()))
}

/// Of others 0, unless a manager asks.
fn of_user(state: &mut State, caller: &Caller, args: &Row) -> Outcome {
    let user = args.int("userId");
    if user != caller.id && caller.role < MANAGE {
        return Ok(json!(0));
    }
    let sheets = on_ticket(state, args.int("ticketId")).filter(|it| it.int("userId") == user);
    Ok(number(sheets.map(|sheet| decimal(sheet.value("hours"))).sum()))
}

fn kinds(_: &mut State, _: &Caller, _: &Row) -> Outcome {
    let label = |kind: &&str| ((*kind).to_owned(), json!(format!("label.{}", kind.to_lowercase())));
    Ok(Value::Object(KINDS.iter().map(label).collect()))
}
