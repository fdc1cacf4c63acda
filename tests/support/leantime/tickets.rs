//! Writing tickets: what is taken without a look at it, and how it is cut to fit.

use super::dates::{self, Form, Use};
use super::error::{Outcome, RpcError, soft};
use super::projects::{labels, usual_labels};
use super::rows::{
    Columns as _, NO_DATE, Row, decimal, first_bytes, list, number, row, whole, words,
};
use super::rpc::{EDIT, Method};
use super::signature::object;
use super::state::{Caller, State};
use serde_json::{Value, json};

pub const METHODS: &[Method] = &[
    ("tickets.addTicket", "values: any", EDIT, add),
    ("tickets.quickAddTicket", "params: any", EDIT, quick_add),
    ("tickets.updateTicket", "values: any", EDIT, update),
    ("tickets.patchTicket", "id: int, values: array", EDIT, patch),
    ("tickets.markTicketDone", "id: int", EDIT, mark_done),
    ("tickets.markTicketReopen", "id: int", EDIT, reopen),
    ("tickets.setTicketStatusByType", "ticketId: int, statusType: string", EDIT, set_by_kind),
    ("tickets.moveTicket", "id: int, projectId: int", EDIT, move_to),
    ("tickets.delete", "id: any", EDIT, delete),
    ("tickets.upsertSubtask", "values: any, parentTicket: any", EDIT, upsert_subtask),
    ("widgets.dashboard.addSubtask", "values: array, parentTicketId: int", EDIT, add_subtask),
];

const HEADLINE_CHARS_MAX: usize = 255;
const TEXT_BYTES_MAX: usize = 65_535;

/// What a column takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    Int,
    Decimal,
    /// 255 characters.
    Short,
    /// 65,535 bytes.
    Long,
    Date(Use),
}

/// The columns that `patchTicket` takes, besides `collaborators`.
const COLUMNS: &[(&str, Column)] = &[
    ("headline", Column::Short),
    ("type", Column::Short),
    ("description", Column::Long),
    ("projectId", Column::Int),
    ("status", Column::Int),
    ("date", Column::Date(Use::Due)),
    ("dateToFinish", Column::Date(Use::Due)),
    ("sprint", Column::Int),
    ("storypoints", Column::Decimal),
    ("priority", Column::Short),
    ("hourRemaining", Column::Decimal),
    ("planHours", Column::Decimal),
    ("tags", Column::Short),
    ("editorId", Column::Short),
    ("userId", Column::Int),
    ("editFrom", Column::Date(Use::From)),
    ("editTo", Column::Date(Use::Until)),
    ("acceptanceCriteria", Column::Long),
    ("dependingTicketId", Column::Int),
    ("milestoneid", Column::Int),
    ("sortIndex", Column::Int),
    ("kanbanSortIndex", Column::Int),
];

/// What the database makes of a value: it cuts and converts and never says no.
fn coerced(state: &State, column: Column, value: &Value) -> Value {
    if value.is_null() {
        return Value::Null;
    }
    match column {
        Column::Date(column) => json!(dates::read(&words(value), column, state.options.zone)),
        Column::Int => json!(whole(value)),
        Column::Decimal => number(decimal(value)),
        Column::Short => json!(words(value).chars().take(HEADLINE_CHARS_MAX).collect::<String>()),
        Column::Long => json!(first_bytes(&words(value), TEXT_BYTES_MAX)),
    }
}

/// Columns with what came in for them; unknown ones are dropped.
fn taken(state: &State, values: &Row) -> Row {
    let known = COLUMNS.iter().filter_map(|(name, column)| {
        let value = values.get(*name)?;
        Some(((*name).to_owned(), coerced(state, *column, value)))
    });
    let mut row: Row = known.collect();
    if let Some(ids) = values.get("collaborators") {
        let ids = list(ids).iter().map(|id| json!(whole(&json!(id)))).collect();
        row.insert("collaborators".to_owned(), ids);
    }
    row
}

