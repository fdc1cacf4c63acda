//! Reading tickets: one, or those that a search finds. There is a limit and no page after it.

use super::dates;
use super::error::{Outcome, RpcError};
use super::projects::{kind_of, label_of};
use super::rows::{Columns as _, Row, list, whole};
use super::rpc::{Method, VIEW};
use super::signature::object;
use super::state::{Caller, State};
use super::ticket_rows::{efforts, label, listed, model, own, polled, priorities, subtask};
use serde_json::{Value, json};
use std::cmp::Reverse;

pub const METHODS: &[Method] = &[
    ("tickets.getTicket", "id: any", VIEW, get),
    ("tickets.getMilestone", "id: int", VIEW, get_any),
    ("tickets.getAll", "searchCriteria?: array, limit?: int", VIEW, get_all),
    ("tickets.getLastTickets", "projectId: any, limit?: int", VIEW, last),
    ("tickets.getAllSubtasks", "ticketId: int", VIEW, subtasks),
    ("tickets.getAllOpenUserTickets", "userId?: int, project?: int", VIEW, open_of_user),
    ("tickets.getAllDoneUserTickets", "userId?: int, project?: int", VIEW, done_of_user),
    ("tickets.pollForUpdatedAccountTodos", "projectId?: int, userId?: int", VIEW, poll),
    ("tickets.findTicket", "term: string, projectId: int, userId: ?int", VIEW, broken),
    ("tickets.findMilestone", "term: string, projectId: int", VIEW, broken),
    ("tickets.getMilestoneProgress", "milestoneId: int|string", VIEW, broken),
    (
        "tickets.getScheduledTasks",
        "dateFrom: CarbonImmutable|string, dateTo: CarbonImmutable|string, userId?: ?int",
        VIEW,
        broken,
    ),
    ("tickets.getPriorityLabels", "", VIEW, priority_labels),
    ("tickets.getEffortLabels", "", VIEW, effort_labels),
    ("tickets.getTicketTypes", "", VIEW, types),
    ("tags.getTags", "projectId: int, term: string", VIEW, tags),
];

fn get(state: &mut State, caller: &Caller, args: &Row) -> Outcome {
    let ticket = state.seen_ticket(caller, args.int("id"));
    Ok(ticket.map_or(json!(false), |ticket| json!(model(state, ticket))))
}

/// Shows any ticket to anyone, as the real one does.
fn get_any(state: &mut State, _: &Caller, args: &Row) -> Outcome {
    let ticket = state.tickets.get(args.int("id"));
    Ok(ticket.map_or(json!(false), |ticket| json!(model(state, ticket))))
}

/// What cannot be called from outside: its types are not understood, or it crashes.
fn broken(_: &mut State, _: &Caller, _: &Row) -> Outcome {
    Err(RpcError::server())
}

fn get_all(state: &mut State, caller: &Caller, args: &Row) -> Outcome {
    let criteria = object(args, "searchCriteria");
    if criteria.value("status").as_str().is_some_and(has_words) {
        state.violation("getAll: a status by its name is taken for 0, which is Done");
    }
    let mut found = search(state, caller, &criteria);
    if args.has("limit") {
        found.truncate(usize::try_from(args.int("limit")).unwrap_or(usize::MAX));
    }
    let rows = found.into_iter().map(|ticket| {
        let mut row = listed(state, ticket);
        label(&mut row, state, ticket);
        Value::Object(row)
    });
    Ok(rows.collect())
}

fn has_words(status: &str) -> bool {
    !["not_done", "done", "all"].contains(&status)
        && status.split(',').any(|part| part.trim().parse::<i64>().is_err())
}

