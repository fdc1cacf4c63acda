//! One exchange with a language model.
//!
//! The loop of turns is in `runner`; an adapter here sends what it is given and returns what came
//! back. `openai` speaks Chat Completions, which most servers understand; `anthropic` speaks Messages;
//! `scripted` is a strict adapter that reads its answers from a file: it is what demo, tests and
//! rehearsals use, and it says so.
//!
//! # Contract
//!
//! - What the model says and calls comes back in its order, with what it used.
//! - Every call has an id that no other call of the conversation has.
//! - Arguments that are no JSON object are told as such and never guessed; none at all are `{}`, unless
//!   the reply was cut there.
//! - A reply that is not whole is no reply: its calls are not given to anybody.
//! - `heard` is called whenever something comes, so that a long answer is not taken for silence.
//! - An error says whether the same exchange may succeed later, and how long the other side asks to wait.
//! - What an answer may hold has limits; the key is in no error, log line or `Debug`.

pub mod anthropic;
mod calls;
mod family;
pub mod open;
pub mod openai;
mod prices;
pub mod scripted;
mod server;

pub use family::{check_family, family_of};
pub use prices::{Prices, Tokens};

use crate::domain::{Usage, Value};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Is told whenever something comes from the other side.
pub type Heard<'a> = dyn Fn() + Send + Sync + 'a;

/// Something that answers.
#[async_trait]
pub trait Model: Send + Sync + std::fmt::Debug {
    /// What it is, for people: `scripted:demo`, `anthropic:…`.
    fn describe(&self) -> String;

    /// Sends the conversation so far, returns the next message.
    async fn exchange(&self, exchange: &Exchange, heard: &Heard<'_>) -> Result<Reply, ModelError>;

    /// How many tokens a conversation may have, question and answer together, where that is known.
    fn context(&self) -> Option<u64> {
        None
    }

    /// The most tokens of one reply, where that is set.
    fn reply_max(&self) -> Option<u64> {
        None
    }

    /// Whether what it uses is priced: without prices, cost is not counted.
    fn is_priced(&self) -> bool {
        true
    }

    /// Looks whether it would answer, without using it: nothing is spent.
    async fn look(&self) -> Result<Look, ModelError> {
        Ok(Look::Ready)
    }
}

/// What a look at a model showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// The server answers, takes the key and knows the model.
    Ready,
    /// The server answers and takes the key; the model is not in its list.
    NotListed,
    /// The server answers, but has no list of models, so that nothing more is known.
    NoList,
}

/// The conversation so far and the tools on offer.
#[derive(Clone, Debug, PartialEq)]
pub struct Exchange {
    /// Oldest first. The first is the prompt; each call has exactly one result, after it and before
    /// the next word of anybody.
    pub messages: Vec<Message>,
    /// What the model may call.
    pub tools: Vec<OfferedTool>,
    /// At most so many tokens back.
    pub tokens_max: u64,
    /// How many exchanges of this conversation were before it.
    pub turn: u32,
}

/// A message of the conversation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Message {
    /// The prompt, or a word in between.
    User(String),
    /// What the model said and called.
    Assistant {
        /// Its text; may be empty.
        text: String,
        /// Its calls.
        calls: Vec<Call>,
        /// [`Reply::echo`].
        echo: Value,
    },
    /// What a call came to.
    ToolResult {
        /// The call's id.
        id: String,
        /// The result or the error, as text.
        text: String,
        /// Whether it is an error.
        is_error: bool,
    },
}

impl Message {
    /// Its texts and arguments, in bytes: about four to a token.
    pub fn bytes(&self) -> usize {
        match self {
            Self::User(text) | Self::ToolResult { text, .. } => text.len(),
            Self::Assistant { text, calls, echo } => {
                let args = |call: &Call| call.args.as_ref().map_or(0, size_of_value);
                let calls = calls.iter().map(|call| call.tool.len() + args(call));
                text.len() + calls.sum::<usize>() + size_of_value(echo)
            }
        }
    }
}

fn size_of_value(value: &Value) -> usize {
    match value {
        Value::Null => 0,
        Value::Bool(_) | Value::Int(_) | Value::Float(_) => 8,
        Value::Text(text) => text.len(),
        Value::List(items) => items.iter().map(size_of_value).sum(),
        Value::Map(map) => map.iter().map(|(key, value)| key.len() + size_of_value(value)).sum(),
    }
}

/// A call that a model makes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// What its result must carry.
    pub id: String,
    /// The tool's name; the model may have made it up.
    pub tool: String,
    /// The arguments, an object; or what is wrong with what came instead. Such a call is not to be
    /// carried out.
    pub args: Result<Value, String>,
}

