//! `/board`: one project's tasks in columns by their status, a page of each.

mod add;
mod card;

pub(super) use add::add;

use super::form::address;
use super::shown::{empty, filled, int, list, text};
use super::task::agents;
use super::visit::Visit;
use crate::domain::Value;
use crate::mcp::CallError;
use axum::body::Body;
use axum::extract::Extension;
use axum::http::Response;
use card::Card;
use maud::{Markup, html};
use std::collections::BTreeMap;

/// Cards of a column, and of a column of what is done: those changed last.
const CARDS: i64 = 40;
const CARDS_DONE: i64 = 20;
/// Cards of a column that is looked at alone.
const CARDS_ALONE: i64 = 100;

/// What narrows a board, by its name in the address.
const FILTERS: [&str; 3] = ["assignee", "tag", "text"];

/// What is needed to show a board.
struct Board {
    project: Value,
    projects: Value,
    people: Value,
    claims: BTreeMap<i64, Value>,
}

/// `GET /board`.
pub(super) async fn page(Extension(visit): Extension<Visit>) -> Response<Body> {
    match body(&visit).await {
        Ok(body) => visit.page("Board", &body),
        Err(error) => visit.trouble(&error),
    }
}

impl Board {
    /// The board of this project, or of the first; nothing where there is none.
    async fn read(visit: &Visit, wanted: Option<i64>) -> Result<Option<Self>, CallError> {
        let projects = visit.call("getAllProjects", []).await?;
        let all = list(&projects, "items");
        let found = match wanted {
            Some(wanted) => all.iter().find(|project| int(project, "id") == Some(wanted)),
            None => all.first(),
        };
        let found = match (found.cloned(), wanted) {
            // Of the closed ones only their tasks lead here.
            (None, Some(wanted)) => closed(visit, wanted).await?,
            (found, _) => found,
        };
        let Some(project) = found else { return Ok(None) };
        let people = visit.call_if_allowed("listPeople", []).await?.unwrap_or_default();
        Ok(Some(Self { project, projects, people, claims: BTreeMap::new() }))
    }
}

async fn body(visit: &Visit) -> Result<Markup, CallError> {
    let wanted = visit.query.text("project").parse::<i64>().ok();
    let Some(board) = Board::read(visit, wanted).await? else {
        return Ok(no_project(wanted.is_some()));
    };
    let claims = visit.call_if_allowed("listClaims", []).await?.unwrap_or_default();
    let claims = list(&claims, "items")
        .iter()
        .filter_map(|claim| int(claim, "task").map(|task| (task, claim.clone())));
    let board = Board { claims: claims.collect(), ..board };
    let alone = visit.query.text("column").parse::<i64>().ok();
    let mut columns = Vec::new();
    for status in list(&board.project, "statuses") {
        if alone.is_none_or(|alone| int(status, "id") == Some(alone)) {
            columns.push(column(visit, &board, status, alone.is_some()).await?);
        }
    }
    Ok(html! {
        (filters(visit, &board))
        @if visit.may("addTask") { (add::form(visit, &board)) }
        @if alone.is_some() { p { a href=(here(visit, &board, &[])) { "All columns" } } }
        div.board #live data-live tabindex="0" role="region" aria-label="Columns" {
            @for column in &columns { (column) }
        }
    })
}

/// A project that is not listed any more.
async fn closed(visit: &Visit, wanted: i64) -> Result<Option<Value>, CallError> {
    match visit.call_if_allowed("getProject", [("projectId", wanted.into())]).await {
        Err(error) if error.code == "not_found" => Ok(None),
        found => found,
    }
}

fn no_project(is_wanted: bool) -> Markup {
    let what = if is_wanted { "There is no such project." } else { "There is no project yet." };
    empty(what, &html! { "Add one at a terminal: " code { "rota project add NAME" } "." })
}

