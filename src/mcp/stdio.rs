//! MCP over a pipe: standard input and output of a process that a client starts.
//!
//! A client may start it twice (a probe, and the real one), so it begins in milliseconds and opens
//! nothing before the first call.

use super::Handler;
use rmcp::service::ServiceExt as _;
use rmcp::transport::io::stdio;

/// Why serving a pipe ended before its client hung up.
#[derive(Debug, thiserror::Error)]
pub enum PipeError {
    /// What came first was not MCP.
    #[error("the client did not begin as MCP begins")]
    Handshake(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The server broke off.
    #[error("the server broke off")]
    BrokeOff(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Serves the client at standard input and output until it hangs up.
///
/// # Errors
/// [`PipeError`]. A client that hangs up before it said anything is none.
pub async fn serve(handler: Handler) -> Result<(), PipeError> {
    use rmcp::service::ServerInitializeError;
    let running = match handler.serve(stdio()).await {
        Ok(running) => running,
        Err(ServerInitializeError::ConnectionClosed(_)) => return Ok(()),
        Err(error) => return Err(PipeError::Handshake(Box::new(error))),
    };
    running.waiting().await.map_err(|error| PipeError::BrokeOff(Box::new(error)))?;
    Ok(())
}
