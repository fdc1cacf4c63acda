//! Markdown as people, agents and models write it, in elements of ours: HTML in it stays text, a picture is
//! a link to it, and a link leads to `http` or `https` or nowhere.

use maud::{Markup, html};
use pulldown_cmark::{Event, Options, Parser, Tag};

/// Deeper quotes and lists are shown flat: nobody means them.
const DEPTH_MAX: usize = 24;

/// A text, or what is inside of an element.
enum Piece {
    Text(String),
    Code(String),
    LineEnd,
    Inside(Sort, Vec<Piece>),
}

/// The elements that there are.
enum Sort {
    Flat,
    Paragraph,
    Heading,
    Quote,
    Block,
    Bullets,
    Numbers,
    Item,
    Row,
    Cell,
    Emphasis,
    Strong,
    Struck,
    Link(String),
}

impl Sort {
    fn of(tag: &Tag<'_>) -> Self {
        match tag {
            Tag::Paragraph | Tag::HtmlBlock => Self::Paragraph,
            Tag::Heading { .. } => Self::Heading,
            Tag::BlockQuote(_) => Self::Quote,
            Tag::CodeBlock(_) => Self::Block,
            Tag::List(None) => Self::Bullets,
            Tag::List(Some(_)) => Self::Numbers,
            Tag::Item => Self::Item,
            Tag::TableHead | Tag::TableRow => Self::Row,
            Tag::TableCell => Self::Cell,
            Tag::Emphasis => Self::Emphasis,
            Tag::Strong => Self::Strong,
            Tag::Strikethrough => Self::Struck,
            Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. } if leads(dest_url) => {
                Self::Link(dest_url.to_string())
            }
            _ => Self::Flat,
        }
    }
}

/// Whether a link leads where a browser may be sent.
pub(super) fn leads(url: &str) -> bool {
    (url.starts_with("https://") || url.starts_with("http://"))
        && url.bytes().all(|byte| byte.is_ascii_graphic())
}

/// A text in Markdown.
pub(super) fn shown(text: &str) -> Markup {
    html! { div.prose { (pieces(&read(text))) } }
}

fn read(text: &str) -> Vec<Piece> {
    let mut open: Vec<(Sort, Vec<Piece>)> = vec![(Sort::Flat, Vec::new())];
    // Elements that are open and not shown.
    let mut flat = 0_usize;
    let extras = Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TABLES;
    for event in Parser::new_ext(text, extras) {
        let piece = match event {
            Event::Start(_) if open.len() > DEPTH_MAX => {
                flat += 1;
                continue;
            }
            Event::End(_) if flat > 0 => {
                flat -= 1;
                continue;
            }
            Event::Start(tag) => {
                open.push((Sort::of(&tag), Vec::new()));
                continue;
            }
            Event::End(_) => match open.pop() {
                Some((sort, inside)) => Piece::Inside(sort, inside),
                None => continue,
            },
            Event::Code(code) => Piece::Code(code.to_string()),
            Event::SoftBreak | Event::HardBreak => Piece::LineEnd,
            Event::Rule => Piece::Inside(Sort::Paragraph, vec![Piece::Text("* * *".to_owned())]),
            Event::Text(text)
            | Event::Html(text)
            | Event::InlineHtml(text)
            | Event::InlineMath(text)
            | Event::DisplayMath(text)
            | Event::FootnoteReference(text) => Piece::Text(text.to_string()),
            Event::TaskListMarker(is_done) => {
                Piece::Text(if is_done { "[x] " } else { "[ ] " }.to_owned())
            }
        };
        if let Some((_, inside)) = open.last_mut() {
            inside.push(piece);
        }
    }
    open.into_iter().flat_map(|(_, pieces)| pieces).collect()
}

fn pieces(all: &[Piece]) -> Markup {
    html! {
        @for piece in all {
            @match piece {
                Piece::Text(text) => (text),
                Piece::Code(code) => code { (code) },
                Piece::LineEnd => { br; },
                Piece::Inside(sort, inside) => (element(sort, &pieces(inside))),
            }
        }
    }
}

fn element(sort: &Sort, inside: &Markup) -> Markup {
    match sort {
        Sort::Flat => html! { (inside) },
        Sort::Paragraph => html! { p { (inside) } },
        Sort::Heading => html! { p.heading { (inside) } },
        Sort::Quote => html! { blockquote { (inside) } },
        Sort::Block => html! { pre { (inside) } },
        Sort::Bullets => html! { ul { (inside) } },
        Sort::Numbers => html! { ol { (inside) } },
        Sort::Item => html! { li { (inside) } },
        Sort::Row => html! { p { (inside) } },
        Sort::Cell => html! { span.cell { (inside) } },
        Sort::Emphasis => html! { em { (inside) } },
        Sort::Strong => html! { strong { (inside) } },
        Sort::Struck => html! { s { (inside) } },
        Sort::Link(url) => html! { a href=(url) rel="noopener noreferrer nofollow" { (inside) } },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> String {
        shown(text).into_string()
    }

    #[test]
    fn what_is_usual_is_shown_as_it_is_meant() {
        assert_eq!(
            of("**AI** takes `7`.\n\n- one\n- *two*\n"),
            "<div class=\"prose\"><p><strong>AI</strong> takes <code>7</code>.</p>\
             <ul><li>one</li><li><em>two</em></li></ul></div>"
        );
        assert!(of("```\na < b\n```").contains("<pre>a &lt; b\n</pre>"));
        assert!(of("[x](https://a.example/b)").contains("<a href=\"https://a.example/b\" rel="));
        assert!(of("one\ntwo").contains("one<br>two"));
    }

    #[test]
    fn nothing_of_it_is_html() {
        for text in [
            "<script>x</script>",
            "a <img src=x onerror=y> b",
            "<!-- x -->\n<div onclick=y>\n\ntext",
            "![pic](https://a.example/p.png)",
            "[x](javascript:alert(1))",
            "[x](data:text/html,y)",
            "<javascript:alert(1)>",
            "[x]: javascript:y\n\n[x]",
        ] {
            let shown = of(text);
            for bad in
                ["<script", "<img", "<div onclick", "<!--", "href=\"javascript", "href=\"data"]
            {
                assert!(!shown.contains(bad), "{text}: {shown}");
            }
        }
    }

    #[test]
    fn however_deep_it_is_it_is_shown_and_ends() {
        let deep = format!("{}x", "> ".repeat(5_000));
        let shown = of(&deep);
        assert!(shown.matches("<blockquote>").count() <= DEPTH_MAX && shown.contains('x'));
        assert_eq!(shown.matches("<blockquote>").count(), shown.matches("</blockquote>").count());
    }
}
