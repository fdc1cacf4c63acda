//! How people are told: one adapter per kind of channel.
//!
//! The outbox in `ledger` decides when, in which order and how often; an adapter delivers one part of
//! one message once and says what came of it.
//!
//! # Contract
//! 1. `Ok` means that the channel has taken the part.
//! 2. A message of several parts is delivered part by part, and the last one says that it is the last;
//!    so whoever begins at a later part repeats none of the earlier ones.
//! 3. No error, log line or `Debug` output ever holds a webhook's URL, a token or a password.
//! 4. Every delivery ends within the adapter's time limit.
//! 5. What somebody wrote on the board mentions nobody and is no markup of the channel. A mention is
//!    made here, of [`Body::mentions`].
//! 6. Of several readers, one who is refused keeps the part from no other; who has it and who has not
//!    is said, and whoever has it does not get it again.

pub mod backoff;
mod email;
mod file;
mod http;
mod open;
mod slack;
mod stdout;
pub mod text;
mod webhook;

pub use backoff::{ATTEMPTS_MAX, DELAY_MAX, delay, next_try};
pub use email::READERS_MAX;
pub use open::{
    EmailOptions, EmailTls, FileOptions, NotifyOptions, OpenError, SharedWriter, SlackOptions,
    SlackWay, WebhookFormat, WebhookOptions, open,
};
pub use slack::{ResponseAddress, Slack, SlackError};

use crate::domain::{Body, Missed, Receipt};
use async_trait::async_trait;
use std::time::Duration;

/// A channel that takes messages.
#[async_trait]
pub trait Notifier: Send + Sync + std::fmt::Debug {
    /// Delivers one part of a message.
    async fn deliver(&self, post: &Post<'_>) -> Result<Delivered, NotifyError>;

    /// Between two parts, of whichever messages, so much time passes at least.
    fn pace(&self) -> Duration {
        Duration::ZERO
    }

    /// Looks whether it could deliver, and tells nobody anything; in words for people.
    async fn look(&self) -> Result<String, NotifyError> {
        Ok("is configured (nothing was sent)".to_owned())
    }
}

/// What is to be delivered.
#[derive(Clone, Copy, Debug)]
pub struct Post<'a> {
    /// The message's key.
    pub key: &'a str,
    /// The whole message.
    pub body: &'a Body,
    /// Which part of it.
    pub part: usize,
    /// Where its earlier parts stand, and those of a message whose place it takes.
    pub receipt: &'a Receipt,
}

impl<'a> Post<'a> {
    /// The first part of a message that was never told.
    pub fn first(key: &'a str, body: &'a Body, receipt: &'a Receipt) -> Self {
        Self { key, body, part: 0, receipt }
    }
}

/// A part that was taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delivered {
    /// Nothing comes after it.
    pub is_last: bool,
    /// The conversation and the part's name in it, where the channel can change it later.
    pub stands: Option<(String, String)>,
    /// Readers who have it now, where a channel has several and not all of them got it.
    pub took: Vec<String>,
    /// Those who have not.
    pub missed: Vec<Missed>,
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
}

impl NotifyError {
    /// Trouble that may pass.
    pub fn passing(what: impl Into<String>) -> Self {
        Self { what: what.into(), is_transient: true, retry_after: None }
    }

    /// Trouble that stays until somebody does something about it.
    pub fn lasting(what: impl Into<String>) -> Self {
        Self { is_transient: false, ..Self::passing(what) }
    }
}
