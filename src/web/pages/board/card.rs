//! A task as a card: what it is, whose it is, who works at it and for how long yet.

use crate::domain::Value;
use crate::web::pages::shown::{Moment, filled, int, list, object, somebody, text};
use crate::web::pages::visit::Visit;
use maud::{Markup, html};
use std::collections::BTreeSet;

/// A card.
pub(super) struct Card<'a> {
    pub task: &'a Value,
    pub claim: Option<&'a Value>,
    pub agents: &'a BTreeSet<&'a str>,
    pub statuses: &'a [Value],
    /// Where whoever moves it comes back to.
    pub back: &'a str,
}

impl Card<'_> {
    pub(super) fn shown(&self, visit: &Visit, moment: &Moment) -> Markup {
        let task = self.task;
        let id = int(task, "id").unwrap_or_default();
        let may_move = visit.may("editTask");
        html! {
            li.held[self.claim.is_some()] data-card=(id) draggable=[may_move.then_some("true")] {
                a href={ "/task/" (id) } { span.number { "#" (id) } " " (text(task, "headline")) }
                p.facts {
                    @if let Some(name) = filled(task, "assignee_name") {
                        (somebody(name, self.agents.contains(name)))
                    }
                    @if let Some(priority) = int(task, "priority") { span { "priority " (priority) } }
                    @if let Some(due) = filled(task, "due_day") { span { "due " (due) } }
                    @for tag in list(task, "tags").iter().take(6) { span.tag { (tag) } }
                }
                @if let Some(claim) = self.claim { (held(claim, moment)) }
                @if may_move { (self.mover(visit, id)) }
            }
        }
    }

    /// Another status: by keyboard, by mouse, without a script.
    fn mover(&self, visit: &Visit, id: i64) -> Markup {
        let status = int(self.task, "status");
        html! {
            form.move method="post" action={ "/task/" (id) "/move" } data-move {
                (visit.seal())
                input type="hidden" name="back" value=(self.back);
                select name="status" aria-label={ "Status of #" (id) } {
                    @for own in self.statuses {
                        @let own_id = int(own, "id");
                        option value=(own_id.unwrap_or_default()) selected[own_id == status] { (text(own, "label")) }
                    }
                }
                button type="submit" aria-label={ "Move #" (id) } { "Move" }
            }
        }
    }
}

fn held(claim: &Value, moment: &Moment) -> Markup {
    let by = object(claim, "assistant").map_or(text(claim, "playbook"), |by| text(by, "name"));
    html! {
        p.facts {
            span.yours { (text(claim, "phase")) }
            a href={ "/runs/" (text(claim, "run")) } { (by) }
            @if let Some(left) = claim.get("lease_ends").and_then(|ends| moment.left(ends)) {
                span { (left) " left" }
            }
        }
    }
}
