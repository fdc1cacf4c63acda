//! Slack's incoming webhooks. The address is the credential: it is taken out of its wrapping for each
//! request and is in no error, log line or `Debug` output.

use super::PACE;
use super::payload::{addressed, is_user_id, payloads};
use crate::clock::Clock;
use crate::notify::http::{Poster, address};
use crate::notify::{Delivered, Notifier, NotifyError, Post};
use async_trait::async_trait;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// So much of an answer is read; Slack's are one word.
const ANSWER_BYTES_MAX: usize = 256;

/// Posts to one webhook.
pub struct SlackWebhook {
    webhook: SecretString,
    poster: Poster,
}

impl SlackWebhook {
    /// A client for this webhook; nothing is sent. The error never holds the address.
    pub fn new(
        webhook: &SecretString,
        time_limit: Duration,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, String> {
        let url = address(webhook.expose_secret())
            .ok_or("expected a webhook address that begins with https://")?;
        let poster = Poster::new(&url, "Slack", time_limit, ANSWER_BYTES_MAX, clock)?;
        Ok(Self { webhook: SecretString::from(url.as_str()), poster })
    }
}

impl fmt::Debug for SlackWebhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time_limit = self.poster.time_limit();
        f.debug_struct("SlackWebhook").field("time_limit", &time_limit).finish_non_exhaustive()
    }
}

#[async_trait]
impl Notifier for SlackWebhook {
    async fn deliver(&self, post: &Post<'_>) -> Result<Delivered, NotifyError> {
        let payloads = payloads(post.body);
        let is_last = post.part + 1 >= payloads.len();
        let delivered = Delivered { is_last, ..Delivered::default() };
        let Some(payload) = payloads.get(post.part) else { return Ok(delivered) };
        let payload = if post.part == 0 { first(payload, post) } else { payload.clone() };
        let answer = self.poster.post(&self.webhook, None, "application/json", payload).await?;
        if answer.status.is_success() { Ok(delivered) } else { Err(self.poster.refusal(&answer)) }
    }

    fn pace(&self) -> Duration {
        PACE
    }

    async fn look(&self) -> Result<String, NotifyError> {
        Ok("a webhook is configured (nothing was sent)".to_owned())
    }
}

/// The first payload, with whom it is addressed to: a webhook cannot ask for ids, so it mentions those
/// that `rota.toml` names.
fn first(payload: &str, post: &Post<'_>) -> String {
    if post.body.mentions.is_empty() {
        return payload.to_owned();
    }
    let Ok(mut value) = serde_json::from_str::<Value>(payload) else { return payload.to_owned() };
    let known = post.body.mentions.iter().map(|mention| {
        let id = mention.slack.clone().filter(|id| is_user_id(id));
        (mention.clone(), id)
    });
    addressed(&mut value, &known.collect::<Vec<_>>());
    value.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    fn open(url: &str) -> Result<SlackWebhook, String> {
        let clock = Arc::new(ManualClock::at(crate::domain::from_millis(0)));
        SlackWebhook::new(&SecretString::from(url), Duration::from_secs(1), clock)
    }

    #[test]
    fn only_https_or_loopback_is_taken_and_the_address_is_never_told() {
        for good in ["https://hooks.slack.example/T/B/s3cret", "http://127.0.0.1:1/s3cret"] {
            let slack = open(good).unwrap();
            assert!(!format!("{slack:?}").contains("s3cret"));
        }
        for bad in ["http://hooks.slack.example/s3cret", "ftp://127.0.0.1/s3cret", "s3cret", ""] {
            let fault = open(bad).unwrap_err();
            assert!(!fault.contains("s3cret"), "{fault}");
        }
    }
}