/// Those that a search finds, in its order.
pub fn search<'a>(state: &'a State, caller: &Caller, criteria: &Row) -> Vec<&'a Row> {
    let projects = match list(criteria.value("projects")) {
        none if none.is_empty() => list(criteria.value("currentProject")),
        some => some,
    };
    let projects: Vec<i64> = projects.iter().map(|id| whole(&json!(id))).collect();
    let is_meant = |ticket: &&Row| {
        let project = ticket.int("projectId");
        let is_in = if projects.is_empty() {
            state.project(project, "state") != -1
        } else {
            projects.contains(&project)
        };
        is_in
            && state.can_see(caller, project)
            && has_status(state, ticket, criteria, &projects)
            && matches(ticket, criteria)
    };
    let mut found: Vec<&Row> = state.tickets.iter().filter(is_meant).collect();
    found.sort_by_key(|ticket| Reverse(ticket.int("id")));
    match criteria.text("orderBy").as_str() {
        "duedate" => found.sort_by_key(|ticket| ticket.text("dateToFinish")),
        "priority" => {
            found.sort_by_key(|ticket| (ticket.text("priority"), ticket.text("dateToFinish")));
        }
        "standard" => found.sort_by_key(|ticket| ticket.int("sortIndex")),
        "kanbansort" => found.sort_by_key(|ticket| ticket.int("kanbanSortIndex")),
        _ => found.sort_by_key(|ticket| (Reverse(ticket.text("date")), ticket.int("sortIndex"))),
    }
    found
}

/// Archived ones are hidden unless a status is asked for; the names of kinds are ignored unless
/// projects are named, too.
fn has_status(state: &State, ticket: &Row, criteria: &Row, projects: &[i64]) -> bool {
    let wanted = list(criteria.value("status"));
    let status = ticket.int("status");
    let is_done = || kind_of(state, ticket) == "DONE";
    let names = |name: &str| wanted.iter().any(|part| part == name);
    match wanted.as_slice() {
        [] => status != -1,
        [one] if one == "all" => true,
        _ if names("not_done") => projects.is_empty() || !is_done(),
        _ if names("done") => projects.is_empty() || is_done(),
        ids => ids.iter().any(|id| whole(&json!(id)) == status),
    }
}

fn matches(ticket: &Row, criteria: &Row) -> bool {
    let one_of = |name: &str, value: &str| {
        let wanted = list(criteria.value(name));
        wanted.is_empty() || wanted.iter().any(|part| part.eq_ignore_ascii_case(value))
    };
    let is_excluded = criteria.has("excludeType") && {
        list(criteria.value("excludeType")).contains(&ticket.text("type"))
    };
    let milestone = ticket.int("milestoneid").to_string();
    let sprint = match criteria.text("sprint").as_str() {
        "" => true,
        "backlog" => ticket.int("sprint") <= 0,
        _ => one_of("sprint", &ticket.int("sprint").to_string()),
    };
    let users = list(criteria.value("users"));
    let works_on = users.is_empty()
        || users.contains(&ticket.text("editorId"))
        || list(ticket.value("collaborators")).iter().any(|id| users.contains(id));
    !is_excluded
        && one_of("type", &ticket.text("type"))
        && one_of("milestone", &milestone)
        && one_of("priority", &ticket.text("priority"))
        && sprint
        && works_on
        && has_term(ticket, &criteria.text("term"))
        && is_within(ticket, criteria)
}

fn has_term(ticket: &Row, term: &str) -> bool {
    let term = term.to_lowercase();
    let contains = |name: &str| ticket.text(name).to_lowercase().contains(&term);
    let has_tag = list(ticket.value("tags")).iter().any(|tag| tag.to_lowercase() == term);
    term.is_empty() || has_tag || ["headline", "description", "id"].iter().any(|it| contains(it))
}

/// By the day it was written, without the bounds themselves.
fn is_within(ticket: &Row, criteria: &Row) -> bool {
    let date = ticket.text("date");
    let bound = |name: &str| dates::instant(&criteria.text(name)).map(dates::stored);
    bound("dateFrom").is_none_or(|from| date > from)
        && bound("dateTo").is_none_or(|until| date < until)
}

