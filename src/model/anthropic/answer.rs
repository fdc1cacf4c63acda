//! An answer of Messages, in pieces or whole.

use super::request::call_block;
use crate::domain::Value;
use crate::model::calls::{Names, arguments, give_ids};
use crate::model::server::{Reading, Said, Server};
use crate::model::{Call, Exchange, ModelError, Prices, Reply, Stop, Tokens};
use serde::Deserialize;
use serde_json::json;

/// At most so many blocks in one reply.
const BLOCKS_MAX: usize = 256;

#[derive(Deserialize)]
struct EventRow {
    r#type: String,
    #[serde(default)]
    index: Option<u64>,
    #[serde(default)]
    message: Option<MessageRow>,
    #[serde(default)]
    content_block: Option<BlockRow>,
    #[serde(default)]
    delta: Option<DeltaRow>,
    #[serde(default)]
    usage: Option<UsageRow>,
    #[serde(default)]
    error: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct MessageRow {
    #[serde(default)]
    content: Vec<BlockRow>,
    #[serde(default)]
    stop_reason: Option<String>,
    #[serde(default)]
    usage: Option<UsageRow>,
    #[serde(default)]
    error: Option<serde_json::Value>,
}

#[derive(Default, Deserialize)]
struct BlockRow {
    #[serde(default)]
    r#type: String,
    #[serde(default)]
    text: String,
    #[serde(default)]
    id: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    input: Option<serde_json::Value>,
    #[serde(default)]
    thinking: String,
    #[serde(default)]
    signature: String,
    #[serde(default)]
    data: String,
}

#[derive(Default, Deserialize)]
struct DeltaRow {
    #[serde(default)]
    text: String,
    #[serde(default)]
    partial_json: String,
    #[serde(default)]
    thinking: String,
    #[serde(default)]
    signature: String,
    #[serde(default)]
    stop_reason: Option<String>,
}

#[derive(Clone, Copy, Deserialize)]
#[expect(clippy::struct_field_names, reason = "the wire's names")]
struct UsageRow {
    #[serde(default)]
    input_tokens: Option<u64>,
    #[serde(default)]
    cache_creation_input_tokens: Option<u64>,
    #[serde(default)]
    cache_read_input_tokens: Option<u64>,
    #[serde(default)]
    output_tokens: Option<u64>,
}

#[derive(Debug)]
enum Block {
    Text(String),
    Thoughts { text: String, signature: String },
    Hidden(String),
    Call { id: String, name: String, arguments: String },
}

/// What came so far.
#[derive(Debug, Default)]
pub(super) struct Answered {
    /// With the index that the other side gave them.
    blocks: Vec<(u64, Block)>,
    stop: Option<String>,
    usage: Option<Tokens>,
}

impl Reading for Answered {
    fn whole(&mut self, text: &str, server: &Server) -> Result<(), ModelError> {
        self.take_whole(text, server)
    }

    fn event(&mut self, data: &str, server: &Server) -> Result<bool, ModelError> {
        self.take(data, server)
    }

    fn has_ended(&self) -> bool {
        self.stop.is_some()
    }

    fn tokens(&self) -> Option<Tokens> {
        self.usage
    }

    fn bytes(&self) -> usize {
        let of = |block: &Block| match block {
            Block::Text(text) | Block::Hidden(text) | Block::Thoughts { text, .. } => text.len(),
            Block::Call { name, arguments, .. } => name.len() + arguments.len(),
        };
        self.blocks.iter().map(|(_, block)| of(block)).sum()
    }
}

impl Answered {
    /// Takes an event; whether it was the last.
    pub fn take(&mut self, text: &str, server: &Server) -> Result<bool, ModelError> {
        let row: EventRow = serde_json::from_str(text)
            .map_err(|error| ModelError::Malformed(server.told(&error.to_string())))?;
        if let Some(usage) = row.usage.or(row.message.as_ref().and_then(|message| message.usage)) {
            self.count(usage);
        }
        let index = row.index.unwrap_or(0);
        match row.r#type.as_str() {
            "content_block_start" => {
                self.begin(index, row.content_block.unwrap_or_default())?;
            }
            "content_block_delta" => self.go_on(index, &row.delta.unwrap_or_default()),
            "message_delta" => {
                let stop = row.delta.and_then(|delta| delta.stop_reason);
                self.stop = stop.or(self.stop.take());
            }
            "message_stop" => return Ok(true),
            "error" => return Err(failure(row.error.as_ref(), server)),
            // `ping`, and whatever is added later.
            _ => {}
        }
        Ok(false)
    }

    /// Takes an answer that came whole.
    pub fn take_whole(&mut self, text: &str, server: &Server) -> Result<(), ModelError> {
        let row: MessageRow = serde_json::from_str(text)
            .map_err(|error| ModelError::Malformed(server.told(&error.to_string())))?;
        if let Some(usage) = row.usage {
            self.count(usage);
        }
        if row.error.is_some() {
            return Err(failure(row.error.as_ref(), server));
        }
        for (index, block) in (0..).zip(row.content) {
            self.begin(index, block)?;
        }
        self.stop = row.stop_reason;
        Ok(())
    }

