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
    Ok(told(&visit.call("getHealth", []).await?))
}

fn told(found: &Value) -> Markup {
    let found: Vec<&Value> =
        list(found, "items").iter().filter(|finding| text(finding, "health") != "ok").collect();
    let is_told = |finding: &Value| TOLD.contains(&text(finding, "what"));
    let wrong: Vec<&Value> = found.iter().copied().filter(|finding| !is_told(finding)).collect();
    let is_bad = wrong.iter().any(|finding| text(finding, "health") == "fail");
    // What stands among the alarms, or is too little for one, is not well all the same.
    let nothing = if found.is_empty() { "All is well" } else { "Nothing else is wrong" };
    html! {
        div #doctor data-again=(LOOK) {
            @if wrong.is_empty() {
                p.quiet { (nothing) ", as far as " a href="/settings?look=health" { "can be seen" } "." }
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
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_is_well_only_where_nothing_is_wrong_that_stands_elsewhere() {
        let told = |findings: &[(&str, &str)]| {
            let items = findings.iter().map(|(what, health)| {
                Value::map([("what", *what), ("health", *health), ("found", "so it is")])
            });
            told(&Value::map([("items", Value::List(items.collect()))])).into_string()
        };
        let well = told(&[("board", "ok"), ("messages", "ok")]);
        assert!(well.contains("All is well") && !well.contains("Nothing else"), "{well}");
        let queued = told(&[("board", "ok"), ("messages", "warn")]);
        assert!(queued.contains("Nothing else is wrong, as far"), "{queued}");
        assert!(!queued.contains("All is well") && !queued.contains("so it is"), "{queued}");
        let broken = told(&[("board", "fail"), ("messages", "warn")]);
        assert_eq!(broken.matches("so it is").count(), 1, "{broken}");
        assert!(!broken.contains("well") && !broken.contains("Nothing else"), "{broken}");
    }
}
