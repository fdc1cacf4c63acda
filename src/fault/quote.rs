//! Quoted lines made safe to show.

use super::{Quote, Showing};
use std::fmt::Write as _;
use std::ops::Range;

/// Shown in place of what may not be shown.
const MASK: &str = "…";
/// The longest part of a line that is shown, in characters.
const SHOWN_MAX: usize = 160;

/// A longer line is not shown: nobody wrote it, and to look for secrets in it takes long.
const LINE_BYTES_MAX: usize = 4_096;

/// What makes a key's value a secret wherever it stands in the key's name.
const SECRET_PARTS: [&str; 9] =
    ["token", "secret", "passw", "webhook", "apikey", "credential", "private", "bearer", "auth"];

/// Words of a key's name that make its value a secret, also when they are mistyped.
const SECRET_WORDS: [&str; 12] = [
    "token",
    "secret",
    "password",
    "passwd",
    "passphrase",
    "webhook",
    "apikey",
    "credential",
    "credentials",
    "private",
    "bearer",
    "authorization",
];

/// Short words that make its value a secret when they are the whole word.
const SECRET_SHORT: [&str; 6] = ["key", "pwd", "pass", "tok", "hook", "api"];

/// Beginnings that services give their tokens.
const TOKEN_STARTS: [&str; 19] = [
    "xoxb-",
    "xoxp-",
    "xoxa-",
    "xoxe-",
    "xoxs-",
    "xoxr-",
    "xapp-",
    "sk-",
    "sk_",
    "pk_",
    "ghp_",
    "gho_",
    "ghs_",
    "github_pat_",
    "glpat-",
    "lt_",
    "AKIA",
    "eyJ",
    "hf_",
];

/// Whether a text looks like a token: a known beginning, an address with a secret path, or one
/// long word of mixed letters and digits.
pub fn looks_secret(text: &str) -> bool {
    is_secret(text)
        || words(text).any(|word| {
            word.len() >= 20
                && !word.contains("://")
                && word.chars().filter(char::is_ascii_digit).count() >= 4
                && word.chars().filter(char::is_ascii_alphabetic).count() >= 6
                && word.chars().all(|c| c.is_ascii_alphanumeric() || "-_+/=".contains(c))
        })
}

/// Whether a text holds what can be nothing else: a token by its beginning, an address with a secret path
/// or a password. A commit's hash is none.
fn is_secret(text: &str) -> bool {
    has_token(text)
        || words(text).any(|word| {
            ["hooks.slack", "/webhooks/"].iter().any(|part| word.contains(part))
                || word.split_once("://").is_some_and(|(_, rest)| rest.contains('@'))
        })
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c.is_whitespace() || "\"'=,;()[]{}".contains(c))
}

/// In the place of a secret.
pub const REDACTED: &str = "[redacted]";

/// A text without the words that look like secrets.
pub fn masked(text: &str) -> String {
    without(text, looks_secret)
}

/// One of these is in every text that [`is_secret`] finds: of those without it, which are most lines of a
/// program that floods, there is no more to look at.
const OF_SECRETS: [char; 5] = ['-', '_', '/', 'K', 'J'];

/// A text without the words that are secrets: what programs print is full of hashes.
pub fn without_secrets(text: &str) -> String {
    if !OF_SECRETS.iter().any(|mark| text.contains(*mark)) {
        return text.to_owned();
    }
    without(text, is_secret)
}

fn without(text: &str, is_one: fn(&str) -> bool) -> String {
    if !is_one(text) {
        return text.to_owned();
    }
    let parts = text.split_inclusive(|c: char| c.is_whitespace() || "\"'=,;()[]{}".contains(c));
    let parts = parts.map(|part| {
        if is_one(part) {
            let end: String =
                part.chars().last().filter(|c| !c.is_alphanumeric()).into_iter().collect();
            format!("{REDACTED}{end}")
        } else {
            part.to_owned()
        }
    });
    let out: String = parts.collect();
    // What only looks like one as a whole.
    if is_one(&out) { REDACTED.to_owned() } else { out }
}