/// A ticket of which nothing but this was said.
pub fn new(state: &State, author: i64, values: &Row) -> Row {
    let mut ticket = row(json!({
        "headline": "", "type": "task", "description": "", "projectId": 0, "editorId": "",
        "userId": author, "priority": "", "sortIndex": null, "kanbanSortIndex": 0,
        "date": state.stamp(), "dateToFinish": NO_DATE, "status": 3, "storypoints": 0,
        "hourRemaining": 0, "planHours": 0, "sprint": 0, "acceptanceCriteria": "", "tags": "",
        "editFrom": NO_DATE, "editTo": NO_DATE, "dependingTicketId": 0, "milestoneid": 0,
        "collaborators": [],
    }));
    let given = taken(state, values).into_iter().filter(|(_, value)| !value.is_null());
    ticket.extend(given);
    ticket.insert("userId".to_owned(), json!(author));
    ticket
}

/// Writes down what is taken, and should not have been sent.
pub fn look(state: &mut State, method: &str, project: i64, values: &Row) {
    let mut found = Vec::new();
    let labels = if project == 0 { usual_labels() } else { labels(state, project) };
    if let Some(status) = values.get("status") {
        let is_number = words(status).parse::<i64>().is_ok();
        let is_known = labels.iter().any(|label| label.int("id") == whole(status));
        if !is_number || !is_known {
            found.push(format!("a status that the project does not have: {status}"));
        }
    }
    for (name, column) in COLUMNS {
        let text = values.text(name);
        let is_long = match column {
            Column::Short => text.chars().count() > HEADLINE_CHARS_MAX,
            Column::Long => text.len() > TEXT_BYTES_MAX,
            _ => false,
        };
        let form = dates::parse(&text).0;
        let is_odd = match (column, form) {
            (Column::Date(_), Form::Unreadable | Form::Slashes | Form::Local) => true,
            (Column::Date(column), Form::Day) => *column != Use::Due,
            _ => false,
        };
        if is_long {
            found.push(format!("{name} is too long and was cut"));
        }
        if is_odd {
            found.push(format!(
                "{name} is written in a form that does not say what is meant: {text}"
            ));
        }
    }
    let editor = values.int("editorId");
    if values.has("editorId") && state.users.get(editor).is_none() {
        found.push(format!("an editor that does not exist: {}", values.value("editorId")));
    }
    if values.get("headline").is_some_and(|headline| words(headline).trim().is_empty()) {
        found.push("an empty headline".to_owned());
    }
    let known = |name: &str| {
        let extra = ["id", "collaborators", "milestone", "parent"];
        COLUMNS.iter().any(|(column, _)| *column == name) || extra.contains(&name)
    };
    let unknown = values.keys().filter(|name| !known(name));
    found.extend(unknown.map(|name| format!("a column that is ignored: {name}")));
    for fault in found {
        state.violation(&format!("{method}: {fault}"));
    }
}

/// Tells people of a change, and those whom its text mentions.
fn tell(state: &mut State, caller: &Caller, id: i64, what: &str, tells_all: bool) {
    let Some(ticket) = state.tickets.get(id) else { return };
    let (project, headline) = (ticket.int("projectId"), ticket.text("headline"));
    let html = ticket.text("description");
    if tells_all {
        state.notify(project, caller.id, "tickets", id, &format!("{what}: '{headline}'"));
    }
    state.mention(&html, caller.id, ("tickets", id), id);
}

fn add(state: &mut State, caller: &Caller, args: &Row) -> Outcome {
    let values = object(args, "values");
    let project = values.int("projectId");
    let is_anywhere = caller.role >= super::rpc::ADMIN && project != 0;
    if !is_anywhere {
        state.demand(caller, project, EDIT)?;
    }
    if !values.has("headline") {
        return Ok(soft("notifications.ticket_save_error_no_headline"));
    }
    look(state, "addTicket", project, &values);
    if state.projects.get(project).is_none() {
        state.violation("addTicket: a project that does not exist");
    }
    let id = state.tickets.insert(new(state, caller.id, &values));
    tell(state, caller, id, "a new To-Do", true);
    Ok(json!(id))
}

