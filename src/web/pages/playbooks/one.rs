//! `/playbooks/…`: how one stands, when it wakes, what came of each occurrence.

use super::{history, state, strip};
use crate::domain::Value;
use crate::mcp::CallError;
use crate::web::pages::form::address;
use crate::web::pages::review::rights;
use crate::web::pages::shown::{
    Moment, chip, empty, filled, is, list, none, run_row, section, section_with, text,
};
use crate::web::pages::visit::Visit;
use axum::body::Body;
use axum::extract::{Extension, Path};
use axum::http::Response;
use chrono::SecondsFormat;
use maud::{Markup, html};

/// So many coming occurrences are told one by one.
const COMING: usize = 5;
/// And so many are drawn.
const DRAWN: i64 = 1_000;
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
    let books = visit.call("listPlaybooks", [("playbook", name.into())]).await?;
    let book = list(&books, "items").iter().find(|book| text(book, "name") == name);
    let Some(book) = book else {
        let message = "there is no playbook of this name; the list of all is under Playbooks";
        return Err(CallError::of("not_found", message));
    };
    let why = visit.call_if_allowed("whyNot", [("subject", name.into())]).await?;
    let next = coming_in(visit, name).await?;
    let history = history::of(visit, book).await?;
    let runs = [("playbook", name.into()), ("limit", RUNS.into())];
    let runs = visit.call_if_allowed("listRuns", runs).await?;
    // Where it ran last by another definition than it has now, that is shown, too.
    let ran = runs.as_ref().and_then(|runs| list(runs, "items").first());
    let ran = ran.filter(|run| text(run, "definition") != text(book, "definition"));
    let before = match ran {
        Some(run) => {
            let asked =
                [("run", text(run, "id").into()), ("lines", 1.into()), ("effects", 0.into())];
            let shown = visit.call_if_allowed("showRun", asked).await;
            // What a report was told is of all projects, and not for whom there are some.
            shown.or_else(|error| if error.code == "not_found" { Ok(None) } else { Err(error) })?
        }
        None => Some(Value::Null),
    };
    let moment = visit.moment();
    Ok(html! {
        p { (text(book, "description")) }
        div.split {
            div {
                (coming(&moment, next.as_ref()))
                (history)
                (runs_of(&moment, book, runs.as_ref()))
            }
            div {
                (standing(book, why.as_ref(), &moment))
                (switches(visit, book))
                (definition(book, list(&books, "faults"), runs.as_ref()))
                @match &before {
                    Some(run) => @if let Some(source) = filled(run, "definition") {
                        section { details { summary { "The playbook as it ran last" } pre { (source) } } }
                    },
                    None => section { h2 { "The playbook as it ran last" } (left_out("showRun")) },
                }
            }
        }
    })
}

/// What stands in the place of a part for which somebody may not ask.
pub(super) fn left_out(tool: &str) -> Markup {
    html! { p.quiet { "Left out: it is not there for you (" code { (tool) } ")." } }
}

/// As it is written, what is in force; open where there is no run yet to learn from.
fn definition(book: &Value, faults: &[Value], runs: Option<&Value>) -> Markup {
    let path = text(book, "path");
    let is_faulty = faults.iter().filter_map(Value::as_text).any(|fault| is_of(fault, path));
    let is_new = runs.is_some_and(|runs| list(runs, "items").is_empty());
    html! {
        section aria-labelledby="definition" {
            h2 #definition { "Definition" }
            @if is_faulty {
                p.note { "The file has faults: what stands in it now is not this one." }
            }
            @if let Some(source) = filled(book, "source") {
                details open[is_new] {
                    summary { "The definition in force, from " code { (path) } }
                    pre tabindex="0" role="region" aria-label="Definition of the playbook" { (source) }
                }
            } @else {
                (left_out("listPlaybooks"))
            }
        }
    }
}

/// Whether a fault is one of this file, and more than a warning.
fn is_of(fault: &str, path: &str) -> bool {
    let place = |c: char| c == ':' || c.is_ascii_digit();
    let said = fault.strip_prefix(path).and_then(|rest| rest.strip_prefix(':'));
    said.is_some_and(|said| !said.trim_start_matches(place).trim_start().starts_with("warning:"))
}

