//! What is shown to people in Slack: answers and forms. Texts come from boards and people: they are
//! escaped, and cut where Slack would refuse them.

use super::asked::{Clicked, Decision};
use crate::notify::text::{printable, slack_escaped};
use serde_json::{Value, json};

/// The most characters of an answer.
const ANSWER_CHARS_MAX: usize = 2_800;
/// The most characters of what a form takes.
const SAID_CHARS_MAX: usize = 3_000;
/// How a command in a text begins.
const COMMAND: &str = "`rota ";
/// The most blocks of a message.
const BLOCKS_MAX: usize = 50;

/// An answer to one person, that nobody else sees.
pub fn reply(text: &str) -> Value {
    json!({"response_type": "ephemeral", "replace_original": false, "text": escaped(text)})
}

/// The message whose button was clicked, with what came of it in the place of the buttons.
pub fn blocks_for(blocks: &[Value], block: &str, outcome: &str) -> Option<Value> {
    if blocks.is_empty() || blocks.len() > BLOCKS_MAX || block.is_empty() {
        return None;
    }
    let text = escaped(outcome);
    let said = json!({
        "type": "context",
        "elements": [{"type": "mrkdwn", "text": text.clone(), "verbatim": true}]
    });
    let mut found = false;
    let blocks: Vec<Value> = blocks
        .iter()
        .map(|own| {
            if own["block_id"].as_str() != Some(block) {
                return own.clone();
            }
            found = true;
            said.clone()
        })
        .collect();
    found.then(|| json!({"replace_original": true, "text": text, "blocks": blocks}))
}

/// The form that asks for a text.
pub fn form(clicked: &Clicked) -> Value {
    let (title, label) = match clicked.decision {
        Decision::Answer => ("Answer", "Your answer"),
        _ => ("Request changes", "What has to be changed"),
    };
    let plain = |text: &str| json!({"type": "plain_text", "text": text});
    json!({
        "type": "modal",
        "callback_id": "rota_decide",
        "private_metadata": serde_json::to_string(clicked).unwrap_or_default(),
        "title": plain(title),
        "submit": plain("Send"),
        "close": plain("Cancel"),
        "blocks": [{
            "type": "input",
            "block_id": "said",
            "label": plain(label),
            "element": {
                "type": "plain_text_input",
                "action_id": "text",
                "multiline": true,
                "max_length": SAID_CHARS_MAX
            }
        }]
    })
}

fn escaped(text: &str) -> String {
    let text = with_commands(printable(text).trim());
    let chars = text.chars().count();
    if chars <= ANSWER_CHARS_MAX {
        return text;
    }
    // Between two entities: `&` begins one.
    let cut: String = text.chars().take(ANSWER_CHARS_MAX).collect();
    let whole = match cut.rfind('&') {
        Some(at) if !cut[at..].contains(';') => &cut[..at],
        _ => cut.as_str(),
    };
    format!("{whole} … ({} more characters)", chars - whole.chars().count())
}

/// Escaped, but for commands in backquotes: `rota …`, of plain characters in one line, is shown as code, whoever
/// wrote it. It can be nothing else.
fn with_commands(text: &str) -> String {
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    let mut from = 0;
    while let Some(begin) = rest[from..].find(COMMAND).map(|at| from + at) {
        let end = rest[begin + 1..].find('`').map(|at| begin + 1 + at);
        let is_command = |end: &usize| {
            end - begin > COMMAND.len() && rest[begin + 1..*end].chars().all(is_plain)
        };
        let Some(end) = end.filter(is_command) else {
            from = begin + COMMAND.len();
            continue;
        };
        out.push_str(&slack_escaped(&rest[..begin]));
        out.push_str(&rest[begin..=end]);
        (rest, from) = (&rest[end + 1..], 0);
    }
    out.push_str(&slack_escaped(rest));
    out
}

/// Whether it means nothing to Slack.
fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || " -_.:#/+=…".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_escaped_bounded_and_for_one_person() {
        let told = reply("<!channel> & @here\u{1b}[2J");
        assert_eq!(told["text"], "&lt;!channel&gt; &amp; @\u{2060}here[2J");
        assert_eq!(told["response_type"], "ephemeral");
        let long = reply(&"&".repeat(5_000));
        let text = long["text"].as_str().unwrap();
        assert!(text.chars().count() < 3_000 && text.contains("&amp; … ("), "{text}");
    }

    #[test]
    fn a_command_is_shown_as_code_and_no_other_mark_formats() {
        let shown = |text: &str| reply(text)["text"].as_str().unwrap().to_owned();
        let told = "Nothing was decided: look at `rota review list --json`.";
        assert_eq!(shown(told), told);
        assert_eq!(
            shown("`rota` <@U1> `rota runs show r-1` `rm *`"),
            "\u{200b}`\u{200b}rota\u{200b}`\u{200b} &lt;@U1&gt; `rota runs show r-1` \
             \u{200b}`\u{200b}rm \u{200b}*\u{200b}`\u{200b}"
        );
        for rest in ["<!channel>`", "a\nb`", "*a*", "x&y`"] {
            for hostile in [format!("{COMMAND}{rest}"), format!("{COMMAND}{COMMAND}{rest}")] {
                let shown = shown(&hostile);
                assert!(shown.contains("\u{200b}`\u{200b}rota"), "{shown}");
                assert!(!shown.contains("<!"), "{shown}");
            }
        }
    }

    #[test]
    fn what_came_of_it_stands_where_the_buttons_were() {
        let blocks = [json!({"type": "divider"}), json!({"type": "actions", "block_id": "b"})];
        let shown = blocks_for(&blocks, "b", "Ada approved it").unwrap();
        assert_eq!(shown["blocks"][1]["elements"][0]["text"], "Ada approved it");
        assert_eq!(shown["blocks"][0]["type"], "divider");
        assert_eq!(blocks_for(&blocks, "c", "x"), None);
        assert_eq!(blocks_for(&[], "b", "x"), None);
    }
}
