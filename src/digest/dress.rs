//! Makes texts safe for a format: what somebody wrote on the board meets the syntax of a message here,
//! and that of a channel in `notify/text.rs`.

use super::links::safe_url;
use crate::domain::Value;
use crate::notify::text::{JOINER, markdown_escaped, printable, slack_escaped, without_unseen};
use std::collections::BTreeMap;

/// The most characters of one text of somebody's that are shown; the rest is counted.
pub const TEXT_CHARS_MAX: usize = 1_000;

/// What a template makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// Plain text.
    Text,
    /// `CommonMark`.
    Markdown,
    /// Slack's mrkdwn.
    Slack,
}

impl Format {
    /// All of them, plain text first.
    pub const ALL: [Self; 3] = [Self::Text, Self::Markdown, Self::Slack];

    /// What a template's name ends with.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Text => ".txt.hbs",
            Self::Markdown => ".md.hbs",
            Self::Slack => ".slack.hbs",
        }
    }
}

/// The same model with every text escaped for a format, so that a template can place it anywhere.
///
/// Control and direction-changing characters and what has no width are removed, mentions are broken, and an object with
/// a `reference` and a `url` gains a `link` in the format's own syntax (the bare reference where
/// the address is no `http` or `https` address); under `url`, what is one stays one. Keys are the house's own and stay as they are.
pub fn dress(value: &Value, format: Format) -> Value {
    match value {
        Value::Text(text) => Value::Text(escape(text, format)),
        Value::List(items) => Value::List(items.iter().map(|item| dress(item, format)).collect()),
        Value::Map(map) => {
            let member = |key: &str, value: &Value| match (key, value) {
                ("url", Value::Text(url)) => Value::Text(address(url, format)),
                _ => dress(value, format),
            };
            let mut dressed: BTreeMap<_, _> =
                map.iter().map(|(key, value)| (key.clone(), member(key, value))).collect();
            if let Some(link) = link(map, format) {
                dressed.insert("link".to_owned(), Value::Text(link));
            }
            Value::Map(dressed)
        }
        other => other.clone(),
    }
}

/// A text of somebody's as one line of at most [`TEXT_CHARS_MAX`] characters: blanks of any kind
/// become one space; what does not fit is left out between words and counted.
pub fn one_line(text: &str) -> String {
    let clean = printable(text);
    let words: Vec<&str> = clean.split_whitespace().collect();
    let line = words.join(" ");
    let total = line.chars().count();
    if total <= TEXT_CHARS_MAX {
        return line;
    }
    let cut = line.char_indices().nth(TEXT_CHARS_MAX).map_or(line.len(), |(at, _)| at);
    let head = &line[..cut];
    let ends_at_word = line[cut..].starts_with(' ');
    let kept = match head.rfind(' ') {
        Some(blank) if !ends_at_word => &head[..blank],
        _ => head,
    };
    let left_out = total - kept.chars().count();
    format!("{kept} … ({left_out} more characters)")
}

/// An address as it may stand in a link of the format; what is none is a text as any other.
fn address(url: &str, format: Format) -> String {
    match (safe_url(url), format) {
        (Some(url), Format::Slack) => url.replace('&', "&amp;"),
        (Some(url), Format::Text | Format::Markdown) => url,
        (None, _) => escape(url, format),
    }
}

/// A reference as a link of the format.
fn link(map: &BTreeMap<String, Value>, format: Format) -> Option<String> {
    let reference = map.get("reference")?.as_text()?;
    let url = map.get("url")?.as_text()?;
    let reference = escape(&one_line(reference), format);
    Some(match (safe_url(url), format) {
        (None, _) => reference,
        (Some(url), Format::Text) => format!("{reference} {url}"),
        (Some(url), Format::Markdown) => format!("[{reference}]({url})"),
        // A bar would end the address; none can be in it, and the label may have some.
        (Some(url), Format::Slack) => format!("<{}|{reference}>", address(&url, format)),
    })
}