fn standing(book: &Value, why: Option<&Value>, moment: &Moment) -> Markup {
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
            @if let Some(why) = why {
                ul.rows {
                    @for line in list(why, "now") {
                        li { p.facts { code { (text(line, "reason")) } } p.line { (text(line, "text")) } }
                    }
                }
            } @else {
                (left_out("whyNot"))
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
                    div.actions {
                        button.primary type="submit" name="act" value="run" { "Run it now" }
                        button type="submit" formaction={ "/playbooks/" (name) "/dry-run" } { "Dry run" }
                    }
                    p.quiet { "A dry run says what it would write, and changes nothing." }
                }
            }
        }
    }
}

/// The wakes of the days that are drawn, or the first ones where there are more; `None`: they may not ask.
async fn coming_in(visit: &Visit, name: &str) -> Result<Option<Value>, CallError> {
    let first = [("playbook", name.into()), ("count", 1.into())];
    let Some(first) = visit.call_if_allowed("nextOccurrences", first).await? else {
        return Ok(None);
    };
    let Some(zone) = strip::zone_of(&first) else { return Ok(Some(first)) };
    let until = strip::until(visit.moment().now, zone);
    let until = until.to_rfc3339_opts(SecondsFormat::AutoSi, true);
    let drawn = [("playbook", name.into()), ("count", DRAWN.into()), ("to", until.as_str().into())];
    let drawn = visit.call("nextOccurrences", drawn).await?;
    // What comes later than these days is not drawn, and told all the same.
    Ok(Some(if list(&drawn, "items").is_empty() { first } else { drawn }))
}

fn coming(moment: &Moment, next: Option<&Value>) -> Markup {
    let Some(next) = next else {
        return section("coming", "Coming", &left_out("nextOccurrences"), &[]);
    };
    let items = list(next, "items");
    let rows = items.iter().take(COMING).map(|item| {
        html! {
            p.facts { (moment.when(text(item, "planned"))) span { (text(item, "local")) } }
            @if let Some(note) = filled(item, "note") { p.line { (note) } }
        }
    });
    let below = html! {
        @if let Some(zone) = strip::zone_of(next) { (strip::shown(moment.now, zone, items)) }
        @if i64::try_from(items.len()).is_ok_and(|count| count >= DRAWN) { p.quiet { "Only the next " (DRAWN) " are drawn." } }
    };
    let nothing = none("It has no clock: it wakes on changes of the board, or by hand.");
    section_with("coming", "Coming", &nothing, &rows.collect::<Vec<_>>(), &below)
}

fn runs_of(moment: &Moment, book: &Value, runs: Option<&Value>) -> Markup {
    let name = text(book, "name");
    let Some(runs) = runs else { return section("runs", "Runs", &left_out("listRuns"), &[]) };
    let rows = list(runs, "items").iter().map(|run| run_row(moment, run, "id", "started"));
    let below = html! {
        p.quiet { a href=(address("/runs", &[("playbook", name)])) { "All of them" } }
    };
    let nothing = empty("It has not run yet.", &what_is_next(moment, book));
    section_with("runs", "Runs", &nothing, &rows.collect::<Vec<_>>(), &below)
}

/// What makes it run.
fn what_is_next(moment: &Moment, book: &Value) -> Markup {
    html! {
        @match state(book) {
            "paused" => "It is paused: it starts nothing until it is resumed.",
            "not armed" => "It is not armed: it starts by hand only. Once it is armed, it starts by itself.",
            _ => {
                @if let Some(next) = filled(book, "next") { "It wakes " (moment.when(next)) "." }
                @else { "It has no clock: it wakes on what its definition names, or by hand." }
            }
        }
        " Under " a href="#step-in" { "Step in" } " it is run by hand, or rehearsed without changing anything."
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_faults_of_a_file_are_told_from_its_warnings_and_from_those_of_others() {
        let path = "/home/ada/agents/tidy.toml";
        for (fault, expected) in [
            ("/home/ada/agents/tidy.toml:3:1: unknown key", true),
            ("/home/ada/agents/tidy.toml: it cannot be read", true),
            ("/home/ada/agents/tidy.toml:3:1: warning: nobody has this name", false),
            ("/home/ada/agents/tidy.toml: warning: nobody has this name", false),
            ("/home/ada/agents/tidy.toml.d/x.toml:3:1: unknown key", false),
            ("/home/ada/agents/other.toml:3:1: unknown key", false),
        ] {
            assert_eq!(is_of(fault, path), expected, "{fault}");
        }
    }
}
