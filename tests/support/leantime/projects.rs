//! Projects, who belongs to them, and the statuses that tickets have there.

use super::dates::iso;
use super::error::{Outcome, RpcError};
use super::rows::{Columns as _, Row, row, whole};
use super::rpc::{MANAGE, Method, OPEN, VIEW, whom};
use super::signature::object;
use super::state::{Caller, State};
use super::users::only;
use serde_json::{Value, json};

pub const METHODS: &[Method] = &[
    ("projects.getAll", "showClosedProjects?: bool", OPEN, get_all),
    ("projects.getAllProjects", "", OPEN, get_all_slim),
    ("projects.getProject", "id: int", VIEW, get),
    ("projects.findProject", "term?: string", OPEN, find),
    ("projects.pollForUpdatedProjects", "", OPEN, find),
    ("projects.addProject", "values: array", MANAGE, add),
    ("projects.patchProject", "id: int, values: array", MANAGE, patch),
    ("projects.editUserProjectRelations", "id: any, projects: any", MANAGE, set_relations),
    ("projects.getUserProjectRelation", "userId: int, projectId?: int", OPEN, relations),
    ("projects.getProjectsAssignedToUser", "userId: any", OPEN, assigned),
    ("projects.getProjectProgress", "projectId: any", VIEW, progress),
    ("projects.getProjectIntegrationSettings", "projectId: int", VIEW, integrations),
    ("projects.saveMattermostWebhook", "projectId: int, webhookUrl: string", MANAGE, save_hook),
    ("tickets.getStatusLabels", "projectId?: any", VIEW, status_labels),
    (
        "setting.saveProjectLabel",
        "module: string, labelKey: int, newLabel: string, projectId: int",
        MANAGE,
        save_label,
    ),
];

/// What `patchProject` may name; anything else is an error of the database.
const COLUMNS: &[&str] = &[
    "name",
    "clientId",
    "details",
    "state",
    "hourBudget",
    "dollarBudget",
    "psettings",
    "menuType",
    "type",
    "parent",
    "start",
    "end",
];

/// A row with everything that a new project has.
pub fn new(state: &State, name: &str, details: &str) -> Row {
    row(json!({
        "name": name, "clientId": 0, "details": details, "state": null, "hourBudget": "0",
        "dollarBudget": 0, "psettings": "restricted", "menuType": "", "avatar": null,
        "cover": null, "type": "project", "parent": null, "modified": state.local_stamp(),
        "start": null, "end": null,
    }))
}

/// As lists show it.
fn listed(project: &Row) -> Row {
    let columns = [
        "id",
        "name",
        "details",
        "state",
        "hourBudget",
        "dollarBudget",
        "menuType",
        "type",
        "parent",
        "modified",
        "start",
        "end",
    ];
    let mut row = only(project, &columns);
    for column in ["clientId", "clientName", "parentId", "parentName"] {
        row.insert(column.to_owned(), Value::Null);
    }
    row.insert("isFavorite".to_owned(), json!(0));
    row
}

fn visible<'a>(state: &'a State, caller: &'a Caller) -> impl Iterator<Item = &'a Row> {
    state.projects.iter().filter(|project| state.can_see(caller, project.int("id")))
}

fn is_open(project: &Row) -> bool {
    project.int("state") != -1
}

fn get_all(state: &mut State, caller: &Caller, args: &Row) -> Outcome {
    let shows_all = args.has("showClosedProjects");
    let rows = visible(state, caller).filter(|project| shows_all || is_open(project));
    Ok(rows.map(|project| json!(listed(project))).collect())
}

/// Everybody's, whoever asks. The status is that of the last comment, also where it has none.
fn get_all_slim(state: &mut State, _: &Caller, _: &Row) -> Outcome {
    let columns = [
        "id",
        "name",
        "hourBudget",
        "dollarBudget",
        "state",
        "menuType",
        "type",
        "modified",
        "start",
        "end",
    ];
    let rows = state.projects.iter().filter(|project| is_open(project)).map(|project| {
        let mut row = only(project, &columns);
        let is_on = |comment: &&Row| {
            comment.text("module") == "project" && comment.int("moduleId") == project.int("id")
        };
        let last = state.comments.iter().rev().find(is_on);
        let status = last.map(|comment| comment.value("status").clone());
        row.insert("status".to_owned(), status.unwrap_or_default());
        row.insert("clientId".to_owned(), Value::Null);
        row.insert("clientName".to_owned(), Value::Null);
        Value::Object(row)
    });
    Ok(rows.collect())
}

