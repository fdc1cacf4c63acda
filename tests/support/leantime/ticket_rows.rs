//! Tickets as the different methods show them: no two show the same columns.

use super::projects::label_of;
use super::rows::{Columns as _, Row, row};
use super::state::State;
use super::users::only;
use serde_json::{Value, json};

/// Of another ticket, or null.
fn of_ticket(state: &State, id: i64, column: &str) -> Value {
    state.tickets.get(id).map(|ticket| ticket.value(column).clone()).unwrap_or_default()
}

fn copy(into: &mut Row, columns: &[(&str, Value)]) {
    for (name, value) in columns {
        into.insert((*name).to_owned(), value.clone());
    }
}

fn nulls(into: &mut Row, columns: &[&str]) {
    for name in columns {
        into.insert((*name).to_owned(), Value::Null);
    }
}

/// As the timelines of the web want a date.
fn timeline(date: &Value) -> Value {
    let text = super::rows::words(date);
    let mut parts = text.split([' ', '-']);
    let mut next = || parts.next().unwrap_or_default().to_owned();
    let (year, month, day) = (next(), next(), next());
    json!(format!("{year},{month},{}", day.trim_start_matches('0')))
}

fn names(into: &mut Row, state: &State, ticket: &Row, author: &str) {
    let (user, editor) = (ticket.int("userId"), ticket.int("editorId"));
    let named = [(author, user), ("editor", editor)];
    for (who, id) in named {
        into.insert(format!("{who}Firstname"), state.user(id, "firstname"));
        into.insert(format!("{who}Lastname"), state.user(id, "lastname"));
    }
}

/// What `getTicket` gives: all columns, and some that are never filled.
pub fn model(state: &State, ticket: &Row) -> Row {
    let columns = [
        "id",
        "headline",
        "type",
        "description",
        "projectId",
        "editorId",
        "userId",
        "priority",
        "sortIndex",
        "date",
        "dateToFinish",
        "status",
        "storypoints",
        "hourRemaining",
        "planHours",
        "sprint",
        "acceptanceCriteria",
        "tags",
        "editFrom",
        "editTo",
        "dependingTicketId",
        "milestoneid",
        "collaborators",
    ];
    let mut row = only(ticket, &columns);
    let empty = [
        "timelineDate",
        "timelineDateToFinish",
        "timeToFinish",
        "url",
        "timeFrom",
        "timeTo",
        "clientName",
        "doneTickets",
        "allTickets",
        "percentDone",
        "milestoneColor",
        "editorProfileId",
        "bookedHours",
        "children",
        "modified",
    ];
    nulls(&mut row, &empty);
    let project = ticket.int("projectId");
    let other = [
        ("projectDescription", state.project(project, "details")),
        ("projectName", state.project(project, "name")),
        ("parentHeadline", of_ticket(state, ticket.int("dependingTicketId"), "headline")),
        ("milestoneHeadline", of_ticket(state, ticket.int("milestoneid"), "headline")),
    ];
    copy(&mut row, &other);
    names(&mut row, state, ticket, "user");
    row
}

/// What `getAllMilestones` gives: the same, filled in another way.
pub fn milestone(state: &State, ticket: &Row) -> Row {
    let mut row = model(state, ticket);
    row.remove("children");
    nulls(&mut row, &["projectDescription", "collaborators", "milestoneHeadline"]);
    let filled = [
        ("timelineDate", timeline(ticket.value("date"))),
        ("timelineDateToFinish", timeline(ticket.value("dateToFinish"))),
        ("parentHeadline", json!("")),
        ("milestoneColor", json!("var(--grey)")),
        ("editorProfileId", json!("")),
        ("sortIndex", json!(ticket.int("sortIndex"))),
        ("tags", if ticket.has("tags") { row["tags"].clone() } else { json!("var(--grey)") }),
    ];
    copy(&mut row, &filled);
    row
}

