//! Makes texts safe for a format. This is the one place where what somebody wrote on the board
//! meets the syntax of a channel.

use super::links::safe_url;
use crate::domain::Value;
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
/// Control and direction-changing characters are removed, mentions are broken, and an object with
/// a `reference` and a `url` gains a `link` in the format's own syntax (the bare reference where
/// the address is no `http` or `https` address). Keys are the house's own and stay as they are.
pub fn dress(value: &Value, format: Format) -> Value {
    match value {
        Value::Text(text) => Value::Text(escape(text, format)),
        Value::List(items) => Value::List(items.iter().map(|item| dress(item, format)).collect()),
        Value::Map(map) => {
            let mut dressed: BTreeMap<_, _> =
                map.iter().map(|(key, value)| (key.clone(), dress(value, format))).collect();
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
        (Some(url), Format::Slack) => format!("<{}|{reference}>", url.replace('&', "&amp;")),
    })
}

fn escape(text: &str, format: Format) -> String {
    let text = printable(text);
    match format {
        Format::Text => text,
        Format::Markdown => markdown(&text),
        Format::Slack => mrkdwn(&text),
    }
}

/// Without what a terminal, a log or a reader's eye would obey instead of showing.
fn printable(text: &str) -> String {
    text.chars()
        .filter_map(|c| match c {
            '\n' => Some('\n'),
            '\t' | '\r' | '\u{2028}' | '\u{2029}' | '\u{85}' => Some(' '),
            c if c.is_control() => None,
            // Direction marks, embeddings, overrides, isolates; the byte order mark; tag characters.
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => None,
            '\u{feff}' | '\u{e0000}'..='\u{e007f}' => None,
            c => Some(c),
        })
        .collect()
}

/// Escaped for `CommonMark` with the usual extensions: it reads as it was written.
fn markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let mut at_line_start = true;
    for c in text.chars() {
        let is_syntax = "\\`*_[]<>|~&".contains(c);
        if is_syntax || at_line_start && "#+-=".contains(c) {
            out.push('\\');
        }
        out.push(c);
        at_line_start = c == '\n' || at_line_start && c == ' ';
    }
    out
}

/// Escaped for mrkdwn: no link, no mention, no directive of [`super::blocks::fit`].
fn mrkdwn(text: &str) -> String {
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let lines: Vec<String> = escaped
        .split('\n')
        .map(|line| {
            let line = broken_mentions(line);
            if super::blocks::is_directive(&line) { format!("{JOINER}{line}") } else { line }
        })
        .collect();
    lines.join("\n")
}

/// Word joiner: takes no room, and no program takes `@⁠here` for a mention.
const JOINER: char = '\u{2060}';

fn broken_mentions(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    for (at, c) in line.char_indices() {
        out.push(c);
        let rest = &line[at + c.len_utf8()..];
        let pings = ["channel", "here", "everyone"]
            .iter()
            .any(|name| rest.get(..name.len()).is_some_and(|head| head.eq_ignore_ascii_case(name)));
        if c == '@' && pings {
            out.push(JOINER);
        }
    }
    out
}