/// Whether a text holds what services let their tokens begin with; a short beginning counts only
/// where a word begins.
fn has_token(text: &str) -> bool {
    TOKEN_STARTS.iter().any(|start| {
        text.match_indices(start).any(|(at, _)| {
            let is_inside =
                text[..at].chars().next_back().is_some_and(|c| c.is_ascii_alphanumeric());
            let rest = text[at + start.len()..].chars();
            let letters = rest.take_while(|c| c.is_ascii_alphanumeric() || "-_".contains(*c));
            (!is_inside || start.len() > 3) && letters.take(4).count() == 4
        })
    })
}

/// A value as a message may show it: short, on one line, without control characters, masked when
/// it looks like a token.
pub fn shown(text: &str) -> String {
    if looks_secret(text) {
        return MASK.to_owned();
    }
    let mut out = String::new();
    for (index, c) in text.chars().enumerate() {
        if index == 60 {
            out.push_str(MASK);
            break;
        }
        push_visible(&mut out, c);
    }
    out
}

/// A text of ours on one line, with what a terminal would obey written out.
pub fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    text.chars().for_each(|c| push_visible(&mut out, c));
    out
}

/// Whether what stands before a value names a secret, mistyped or not.
pub fn names_secret(before: &str) -> bool {
    let lower = before.to_lowercase();
    if SECRET_PARTS.iter().any(|word| lower.contains(word)) {
        return true;
    }
    // `slack_tokn` and `SlackTokn` are two words each; an underscore in the middle of one is none.
    let spaced = before.chars().fold(String::new(), |mut out, c| {
        if c.is_uppercase() && out.ends_with(char::is_lowercase) {
            out.push(' ');
        }
        out.extend(c.to_lowercase());
        out
    });
    let keys = spaced.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '-');
    keys.filter(|key| key.len() <= 64).any(|key| {
        is_secret_word(&key.replace(['_', '-'], "")) || key.split(['_', '-']).any(is_secret_word)
    })
}

/// Whether a word is one of those that name secrets, give or take a letter (two in a long word).
fn is_secret_word(word: &str) -> bool {
    let near = |secret: &&str| {
        let letters = if secret.len() >= 7 { 2 } else { 1 };
        word.len().abs_diff(secret.len()) <= letters
            && strsim::damerau_levenshtein(word, secret) <= letters
    };
    SECRET_SHORT.contains(&word) || word.len() >= 4 && SECRET_WORDS.iter().any(near)
}

/// Writes a character so that it can be seen and does nothing to a terminal.
fn push_visible(out: &mut String, c: char) {
    let invisible = c.is_control()
        || matches!(c, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{e0000}'..='\u{e007f}')
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}');
    if c == '\t' {
        out.push(' ');
    } else if invisible {
        let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
    } else {
        out.push(c);
    }
}

/// A line as it may be shown, with the marked bytes moved along.
pub(super) fn quote(line: &str, mark: Range<usize>, showing: Showing, inside_text: bool) -> Quote {
    if line.len() > LINE_BYTES_MAX {
        return Quote { text: MASK.to_owned(), mark: 0..MASK.len() };
    }
    let hidden = match showing {
        _ if inside_text && (showing == Showing::KeysOnly || looks_secret(line)) => {
            std::iter::once(0..line.len()).collect()
        }
        Showing::KeysOnly => values(line),
        Showing::Values => secrets(line),
    };
    let mut text = String::new();
    let (mut from, mut to) = (None, None);
    let mut count = 0;
    // A very long line is shown from a little before the mark.
    let before = line[..mark.start].chars().count();
    let skip = if line.chars().count() > SHOWN_MAX { before.saturating_sub(40) } else { 0 };
    let mut within = None;
    for (index, (at, c)) in line.char_indices().enumerate() {
        if index < skip {
            continue;
        }
        if at >= mark.start && from.is_none() {
            from = Some(text.len());
        }
        if at >= mark.end && to.is_none() {
            to = Some(text.len());
        }
        if count >= SHOWN_MAX {
            text.push_str(MASK);
            break;
        }
        match hidden.iter().position(|range: &Range<usize>| range.contains(&at)) {
            Some(place) if within == Some(place) => {}
            Some(place) => {
                within = Some(place);
                text.push_str(MASK);
                count += 1;
            }
            None => {
                push_visible(&mut text, c);
                count += 1;
            }
        }
    }
    let from = from.unwrap_or(text.len());
    let to = to.unwrap_or(text.len()).max(from);
    Quote { text, mark: from..to }
}

