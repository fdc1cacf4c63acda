//! What stands around every page: head, navigation, what was just done.

use super::assets::{HTMX, ICON, OURS, STYLE};
use super::visit::{Remark, Visit};
use maud::{DOCTYPE, Markup, html};

/// What htmx does without: styles of its own, and scripts in attributes.
const HTMX_CONFIG: &str =
    r#"{"includeIndicatorCSS": false, "history": false, "defaultTimeout": 20000}"#;

/// The pages, in the order of the navigation, with the tools without which there is nothing to show.
const PLACES: [(&str, &str, &[&str]); 8] = [
    ("/", "Now", &["getStatus"]),
    ("/review", "Review", &["listReviews"]),
    ("/board", "Board", &["getAllProjects", "findTasks"]),
    ("/runs", "Runs", &["listRuns"]),
    ("/playbooks", "Playbooks", &["listPlaybooks"]),
    ("/digest", "Digest", &["getDigest"]),
    ("/costs", "Costs", &["reportCost"]),
    ("/settings", "Settings", &["whoami"]),
];

/// Whether there is anything to show them.
fn is_theirs(visit: &Visit, tools: &[&str]) -> bool {
    tools.iter().all(|tool| visit.may(tool))
}

/// A page for somebody who is signed in.
pub(super) fn page(visit: &Visit, title: &str, remark: Option<&Remark>, body: &Markup) -> Markup {
    let content = html! {
        a.skip href="#main" { "Skip to the page" }
        header.top {
            a.brand href="/" { "Rota" }
            nav aria-label="Pages" { (places(visit)) }
            form.who method="post" action="/sign-out" {
                (visit.seal())
                span title={ "role " (visit.role()) } { (visit.name()) }
                button.plain type="submit" { "Sign out" }
            }
        }
        main #main tabindex="-1" {
            h1 { (title) }
            @if let Some(remark) = remark {
                p.remark.good[remark.is_good].bad[!remark.is_good] role="status" { (remark.text) }
            }
            (body)
        }
    };
    document(title, &content)
}

fn places(visit: &Visit) -> Markup {
    html! {
        ul {
            @for (path, name, _) in PLACES.iter().filter(|(.., tools)| is_theirs(visit, tools)) {
                li {
                    @let is_here = is_in(&visit.place, path) || (*path == "/board" && is_in(&visit.place, "/task"));
                    a href=(path) aria-current=[is_here.then_some("page")] {
                        (name)
                    }
                }
            }
        }
    }
}

/// Where somebody begins who may not see the first page.
pub(super) fn first(visit: &Visit) -> &'static str {
    let seen = PLACES.iter().find(|(path, _, tools)| *path != "/" && is_theirs(visit, tools));
    seen.map_or("/settings", |(path, ..)| path)
}

/// Whether a page is this one, or below it.
fn is_in(here: &str, path: &str) -> bool {
    let rest = here.strip_prefix(path);
    rest.is_some_and(|rest| rest.is_empty() || (path != "/" && rest.starts_with('/')))
}

/// A page for somebody who is not signed in.
pub(super) fn outside(title: &str, body: &Markup) -> Markup {
    let content = html! {
        main.outside #main {
            p.brand { "Rota" }
            h1 { (title) }
            (body)
        }
    };
    document(title, &content)
}

fn document(title: &str, content: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="htmx-config" content=(HTMX_CONFIG);
                title { (title) " · Rota" }
                link rel="icon" type="image/svg+xml" href=(ICON.address());
                link rel="stylesheet" href=(STYLE.address());
                script defer src=(HTMX.address()) {}
                script defer src=(OURS.address()) {}
            }
            body { (content) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_in_the_place_above_it() {
        for (here, path, is) in [
            ("/", "/", true),
            ("/runs", "/", false),
            ("/runs", "/runs", true),
            ("/runs/r-1", "/runs", true),
            ("/runsome", "/runs", false),
        ] {
            assert_eq!(is_in(here, path), is, "{here} {path}");
        }
    }
}
