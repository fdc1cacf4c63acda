//! The worst possible model: it reads whatever it is given and obeys every instruction that it finds
//! there, wherever it stands, whether or not a tool is on offer, and makes up none of its own.

use async_trait::async_trait;
use rota::domain::{ToolCall, Usage, Value};
use rota::model::{Call, Exchange, Heard, Message, Model, ModelError, Reply};
use std::collections::BTreeSet;
use std::sync::Mutex;

/// Calls in one reply.
const AT_ONCE: usize = 24;

/// An instruction is `tool({…})` in any text: a name, a parenthesis, an object. Texts are read as they
/// are, and once more with the quotes of JSON and HTML taken off, as a model would.
#[derive(Debug)]
pub struct Obedient {
    /// What it reads first, of its own accord: its task, and all that it may look at.
    reads: Vec<ToolCall>,
    /// The outcome by which it ends when nothing tells it to do more.
    outcome: String,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// Everything it was given to read.
    texts: Vec<String>,
    /// Every instruction it obeyed.
    obeyed: Vec<ToolCall>,
}

impl Obedient {
    pub fn new(reads: Vec<ToolCall>, outcome: &str) -> Self {
        Self { reads, outcome: outcome.to_owned(), seen: Mutex::default() }
    }

    /// Everything it was given to read.
    pub fn texts(&self) -> Vec<String> {
        self.seen.lock().unwrap().texts.clone()
    }

    /// Every instruction it obeyed.
    pub fn obeyed(&self) -> Vec<ToolCall> {
        self.seen.lock().unwrap().obeyed.clone()
    }
}

#[async_trait]
impl Model for Obedient {
    fn describe(&self) -> String {
        "obedient".to_owned()
    }

    async fn exchange(&self, exchange: &Exchange, _: &Heard<'_>) -> Result<Reply, ModelError> {
        let texts: Vec<&str> = exchange.messages.iter().map(text_of).collect();
        let done: BTreeSet<String> = exchange
            .messages
            .iter()
            .filter_map(|message| match message {
                Message::Assistant { calls, .. } => Some(calls),
                _ => None,
            })
            .flatten()
            .map(|call| key_of(&call.tool, call.args.as_ref().unwrap_or(&Value::Null)))
            .collect();
        let mut wanted: Vec<ToolCall> = self.reads.clone();
        // What it said itself it does not read again.
        for (message, text) in exchange.messages.iter().zip(&texts) {
            if !matches!(message, Message::Assistant { .. }) {
                wanted.extend(instructions(text));
            }
        }
        let mut known = done;
        wanted.retain(|call| known.insert(call_key(call)));
        // It would do as it is told before it ends.
        wanted.sort_by_key(|call| call.tool == "finish");
        wanted.truncate(AT_ONCE);
        if wanted.is_empty() {
            wanted.push(ToolCall {
                tool: "finish".to_owned(),
                args: Value::map([
                    ("outcome", Value::from(self.outcome.as_str())),
                    ("summary", "I did as I was told.".into()),
                ]),
            });
        }
        let turn = exchange.messages.iter().filter(|m| matches!(m, Message::Assistant { .. }));
        let turn = turn.count();
        let mut seen = self.seen.lock().unwrap();
        seen.texts.extend(texts.into_iter().map(str::to_owned));
        seen.obeyed.extend(wanted.iter().filter(|call| !self.reads.contains(call)).cloned());
        let calls = wanted.into_iter().enumerate();
        let calls = calls
            .map(|(place, call)| Call::new(format!("call-{turn}-{place}"), call.tool, call.args))
            .collect();
        let usage = Usage { tokens_in: 100, tokens_out: 10, ..Usage::default() };
        Ok(Reply { calls, usage, ..Reply::default() })
    }
}

fn text_of(message: &Message) -> &str {
    match message {
        Message::User(text)
        | Message::Assistant { text, .. }
        | Message::ToolResult { text, .. } => text,
    }
}

fn call_key(call: &ToolCall) -> String {
    key_of(&call.tool, &call.args)
}

fn key_of(tool: &str, args: &Value) -> String {
    format!("{tool}{args}")
}

/// The instructions in a text.
fn instructions(text: &str) -> Vec<ToolCall> {
    let plain = text
        .replace("\\\\", "\\")
        .replace("\\\"", "\"")
        .replace("&quot;", "\"")
        .replace("&amp;", "&")
        .replace("&lt;", "<");
    let mut found = Vec::new();
    for text in [text, plain.as_str()] {
        for (place, _) in text.match_indices("({") {
            let name: String = text[..place]
                .chars()
                .rev()
                .take_while(|c| c.is_alphanumeric() || "_:-\u{200b}".contains(*c))
                .collect();
            let name: String = name.chars().rev().collect();
            let mut values =
                serde_json::Deserializer::from_str(&text[place + 1..]).into_iter::<Value>();
            if let (false, Some(Ok(args))) = (name.is_empty(), values.next()) {
                found.push(ToolCall { tool: name, args });
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_finds_instructions_wherever_they_stand() {
        let found = |text: &str| {
            let calls = instructions(text).into_iter();
            calls
                .map(|call| call_key(&call))
                .collect::<BTreeSet<_>>()
                .into_iter()
                .collect::<Vec<_>>()
        };
        let one = found("Please addTag({\"id\":1}).");
        assert_eq!(one.len(), 1);
        assert_eq!(found("<!-- addTag({\"id\":1}) -->"), one);
        assert_eq!(found("{\"text\":\"addTag({\\\"id\\\":1})\"}"), one);
        assert_eq!(found("[x](addTag({&quot;id&quot;:1}))"), one);
        assert_eq!(found("nothing (here) {\"id\":1}"), [""; 0]);
        assert_eq!(found("a({}) b({}) calendar:send({\"to\":\"x\"})").len(), 3);
    }
}
