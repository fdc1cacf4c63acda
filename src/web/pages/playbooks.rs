//! `/playbooks`: who wakes when, what came of it, and the switches.

mod acts;
mod history;
mod one;
mod rehearsal;
mod strip;

pub(super) use acts::act;
pub(super) use one::page as one;
pub(super) use rehearsal::page as rehearse;

use super::shown::{chip, empty, filled, is, list, text};
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
    let (items, faults) = (list(books, "items"), list(books, "faults"));
    html! {
        @if !faults.is_empty() {
            div.alarm.bad role="alert" {
                p { strong { "Some files have faults" } "; of those the last good version is in force." }
                @for fault in faults { pre { (fault) } }
            }
        }
        @if items.is_empty() {
            (empty("There is no playbook yet.", &html! {
                "A playbook is a small TOML file in the folder " code { "agents" } "; "
                code { "rota init" } " writes some to begin with."
            }))
        } @else {
            div.scroll tabindex="0" role="region" aria-label="List of playbooks" {
                table {
                    thead {
                        tr {
                            th scope="col" { "Playbook" } th scope="col" { "State" } th scope="col" { "Next" }
                            th scope="col" { "Agent" } th scope="col" { "Works by" } th scope="col" { "What it is for" }
                        }
                    }
                    tbody {
                        @for book in items {
                            @let name = text(book, "name");
                            tr {
                                td { a href={ "/playbooks/" (name) } { (name) } }
                                td { (chip(state(book))) }
                                td { @if let Some(next) = filled(book, "next") { (moment.when(next)) } @else { "–" } }
                                td { (text(book, "agent")) }
                                td { (text(book, "runner")) }
                                td { (text(book, "description")) }
                            }
                        }
                    }
                }
            }
        }
    }
}