/// Everything on the line that is not a key or a table's name.
fn values(line: &str) -> Vec<Range<usize>> {
    let trimmed = line.trim_start();
    if trimmed.starts_with('[') && !line.contains(['"', '\'', '=', ',']) && !looks_secret(line) {
        return Vec::new();
    }
    let key_end = line.find('=').filter(|at| {
        let key = line[..*at].trim();
        !key.is_empty()
            && key.len() <= 40
            && !looks_secret(key)
            && key.chars().all(|c| c.is_alphanumeric() || "_-. ".contains(c))
    });
    // In an inline table the keys inside stay hidden too: which part is the value is a guess.
    let start = key_end.map_or(line.len() - trimmed.len(), |at| at + 1);
    let blanks = line[start..].len() - line[start..].trim_start().len();
    let start = start + blanks;
    Some(start..line.len()).filter(|range| !range.is_empty()).into_iter().collect()
}

/// The texts on the line that look like tokens or stand under a secret's name.
fn secrets(line: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut key_start = 0;
    let mut rest = 0;
    while let Some(open) = line[rest..].find(['"', '\'']).map(|at| rest + at) {
        let mark = line.as_bytes()[open];
        let mut close = open + 1;
        while close < line.len() && line.as_bytes()[close] != mark {
            close += if mark == b'"' && line.as_bytes()[close] == b'\\' { 2 } else { 1 };
        }
        let close = close.min(line.len());
        let inside = line.get(open + 1..close).unwrap_or_default();
        let key = line.get(key_start..open).unwrap_or_default();
        if names_secret(key) || looks_secret(inside) {
            found.push(open + 1..close);
        }
        rest = (close + 1).min(line.len());
        while !line.is_char_boundary(rest) {
            rest += 1;
        }
        key_start = rest;
    }
    // What stands outside of quotes: bare words of broken lines.
    let quoted = |at: usize| found.iter().any(|range: &Range<usize>| range.contains(&at));
    let bare: String =
        line.char_indices().map(|(at, c)| if quoted(at) { ' ' } else { c }).collect();
    if looks_secret(&bare) || found.is_empty() && bare_secret(line) {
        return values(line);
    }
    found
}

/// Whether a secret's name is followed by something that is not quoted.
fn bare_secret(line: &str) -> bool {
    line.split_once('=').is_some_and(|(key, value)| {
        let value = value.trim_start();
        names_secret(key) && !value.starts_with('{')
    })
}

/// Whether a text that ends here ends inside a multi-line TOML text.
pub(super) fn starts_inside_text(before: &str) -> bool {
    if !before.contains("\"\"\"") && !before.contains("'''") {
        return false;
    }
    let mut open: Option<&str> = None;
    let mut rest = before;
    while !rest.is_empty() {
        if let Some(mark) = open {
            match rest.find(mark) {
                Some(at) => {
                    rest = &rest[at + 3..];
                    open = None;
                }
                None => return true,
            }
            continue;
        }
        let next = rest.find(['"', '\'', '#']);
        let Some(at) = next else { return false };
        let tail = &rest[at..];
        if tail.starts_with('#') {
            rest = tail.find('\n').map_or("", |end| &tail[end..]);
        } else if let Some(mark) = ["\"\"\"", "'''"].into_iter().find(|m| tail.starts_with(m)) {
            open = Some(mark);
            rest = &tail[3..];
        } else {
            rest = after_text(tail);
        }
    }
    open.is_some()
}

