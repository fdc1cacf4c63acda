//! Markdown as people, agents and models write it, in elements of ours: HTML in it stays text, a picture is
//! a link to it, and a link leads to `http` or `https` or nowhere.

use maud::{Markup, html};
use pulldown_cmark::{Event, Options, Parser, Tag};

/// Deeper quotes and lists are shown flat: nobody means them.
const DEPTH_MAX: usize = 24;
/// What a text may take in HTML beside its own length: so much for each byte of it, and so much in any
/// case. What would take more is shown as it was written, so that a page is never much larger than what
/// was said on it.
const BYTES_FOR_EACH: usize = 12;
const BYTES_ALWAYS: usize = 4 * 1024;
/// About what an element takes.
const ELEMENT_BYTES: usize = 25;
/// In any text there may be so many cells of tables; a longer one may have as many as it has bytes.
const CELLS_ALWAYS: usize = 1_000;

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
    /// From this number on.
    Numbers(u64),
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
            Tag::List(Some(first)) => Self::Numbers(*first),
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
    html! {
        div.prose {
            @match read(text) {
                Some(all) => (pieces(&all)),
                None => pre { (text) },
            }
        }
    }
}

/// Tables are left out where they could have more cells than their text has bytes: the parser fills rows
/// that are too short, whatever it costs.
fn extras(text: &str) -> Options {
    let columns = text.lines().map(|line| line.bytes().filter(|byte| *byte == b'|').count()).max();
    let cells_max = columns.unwrap_or(0).saturating_add(1).saturating_mul(text.lines().count());
    let mut extras = Options::ENABLE_STRIKETHROUGH;
    extras.set(Options::ENABLE_TABLES, cells_max <= text.len() + CELLS_ALWAYS);
    extras
}

/// So much it takes to show it.
fn cost(event: &Event<'_>) -> usize {
    match event {
        Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
            2 * ELEMENT_BYTES + dest_url.len()
        }
        Event::Start(_) | Event::Rule => ELEMENT_BYTES,
        Event::Text(text) | Event::Code(text) | Event::Html(text) | Event::InlineHtml(text) => {
            text.len()
        }
        _ => 4,
    }
}

/// `None` where it would take too much.
fn read(text: &str) -> Option<Vec<Piece>> {
    let mut left = text.len() * BYTES_FOR_EACH + BYTES_ALWAYS;
    let mut open: Vec<(Sort, Vec<Piece>)> = vec![(Sort::Flat, Vec::new())];
    // Elements that are open and not shown.
    let mut flat = 0_usize;
    for event in Parser::new_ext(text, extras(text)) {
        left = left.checked_sub(cost(&event))?;
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
                let is_in_link = open.iter().any(|(sort, _)| matches!(sort, Sort::Link(_)));
                let sort = match Sort::of(&tag) {
                    // No link stands in another: of a picture in one only its words are left.
                    Sort::Link(_) if is_in_link => Sort::Flat,
                    sort => sort,
                };
                open.push((sort, Vec::new()));
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
    Some(open.into_iter().flat_map(|(_, pieces)| pieces).collect())
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
        Sort::Numbers(first) => html! { ol start=[(*first != 1).then_some(first)] { (inside) } },
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

    #[test]
    fn a_text_takes_no_more_than_a_few_times_its_length() {
        let columns = 510;
        let head = format!("{}\n{}\n", "a|".repeat(columns), "-|".repeat(columns));
        let table = format!("{head}{}\n", "a\n".repeat(500));
        let references =
            format!("[x]: http://a.example/{}\n\n{}", "y".repeat(2_000), "[x]".repeat(9_000));
        for text in [
            table.repeat(22),
            table.clone(),
            references,
            ">>>>>>>>a\n\n".repeat(6_000),
            "![[![[".repeat(10_000),
            "|-".repeat(30_000),
        ] {
            let shown = of(&text);
            let most = text.len() * (BYTES_FOR_EACH + 6) + 2 * BYTES_ALWAYS;
            assert!(shown.len() <= most, "{} bytes became {}", text.len(), shown.len());
        }
        let plain = of(&table);
        assert!(
            plain.contains("a|a|") && !plain.contains("<table"),
            "it is shown as it was written"
        );
        let usual = format!("|a|b|\n|-|-|\n{}", "|one|two|\n".repeat(40));
        assert_eq!(of(&usual).matches("class=\"cell\"").count(), 82);
    }

    #[test]
    fn no_link_stands_in_another() {
        for text in [
            "[![a picture](https://a.example/p.png)](https://a.example/)",
            "![[words](https://a.example/)](https://a.example/p.png)",
        ] {
            let shown = of(text);
            assert_eq!(shown.matches("<a ").count(), 1, "{shown}");
            assert!(shown.contains("a picture") || shown.contains("words"), "{shown}");
        }
    }

    #[test]
    fn a_numbered_list_begins_where_it_was_begun() {
        assert!(of("7. seven\n8. eight").contains("<ol start=\"7\"><li>seven</li>"));
        assert!(of("1. one").contains("<ol><li>one</li>"));
    }
}
