//! `/runs/…`: one run: how it went, what it wrote, what it was told and what it said.

use super::{evidence, timeline};
use crate::domain::Value;
use crate::web::pages::shown::{Moment, chip, exact, filled, int, number, object, prose, text};
use crate::web::pages::visit::Visit;
use axum::body::Body;
use axum::extract::{Extension, Path};
use axum::http::Response;
use maud::{Markup, html};

/// `GET /runs/{id}`.
pub(in crate::web::pages) async fn page(
    Extension(visit): Extension<Visit>,
    Path(id): Path<String>,
) -> Response<Body> {
    let before = visit.query.text("before").parse::<i64>().ok().filter(|before| *before > 0);
    let args = [
        ("run", Value::from(id)),
        ("lines", timeline::LINES.into()),
        ("before", before.into()),
        ("effects", timeline::WRITES.into()),
    ];
    match visit.call("showRun", args).await {
        Ok(record) => {
            let run = record.get("run").cloned().unwrap_or_default();
            let title = format!("Run of {}", text(&run, "playbook"));
            visit.page(&title, &body(&visit, &run, &record, before))
        }
        Err(error) => visit.trouble(&error),
    }
}

/// `POST /runs/{id}/stop`.
pub(in crate::web::pages) async fn stop(
    Extension(visit): Extension<Visit>,
    Path(id): Path<String>,
) -> Response<Body> {
    let done = visit.call("stopRun", [("run", id.as_str().into())]).await;
    visit.done(&at(&id), done.map(|_| "The run has stopped; its task is handed back.".to_owned()))
}

/// Where a run is shown.
pub(super) fn at(id: &str) -> String {
    let is_name = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if is_name { format!("/runs/{id}") } else { "/runs".to_owned() }
}

fn body(visit: &Visit, run: &Value, record: &Value, before: Option<i64>) -> Markup {
    let moment = visit.moment();
    let is_running = text(run, "state") == "running";
    html! {
        div.split #live data-live=[is_running.then_some(text(run, "id"))] {
            div {
                @if let Some(said) = filled(run, "summary") {
                    section aria-labelledby="summary" { h2 #summary { "What came of it" } (prose(said)) }
                }
                section aria-labelledby="timeline" {
                    h2 #timeline { "Timeline" }
                    (timeline::shown(&moment, record, before))
                }
            }
            div {
                (facts(&moment, run))
                @if !is_running { (evidence::shown(record)) }
                (deeds(visit, run, int(record, "writes").unwrap_or(0)))
            }
        }
        (told(record))
    }
}

fn facts(moment: &Moment, run: &Value) -> Markup {
    let usage = object(run, "usage").cloned().unwrap_or_default();
    let used = |name: &str| int(&usage, name).unwrap_or(0);
    html! {
        section aria-labelledby="facts" {
            h2 #facts { "Facts" }
            dl {
                dt { "Run" } dd { code { (text(run, "id")) } }
                dt { "State" }
                dd { (chip(text(run, "state"))) @if let Some(reason) = filled(run, "reason") { " " code { (reason) } } }
                @if let Some(detail) = filled(run, "detail") { dt { "More" } dd { (detail) } }
                @if let Some(outcome) = filled(run, "outcome") { dt { "Outcome" } dd { (outcome) } }
                dt { "Playbook" } dd { a href={ "/playbooks/" (text(run, "playbook")) } { (text(run, "playbook")) } }
                @if let Some(task) = int(run, "task") { dt { "Task" } dd { a href={ "/task/" (task) } { "#" (task) } } }
                @if let Some(by) = object(run, "by") { dt { "Worked by" } dd { (text(by, "agent")) " " (text(by, "model")) } }
                dt { "Began" } dd { (moment.when(text(run, "started"))) }
                dt { "Took" } dd { (moment.between(text(run, "started"), text(run, "ended"))) }
                dt { "Attempt" } dd { (int(run, "attempt").unwrap_or(1)) }
                @if let Some(fence) = int(run, "fence") { dt { "Fence" } dd { (fence) } }
                dt { "Turns" } dd { (used("turns")) }
                dt { "Tokens" } dd { (number(used("tokens_in"))) " in, " (number(used("tokens_out"))) " out" }
                dt { "Cost" } dd { (exact(used("cost_micros"))) }
                dt { "Woken by" } dd { code { (text(run, "occurrence")) } }
            }
        }
    }
}

/// What can be done about it.
fn deeds(visit: &Visit, run: &Value, writes: i64) -> Markup {
    let id = text(run, "id");
    let is_running = text(run, "state") == "running";
    html! {
        @if is_running && visit.may("stopRun") {
            section aria-labelledby="stop" {
                h2 #stop { "Step in" }
                form method="post" action={ (at(id)) "/stop" } {
                    (visit.seal())
                    p.quiet { "Its task is handed back as it was." }
                    button.danger type="submit" { "Stop this run" }
                }
            }
        }
        @if !is_running && text(run, "state") != "waiting" && writes > 0 && visit.may("undoRun") {
            section aria-labelledby="undo" {
                h2 #undo { "Undo" }
                p.quiet { "What somebody else changed since stays as it is. Nothing is done before you have seen what would be." }
                a href={ (at(id)) "/undo" } { "See what undoing would do" }
            }
        }
    }
}

/// What it was told, and by which definition it worked.
fn told(record: &Value) -> Markup {
    html! {
        @for (name, title) in [("prompt", "What it was told"), ("definition", "The playbook as it ran")] {
            @if let Some(said) = filled(record, name) {
                section { details { summary { (title) } pre { (said) } } }
            }
        }
    }
}
