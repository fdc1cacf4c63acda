//! What Slack takes: block by block, by its own names for what is wrong.

use serde_json::Value;
use std::collections::BTreeSet;

type Checked = Result<(), &'static str>;

const BAD: &str = "invalid_blocks";
/// Not Slack's own: markup that is none, and mentions of many.
const STRAY: &str = "stray_markup";

/// Nothing but these members.
pub fn members(value: &Value, known: &[&str]) -> Checked {
    let map = value.as_object().ok_or(BAD)?;
    let unknown = map.keys().any(|key| !known.contains(&key.as_str()));
    if unknown { Err("invalid_arguments") } else { Ok(()) }
}

/// A message's text and blocks.
pub fn message(payload: &Value) -> Checked {
    let text = payload["text"].as_str().unwrap_or_default();
    if text.chars().count() > 40_000 {
        return Err("msg_too_long");
    }
    let Some(all) = payload.get("blocks") else {
        return if text.trim().is_empty() { Err("no_text") } else { Ok(()) };
    };
    // Readers of notifications see nothing else.
    if text.trim().is_empty() {
        return Err("no_text");
    }
    if all.to_string().chars().count() > 13_200 {
        return Err("msg_blocks_too_long");
    }
    well_formed(text)?;
    blocks(all, 50)
}

/// What somebody is answered.
pub fn response(payload: &Value) -> Checked {
    members(payload, &["response_type", "replace_original", "text", "blocks"])?;
    message(payload)
}

/// A modal.
pub fn view(view: &Value) -> Checked {
    let known = ["type", "callback_id", "private_metadata", "title", "submit", "close", "blocks"];
    members(view, &known)?;
    let chars = |key: &str, max: usize| length(view[key].as_str().unwrap_or_default(), 0, max);
    if view["type"] != "modal" || chars("callback_id", 255).is_err() {
        return Err("invalid_arguments");
    }
    if chars("private_metadata", 3_000).is_err() {
        return Err("invalid_arguments");
    }
    for key in ["title", "submit", "close"] {
        plain(&view[key], 24)?;
    }
    // Buttons stand in messages, a form takes texts.
    let is_of_a_form = |block: &Value| block["type"] == "input" || block["type"] == "section";
    if view["blocks"].as_array().is_none_or(|all| !all.iter().all(is_of_a_form)) {
        return Err(BAD);
    }
    blocks(&view["blocks"], 100)
}

#[test]
fn what_slack_refuses_of_messages_with_buttons_answers_and_forms_is_refused() {
    use serde_json::json;
    let plain = |text: &str| json!({"type": "plain_text", "text": text});
    let button = |id: &str| json!({"type": "button", "action_id": id, "text": plain("Approve"), "value": "1"});
    let actions = |id: &str, buttons: &[Value]| json!({"type": "actions", "block_id": id, "elements": buttons});
    let told = |blocks: &[Value]| message(&json!({"text": "t", "blocks": blocks}));
    assert_eq!(
        told(&[actions("1", &[button("a"), button("b")]), actions("2", &[button("c")])]),
        Ok(())
    );
    let mut nameless = button("a");
    nameless.as_object_mut().unwrap().remove("action_id");
    let changed = |key: &str, to: Value| {
        let mut button = button("a");
        button[key] = to;
        button
    };
    for wrong in [
        vec![actions("1", &[button("a")]), actions("2", &[button("a")])],
        vec![actions("1", &[button("a")]), actions("1", &[button("b")])],
        vec![actions("1", &[])],
        vec![actions("1", &[nameless])],
        vec![actions("1", &[changed("style", json!("red"))])],
        vec![actions("1", &[changed("text", json!({"type": "mrkdwn", "text": "x"}))])],
        vec![actions("1", &[changed("text", plain(&"x".repeat(76)))])],
        vec![actions("1", &[changed("value", json!("x".repeat(2_001)))])],
        vec![actions("1", &[changed("url", json!("https://evil.example"))])],
        vec![json!({"type": "context", "elements": [{"type": "mrkdwn", "text": "<!channel>"}]})],
        vec![json!({"type": "context", "elements": [{"type": "mrkdwn", "text": "a & b"}]})],
    ] {
        assert!(told(&wrong).is_err(), "{wrong:#?}");
        let answer = json!({"replace_original": true, "text": "t", "blocks": wrong});
        assert!(response(&answer).is_err(), "{answer:#}");
    }
    let input = |id: &str| {
        let element = json!({"type": "plain_text_input", "action_id": id, "max_length": 3_000});
        json!({"type": "input", "block_id": id, "label": plain("Say"), "element": element})
    };
    let form = json!({"type": "modal", "callback_id": "c", "private_metadata": "{}",
        "title": plain("Answer"), "submit": plain("Send"), "close": plain("Cancel"), "blocks": [input("a")]});
    assert_eq!(view(&form), Ok(()));
    let mut no_submit = form.clone();
    no_submit.as_object_mut().unwrap().remove("submit");
    let with = |key: &str, to: Value| {
        let mut form = form.clone();
        form[key] = to;
        form
    };
    for wrong in [
        no_submit,
        with("title", plain(&"x".repeat(25))),
        with("private_metadata", json!("x".repeat(3_001))),
        with(
            "blocks",
            json!([input("a"), {"type": "input", "block_id": "b", "label": plain("Say"),
            "element": {"type": "plain_text_input"}}]),
        ),
        with("blocks", json!([input("a"), input("a")])),
        with("blocks", json!([actions("1", &[button("a")])])),
        with("blocks", json!([])),
    ] {
        assert!(view(&wrong).is_err(), "{wrong:#}");
    }
}

