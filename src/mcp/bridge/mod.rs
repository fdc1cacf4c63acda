//! The bridge: a host that speaks MCP at a pipe, and a server that speaks it over HTTP.
//!
//! It is a pump, no client: a line of the host becomes the body of a POST as it is, and what comes
//! back becomes lines as it came, so that whatever the two ends say to each other passes, also what
//! this program has never heard of. It looks into a message only as far as its way depends on that:
//! whose answer it is, what its headers repeat, how a session begins.
//!
//! # What stays true
//! - Standard output carries messages and nothing else.
//! - Every request is answered: by the server, or by an error that says what to do.
//! - A message is sent again only if it did not arrive, was refused, or does no harm twice.
//! - A lost session is opened again as the host had begun it; the host does not notice.
//! - The token is in no log, error or `Debug`. Redirects are not followed with it.
//! - Everything is bounded: a line (10 MiB), an answer or event (16 MiB), requests under way (64),
//!   what waits on either side (64 messages), what of a server's words is repeated (300 characters).
//!   Headers are bounded by the HTTP library (some 400 KiB, 100 of them).

mod carry;
pub mod lines;
mod message;
mod pump;
mod session;
mod stream;
mod trouble;
mod wire;

pub use lines::Host;

use crate::clock::Entropy;
use carry::Bridge;
use secrecy::SecretString;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How the token is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Auth {
    /// `Authorization: Bearer TOKEN`.
    #[default]
    Bearer,
    /// `X-API-Key: TOKEN`.
    ApiKey,
}

/// Where the server is, and how it is spoken to.
#[derive(Clone, Debug)]
pub struct Options {
    /// Its address.
    pub url: String,
    /// Who we are; `None` sends nothing.
    pub token: Option<SecretString>,
    /// How the token is sent.
    pub auth: Auth,
    /// Certificates of authorities beside the system's, in PEM.
    pub ca: Option<Vec<u8>>,
    /// Whether any certificate will do.
    pub insecure: bool,
    /// How often a message is sent again where that is safe.
    pub retries_max: u32,
    /// The first wait before that; doubled each time.
    pub retry_delay: Duration,
    /// Whether what went wrong with a request is logged, too; its answer says it in any case.
    pub logs_troubles: bool,
}

/// Why the bridge cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum BridgeError {
    /// The address cannot be used. It may hold a password, so it is not repeated.
    #[error("the URL is none that begins with http:// or https:// and names a host")]
    Url,
    /// The token cannot stand in a header.
    #[error("the token holds characters that cannot be sent")]
    Token,
    /// `--ca` holds no certificate.
    #[error("the file of authorities holds no certificate in PEM")]
    Authorities,
    /// The HTTP client could not be set up.
    #[error("the HTTP client cannot be set up")]
    Client(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Carries messages between host and server until the host hangs up or `stop` says so.
///
/// # Errors
/// [`BridgeError`], before anything is carried. A server that cannot be reached is none: it may come
/// back, and each request is told.
pub async fn serve(
    options: &Options,
    host: Host,
    entropy: Arc<dyn Entropy>,
    stop: CancellationToken,
) -> Result<(), BridgeError> {
    let bridge = Arc::new(Bridge::new(options, host.out.clone(), entropy)?);
    pump::run(bridge, host, stop).await;
    Ok(())
}
