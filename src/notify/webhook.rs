//! Webhooks of Mattermost and Discord, and of whoever takes JSON.
//!
//! The address is the credential. What somebody wrote on the board is shown as it was written: no
//! markup, no link text, no mention.

use super::http::{Poster, address};
use super::text::{JOINER, parts, printable};
use super::{Delivered, Notifier, NotifyError, Post, WebhookFormat, WebhookOptions};
use crate::clock::Clock;
use crate::domain::Body;
use async_trait::async_trait;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// So much of an answer is read.
const ANSWER_BYTES_MAX: usize = 4 * 1024;
/// Servers take a few messages a second; one is enough.
const PACE: Duration = Duration::from_secs(1);
/// At most so many are named in front of a message.
const NAMED_MAX: usize = 20;
/// What markup begins with, in one or the other.
const SYNTAX: &str = "\\`*_~|<>[]()#!:";

impl WebhookFormat {
    /// The most that a message may have: characters as the server counts them.
    fn max(self) -> usize {
        match self {
            Self::Discord => 2_000,
            Self::Mattermost => 16_383,
            Self::Json => 60_000,
        }
    }

    /// How much of it a character takes, escaped.
    fn size(self) -> fn(char) -> usize {
        match self {
            // Counted in UTF-16, which is never less than what the server counts.
            Self::Discord | Self::Mattermost => |c| escaped_size(c) + c.len_utf16() - 1,
            Self::Json => char::len_utf8,
        }
    }

    /// One part of a message.
    fn payload(self, part: &str, (nth, count): (usize, usize), post: &Post<'_>) -> Value {
        match self {
            Self::Discord => json!({
                "content": escaped(part),
                "allowed_mentions": {"parse": []},
                // No previews of addresses.
                "flags": 4,
            }),
            Self::Mattermost => json!({"text": escaped(part)}),
            Self::Json => json!({
                "key": post.key,
                "part": nth + 1,
                "parts": count,
                "text": part,
                "for": post.body.mentions.iter().map(|m| m.name.as_str()).collect::<Vec<_>>(),
            }),
        }
    }

    /// The message in parts.
    fn parts(self, body: &Body) -> Vec<String> {
        let mut text = printable(&body.text);
        if self != Self::Json && !body.mentions.is_empty() {
            let names = body.mentions.iter().take(NAMED_MAX);
            let names = names.map(|mention| printable(&mention.name).replace('\n', " "));
            text = format!("{}: {text}", names.collect::<Vec<_>>().join(", "));
        }
        parts(&text, self.max(), self.size())
    }
}

/// How many characters stand for one.
fn escaped_size(c: char) -> usize {
    if c == '@' || SYNTAX.contains(c) { 2 } else { 1 }
}

/// As it was written, whatever it would mean.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if SYNTAX.contains(c) {
            out.push('\\');
        }
        out.push(c);
        if c == '@' {
            out.push(JOINER);
        }
    }
    out
}

/// Posts to one webhook.
pub struct WebhookNotifier {
    url: SecretString,
    format: WebhookFormat,
    poster: Poster,
}

impl WebhookNotifier {
    /// Nothing is sent. The error never holds the address.
    pub fn new(options: &WebhookOptions, clock: Arc<dyn Clock>) -> Result<Self, String> {
        let url = address(options.url.expose_secret())
            .ok_or("expected a webhook address that begins with https://")?;
        let whom = match options.format {
            WebhookFormat::Discord => "Discord",
            WebhookFormat::Mattermost => "Mattermost",
            WebhookFormat::Json => "the server",
        };
        let poster = Poster::new(&url, whom, options.time_limit, ANSWER_BYTES_MAX, clock)?;
        Ok(Self { url: SecretString::from(url.as_str()), format: options.format, poster })
    }
}

impl fmt::Debug for WebhookNotifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookNotifier").field("format", &self.format).finish_non_exhaustive()
    }
}

#[async_trait]
impl Notifier for WebhookNotifier {
    async fn deliver(&self, post: &Post<'_>) -> Result<Delivered, NotifyError> {
        let parts = self.format.parts(post.body);
        let is_last = post.part + 1 >= parts.len();
        let delivered = Delivered { is_last, ..Delivered::default() };
        let Some(part) = parts.get(post.part) else { return Ok(delivered) };
        let payload = self.format.payload(part, (post.part, parts.len()), post).to_string();
        let answer = self.poster.post(&self.url, None, "application/json", payload).await?;
        if answer.status.is_success() { Ok(delivered) } else { Err(self.poster.refusal(&answer)) }
    }

    fn pace(&self) -> Duration {
        PACE
    }

    async fn look(&self) -> Result<String, NotifyError> {
        Ok(format!("a {} webhook is configured (nothing was sent)", self.format.as_str()))
    }
}
