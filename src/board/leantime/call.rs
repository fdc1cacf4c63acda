//! What is asked of the server, and what can come back.

use serde_json::Value;
use std::time::Duration;

/// One call of a method.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Call {
    /// Without its prefix: `tickets.getTicket`.
    pub(super) method: &'static str,
    /// The parameters by name; the server takes no others.
    pub(super) params: Value,
}

impl Call {
    pub(super) fn new(method: &'static str, params: Value) -> Self {
        Self { method, params }
    }

    /// Tells reads apart that ask the same.
    pub(super) fn key(&self) -> String {
        format!("{}{}", self.method, self.params)
    }
}

/// What goes out as one request.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Parcel {
    /// Calls, run in their order.
    Calls(Vec<Call>),
    /// Fields of a goal: the one thing that is not a call.
    GoalForm(Vec<(&'static str, String)>),
}

/// The server's word about one call.
pub(super) type Reply = Result<Value, Refusal>;

/// The server said no to one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// JSON-RPC's or Leantime's number.
    pub(super) code: i64,
    /// What it said, cleaned and short.
    pub(super) message: String,
}

impl Refusal {
    /// Whether nothing was done: what was asked for was not understood, or not allowed.
    pub(super) fn is_before_the_deed(&self) -> bool {
        const UNREAD: [i64; 2] = [-32_700, -32_600];
        let known = [NO_METHOD, BAD_PARAMS, DENIED, NOT_THERE, NO_PLUGIN, TWICE];
        known.contains(&self.code) || UNREAD.contains(&self.code)
    }
}

/// A method that this server does not have or does not give.
pub(super) const NO_METHOD: i64 = -32_601;
/// A parameter is missing or of the wrong type.
pub(super) const BAD_PARAMS: i64 = -32_602;
/// Any exception inside.
pub(super) const INSIDE: i64 = -32_000;
/// The role or the project does not allow it.
pub(super) const DENIED: i64 = -32_001;
/// It is not there, or not visible.
pub(super) const NOT_THERE: i64 = -32_002;
/// A plugin is needed.
pub(super) const NO_PLUGIN: i64 = -32_004;
/// It is there twice.
pub(super) const TWICE: i64 = -32_005;

/// A request that came to nothing as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The credential is refused: nothing more is sent until somebody says so.
    Unauthorized,
    /// Too many requests; nothing of this one was run.
    Limited {
        /// Nothing is to be sent for so long.
        wait: Duration,
        /// The server's limit, if it said so.
        limit: Option<u32>,
    },
    /// No connection, no answer, half an answer, or a page of somebody else.
    Unreachable {
        /// What happened, in our words.
        what: String,
        /// Whether the server may have got it: then nobody knows what became of writes.
        was_sent: bool,
    },
}

impl Trouble {
    pub(super) fn unsent(what: impl Into<String>) -> Self {
        Self::Unreachable { what: what.into(), was_sent: false }
    }

    pub(super) fn sent(what: impl Into<String>) -> Self {
        Self::Unreachable { what: what.into(), was_sent: true }
    }
}