/// The address of this board, with the filters that hold and these fields.
fn here(visit: &Visit, board: &Board, more: &[(&str, &str)]) -> String {
    let project = int(&board.project, "id").unwrap_or_default().to_string();
    let mut fields = vec![("project", project.as_str())];
    fields.extend(FILTERS.iter().map(|name| (*name, visit.query.text(name))));
    fields.extend_from_slice(more);
    address("/board", &fields)
}

async fn column(
    visit: &Visit,
    board: &Board,
    status: &Value,
    is_alone: bool,
) -> Result<Markup, CallError> {
    let id = int(status, "id").unwrap_or_default();
    let is_done = text(status, "kind") == "done";
    let (limit, order) = match (is_alone, is_done) {
        (true, false) => (CARDS_ALONE, "priority"),
        (true, true) => (CARDS_ALONE, "modified"),
        (false, true) => (CARDS_DONE, "modified"),
        (false, false) => (CARDS, "priority"),
    };
    let project = int(&board.project, "id").unwrap_or_default();
    let query = &visit.query;
    let args = [
        ("projectIds", project.into()),
        ("status", vec![id].into()),
        ("limit", limit.into()),
        ("order", order.into()),
        ("assignee", query.filled("assignee").into()),
        ("tags", query.filled("tag").into()),
        ("text", query.filled("text").into()),
        ("cursor", query.filled("cursor").filter(|_| is_alone).into()),
    ];
    let found = visit.call("findTasks", args).await?;
    let tasks = list(&found, "items");
    let next = filled(&found, "next");
    let (agents, column) = (agents(&board.people), id.to_string());
    let statuses = list(&board.project, "statuses");
    let back = here(visit, board, &[("column", if is_alone { column.as_str() } else { "" })]);
    let moment = visit.moment();
    let more = [("column", column.as_str()), ("cursor", next.filter(|_| is_alone).unwrap_or(""))];
    Ok(html! {
        section aria-labelledby={ "column-" (id) } data-column=(id) {
            h2 id={ "column-" (id) } {
                (text(status, "label")) " "
                span.number { (tasks.len()) @if next.is_some() { "+" } }
            }
            @if tasks.is_empty() { p.quiet { "No task." } }
            ul {
                @for task in tasks {
                    @let claim = int(task, "id").and_then(|id| board.claims.get(&id));
                    (Card { task, claim, agents: &agents, statuses, back: &back }.shown(visit, &moment))
                }
            }
            @if next.is_some() { p { a href=(here(visit, board, &more)) { "More of " (text(status, "label")) } } }
        }
    })
}

fn filters(visit: &Visit, board: &Board) -> Markup {
    let query = &visit.query;
    let project = int(&board.project, "id");
    let assignee = query.text("assignee");
    html! {
        form.filters method="get" action="/board" {
            div {
                label for="project" { "Project" }
                select #project name="project" {
                    @for own in list(&board.projects, "items") {
                        @let id = int(own, "id");
                        option value=(id.unwrap_or_default()) selected[id == project] { (text(own, "name")) }
                    }
                    @if !list(&board.projects, "items").iter().any(|own| int(own, "id") == project) {
                        option value=(project.unwrap_or_default()) selected { (text(&board.project, "name")) " (closed)" }
                    }
                }
            }
            div {
                label for="assignee" { "Assigned to" }
                select #assignee name="assignee" {
                    @for (value, word) in [("", "anybody"), ("me", "me"), ("none", "nobody"), ("agent", "agents"), ("person", "people")] {
                        option value=(value) selected[value == assignee] { (word) }
                    }
                    @for person in list(&board.people, "items") {
                        @let name = text(person, "name");
                        option value=(name) selected[name == assignee] { (name) }
                    }
                }
            }
            div {
                label for="tag" { "Tag" }
                input #tag name="tag" size="12" value=(query.text("tag"));
            }
            div {
                label for="text" { "Text" }
                input #text type="search" name="text" size="16" value=(query.text("text"));
            }
            button type="submit" { "Show" }
        }
    }
}