/// What `getAll` gives: no acceptance criteria, no collaborators, no last change, counts of 0.
pub fn listed(state: &State, ticket: &Row) -> Row {
    let columns = [
        "id",
        "headline",
        "description",
        "date",
        "sprint",
        "storypoints",
        "dateToFinish",
        "projectId",
        "priority",
        "status",
        "tags",
        "editorId",
        "dependingTicketId",
        "milestoneid",
        "planHours",
        "editFrom",
        "editTo",
        "hourRemaining",
        "type",
    ];
    let mut row = only(ticket, &columns);
    let (author, editor) = (ticket.int("userId"), ticket.int("editorId"));
    let id = ticket.int("id");
    let hours: f64 = state
        .sheets
        .iter()
        .filter(|sheet| sheet.int("ticketId") == id)
        .map(|sheet| super::rows::decimal(sheet.value("hours")))
        .fold(0.0, |sum, hours| sum + hours);
    let sprint = state.sprints.get(ticket.int("sprint"));
    let milestone = ticket.int("milestoneid");
    let colour = of_ticket(state, milestone, "tags");
    let other = [
        ("sortindex", ticket.value("sortIndex").clone()),
        ("sprintName", sprint.map(|sprint| sprint.value("name").clone()).unwrap_or_default()),
        ("projectName", state.project(ticket.int("projectId"), "name")),
        ("clientName", Value::Null),
        ("clientId", Value::Null),
        ("authorId", json!(author)),
        ("authorProfileId", state.user(author, "profileId")),
        ("editorProfileId", state.user(editor, "profileId")),
        ("milestoneHeadline", of_ticket(state, milestone, "headline")),
        ("milestoneColor", if colour.is_null() { json!("var(--grey)") } else { colour }),
        ("parentHeadline", of_ticket(state, ticket.int("dependingTicketId"), "headline")),
        ("bookedHours", json!(format!("{hours:.2}"))),
        ("commentCount", json!(0)),
        ("fileCount", json!(0)),
        ("subtaskCount", json!(0)),
    ];
    copy(&mut row, &other);
    names(&mut row, state, ticket, "author");
    row
}

/// The name of the status, which is left out for what is done.
pub fn label(row: &mut Row, state: &State, ticket: &Row) {
    let label = label_of(state, ticket).filter(|label| label.text("statusType") != "DONE");
    if let Some(label) = label {
        row.insert("statusLabel".to_owned(), label.value("name").clone());
    }
}

/// What the lists of a user's tickets give.
pub fn own(state: &State, ticket: &Row) -> Row {
    let columns = [
        "id",
        "headline",
        "description",
        "date",
        "sprint",
        "storypoints",
        "dateToFinish",
        "projectId",
        "priority",
        "status",
        "tags",
        "userId",
        "editorId",
        "dependingTicketId",
        "milestoneid",
        "planHours",
        "editFrom",
        "editTo",
        "hourRemaining",
        "type",
    ];
    let mut row = only(ticket, &columns);
    let project = ticket.int("projectId");
    let label = label_of(state, ticket).unwrap_or_default();
    let other = [
        ("sortindex", ticket.value("sortIndex").clone()),
        ("milestoneHeadline", of_ticket(state, ticket.int("milestoneid"), "headline")),
        ("projectName", state.project(project, "name")),
        ("projectDescription", state.project(project, "details")),
        ("statusLabel", label.value("name").clone()),
        ("statusClass", label.value("class").clone()),
        ("statusType", label.value("statusType").clone()),
    ];
    copy(&mut row, &other);
    row
}

/// What `getAllSubtasks` gives.
pub fn subtask(state: &State, ticket: &Row) -> Row {
    let columns = [
        "id",
        "headline",
        "description",
        "date",
        "dateToFinish",
        "projectId",
        "priority",
        "status",
        "sprint",
        "storypoints",
        "acceptanceCriteria",
        "userId",
        "editorId",
        "tags",
        "editFrom",
        "editTo",
        "dependingTicketId",
        "milestoneid",
        "type",
        "hourRemaining",
        "planHours",
    ];
    let mut row = only(ticket, &columns);
    nulls(&mut row, &["url", "clientName"]);
    let other = [
        ("projectName", state.project(ticket.int("projectId"), "name")),
        ("timelineDate", timeline(ticket.value("date"))),
        ("timelineDateToFinish", timeline(ticket.value("dateToFinish"))),
    ];
    copy(&mut row, &other);
    names(&mut row, state, ticket, "user");
    row
}

/// What the methods that poll give: an id that is none, and dates with a zone.
pub fn polled(state: &State, ticket: &Row) -> Row {
    let mut row = listed(state, ticket);
    let id = format!("{}-{}", ticket.int("id"), ticket.text("date"));
    row.insert("id".to_owned(), json!(id));
    for column in ["date", "dateToFinish", "editFrom", "editTo"] {
        row.insert(column.to_owned(), super::dates::iso(ticket.value(column)));
    }
    row
}

/// Colours, sizes and kinds, which are the same everywhere.
pub fn priorities() -> Row {
    row(json!({ "1": "Critical", "2": "High", "3": "Medium", "4": "Low", "5": "Lowest" }))
}

pub fn efforts() -> Row {
    row(json!({
        "0.5": "< 2min", "1": "XS", "2": "S", "3": "M", "5": "L", "8": "XL", "13": "XXL",
    }))
}
