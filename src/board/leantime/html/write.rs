//! Markdown becomes HTML.

use super::is_harmless;
use pulldown_cmark::{CowStr, Event, LinkType, Options, Parser, Tag, TagEnd, html};

/// Deeper lists and quotes are written flat: nobody means them.
const DEPTH_MAX: usize = 32;

/// HTML in which every tag is the renderer's own.
pub(in super::super) fn to_html(markdown: &str) -> String {
    let extras = Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TABLES;
    let mut depth = 0_usize;
    let mut is_cut = Vec::new();
    let events = Parser::new_ext(markdown, extras).filter_map(|event| match event {
        Event::Html(text) | Event::InlineHtml(text) => Some(Event::Text(text)),
        Event::Start(Tag::HtmlBlock) => Some(Event::Start(Tag::Paragraph)),
        Event::End(TagEnd::HtmlBlock) => Some(Event::End(TagEnd::Paragraph)),
        Event::Start(Tag::Link { link_type: LinkType::Email, dest_url, .. }) => {
            Some(Event::Start(link(format!("mailto:{dest_url}").into())))
        }
        // A picture is shown as a link to it: fetching it would tell its server who reads.
        Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
            Some(Event::Start(link(dest_url)))
        }
        Event::Start(tag) => {
            depth += 1;
            let cut = depth > DEPTH_MAX;
            is_cut.push(cut);
            (!cut).then_some(Event::Start(tag))
        }
        Event::End(TagEnd::Link | TagEnd::Image) => Some(Event::End(TagEnd::Link)),
        Event::End(tag) => {
            depth = depth.saturating_sub(1);
            (!is_cut.pop().unwrap_or(false)).then_some(Event::End(tag))
        }
        other => Some(other),
    });
    let mut out = String::with_capacity(markdown.len() + markdown.len() / 8);
    html::push_html(&mut out, events);
    bare(out.trim_end_matches('\n'))
}

/// A link to somewhere harmless, or to nowhere.
fn link(to: CowStr<'_>) -> Tag<'_> {
    let dest_url = if is_harmless(&to) { to } else { "#".into() };
    Tag::Link { link_type: LinkType::Inline, dest_url, title: "".into(), id: "".into() }
}

/// One paragraph needs no tags around it.
fn bare(html: &str) -> String {
    let inside = html.strip_prefix("<p>").and_then(|rest| rest.strip_suffix("</p>"));
    inside.filter(|inside| !inside.contains("<p>")).unwrap_or(html).to_owned()
}
