//! How messages are posted to servers: bounded, in time and in what is read of the answer, and with
//! nothing of an address or a token in any error.
//!
//! Errors are told in our own words, by kind: the client's would name the address. Redirects are not
//! followed. HTTP/1 only: the HTTP/2 crate logs paths at trace level.

use super::NotifyError;
use crate::clock::Clock;
use crate::domain::is_loopback;
use chrono::DateTime;
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode, Url, redirect};
use secrecy::{ExposeSecret as _, SecretString};
use std::sync::Arc;
use std::time::Duration;

/// The longest wait that a channel may ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_hours(24);
/// The longest that a connection may take to be made.
const CONNECT_MAX: Duration = Duration::from_secs(10);

/// Posts to one server.
pub(super) struct Poster {
    client: Client,
    clock: Arc<dyn Clock>,
    time_limit: Duration,
    /// The server's name in what is told.
    whom: &'static str,
    answer_bytes_max: usize,
}

/// What a server answered.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) retry_after: Option<Duration>,
    /// `None`: longer than anything that is read.
    pub(super) body: Option<Vec<u8>>,
}

/// An address that messages may be posted to: TLS, or this machine.
pub(super) fn address(text: &str) -> Option<Url> {
    let url = Url::parse(text.trim()).ok()?;
    let is_local = url.host_str().is_some_and(is_loopback);
    (url.scheme() == "https" || url.scheme() == "http" && is_local).then_some(url)
}

impl Poster {
    /// Nothing is sent.
    pub(super) fn new(
        url: &Url,
        whom: &'static str,
        time_limit: Duration,
        answer_bytes_max: usize,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, String> {
        // Somebody else may have chosen a provider before us; theirs will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut client = Client::builder()
            .redirect(redirect::Policy::none())
            .referer(false)
            .http1_only()
            .connect_timeout(time_limit.min(CONNECT_MAX));
        if url.host_str().is_some_and(is_loopback) {
            client = client.no_proxy();
        }
        let client = client.build().map_err(|_| "the HTTP client could not be set up")?;
        Ok(Self { client, clock, time_limit, whom, answer_bytes_max })
    }

    /// How long a delivery may take.
    pub(super) fn time_limit(&self) -> Duration {
        self.time_limit
    }

    /// Posts, and reads the answer.
    pub(super) async fn post(
        &self,
        url: &SecretString,
        bearer: Option<&SecretString>,
        kind: &'static str,
        payload: String,
    ) -> Result<Answer, NotifyError> {
        let posting = self.exchange(url, bearer, kind, payload);
        tokio::time::timeout(self.time_limit, posting).await.unwrap_or_else(|_| {
            let limit = crate::domain::show_duration(self.time_limit);
            Err(NotifyError::passing(format!("{} did not answer within {limit}", self.whom)))
        })
    }

    async fn exchange(
        &self,
        url: &SecretString,
        bearer: Option<&SecretString>,
        kind: &'static str,
        payload: String,
    ) -> Result<Answer, NotifyError> {
        let url = Url::parse(url.expose_secret())
            .map_err(|_| NotifyError::lasting("the address cannot be read"))?;
        let mut request = self.client.post(url).header(CONTENT_TYPE, kind).body(payload);
        if let Some(token) = bearer {
            request = request.bearer_auth(token.expose_secret());
        }
        let answer = request.send().await.map_err(|error| self.broken(&error))?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let retry_after = self.retry_after(&headers);
        let body = match self.read(answer).await {
            // It was taken, whatever became of the rest of the answer.
            Err(_) if status.is_success() => None,
            read => read?,
        };
        Ok(Answer { status, headers, retry_after, body })
    }

    async fn read(&self, mut answer: Response) -> Result<Option<Vec<u8>>, NotifyError> {
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| self.broken(&error))? {
            if bytes.len() + chunk.len() > self.answer_bytes_max {
                return Ok(None);
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(Some(bytes))
    }

    /// What an answer means that is no success, by its status.
    pub(super) fn refusal(&self, answer: &Answer) -> NotifyError {
        let (status, whom) = (answer.status, self.whom);
        let word = answer.body.as_deref().and_then(word);
        let word = word.map(|word| format!(" ({word})")).unwrap_or_default();
        let (is_transient, what) = match status {
            StatusCode::TOO_MANY_REQUESTS => (true, "asks to wait"),
            StatusCode::REQUEST_TIMEOUT => (true, "waited in vain"),
            _ if status.is_server_error() => (true, "is in trouble"),
            _ if status.is_redirection() => (false, "sends us elsewhere, and we do not follow"),
            _ => (false, "refuses the message"),
        };
        NotifyError {
            what: format!("{whom} {what}: status {}{word}", status.as_u16()),
            is_transient,
            retry_after: answer.retry_after,
        }
    }

    fn broken(&self, error: &reqwest::Error) -> NotifyError {
        let whom = self.whom;
        if error.is_builder() {
            return NotifyError::lasting("the request could not be made");
        }
        NotifyError::passing(if error.is_timeout() {
            format!("{whom} did not answer in time")
        } else if error.is_connect() {
            format!("no connection to {whom} could be made")
        } else {
            format!("the connection to {whom} broke off")
        })
    }

    /// `Retry-After`, in seconds or as a date.
    fn retry_after(&self, headers: &HeaderMap) -> Option<Duration> {
        let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
        let wait = if let Ok(seconds) = text.parse::<f64>() {
            // Some name parts of a second.
            Duration::try_from_secs_f64(seconds).ok()?
        } else {
            let at = DateTime::parse_from_rfc2822(text).ok()?;
            (at.to_utc() - self.clock.wall()).to_std().unwrap_or_default()
        };
        Some(wait.min(RETRY_AFTER_MAX))
    }
}

/// A server's own word for what is wrong (`invalid_blocks`, `no_service`); anything else could be an
/// echo of what we sent and is not repeated.
pub(super) fn word(bytes: &[u8]) -> Option<&str> {
    let word = std::str::from_utf8(bytes).ok()?.trim();
    let is_word = (1..=60).contains(&word.len())
        && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    is_word.then_some(word)
}
