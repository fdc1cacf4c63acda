//! A message that is too long to be kept whole: of its formats the one that its channel reads, and of that
//! as much as there is room for, with a word about the rest.

use crate::domain::{Body, Channel};

/// A record of the ledger holds two mebibytes; JSON in JSON takes more than its own length.
const BYTES_MAX: usize = 1_200 * 1024;
/// So much of the text stays beside other formats: what a notification shows.
const OPENING_CHARS: usize = 3_000;

/// As much of a message as can be kept.
pub(super) fn fitted(to: &Channel, body: Body) -> Body {
    if bytes(&body) <= BYTES_MAX {
        return body;
    }
    match to {
        Channel::Slack(_) if !body.slack.is_empty() => {
            let text = body.text.chars().take(OPENING_CHARS).collect();
            first_messages(Body { text, markdown: String::new(), ..body })
        }
        Channel::File(_) if !body.markdown.is_empty() => {
            let text = body.text.chars().take(OPENING_CHARS).collect();
            Body { text, markdown: shortened(body.markdown), slack: Vec::new(), ..body }
        }
        _ => {
            let (markdown, slack) = (String::new(), Vec::new());
            Body { text: shortened(body.text), markdown, slack, ..body }
        }
    }
}

fn bytes(body: &Body) -> usize {
    let formats = [&body.text, &body.markdown].into_iter().chain(&body.slack);
    formats.map(|text| escaped(text)).sum()
}

/// What a text takes as JSON.
fn escaped(text: &str) -> usize {
    let more = |byte: u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' => 1,
        0..=0x1f => 5,
        _ => 0,
    };
    text.len() + text.bytes().map(more).sum::<usize>()
}

fn first_messages(mut body: Body) -> Body {
    let mut room = BYTES_MAX.saturating_sub(body.text.len());
    let all = body.slack.len();
    let kept = body.slack.iter().take_while(|part| {
        let fits = escaped(part) <= room;
        room = room.saturating_sub(escaped(part));
        fits
    });
    let kept = kept.count();
    body.slack.truncate(kept);
    if kept < all {
        let text = format!("{} more messages are too much to be told here.", all - kept);
        body.slack.push(serde_json::json!({ "text": text }).to_string());
    }
    body
}

fn shortened(text: String) -> String {
    if escaped(&text) <= BYTES_MAX {
        return text;
    }
    let mut room = BYTES_MAX;
    let fits = |c: &(usize, char)| {
        let takes = escaped(c.1.encode_utf8(&mut [0; 4]));
        let has_room = takes <= room;
        room = room.saturating_sub(takes);
        has_room
    };
    let end = text.char_indices().take_while(fits).last().map_or(0, |(at, c)| at + c.len_utf8());
    let end = text[..end].rfind('\n').unwrap_or(end);
    let left = text[end..].trim_start().lines().count();
    format!("{}\n\n{left} more lines are too much to be told here.\n", &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write as _;

    fn long() -> Body {
        let mut text = String::new();
        for n in 0..120_000 {
            writeln!(text, "line {n}: \"é\"").unwrap();
        }
        let part = serde_json::json!({ "text": "x".repeat(30_000) }).to_string();
        Body { markdown: text.repeat(2), text, slack: vec![part; 90], ..Body::default() }
    }

    #[test]
    fn what_has_room_stays_as_it_is() {
        let body = Body { text: "a".into(), markdown: "b".into(), ..Body::default() };
        assert_eq!(fitted(&Channel::Stdout, body.clone()), body);
    }

    #[test]
    fn of_what_has_not_the_channels_own_format_stays_and_says_what_is_left_out() {
        let slack = fitted(&Channel::Slack("team".into()), long());
        assert!(bytes(&slack) <= BYTES_MAX + 1_000 && slack.markdown.is_empty());
        let left = 90 - (slack.slack.len() - 1);
        assert!(left > 0 && slack.slack.last().unwrap().contains(&format!("{left} more messages")));
        let file = fitted(&Channel::File("log".into()), long());
        assert!(bytes(&file) <= BYTES_MAX + 20_000 && file.slack.is_empty());
        assert!(file.markdown.ends_with("more lines are too much to be told here.\n"));
        let stdout = fitted(&Channel::Stdout, long());
        let told = stdout.text.lines().filter(|line| line.starts_with("line ")).count();
        let left: usize =
            stdout.text.lines().last().unwrap().split(' ').next().unwrap().parse().unwrap();
        assert_eq!(told + left, 120_000);
    }
}
