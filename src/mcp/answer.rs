//! What a call came to, as MCP carries it.

use super::{CallError, Called, Limits, schema};
use rmcp::model::{CallToolResult, ContentBlock};
use serde_json::{Value as Json, json};

/// Longer members of an answer that is too long are left out.
const LONG_BYTES: usize = 200;

/// A result: structured content, and a text that stands alone.
pub(super) fn result(called: &Called) -> CallToolResult {
    let structured = schema::without_nulls(&called.value);
    let structured =
        if structured.is_object() { structured } else { json!({ "value": structured }) };
    let mut result = CallToolResult::success(vec![ContentBlock::text(harmless(&called.text))]);
    result.structured_content = Some(structured);
    result
}

/// Something was done, and the answer is too long: what it was about, and nothing that is long.
pub(super) fn shortened(called: &Called) -> CallToolResult {
    let mut structured = schema::without_nulls(&called.value);
    if let Json::Object(members) = &mut structured {
        for value in members.values_mut().filter(|value| value.to_string().len() > LONG_BYTES) {
            *value = match value {
                Json::Object(_) => json!({}),
                Json::Array(_) => json!([]),
                _ => json!(""),
            };
        }
        members.insert("truncated".to_owned(), json!(true));
    }
    let text =
        format!("done; the rest of the answer is too long (MCP_MAX_RESPONSE_SIZE): {structured}");
    let mut result = CallToolResult::success(vec![ContentBlock::text(text)]);
    result.structured_content = Some(structured);
    result
}

/// Text without what moves a terminal's cursor, hides, or turns the reading direction: it was written
/// by others.
pub(super) fn harmless(text: &str) -> String {
    let is_harmful = |c: char| {
        let is_control = c.is_control() && c != '\n' && c != '\t';
        let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        is_control || turns || matches!(c, '\u{e0000}'..='\u{e007f}')
    };
    if !text.contains(is_harmful) {
        return text.to_owned();
    }
    text.chars().filter(|c| !is_harmful(*c)).collect()
}

/// How large a result is on its way, in bytes, without the envelope.
pub(super) fn bytes(result: &CallToolResult) -> usize {
    let mut counted = Counted(0);
    serde_json::to_writer(&mut counted, result).map_or(usize::MAX, |()| counted.0)
}

/// Counts what is written to it.
struct Counted(usize);

impl std::io::Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What the caller is told of an error; its causes only where that is configured.
pub(super) fn message(error: &CallError, limits: &Limits) -> String {
    if limits.exposes_errors && !error.causes.is_empty() {
        return format!("{}: {}", error.message, error.causes.join(": "));
    }
    error.message.clone()
}

/// An error that the caller reads: the code first, because some clients show nothing but the text.
pub(super) fn error(error: &CallError, limits: &Limits) -> CallToolResult {
    let message = message(error, limits);
    let text = ContentBlock::text(harmless(&format!("{}: {message}", error.code)));
    let mut result = CallToolResult::error(vec![text]);
    result.structured_content = Some(json!({
        "error": { "code": error.code, "message": message, "retryable": error.retryable }
    }));
    result
}
