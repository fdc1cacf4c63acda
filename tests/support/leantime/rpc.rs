//! The envelope: one call or many, what is wrong with each, and which method is meant.

use super::error::{Outcome, RpcError};
use super::rows::{Columns as _, Row};
use super::state::{Caller, State};
use super::{calendar, comments, goals, inbox, milestones, projects, signature, sprints, system};
use super::{ticket_lists, tickets, timers, timesheets, users};
use serde_json::{Value, json};

/// Whose rights a method needs: the global role, or that in any project.
pub const OPEN: i64 = 0;
pub const VIEW: i64 = 5;
pub const COMMENT: i64 = 10;
pub const EDIT: i64 = 20;
pub const MANAGE: i64 = 30;
pub const ADMIN: i64 = 40;

/// Carries out a call.
pub type Call = fn(&mut State, &Caller, &Row) -> Outcome;

/// Name, parameters, least role, and what it does.
pub type Method = (&'static str, &'static str, i64, Call);

const TABLES: &[&[Method]] = &[
    calendar::METHODS,
    comments::METHODS,
    goals::METHODS,
    inbox::METHODS,
    milestones::METHODS,
    projects::METHODS,
    sprints::METHODS,
    system::METHODS,
    ticket_lists::METHODS,
    tickets::METHODS,
    timers::METHODS,
    timesheets::METHODS,
    users::METHODS,
];

/// What is in the code and is not offered.
const HIDDEN: &[&str] = &[
    "auth.accessToken.createToken",
    "goalcanvas.createGoalboard",
    "goalcanvas.patchGoalItem",
    "tickets.patch",
];

/// Offered until 3.8, with the same rows.
const BEFORE_GATES: &[Method] = &[("tickets.patch", "id: any, params: array", OPEN, old_patch)];

/// Came with 3.9.0.
const SINCE_GATES: &[&str] =
    &["tickets.patchTicket", "tickets.moveTicket", "api.config.getSystemInfo"];

const PREFIX: &str = "leantime.rpc.";

fn old_patch(state: &mut State, caller: &Caller, args: &Row) -> Outcome {
    let mut args = args.clone();
    let values = args.remove("params").unwrap_or_default();
    args.insert("values".to_owned(), values);
    tickets::patch(state, caller, &args).or(Ok(json!(false)))
}

/// The methods that a body asks for, without their beginning: for faults, gates and the log.
pub fn methods(body: &Value) -> Vec<String> {
    let calls: Vec<&Value> = match body {
        Value::Array(calls) => calls.iter().collect(),
        other => vec![other],
    };
    let name = |call: &&Value| {
        let name = call["method"].as_str().unwrap_or_default();
        name.strip_prefix(PREFIX).unwrap_or(name).to_owned()
    };
    calls.iter().map(name).collect()
}

/// Answers a body; nothing for a notification.
pub fn answer(state: &mut State, caller: &Caller, body: &Value) -> Option<Value> {
    match body {
        Value::Array(calls) if calls.is_empty() => {
            let error = RpcError::params("Must include method").object();
            Some(json!({ "jsonrpc": "2.0", "error": error, "id": null }))
        }
        Value::Array(calls) => {
            let answers = calls.iter().map(|call| one(state, caller, call).unwrap_or_default());
            Some(Value::Array(answers.collect()))
        }
        call => one(state, caller, call),
    }
}

pub fn failure(error: &RpcError, id: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "error": error.object(), "id": id })
}

fn one(state: &mut State, caller: &Caller, call: &Value) -> Option<Value> {
    let id = &call["id"];
    let outcome = run(state, caller, call);
    let name = call["method"].as_str().and_then(|name| name.strip_prefix(PREFIX));
    if let Some(at) = state.amid.iter().position(|(method, ..)| Some(method.as_str()) == name) {
        let (_, ticket, column, value) = state.amid.remove(at);
        if let Some(row) = state.tickets.get_mut(ticket) {
            row.insert(column, value);
        }
    }
    if id.is_null() {
        state.violation("a call without an id is never answered, not even its failure");
        return None;
    }
    Some(match outcome {
        Err(error) => failure(&error, id),
        Ok(result) => {
            let result = if state.options.numbers_as_strings { stringify(result) } else { result };
            let is_scalar = !result.is_array() && !result.is_object();
            let wraps = state.options.version.wraps_scalars() && is_scalar;
            let result = if wraps { json!([result]) } else { result };
            json!({ "jsonrpc": "2.0", "result": result, "id": id })
        }
    })
}

