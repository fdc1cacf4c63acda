//! `/playbooks/…`: how one stands, when it wakes, what came of each occurrence.

use super::state;
use crate::domain::Value;
use crate::mcp::CallError;
use crate::web::pages::form::address;
use crate::web::pages::review::rights;
use crate::web::pages::shown::{Moment, chip, filled, int, is, list, text};
use crate::web::pages::visit::Visit;
use axum::body::Body;
use axum::extract::{Extension, Path};
use axum::http::Response;
use maud::{Markup, html};

/// So many coming occurrences are shown.
const COMING: i64 = 10;
/// So many runs.
const RUNS: i64 = 10;

/// `GET /playbooks/{name}`.
pub(in crate::web::pages) async fn page(
    Extension(visit): Extension<Visit>,
    Path(name): Path<String>,
) -> Response<Body> {
    match body(&visit, &name).await {
        Ok(body) => visit.page(&name, &body),
        Err(error) => visit.trouble(&error),
    }
}

async fn body(visit: &Visit, name: &str) -> Result<Markup, CallError> {
    let books = visit.call("listPlaybooks", []).await?;
    let book = list(&books, "items").iter().find(|book| text(book, "name") == name);
    let Some(book) = book else {
        let message = "there is no playbook of this name; the list of all is under Playbooks";
        return Err(CallError::of("not_found", message));
    };
    let why = visit.call("whyNot", [("subject", name.into())]).await?;
    let next = [("playbook", name.into()), ("count", COMING.into())];
    let next = visit.call("nextOccurrences", next).await?;
    let runs = visit.call("listRuns", [("playbook", name.into()), ("limit", RUNS.into())]).await?;
    // The definition as it ran last: a tool tells it of runs only.
    let ran = list(&runs, "items").first().map(|run| text(run, "id").to_owned());
    let definition = match ran {
        Some(run) => visit.call("showRun", [("run", run.into())]).await?,
        None => Value::Null,
    };
    let moment = visit.moment();
    Ok(html! {
        p { (text(book, "description")) }
        div.split {
            div {
                (coming(&moment, &next))
                (history(&moment, &why))
                (runs_of(&moment, name, &runs))
            }
            div {
                (standing(book, &why, &moment))
                (switches(visit, book))
                @if let Some(source) = filled(&definition, "definition") {
                    section { details { summary { "The playbook as it ran last" } pre { (source) } } }
                }
            }
        }
    })
}

fn standing(book: &Value, why: &Value, moment: &Moment) -> Markup {
    html! {
        section aria-labelledby="standing" {
            h2 #standing { "How it stands" }
            dl {
                dt { "State" } dd { (chip(state(book))) }
                dt { "Agent" } dd { (text(book, "agent")) }
                dt { "Works by" } dd { (text(book, "runner")) }
                @if let Some(next) = filled(book, "next") { dt { "Next" } dd { (moment.when(next)) } }
                dt { "File" } dd { code { (text(book, "path")) } }
            }
            ul.rows {
                @for line in list(why, "now") {
                    li { p.facts { code { (text(line, "reason")) } } p.line { (text(line, "text")) } }
                }
            }
        }
    }
}

fn switches(visit: &Visit, book: &Value) -> Markup {
    let name = text(book, "name");
    let (is_armed, is_paused) = (is(book, "armed"), is(book, "paused"));
    let acts = [
        ("arm", "Arm", "armPlaybook", !is_armed),
        ("pause", "Pause", "pausePlaybook", !is_paused),
        ("resume", "Resume", "resumePlaybook", is_paused),
    ];
    html! {
        section aria-labelledby="step-in" {
            h2 #step-in { "Step in" }
            @if !is_armed && visit.may("armPlaybook") {
                p.quiet { "Arming accepts its triggers and rights as they stand: then it starts by itself." }
                (rights(book))
            }
            div.actions {
                @for (act, word, tool, is_meant) in acts {
                    @if is_meant && visit.may(tool) {
                        form method="post" action={ "/playbooks/" (name) } {
                            (visit.seal())
                            @if act == "arm" {
                                input type="hidden" name="definition" value=(text(book, "definition"));
                            }
                            button type="submit" name="act" value=(act) { (word) }
                        }
                    }
                }
            }
            @if visit.may("runPlaybook") {
                form method="post" action={ "/playbooks/" (name) } {
                    (visit.seal())
                    label for="task" { "Only this task (may be left out)" } " "
                    input #task name="task" inputmode="numeric" size="8";
                    div.actions { button.primary type="submit" name="act" value="run" { "Run it now" } }
                    p.quiet {
                        "To see what it would do without changing anything: "
                        code { "rota run-once " (name) " --dry-run" }
                    }
                }
            }
        }
    }
}

fn coming(moment: &Moment, next: &Value) -> Markup {
    let items = list(next, "items");
    html! {
        section aria-labelledby="coming" {
            h2 #coming { "Coming" }
            @if items.is_empty() { p.quiet { "It has no clock: it wakes on changes of the board, or by hand." } }
            ul.rows {
                @for item in items {
                    li {
                        p.facts { (moment.when(text(item, "planned"))) span { (text(item, "local")) } }
                        @if let Some(note) = filled(item, "note") { p.line { (note) } }
                    }
                }
            }
        }
    }
}

/// Every occurrence ends as ran or as skipped, with a reason.
fn history(moment: &Moment, why: &Value) -> Markup {
    let occurrences = list(why, "occurrences");
    html! {
        section aria-labelledby="history" {
            h2 #history { "What came of the last occurrences" }
            @if occurrences.is_empty() { p.quiet { "It has not woken yet." } }
            ul.rows {
                @for occurrence in occurrences {
                    @let (word, reason, runs) = outcome(occurrence);
                    li {
                        p.facts {
                            (moment.when(text(occurrence, "planned")))
                            (chip(word))
                            @if !reason.is_empty() { code { (reason) } }
                            span { "woken by " (text(occurrence, "trigger")) }
                            @for run in runs { a href={ "/runs/" (run) } { (run) } }
                        }
                    }
                }
            }
        }
    }
}

/// `{"ran": {"runs": […], "reason": …}}`, or a word.
fn outcome(occurrence: &Value) -> (&str, &str, &[Value]) {
    let Some(state) = occurrence.get("state") else { return ("", "", &[]) };
    match state.as_map().and_then(|state| state.iter().next()) {
        Some((word, rest)) => (word, text(rest, "reason"), list(rest, "runs")),
        None => (state.as_text().unwrap_or_default(), "", &[]),
    }
}

fn runs_of(moment: &Moment, name: &str, runs: &Value) -> Markup {
    let items = list(runs, "items");
    html! {
        section aria-labelledby="runs" {
            h2 #runs { "Runs" }
            @if items.is_empty() { p.quiet { "It has not run yet." } }
            ul.rows {
                @for run in items {
                    li {
                        p.facts {
                            (chip(text(run, "state")))
                            a href={ "/runs/" (text(run, "id")) } { (text(run, "id")) }
                            @if let Some(task) = int(run, "task") { a href={ "/task/" (task) } { "#" (task) } }
                            (moment.when(text(run, "started")))
                        }
                        @if let Some(said) = filled(run, "summary").or_else(|| filled(run, "detail")) { p.line { (said) } }
                    }
                }
            }
            p.quiet { a href=(address("/runs", &[("playbook", name)])) { "All of them" } }
        }
    }
}
