//! What is posted: a message's payloads, or its plain text where it has none, with those in front whom
//! it is addressed to.

use crate::domain::{Body, Mention};
use crate::notify::text::{parts, printable, slack_escaped};
use serde_json::{Value, json};

/// The most characters of a plain text that is sent without blocks, escaped; Slack cuts beyond 4,000
/// where a text stands in a notification, and takes 40,000.
const PLAIN_CHARS_MAX: usize = 3_900;
/// The most blocks of a message.
const BLOCKS_MAX: usize = 50;
/// At most so many are mentioned.
const MENTIONS_MAX: usize = 20;
/// The most characters of a name.
const NAME_CHARS_MAX: usize = 80;

/// The payloads of a message. What is no JSON is sent as it is: a test's, or an older version's.
pub(super) fn payloads(body: &Body) -> Vec<String> {
    if !body.slack.is_empty() {
        return body.slack.clone();
    }
    // Escaped first: an ampersand grows to five characters. No entity has a blank to be cut at, and a
    // word that is longer than a message is cut where it has to be.
    let text = slack_escaped(&printable(&body.text));
    parts(&text, PLAIN_CHARS_MAX, |_| 1)
        .into_iter()
        .map(|text| json!({ "text": text }).to_string())
        .collect()
}

/// Puts a line in front that mentions these; of those whose id nobody knows, the name is written.
pub(super) fn addressed(payload: &mut Value, mentions: &[(Mention, Option<String>)]) {
    let names = mentions.iter().take(MENTIONS_MAX).map(|(mention, id)| {
        if let Some(id) = id {
            return format!("<@{id}>");
        }
        let name: String = printable(&mention.name).chars().take(NAME_CHARS_MAX).collect();
        slack_escaped(&name.replace('\n', " "))
    });
    let line = names.collect::<Vec<_>>().join(" ");
    if line.trim().is_empty() {
        return;
    }
    let text = payload["text"].as_str().unwrap_or_default();
    payload["text"] = json!(format!("{line} {text}").trim());
    let blocks = payload.get_mut("blocks").and_then(Value::as_array_mut);
    let Some(blocks) = blocks else { return };
    if blocks.len() < BLOCKS_MAX {
        let text = json!({"type": "mrkdwn", "text": line, "verbatim": true});
        blocks.insert(0, json!({"type": "section", "text": text}));
    }
}

/// Whether a text is the id of a Slack user, so that it may stand in a mention.
pub(super) fn is_user_id(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
    (2..=32).contains(&text.len()) && text.starts_with(['U', 'W']) && text.bytes().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mention(name: &str) -> Mention {
        Mention { name: name.into(), email: None, slack: None }
    }

    #[test]
    fn a_body_without_payloads_is_sent_as_escaped_text() {
        let body = Body { text: "a <!channel> & b\n".into(), ..Body::default() };
        assert_eq!(payloads(&body), [r#"{"text":"a &lt;!channel&gt; &amp; b"}"#]);
        let long = Body { text: "word ".repeat(1_000), ..Body::default() };
        let sent = payloads(&long);
        assert_eq!(sent.len(), 2);
        assert!(sent.iter().all(|payload| payload.matches("word").count() > 0));
        assert_eq!(payloads(&Body::default()), Vec::<String>::new());
    }

    #[test]
    fn who_is_known_is_mentioned_and_who_is_not_is_named_harmlessly() {
        let mut payload = json!({"text": "t", "blocks": [{"type": "divider"}]});
        let bo = mention("<!channel> Bo @here");
        addressed(&mut payload, &[(mention("Ada"), Some("U1A".into())), (bo, None)]);
        let line = "<@U1A> &lt;!channel&gt; Bo @\u{2060}here";
        assert_eq!(payload["text"], format!("{line} t"));
        assert_eq!(payload["blocks"][0]["text"]["text"], line);
        assert_eq!(payload["blocks"].as_array().unwrap().len(), 2);
    }

    #[test]
    fn only_ids_are_ids() {
        assert!(is_user_id("U0123ABC") && is_user_id("W1"));
        for other in ["", "U", "u1", "U1>", "U1|x", "S123", "!channel"] {
            assert!(!is_user_id(other), "{other}");
        }
    }
}
