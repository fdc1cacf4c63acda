//! A message as Slack shows it: the blocks of a payload in elements of ours. Whatever stands in it is text, and a
//! link leads to `http` or `https` or nowhere.

use super::markdown::leads;
use super::shown::{list, text};
use crate::domain::Value;
use maud::{Markup, html};

/// More marks inside of each other are shown as they are written: nobody means them.
const DEPTH_MAX: usize = 8;

/// The messages of one notice.
pub(super) fn messages<'a>(payloads: impl IntoIterator<Item = &'a str>) -> Markup {
    html! {
        div.slack {
            @for payload in payloads {
                @match serde_json::from_str::<Value>(payload) {
                    Ok(payload) => (message(&payload)),
                    Err(_) => pre { (payload) },
                }
            }
        }
    }
}

fn message(payload: &Value) -> Markup {
    let blocks = list(payload, "blocks");
    html! {
        div.message {
            @if blocks.is_empty() { (mrkdwn(text(payload, "text"))) }
            @for block in blocks { (self::block(block)) }
        }
    }
}

fn block(block: &Value) -> Markup {
    match text(block, "type") {
        "header" => {
            html! { p.heading { (block.get("text").map_or("", |said| text(said, "text"))) } }
        }
        "section" => html! {
            @if let Some(said) = block.get("text") { p { (object(said)) } }
            @if !list(block, "fields").is_empty() {
                div.fields { @for field in list(block, "fields") { p { (object(field)) } } }
            }
        },
        "context" => html! {
            p.quiet { @for element in list(block, "elements") { span { (object(element)) } " " } }
        },
        "divider" => html! { hr; },
        "actions" => html! {
            p.actions {
                @for element in list(block, "elements") {
                    span.button { (element.get("text").map_or("", |said| text(said, "text"))) }
                }
            }
        },
        other => html! { p.quiet { "A block of the sort " code { (other) } "." } },
    }
}

/// A text object, or a picture by its words.
fn object(said: &Value) -> Markup {
    match text(said, "type") {
        "mrkdwn" => mrkdwn(text(said, "text")),
        "image" => html! { (text(said, "alt_text")) },
        _ => html! { (text(said, "text")) },
    }
}

/// Slack's own markup.
fn mrkdwn(said: &str) -> Markup {
    html! {
        @for (place, line) in said.lines().enumerate() {
            @if place > 0 { br; }
            @match line.strip_prefix("&gt;") {
                Some(quoted) => span.quoted { (inline(quoted.trim_start(), 0)) },
                None => (inline(line, 0)),
            }
        }
    }
}

