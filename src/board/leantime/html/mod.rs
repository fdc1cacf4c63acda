//! The server keeps HTML, the board Markdown: one made of the other, both ways, harmless both ways.
//!
//! The server stores whatever it is given and gives it back as it is, scripts included. What goes
//! out is made by a Markdown renderer with all raw HTML turned into text and only links that lead to
//! the web; what comes in is read by a tokenizer that keeps the text and a short list of shapes.

mod read;
mod write;

pub(super) use read::from_html;
pub(super) use write::to_html;

use crate::board::{BoardError, Result};

/// What people put into texts and Markdown read from it does not show.
const LOST: &[&str] = &[
    "<img", "<table", "<picture", "<svg", "<video", "<audio", "<iframe", "<object", "<embed",
    "<math", "<canvas",
];

/// Whether the text, read and written again, would be without something that is in it.
pub(super) fn loses(html: &str) -> bool {
    html.contains('<') && {
        let html = html.to_ascii_lowercase();
        LOST.iter().any(|tag| html.contains(tag))
    }
}

/// What people put into a text is not overwritten by one that was read without it; `was`: how the
/// text was read, `text`: which one it is.
pub(super) fn may_replace(now: &str, was: &str, text: &str) -> Result<()> {
    if !loses(now) || now.trim() == to_html(was).trim() {
        return Ok(());
    }
    Err(BoardError::Unsupported(format!(
        "{text} pictures, tables or the like, which would be lost: change it in Leantime's pages, or \
         write a comment"
    )))
}

