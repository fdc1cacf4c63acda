//! People and API keys: rows of one table, of which lists show only the people.

use super::error::{Outcome, RpcError};
use super::rows::{Columns as _, Row, row};
use super::rpc::{ADMIN, MANAGE, Method, OPEN, VIEW, whom};
use super::signature::object;
use super::state::{Caller, State};
use serde_json::{Value, json};

pub const METHODS: &[Method] = &[
    ("users.getAll", "activeOnly?: bool", ADMIN, get_all),
    ("users.getUser", "id?: any", OPEN, get),
    ("users.getUserByEmail", "email: any, status?: any", ADMIN, get_by_email),
    ("users.addUser", "values: array", MANAGE, add),
    ("users.patchUser", "id: int, params: array", OPEN, patch),
    ("users.searchProjectUsers", "projectId?: int, query?: string", OPEN, search),
    ("users.saveOwnLocaleSettings", "userId: int, post: array", OPEN, save_locale),
    ("projects.getUsersAssignedToProject", "projectId: any, teamOnly?: any", VIEW, assigned),
    ("projects.getUsersWithAccessToProject", "projectId: int", VIEW, assigned),
    ("projects.getEmployees", "", OPEN, employees),
];

/// A row with everything that a new user has.
pub fn new(state: &State, first: &str, last: &str, name: &str, role: i64, source: &Value) -> Row {
    let (now, is_key) = (state.local_stamp(), source == "api");
    let job = if is_key { json!("") } else { Value::Null };
    row(json!({
        "username": name, "firstname": first, "lastname": last, "phone": "", "profileId": "",
        "lastlogin": null, "status": "a", "expires": null, "role": role.to_string(),
        "wage": if is_key { Value::Null } else { json!(0) },
        "hours": if is_key { Value::Null } else { json!(0) },
        "description": null, "clientId": 0, "notifications": 1, "forcePwReset": null,
        "lastpwd_change": null, "settings": null, "twoFAEnabled": 0, "createdOn": now,
        "source": source, "jobTitle": job, "jobLevel": job, "department": job, "modified": now,
    }))
}

/// Some columns of a row, in a new one.
pub fn only(from: &Row, columns: &[&str]) -> Row {
    columns.iter().map(|name| ((*name).to_owned(), from.value(name).clone())).collect()
}

fn people(state: &State) -> impl Iterator<Item = &Row> {
    state.users.iter().filter(|user| user.value("source") != "api")
}

fn get_all(state: &mut State, _: &Caller, args: &Row) -> Outcome {
    let columns = [
        "id",
        "lastname",
        "role",
        "profileId",
        "status",
        "username",
        "twoFAEnabled",
        "clientId",
        "jobTitle",
        "jobLevel",
        "department",
        "modified",
        "firstname",
    ];
    let is_asked = |user: &&Row| !args.has("activeOnly") || user.value("status") == "a";
    let rows = people(state).filter(is_asked).map(|user| {
        let mut row = only(user, &columns);
        row.insert("clientName".to_owned(), Value::Null);
        Value::Object(row)
    });
    Ok(rows.collect())
}

/// Anybody may read anybody.
fn get(state: &mut State, caller: &Caller, args: &Row) -> Outcome {
    if !state.options.version.is_gated() && !args.contains_key("id") {
        return Err(RpcError::params("Required Parameter Missing: id"));
    }
    let user = state.users.get(whom(caller, args, "id"));
    Ok(user.map_or(json!(false), |user| json!(user)))
}

fn get_by_email(state: &mut State, _: &Caller, args: &Row) -> Outcome {
    let email = args.text("email");
    let found = people(state).find(|user| user.text("username") == email);
    Ok(found.map_or(json!(false), |user| json!(user)))
}

fn add(state: &mut State, caller: &Caller, args: &Row) -> Outcome {
    let values = object(args, "values");
    let name = values.text("user");
    let role = values.int("role");
    if name.is_empty() || state.users.iter().any(|user| user.text("username") == name) {
        return Ok(json!(false));
    }
    if role > caller.role {
        return Err(RpcError::denied());
    }
    let (first, last) = (values.text("firstname"), values.text("lastname"));
    let mut user = new(state, &first, &last, &name, role, &json!(""));
    for column in ["jobTitle", "jobLevel", "department"] {
        user.insert(column.to_owned(), json!(values.text(column)));
    }
    Ok(json!(state.users.insert(user)))
}

fn patch(state: &mut State, caller: &Caller, args: &Row) -> Outcome {
    let id = args.int("id");
    if id != caller.id && caller.role < ADMIN {
        return Err(RpcError::denied());
    }
    let Some(user) = state.users.get_mut(id) else { return Ok(json!(false)) };
    let columns =
        ["firstname", "lastname", "phone", "jobTitle", "jobLevel", "department", "status"];
    for (name, value) in object(args, "params") {
        if columns.contains(&name.as_str()) {
            user.insert(name, value);
        }
    }
    Ok(json!(true))
}

fn search(state: &mut State, caller: &Caller, args: &Row) -> Outcome {
    let (project, term) = (args.int("projectId"), args.text("query").to_lowercase());
    state.demand(caller, project, VIEW)?;
    let is_found = |user: &&Row| {
        let name = format!("{} {}", user.text("firstname"), user.text("lastname"));
        state.members.contains_key(&(user.int("id"), project))
            && name.to_lowercase().contains(&term)
    };
    let columns = ["id", "firstname", "lastname", "username", "profileId"];
    Ok(people(state).filter(is_found).map(|user| json!(only(user, &columns))).collect())
}

/// Has no effect on how dates are read.
fn save_locale(_: &mut State, _: &Caller, _: &Row) -> Outcome {
    Ok(Value::Null)
}

fn assigned(state: &mut State, caller: &Caller, args: &Row) -> Outcome {
    let project = args.int("projectId");
    state.demand(caller, project, VIEW)?;
    let columns = [
        "id",
        "firstname",
        "lastname",
        "username",
        "notifications",
        "profileId",
        "jobTitle",
        "source",
        "status",
        "role",
    ];
    let rows = people(state).filter_map(|user| {
        let role = state.members.get(&(user.int("id"), project))?;
        let mut row = only(user, &columns);
        row.insert("modified".to_owned(), super::dates::iso(user.value("modified")));
        row.insert("projectRole".to_owned(), json!(role));
        Some(Value::Object(row))
    });
    Ok(rows.collect())
}

/// The one list of people that shows API keys to everyone.
fn employees(state: &mut State, _: &Caller, _: &Row) -> Outcome {
    let columns = ["id", "firstname", "lastname", "jobTitle", "jobLevel", "department", "modified"];
    Ok(state.users.iter().map(|user| json!(only(user, &columns))).collect())
}