fn blocks(all: &Value, max: usize) -> Checked {
    let all = all.as_array().ok_or(BAD)?;
    if all.is_empty() || all.len() > max {
        return Err(BAD);
    }
    let (mut ids, mut actions) = (BTreeSet::new(), BTreeSet::new());
    for block in all {
        self::block(block, &mut ids, &mut actions)?;
    }
    Ok(())
}

/// A name that nothing else in the message has.
fn own(id: &Value, names: &mut BTreeSet<String>) -> Checked {
    let id = id.as_str().ok_or(BAD)?;
    length(id, 1, 255)?;
    if names.insert(id.to_owned()) { Ok(()) } else { Err(BAD) }
}

fn block(block: &Value, ids: &mut BTreeSet<String>, actions: &mut BTreeSet<String>) -> Checked {
    let kind = block["type"].as_str().ok_or(BAD)?;
    if let Some(id) = block.get("block_id") {
        own(id, ids)?;
    }
    let fields: &[&str] = match kind {
        "header" => &["type", "block_id", "text"],
        "divider" => &["type", "block_id"],
        "section" => &["type", "block_id", "text", "fields"],
        "context" | "actions" => &["type", "block_id", "elements"],
        "input" => &["type", "block_id", "label", "element", "optional"],
        _ => return Err(BAD),
    };
    members(block, fields).map_err(|_| BAD)?;
    match kind {
        "header" => plain(&block["text"], 150),
        "section" => section(block),
        "context" => several(block, 10, |element| mrkdwn(element, 2_000)),
        "actions" => several(block, 25, |element| {
            button(element)?;
            own(&element["action_id"], actions)
        }),
        "input" => {
            plain(&block["label"], 2_000)?;
            let element = &block["element"];
            members(element, &["type", "action_id", "multiline", "max_length"]).map_err(|_| BAD)?;
            own(&element["action_id"], actions)?;
            let max = element["max_length"].as_u64().unwrap_or(3_000);
            if element["type"] == "plain_text_input" && max <= 3_000 { Ok(()) } else { Err(BAD) }
        }
        _ => Ok(()),
    }
}

fn section(block: &Value) -> Checked {
    match (block.get("text"), block.get("fields")) {
        (Some(text), None) => mrkdwn(text, 3_000),
        (None, Some(fields)) => {
            let fields = fields.as_array().ok_or(BAD)?;
            if fields.is_empty() || fields.len() > 10 {
                return Err(BAD);
            }
            fields.iter().try_for_each(|field| mrkdwn(field, 2_000))
        }
        _ => Err(BAD),
    }
}

