//! The control socket: how commands reach the daemon that holds the state folder.
//!
//! A Unix socket `<state>/control.sock`, mode 0600, speaks JSON lines. The daemon greets with
//! `{"rota":"0.1.0","protocol":1,"pid":7,"daemon":"host"}`. A client then sends one request at a
//! time, `{"id":1,"tool":"runPlaybook","args":{…},"zone":"Europe/Berlin"}`, and is answered with
//! any number of `{"id":1,"progress":{…}}` lines and one `{"id":1,"result":{…}}` or
//! `{"id":1,"error":{…}}`. A client that hangs up cancels nothing but what it followed. A server that
//! ends says `{"id":null,"error":{"kind":"not_begun",…}}` between two requests and reads no more:
//! whoever had sent another by then knows that it was not begun.
//!
//! [`Answer`] is the one seam: a house in the same process and a daemon across the socket both
//! implement it, so a command never knows which of them it talks to.

pub mod lines;
pub mod server;
pub mod socket;
pub mod turn;

use crate::domain::{Reason, RunId, Timestamp, Value};
use crate::tools::{ToolError, ToolResult};
use async_trait::async_trait;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize, Serializer};
use std::time::Duration;
use tokio::sync::mpsc;

/// The version of what is spoken; both sides must have the same.
pub const PROTOCOL: u32 = 1;

/// The socket's name in the state folder.
pub const SOCKET_NAME: &str = "control.sock";

/// The tool that tells what a run does while it does it; the only call that ends with its caller.
pub const FOLLOW: &str = "followRun";

/// Writes the export of the ledger now, for a backup; only for who types at this machine.
pub const EXPORT: &str = "exportLedger";

/// What makes a link by which whoever asks signs in to the pages. It is no tool: no assistant is told of
/// it, and none is answered.
pub const OPEN_PAGES: &str = "openPages";

/// What a daemon that waits for the state folder asks of whoever holds it: to let go once nothing is
/// under way. A house that was opened for a pipe does; a daemon does not know the word.
pub const LET_GO: &str = "letGo";

/// Whoever answers tool calls: a house in this process, or a daemon across the socket.
#[async_trait]
pub trait Answer: Send + Sync {
    /// Calls a tool and returns when it has ended. What happens meanwhile goes to `progress`,
    /// which is bounded: senders drop what does not fit and never wait for a slow reader. A closed
    /// `progress` means that nobody listens any more; the call goes on.
    async fn answer(
        &self,
        request: ToolRequest,
        progress: mpsc::Sender<Progress>,
    ) -> Result<Answered, AnswerError>;

    /// Asks what was opened for this caller to come to an end: runs are stopped, calls under way
    /// return with what became of them, locks are given back. Across a socket it does nothing: the
    /// daemon lives on.
    async fn close(&self) {}

    /// Whether calls under way go on without this process.
    fn outlives_us(&self) -> bool {
        false
    }
}

/// A tool call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolRequest {
    /// The tool's name.
    pub tool: String,
    /// Its arguments, an object.
    #[serde(default = "no_args")]
    pub args: Value,
    /// The caller's IANA time zone, for instants without an offset and for those in the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// Set for a rehearsal: nothing outside is changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dry_run: Option<DryRun>,
    /// Whose rights hold, instead of those of whoever may use the socket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<AskToken>,
    /// Whether an assistant asks, in a person's name, and not a person at a terminal.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub assistant: bool,
}

/// A token on its way over the socket; `Debug` does not show it.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub struct AskToken(pub SecretString);

impl PartialEq for AskToken {
    fn eq(&self, other: &Self) -> bool {
        self.0.expose_secret() == other.0.expose_secret()
    }
}

/// The one place where it is shown: on its way to the daemon.
impl Serialize for AskToken {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.0.expose_secret())
    }
}

/// How a rehearsal is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DryRun {
    /// Whether `command` and `acp` runners really run (in a throw-away worktree).
    #[serde(default)]
    pub execute: bool,
}

/// Something that happened while a call is under way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// When.
    pub at: Timestamp,
    /// What sort of thing, in one word (`claimed`, `effect`, `notice`, `turn`, `note`).
    pub kind: String,
    /// One line for people. It may hold text from the board: whoever prints it escapes it.
    pub text: String,
    /// The run it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// Its parts by name, where a line of a transcript has some.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub data: Value,
}

/// What a call came to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Answered {
    /// The structured result.
    pub value: Value,
    /// The same as a compact text that stands alone.
    pub text: String,
}

/// Why a call was not done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct AnswerError {
    /// What sort of failure.
    pub kind: ErrorKind,
    /// The stable code; empty where no reason of the house applies.
    #[serde(default)]
    pub reason: String,
    /// What is wrong and what to do.
    pub message: String,
    /// The causes, outermost first, each in its own words.
    #[serde(default)]
    pub causes: Vec<String>,
}

/// What sort of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// The caller may correct itself.
    Rejected,
    /// It failed.
    Fatal,
    /// Too many callers, or the daemon is stopping: later.
    Busy,
    /// The two sides do not understand each other.
    Protocol,
    /// The daemon hung up before it answered: whether it was done is unknown. Made by clients;
    /// never sent.
    Gone,
    /// Whoever was asked is ending, or had gone before it could be asked: nothing was done.
    NotBegun,
}

impl AnswerError {
    /// The caller may correct itself.
    pub fn rejected(reason: Reason, message: impl Into<String>) -> Self {
        Self::of(ErrorKind::Rejected, reason.code(), message)
    }

