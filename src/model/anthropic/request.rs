//! A conversation as Messages writes it: roles that alternate, results before words.

use crate::domain::Value;
use crate::model::calls::{Names, schema};
use crate::model::server::ServerOptions;
use crate::model::{Call, Exchange, Message};
use serde_json::{Map, Value as Json, json};

/// A message: whose, and its blocks.
struct Said {
    role: &'static str,
    blocks: Vec<Json>,
}

/// The body of a request.
pub(super) fn body(exchange: &Exchange, options: &ServerOptions, names: &Names) -> Json {
    let mut messages = messages(&exchange.messages, names);
    let mut tools: Vec<Json> = exchange
        .tools
        .iter()
        .map(|tool| {
            json!({
                "name": names.to_wire(&tool.name),
                "description": tool.description,
                "input_schema": schema(&tool.input_schema),
            })
        })
        .collect();
    if options.cache {
        keep(&mut tools, &mut messages);
    }
    let messages =
        messages.into_iter().map(|said| json!({"role": said.role, "content": said.blocks}));
    let mut body = Map::new();
    body.insert("model".to_owned(), options.model.as_str().into());
    body.insert("max_tokens".to_owned(), exchange.tokens_max.min(options.tokens_max).into());
    body.insert("messages".to_owned(), messages.collect());
    if !tools.is_empty() {
        body.insert("tools".to_owned(), tools.into());
    }
    body.insert("stream".to_owned(), options.stream.into());
    for (key, value) in options.extra.as_map().into_iter().flatten() {
        if !super::RESERVED.contains(&key.as_str()) {
            body.insert(key.clone(), serde_json::to_value(value).unwrap_or_default());
        }
    }
    Json::Object(body)
}

/// Asks that what stays the same is kept: the tools, the prompt, and the conversation so far. The place
/// before the last is marked, too, so that many results at once do not hide it. Four marks are allowed.
fn keep(tools: &mut [Json], messages: &mut [Said]) {
    let mark = |block: Option<&mut Json>| {
        if let Some(block) = block {
            block["cache_control"] = json!({"type": "ephemeral"});
        }
    };
    mark(tools.last_mut());
    let people: Vec<usize> =
        (0..messages.len()).filter(|place| messages[*place].role == "user").collect();
    let mut places: Vec<usize> =
        people.iter().rev().take(2).chain(people.first()).copied().collect();
    places.sort_unstable();
    places.dedup();
    for place in places {
        mark(messages[place].blocks.last_mut());
    }
}

fn messages(messages: &[Message], names: &Names) -> Vec<Said> {
    let mut out: Vec<Said> = Vec::new();
    for message in messages {
        let (role, blocks) = match message {
            Message::User(text) => ("user", text_block(text).into_iter().collect()),
            Message::Assistant { text, calls, echo } => {
                ("assistant", said(text, calls, echo, names))
            }
            Message::ToolResult { id, text, is_error } => {
                let mut result = json!({"type": "tool_result", "tool_use_id": id, "content": text});
                if *is_error {
                    result["is_error"] = true.into();
                }
                ("user", vec![result])
            }
        };
        match out.last_mut() {
            _ if blocks.is_empty() => {}
            Some(last) if last.role == role => last.blocks.extend(blocks),
            _ => out.push(Said { role, blocks }),
        }
    }
    for said in &mut out {
        // Stable: results stay in their order, and words in theirs.
        if said.role == "user" {
            said.blocks.sort_by_key(|block| block["type"] != "tool_result");
        }
    }
    out
}

/// No block may be blank.
fn text_block(text: &str) -> Option<Json> {
    (!text.trim().is_empty()).then(|| json!({"type": "text", "text": text}))
}

fn said(text: &str, calls: &[Call], echo: &Value, names: &Names) -> Vec<Json> {
    // Signed thoughts count only in their order among the other blocks.
    if let Some(blocks) = echo.as_list() {
        return blocks.iter().filter_map(|block| serde_json::to_value(block).ok()).collect();
    }
    let calls = calls.iter().map(|call| call_block(call, names));
    text_block(text.trim_end()).into_iter().chain(calls).collect()
}

/// A call as it is sent back; broken arguments as none at all.
pub(super) fn call_block(call: &Call, names: &Names) -> Json {
    let input = call.args.as_ref().ok().and_then(|args| serde_json::to_value(args).ok());
    let input = input.filter(Json::is_object).unwrap_or_else(|| json!({}));
    json!({"type": "tool_use", "id": call.id, "name": names.to_wire(&call.tool), "input": input})
}
