//! `/runs`: what agents did. One run, as a timeline, is in `one`.

mod evidence;
mod one;
mod timeline;
mod undo;

pub(super) use one::{page as one, stop};
pub(super) use undo::{page as undo, undo as put_back};

use super::form::address;
use super::shown::{Moment, beginning, chip, empty, filled, int, list, money, object, table, text};
use super::visit::Visit;
use crate::domain::Value;
use crate::mcp::CallError;
use axum::body::Body;
use axum::extract::Extension;
use axum::http::Response;
use maud::{Markup, html};

/// The states of runs, as they are asked for.
const STATES: [&str; 13] = [
    "running",
    "succeeded",
    "nothing_to_do",
    "refused",
    "failed",
    "timed_out",
    "stalled",
    "yielded",
    "claim_lost",
    "unverified",
    "waiting",
    "interrupted",
    "cancelled",
];
/// How many are shown: a page more each time.
const PAGE: i64 = 50;
/// No more are shown.
const SHOWN_MAX: i64 = 500;

/// `GET /runs`.
pub(super) async fn page(Extension(visit): Extension<Visit>) -> Response<Body> {
    match body(&visit).await {
        Ok(body) => visit.page("Runs", &body),
        Err(error) => visit.trouble(&error),
    }
}

async fn body(visit: &Visit) -> Result<Markup, CallError> {
    let query = &visit.query;
    let limit = query.text("limit").parse::<i64>().unwrap_or(PAGE).clamp(1, SHOWN_MAX);
    let task = query.text("task").trim_start_matches('#').parse::<i64>().ok();
    let args = [
        ("playbook", query.filled("playbook").into()),
        ("state", query.filled("state").into()),
        ("task", task.into()),
        ("limit", limit.into()),
    ];
    let answered = visit.call("listRuns", args).await?;
    let books = visit.call_if_allowed("listPlaybooks", []).await?.unwrap_or_default();
    let runs = list(&answered, "items");
    let moment = visit.moment();
    // Those that are not theirs are left out of the page.
    let is_full = filled(&answered, "next").is_some() && limit < SHOWN_MAX;
    Ok(html! {
        (filters(visit, &books))
        div #live data-live {
            @if runs.is_empty() {
                (empty("No run fits.", &html! {
                    "Runs stand here when a playbook has woken. Try one by hand, without changing anything: "
                    a href="/playbooks" { "Playbooks" } "."
                }))
            } @else {
                (listed(&moment, runs))
            }
        }
        @if is_full {
            @let more = (limit + PAGE).to_string();
            p {
                a href=(address("/runs", &[
                    ("playbook", query.text("playbook")),
                    ("state", query.text("state")),
                    ("task", query.text("task")),
                    ("limit", &more),
                ])) { "Show more" }
            }
        }
    })
}

fn filters(visit: &Visit, books: &Value) -> Markup {
    let query = &visit.query;
    let (playbook, state) = (query.text("playbook"), query.text("state"));
    html! {
        form.filters method="get" action="/runs" {
            div {
                label for="playbook" { "Playbook" }
                select #playbook name="playbook" {
                    option value="" { "all" }
                    @for book in list(books, "items") {
                        @let name = text(book, "name");
                        option value=(name) selected[name == playbook] { (name) }
                    }
                }
            }
            div {
                label for="state" { "State" }
                select #state name="state" {
                    option value="" { "all" }
                    @for word in STATES {
                        option value=(word) selected[word == state] { (word.replace('_', " ")) }
                    }
                }
            }
            div {
                label for="task" { "Task" }
                input #task name="task" inputmode="numeric" size="6" value=(query.text("task"));
            }
            button type="submit" { "Show" }
        }
    }
}

fn listed(moment: &Moment, runs: &[Value]) -> Markup {
    let heads = ["Run", "Playbook", "Task", "State", "Began", "Took", "Cost", "What came of it"];
    let rows: Vec<Markup> = runs.iter().map(|run| row(moment, run)).collect();
    table("List of runs", &heads, &[6], &rows)
}

fn row(moment: &Moment, run: &Value) -> Markup {
    let id = text(run, "id");
    let cost = object(run, "usage").and_then(|usage| int(usage, "cost_micros")).unwrap_or(0);
    let said = filled(run, "summary").or_else(|| filled(run, "detail")).unwrap_or_default();
    html! {
        td { a href={ "/runs/" (id) } { code { (id) } } }
        td { a href={ "/playbooks/" (text(run, "playbook")) } { (text(run, "playbook")) } }
        td { @if let Some(task) = int(run, "task") { a href={ "/task/" (task) } { "#" (task) } } }
        td { (chip(text(run, "state"))) }
        td { (moment.when(text(run, "started"))) }
        td { (moment.between(text(run, "started"), text(run, "ended"))) }
        td.amount { @if cost > 0 { (money(cost, "")) } }
        td { (beginning(said, 160)) }
    }
}