/// Takes the caller for the editor, and the local time for the date.
fn quick_add(state: &mut State, caller: &Caller, args: &Row) -> Outcome {
    let mut values = object(args, "params");
    let project = values.int("projectId");
    state.demand(caller, project, EDIT)?;
    if !values.has("headline") {
        return Ok(json!({ "status": "error", "message": "Headline Missing" }));
    }
    look(state, "quickAddTicket", project, &values);
    let milestone = values.remove("milestone").unwrap_or(json!(0));
    values.insert("milestoneid".to_owned(), milestone);
    values.remove("tags");
    values.remove("acceptanceCriteria");
    values.entry("editorId").or_insert(json!(caller.id));
    if !values.has("status") {
        let first = labels(state, project).into_iter().find(|it| it.text("statusType") == "NEW");
        values.insert("status".to_owned(), json!(first.map_or(3, |label| label.int("id"))));
    }
    let mut ticket = new(state, caller.id, &values);
    ticket.insert("date".to_owned(), json!(state.local_stamp()));
    ticket.insert("sortIndex".to_owned(), json!(0));
    let id = state.tickets.insert(ticket);
    tell(state, caller, id, "a new To-Do", true);
    Ok(json!(id))
}

/// Replaces everything: what is not said is emptied, and the status becomes 0, which is Done.
fn update(state: &mut State, caller: &Caller, args: &Row) -> Outcome {
    state.violation("updateTicket empties what it is not told; use patchTicket");
    let values = object(args, "values");
    let id = values.int("id");
    let Some(old) = state.seen_ticket(caller, id).cloned() else {
        return Ok(soft("notifications.ticket_save_error_no_access"));
    };
    if !values.has("projectId") {
        return Ok(soft("project id is not set"));
    }
    state.demand(caller, values.int("projectId"), EDIT)?;
    let mut ticket = new(state, old.int("userId"), &values);
    ticket.insert("id".to_owned(), json!(id));
    let status = values.get("status").map_or(0, whole);
    ticket.insert("status".to_owned(), json!(status));
    if !values.has("headline") {
        ticket.insert("headline".to_owned(), old.value("headline").clone());
    }
    if let Some(place) = state.tickets.get_mut(id) {
        *place = ticket;
    }
    tell(state, caller, id, "changed", true);
    Ok(json!(true))
}

/// Changes what is named and known; validates nothing.
pub fn patch(state: &mut State, caller: &Caller, args: &Row) -> Outcome {
    let (id, values) = (args.int("id"), object(args, "values"));
    let Some(ticket) = state.seen_ticket(caller, id) else { return Err(RpcError::no_task()) };
    let project = ticket.int("projectId");
    state.demand(caller, project, EDIT)?;
    let target = if values.has("projectId") { values.int("projectId") } else { project };
    state.demand(caller, target, EDIT)?;
    look(state, "patchTicket", target, &values);
    let changed = taken(state, &values);
    if changed.is_empty() {
        return Ok(json!(false));
    }
    let tells_all = changed.contains_key("status");
    let mentions = changed.contains_key("description");
    if let Some(ticket) = state.tickets.get_mut(id) {
        ticket.extend(changed);
    }
    if tells_all || mentions {
        tell(state, caller, id, "changed", tells_all);
    }
    Ok(json!(true))
}

fn patched(state: &mut State, caller: &Caller, id: i64, values: &Value) -> Outcome {
    patch(state, caller, &row(json!({ "id": id, "values": values })))
}

/// The first status of this kind on the board of the ticket's project.
fn set_first(state: &mut State, caller: &Caller, id: i64, kind: &str) -> Outcome {
    let Some(ticket) = state.tickets.get(id) else { return Ok(json!(false)) };
    let project = ticket.int("projectId");
    state.demand(caller, project, EDIT)?;
    let labels = labels(state, project);
    match labels.iter().find(|label| label.text("statusType") == kind) {
        Some(label) => patched(state, caller, id, &json!({ "status": label.int("id") })),
        None => Ok(json!(false)),
    }
}

