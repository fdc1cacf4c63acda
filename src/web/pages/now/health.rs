//! What `rota doctor` finds wrong. It asks servers, so it comes after the page, and again from time to time.

use crate::domain::Value;
use crate::mcp::CallError;
use crate::web::pages::shown::{chip, list, text};
use crate::web::pages::visit::Visit;
use maud::{Markup, html};

/// Where it is looked at.
const LOOK: &str = "/?look=health";
/// What stands among the alarms already.
const TOLD: [&str; 3] = ["emergency stop", "messages", "playbooks"];

/// Whether it is this alone that is asked for.
pub(super) fn is_asked_for(visit: &Visit) -> bool {
    visit.query.text("look") == "health"
}

/// Its place in the page, until it comes.
pub(super) fn later(visit: &Visit) -> Markup {
    html! {
        @if visit.may("getHealth") {
            div #doctor data-later=(LOOK) { p.quiet { a href=(LOOK) { "See whether all is well" } } }
        }
    }
}

/// What was found.
pub(super) async fn looked(visit: &Visit) -> Result<Markup, CallError> {
    let found = visit.call("getHealth", []).await?;
    let is_wrong = |finding: &&Value| {
        text(finding, "health") != "ok" && !TOLD.contains(&text(finding, "what"))
    };
    let wrong: Vec<&Value> = list(&found, "items").iter().filter(is_wrong).collect();
    let is_bad = wrong.iter().any(|finding| text(finding, "health") == "fail");
    Ok(html! {
        div #doctor data-again=(LOOK) {
            @if wrong.is_empty() {
                p.quiet { "All is well, as far as " a href="/settings?look=health" { "can be seen" } "." }
            } @else {
                div.alarm.bad[is_bad].wait[!is_bad] role="alert" {
                    ul.rows {
                        @for finding in &wrong {
                            li {
                                p { (chip(text(finding, "health"))) " " strong { (text(finding, "what")) } ": " (text(finding, "found")) }
                                p { (text(finding, "advice")) }
                            }
                        }
                    }
                    p { a href="/settings?look=health" { "All that was looked at" } }
                }
            }
        }
    })
}
