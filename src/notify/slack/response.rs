//! Where people who clicked or typed something in Slack are answered.

use crate::clock::Clock;
use crate::notify::NotifyError;
use crate::notify::http::{Poster, address};
use reqwest::Url;
use secrecy::SecretString;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// The hosts of Slack's addresses for answers.
const HOSTS: [&str; 2] = ["hooks.slack.com", "hooks.slack-gov.com"];
/// So much of an answer is read.
const ANSWER_BYTES_MAX: usize = 1_024;

/// Answers at the addresses that Slack gives.
pub struct ResponseAddress {
    poster: Poster,
    is_local: bool,
}

impl std::fmt::Debug for ResponseAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ResponseAddress").finish_non_exhaustive()
    }
}

impl ResponseAddress {
    /// `is_local`: Slack stands on this machine, in a test, and its addresses do so too.
    pub fn new(
        is_local: bool,
        time_limit: Duration,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, String> {
        let url = if is_local { "http://127.0.0.1/" } else { "https://hooks.slack.com/" };
        let url = address(url).ok_or("no address for answers")?;
        let poster = Poster::new(&url, "Slack", time_limit, ANSWER_BYTES_MAX, clock)?;
        Ok(Self { poster, is_local })
    }

    /// Answers there, if it is Slack's.
    pub async fn tell(&self, url: &str, what: &Value) -> Result<(), NotifyError> {
        if !self.is_slacks(url) {
            return Err(NotifyError::lasting("the address for the answer is not Slack's"));
        }
        let url = SecretString::from(url);
        let answer = self.poster.post(&url, None, "application/json", what.to_string()).await?;
        if answer.status.is_success() { Ok(()) } else { Err(self.poster.refusal(&answer)) }
    }

    fn is_slacks(&self, url: &str) -> bool {
        let Some(url) = address(url) else { return false };
        let is_plain = url.username().is_empty() && url.password().is_none();
        let of_slack = |url: &Url| {
            let host = url.host_str().unwrap_or_default();
            url.scheme() == "https" && HOSTS.contains(&host) && url.port().is_none()
        };
        is_plain && (of_slack(&url) || self.is_local && url.scheme() == "http")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    #[test]
    fn only_slack_is_answered() {
        let clock = Arc::new(ManualClock::at(crate::domain::from_millis(0)));
        let open = |is_local| {
            ResponseAddress::new(is_local, Duration::from_secs(1), Arc::clone(&clock) as _).unwrap()
        };
        let (slack, local) = (open(false), open(true));
        assert!(slack.is_slacks("https://hooks.slack.com/actions/T1/2/x"));
        for other in [
            "http://hooks.slack.com/actions",
            "https://hooks.slack.com.evil.example/",
            "https://hooks.slack.com@evil.example/",
            "https://hooks.slack.com:8443/",
            "https://user@hooks.slack.com/",
            "https://evil.example/hooks.slack.com",
            "http://127.0.0.1:1/",
            "http://169.254.169.254/latest",
            "file:///etc/passwd",
            "",
        ] {
            assert!(!slack.is_slacks(other), "{other}");
        }
        assert!(local.is_slacks("http://127.0.0.1:1/"));
        assert!(!local.is_slacks("http://192.0.2.1/"));
    }
}
