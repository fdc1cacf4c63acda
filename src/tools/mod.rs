//! The verbs of the house, once: CLI, daemon, agents and (later) MCP clients all call
//! [`ToolRegistry::call`].

//! A call takes one way: [`registry`] finds the definition and reads the arguments, the noun's file
//! plans the call (names become ids, days become instants, nothing is written yet), `guard` lets
//! it pass or refuses it, journals it, acts, and journals what came of it.

mod arguments;
mod batch;
mod beside;
mod captions;
mod claimed;
pub mod code;
pub mod context;
pub mod dates;
pub mod definition;
pub mod desk;
mod evidence;
mod fleet;
mod guard;
mod house;
pub mod journal;
mod leantime;
mod limited;
mod noted;
mod nouns;
mod outer;
mod outside;
mod planner;
pub mod registry;
mod resolve;
mod reviewed;
mod scope;
mod sessions;
mod show;
mod toolset;
mod write;
mod writes;

pub use code::{Code, CodeError};
pub use context::{Context, Finished, Progress, RunContext, Tally, Trust};
pub use definition::{Annotations, Definition};
pub use guard::matches_any;
pub use journal::{Intended, Journal, JournalError};
pub use outer::{OfferedOuter, Outer, Pins};
pub use registry::{Parts, ToolRegistry};
pub use toolset::Toolset;

use crate::domain::{Effect, Reason, Value};
use std::sync::LazyLock;

/// What a tool does to the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ToolKind {
    /// It only looks.
    Read,
    /// It changes the board; every call is an effect.
    Write,
    /// It changes the daemon (run, stop, arm); agents are never offered it.
    Operate,
    /// It leaves the board as it is, and something in the run's journal; every call is an effect.
    Note,
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
        /// What led to it, outermost first: for whoever looks after the server.
        causes: Vec<String>,
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

/// More causes of an error are not kept.
const CAUSES_MAX: usize = 16;
/// No error says more.
const SAID_CHARS_MAX: usize = 2_000;

/// Cut, and without what a terminal obeys.
fn harmless(said: String) -> String {
    let obeyed = |c: char| c.is_control() && c != '\n';
    if said.len() <= SAID_CHARS_MAX && !said.contains(obeyed) {
        return said;
    }
    let mut chars = said.chars().map(|c| if obeyed(c) { ' ' } else { c });
    let mut cut: String = chars.by_ref().take(SAID_CHARS_MAX).collect();
    if chars.next().is_some() {
        cut.push('…');
    }
    cut
}

impl ToolError {
    /// A refusal that the caller may mend. What it repeats of theirs stays short and harmless.
    pub fn rejected(reason: Reason, message: impl Into<String>) -> Self {
        Self::Rejected { reason, message: harmless(message.into()), causes: Vec::new() }
    }

    /// A refusal in the words of an error, with what led to that.
    fn rejected_by(reason: Reason, error: &(dyn std::error::Error + 'static)) -> Self {
        let causes = std::iter::successors(error.source(), |error| error.source());
        let causes = causes.take(CAUSES_MAX).map(ToString::to_string).collect();
        Self::Rejected { reason, message: harmless(error.to_string()), causes }
    }

    /// An error that ends the run.
    pub fn fatal(reason: Reason, message: impl Into<String>) -> Self {
        Self::Fatal { reason, message: harmless(message.into()), source: None }
    }

    /// The stable code.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Rejected { reason, .. } | Self::Fatal { reason, .. } => *reason,
        }
    }

    /// Whether it ends the run.
    pub fn is_fatal(&self) -> bool {
        matches!(self, Self::Fatal { .. })
    }
}

/// A result as a compact text that stands alone, for whoever is shown nothing else.
pub fn text_of(value: &Value) -> String {
    show::text(value)
}

/// Every definition, in the order of their names: what can be said of the tools before anything is
/// opened.
pub fn catalogue() -> &'static [Definition] {
    static CATALOGUE: LazyLock<Vec<Definition>> = LazyLock::new(|| {
        let mut all = nouns::all();
        all.sort_by_key(|tool| tool.name);
        all
    });
    &CATALOGUE
}
