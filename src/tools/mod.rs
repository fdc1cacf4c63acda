//! The verbs of the house, once: CLI, daemon, agents and (later) MCP clients all call
//! [`ToolRegistry::call`].

pub mod desk;

use crate::domain::{Effect, Reason, Value};

/// What a tool does to the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ToolKind {
    /// It only looks.
    Read,
    /// It changes the board; every call is an effect.
    Write,
    /// It changes the daemon (run, stop, arm); agents are never offered it.
    Operate,
}

/// What a tool gave back.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolResult {
    /// The structured result.
    pub value: Value,
    /// The same as a compact text that stands alone.
    pub text: String,
    /// The effect, for a write.
    pub effect: Option<Effect>,
}

/// Why a tool did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// Told to the caller, who may correct itself: says what is wrong, what was expected, and gives
    /// an example.
    #[error("{message}")]
    Rejected {
        /// The stable code.
        reason: Reason,
        /// What is wrong, what was expected, an example.
        message: String,
    },
    /// Ends the run.
    #[error("{message}")]
    Fatal {
        /// The stable code.
        reason: Reason,
        /// What went wrong.
        message: String,
        /// The cause.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
}
