//! The server itself: its version, and the keys of programs.

use super::error::Outcome;
use super::rows::{Columns as _, Row, list, whole};
use super::rpc::{ADMIN, Method, OPEN};
use super::signature::object;
use super::state::{Caller, State};
use super::users::{self, only};
use serde_json::{Value, json};

pub const METHODS: &[Method] = &[
    ("api.config.getSystemInfo", "", OPEN, system_info),
    ("install.currentVersion", "", OPEN, version),
    ("api.createAPIKey", "values: array", ADMIN, create_key),
    ("api.createApiKeyWithProjects", "values: array, projects?: array", ADMIN, create_key),
    ("api.updateApiKey", "id: int, postValues: array, projects?: array", ADMIN, update_key),
    ("api.getAPIKeys", "", ADMIN, keys),
];

fn system_info(state: &mut State, _: &Caller, _: &Row) -> Outcome {
    Ok(json!({ "version": state.options.version.name(), "enabledPlugins": [] }))
}

fn version(state: &mut State, _: &Caller, _: &Row) -> Outcome {
    Ok(json!(state.options.version.name()))
}

/// Both parts of a key, 32 letters each: the same for the same user in every run.
fn parts(id: i64) -> (String, String) {
    (format!("fakeuser{id:024}"), format!("fakesecret{id:022}"))
}

/// A new user that is a program, and its key.
pub fn new_key(state: &mut State, name: &str, role: i64, projects: &[i64]) -> (i64, String) {
    let user = users::new(state, name, "", "", role, &json!("api"));
    let id = state.users.insert(user);
    let (first, second) = parts(id);
    if let Some(user) = state.users.get_mut(id) {
        user.insert("username".to_owned(), json!(first));
    }
    for project in projects {
        state.members.insert((id, *project), String::new());
    }
    let key = format!("lt_{first}_{second}");
    state.credentials.insert(format!("key {key}"), id);
    (id, key)
}

/// An admin may make a key of any role.
fn create_key(state: &mut State, _: &Caller, args: &Row) -> Outcome {
    let mut values = object(args, "values");
    let role = values.int("role");
    let projects: Vec<i64> =
        list(args.value("projects")).iter().map(|id| whole(&json!(id))).collect();
    let (id, key) = new_key(state, &values.text("firstname"), role, &projects);
    let mut words = key.split('_').skip(1);
    let (user, secret) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    for (name, value) in [
        ("user", user),
        ("lastname", ""),
        ("passwordClean", secret),
        ("password", secret),
        ("status", "a"),
        ("clientId", ""),
        ("phone", ""),
        ("id", id.to_string().as_str()),
    ] {
        values.insert(name.to_owned(), json!(value));
    }
    Ok(Value::Object(values))
}

/// Without projects the key has none afterwards.
fn update_key(state: &mut State, _: &Caller, args: &Row) -> Outcome {
    let id = args.int("id");
    let values = object(args, "postValues");
    let Some(user) = state.users.get_mut(id).filter(|user| user.value("source") == "api") else {
        return Ok(json!(false));
    };
    for name in ["firstname", "lastname", "status", "role"] {
        if let Some(value) = values.get(name) {
            user.insert(name.to_owned(), value.clone());
        }
    }
    state.members.retain(|(own, _), _| *own != id);
    for project in list(args.value("projects")) {
        state.members.insert((id, whole(&json!(project))), String::new());
    }
    Ok(json!(true))
}

/// Of their names only the beginning.
fn keys(state: &mut State, _: &Caller, _: &Row) -> Outcome {
    let columns = [
        "id",
        "lastname",
        "firstname",
        "role",
        "profileId",
        "status",
        "username",
        "lastlogin",
        "createdOn",
        "jobTitle",
        "jobLevel",
        "department",
        "modified",
    ];
    let rows = state.users.iter().filter(|user| user.value("source") == "api").map(|user| {
        let mut row = only(user, &columns);
        let begin: String = user.text("username").chars().take(5).collect();
        row.insert("username".to_owned(), json!(begin));
        Value::Object(row)
    });
    Ok(rows.collect())
}
