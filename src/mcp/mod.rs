//! The MCP server: the tools of the house for assistants and agents outside, on stdio and over HTTP.
//!
//! A verb exists once, in [`crate::tools`]; this room lists them as MCP wants them listed and hands
//! calls through. It opens nothing: who somebody is, it asks an [`Access`]; what they want done, it
//! asks a [`Calls`]. Both are put in by the composition root.
//!
//! Two eras speak to one endpoint: revisions 2024-11-05 to 2025-11-25 begin with a handshake,
//! 2026-07-28 has none and says everything in each request.
//!
//! # What stays true
//! - Nobody is listed a tool that they may not call, and a call is checked again when it is made.
//! - Every answer has a text that stands alone: some clients drop all but that.
//! - An error that the caller can mend is a result of the tool, with a stable code; only a request
//!   that cannot be routed is an error of the protocol.
//! - What a client sends is bounded, and so is what it is sent.

mod answer;
pub mod bridge;
pub mod caller;
mod calling;
mod confirm;
#[cfg(feature = "conformance")]
pub mod fixtures;
mod handler;
pub mod http;
pub mod instruments;
mod jobs;
mod listing;
mod prompts;
mod reading;
mod resources;
mod rest;
mod schema;
mod selection;
pub mod stdio;
mod subscriptions;
mod within_run;

pub use caller::{Access, Caller, Denied};
pub use calling::Wants;
pub use confirm::Seals;
pub use handler::Handler;
pub use listing::{Served, reachable, served};
pub use resources::About;
pub use selection::{Selection, SelectionError};
pub use subscriptions::{News, NewsError};

use crate::domain::{RunId, Value};
use crate::tools::{ToolError, ToolResult};
use async_trait::async_trait;
use std::time::Duration;
use tokio::sync::mpsc;

/// More causes of an error are not told.
const CAUSES_MAX: usize = 16;

/// Whoever carries tool calls out.
#[async_trait]
pub trait Calls: Send + Sync {
    /// Calls a tool for somebody and returns when it has ended. What happens meanwhile goes to
    /// `told`, a line each, for people; what does not fit is dropped.
    async fn call(
        &self,
        caller: &Caller,
        tool: &str,
        args: Value,
        told: mpsc::Sender<String>,
    ) -> Result<Called, CallError>;

    /// The same for whoever wants to know which run a call begins, as soon as it has; where nobody knows,
    /// nothing is said.
    async fn call_for_run(
        &self,
        caller: &Caller,
        tool: &str,
        args: Value,
        _begun: mpsc::Sender<RunId>,
    ) -> Result<Called, CallError> {
        // Held to the end: otherwise it would seem that nobody waits.
        let (told, _held) = mpsc::channel(1);
        self.call(caller, tool, args, told).await
    }
}

/// What a call came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Called {
    /// The structured result.
    pub value: Value,
    /// The same as a compact text that stands alone.
    pub text: String,
}

/// Why a call was not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CallError {
    /// The stable code.
    pub code: String,
    /// What is wrong, what was expected, an example.
    pub message: String,
    /// The causes, outermost first; shown only where that is configured.
    pub causes: Vec<String>,
    /// Whether the same call may succeed later as it stands.
    pub retryable: bool,
}

impl CallError {
    /// An error without causes that the caller has to mend.
    pub fn of(code: &str, message: impl Into<String>) -> Self {
        let (code, message) = (code.to_owned(), message.into());
        Self { code, message, causes: Vec::new(), retryable: false }
    }
}

impl From<ToolResult> for Called {
    fn from(result: ToolResult) -> Self {
        Self { value: result.value, text: result.text }
    }
}

impl From<ToolError> for CallError {
    fn from(error: ToolError) -> Self {
        let reason = error.reason();
        let causes: Vec<String> = match &error {
            ToolError::Fatal { source, .. } => {
                let source = source.as_deref().map(|e| e as _);
                let causes =
                    std::iter::successors(source, |error: &&dyn std::error::Error| error.source());
                causes.take(CAUSES_MAX).map(ToString::to_string).collect()
            }
            ToolError::Rejected { causes, .. } => causes.clone(),
        };
        Self {
            code: reason.code().to_owned(),
            message: error.to_string(),
            causes,
            retryable: error.is_fatal(),
        }
    }
}

/// What a caller is put up with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How long a call may take; whatever it began may go on.
    pub call_time: Duration,
    /// Bytes of an answer, structured content and text together.
    pub response_bytes_max: usize,
    /// Whether causes are told.
    pub exposes_errors: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            call_time: Duration::from_secs(30),
            response_bytes_max: 10 * 1024 * 1024,
            exposes_errors: false,
        }
    }
}
