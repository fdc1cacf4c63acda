//! What a call came to, as MCP carries it.

use super::{CallError, Called, Limits, schema};
use rmcp::model::{CallToolResult, ContentBlock};
use serde_json::json;

/// A result: structured content, and a text that stands alone.
pub(super) fn result(called: &Called) -> CallToolResult {
    let structured = schema::without_nulls(&called.value);
    let structured =
        if structured.is_object() { structured } else { json!({ "value": structured }) };
    let mut result = CallToolResult::success(vec![ContentBlock::text(called.text.clone())]);
    result.structured_content = Some(structured);
    result
}

/// How large a result is on its way, in bytes, without the envelope.
pub(super) fn bytes(result: &CallToolResult) -> usize {
    serde_json::to_vec(result).map_or(usize::MAX, |bytes| bytes.len())
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
    let text = ContentBlock::text(format!("{}: {message}", error.code));
    let mut result = CallToolResult::error(vec![text]);
    result.structured_content = Some(json!({
        "error": { "code": error.code, "message": message, "retryable": error.retryable }
    }));
    result
}
