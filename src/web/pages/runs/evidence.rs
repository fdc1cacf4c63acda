//! What shows how a run went: what it offered, checks, findings, commits.

use crate::domain::Value;
use crate::web::pages::shown::{beginning, chip, filled, int, list, none, number, section, text};
use maud::{Markup, html};

/// The part of the page.
pub(super) fn shown(record: &Value) -> Markup {
    let rows: Vec<Markup> = list(record, "evidence").iter().map(piece).collect();
    let nothing = none("It offered none, and had no check run.");
    section("evidence", "Evidence", &nothing, &rows)
}

fn piece(piece: &Value) -> Markup {
    let (kind, name) = (text(piece, "kind"), text(piece, "name"));
    let is_web = |url: &&str| url.starts_with("https://") || url.starts_with("http://");
    html! {
        p.facts {
            span.tag { (if kind == "said" { "offered" } else { kind }) }
            @if let Some(url) = filled(piece, "url").filter(is_web) {
                a href=(url) rel="noopener noreferrer nofollow" { (name) }
            } @else if kind == "said" {
                span { (name) }
            } @else {
                code { (name) }
            }
            @if let Some(state) = filled(piece, "state") { (chip(state)) }
            @if let Some(bytes) = int(piece, "bytes") { span { (number(bytes)) " bytes of output" } }
            @if let Some(write) = int(piece, "write") { span { "write " (write) } }
        }
        @if let Some(said) = filled(piece, "text") { p.line { (beginning(said, 400)) } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_of_evidence_leads_to_the_web_and_nowhere_else() {
        let shown = |name: &str, url: &str| {
            let said = Value::map([("kind", "said"), ("name", name), ("url", url)]);
            shown(&Value::map([("evidence", Value::List(vec![said]))])).into_string()
        };
        let page = shown("https://a.example/<b>", "https://a.example/<b>");
        assert!(page.contains("href=\"https://a.example/&lt;b&gt;\" rel=\"noopener"), "{page}");
        let page = shown("<script>", "javascript:alert(1)");
        assert!(page.contains("&lt;script&gt;") && !page.contains("href"), "{page}");
        let none = super::shown(&Value::Null).into_string();
        assert!(none.contains("It offered none"), "{none}");
    }
}
