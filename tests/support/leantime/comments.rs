//! Comments: on tickets, projects and goals. Whoever writes one is not told its id.

use super::dates::iso;
use super::error::{Outcome, RpcError};
use super::rows::{Columns as _, Row, row, words};
use super::rpc::{ADMIN, COMMENT, MANAGE, Method, VIEW};
use super::signature::object;
use super::state::{Caller, State};
use super::users::only;
use serde_json::{Value, json};

pub const METHODS: &[Method] = &[
    (
        "comments.getComments",
        "module: any, entityId: any, commentOrder?: int, parent?: int",
        VIEW,
        get,
    ),
    ("comments.addComment", "values: any, module: any, entityId: any, entity?: any", COMMENT, add),
    ("comments.editComment", "values: any, id: any", COMMENT, edit),
    ("comments.deleteComment", "commentId: any", COMMENT, delete),
    ("comments.pollComments", "projectId?: int, moduleId?: int", VIEW, poll),
    ("dashboard.getProjectCommentsWithReplies", "projectId: int", VIEW, of_project),
];

/// The project of what is commented on, if there is such a thing.
fn project_of(state: &State, module: &str, entity: i64) -> Option<i64> {
    match module {
        "ticket" => state.tickets.get(entity).map(|ticket| ticket.int("projectId")),
        "project" => state.projects.get(entity).map(|_| entity),
        "goalcanvasitem" => {
            let goal = state.goals.get(entity)?;
            let board = state.boards.get(goal.int("canvasId"))?;
            Some(board.int("projectId"))
        }
        _ => None,
    }
}

/// A row with everything that a comment has.
pub fn new(state: &State, author: i64, about: (&str, i64), text: &str, values: &Row) -> Row {
    row(json!({
        "text": text, "date": state.stamp(), "module": about.0, "moduleId": about.1,
        "userId": author, "commentParent": values.int("father"), "status": values.text("status"),
    }))
}

/// A module that does not exist is taken if something stands for its entity: nobody ever sees it.
fn add(state: &mut State, caller: &Caller, args: &Row) -> Outcome {
    let (values, module) = (object(args, "values"), args.text("module"));
    let entity = args.int("entityId");
    let project = project_of(state, &module, entity);
    match (module.as_str(), project) {
        ("project", _) => state.demand(caller, entity, COMMENT)?,
        (_, Some(project)) => state.demand(caller, project, COMMENT)?,
        _ => {}
    }
    let is_loaded = matches!(module.as_str(), "ticket" | "project") && project.is_some();
    let has_entity = is_loaded || !args.value("entity").is_null();
    if !["ticket", "project", "goalcanvasitem", "idea"].contains(&module.as_str()) {
        state.violation(&format!("addComment: there is no module {module}"));
    }
    let text = words(values.value("text"));
    if text.is_empty() || !has_entity {
        return Ok(json!(false));
    }
    let id = state.comments.insert(new(state, caller.id, (&module, entity), &text, &values));
    let told = format!("a new comment on {module} {entity}");
    state.notify(project.unwrap_or_default(), caller.id, "comments", id, &told);
    state.mention(&text, caller.id, ("comments", id), entity);
    Ok(json!(true))
}

/// With the names of who wrote it; comments of those who are gone disappear.
fn shown(state: &State, comment: &Row) -> Option<Value> {
    let user = state.users.get(comment.int("userId"))?;
    let columns = ["id", "text", "date", "moduleId", "userId", "commentParent", "status"];
    let mut row = only(comment, &columns);
    row.extend(only(user, &["firstname", "lastname", "profileId"]));
    row.insert("userModified".to_owned(), user.value("modified").clone());
    row.insert("rawDate".to_owned(), comment.value("date").clone());
    Some(Value::Object(row))
}

