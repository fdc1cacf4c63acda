//! What happened at a task, and why an agent takes it or does not.

use super::Facts;
use crate::domain::Value;
use crate::web::pages::shown::{
    Moment, beginning, filled, int, list, none, run_row, section, section_with, somebody, text,
};
use maud::{Markup, html};

/// So many of the last decisions are shown.
const DECISIONS_MAX: usize = 12;

/// The runs at it.
pub(super) fn runs(facts: &Facts, moment: &Moment) -> Markup {
    let runs = list(&facts.why, "runs").iter();
    let rows = runs.map(|run| run_row(moment, run, "playbook", "started"));
    section("runs", "Runs", &none("No agent has worked at it."), &rows.collect::<Vec<_>>())
}

/// What each playbook says of it now, and what was decided last.
pub(super) fn why(facts: &Facts, moment: &Moment) -> Markup {
    let (now, decisions) = (list(&facts.why, "now"), list(&facts.why, "decisions"));
    let line_of = |line: &Value, first: &Markup| {
        html! {
            p.facts { (first) code { (text(line, "reason")) } }
            p.line { (text(line, "text")) (more(line)) }
        }
    };
    let rows = now.iter().map(|line| {
        let playbook = text(line, "playbook");
        line_of(line, &html! { a href={ "/playbooks/" (playbook) } { (playbook) } })
    });
    let before = decisions.iter().take(DECISIONS_MAX).map(|line| {
        let first = html! { (moment.when(text(line, "at"))) span { (text(line, "playbook")) } };
        line_of(line, &first)
    });
    let below = html! {
        @if !decisions.is_empty() {
            details {
                summary { "What was decided before" }
                ul.rows { @for row in before { li { (row) } } }
            }
        }
    };
    let rows: Vec<Markup> = rows.collect();
    section_with("why", "Why", &none("No playbook takes tasks."), &rows, &below)
}

/// Field by field, latest first.
pub(super) fn activity(facts: &Facts, moment: &Moment) -> Markup {
    let rows = list(&facts.activity, "items").iter().map(|row| {
        let actor = filled(row, "actor_name").unwrap_or("somebody");
        html! {
            p.facts {
                (somebody(actor, facts.is_agent(actor)))
                (moment.when(text(row, "at")))
                @if let Some(run) = filled(row, "run") { a href={ "/runs/" (run) } { "run" } }
            }
            p.line {
                (text(row, "field")) ": "
                span.from { (shown(facts, row, "before")) } " → " (shown(facts, row, "after"))
            }
        }
    });
    let rows: Vec<Markup> = rows.collect();
    section("activity", "Activity", &none("Nothing has changed yet."), &rows)
}

/// The particulars of a decision.
fn more(line: &Value) -> String {
    filled(line, "detail").map(|detail| format!(": {detail}")).unwrap_or_default()
}

/// A value of a change, with the name of what it numbers.
fn shown(facts: &Facts, row: &Value, side: &str) -> String {
    let value = text(row, side);
    let named = |all: &Value, name: &str| {
        let number = value.parse::<i64>().ok()?;
        let found = list(all, "items").iter().find(|own| int(own, "id") == Some(number))?;
        Some(text(found, name).to_owned())
    };
    let name = match text(row, "field") {
        "assignee" | "author" => named(&facts.people, "name"),
        "status" => named(&facts.statuses, "label"),
        _ => None,
    };
    name.unwrap_or_else(|| beginning(value, 120))
}
