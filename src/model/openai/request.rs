//! A conversation as Chat Completions writes it.

use crate::domain::Value;
use crate::model::calls::{Names, schema};
use crate::model::server::ServerOptions;
use crate::model::{Call, Exchange, Message};
use serde_json::{Map, Value as Json, json};

/// The longest description of a tool that the provider takes, in characters.
const DESCRIPTION_CHARS_MAX: usize = 1_024;

/// The body of a request.
pub(super) fn body(
    exchange: &Exchange,
    options: &ServerOptions,
    names: &Names,
    limit: &str,
) -> Json {
    let mut body = Map::new();
    body.insert("model".to_owned(), options.model.as_str().into());
    body.insert("messages".to_owned(), messages(&exchange.messages, names).into());
    if !exchange.tools.is_empty() {
        let tools = exchange.tools.iter().map(|tool| {
            let about: String = tool.description.chars().take(DESCRIPTION_CHARS_MAX).collect();
            json!({"type": "function", "function": {
                "name": names.to_wire(&tool.name),
                "description": about,
                "parameters": schema(&tool.input_schema),
            }})
        });
        body.insert("tools".to_owned(), tools.collect());
    }
    body.insert("stream".to_owned(), options.stream.into());
    if options.stream {
        body.insert("stream_options".to_owned(), json!({"include_usage": true}));
    }
    let extra = options.extra.as_map();
    let says_limit = |key: &str| extra.is_some_and(|extra| extra.contains_key(key));
    if !says_limit("max_tokens") && !says_limit("max_completion_tokens") {
        body.insert(limit.to_owned(), exchange.tokens_max.min(options.tokens_max).into());
    }
    for (key, value) in extra.into_iter().flatten() {
        if !super::RESERVED.contains(&key.as_str()) {
            body.insert(key.clone(), serde_json::to_value(value).unwrap_or_default());
        }
    }
    Json::Object(body)
}

fn messages(messages: &[Message], names: &Names) -> Vec<Json> {
    let mut out: Vec<Json> = Vec::new();
    for message in messages {
        match message {
            Message::User(text) => match out.last_mut() {
                // Many templates of local models insist that people and model take turns.
                Some(last) if last["role"] == "user" => {
                    let before = last["content"].as_str().unwrap_or_default();
                    last["content"] = format!("{before}\n\n{text}").into();
                }
                _ => out.push(json!({"role": "user", "content": text})),
            },
            Message::Assistant { text, calls, .. } if text.is_empty() && calls.is_empty() => {}
            Message::Assistant { text, calls, echo } => out.push(said(text, calls, echo, names)),
            Message::ToolResult { id, text, .. } => {
                out.push(json!({"role": "tool", "tool_call_id": id, "content": text}));
            }
        }
    }
    out
}

fn said(text: &str, calls: &[Call], echo: &Value, names: &Names) -> Json {
    let mut said = json!({"role": "assistant"});
    said["content"] = if text.is_empty() { Json::Null } else { text.into() };
    if !calls.is_empty() {
        let calls = calls.iter().map(|call| {
            // Broken ones go back as none at all: some servers read them again and fail.
            let args = call.args.as_ref().map(serde_json::to_string);
            let args = args.ok().and_then(Result::ok).unwrap_or_else(|| "{}".to_owned());
            let mut sent = json!({"id": call.id, "type": "function",
                "function": {"name": names.to_wire(&call.tool), "arguments": args}});
            if let Some(extra) = echo.get("calls").and_then(|calls| calls.get(&call.id)) {
                sent["extra_content"] = serde_json::to_value(extra).unwrap_or_default();
            }
            sent
        });
        said["tool_calls"] = calls.collect();
    }
    if let Some(thoughts) = echo.get("reasoning_content").and_then(Value::as_text) {
        said["reasoning_content"] = thoughts.into();
    }
    said
}
