//! Chat Completions, by the letter.

use super::{Ends, Fails, KEY, Said, halves, is_name, refusal, schema_fault, strangers};
use crate::support::http_double::{Asked, Reply};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Write as _;

pub(super) fn fault(asked: &Asked) -> Option<String> {
    if asked.header("authorization") != Some(&format!("Bearer {KEY}")) {
        return Some("no key, or another".to_owned());
    }
    if asked.method == "GET" {
        return (asked.path != "/v1/models").then(|| asked.path.clone());
    }
    if asked.path != "/v1/chat/completions"
        || asked.header("content-type") != Some("application/json")
    {
        return Some(format!("{} {:?}", asked.path, asked.header("content-type")));
    }
    let body = asked.message();
    let known =
        &["model", "messages", "tools", "stream", "stream_options", "max_tokens", "temperature"];
    let is_stream = body["stream"] == true;
    let asks_usage = body["stream_options"] == json!({"include_usage": true});
    if is_stream != asks_usage
        || body["model"] != "m"
        || body["max_tokens"].as_u64().is_none_or(|n| n == 0)
    {
        return Some(format!("{body}"));
    }
    strangers(&body, known).or_else(|| tools(&body)).or_else(|| messages(&body))
}

fn tools(body: &Value) -> Option<String> {
    let tools = body.get("tools")?.as_array()?;
    if tools.is_empty() {
        return Some("no tools are left out, not empty".to_owned());
    }
    let mut names = BTreeSet::new();
    tools.iter().find_map(|tool| {
        let function = &tool["function"];
        let name = function["name"].as_str().unwrap_or_default();
        let about = function["description"].as_str()?.chars().count();
        if tool["type"] != "function" || !is_name(name, 64) || !names.insert(name) || about > 1_024
        {
            return Some(format!("tool {tool}"));
        }
        strangers(tool, &["type", "function"])
            .or_else(|| strangers(function, &["name", "description", "parameters"]))
            .or_else(|| schema_fault(&function["parameters"]))
    })
}

fn messages(body: &Value) -> Option<String> {
    let messages = body["messages"].as_array()?;
    let (mut open, mut all) = (BTreeSet::new(), BTreeSet::new());
    let mut before = "";
    for message in messages {
        let role = message["role"].as_str().unwrap_or_default();
        let fault = match role {
            "tool" => {
                let id = message["tool_call_id"].as_str().unwrap_or_default();
                let is_known = open.remove(id) && message["content"].is_string();
                let strange = strangers(message, &["role", "tool_call_id", "content"]);
                if is_known { strange } else { Some(format!("nobody waits for {message}")) }
            }
            _ if !open.is_empty() => Some(format!("calls without a result: {open:?}")),
            "user" if before == "user" => Some("people speak twice".to_owned()),
            "user" if message["content"].as_str().is_none_or(str::is_empty) => {
                Some("nothing".to_owned())
            }
            "user" => strangers(message, &["role", "content"]),
            "assistant" if !matches!(before, "user" | "tool") => Some(format!("after {before:?}")),
            "assistant" => said_fault(message, &mut open, &mut all),
            _ => Some(format!("role {role:?}")),
        };
        if fault.is_some() {
            return fault;
        }
        before = role;
    }
    if !open.is_empty() {
        return Some(format!("calls without a result: {open:?}"));
    }
    let is_fine = messages.first()?["role"] == "user" && before != "assistant";
    (!is_fine).then(|| "who speaks first, or last?".to_owned())
}

fn said_fault<'a>(
    message: &'a Value,
    open: &mut BTreeSet<&'a str>,
    all: &mut BTreeSet<&'a str>,
) -> Option<String> {
    let calls = message.get("tool_calls").and_then(Value::as_array);
    if calls.is_some_and(Vec::is_empty) || (calls.is_none() && !message["content"].is_string()) {
        return Some(format!("empty: {message}"));
    }
    for call in calls.into_iter().flatten() {
        let id = call["id"].as_str().unwrap_or_default();
        let function = &call["function"];
        let args = function["arguments"].as_str().unwrap_or_default();
        let is_object = serde_json::from_str::<Value>(args).is_ok_and(|args| args.is_object());
        let is_fine = call["type"] == "function" && is_object;
        let is_fine = is_fine && is_name(function["name"].as_str().unwrap_or_default(), 64);
        if !is_fine || id.is_empty() || !all.insert(id) || !open.insert(id) {
            return Some(format!("call {call}"));
        }
        let strange = strangers(call, &["id", "type", "function"]);
        if let Some(fault) = strange.or_else(|| strangers(function, &["name", "arguments"])) {
            return Some(fault);
        }
    }
    strangers(message, &["role", "content", "tool_calls"])
}

