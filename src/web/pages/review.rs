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

/// What is known beside the list itself. Whoever may not ask for it, or cannot have it just now, is shown the
/// list all the same.
struct Known {
    /// Who it can be passed on to.
    people: Vec<String>,
    /// What is proposed, by task.
    proposed: BTreeMap<i64, Value>,
    /// What the playbooks may do that wait to be armed.
    books: Value,
}

impl Known {
    async fn of<'a>(visit: &Visit, items: impl Iterator<Item = &'a Value> + Clone) -> Self {
        let mut people = Value::Null;
        if visit.may("decideReview") {
            people = known(visit, "listPeople", vec![("kind", "person".into())]).await;
        }
        let mut proposed = BTreeMap::new();
        for item in items.clone().filter(|item| text(item, "kind") == "proposals") {
            let Some(task) = int(item, "task") else { continue };
            let shown = known(visit, "showReview", vec![("task", task.into())]).await;
            // Others may be proposed by now: then these are not what waits here.
            if !shown.is_null() && text(&shown, "run") == text(item, "run") {
                proposed.insert(task, shown);
            }
        }
        let mut books = Value::Null;
        // After the list: what was changed since then is refused by what the form says.
        if items.clone().any(|item| text(item, "kind") == "arming") {
            books = known(visit, "listPlaybooks", Vec::new()).await;
        }
        let people = list(&people, "items").iter();
        let people = people.map(|person| text(person, "name").to_owned()).collect();
        Self { people, proposed, books }
    }

    fn proposals(&self, item: &Value) -> Option<&Value> {
        int(item, "task")
            .filter(|_| text(item, "kind") == "proposals")
            .and_then(|task| self.proposed.get(&task))
    }

    /// What a playbook may do that waits to be armed.
    fn rights(&self, item: &Value) -> Option<&Value> {
        let name = text(item, "item").strip_prefix("arming:")?;
        list(&self.books, "items").iter().find(|book| text(book, "name") == name)
    }

    /// Whether what would be granted is shown: nobody accepts what they cannot see.
    fn shows(&self, item: &Value) -> bool {
        match text(item, "kind") {
            "proposals" => self.proposals(item).is_some(),
            "arming" => self.rights(item).is_some(),
            _ => true,
        }
    }
}

/// Nothing, where it cannot be had.
async fn known(visit: &Visit, tool: &'static str, args: Vec<(&'static str, Value)>) -> Value {
    match visit.call_if_allowed(tool, args).await {
        Ok(answer) => answer.unwrap_or_default(),
        Err(error) => {
            tracing::debug!(tool, %error, "a part of a page could not be read");
            Value::Null
        }
    }
}

async fn body(visit: &Visit) -> Result<Markup, CallError> {
    let answered = visit.call("listReviews", []).await?;
    let all = list(&answered, "items");
    // What is put off comes last, as everywhere.
    let items = all.iter().take(SHOWN_MAX);
    let may = visit.may("decideReview");
    let known = Known::of(visit, items.clone()).await;
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
                    li { (entry(visit, &moment, item, &known)) }
                }
            }
            @if all.len() > SHOWN_MAX {
                p.quiet { (all.len() - SHOWN_MAX) " more wait behind these." }
            }
        }
    };
    Ok(html! { div #live data-live { (body) } })
}

/// One that waits.
fn entry(visit: &Visit, moment: &Moment, item: &Value, known: &Known) -> Markup {
    let (name, kind) = (text(item, "item"), text(item, "kind"));
    let proposals = known.proposals(item);
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
            @if let Some(book) = known.rights(item) { (rights(book)) }
            @if !known.shows(item) {
                p.note { "What this is about cannot be shown to you just now, and so not be granted." }
            }
            @if may {
                // Another question is another form: what was typed for this one is not taken over into
                // it where the page looks again.
                @let digits: String = text(item, "since").chars().filter(char::is_ascii_digit).collect();
                (form(visit, item, known, &format!("{id}-{digits}")))
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

/// What a playbook may do.
pub(super) fn rights(book: &Value) -> Markup {
    html! {
        details open {
            summary { "What it may do" }
            ul.rows { @for line in list(book, "rights") { li { p.line { (line) } } } }
        }
    }
}

fn form(visit: &Visit, item: &Value, known: &Known, id: &str) -> Markup {
    let kind = text(item, "kind");
    let is_question = kind == "question";
    let label = if is_question { "Your answer" } else { "Comment" };
    html! {
        form.decide id=(id) method="post" action="/review" {
            (visit.seal())
            input type="hidden" name="item" value=(text(item, "item"));
            input type="hidden" name="run" value=(text(item, "run"));
            input type="hidden" name="since" value=(text(item, "since"));
            @if let Some(proposals) = known.proposals(item) { (proposals::choose(proposals)) }
            label for={ (id) "-comment" } { (label) }
            textarea id={ (id) "-comment" } name="comment" rows="2" maxlength="16000" required {}
            div.actions {
                @if is_question {
                    button.primary type="submit" name="decision" value="answer" { "Answer" }
                } @else {
                    @if known.shows(item) {
                        button.primary type="submit" name="decision" value="approve" formnovalidate {
                            (grant(kind))
                        }
                    }
                    button type="submit" name="decision" value="request_changes" {
                        @if matches!(kind, "arming" | "budget" | "release") { "Refuse" }
                        @else if kind == "proposals" { "Reject all" }
                        @else { "Request changes" }
                    }
                }
                (later(&known.people, id))
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
                @if !people.is_empty() {
                    label for={ (id) "-to" } { "Pass on to" }
                    select id={ (id) "-to" } name="to" {
                        @for name in people { option value=(name) { (name) } }
                    }
                    button type="submit" name="decision" value="reassign" formnovalidate { "Pass on" }
                }
            }
        }
    }
}