fn get(state: &mut State, caller: &Caller, args: &Row) -> Outcome {
    let Some(project) = state.projects.get(args.int("id")) else { return Ok(json!(false)) };
    state.demand(caller, args.int("id"), VIEW)?;
    let mut row = project.clone();
    row.insert("clientName".to_owned(), Value::Null);
    row.insert("isFavorite".to_owned(), json!(0));
    Ok(Value::Object(row))
}

/// Its ids are no ids: the time of the last change is glued to them.
fn find(state: &mut State, caller: &Caller, args: &Row) -> Outcome {
    let term = args.text("term").to_lowercase();
    let is_found = |project: &&Row| project.text("name").to_lowercase().contains(&term);
    let rows = visible(state, caller).filter(is_found).map(|project| {
        let mut row = listed(project);
        let id = format!("{}-{}", project.int("id"), project.text("modified"));
        row.insert("id".to_owned(), json!(id));
        for column in ["modified", "start", "end"] {
            row.insert(column.to_owned(), iso(project.value(column)));
        }
        Value::Object(row)
    });
    Ok(rows.collect())
}

fn add(state: &mut State, caller: &Caller, args: &Row) -> Outcome {
    let values = object(args, "values");
    if !values.contains_key("clientId") {
        return Err(RpcError::server());
    }
    if !values.has("name") {
        return Ok(json!(false));
    }
    let mut project = new(state, &values.text("name"), &values.text("details"));
    for column in ["psettings", "start", "end", "parent", "type"] {
        if values.has(column) {
            project.insert(column.to_owned(), values.value(column).clone());
        }
    }
    let id = state.projects.insert(project);
    state.members.insert((caller.id, id), String::new());
    for entry in values.value("assignedUsers").as_array().into_iter().flatten() {
        // The empty role became null on its way, and then the entry does not count.
        if let Some(role) = entry["projectRole"].as_str() {
            state.members.insert((whole(&entry["id"]), id), role.to_owned());
        }
    }
    Ok(json!(id))
}

fn patch(state: &mut State, caller: &Caller, args: &Row) -> Outcome {
    let id = args.int("id");
    state.demand(caller, id, MANAGE)?;
    let values = object(args, "values");
    if values.keys().any(|name| !COLUMNS.contains(&name.as_str())) {
        state.violation("patchProject with a column that is none");
        return Err(RpcError::server());
    }
    let now = state.local_stamp();
    let Some(project) = state.projects.get_mut(id) else { return Ok(json!(false)) };
    project.extend(values);
    project.insert("modified".to_owned(), json!(now));
    Ok(json!(true))
}

/// Replaces the whole list, also what the caller did not know of.
fn set_relations(state: &mut State, _: &Caller, args: &Row) -> Outcome {
    let user = args.int("id");
    let projects = super::rows::list(args.value("projects"));
    let projects: Vec<i64> = projects.iter().map(|id| whole(&json!(id))).collect();
    state.members.retain(|(own, project), _| *own != user || projects.contains(project));
    for project in projects {
        state.members.entry((user, project)).or_default();
    }
    Ok(json!(true))
}

fn relations(state: &mut State, caller: &Caller, args: &Row) -> Outcome {
    let user = whom(caller, args, "userId");
    let only = args.int("projectId");
    let own = state
        .members
        .iter()
        .filter(|((member, project), _)| *member == user && (only == 0 || only == *project));
    let rows = own.map(|((user, project), role)| {
        json!({
            "userId": user, "projectId": project, "projectRole": role,
            "name": state.project(*project, "name"),
            "modified": state.project(*project, "modified"),
        })
    });
    Ok(rows.collect())
}

fn assigned(state: &mut State, _: &Caller, args: &Row) -> Outcome {
    let user = args.int("userId");
    let is_member = |project: &&Row| state.members.contains_key(&(user, project.int("id")));
    Ok(state.projects.iter().filter(is_member).map(|project| json!(listed(project))).collect())
}