impl Call {
    /// A whole one.
    pub fn new(id: impl Into<String>, tool: impl Into<String>, args: Value) -> Self {
        Self { id: id.into(), tool: tool.into(), args: Ok(args) }
    }
}

/// A tool as a model sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct OfferedTool {
    /// Its name.
    pub name: String,
    /// When to use it, units, an example.
    pub description: String,
    /// JSON Schema of its arguments.
    pub input_schema: Value,
}

/// What came back.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reply {
    /// Its text; may be empty.
    pub text: String,
    /// Its calls.
    pub calls: Vec<Call>,
    /// What it used.
    pub usage: Usage,
    /// Why it ended.
    pub stop: Stop,
    /// What the other side wants to see again as it was (a model's signed thoughts, say); nobody
    /// else reads it.
    pub echo: Value,
}

/// Why a reply ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stop {
    /// It said what it had to say.
    #[default]
    Ended,
    /// It reached the most tokens that it may have, and is cut there.
    Cut,
    /// The model, or a filter before it, declined.
    Declined,
}

impl Stop {
    /// As it is printed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ended => "ended",
            Self::Cut => "cut",
            Self::Declined => "declined",
        }
    }
}

/// Why a model did not answer.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The script has no such turn, or expected another one.
    #[error("script: {0}")]
    OffScript(String),
    /// It asks to wait.
    #[error("the model asks to wait")]
    RateLimited {
        /// For so long, if it said.
        retry_after: Option<Duration>,
    },
    /// It has too much to do.
    #[error("the model is overloaded")]
    Overloaded {
        /// It asks to come again after so long, if it said.
        retry_after: Option<Duration>,
    },
    /// It cannot be reached just now.
    #[error("the model cannot be reached: {0}")]
    Unavailable(String),
    /// Its answer had begun, and came to nothing for this reason: it was paid for all the same.
    #[error("{error}")]
    Spent {
        /// The reason.
        error: Box<Self>,
        /// What it used, by estimate where nobody counted.
        usage: Usage,
    },
    /// Its answer broke off. What came of it is not used.
    #[error("the model's answer broke off: {what}")]
    BrokenOff {
        /// How.
        what: String,
        /// What the answer had cost until then, as far as it said.
        usage: Usage,
    },
    /// What came is not what the wire promises.
    #[error("the model's answer cannot be read: {0}")]
    Malformed(String),
    /// The conversation is longer than the model takes.
    #[error("the conversation is too long for the model: {0}")]
    ContextTooLong(String),
    /// The model, or a filter before it, will not work on this.
    #[error("the model declines: {0}")]
    Declined(String),
    /// It does not take the key.
    #[error("the model does not take the key: {0}")]
    Denied(String),
    /// It refused for good: an unknown model, a request that it does not understand, no money left.
    #[error("the model refused: {0}")]
    Refused(String),
}

impl ModelError {
    /// The reason, whether something was spent or not.
    pub fn cause(&self) -> &Self {
        match self {
            Self::Spent { error, .. } => error.cause(),
            error => error,
        }
    }

    /// Whether the same exchange may succeed later.
    pub fn is_transient(&self) -> bool {
        matches!(
            self.cause(),
            Self::RateLimited { .. }
                | Self::Overloaded { .. }
                | Self::Unavailable(_)
                | Self::BrokenOff { .. }
                | Self::Malformed(_)
        )
    }

    /// How long the other side asks to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        match self.cause() {
            Self::RateLimited { retry_after } | Self::Overloaded { retry_after } => *retry_after,
            _ => None,
        }
    }

    /// What was spent although nothing came of it.
    pub fn usage(&self) -> Usage {
        match self {
            Self::BrokenOff { usage, .. } | Self::Spent { usage, .. } => *usage,
            _ => Usage::default(),
        }
    }

    /// The class, as transcripts name it.
    pub fn class(&self) -> &'static str {
        match self.cause() {
            Self::Spent { .. } => "spent",
            Self::OffScript(_) => "off_script",
            Self::RateLimited { .. } => "rate_limited",
            Self::Overloaded { .. } => "overloaded",
            Self::Unavailable(_) => "unavailable",
            Self::BrokenOff { .. } => "broken_off",
            Self::Malformed(_) => "malformed",
            Self::ContextTooLong(_) => "context_too_long",
            Self::Declined(_) => "declined",
            Self::Denied(_) => "denied",
            Self::Refused(_) => "refused",
        }
    }
}