/// Those without a parent only, unless the parent is -1.
fn get(state: &mut State, caller: &Caller, args: &Row) -> Outcome {
    let (module, entity) = (args.text("module"), args.int("entityId"));
    if let Some(project) = project_of(state, &module, entity) {
        state.demand(caller, project, VIEW)?;
    }
    let parent = args.int("parent");
    let is_meant = |comment: &&Row| {
        comment.text("module") == module
            && comment.int("moduleId") == entity
            && (parent == -1 || comment.int("commentParent") == parent)
    };
    let mut found: Vec<&Row> = state.comments.iter().filter(is_meant).collect();
    found.sort_by_key(|comment| comment.text("date"));
    if args.int("commentOrder") == 0 {
        found.reverse();
    }
    Ok(found.into_iter().filter_map(|comment| shown(state, comment)).collect())
}

fn of_project(state: &mut State, caller: &Caller, args: &Row) -> Outcome {
    let asked = json!({ "module": "project", "entityId": args.int("projectId") });
    let mut comments = get(state, caller, &row(asked.clone()))?;
    for comment in comments.as_array_mut().into_iter().flatten() {
        let mut replies = row(asked.clone());
        replies.insert("parent".to_owned(), comment["id"].clone());
        comment["replies"] = get(state, caller, &replies)?;
    }
    Ok(comments)
}

fn may_change(state: &State, caller: &Caller, id: i64) -> bool {
    let Some(comment) = state.comments.get(id) else { return false };
    let project = project_of(state, &comment.text("module"), comment.int("moduleId"));
    let moderates = |project| state.demand(caller, project, MANAGE).is_ok();
    comment.int("userId") == caller.id || project.map_or(caller.role >= ADMIN, moderates)
}

fn edit(state: &mut State, caller: &Caller, args: &Row) -> Outcome {
    let (id, values) = (args.int("id"), object(args, "values"));
    if !may_change(state, caller, id) {
        return Ok(json!(false));
    }
    let text = values.get("text").ok_or_else(RpcError::server)?;
    if let Some(comment) = state.comments.get_mut(id) {
        comment.insert("text".to_owned(), json!(words(text)));
    }
    Ok(json!(true))
}

fn delete(state: &mut State, caller: &Caller, args: &Row) -> Outcome {
    let id = args.int("commentId");
    let may = may_change(state, caller, id);
    if may {
        state.comments.remove(id);
    }
    Ok(json!(may))
}

/// All of them, always: there is no way to ask for the new ones. The project is that of the ticket
/// and that of the goal with the number that was commented on, whatever it was: one comment may come
/// twice, one on a project may come from elsewhere, or not at all.
fn poll(state: &mut State, caller: &Caller, args: &Row) -> Outcome {
    let (project, entity) = (args.int("projectId"), args.int("moduleId"));
    let sees_all = [ADMIN, MANAGE].contains(&caller.role);
    let is_meant = |home: &Option<i64>| {
        let is_seen = home.is_some_and(|home| {
            let is_for_all = state.project(home, "psettings") == "all";
            is_for_all || state.members.contains_key(&(caller.id, home))
        });
        (is_seen || sees_all) && (project == 0 || *home == Some(project))
    };
    let shown = |comment: &Row, home: Option<i64>| {
        let columns = ["id", "module", "text", "moduleId", "userId", "commentParent", "status"];
        let mut row = only(comment, &columns);
        row.insert("date".to_owned(), iso(comment.value("date")));
        row.insert("projectId".to_owned(), json!(home));
        Value::Object(row)
    };
    let is_on = |comment: &&Row| entity == 0 || comment.int("moduleId") == entity;
    let rows = state.comments.iter().filter(is_on).flat_map(|comment| {
        let number = comment.int("moduleId");
        let homes = ["ticket", "goalcanvasitem"].map(|kind| project_of(state, kind, number));
        let mut homes: Vec<Option<i64>> = homes.into_iter().flatten().map(Some).collect();
        homes.dedup();
        if homes.is_empty() {
            homes.push(None);
        }
        homes.into_iter().filter(is_meant).map(|home| shown(comment, home)).collect::<Vec<_>>()
    });
    Ok(rows.collect())
}
