//! What happened at a task, and why an agent takes it or does not.

use super::Facts;
use crate::domain::Value;
use crate::web::pages::shown::{Moment, chip, filled, int, list, somebody, text};
use maud::{Markup, html};

/// So many of the last decisions are shown.
const DECISIONS_MAX: usize = 12;

/// The runs at it.
pub(super) fn runs(facts: &Facts, moment: &Moment) -> Markup {
    let runs = list(&facts.why, "runs");
    html! {
        section aria-labelledby="runs" {
            h2 #runs { "Runs" }
            @if runs.is_empty() { p.quiet { "No agent has worked at it." } }
            ul.rows {
                @for run in runs {
                    li {
                        p.facts {
                            (chip(text(run, "state")))
                            a href={ "/runs/" (text(run, "id")) } { (text(run, "playbook")) }
                            (moment.when(text(run, "started")))
                        }
                        @if let Some(said) = filled(run, "detail") { p.line { (said) } }
                    }
                }
            }
        }
    }
}

/// What each playbook says of it now, and what was decided last.
pub(super) fn why(facts: &Facts, moment: &Moment) -> Markup {
    let (now, decisions) = (list(&facts.why, "now"), list(&facts.why, "decisions"));
    html! {
        section aria-labelledby="why" {
            h2 #why { "Why" }
            @if now.is_empty() { p.quiet { "No playbook takes tasks." } }
            ul.rows {
                @for line in now {
                    li {
                        p.facts {
                            a href={ "/playbooks/" (text(line, "playbook")) } { (text(line, "playbook")) }
                            code { (text(line, "reason")) }
                        }
                        p.line { (text(line, "text")) (more(line)) }
                    }
                }
            }
            @if !decisions.is_empty() {
                details {
                    summary { "What was decided before" }
                    ul.rows {
                        @for line in decisions.iter().take(DECISIONS_MAX) {
                            li {
                                p.facts {
                                    (moment.when(text(line, "at")))
                                    span { (text(line, "playbook")) }
                                    code { (text(line, "reason")) }
                                }
                                p.line { (text(line, "text")) (more(line)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Field by field, latest first.
pub(super) fn activity(facts: &Facts, moment: &Moment) -> Markup {
    let rows = list(&facts.activity, "items");
    html! {
        section aria-labelledby="activity" {
            h2 #activity { "Activity" }
            @if rows.is_empty() { p.quiet { "Nothing has changed yet." } }
            ul.rows {
                @for row in rows {
                    @let actor = filled(row, "actor_name").unwrap_or("somebody");
                    li {
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
                }
            }
        }
    }
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
    name.unwrap_or_else(|| short(value))
}

/// The beginning of a long text.
fn short(text: &str) -> String {
    let mut chars = text.chars();
    let mut cut: String = chars.by_ref().take(120).collect();
    if chars.next().is_some() {
        cut.push('…');
    }
    cut
}