fn run(state: &mut State, caller: &Caller, call: &Value) -> Outcome {
    if call["jsonrpc"] != "2.0" {
        return Err(RpcError::invalid_request());
    }
    let Some(name) = call["method"].as_str() else {
        return Err(RpcError::params("Must include method"));
    };
    let Some(name) = name.strip_prefix(PREFIX) else {
        let data = "Method string doesn't start with \"leantime.rpc.\"";
        return Err(RpcError::params(data));
    };
    let (_, takes, need, call_method) = find(state, name).inspect_err(|_| {
        let known = all().chain(BEFORE_GATES.iter().copied()).map(|(found, ..)| found);
        if !known.chain(HIDDEN.iter().copied()).any(|found| same(found, name)) {
            state.violation(&format!("{name}: a method that this fake does not play"));
        }
    })?;
    if call["params"].is_array() {
        state.violation(&format!("{name}: positional parameters"));
    }
    let args = signature::fit(takes, &call["params"])?;
    if state.options.version.is_gated() && state.best_role(caller) < need {
        return Err(RpcError::denied());
    }
    call_method(state, caller, &args)
}

/// Names are compared without case and underscores, as both ways of writing them are understood.
fn same(a: &str, b: &str) -> bool {
    let plain = |name: &str| name.replace('_', "").to_ascii_lowercase();
    plain(a) == plain(b)
}

fn all() -> impl Iterator<Item = Method> {
    TABLES.iter().copied().flatten().copied()
}

fn find(state: &State, name: &str) -> Result<Method, RpcError> {
    let (service, method) = name.rsplit_once('.').unwrap_or((name, ""));
    let is_gated = state.options.version.is_gated();
    let old = BEFORE_GATES.iter().copied().filter(|_| !is_gated);
    let hidden_then = |found: &str| !is_gated && SINCE_GATES.iter().any(|newer| same(newer, found));
    let found = all().chain(old).find(|(found, ..)| same(found, name) && !hidden_then(found));
    if let Some(found) = found {
        return Ok(found);
    }
    if is_gated && HIDDEN.iter().any(|hidden| same(hidden, name)) {
        return Err(RpcError::method(&format!("Method is not available via API: {method}")));
    }
    let service_of =
        |name: &'static str| name.rsplit_once('.').map_or(name, |(service, _)| service);
    let mut services = all().map(|(found, ..)| service_of(found));
    if services.any(|found| same(found, service)) {
        return Err(RpcError::method(&format!("Method doesn't exist: {method}")));
    }
    let first = service.split('.').next_back().unwrap_or_default();
    let mut letters = first.chars();
    let title: String = letters.next().map(|c| c.to_ascii_uppercase()).into_iter().collect();
    Err(RpcError::method(&format!("Service doesn't exist: {title}{}", letters.as_str())))
}

/// Trims strings and makes empty ones null, as everything that comes as JSON is treated.
pub fn tidied(value: Value) -> Value {
    match value {
        Value::String(text) => match text.trim() {
            "" => Value::Null,
            trimmed => json!(trimmed),
        },
        Value::Array(values) => Value::Array(values.into_iter().map(tidied).collect()),
        Value::Object(row) => {
            Value::Object(row.into_iter().map(|(key, value)| (key, tidied(value))).collect())
        }
        other => other,
    }
}

/// Numbers inside rows as strings.
fn stringify(value: Value) -> Value {
    let inside = |value: Value| match value {
        Value::Number(number) => json!(number.to_string()),
        other => stringify(other),
    };
    match value {
        Value::Object(row) => {
            Value::Object(row.into_iter().map(|(key, value)| (key, inside(value))).collect())
        }
        Value::Array(values) => Value::Array(values.into_iter().map(stringify).collect()),
        other => other,
    }
}

/// The caller's own id where an argument names nobody.
pub fn whom(caller: &Caller, args: &Row, name: &str) -> i64 {
    if args.has(name) { args.int(name) } else { caller.id }
}
