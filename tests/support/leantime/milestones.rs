//! Milestones: tickets of a type of their own, with their colour among the tags.

use super::error::{Outcome, RpcError, soft};
use super::rows::{Columns as _, Row, row};
use super::rpc::{EDIT, Method, VIEW};
use super::signature::object;
use super::state::{Caller, State};
use super::users::only;
use super::{ticket_lists, ticket_rows, tickets};
use serde_json::{Value, json};

pub const METHODS: &[Method] = &[
    ("tickets.quickAddMilestone", "params: array", EDIT, add),
    ("tickets.quickUpdateMilestone", "params: any", EDIT, update),
    ("tickets.deleteMilestone", "id: any", EDIT, delete),
    ("tickets.getAllMilestones", "searchCriteria: any, sortBy?: string", VIEW, get_all),
    ("tickets.getAllMilestonesOverview", "includeArchived?: bool", VIEW, overview),
];

/// Takes no status and no description.
fn add(state: &mut State, caller: &Caller, args: &Row) -> Outcome {
    let params = object(args, "params");
    let project = params.int("projectId");
    state.demand(caller, project, EDIT)?;
    if !params.contains_key("headline") {
        return Err(RpcError::server());
    }
    if !params.has("headline") {
        return Ok(json!({ "status": "error", "message": "Headline Missing" }));
    }
    let columns = ["headline", "projectId", "editorId", "tags", "editFrom", "editTo"];
    let mut values = only(&params, &columns);
    values.insert("type".to_owned(), json!("milestone"));
    values.insert("priority".to_owned(), json!("3"));
    values.insert("milestoneid".to_owned(), json!(params.int("dependentMilestone")));
    if !params.has("editorId") {
        values.insert("editorId".to_owned(), json!(caller.id));
    }
    tickets::look(state, "quickAddMilestone", project, &values);
    let id = state.tickets.insert(tickets::new(state, caller.id, &values));
    Ok(json!(id))
}

/// Wants every column and replaces all of them.
fn update(state: &mut State, caller: &Caller, args: &Row) -> Outcome {
    state.violation("quickUpdateMilestone replaces everything; use patchTicket");
    let params = object(args, "params");
    let needed = ["headline", "editorId", "status", "dependentMilestone", "tags"];
    if needed.iter().any(|name| !params.contains_key(*name)) {
        return Err(RpcError::server());
    }
    let mut values = params.clone();
    values.insert("milestoneid".to_owned(), json!(params.int("dependentMilestone")));
    values.retain(|name, _| !["id", "dependentMilestone"].contains(&name.as_str()));
    tickets::patch(state, caller, &row(json!({ "id": params.int("id"), "values": values })))
}

/// Its tickets stay, without it.
fn delete(state: &mut State, caller: &Caller, args: &Row) -> Outcome {
    let id = args.int("id");
    let Some(milestone) = state.seen_ticket(caller, id) else {
        return Ok(soft("notifications.milestone_delete_error"));
    };
    let project = milestone.int("projectId");
    state.demand(caller, project, EDIT)?;
    state.tickets.remove(id);
    for ticket in state.tickets.iter_mut().filter(|ticket| ticket.int("milestoneid") == id) {
        ticket.insert("milestoneid".to_owned(), json!(0));
    }
    Ok(json!(true))
}

fn found(state: &State, caller: &Caller, mut criteria: Row) -> Value {
    criteria.insert("type".to_owned(), json!("milestone"));
    let found = ticket_lists::search(state, caller, &criteria);
    found.into_iter().map(|ticket| json!(ticket_rows::milestone(state, ticket))).collect()
}

fn get_all(state: &mut State, caller: &Caller, args: &Row) -> Outcome {
    Ok(found(state, caller, object(args, "searchCriteria")))
}

fn overview(state: &mut State, caller: &Caller, args: &Row) -> Outcome {
    let all = json!({ "status": if args.has("includeArchived") { "all" } else { "" } });
    Ok(found(state, caller, row(all)))
}