/// Where a link may lead.
fn is_harmless(address: &str) -> bool {
    let address = address.trim();
    let lower = address.to_ascii_lowercase();
    let is_web = ["http://", "https://", "mailto:"].iter().any(|begin| lower.starts_with(begin));
    let is_relative = address.starts_with(['/', '#', '?']) && !address.starts_with("//");
    (is_web || is_relative) && !address.chars().any(|c| c.is_control() || c.is_whitespace())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_people_write_comes_back_as_it_was() {
        for text in [
            "One line",
            "Two\n\nparagraphs",
            "A **bold** and *slanted* word, `code` and ~~gone~~",
            "# Title\n\nText",
            "- one\n- two\n  - deeper\n- three",
            "1. first\n2. second",
            "```\nlet x = 1 < 2;\n```",
            "> quoted\n>\n> more",
            "[a link](https://example.org/a?b=c)",
            "snake_case_name and 2 * 3 = 6, a < b & c",
            "line\\\nbroken",
            "---",
        ] {
            let html = to_html(text);
            let back = from_html(&html);
            assert_eq!(to_html(&back), html, "{text:?} became {html:?} and {back:?}");
        }
        assert_eq!(from_html(&to_html("A **bold** word")), "A **bold** word");
        assert_eq!(from_html(&to_html("- one\n- two\n  - deeper")), "- one\n- two\n  - deeper");
        assert_eq!(from_html(&to_html("snake_case_name")), "snake_case_name");
    }

    #[test]
    fn one_paragraph_is_kept_bare() {
        assert_eq!(to_html("Hello"), "Hello");
        assert_eq!(to_html("a\n\nb"), "<p>a</p>\n<p>b</p>");
    }

    #[test]
    fn hostile_markdown_becomes_harmless_html() {
        for text in [
            "<script>alert(1)</script>",
            "a <img src=x onerror=alert(1)> b",
            "[x](javascript:alert(1)) [y](JaVaScRiPt:alert(1)) [z](data:text/html,x)",
            "![x](https://tracker.example/p.png)",
            "<a href=\"javascript:x\">y</a>",
            "<div style=x>\n\n**b**\n\n</div>",
            "[a]\n\n[a]: javascript:x",
            "<javascript:alert(1)>",
        ] {
            let html = to_html(text).to_lowercase();
            for harm in ["<script", "<img", "<div", "<a href=\"javascript", "<a href=\"data"] {
                assert!(!html.contains(harm), "{text:?} became {html:?}");
            }
        }
    }

    #[test]
    fn hostile_html_becomes_text_and_never_html_again() {
        for (html, text) in [
            ("<script>alert(1)</script>after", "after"),
            ("<style>b{}</style><b>x</b>", "**x**"),
            ("<iframe src=x>in</iframe>", ""),
            ("<img src=x onerror=alert(1)>", ""),
            ("<img src=x alt='a picture'>", "a picture"),
            ("<a href='javascript:alert(1)'>x</a>", "x"),
            ("<a href='&#106;avascript:x'>x</a>", "x"),
            ("<a href=\" java\tscript:x\">x</a>", "x"),
            ("&lt;script&gt;alert(1)&lt;/script&gt;", "\\<script>alert(1)\\</script>"),
            ("<svg><script>x</script></svg>y", "y"),
            ("<textarea><b>x</b></textarea>", "\\<b>x\\</b>"),
            ("a\u{0}b\u{1b}[31m", "a\u{fffd}b[31m"),
        ] {
            assert_eq!(from_html(html).replace("\\[", "["), text, "{html}");
            let again = to_html(&from_html(html)).to_lowercase();
            for harm in ["<script", "<img", "<iframe", "<svg", "javascript:x\""] {
                assert!(!again.contains(harm), "{html:?} became {again:?}");
            }
        }
    }

    #[test]
    fn what_editors_write_is_understood() {
        for (html, text) in [
            (
                "<p>Hello <b>bold</b></p><ul><li>a</li><li><p>b</p></li></ul>",
                "Hello **bold**\n\n- a\n- b",
            ),
            ("a<br />b<br>c", "a\\\nb\\\nc"),
            ("<ol><li>x</li><li>y<ul><li>z</li></ul></li></ol>", "1. x\n2. y\n   - z"),
            ("<h2>T</h2><div>one</div><div>two</div>", "## T\n\none\n\ntwo"),
            (
                "<pre><code class=\"language-rust\">fn x() {}\n</code></pre>",
                "```rust\nfn x() {}\n```",
            ),
            ("<p>a</p><hr><p>b</p>", "a\n\n---\n\nb"),
            ("<a class=mention data-tagged-user-id=\"5\">@AI-Agent</a> go", "@AI-Agent go"),
            ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a | b\n\nc"),
            ("<strong> spaced </strong>x", " **spaced** x"),
            ("  many   blanks\n here ", "many blanks here"),
            ("<blockquote><p>q</p><p>r</p></blockquote>", "> q\n>\n> r"),
            ("&amp;lt; &nbsp; &eacute;", "\\&lt; \u{a0} é"),
            ("<b></b><i> </i>", ""),
            ("<input type=checkbox checked> done", "[x] done"),
        ] {
            let found = from_html(html);
            assert_eq!(found.trim(), text.trim(), "{html}");
        }
    }

    #[test]
    fn depth_and_length_are_no_weapon() {
        for tag in ["b", "ul><li", "blockquote", "div", "pre", "a href=http://x", "ol><li", "h1"] {
            let deep = format!("<{tag}>").repeat(30_000);
            assert!(from_html(&format!("{deep}x")).len() < 1_000_000, "{tag}");
        }
        let deep = "> ".repeat(30_000) + "x";
        assert!(to_html(&deep).len() < 5_000_000);
        let begin = "[".repeat(60_000);
        assert!(to_html(&begin).len() < 1_000_000);
    }

    proptest! {
        #[test]
        fn no_text_becomes_a_tag(text in "\\PC{0,200}") {
            let escaped: String = text.chars().map(|c| match c {
                '<' => "&lt;".to_owned(),
                '>' => "&gt;".to_owned(),
                '&' => "&amp;".to_owned(),
                c => c.to_string(),
            }).collect();
            let again = to_html(&from_html(&escaped));
            let tags = again.replace("<br />", "").replace("<p>", "").replace("</p>", "");
            prop_assert!(!tags.contains('<') , "{:?} became {:?}", text, again);
        }

        #[test]
        fn arbitrary_input_does_no_harm(text in "[<>a-z/=\"'& *_`\\[\\]()#\n-]{0,300}") {
            let _ = to_html(&text);
            let again = to_html(&from_html(&text)).to_lowercase();
            prop_assert!(!again.contains("<script") && !again.contains("<img"));
        }
    }
}
