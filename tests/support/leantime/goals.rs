//! Goals, on boards that only a person can make; to change one there is a form from older days.

use super::dates::iso;
use super::error::{Outcome, RpcError};
use super::rows::{Columns as _, Row, decimal, row, words};
use super::rpc::{EDIT, Method, VIEW};
use super::signature::object;
use super::state::{Caller, State};
use super::widths;
use serde_json::{Value, json};

pub const METHODS: &[Method] = &[
    ("goalcanvas.createGoal", "values: any", EDIT, create),
    ("goalcanvas.getCanvasItemsById", "id: int", VIEW, on_board),
    ("goalcanvas.pollGoals", "projectId?: int, board?: int", VIEW, poll),
];

const NUMBERS: &[&str] = &["startValue", "currentValue", "endValue"];
const COLUMNS: &[&str] = &[
    "title",
    "description",
    "status",
    "metricType",
    "assignedTo",
    "startDate",
    "endDate",
    "milestoneId",
    "parent",
    "tags",
    "kpi",
    "startValue",
    "currentValue",
    "endValue",
];

/// Numbers with two digits, as the database writes them.
fn put(goal: &mut Row, values: &Row) {
    for (name, value) in values.iter().filter(|(name, _)| COLUMNS.contains(&name.as_str())) {
        let kept = if NUMBERS.contains(&name.as_str()) {
            json!(format!("{:.2}", decimal(value)))
        } else if name == "milestoneId" {
            json!(words(value))
        } else if name == "assignedTo" {
            json!(super::rows::whole(value))
        } else {
            value.clone()
        };
        goal.insert(name.clone(), kept);
    }
}

fn project_of(state: &State, goal: &Row) -> i64 {
    state.boards.get(goal.int("canvasId")).map_or(0, |board| board.int("projectId"))
}

/// Its id comes as a string.
fn create(state: &mut State, caller: &Caller, args: &Row) -> Outcome {
    let values = object(args, "values");
    if !values.contains_key("box") || !values.contains_key("author") {
        return Err(RpcError::server());
    }
    let Some(board) = state.boards.get(values.int("canvasId")) else {
        return Err(RpcError::denied());
    };
    let project = board.int("projectId");
    state.demand(caller, project, EDIT)?;
    let now = state.local_stamp();
    let mut goal = row(json!({
        "description": "", "assumptions": "", "data": "", "conclusion": "",
        "box": values.value("box"), "author": values.int("author"), "created": now,
        "modified": now, "canvasId": values.int("canvasId"), "sortindex": null,
        "status": "", "relates": "", "milestoneId": "", "parent": 0, "title": "", "tags": "",
        "kpi": 0, "data1": "", "data2": null, "data3": null, "data4": null, "data5": null,
        "startDate": null, "endDate": null, "setting": "", "metricType": "",
        "startValue": "0.00", "currentValue": "0.00", "endValue": "0.00", "impact": 0, "effort": 0,
        "probability": 0, "action": "", "assignedTo": 0,
    }));
    put(&mut goal, &values);
    widths::fit(state, "a goal", &mut goal, widths::GOALS);
    let id = state.goals.insert(goal);
    Ok(json!(id.to_string()))
}

fn on_board(state: &mut State, caller: &Caller, args: &Row) -> Outcome {
    let id = args.int("id");
    let Some(board) = state.boards.get(id) else { return Ok(json!([])) };
    state.demand(caller, board.int("projectId"), VIEW)?;
    let goals = state.goals.iter().filter(|goal| goal.int("canvasId") == id);
    Ok(goals.map(|goal| Value::Object(shown(state, goal))).collect())
}

fn shown(state: &State, goal: &Row) -> Row {
    let mut row = goal.clone();
    let (id, author) = (goal.int("id"), goal.int("author"));
    let (start, end) = (decimal(goal.value("startValue")), decimal(goal.value("endValue")));
    let done = decimal(goal.value("currentValue")) - start;
    let progress =
        if (end - start).abs() < 0.01 { 0.0 } else { (done / (end - start) * 100.0).round() };
    let milestone = state.tickets.get(goal.int("milestoneId"));
    let of_milestone =
        |name: &str| milestone.map(|ticket| ticket.value(name).clone()).unwrap_or_default();
    let is_on = |comment: &&Row| {
        comment.text("module") == "goalcanvasitem" && comment.int("moduleId") == id
    };
    let more = json!({
        "authorFirstname": state.user(author, "firstname"),
        "authorLastname": state.user(author, "lastname"),
        "authorProfileId": state.user(author, "profileId"),
        "milestoneHeadline": of_milestone("headline"),
        "milestoneEditTo": of_milestone("editTo"),
        "commentCount": state.comments.iter().filter(is_on).count(),
        "percentDone": 0,
        "goalProgress": super::rows::number(progress.clamp(0.0, 100.0)),
    });
    row.extend(super::rows::row(more));
    row
}

/// The only way to learn which boards there are.
fn poll(state: &mut State, caller: &Caller, args: &Row) -> Outcome {
    let (project, board) = (args.int("projectId"), args.int("board"));
    let rows = state.goals.iter().filter_map(|goal| {
        let home = project_of(state, goal);
        let is_meant = state.can_see(caller, home)
            && (project == 0 || home == project)
            && (board == 0 || goal.int("canvasId") == board);
        let mut row = goal.clone();
        for name in ["created", "modified", "startDate", "endDate"] {
            row.insert(name.to_owned(), iso(goal.value(name)));
        }
        row.insert("projectId".to_owned(), json!(home));
        is_meant.then_some(Value::Object(row))
    });
    Ok(rows.collect())
}

/// The form: whether it named a goal and a column that there is.
pub fn patch(state: &mut State, caller: &Caller, fields: &Row) -> bool {
    let now = state.local_stamp();
    let Some(home) = state.goals.get(fields.int("id")).map(|goal| project_of(state, goal)) else {
        return false;
    };
    let is_known = fields.keys().any(|name| COLUMNS.contains(&name.as_str()));
    if !is_known || state.demand(caller, home, EDIT).is_err() {
        return false;
    }
    let mut fields = fields.clone();
    widths::fit(state, "a goal", &mut fields, widths::GOALS);
    let Some(goal) = state.goals.get_mut(fields.int("id")) else { return false };
    put(goal, &fields);
    goal.insert("modified".to_owned(), json!(now));
    true
}
