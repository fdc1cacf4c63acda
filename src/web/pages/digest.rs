//! `/digest`: what happened since a day, and what is coming. Nothing is sent.

use super::shown::{empty, filled, int, is, list, text};
use super::visit::Visit;
use crate::domain::Value;
use crate::mcp::CallError;
use crate::tools::desk::CostBy;
use axum::body::Body;
use axum::extract::Extension;
use axum::http::Response;
use maud::{Markup, html};

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
    let digest = [("since", since.into()), ("projectIds", projects.into())];
    let digest = visit.call("getDigest", digest).await?;
    let all = visit.call("getAllProjects", []).await?;
    Ok(html! {
        form.filters method="get" action="/digest" data-ask {
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
            @for part in list(&digest, "sections") { (section(part)) }
        }
    })
}

fn section(part: &Value) -> Markup {
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
