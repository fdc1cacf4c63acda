//! Messages, by the letter.

use super::{Ends, Fails, KEY, Said, halves, is_name, refusal, schema_fault, strangers};
use crate::support::http_double::{Asked, Reply};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Write as _;

pub(super) fn fault(asked: &Asked) -> Option<String> {
    if asked.header("x-api-key") != Some(KEY) || asked.header("authorization").is_some() {
        return Some("no key, or another".to_owned());
    }
    if asked.header("anthropic-version") != Some("2023-06-01") {
        return Some("no version".to_owned());
    }
    if asked.method == "GET" {
        return (!asked.path.starts_with("/v1/models")).then(|| asked.path.clone());
    }
    if asked.path != "/v1/messages" || asked.header("content-type") != Some("application/json") {
        return Some(format!("{} {:?}", asked.path, asked.header("content-type")));
    }
    let body = asked.message();
    let known = &["model", "messages", "tools", "stream", "max_tokens", "temperature", "thinking"];
    if body["model"] != "m" || body["max_tokens"].as_u64().is_none_or(|n| n == 0) {
        return Some(format!("{body}"));
    }
    if asked.body.matches("\"cache_control\"").count() > 4 {
        return Some("more than four marks of what to keep".to_owned());
    }
    strangers(&body, known).or_else(|| tools(&body)).or_else(|| messages(&body))
}

fn tools(body: &Value) -> Option<String> {
    let mut names = BTreeSet::new();
    body.get("tools")?.as_array()?.iter().find_map(|tool| {
        let name = tool["name"].as_str().unwrap_or_default();
        if !is_name(name, 128) || !names.insert(name) || !tool["description"].is_string() {
            return Some(format!("tool {tool}"));
        }
        strangers(tool, &["name", "description", "input_schema", "cache_control"])
            .or_else(|| schema_fault(&tool["input_schema"]))
    })
}

fn messages(body: &Value) -> Option<String> {
    let messages = body["messages"].as_array()?;
    let (mut open, mut all) = (BTreeSet::new(), BTreeSet::new());
    for (place, message) in messages.iter().enumerate() {
        let role = if place % 2 == 0 { "user" } else { "assistant" };
        if message["role"] != role {
            return Some(format!("roles do not take turns at {place}: {message}"));
        }
        let Some(blocks) = message["content"].as_array().filter(|blocks| !blocks.is_empty()) else {
            return Some(format!("no content: {message}"));
        };
        let fault = if role == "user" {
            user_fault(blocks, &mut open)
        } else {
            blocks.iter().find_map(|block| said_fault(block, &mut open, &mut all)).or_else(|| {
                let last = &blocks.last()?["type"];
                (last == "thinking").then(|| "thoughts come last".to_owned())
            })
        };
        if let Some(fault) = fault.or_else(|| strangers(message, &["role", "content"])) {
            return Some(fault);
        }
    }
    (messages.len() % 2 == 0).then(|| "the last word is not people's".to_owned())
}

fn user_fault<'a>(blocks: &'a [Value], open: &mut BTreeSet<&'a str>) -> Option<String> {
    let mut had_text = false;
    for block in blocks {
        let fault = match block["type"].as_str() {
            Some("tool_result") if had_text => Some("a result after words".to_owned()),
            Some("tool_result") => {
                let id = block["tool_use_id"].as_str().unwrap_or_default();
                let known = &["type", "tool_use_id", "content", "is_error", "cache_control"];
                let is_known = open.remove(id) && block["content"].is_string();
                let is_fine = block.get("is_error").is_none_or(Value::is_boolean);
                if is_known && is_fine {
                    strangers(block, known)
                } else {
                    Some(format!("nobody waits for {block}"))
                }
            }
            Some("text") => {
                had_text = true;
                let is_blank = block["text"].as_str().is_none_or(|text| text.trim().is_empty());
                let strange = strangers(block, &["type", "text", "cache_control"]);
                if is_blank { Some("a blank text".to_owned()) } else { strange }
            }
            _ => Some(format!("block {block}")),
        };
        if fault.is_some() {
            return fault;
        }
    }
    (!open.is_empty()).then(|| format!("calls without a result: {open:?}"))
}