fn mark_done(state: &mut State, caller: &Caller, args: &Row) -> Outcome {
    set_first(state, caller, args.int("id"), "DONE")
}

fn reopen(state: &mut State, caller: &Caller, args: &Row) -> Outcome {
    set_first(state, caller, args.int("id"), "NEW")
}

/// Stays where it is if it is of this kind; takes the usual number if the project has it, else the
/// first one.
fn set_by_kind(state: &mut State, caller: &Caller, args: &Row) -> Outcome {
    let (id, kind) = (args.int("ticketId"), args.text("statusType").to_uppercase());
    let Some(ticket) = state.seen_ticket(caller, id) else { return Err(RpcError::no_task()) };
    let usual = [("NEW", 3), ("INPROGRESS", 4), ("DONE", 0)];
    let usual = usual.iter().find(|(own, _)| *own == kind).map(|(_, status)| *status);
    let labels = labels(state, ticket.int("projectId"));
    let of_kind = || labels.iter().filter(|label| label.text("statusType") == kind);
    let is = |status: i64| of_kind().any(|label| label.int("id") == status);
    let now = ticket.int("status");
    let status = Some(now).filter(|status| is(*status)).or(usual.filter(|status| is(*status)));
    match status.or_else(|| of_kind().next().map(|label| label.int("id"))) {
        Some(status) => patched(state, caller, id, &json!({ "status": status })),
        None => Ok(json!(false)),
    }
}

/// What it belonged to is null then, not 0. The tickets of a milestone move with it.
fn move_to(state: &mut State, caller: &Caller, args: &Row) -> Outcome {
    let (id, project) = (args.int("id"), args.int("projectId"));
    let Some(ticket) = state.seen_ticket(caller, id) else { return Ok(json!(false)) };
    let (home, is_milestone) = (ticket.int("projectId"), ticket.text("type") == "milestone");
    state.demand(caller, home, EDIT)?;
    state.demand(caller, project, EDIT)?;
    let own = state.tickets.iter().filter(|it| is_milestone && it.int("milestoneid") == id);
    let own: Vec<i64> = own.map(|ticket| ticket.int("id")).collect();
    for below in own {
        patched(state, caller, below, &json!({ "projectId": project, "sprint": null }))?;
    }
    let values = json!({
        "projectId": project, "sprint": null, "dependingTicketId": null, "milestoneid": null,
    });
    patched(state, caller, id, &values)
}

/// Comments and booked time stay, and belong to nothing.
fn delete(state: &mut State, caller: &Caller, args: &Row) -> Outcome {
    let id = args.int("id");
    let Some(ticket) = state.seen_ticket(caller, id) else {
        return Ok(soft("notifications.ticket_delete_error"));
    };
    let project = ticket.int("projectId");
    state.demand(caller, project, EDIT)?;
    state.tickets.remove(id);
    Ok(json!(true))
}

/// Wants an object of PHP and gets an array.
fn upsert_subtask(_: &mut State, _: &Caller, _: &Row) -> Outcome {
    Err(RpcError::server())
}

fn add_subtask(state: &mut State, caller: &Caller, args: &Row) -> Outcome {
    let parent = args.int("parentTicketId");
    let Some(above) = state.seen_ticket(caller, parent).cloned() else { return Ok(json!(false)) };
    state.demand(caller, above.int("projectId"), EDIT)?;
    let mut values = object(args, "values");
    if !values.has("headline") {
        return Ok(json!(false));
    }
    values.extend(row(json!({
        "type": "subtask", "dependingTicketId": parent, "projectId": above.int("projectId"),
        "editorId": caller.id, "priority": "3",
    })));
    look(state, "addSubtask", above.int("projectId"), &values);
    let id = state.tickets.insert(new(state, caller.id, &values));
    tell(state, caller, id, "a new To-Do", true);
    Ok(json!(true))
}