/// What follows a text on one line (or its line, if it has no end).
fn after_text(tail: &str) -> &str {
    let mark = tail.as_bytes()[0];
    let mut escaped = false;
    for (at, byte) in tail.bytes().enumerate().skip(1) {
        if byte == b'\n' {
            return &tail[at..];
        }
        if byte == mark && !escaped {
            return &tail[at + 1..];
        }
        escaped = mark == b'"' && byte == b'\\' && !escaped;
    }
    ""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_taken_out_of_what_programs_print_and_hashes_are_not() {
        for start in TOKEN_STARTS {
            assert!(start.contains(OF_SECRETS), "{start}");
            let told = without_secrets(&format!("key={start}abcdef0123, and on"));
            assert_eq!(told, format!("key={REDACTED}, and on"));
        }
        let told = without_secrets(
            "from https://ada:pw@host.example/x at 31f2f4fdd3dd93bc66d19981c536e699",
        );
        assert_eq!(told, format!("from {REDACTED} at 31f2f4fdd3dd93bc66d19981c536e699"));
    }

    fn show(line: &str, showing: Showing) -> String {
        quote(line, 0..1, showing, false).text
    }

    #[test]
    fn values_of_secret_names_and_tokens_are_masked() {
        for line in [
            "tokn = \"xoxb-SECRET\"",
            "token = 'SECRET'",
            "webhook = \"https://hooks.slack.com/services/SECRET\"",
            "x = \"https://user:SECRET@example.org/\"",
            "password = SECRET",
            "x = { token = \"SECRET\", name = \"a\" }",
            "x = \"a4SECRETf0e19c8b7d62a1\"",
            "token = \"abc\\\"SECRET\"",
        ] {
            for showing in [Showing::Values, Showing::KeysOnly] {
                let text = show(line, showing);
                assert!(!text.contains("SECRET"), "{line}: {text}");
            }
        }
    }

    #[test]
    fn keys_only_shows_no_value_at_all() {
        for line in
            ["x = \"SECRET\"", "x = SECRET", "SECRET", "x \"SECRET\"", "  \"SECRET\",", "x=[SECRET"]
        {
            let text = show(line, Showing::KeysOnly);
            assert!(!text.contains("SECRET"), "{line}: {text}");
        }
        assert_eq!(show("[daemn]", Showing::KeysOnly), "[daemn]");
        assert_eq!(show("slots = 4", Showing::KeysOnly), "slots = …");
    }

    #[test]
    fn ordinary_values_are_shown() {
        let line = "cron = \"*/5 8-18 * * MON-FRY\"";
        assert_eq!(show(line, Showing::Values), line);
        assert_eq!(shown("Ready for Review"), "Ready for Review");
        assert_eq!(shown("xoxb-123456"), "…");
    }

    #[test]
    fn control_characters_are_written_out() {
        assert_eq!(show("x = \"\u{1b}[31m\"", Showing::Values), "x = \"\\u{1b}[31m\"");
        assert_eq!(shown("a\nb\u{202e}"), "a\\u{a}b\\u{202e}");
    }

    #[test]
    fn a_line_inside_a_long_text_is_known() {
        assert!(starts_inside_text("a = \"\"\"\nx\n"));
        assert!(!starts_inside_text("a = \"\"\"\nx\n\"\"\"\n"));
        assert!(!starts_inside_text("a = \"it's\" # don't \"\"\"\n"));
        let hidden = quote("hunter=two", 0..1, Showing::KeysOnly, true);
        assert_eq!(hidden.text, "…");
    }

    #[test]
    fn the_mark_moves_with_what_is_masked() {
        let line = "k = \"\u{1b}\" # é here";
        let at = line.find("here").unwrap();
        let quoted = quote(line, at..at + 4, Showing::Values, false);
        assert_eq!(&quoted.text[quoted.mark.clone()], "here");
    }

    #[test]
    fn a_long_line_is_cut_around_its_mark() {
        let line = format!("{}bad{}", "x ".repeat(500), " y".repeat(500));
        let quoted = quote(&line, 1000..1003, Showing::Values, false);
        assert!(quoted.text.chars().count() <= SHOWN_MAX + 1);
        assert_eq!(&quoted.text[quoted.mark.clone()], "bad");
    }
}
