//! `/review`: what waits for a person, and deciding about it.

mod decide;
mod proposals;

pub(super) use decide::decide;

use super::shown::{Moment, chip, empty, filled, int, list, prose, text};
use super::visit::Visit;
use crate::domain::{Role, Value};
use crate::mcp::CallError;
use axum::body::Body;
use axum::extract::Extension;
use axum::http::Response;
use maud::{Markup, html};
use std::collections::BTreeMap;

/// So many are shown at once; the longest waiting come first.
const SHOWN_MAX: usize = 50;

/// `GET /review`.
pub(super) async fn page(Extension(visit): Extension<Visit>) -> Response<Body> {
    match body(&visit).await {
        Ok(body) => visit.page("Review", &body),
        Err(error) => visit.trouble(&error),
    }
}

async fn body(visit: &Visit) -> Result<Markup, CallError> {
    let answered = visit.call("listReviews", []).await?;
    let all = list(&answered, "items");
    // What is put off comes last, as everywhere.
    let items = all.iter().take(SHOWN_MAX);
    let may = visit.may("decideReview");
    let people = if may { people(visit).await? } else { Vec::new() };
    let mut proposed = BTreeMap::new();
    for item in items.clone().filter(|item| text(item, "kind") == "proposals") {
        if let Some(task) = int(item, "task") {
            proposed.insert(task, visit.call("showReview", [("task", task.into())]).await?);
        }
    }
    let moment = visit.moment();
    let body = html! {
        @if all.is_empty() {
            (empty("Nothing waits for a person.", &html! {
                "When an agent hands work over, asks a question or proposes a change, it stands here. "
                "See what runs " a href="/" { "now" } "."
            }))
        } @else {
            @if !may {
                p.note { "You may look; deciding needs the role editor." }
            }
            ul.waiting {
                @for item in items {
                    li { (entry(visit, &moment, item, (&proposed, &people))) }
                }
            }
            @if all.len() > SHOWN_MAX {
                p.quiet { (all.len() - SHOWN_MAX) " more wait behind these." }
            }
        }
    };
    Ok(html! { div #live data-live { (body) } })
}

async fn people(visit: &Visit) -> Result<Vec<String>, CallError> {
    let people = visit.call("listPeople", [("kind", "person".into())]).await?;
    Ok(list(&people, "items").iter().map(|person| text(person, "name").to_owned()).collect())
}

type Known<'a> = (&'a BTreeMap<i64, Value>, &'a [String]);

/// One that waits.
fn entry(visit: &Visit, moment: &Moment, item: &Value, (proposed, people): Known<'_>) -> Markup {
    let (name, kind) = (text(item, "item"), text(item, "kind"));
    let task = int(item, "task");
    let proposals = task.and_then(|task| proposed.get(&task));
    let is_for_managers = matches!(kind, "arming" | "budget" | "release");
    let may = visit.may("decideReview") && (!is_for_managers || visit.role() >= Role::Manager);
    let id = format!("item-{}", name.replace(':', "-"));
    html! {
        article.card.waits id=(id) aria-labelledby={ (id) "-title" } {
            header {
                h2 id={ (id) "-title" } { (title(item)) }
                p.facts {
                    (chip(words(kind)))
                    @if let Some(from) = filled(item, "from") { span { "from " (from) } }
                    @if let Some(owner) = filled(item, "owner") {
                        span.yours[owner == visit.name()] { "for " (owner) }
                    }
                    span { "waits " (text(item, "age")) }
                    @if let Some(until) = filled(item, "until") { span { "until " (moment.when(until)) } }
                    @if let Some(until) = filled(item, "snoozed") { span { "put off " (moment.when(until)) } }
                    @if let Some(by) = filled(item, "seen_by") { span { "seen by " (by) } }
                    @if let Some(run) = filled(item, "run") {
                        span { "run " a href={ "/runs/" (run) } { (run) } }
                    }
                }
            }
            // Of proposals it only says how many there are, and they stand below.
            @if let Some(said) = filled(proposals.unwrap_or(item), if proposals.is_some() { "summary" } else { "text" }) {
                (prose(said))
            }
            @if may {
                (form(visit, item, proposals, people, &id))
            } @else if let Some(proposals) = proposals {
                (proposals::shown(proposals))
            }
        }
    }
}

fn title(item: &Value) -> Markup {
    let headline = filled(item, "headline").unwrap_or_else(|| text(item, "item"));
    html! {
        @if let Some(task) = int(item, "task") {
            a href={ "/task/" (task) } { span.number { "#" (task) } " " (headline) }
        } @else {
            (headline)
        }
    }
}

/// A kind in words.
fn words(kind: &str) -> &str {
    match kind {
        "hand_over" => "work handed over",
        "question" => "question",
        "proposals" => "proposed writes",
        "unverified" => "work nobody checked",
        "arming" => "playbook to arm",
        "budget" => "budget used up",
        "release" => "claim to end",
        other => other,
    }
}

/// What the button says that grants it.
fn grant(kind: &str) -> &'static str {
    match kind {
        "proposals" => "Apply the chosen",
        "arming" => "Arm",
        "budget" => "Grant once more",
        "release" => "End the claim",
        _ => "Approve",
    }
}

fn form(
    visit: &Visit,
    item: &Value,
    proposals: Option<&Value>,
    people: &[String],
    id: &str,
) -> Markup {
    let kind = text(item, "kind");
    let is_question = kind == "question";
    let label = if is_question { "Your answer" } else { "Comment" };
    html! {
        form.decide method="post" action="/review" {
            (visit.seal())
            input type="hidden" name="item" value=(text(item, "item"));
            input type="hidden" name="run" value=(text(item, "run"));
            @if let Some(proposals) = proposals { (proposals::choose(proposals)) }
            label for={ (id) "-comment" } { (label) }
            textarea id={ (id) "-comment" } name="comment" rows="2" maxlength="16000" required {}
            div.actions {
                @if is_question {
                    button.primary type="submit" name="decision" value="answer" { "Answer" }
                } @else {
                    button.primary type="submit" name="decision" value="approve" formnovalidate {
                        (grant(kind))
                    }
                    button type="submit" name="decision" value="request_changes" {
                        @if matches!(kind, "arming" | "budget" | "release") { "Refuse" }
                        @else if kind == "proposals" { "Reject all" }
                        @else { "Request changes" }
                    }
                }
                (later(people, id))
            }
        }
    }
}

/// What can be done instead of deciding.
fn later(people: &[String], id: &str) -> Markup {
    html! {
        details.later {
            summary { "Later, or somebody else" }
            div.actions {
                label for={ (id) "-until" } { "Put off until" }
                select id={ (id) "-until" } name="until" {
                    option value="+1h" { "in an hour" }
                    option value="tomorrow" selected { "tomorrow" }
                    option value="+3d" { "in three days" }
                    option value="monday" { "Monday" }
                }
                button type="submit" name="decision" value="snooze" formnovalidate { "Put off" }
                button type="submit" name="decision" value="acknowledge" formnovalidate { "I have seen it" }
                label for={ (id) "-to" } { "Pass on to" }
                select id={ (id) "-to" } name="to" {
                    @for name in people { option value=(name) { (name) } }
                }
                button type="submit" name="decision" value="reassign" formnovalidate { "Pass on" }
            }
        }
    }
}