    fn begin(&mut self, index: u64, row: BlockRow) -> Result<(), ModelError> {
        if self.blocks.len() >= BLOCKS_MAX {
            return Err(ModelError::Malformed(format!("more than {BLOCKS_MAX} blocks")));
        }
        let block = match row.r#type.as_str() {
            "text" => Block::Text(row.text),
            "thinking" => Block::Thoughts { text: row.thinking, signature: row.signature },
            "redacted_thinking" => Block::Hidden(row.data),
            "tool_use" => {
                // In pieces it begins as an empty object.
                let input = row.input.filter(|input| {
                    !input.is_null() && input.as_object().is_none_or(|map| !map.is_empty())
                });
                let arguments = input.map_or_else(String::new, |input| input.to_string());
                Block::Call { id: row.id, name: row.name, arguments }
            }
            _ => return Ok(()),
        };
        self.blocks.push((index, block));
        Ok(())
    }

    fn go_on(&mut self, index: u64, delta: &DeltaRow) {
        let found = self.blocks.iter_mut().rev().find(|(own, _)| *own == index);
        match found.map(|(_, block)| block) {
            Some(Block::Text(text)) => text.push_str(&delta.text),
            Some(Block::Thoughts { text, signature }) => {
                text.push_str(&delta.thinking);
                signature.push_str(&delta.signature);
            }
            Some(Block::Call { arguments, .. }) => arguments.push_str(&delta.partial_json),
            Some(Block::Hidden(_)) | None => {}
        }
    }

    /// Each number is the sum so far; what is not said again stays.
    fn count(&mut self, row: UsageRow) {
        let before = self.usage.unwrap_or_default();
        self.usage = Some(Tokens {
            fresh: row.input_tokens.unwrap_or(before.fresh),
            cached: row.cache_read_input_tokens.unwrap_or(before.cached),
            written: row.cache_creation_input_tokens.unwrap_or(before.written),
            output: row.output_tokens.unwrap_or(before.output),
        });
    }

    /// The reply; an error where it did not come to its end.
    pub fn reply(
        self,
        exchange: &Exchange,
        names: &Names,
        prices: Option<&Prices>,
    ) -> Result<Reply, ModelError> {
        let stop = match self.stop.as_deref() {
            None => {
                let usage = self.spent(exchange).usage(prices);
                let what = "it ended in the middle".to_owned();
                return Err(ModelError::BrokenOff { what, usage });
            }
            Some("max_tokens" | "model_context_window_exceeded") => Stop::Cut,
            Some("refusal") => Stop::Declined,
            Some(_) => Stop::Ended,
        };
        let last = self.blocks.len().saturating_sub(1);
        let tokens = self.spent(exchange);
        let (mut text, mut calls) = (String::new(), Vec::new());
        for (place, (_, block)) in self.blocks.iter().enumerate() {
            match block {
                Block::Text(piece) => text.push_str(piece),
                Block::Call { id, name, arguments: args } => {
                    let args = arguments(args, stop == Stop::Cut && place == last);
                    calls.push(Call { id: id.clone(), tool: names.of_wire(name), args });
                }
                Block::Thoughts { .. } | Block::Hidden(_) => {}
            }
        }
        give_ids(&mut calls, exchange, is_id);
        let echo = echo(&self.blocks, &calls, names);
        Ok(Reply { text, calls, usage: tokens.usage(prices), stop, echo })
    }
}

/// An error that stands in an answer.
fn failure(error: Option<&serde_json::Value>, server: &Server) -> ModelError {
    Said::of(&json!({ "error": error })).in_answer(server)
}

/// All blocks in their order, where signed thoughts are among them.
fn echo(blocks: &[(u64, Block)], calls: &[Call], names: &Names) -> Value {
    let is_thought = |block: &Block| matches!(block, Block::Thoughts { .. } | Block::Hidden(_));
    let is_word = |block: &Block| match block {
        Block::Text(text) => !text.trim().is_empty(),
        other => !is_thought(other),
    };
    // Thoughts alone are no message.
    let has = |is: &dyn Fn(&Block) -> bool| blocks.iter().any(|(_, block)| is(block));
    if !has(&is_thought) || !has(&is_word) {
        return Value::Null;
    }
    let mut calls = calls.iter();
    let blocks = blocks.iter().filter_map(|(_, block)| match block {
        Block::Text(text) if text.trim().is_empty() => None,
        Block::Text(text) => Some(json!({"type": "text", "text": text.trim_end()})),
        Block::Thoughts { text, signature } => {
            Some(json!({"type": "thinking", "thinking": text, "signature": signature}))
        }
        Block::Hidden(data) => Some(json!({"type": "redacted_thinking", "data": data})),
        Block::Call { .. } => calls.next().map(|call| call_block(call, names)),
    });
    let blocks = blocks.filter_map(|block| serde_json::from_value::<Value>(block).ok());
    Value::List(blocks.collect())
}

fn is_id(id: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    (1..=128).contains(&id.len()) && id.chars().all(fits)
}
