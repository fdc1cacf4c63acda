//! An answer of Chat Completions, in pieces or whole.

use crate::domain::Value;
use crate::model::calls::{Names, arguments, give_ids};
use crate::model::server::{Reading, Said, Server};
use crate::model::{Call, Exchange, ModelError, Prices, Reply, Stop, Tokens};
use serde::Deserialize;
use std::collections::BTreeMap;

/// At most so many calls in one reply.
const CALLS_MAX: usize = 128;

#[derive(Deserialize)]
struct ChunkRow {
    #[serde(default)]
    choices: Option<Vec<ChoiceRow>>,
    #[serde(default)]
    usage: Option<UsageRow>,
    #[serde(default)]
    error: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct ChoiceRow {
    #[serde(default)]
    delta: Option<MessageRow>,
    /// Where the answer comes whole.
    #[serde(default)]
    message: Option<MessageRow>,
    #[serde(default)]
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct MessageRow {
    #[serde(default)]
    content: Option<serde_json::Value>,
    #[serde(default)]
    refusal: Option<String>,
    #[serde(default)]
    reasoning_content: Option<String>,
    #[serde(default)]
    tool_calls: Option<Vec<CallRow>>,
}

#[derive(Deserialize)]
struct CallRow {
    #[serde(default)]
    index: Option<u64>,
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    function: Option<FunctionRow>,
    #[serde(default)]
    extra_content: Option<Value>,
}

#[derive(Deserialize)]
struct FunctionRow {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    arguments: Option<serde_json::Value>,
}

#[derive(Clone, Copy, Deserialize)]
struct UsageRow {
    #[serde(default)]
    prompt_tokens: Option<u64>,
    #[serde(default)]
    completion_tokens: Option<u64>,
    #[serde(default)]
    prompt_tokens_details: Option<DetailsRow>,
    /// How some servers count what they had kept.
    #[serde(default)]
    prompt_cache_hit_tokens: Option<u64>,
}

#[derive(Clone, Copy, Deserialize)]
struct DetailsRow {
    #[serde(default)]
    cached_tokens: Option<u64>,
}

#[derive(Debug, Default)]
struct Building {
    index: Option<u64>,
    id: String,
    name: String,
    arguments: String,
    extra: Option<Value>,
}

/// What came so far.
#[derive(Debug, Default)]
pub(super) struct Answered {
    text: String,
    refusal: String,
    thoughts: String,
    calls: Vec<Building>,
    finish: Option<String>,
    usage: Option<Tokens>,
    /// The other side said that nothing follows.
    pub is_over: bool,
}

impl Reading for Answered {
    fn whole(&mut self, text: &str, server: &Server) -> Result<(), ModelError> {
        self.take(text, server)?;
        self.is_over = true;
        Ok(())
    }

    fn event(&mut self, data: &str, server: &Server) -> Result<bool, ModelError> {
        if data == "[DONE]" {
            self.is_over = true;
        } else {
            self.take(data, server)?;
        }
        Ok(self.is_over)
    }

    fn has_ended(&self) -> bool {
        self.is_over || self.finish.is_some()
    }

    fn tokens(&self) -> Option<Tokens> {
        self.usage
    }

    fn bytes(&self) -> usize {
        let calls = self.calls.iter().map(|call| call.arguments.len() + call.name.len());
        self.text.len() + self.refusal.len() + self.thoughts.len() + calls.sum::<usize>()
    }
}

impl Answered {
    /// Takes a piece, or a whole answer.
    pub fn take(&mut self, text: &str, server: &Server) -> Result<(), ModelError> {
        let row: ChunkRow = serde_json::from_str(text)
            .map_err(|error| ModelError::Malformed(server.told(&error.to_string())))?;
        if let Some(usage) = row.usage {
            self.usage = Some(tokens(usage));
        }
        if let Some(error) = row.error.filter(|error| !error.is_null()) {
            let said = Said::of(&serde_json::json!({ "error": error }));
            return Err(said.in_answer(server));
        }
        // Only one is asked for.
        let Some(choice) = row.choices.unwrap_or_default().into_iter().next() else {
            return Ok(());
        };
        if let Some(message) = choice.delta.or(choice.message) {
            self.take_message(message)?;
        }
        self.finish = choice.finish_reason.filter(|word| !word.is_empty()).or(self.finish.take());
        Ok(())
    }

    fn take_message(&mut self, row: MessageRow) -> Result<(), ModelError> {
        if let Some(content) = row.content {
            self.text.push_str(&text_of(&content));
        }
        self.refusal.push_str(row.refusal.as_deref().unwrap_or_default());
        self.thoughts.push_str(row.reasoning_content.as_deref().unwrap_or_default());
        for call in row.tool_calls.unwrap_or_default() {
            self.take_call(call)?;
        }
        Ok(())
    }

    /// A piece of a call belongs to the one with its index, unless it brings another id: there are
    /// servers that give every call the same index, and some that give none.
    fn take_call(&mut self, row: CallRow) -> Result<(), ModelError> {
        let id = row.id.filter(|id| !id.is_empty());
        let function = row.function.unwrap_or(FunctionRow { name: None, arguments: None });
        let is_same = |call: &Building| {
            let at_index = row.index.is_none() || call.index == row.index;
            match &id {
                Some(id) => {
                    call.id == *id || (at_index && row.index.is_some() && call.id.is_empty())
                }
                None => at_index,
            }
        };
        let begins = function.name.as_ref().is_some_and(|name| !name.is_empty());
        let found = self.calls.iter_mut().rev().find(|call| is_same(call));
        let call = match found {
            // Without id and index, a name is all that says where a call begins.
            Some(call) if !(begins && id.is_none() && row.index.is_none()) => call,
            _ => {
                if self.calls.len() >= CALLS_MAX {
                    return Err(ModelError::Malformed(format!("more than {CALLS_MAX} calls")));
                }
                self.calls.push(Building { index: row.index, ..Building::default() });
                let Some(last) = self.calls.last_mut() else { return Ok(()) };
                last
            }
        };
        if let Some(id) = id {
            call.id = id;
        }
        if let Some(name) = function.name.filter(|name| *name != call.name) {
            call.name.push_str(&name);
        }
        match function.arguments {
            Some(serde_json::Value::String(piece)) => call.arguments.push_str(&piece),
            None | Some(serde_json::Value::Null) => {}
            // Some servers send what should be a text of JSON as JSON.
            Some(value) => call.arguments = value.to_string(),
        }
        call.extra = row.extra_content.or(call.extra.take());
        Ok(())
    }

    /// The reply; an error where it did not come to its end.
    pub fn reply(
        self,
        exchange: &Exchange,
        names: &Names,
        prices: Option<&Prices>,
    ) -> Result<Reply, ModelError> {
        if !self.has_ended() {
            let usage = self.spent(exchange).usage(prices);
            return Err(ModelError::BrokenOff { what: "it ended in the middle".to_owned(), usage });
        }
        let stop = match self.finish.as_deref() {
            _ if !self.refusal.is_empty() => Stop::Declined,
            Some("content_filter") => Stop::Declined,
            Some("error") => {
                let usage = self.spent(exchange).usage(prices);
                return Err(ModelError::BrokenOff { what: "it says so itself".to_owned(), usage });
            }
            // Without a word about its end it may be cut anywhere.
            Some("length") | None => Stop::Cut,
            Some(_) => Stop::Ended,
        };
        let tokens = self.spent(exchange);
        let text = if self.refusal.is_empty() { self.text } else { self.refusal };
        let last = self.calls.len().saturating_sub(1);
        let mut extras = Vec::new();
        let calls = self.calls.into_iter().enumerate().map(|(place, call)| {
            extras.push(call.extra);
            let args = arguments(&call.arguments, stop == Stop::Cut && place == last);
            Call { id: call.id, tool: names.of_wire(&call.name), args }
        });
        let mut calls: Vec<Call> = calls.collect();
        give_ids(&mut calls, exchange, is_id);
        let echo = echo(&self.thoughts, &calls, extras);
        Ok(Reply { text, calls, usage: tokens.usage(prices), stop, echo })
    }
}

/// What the other side wants to see again: thoughts beside calls, and what it signed.
fn echo(thoughts: &str, calls: &[Call], extras: Vec<Option<Value>>) -> Value {
    let mut echo = BTreeMap::new();
    let signed = calls.iter().zip(extras);
    let signed: BTreeMap<String, Value> =
        signed.filter_map(|(call, extra)| Some((call.id.clone(), extra?))).collect();
    if !signed.is_empty() {
        echo.insert("calls".to_owned(), Value::Map(signed));
    }
    if !thoughts.is_empty() && !calls.is_empty() {
        echo.insert("reasoning_content".to_owned(), thoughts.into());
    }
    if echo.is_empty() { Value::Null } else { Value::Map(echo) }
}

fn is_id(id: &str) -> bool {
    (1..=256).contains(&id.len()) && id.chars().all(|c| c.is_ascii_graphic())
}

/// A content: a text, or a list of parts of which the texts count.
fn text_of(content: &serde_json::Value) -> String {
    match content {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Array(parts) => {
            parts.iter().filter_map(|part| part.get("text")?.as_str()).collect()
        }
        _ => String::new(),
    }
}

fn tokens(row: UsageRow) -> Tokens {
    let details = row.prompt_tokens_details.and_then(|details| details.cached_tokens);
    let all = row.prompt_tokens.unwrap_or(0);
    let cached = details.or(row.prompt_cache_hit_tokens).unwrap_or(0).min(all);
    Tokens { fresh: all - cached, cached, written: 0, output: row.completion_tokens.unwrap_or(0) }
}
