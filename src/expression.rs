//! Conditions: `where` of `[select]` and `when` of a step. This is the only file that names CEL.
use crate::domain::{Timestamp, Value};
use std::collections::BTreeMap;

/// What `where` may speak of.
pub const SELECT_NAMES: [&str; 4] = ["task", "project", "now", "agent"];
/// What a step's `when` may speak of.
pub const STEP_NAMES: [&str; 8] =
    ["task", "project", "now", "agent", "item", "gathered", "set", "run"];

/// A condition, ready to be asked.
#[derive(Debug)]
pub struct Expression {
    text: String,
}

/// Why a text is no condition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ExpressionFault {
    /// What is wrong.
    pub message: String,
    /// Where, in bytes of the text.
    pub offset: usize,
}

/// What a condition is asked about.
#[derive(Clone, Debug)]
pub struct Scope {
    now: Timestamp,
    values: BTreeMap<String, Value>,
}

impl Scope {
    /// Knows only `now`.
    pub fn new(now: Timestamp) -> Self {
        Self { now, values: BTreeMap::new() }
    }
    /// The same, with one more name.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.values.insert(name.to_owned(), value.into());
        self
    }
}

impl Expression {
    /// Reads a condition that may speak of these names.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub fn compile(text: &str, names: &[&str]) -> Result<Self, ExpressionFault> {
        todo!()
    }

    /// The text it was read from.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it holds.
    ///
    /// # Errors
    /// Why it cannot be said: a missing key, a value that is not a truth value, too much work.
    pub fn evaluate(&self, scope: &Scope) -> Result<bool, String> {
        todo!()
    }
}