fn progress(state: &mut State, caller: &Caller, args: &Row) -> Outcome {
    let project = args.int("projectId");
    state.demand(caller, project, VIEW)?;
    let tickets = || state.tickets.iter().filter(|ticket| ticket.int("projectId") == project);
    let done = tickets().filter(|ticket| kind_of(state, ticket) == "DONE").count();
    let percent = (done * 100).checked_div(tickets().count()).unwrap_or(0);
    Ok(json!({
        "percent": percent,
        "estimatedCompletionDate": "We need more data to determine that.",
        "plannedCompletionDate": "",
    }))
}

fn integrations(state: &mut State, caller: &Caller, args: &Row) -> Outcome {
    state.demand(caller, args.int("projectId"), VIEW)?;
    Ok(json!({
        "mattermostWebhookURL": false, "slackWebhookURL": false, "discordWebhookURL1": false,
        "discordWebhookURL2": false, "discordWebhookURL3": false,
        "zulipHook": {
            "zulipURL": "", "zulipEmail": "", "zulipBotKey": "", "zulipStream": "", "zulipTopic": "",
        },
    }))
}

/// Taken; nothing is ever sent there.
fn save_hook(state: &mut State, caller: &Caller, args: &Row) -> Outcome {
    state.demand(caller, args.int("projectId"), MANAGE)?;
    Ok(Value::Null)
}

/// The usual statuses, in the board's order.
pub fn usual_labels() -> Vec<Row> {
    let label = |id: i64, name: &str, class: &str, kind: &str, place: i64| {
        row(json!({
            "id": id, "name": name, "class": class, "statusType": kind, "kanbanCol": id != -1,
            "sortKey": place,
        }))
    };
    vec![
        label(3, "New", "label-info", "NEW", 1),
        label(1, "Blocked", "label-important", "INPROGRESS", 2),
        label(4, "In Progress", "label-warning", "INPROGRESS", 3),
        label(2, "Waiting for Approval", "label-warning", "INPROGRESS", 4),
        label(0, "Done", "label-success", "DONE", 5),
        label(-1, "Archived", "label-default", "DONE", 6),
    ]
}

/// Of one project.
pub fn labels(state: &State, project: i64) -> Vec<Row> {
    state.labels.get(&project).cloned().unwrap_or_else(usual_labels)
}

/// The label of a ticket's status, if its project has it.
pub fn label_of(state: &State, ticket: &Row) -> Option<Row> {
    let status = ticket.int("status");
    let labels = labels(state, ticket.int("projectId"));
    labels.into_iter().find(|label| label.int("id") == status)
}

/// `NEW`, `INPROGRESS`, `DONE`, or nothing for a status that is none.
pub fn kind_of(state: &State, ticket: &Row) -> String {
    label_of(state, ticket).map(|label| label.text("statusType")).unwrap_or_default()
}

/// An object by ids; an array where the ids happen to count up from 0, as PHP does.
/// Any project's are shown, and the usual ones for a project that is not there.
fn status_labels(state: &mut State, _: &Caller, args: &Row) -> Outcome {
    let project = args.int("projectId");
    let labels = labels(state, project);
    let counts_up = labels.iter().zip(0..).all(|(label, at)| label.int("id") == at);
    let rows = labels.into_iter().map(|mut label| {
        let id = label.remove("id").map(|id| id.to_string()).unwrap_or_default();
        (id, Value::Object(label))
    });
    Ok(if counts_up {
        Value::Array(rows.map(|(_, label)| label).collect())
    } else {
        Value::Object(rows.collect())
    })
}

fn save_label(state: &mut State, caller: &Caller, args: &Row) -> Outcome {
    let project = args.int("projectId");
    state.demand(caller, project, MANAGE)?;
    let mut labels = labels(state, project);
    let key = args.int("labelKey");
    let is_meant = |label: &&mut Row| label.int("id") == key;
    if let Some(label) = labels.iter_mut().find(is_meant) {
        label.insert("name".to_owned(), args.value("newLabel").clone());
    }
    state.labels.insert(project, labels);
    Ok(Value::Null)
}