fn several(block: &Value, max: usize, check: impl FnMut(&Value) -> Checked) -> Checked {
    let elements = block["elements"].as_array().ok_or(BAD)?;
    if elements.is_empty() || elements.len() > max {
        return Err(BAD);
    }
    elements.iter().try_for_each(check)
}

fn button(element: &Value) -> Checked {
    members(element, &["type", "text", "action_id", "value", "style"]).map_err(|_| BAD)?;
    if element["type"] != "button" {
        return Err(BAD);
    }
    plain(&element["text"], 75)?;
    length(element["value"].as_str().unwrap_or("x"), 1, 2_000)?;
    match element.get("style").map(|style| style.as_str()) {
        None | Some(Some("primary" | "danger")) => Ok(()),
        Some(_) => Err(BAD),
    }
}

fn plain(text: &Value, max: usize) -> Checked {
    members(text, &["type", "text", "emoji"]).map_err(|_| BAD)?;
    let is_plain = text["type"] == "plain_text" && text.get("emoji").is_none_or(Value::is_boolean);
    length(text["text"].as_str().filter(|_| is_plain).ok_or(BAD)?, 1, max)
}

fn mrkdwn(text: &Value, max: usize) -> Checked {
    members(text, &["type", "text", "verbatim"]).map_err(|_| BAD)?;
    let is_mrkdwn = text["type"] == "mrkdwn" && text.get("verbatim").is_none_or(Value::is_boolean);
    let text = text["text"].as_str().filter(|_| is_mrkdwn).ok_or(BAD)?;
    length(text, 1, max)?;
    well_formed(text)
}

/// Every `&` begins an entity, every `<` a mention of one user or a link to an address of the web, and
/// `>` stands nowhere else. Slack shows such a text as it can; here it is refused.
fn well_formed(text: &str) -> Checked {
    let entities = ["&amp;", "&lt;", "&gt;"];
    let mut rest = text;
    while let Some(at) = rest.find(['&', '<', '>']) {
        rest = &rest[at..];
        let length = match entities.iter().find(|entity| rest.starts_with(**entity)) {
            Some(entity) => entity.len(),
            None if rest.starts_with('<') => rest.find('>').ok_or(STRAY)? + 1,
            None => return Err(STRAY),
        };
        let (whole, after) = rest.split_at(length);
        if let Some(inner) = whole.strip_prefix('<').and_then(|inner| inner.strip_suffix('>')) {
            let address = inner.split('|').next().unwrap_or_default();
            let is_link = ["https://", "http://"].iter().any(|web| address.starts_with(web));
            let is_known = is_link || address.starts_with("@U") || address.starts_with("@W");
            if !is_known || inner.contains(['<', '\n']) || address.contains(char::is_whitespace) {
                return Err(STRAY);
            }
        }
        rest = after;
    }
    Ok(())
}

fn length(text: &str, min: usize, max: usize) -> Checked {
    let chars = text.chars().count();
    let is_blank = min > 0 && text.trim().is_empty();
    if (min..=max).contains(&chars) && !is_blank { Ok(()) } else { Err(BAD) }
}

/// Whom the texts of a message would ping: mentions, and whole groups.
pub fn pings(payload: &Value) -> Vec<String> {
    let mut found = Vec::new();
    collect(payload, &mut found);
    found
}

fn collect(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => {
            for begin in ["<!", "<@", "<#"] {
                let mut rest = text.as_str();
                while let Some(at) = rest.find(begin) {
                    rest = &rest[at..];
                    let end = rest.find('>').map_or(rest.len(), |end| end + 1);
                    found.push(rest[..end].to_owned());
                    rest = &rest[end..];
                }
            }
            for group in ["@channel", "@here", "@everyone"] {
                if text.to_lowercase().contains(group) {
                    found.push(group.to_owned());
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        Value::Object(map) => map.values().for_each(|item| collect(item, found)),
        _ => {}
    }
}
