//! What waits for a person: for whoever looks first, and then for others.

use super::SHOWN_MAX;
use crate::domain::Value;
use crate::mcp::CallError;
use crate::web::pages::form::address;
use crate::web::pages::shown::{Moment, empty, filled, list, none, section, section_with, text};
use crate::web::pages::visit::Visit;
use maud::{Markup, html};

/// Both parts.
pub(super) async fn shown(visit: &Visit, moment: &Moment) -> Result<Markup, CallError> {
    let answered = visit.call("listReviews", []).await?;
    let items = list(&answered, "items");
    if items.is_empty() {
        let nothing = empty(
            "Nothing waits.",
            &html! {
                "Agents hand their work over to people; it stands here then, and in "
                a href="/review" { "Review" } "."
            },
        );
        return Ok(section("waiting", "Waits for a person", &nothing, &[]));
    }
    let is_theirs = |item: &&Value| filled(item, "owner") == Some(visit.name());
    let (own, others): (Vec<&Value>, Vec<&Value>) = items.iter().partition(is_theirs);
    let rows = |items: &[&Value]| -> Vec<Markup> {
        items.iter().take(SHOWN_MAX).map(|item| row(visit, moment, item)).collect()
    };
    let below = html! {
        @if visit.may("findTasks") {
            p.quiet { a href=(address("/board", &[("assignee", "me")])) { "Tasks assigned to you" } }
        }
    };
    let nothing = none("Nothing of it waits for you.");
    let all = html! { p.quiet { a href="/review" { (items.len()) " in all" } } };
    Ok(html! {
        (section_with("waiting-you", "Waits for you", &nothing, &rows(&own), &below))
        @if !others.is_empty() {
            (section_with("waiting", "Waits for others, or for anybody", &none(""), &rows(&others), &all))
        }
    })
}

fn row(visit: &Visit, moment: &Moment, item: &Value) -> Markup {
    let name = text(item, "item");
    html! {
        a href={ "/review#item-" (name.replace(':', "-")) } {
            (filled(item, "headline").unwrap_or(name))
        }
        p.facts {
            span { (text(item, "kind").replace('_', " ")) }
            @if let Some(owner) = filled(item, "owner") {
                span.yours[owner == visit.name()] { "for " (owner) }
            }
            span { "since " (moment.when(text(item, "since"))) }
        }
    }
}
