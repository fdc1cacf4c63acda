//! What happened at a task, and why an agent takes it or does not.

use super::Facts;
use crate::web::pages::shown::{Moment, chip, filled, list, somebody, text};
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
                        p.line { (text(line, "text")) " " (text(line, "detail")) }
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
                                p.line { (text(line, "text")) " " (text(line, "detail")) }
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
                            span.from { (short(text(row, "before"))) } " → " (short(text(row, "after")))
                        }
                    }
                }
            }
        }
    }
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
