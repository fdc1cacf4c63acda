//! What a call came to, as MCP carries it.

use super::{CallError, Called, Limits, schema};
use rmcp::model::{CallToolResult, ContentBlock};
use serde::Serialize;
use serde_json::{Value as Json, json};

/// Longer members of an answer that is too long are left out.
const LONG_BYTES: usize = 200;

/// A result: structured content, and a text that stands alone.
pub(super) fn result(called: Called) -> CallToolResult {
    let structured = schema::without_nulls(called.value);
    let structured =
        if structured.is_object() { structured } else { json!({ "value": structured }) };
    let mut result = CallToolResult::success(vec![ContentBlock::text(harmless(&called.text))]);
    result.structured_content = Some(structured);
    result
}

/// Something was done, and the answer is too long: what it was about, and nothing that is long.
pub(super) fn shortened(result: CallToolResult) -> CallToolResult {
    let mut structured = result.structured_content.unwrap_or_default();
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

/// Whether a result is no larger than this on its way, without the envelope.
pub(super) fn fits(result: &CallToolResult, bytes_max: usize) -> bool {
    // Written out only where it comes near: most answers are far below.
    let texts = result.content.iter().filter_map(|part| part.as_text()).map(|part| part.text.len());
    let rough = result.structured_content.as_ref().map_or(0, at_most)
        + texts.map(written_at_most).sum::<usize>()
        + ENVELOPE_BYTES_MAX;
    rough <= bytes_max || is_within(result, bytes_max)
}

/// Whether something is no larger than this when it is written out.
pub(super) fn is_within(sent: &impl Serialize, bytes_max: usize) -> bool {
    written(sent) <= bytes_max
}

/// How large something is when it is written out, escapes included.
pub(super) fn written(sent: &(impl Serialize + ?Sized)) -> usize {
    let mut counted = Counted(0);
    match serde_json::to_writer(&mut counted, sent) {
        Ok(()) => counted.0,
        Err(_) => usize::MAX,
    }
}

/// What a result has beside its texts and its structure.
const ENVELOPE_BYTES_MAX: usize = 1024;

/// A text of so many bytes takes no more than this: an escape has up to six for one.
fn written_at_most(bytes: usize) -> usize {
    6 * bytes + 3
}

fn at_most(json: &Json) -> usize {
    match json {
        Json::Null | Json::Bool(_) => 6,
        Json::Number(_) => 32,
        Json::String(text) => written_at_most(text.len()),
        Json::Array(items) => 3 + items.iter().map(at_most).sum::<usize>(),
        Json::Object(members) => {
            let member =
                |(name, value): (&String, &Json)| written_at_most(name.len()) + 1 + at_most(value);
            3 + members.iter().map(member).sum::<usize>()
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Value;

    #[test]
    fn what_fits_is_known_to_the_byte_and_the_rough_measure_is_never_too_small() {
        let texts = ["", "plain", "\u{1}\u{2}\u{3}\"\\\n", "é🐙\u{2028}", &"\u{7}".repeat(3_000)];
        for text in texts {
            let list = vec![Value::Int(i64::MIN), Value::Float(-1.234_567_890_123_456_7e-300)];
            let value = Value::map([
                (text, Value::Text(text.to_owned())),
                ("list", Value::List(list)),
                ("gone", Value::Null),
                ("yes", Value::Bool(false)),
            ]);
            let result = result(Called { value, text: format!("{text} and\tmore") });
            let exactly = serde_json::to_vec(&result).unwrap().len();
            assert!(fits(&result, exactly) && !fits(&result, exactly - 1), "{text:?}");
            let structured = result.structured_content.as_ref().unwrap();
            assert!(at_most(structured) >= structured.to_string().len(), "{text:?}");
        }
    }
}