fn said_fault<'a>(
    block: &'a Value,
    open: &mut BTreeSet<&'a str>,
    all: &mut BTreeSet<&'a str>,
) -> Option<String> {
    match block["type"].as_str() {
        Some("text") => {
            let is_blank = block["text"].as_str().is_none_or(|text| text.trim().is_empty());
            if is_blank {
                Some("a blank text".to_owned())
            } else {
                strangers(block, &["type", "text"])
            }
        }
        Some("tool_use") => {
            let id = block["id"].as_str().unwrap_or_default();
            let name = block["name"].as_str().unwrap_or_default();
            let is_fine = block["input"].is_object() && is_name(id, 128) && is_name(name, 128);
            if !is_fine || !all.insert(id) || !open.insert(id) {
                return Some(format!("call {block}"));
            }
            strangers(block, &["type", "id", "name", "input"])
        }
        Some("thinking") => {
            let is_signed =
                block["signature"].as_str().is_some_and(|text| text.starts_with("signed "));
            if is_signed {
                strangers(block, &["type", "thinking", "signature"])
            } else {
                Some(format!("{block}"))
            }
        }
        _ => Some(format!("block {block}")),
    }
}

pub(super) fn said(said: &Said, is_stream: bool) -> Reply {
    let reason = match said.ends {
        Ends::Cut => "max_tokens",
        Ends::Declined => "refusal",
        Ends::Itself if said.calls.is_empty() => "end_turn",
        Ends::Itself => "tool_use",
    };
    let (fresh, cached, out) = said.tokens;
    let usage = |out: u64| {
        json!({"input_tokens": fresh, "cache_read_input_tokens": cached,
            "cache_creation_input_tokens": 0, "output_tokens": out})
    };
    let head = json!({"id": "msg", "type": "message", "role": "assistant", "model": "m"});
    if !is_stream {
        let text = (!said.text.is_empty()).then(|| json!({"type": "text", "text": said.text}));
        let calls = said.calls.iter().map(|(id, name, args)| {
            let input: Value = serde_json::from_str(args).unwrap_or_else(|_| json!({}));
            json!({"type": "tool_use", "id": id, "name": name, "input": input})
        });
        let mut message = head;
        message["content"] = text.into_iter().chain(calls).collect();
        message["stop_reason"] = reason.into();
        message["usage"] = usage(out);
        return Reply::json(&message);
    }
    let mut events = String::new();
    let mut event = |kind: &str, mut rest: Value| {
        rest["type"] = kind.into();
        write!(events, "event: {kind}\ndata: {rest}\n\n").unwrap();
    };
    let mut message = head;
    message["content"] = json!([]);
    message["usage"] = usage(1);
    event("message_start", json!({ "message": message }));
    event("ping", json!({}));
    let mut index = 0;
    if !said.text.is_empty() {
        event(
            "content_block_start",
            json!({"index": index, "content_block": {"type": "text", "text": ""}}),
        );
        for piece in halves(&said.text) {
            event(
                "content_block_delta",
                json!({"index": index, "delta": {"type": "text_delta", "text": piece}}),
            );
        }
        event("content_block_stop", json!({ "index": index }));
        index += 1;
    }
    for (id, name, args) in &said.calls {
        let block = json!({"type": "tool_use", "id": id, "name": name, "input": {}});
        event("content_block_start", json!({"index": index, "content_block": block}));
        for piece in [""].into_iter().chain(halves(args)) {
            let delta = json!({"type": "input_json_delta", "partial_json": piece});
            event("content_block_delta", json!({"index": index, "delta": delta}));
        }
        event("content_block_stop", json!({ "index": index }));
        index += 1;
    }
    let delta = json!({"stop_reason": reason, "stop_sequence": null});
    event("message_delta", json!({"delta": delta, "usage": {"output_tokens": out}}));
    event("message_stop", json!({}));
    super::stream(&events)
}

pub(super) fn fails(fails: Fails) -> Reply {
    let error = |kind: &str, message: &str| json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req"});
    let invalid = "invalid_request_error";
    match fails {
        Fails::RateLimited { seconds } => refusal(429, &error("rate_limit_error", "Slow down"))
            .with("Retry-After", &seconds.to_string()),
        Fails::Overloaded => refusal(529, &error("overloaded_error", "Overloaded")),
        Fails::Unavailable => refusal(500, &error("api_error", "Internal server error")),
        Fails::TooLong => refusal(400, &error(invalid, "prompt is too long: 9 tokens > 8 maximum")),
        // Declines come as the reason of an end.
        Fails::Declined => said(&Said::text("I cannot.").ends(Ends::Declined), true),
        Fails::Denied => {
            refusal(401, &error("authentication_error", &format!("invalid x-api-key {KEY}")))
        }
        Fails::Refused => refusal(404, &error("not_found_error", "model: m")),
    }
}
