//! How people are told: one adapter per kind of channel.
//!
//! The outbox in `ledger` decides when and how often; an adapter delivers one message once and says
//! what came of it.
//!
//! # Contract
//! 1. `Ok` means that the channel has taken the message.
//! 2. A message of several parts is delivered in order; if a later part fails, the error says which
//!    part comes next, and [`Notifier::deliver`] with that part goes on there.
//! 3. No error, log line or `Debug` output ever holds a webhook's URL or a token.
//! 4. Every delivery ends within the adapter's time limit.

pub mod backoff;
mod file;
mod open;
mod slack;
mod stdout;

pub use backoff::{ATTEMPTS_MAX, DELAY_MAX, delay, next_try};
pub use open::{FileOptions, NotifyOptions, OpenError, SharedWriter, SlackOptions, open};

use crate::domain::Body;
use async_trait::async_trait;
use std::time::Duration;

/// A channel that takes messages.
#[async_trait]
pub trait Notifier: Send + Sync + std::fmt::Debug {
    /// Delivers a message, beginning with part `from` (0: the whole).
    async fn deliver(&self, key: &str, body: &Body, from: usize) -> Result<(), NotifyError>;
}

/// Why a message was not delivered.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct NotifyError {
    /// What went wrong; never a secret.
    pub what: String,
    /// Whether trying again makes sense.
    pub is_transient: bool,
    /// Not before then, if the channel said.
    pub retry_after: Option<Duration>,
    /// Which part comes next: so many parts, counted from the message's first, were delivered
    /// before it went wrong.
    pub delivered_parts: usize,
}