/// A line with what stands between marks.
fn inline(line: &str, depth: usize) -> Markup {
    let (mut rest, mut before) = (line, None);
    let mut shown = Vec::new();
    let mut plain = String::new();
    while let Some(c) = rest.chars().next() {
        let found = if depth < DEPTH_MAX { marked(rest, c, before, depth) } else { None };
        if let Some((element, length)) = found {
            shown.push(html! { (unescaped(&std::mem::take(&mut plain))) (element) });
            before = rest[..length].chars().next_back();
            rest = &rest[length..];
        } else {
            plain.push(c);
            before = Some(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    html! { @for part in &shown { (part) } (unescaped(&plain)) }
}

/// What begins here with a mark, and how many bytes of the line it is.
fn marked(rest: &str, c: char, before: Option<char>, depth: usize) -> Option<(Markup, usize)> {
    match c {
        '<' => {
            let end = rest.find('>')?;
            Some((reference(&rest[1..end]), end + 1))
        }
        '*' | '_' | '~' | '`' => {
            let end = 1 + end_of(&rest[1..], c)?;
            if before.is_some_and(char::is_alphanumeric) {
                return None;
            }
            let inside = &rest[1..end];
            let shown = match c {
                '*' => html! { strong { (inline(inside, depth + 1)) } },
                '_' => html! { em { (inline(inside, depth + 1)) } },
                '~' => html! { s { (inline(inside, depth + 1)) } },
                _ => html! { code { (unescaped(inside)) } },
            };
            Some((shown, end + 1))
        }
        _ => None,
    }
}

/// Where the mark stands again that ends what it began: not after a blank, not within a word.
fn end_of(rest: &str, mark: char) -> Option<usize> {
    if rest.chars().next().is_none_or(|c| c.is_whitespace() || c == mark) {
        return None;
    }
    let ends = |at: usize| {
        let (inside, after) = (&rest[..at], &rest[at + mark.len_utf8()..]);
        let is_word = after.chars().next().is_some_and(char::is_alphanumeric);
        !inside.ends_with(char::is_whitespace) && !is_word
    };
    rest.match_indices(mark).map(|(at, _)| at).find(|at| ends(*at))
}

/// What stands between `<` and `>`: a link, somebody, everybody.
fn reference(inside: &str) -> Markup {
    let (target, label) = inside.split_once('|').unwrap_or((inside, inside));
    let target = unescaped(target);
    html! {
        @if leads(&target) {
            a href=(target) rel="noreferrer noopener nofollow" { (unescaped(label)) }
        } @else if let Some(name) = inside.strip_prefix(['@', '!', '#']) {
            span.yours { "@" (unescaped(name.split('|').next_back().unwrap_or(name))) }
        } @else {
            (unescaped(label))
        }
    }
}

/// Slack escapes three characters.
fn unescaped(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> String {
        mrkdwn(text).into_string()
    }

    #[test]
    fn marks_are_shown_as_slack_shows_them() {
        for (said, shown) in [
            ("*Due* today", "<strong>Due</strong> today"),
            ("a *b _c_* d", "a <strong>b <em>c</em></strong> d"),
            ("2*3*4 and * no *", "2*3*4 and * no *"),
            ("`*x*` ~old~", "<code>*x*</code> <s>old</s>"),
            ("a &lt;b&gt; &amp;amp;", "a &lt;b&gt; &amp;amp;"),
            ("one\ntwo", "one<br>two"),
            ("&gt; said", "<span class=\"quoted\">said</span>"),
            (
                "<@U123> <!here>",
                "<span class=\"yours\">@U123</span> <span class=\"yours\">@here</span>",
            ),
            ("**", "**"),
        ] {
            assert_eq!(line(said), shown, "{said}");
        }
    }

    #[test]
    fn nothing_of_a_message_is_markup_or_leads_elsewhere() {
        let link = line("<https://example.com/?a=1&amp;b=2|here &lt;b&gt;>");
        assert!(link.contains("href=\"https://example.com/?a=1&amp;b=2\""), "{link}");
        assert!(link.contains("noreferrer") && link.contains("here &lt;b&gt;"), "{link}");
        for bad in ["<javascript:alert(1)|x>", "<data:text/html,x|x>", "<//evil.example|x>"] {
            assert!(!line(bad).contains("href"), "{bad}");
        }
        for bad in ["<script>alert(1)</script>", "*<img src=x onerror=y>*", "`<b>`"] {
            let shown = line(bad);
            let plain = ["<strong>", "</strong>", "<code>", "</code>"];
            let rest = plain.iter().fold(shown.clone(), |text, tag| text.replace(tag, ""));
            assert!(!rest.contains('<'), "{bad}: {shown}");
        }
        // However deep, it is shown in the end.
        let deep = "*_".repeat(3_000) + "x" + &"_*".repeat(3_000);
        assert!(line(&deep).contains('x'));
    }

    #[test]
    fn blocks_of_every_sort_are_shown() {
        let payload = r#"{"text": "t", "blocks": [
            {"type": "header", "text": {"type": "plain_text", "text": "*Day*"}},
            {"type": "section", "text": {"type": "mrkdwn", "text": "*Due*"},
             "fields": [{"type": "mrkdwn", "text": "_one_"}]},
            {"type": "divider"},
            {"type": "context", "elements": [{"type": "mrkdwn", "text": "small"}]},
            {"type": "actions", "elements": [{"type": "button", "text": {"type": "plain_text", "text": "Approve"}}]},
            {"type": "<new>"}]}"#;
        let shown =
            messages([payload, r#"{"text": "only &lt;text&gt;"}"#, "no <json>"]).into_string();
        for part in [
            "<p class=\"heading\">*Day*</p>",
            "<strong>Due</strong>",
            "<em>one</em>",
            "<hr>",
            "small",
            "<span class=\"button\">Approve</span>",
            "<code>&lt;new&gt;</code>",
            "only &lt;text&gt;",
            "<pre>no &lt;json&gt;</pre>",
        ] {
            assert!(shown.contains(part), "{part} in {shown}");
        }
    }
}
