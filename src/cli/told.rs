//! What happens in a run, line by line, for whoever follows it: what the model said and used, each call
//! with what came of it.

use crate::daemon::control::Progress;
use crate::domain::Value;
use std::fmt::Write as _;

/// So much of a call's arguments is shown, and of its result.
const PART_CHARS_MAX: usize = 160;

/// One line for people; text from elsewhere is made harmless by the page.
pub fn line(progress: &Progress) -> String {
    let Progress { kind, text, data, .. } = progress;
    let told = match kind.as_str() {
        "tool" => tool(data),
        "model" => Some(model(text, data)),
        _ => None,
    };
    match told {
        Some(told) => format!("{kind}: {told}"),
        None if matches!(kind.as_str(), "retry" | "compact") => format!("{kind}: {text}"),
        None => text.clone(),
    }
}

/// `addComment {"text": …} → done: …`.
fn tool(data: &Value) -> Option<String> {
    let tool = data.get("tool")?.as_text()?;
    let args = data.get("args").map(|args| serde_json::to_string(args).unwrap_or_default());
    let args = shortened(&args.unwrap_or_default());
    let is_error = data.get("is_error").and_then(Value::as_bool).unwrap_or(false);
    let word = if is_error { "refused" } else { "done" };
    let result = data.get("result").and_then(Value::as_text).unwrap_or_default();
    let result = shortened(result);
    let gap = if result.is_empty() { "" } else { ": " };
    Some(format!("{tool} {args} → {word}{gap}{result}"))
}

/// What it said, what it calls and what the exchange used.
fn model(text: &str, data: &Value) -> String {
    let calls = data.get("calls").and_then(Value::as_list).unwrap_or(&[]);
    let calls: Vec<&str> =
        calls.iter().filter_map(|call| call.get("tool").and_then(Value::as_text)).collect();
    let mut parts = Vec::new();
    if !calls.is_empty() {
        parts.push(format!("calls {}", calls.join(", ")));
    }
    if let Some(usage) = data.get("usage") {
        let number = |name: &str| usage.get(name).and_then(Value::as_int).unwrap_or(0);
        let (cached, micros) = (number("tokens_cached"), number("cost_micros"));
        let mut used = format!("{} tokens in", number("tokens_in"));
        if cached > 0 {
            let _ = write!(used, " ({cached} cached)");
        }
        let _ = write!(used, ", {} out", number("tokens_out"));
        if micros > 0 {
            let _ = write!(used, ", {}.{:06}", micros / 1_000_000, micros % 1_000_000);
        }
        parts.push(used);
    }
    // Where it said nothing its text is the names of the calls.
    let said = if calls.join(", ") == text { "" } else { text };
    let said = shortened(said);
    match (said.is_empty(), parts.is_empty()) {
        (_, true) => said,
        (true, false) => parts.join("; "),
        (false, false) => format!("{said} [{}]", parts.join("; ")),
    }
}

/// On one line, within a bound.
fn shortened(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if text.chars().count() <= PART_CHARS_MAX {
        return text;
    }
    let kept: String = text.chars().take(PART_CHARS_MAX).collect();
    format!("{kept}…")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::from_millis;

    fn told(kind: &str, text: &str, data: serde_json::Value) -> String {
        let data = serde_json::from_value(data).unwrap();
        let (kind, text) = (kind.to_owned(), text.to_owned());
        line(&Progress { at: from_millis(0), kind, text, run: None, data })
    }

    #[test]
    fn a_call_is_told_with_its_arguments_and_what_came_of_it() {
        let data = serde_json::json!({
            "tool": "addComment", "args": {"text": "I found\nit."}, "is_error": false,
            "result": "comment 7\non task 1", "turn": 1,
        });
        let text = told("tool", "addComment: done", data);
        assert_eq!(text, r#"tool: addComment {"text":"I found\nit."} → done: comment 7 on task 1"#);
        let refused = serde_json::json!({
            "tool": "x", "args": {}, "is_error": true, "result": "r".repeat(500),
        });
        let text = told("tool", "x: refused", refused);
        assert!(text.starts_with("tool: x {} → refused: rrr") && text.ends_with('…'), "{text}");
        assert!(text.chars().count() < 250, "{text}");
    }

    #[test]
    fn an_exchange_is_told_with_what_it_used_and_plain_lines_as_they_are() {
        let data = serde_json::json!({
            "turn": 2, "stop": "calls", "calls": [{"id": "a", "tool": "getTicket"}],
            "usage": {"tokens_in": 900, "tokens_cached": 300, "tokens_out": 40, "cost_micros": 4200},
        });
        let used = "calls getTicket; 900 tokens in (300 cached), 40 out, 0.004200";
        assert_eq!(told("model", "getTicket", data.clone()), format!("model: {used}"));
        assert_eq!(told("model", "I look.", data), format!("model: I look. [{used}]"));
        assert_eq!(told("note", "hm", serde_json::Value::Null), "hm");
        assert_eq!(told("tool", "an agent's own", serde_json::Value::Null), "an agent's own");
        assert_eq!(told("retry", "again in 2s", serde_json::Value::Null), "retry: again in 2s");
    }
}