    /// It failed; `source`'s chain becomes the causes.
    pub fn fatal(
        reason: Reason,
        message: impl Into<String>,
        source: Option<&(dyn std::error::Error + 'static)>,
    ) -> Self {
        Self { causes: causes_of(source), ..Self::of(ErrorKind::Fatal, reason.code(), message) }
    }

    /// Of any kind, without causes.
    pub fn of(kind: ErrorKind, reason: &str, message: impl Into<String>) -> Self {
        Self { kind, reason: reason.to_owned(), message: message.into(), causes: Vec::new() }
    }
}

impl From<ToolError> for AnswerError {
    fn from(error: ToolError) -> Self {
        match error {
            ToolError::Rejected { reason, message, .. } => Self::rejected(reason, message),
            ToolError::Fatal { reason, message, source } => {
                Self::fatal(reason, message, source.as_deref().map(|e| e as _))
            }
        }
    }
}

impl From<ToolResult> for Answered {
    fn from(result: ToolResult) -> Self {
        Self { value: result.value, text: result.text }
    }
}

/// The texts of an error and of all that caused it, outermost first; at most 16.
pub fn causes_of(error: Option<&(dyn std::error::Error + 'static)>) -> Vec<String> {
    std::iter::successors(error, |error| error.source()).take(16).map(ToString::to_string).collect()
}

/// The daemon's greeting: the first line of every connection that is let in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The daemon's version.
    pub rota: String,
    /// [`PROTOCOL`] of the daemon.
    pub protocol: u32,
    /// Its process.
    pub pid: u32,
    /// Its name.
    pub daemon: String,
}

/// A request as it goes over the socket.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestLine {
    /// Chosen by the client; every line of the answer repeats it.
    pub id: u64,
    /// The tool's name.
    pub tool: String,
    /// Its arguments, an object.
    #[serde(default = "no_args")]
    pub args: Value,
    /// See [`ToolRequest::zone`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// See [`ToolRequest::dry_run`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dry_run: Option<DryRun>,
    /// See [`ToolRequest::token`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<AskToken>,
    /// See [`ToolRequest::assistant`].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub assistant: bool,
}

impl RequestLine {
    /// A request with its number.
    pub fn new(id: u64, request: ToolRequest) -> Self {
        let ToolRequest { tool, args, zone, dry_run, token, assistant } = request;
        Self { id, tool, args, zone, dry_run, token, assistant }
    }

    /// The request without its number.
    pub fn into_request(self) -> ToolRequest {
        let Self { id: _, tool, args, zone, dry_run, token, assistant } = self;
        ToolRequest { tool, args, zone, dry_run, token, assistant }
    }
}

/// A line of an answer as it goes over the socket; exactly one of the last three is set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ReplyLine {
    /// The request's number; `None` where the request could not be read.
    pub id: Option<u64>,
    /// Something happened meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
    /// The call is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Answered>,
    /// The call is not done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<AnswerError>,
}

/// What a control socket puts up with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ControlLimits {
    /// Bytes of a request line.
    pub request_bytes_max: usize,
    /// Bytes of a reply line.
    pub reply_bytes_max: usize,
    /// Connections at one time.
    pub connections_max: usize,
    /// From a line's first byte to its last.
    pub line_time: Duration,
    /// For one line to be taken by the reader.
    pub write_time: Duration,
    /// Progress lines that wait for a slow reader.
    pub progress_max: usize,
    /// Unreadable requests before the connection is closed.
    pub garbage_max: u32,
}

impl Default for ControlLimits {
    fn default() -> Self {
        Self {
            request_bytes_max: 1024 * 1024,
            reply_bytes_max: 16 * 1024 * 1024,
            connections_max: 64,
            line_time: Duration::from_secs(10),
            write_time: Duration::from_secs(30),
            progress_max: 256,
            garbage_max: 3,
        }
    }
}

/// What can go wrong with the socket itself.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Another daemon answers there.
    #[error("a daemon already answers at {path}")]
    AlreadyServed {
        /// The socket.
        path: String,
    },
    /// Something that is not a socket has the socket's name.
    #[error("{path} is not a socket")]
    NotASocket {
        /// The file.
        path: String,
    },
    /// The path does not fit into a socket address, and there is no `/proc` to shorten it.
    #[error(
        "the path {path} is longer than the {max} bytes of a socket address; choose a shorter \
         state folder"
    )]
    PathTooLong {
        /// The socket.
        path: String,
        /// How long it may be.
        max: usize,
    },
    /// The other side speaks another version.
    #[error("the daemon {rota} speaks protocol {theirs}, this command speaks {PROTOCOL}")]
    OtherProtocol {
        /// The daemon's version.
        rota: String,
        /// What it speaks.
        theirs: u32,
    },
    /// The daemon does not let us in.
    #[error("the daemon refused the connection: {message}")]
    Refused {
        /// What it said.
        message: String,
        /// Whether it is worth trying again.
        busy: bool,
    },
    /// What came is not the protocol.
    #[error("the daemon's greeting cannot be understood")]
    Malformed,
    /// The system said no.
    #[error("cannot {what} the control socket at {path}")]
    Io {
        /// What was attempted.
        what: &'static str,
        /// The socket.
        path: String,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
}

fn no_args() -> Value {
    Value::Map(std::collections::BTreeMap::new())
}