pub(super) fn said(said: &Said, is_stream: bool) -> Reply {
    let reason = match said.ends {
        Ends::Cut => "length",
        Ends::Declined => "content_filter",
        Ends::Itself if said.calls.is_empty() => "stop",
        Ends::Itself => "tool_calls",
    };
    let (fresh, cached, out) = said.tokens;
    let usage = json!({"prompt_tokens": fresh + cached, "completion_tokens": out,
        "total_tokens": fresh + cached + out, "prompt_tokens_details": {"cached_tokens": cached}});
    if !is_stream {
        let calls = said.calls.iter().map(|(id, name, args)| {
            json!({"id": id, "type": "function", "function": {"name": name, "arguments": args}})
        });
        let mut message = json!({"role": "assistant", "content": said.text, "refusal": null});
        if !said.calls.is_empty() {
            message["tool_calls"] = calls.collect();
        }
        return Reply::json(&json!({"id": "c", "object": "chat.completion", "usage": usage,
            "choices": [{"index": 0, "message": message, "finish_reason": reason}]}));
    }
    let mut events = String::from(": hello\n\n");
    let mut chunk = |delta: Value, reason: Value, usage: Value| {
        let choices = if delta.is_null() {
            json!([])
        } else {
            json!([{"index": 0, "delta": delta, "finish_reason": reason}])
        };
        let chunk = json!({"id": "c", "object": "chat.completion.chunk", "choices": choices, "usage": usage});
        write!(events, "data: {chunk}\n\n").unwrap();
    };
    chunk(json!({"role": "assistant", "content": null, "refusal": null}), Value::Null, Value::Null);
    for piece in halves(&said.text) {
        chunk(json!({"content": piece}), Value::Null, Value::Null);
    }
    for (index, (id, name, _)) in said.calls.iter().enumerate() {
        let call = json!({"index": index, "id": id, "type": "function",
            "function": {"name": name, "arguments": ""}});
        chunk(json!({"tool_calls": [call]}), Value::Null, Value::Null);
    }
    // The pieces of several calls may come in any order.
    for place in 0..2 {
        for (index, (_, _, args)) in said.calls.iter().enumerate() {
            let call = json!({"index": index, "function": {"arguments": halves(args)[place]}});
            chunk(json!({"tool_calls": [call]}), Value::Null, Value::Null);
        }
    }
    chunk(json!({}), reason.into(), Value::Null);
    chunk(Value::Null, Value::Null, usage);
    events.push_str("data: [DONE]\n\n");
    super::stream(&events)
}

pub(super) fn fails(fails: Fails) -> Reply {
    let error = |kind: &str, code: &str, message: &str| json!({"error": {"message": message, "type": kind, "param": null, "code": code}});
    let invalid = "invalid_request_error";
    match fails {
        Fails::RateLimited { seconds } => {
            refusal(429, &error("requests", "rate_limit_exceeded", "Rate limit reached"))
                .with("Retry-After", &seconds.to_string())
        }
        Fails::Overloaded => refusal(503, &error("server_error", "overloaded", "Busy")),
        Fails::Unavailable => refusal(500, &error("server_error", "", "Sorry")),
        Fails::TooLong => {
            refusal(400, &error(invalid, "context_length_exceeded", "Reduce the length"))
        }
        Fails::Declined => refusal(400, &error(invalid, "content_filter", "Filtered")),
        Fails::Denied => {
            refusal(401, &error(invalid, "invalid_api_key", &format!("Incorrect key: {KEY}")))
        }
        Fails::Refused => refusal(404, &error(invalid, "model_not_found", "No such model")),
    }
}
