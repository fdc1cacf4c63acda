//! Sprints: from the first second of a local day to the last of another.

use super::dates;
use super::error::{Outcome, RpcError};
use super::rows::{Columns as _, Row, row};
use super::rpc::{EDIT, Method, VIEW};
use super::signature::object;
use super::state::{Caller, State};
use super::widths;
use serde_json::{Value, json};

pub const METHODS: &[Method] = &[
    ("sprints.addSprint", "params: any", EDIT, add),
    ("sprints.editSprint", "params: any", EDIT, edit),
    ("sprints.getSprint", "id: int", VIEW, get),
    ("sprints.getAllSprints", "projectId?: any", VIEW, get_all),
    ("sprints.deleteSprint", "id: int", EDIT, delete),
    ("sprints.getCurrentSprintId", "projectId: int", VIEW, current),
];

fn read(state: &mut State, params: &Row) -> Row {
    let zone = state.options.zone;
    let mut sprint = row(json!({
        "name": params.value("name"), "projectId": params.int("projectId"),
        "startDate": dates::day(&params.text("startDate"), false, zone),
        "endDate": dates::day(&params.text("endDate"), true, zone),
        "isInherited": false, "ownerProgramId": null,
    }));
    widths::fit(state, "a sprint", &mut sprint, widths::SPRINTS);
    sprint
}

fn dated(params: &Row) -> Result<(), RpcError> {
    let is_dated = params.has("startDate") && params.has("endDate");
    is_dated.then_some(()).ok_or_else(|| RpcError::field("First day and last day are required"))
}

fn add(state: &mut State, caller: &Caller, args: &Row) -> Outcome {
    let params = object(args, "params");
    state.demand(caller, params.int("projectId"), EDIT)?;
    dated(&params)?;
    let mut sprint = read(state, &params);
    sprint.insert("modified".to_owned(), json!(state.local_stamp()));
    Ok(json!(state.sprints.insert(sprint)))
}

fn edit(state: &mut State, caller: &Caller, args: &Row) -> Outcome {
    let params = object(args, "params");
    let id = params.int("id");
    let Some(old) = state.sprints.get(id) else { return Ok(json!(false)) };
    state.demand(caller, old.int("projectId"), EDIT)?;
    state.demand(caller, params.int("projectId"), EDIT)?;
    dated(&params)?;
    let mut shown = read(state, &params);
    shown.insert("id".to_owned(), json!(id));
    let now = state.local_stamp();
    if let Some(sprint) = state.sprints.get_mut(id) {
        sprint.extend(shown.clone());
        sprint.insert("modified".to_owned(), json!(now));
    }
    shown.insert("modified".to_owned(), Value::Null);
    Ok(Value::Object(shown))
}

fn get(state: &mut State, caller: &Caller, args: &Row) -> Outcome {
    let Some(sprint) = state.sprints.get(args.int("id")) else { return Ok(json!(false)) };
    state.demand(caller, sprint.int("projectId"), VIEW)?;
    Ok(json!(sprint))
}

fn get_all(state: &mut State, caller: &Caller, args: &Row) -> Outcome {
    let project = args.int("projectId");
    state.demand(caller, project, VIEW)?;
    let found = state.sprints.iter().filter(|sprint| sprint.int("projectId") == project);
    Ok(found.map(|sprint| json!(sprint)).collect())
}

fn delete(state: &mut State, caller: &Caller, args: &Row) -> Outcome {
    let id = args.int("id");
    let Some(sprint) = state.sprints.get(id) else { return Ok(Value::Null) };
    state.demand(caller, sprint.int("projectId"), EDIT)?;
    state.sprints.remove(id);
    for ticket in state.tickets.iter_mut().filter(|ticket| ticket.int("sprint") == id) {
        ticket.insert("sprint".to_owned(), json!(0));
    }
    Ok(Value::Null)
}

/// Looks into a session that a program does not have.
fn current(_: &mut State, _: &Caller, _: &Row) -> Outcome {
    Ok(json!(false))
}
