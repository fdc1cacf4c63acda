//! One exchange with a language model.
//!
//! The loop of turns is in `runner`; an adapter here sends what it is given and returns what came
//! back. `scripted` is a strict adapter that reads its answers from a file: it is what demo, tests
//! and rehearsals use, and it says so.

pub mod scripted;

use crate::domain::{ToolCall, Usage, Value};
use async_trait::async_trait;
use std::time::Duration;

/// Something that answers.
#[async_trait]
pub trait Model: Send + Sync + std::fmt::Debug {
    /// What it is, for people: `scripted:demo`, `anthropic:…`.
    fn describe(&self) -> String;

    /// Sends the conversation so far, returns the next message.
    async fn exchange(&self, exchange: &Exchange) -> Result<Reply, ModelError>;
}

/// The conversation so far and the tools on offer.
#[derive(Clone, Debug, PartialEq)]
pub struct Exchange {
    /// Oldest first.
    pub messages: Vec<Message>,
    /// What the model may call.
    pub tools: Vec<OfferedTool>,
    /// At most so many tokens back.
    pub tokens_max: u64,
}

/// A message of the conversation.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// The prompt, or a word in between.
    User(String),
    /// What the model said and called.
    Assistant {
        /// Its text; may be empty.
        text: String,
        /// Its calls, with the id that the answer must carry.
        calls: Vec<(String, ToolCall)>,
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
    /// Its calls, with their ids.
    pub calls: Vec<(String, ToolCall)>,
    /// What it used.
    pub usage: Usage,
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
    /// It cannot be reached just now.
    #[error("the model cannot be reached: {0}")]
    Unavailable(String),
    /// It refused for good: a wrong key, an unknown model.
    #[error("the model refused: {0}")]
    Refused(String),
}

impl ModelError {
    /// Whether the same exchange may succeed later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::RateLimited { .. } | Self::Unavailable(_))
    }
}
