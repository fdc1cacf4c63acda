//! Slack's incoming webhooks.
//!
//! The address is the credential. It is taken out of its wrapping for each request and is in no
//! error, log line or `Debug` output: errors are told in our own words, by kind, and redirects are
//! not followed. HTTP/1 only: the HTTP/2 crate logs paths at trace level.

use super::{Notifier, NotifyError, SlackOptions};
use crate::clock::Clock;
use crate::domain::Body;
use async_trait::async_trait;
use chrono::DateTime;
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode, Url, redirect};
use secrecy::{ExposeSecret as _, SecretString};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// So much of an answer is read; Slack's are one word.
const ANSWER_BYTES_MAX: usize = 256;

/// The longest wait that a channel may ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_hours(24);

/// The most characters of a plain text that is sent without blocks; escaped it may be five times
/// as long, and Slack takes 40,000.
const PLAIN_CHARS_MAX: usize = 7_000;

/// Posts to one webhook.
pub struct SlackWebhook {
    webhook: SecretString,
    time_limit: Duration,
    client: Client,
    clock: Arc<dyn Clock>,
}

impl SlackWebhook {
    /// A client for this webhook; nothing is sent. The error never holds the address.
    pub fn new(options: &SlackOptions, clock: Arc<dyn Clock>) -> Result<Self, String> {
        const EXPECTED: &str = "expected a webhook address that begins with https://";
        let url = Url::parse(options.webhook.expose_secret().trim()).map_err(|_| EXPECTED)?;
        let is_loopback = url.host_str().is_some_and(is_loopback);
        if url.scheme() != "https" && !(url.scheme() == "http" && is_loopback) {
            return Err(EXPECTED.to_owned());
        }
        // Somebody else may have chosen a provider before us; theirs will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut client = Client::builder()
            .redirect(redirect::Policy::none())
            .referer(false)
            .http1_only()
            .connect_timeout(options.time_limit.min(Duration::from_secs(10)));
        if is_loopback {
            client = client.no_proxy();
        }
        let client = client.build().map_err(|_| "the HTTP client could not be set up")?;
        let webhook = SecretString::from(url.as_str());
        Ok(Self { webhook, time_limit: options.time_limit, client, clock })
    }

    /// Posts one payload.
    async fn post(&self, payload: String) -> Result<(), Refusal> {
        let url = Url::parse(self.webhook.expose_secret())
            .map_err(|_| Refusal::lasting("the webhook's address cannot be read"))?;
        let request = self.client.post(url).header(CONTENT_TYPE, "application/json").body(payload);
        let answer = request.send().await.map_err(|error| Refusal::of(&error))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let retry_after = self.retry_after(answer.headers());
        let word = word(answer).await.map(|word| format!(" ({word})")).unwrap_or_default();
        let refused = |is_transient, what: &str| Refusal {
            what: format!("{what}: status {}{word}", status.as_u16()),
            is_transient,
            retry_after,
        };
        Err(match status {
            StatusCode::TOO_MANY_REQUESTS => refused(true, "Slack asks to wait"),
            StatusCode::REQUEST_TIMEOUT => refused(true, "Slack waited in vain"),
            _ if status.is_server_error() => refused(true, "Slack is in trouble"),
            _ if status.is_redirection() => {
                refused(false, "Slack sends us elsewhere, and we do not follow")
            }
            _ => refused(false, "Slack refuses the message"),
        })
    }

    /// `Retry-After`, in seconds or as a date.
    fn retry_after(&self, headers: &HeaderMap) -> Option<Duration> {
        let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
        let wait = if let Ok(seconds) = text.parse::<u64>() {
            Duration::from_secs(seconds)
        } else {
            let at = DateTime::parse_from_rfc2822(text).ok()?;
            (at.to_utc() - self.clock.wall()).to_std().unwrap_or_default()
        };
        Some(wait.min(RETRY_AFTER_MAX))
    }
}

impl fmt::Debug for SlackWebhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SlackWebhook").field("time_limit", &self.time_limit).finish_non_exhaustive()
    }
}

#[async_trait]
impl Notifier for SlackWebhook {
    async fn deliver(&self, _key: &str, body: &Body, from: usize) -> Result<(), NotifyError> {
        let deadline = Instant::now() + self.time_limit;
        for (part, payload) in payloads(body).into_iter().enumerate().skip(from) {
            let refusal = match tokio::time::timeout_at(deadline, self.post(payload)).await {
                Ok(Ok(())) => continue,
                Ok(Err(refusal)) => refusal,
                Err(_) => Refusal::passing(&format!(
                    "Slack did not answer within {}",
                    crate::domain::show_duration(self.time_limit)
                )),
            };
            return Err(NotifyError {
                what: refusal.what,
                is_transient: refusal.is_transient,
                retry_after: refusal.retry_after,
                delivered_parts: part,
            });
        }
        Ok(())
    }
}

/// Why one payload was not taken.
struct Refusal {
    what: String,
    is_transient: bool,
    retry_after: Option<Duration>,
}

impl Refusal {
    fn passing(what: &str) -> Self {
        Self { what: what.to_owned(), is_transient: true, retry_after: None }
    }

    fn lasting(what: &str) -> Self {
        Self { is_transient: false, ..Self::passing(what) }
    }

    /// In our own words: the client's would name the address.
    fn of(error: &reqwest::Error) -> Self {
        if error.is_builder() {
            return Self::lasting("the request could not be made");
        }
        Self::passing(if error.is_timeout() {
            "Slack did not answer in time"
        } else if error.is_connect() {
            "no connection to Slack could be made"
        } else {
            "the connection to Slack broke off"
        })
    }
}

/// Slack's own word for what is wrong (`invalid_blocks`, `no_service`); anything else could be an
/// echo of what we sent and is not repeated.
async fn word(mut answer: Response) -> Option<String> {
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.ok()? {
        if bytes.len() + chunk.len() > ANSWER_BYTES_MAX {
            return None;
        }
        bytes.extend_from_slice(&chunk);
    }
    let word = String::from_utf8(bytes).ok()?;
    let word = word.trim();
    let is_word = (1..=60).contains(&word.len())
        && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    is_word.then(|| word.to_owned())
}

fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// What is posted: the message's payloads, or its plain text where it has none.
fn payloads(body: &Body) -> Vec<String> {
    if !body.slack.is_empty() {
        return body.slack.clone();
    }
    let chars: Vec<char> = body.text.trim().chars().collect();
    chars
        .chunks(PLAIN_CHARS_MAX)
        .map(|part| {
            let part: String = part.iter().collect();
            let text = part.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            serde_json::json!({ "text": text }).to_string()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    fn open(url: &str) -> Result<SlackWebhook, String> {
        let options = SlackOptions::new(SecretString::from(url));
        SlackWebhook::new(&options, Arc::new(ManualClock::at(crate::domain::from_millis(0))))
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

    #[test]
    fn a_body_without_payloads_is_sent_as_escaped_text() {
        let body = Body { text: "a <!channel> & b\n".into(), ..Body::default() };
        assert_eq!(payloads(&body), [r#"{"text":"a &lt;!channel&gt; &amp; b"}"#]);
        let long = Body { text: "x".repeat(PLAIN_CHARS_MAX + 1), ..Body::default() };
        assert_eq!(payloads(&long).len(), 2);
        assert_eq!(payloads(&Body::default()), Vec::<String>::new());
    }
}
