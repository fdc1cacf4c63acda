//! `/digest`: what happened since a day, and what is coming; how Slack shows it; and what was told before. Nothing is
//! sent.

use super::shown::{Moment, chip, empty, filled, int, is, list, none, object, section, text};
use super::slack::messages;
use super::visit::Visit;
use crate::domain::Value;
use crate::mcp::CallError;
use crate::tools::desk::CostBy;
use axum::body::Body;
use axum::extract::Extension;
use axum::http::Response;
use maud::{Markup, html};

/// So many earlier digests are shown.
const EARLIER: i64 = 10;

/// `GET /digest`.
pub(super) async fn page(Extension(visit): Extension<Visit>) -> Response<Body> {
    match body(&visit).await {
        Ok(body) => visit.page("Digest", &body),
        Err(error) => visit.trouble(&error),
    }
}

async fn body(visit: &Visit) -> Result<Markup, CallError> {
    let project = visit.query.text("project").parse::<i64>().ok();
    let since = visit.query.filled("since");
    let projects: Vec<i64> = project.into_iter().collect();
    let digest =
        [("since", since.into()), ("projectIds", projects.into()), ("rendered", true.into())];
    let digest = visit.call("getDigest", digest).await?;
    let earlier = [("latest", EARLIER.into()), ("begin", "digest:".into())];
    let earlier = visit.call_if_allowed("listOutbox", earlier).await?;
    let all = visit.call_if_allowed("getAllProjects", []).await?.unwrap_or_default();
    Ok(html! {
        form.filters method="get" action="/digest" {
            div {
                label for="since" { "Since" }
                select #since name="since" {
                    @for (value, word) in [("", "yesterday"), ("monday", "Monday"), ("-7d", "a week ago"), ("-30d", "thirty days ago")] {
                        option value=(value) selected[since.unwrap_or("") == value] { (word) }
                    }
                }
            }
            div {
                label for="project" { "Project" }
                select #project name="project" {
                    option value="" { "all" }
                    @for own in list(&all, "items") {
                        @let id = int(own, "id");
                        option value=(id.unwrap_or_default()) selected[id == project] { (text(own, "name")) }
                    }
                }
            }
            button type="submit" { "Show" }
        }
        p { strong { (text(&digest, "day")) } " " span.quiet { (text(&digest, "zone")) } }
        p.quiet { (text(&digest, "summary")) }
        @if is(&digest, "quiet") {
            (empty("Nothing happened, and nothing is due.", &html! { "Look further back with the choice above." }))
        }
        div.columns {
            @for part in list(&digest, "sections") { (part_of(part)) }
        }
        @if let Some(message) = object(&digest, "message") { (preview(message)) }
        @if let Some(earlier) = &earlier { (history(&visit.moment(), list(earlier, "latest"))) }
    })
}

/// The message that channels would be sent, as Slack shows it.
fn preview(message: &Value) -> Markup {
    html! {
        section aria-labelledby="preview" {
            h2 #preview { "As Slack shows it" }
            @if let Some(fault) = filled(message, "fault") {
                p { "The team's template cannot be filled in: " (fault) }
            } @else {
                (messages(payloads(message)))
            }
        }
    }
}

fn payloads(message: &Value) -> impl Iterator<Item = &str> {
    list(message, "slack").iter().filter_map(Value::as_text)
}

/// What was told before, and to whom.
fn history(moment: &Moment, earlier: &[Value]) -> Markup {
    let rows = earlier.iter().map(|notice| {
        let key = text(notice, "key").split('|').next().unwrap_or_default();
        let (playbook, day) =
            key.trim_start_matches("digest:").rsplit_once(':').unwrap_or((key, ""));
        html! {
            p.facts {
                (chip(text(notice, "state")))
                strong { (day) }
                span { "by " (playbook) " to " (text(notice, "channel")) }
                (moment.when(text(notice, "at")))
            }
            details {
                summary { "What it said" }
                @if list(notice, "slack").is_empty() {
                    pre { (text(notice, "text")) }
                } @else {
                    (messages(payloads(notice)))
                }
            }
        }
    });
    let nothing = none("No digest was told yet: a playbook with the report digest.hbs tells one.");
    section("earlier", "Earlier digests", &nothing, &rows.collect::<Vec<_>>())
}

fn part_of(part: &Value) -> Markup {
    let id = format!("part-{}", text(part, "kind"));
    html! {
        section aria-labelledby=(id) {
            h2 id=(id) { (text(part, "title")) " " span.number { (int(part, "count").unwrap_or(0)) } }
            ul.rows {
                @for line in list(part, "lines") {
                    li {
                        @match place(text(line, "reference")) {
                            Some(place) => a href=(place) { (text(line, "headline")) },
                            None => span { (text(line, "headline")) },
                        }
                        p.line { span.number { (text(line, "reference")) } " " (filled(line, "notes").unwrap_or("")) }
                    }
                }
                @let rest = int(part, "rest").unwrap_or(0);
                @if rest > 0 { li { "… and " span.number { (rest) } " more" } }
            }
        }
    }
}

/// Our own page about what a line rests on.
fn place(reference: &str) -> Option<String> {
    let (noun, id) = reference.split_once(' ')?;
    match noun {
        "task" => id.parse::<i64>().ok().map(|id| format!("/task/{id}")),
        "run" if id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') => {
            Some(format!("/runs/{id}"))
        }
        "costs" => {
            let by = CostBy::named(id.strip_prefix("by ")?)?;
            Some(format!("/costs?by={}", by.as_str()))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_leads_to_our_own_page_or_nowhere() {
        assert_eq!(place("task 7").as_deref(), Some("/task/7"));
        assert_eq!(place("run r-abc").as_deref(), Some("/runs/r-abc"));
        assert_eq!(place("costs by goal").as_deref(), Some("/costs?by=goal"));
        for other in ["costs by x", "task x", "run a/../b", "milestone 3", "", "task"] {
            assert_eq!(place(other), None, "{other}");
        }
    }
}