fn last(state: &mut State, caller: &Caller, args: &Row) -> Outcome {
    let project = args.int("projectId");
    let criteria = json!({ "currentProject": project, "status": "not_done" });
    let criteria = super::rows::row(criteria);
    let limit = if args.has("limit") { args.int("limit") } else { 5 };
    let mut found = search(state, caller, &criteria);
    found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let rows = found.into_iter().map(|ticket| {
        let mut row = listed(state, ticket);
        let name = label_of(state, ticket).map(|label| label.value("name").clone());
        row.insert("statusLabel".to_owned(), name.unwrap_or(json!("Unknown")));
        Value::Object(row)
    });
    Ok(rows.collect())
}

/// Of any ticket, as the real one does; none where there is no such ticket.
fn subtasks(state: &mut State, _: &Caller, args: &Row) -> Outcome {
    let parent = args.int("ticketId");
    let is_below = |ticket: &&Row| {
        ticket.int("dependingTicketId") == parent && ticket.text("type") == "subtask"
    };
    let below = state.tickets.iter().filter(is_below);
    Ok(below.map(|ticket| json!(subtask(state, ticket))).collect())
}

/// Of everybody, where no user is named. A status that the project does not have is neither open nor
/// done.
fn of_user(state: &State, caller: &Caller, args: &Row, is_done: bool) -> Value {
    let (user, project) = (args.text("userId"), args.int("project"));
    let works_on = |ticket: &Row| {
        ticket.text("editorId") == user || list(ticket.value("collaborators")).contains(&user)
    };
    let is_meant = |ticket: &&Row| {
        let kind = kind_of(state, ticket);
        (user.is_empty() || works_on(ticket))
            && state.can_see(caller, ticket.int("projectId"))
            && (project == 0 || ticket.int("projectId") == project)
            && !kind.is_empty()
            && (kind == "DONE") == is_done
            && ticket.text("type") != "milestone"
    };
    let mut found: Vec<&Row> = state.tickets.iter().rev().filter(is_meant).collect();
    found.sort_by_key(|it| (Reverse(it.text("dateToFinish")), it.int("sortIndex")));
    found.into_iter().map(|ticket| json!(own(state, ticket))).collect()
}

fn open_of_user(state: &mut State, caller: &Caller, args: &Row) -> Outcome {
    Ok(of_user(state, caller, args, false))
}

fn done_of_user(state: &mut State, caller: &Caller, args: &Row) -> Outcome {
    Ok(of_user(state, caller, args, true))
}

fn poll(state: &mut State, caller: &Caller, args: &Row) -> Outcome {
    let project = args.int("projectId");
    let is_meant = |ticket: &&Row| {
        state.can_see(caller, ticket.int("projectId"))
            && (project == 0 || ticket.int("projectId") == project)
            && ticket.text("type") != "milestone"
    };
    let found = state.tickets.iter().rev().filter(is_meant);
    Ok(found.map(|ticket| json!(polled(state, ticket))).collect())
}

fn priority_labels(_: &mut State, _: &Caller, _: &Row) -> Outcome {
    Ok(json!(priorities()))
}

fn effort_labels(_: &mut State, _: &Caller, _: &Row) -> Outcome {
    Ok(json!(efforts()))
}

fn types(_: &mut State, _: &Caller, _: &Row) -> Outcome {
    Ok(json!(["task", "subtask", "story", "bug"]))
}

/// Those that tickets of the project have: there is no table of tags.
fn tags(state: &mut State, caller: &Caller, args: &Row) -> Outcome {
    let (project, term) = (args.int("projectId"), args.text("term").to_lowercase());
    state.demand(caller, project, VIEW)?;
    let tickets = state.tickets.iter().filter(|ticket| ticket.int("projectId") == project);
    let mut tags: Vec<String> = tickets.flat_map(|ticket| list(ticket.value("tags"))).collect();
    tags.retain(|tag| tag.to_lowercase().contains(&term));
    tags.sort();
    tags.dedup();
    Ok(json!(tags))
}
