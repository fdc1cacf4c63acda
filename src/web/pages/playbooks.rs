//! `/playbooks`: who wakes when, what came of it, and the switches.

mod acts;
mod history;
mod one;
mod rehearsal;
mod strip;

pub(super) use acts::act;
pub(super) use one::page as one;
pub(super) use rehearsal::page as rehearse;

use super::shown::{Moment, chip, empty, filled, is, list, table, text};
use super::visit::Visit;
use crate::domain::Value;
use axum::body::Body;
use axum::extract::Extension;
use axum::http::Response;
use maud::{Markup, html};

/// `GET /playbooks`.
pub(super) async fn page(Extension(visit): Extension<Visit>) -> Response<Body> {
    match visit.call("listPlaybooks", []).await {
        Ok(books) => visit.page("Playbooks", &body(&visit, &books)),
        Err(error) => visit.trouble(&error),
    }
}

/// Whether it starts by itself.
pub(super) fn state(book: &Value) -> &'static str {
    match (is(book, "paused"), is(book, "armed")) {
        (true, _) => "paused",
        (false, true) => "armed",
        (false, false) => "not armed",
    }
}

fn body(visit: &Visit, books: &Value) -> Markup {
    let moment = visit.moment();
    let faults = list(books, "faults");
    let rows: Vec<Markup> = list(books, "items").iter().map(|book| row(&moment, book)).collect();
    html! {
        @if !faults.is_empty() {
            div.alarm.bad role="alert" {
                p { strong { "Some files have faults" } "; of those the last good version is in force." }
                @for fault in faults { pre { (fault) } }
            }
        }
        @if rows.is_empty() {
            (empty("There is no playbook yet.", &html! {
                "A playbook is a small TOML file in the folder " code { "agents" } "; "
                code { "rota init" } " writes some to begin with."
            }))
        } @else {
            (table("List of playbooks", &HEADS, &[], &rows))
        }
    }
}

/// What is told of each.
const HEADS: [&str; 6] = ["Playbook", "State", "Next", "Agent", "Works by", "What it is for"];

fn row(moment: &Moment, book: &Value) -> Markup {
    let name = text(book, "name");
    html! {
        td { a href={ "/playbooks/" (name) } { (name) } }
        td { (chip(state(book))) }
        td { @if let Some(next) = filled(book, "next") { (moment.when(next)) } @else { "–" } }
        td { (text(book, "agent")) }
        td { (text(book, "runner")) }
        td { (text(book, "description")) }
    }
}