fn escape(text: &str, format: Format) -> String {
    let text = without_unseen(&printable(text));
    match format {
        Format::Text => text,
        Format::Markdown => markdown_escaped(&text),
        Format::Slack => mrkdwn(&text),
    }
}

/// Escaped for mrkdwn: no link, no mention, no directive of [`super::blocks::fit`].
pub(super) fn mrkdwn(text: &str) -> String {
    let lines: Vec<String> = slack_escaped(text)
        .split('\n')
        .map(|line| {
            if super::blocks::is_directive(line) {
                format!("{JOINER}{line}")
            } else {
                line.to_owned()
            }
        })
        .collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dressed(text: &str, format: Format) -> String {
        dress(&Value::from(text), format).as_text().unwrap().to_owned()
    }

    #[test]
    fn nothing_from_the_board_pings_or_links() {
        let text = "<!channel> @here @Everyone <@U1> <https://evil.example|task 7> a & b @heretic";
        assert_eq!(
            dressed(text, Format::Slack),
            "&lt;!channel&gt; @\u{2060}here @\u{2060}Everyone &lt;@U1&gt; \
             &lt;https://evil.example|task 7&gt; a &amp; b @\u{2060}heretic"
        );
    }

    #[test]
    fn markdown_reads_as_it_was_written() {
        assert_eq!(
            dressed("# a *b* _c_ [d](e) <f>", Format::Markdown),
            "\\# a \\*b\\* \\_c\\_ \\[d\\](e) \\<f\\>"
        );
        assert_eq!(dressed("a - b # c", Format::Markdown), "a - b # c");
        assert_eq!(dressed("x\n  - y", Format::Markdown), "x\n  \\- y");
    }

    #[test]
    fn a_terminal_is_not_told_what_to_do() {
        assert_eq!(dressed("a\u{1b}[2Jb\u{202e}c\r\nd", Format::Text), "a[2Jbc \nd");
    }

    #[test]
    fn lines_cannot_pose_as_headers() {
        assert_eq!(dressed("# a\n---", Format::Slack), "\u{2060}# a\n\u{2060}---");
    }

    #[test]
    fn references_become_links_of_the_format() {
        let model = |url: &str| Value::map([("reference", "task 7"), ("url", url)]);
        let link = |url: &str, format| {
            dress(&model(url), format).get("link").and_then(Value::as_text).unwrap().to_owned()
        };
        let url = "https://b.example/tasks/7?a=1&b=2";
        assert_eq!(link(url, Format::Text), format!("task 7 {url}"));
        assert_eq!(link(url, Format::Markdown), format!("[task 7]({url})"));
        assert_eq!(link(url, Format::Slack), "<https://b.example/tasks/7?a=1&amp;b=2|task 7>");
        for bad in ["", "javascript:alert(1)", "https://a|b", "https://a/ b", "https://a/>"] {
            assert_eq!(link(bad, Format::Slack), "task 7", "{bad:?}");
            assert_eq!(link(bad, Format::Markdown), "task 7", "{bad:?}");
        }
    }

    #[test]
    fn an_address_stays_one_also_with_marks_in_it() {
        let url = |url: &str| {
            let model = Value::map([("url", url)]);
            dress(&model, Format::Slack).get("url").and_then(Value::as_text).unwrap().to_owned()
        };
        assert_eq!(
            url("https://b.example/~ada/_7_?a=1&b=2"),
            "https://b.example/~ada/_7_?a=1&amp;b=2"
        );
        assert_eq!(url("<!here>"), "&lt;!here&gt;");
    }

    #[test]
    fn what_is_left_out_is_counted() {
        assert_eq!(one_line(" a\n b\t c "), "a b c");
        let long = "word ".repeat(300);
        let line = one_line(&long);
        assert!(line.ends_with(" word … (500 more characters)"), "{line}");
        let shown = line.chars().take_while(|c| *c != '…').count() - 1;
        assert_eq!(shown + 500, long.trim_end().chars().count());
    }
}
