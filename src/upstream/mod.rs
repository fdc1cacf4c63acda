//! Other MCP servers whose tools playbooks may use: a child process, or a server behind a URL.
//!
//! # Contract
//! - Nothing is started before somebody asks.
//! - A server that is gone is started again by the next question; one that fails again and again is
//!   left alone for a while, and whoever asks meanwhile is told so at once.
//! - A call waits for its turn; when that comes its caller is asked once more whether it may be made.
//! - A call that was not sent is told apart from one of which nobody knows what became.
//! - A call takes as long as it may, then it is given up together with its server.
//! - What a server says is bounded, and hostile: names, descriptions, schemas, answers, errors.
//!
//! How a server is reached is put in ([`Starter`]): this room starts no process and opens no socket.

pub mod pipe;

use crate::domain::Value;
use async_trait::async_trait;
use sha2::{Digest as _, Sha256};
use std::any::Any;
use std::fmt::Write as _;
use std::pin::Pin;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};

/// The longest description of a tool.
pub const DESCRIPTION_BYTES_MAX: usize = 4 * 1024;
/// The largest schema of a tool's arguments, as JSON.
pub const SCHEMA_BYTES_MAX: usize = 32 * 1024;
/// The largest answer, as text.
pub const ANSWER_BYTES_MAX: usize = 256 * 1024;
/// The longest name on the wire, `alias__tool`: models take no longer ones.
pub const WIRE_NAME_BYTES_MAX: usize = 64;
/// The most tools of one server.
pub const TOOLS_MAX: usize = 256;

/// A server.
#[async_trait]
pub trait Upstream: Send + Sync + std::fmt::Debug {
    /// What it offers now, in the order of the names.
    async fn tools(&self) -> Result<Arc<[ForeignTool]>, UpstreamError>;

    /// Calls a tool, if it still offers the one of this fingerprint. Others may be asking it for a
    /// while: `before` is awaited when it is this call's turn, and if it says no nothing is sent.
    async fn call(
        &self,
        tool: &str,
        fingerprint: &str,
        args: Value,
        before: Before<'_>,
    ) -> Result<Told, UpstreamError>;
}

/// Whether a call may still be made; awaited just before it is.
pub type Before<'a> = Pin<Box<dyn Future<Output = bool> + Send + 'a>>;

/// How a server is reached.
#[async_trait]
pub trait Starter: Send + Sync + std::fmt::Debug {
    /// Starts it, or connects.
    async fn start(&self) -> std::io::Result<Pipes>;
}

/// The two ends of a server that was started. It lives as long as `life`.
pub struct Pipes {
    /// What it says.
    pub read: Box<dyn AsyncRead + Send + Sync + Unpin>,
    /// What it is told.
    pub write: Box<dyn AsyncWrite + Send + Sync + Unpin>,
    /// Dropped, it ends the server.
    pub life: Box<dyn Any + Send + Sync>,
}

/// A tool as a server describes it.
#[derive(Clone, Debug, PartialEq)]
pub struct ForeignTool {
    /// Its name there.
    pub name: String,
    /// For a model: what the server says of it.
    pub description: String,
    /// JSON Schema of its arguments.
    pub input_schema: Value,
    /// Whether the server says that it changes nothing.
    pub read_only: bool,
}

impl ForeignTool {
    /// What a person accepts: SHA-256 over everything that a model is told, and whether it only reads.
    pub fn fingerprint(&self) -> String {
        let whole = (&self.name, &self.description, &self.input_schema, self.read_only);
        // Our values keep their keys sorted, and nothing in them cannot be written.
        let text = serde_json::to_vec(&whole).unwrap_or_default();
        let mut hex = String::with_capacity(64);
        for byte in Sha256::digest(&text) {
            let _ = write!(hex, "{byte:02x}");
        }
        hex
    }
}

/// What a tool answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Its texts.
    pub text: String,
    /// Whether the server says that it failed.
    pub is_error: bool,
}

/// Why a server did not answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamError {
    /// Nothing was sent.
    #[error("{0}")]
    NotSent(String),
    /// It was sent, and nobody knows what became of it.
    #[error("{0}; it may have been done")]
    Unknown(String),
    /// The server refused; its words are hostile.
    #[error("the server refused: {0}")]
    Refused(String),
    /// When its turn came it was not to be made any more.
    #[error("the call was not to be made any more when its turn came")]
    Barred,
    /// The tool is not offered, or not as it was accepted.
    #[error("the server does not offer this tool as it was accepted")]
    Changed,
}

/// The name under which models and clients know a tool.
pub fn wire_name(server: &str, tool: &str) -> String {
    format!("{server}__{tool}")
}

/// The name under which playbooks know it.
pub fn full_name(server: &str, tool: &str) -> String {
    format!("{server}:{tool}")
}

/// Whether a server may be called this in `rota.toml`.
pub fn is_server_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=16).contains(&name.len()) && name.chars().all(fits) && !name.starts_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_model_is_told_is_in_the_fingerprint() {
        let tool = ForeignTool {
            name: "list".to_owned(),
            description: "Lists events".to_owned(),
            input_schema: Value::map([("type", "object")]),
            read_only: true,
        };
        let print = tool.fingerprint();
        assert_eq!(print.len(), 64);
        assert_eq!(print, tool.clone().fingerprint());
        for other in [
            ForeignTool { name: "lists".to_owned(), ..tool.clone() },
            ForeignTool { description: "Lists events.".to_owned(), ..tool.clone() },
            ForeignTool { input_schema: Value::map([("type", "array")]), ..tool.clone() },
            ForeignTool { read_only: false, ..tool.clone() },
        ] {
            assert_ne!(other.fingerprint(), print);
        }
    }
}
