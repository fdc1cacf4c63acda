//! What can go wrong on the way, in words for the host and for whoever reads its log: what happened,
//! and what to do. Never the token, and what a server says only cleaned and cut.

use super::message::{self, error_line};
use serde_json::{Value, json};
use std::error::Error;
use std::time::Duration;

/// So much of what a server says is repeated.
const SAID_CHARS_MAX: usize = 300;

/// JSON-RPC's code for an error on the way.
const INTERNAL: i64 = -32_603;

/// Why a message was not carried.
#[derive(Debug)]
pub(super) struct Trouble {
    /// A stable word.
    pub code: &'static str,
    pub message: String,
    pub status: Option<u16>,
    /// The server's own error, as a line for the host.
    pub answer: Option<Vec<u8>>,
    pub fate: Fate,
}

/// What became of the message, and so whether it may be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It did not get there: it may be sent again.
    NotSent,
    /// It was refused and not done; again after this time, or ours.
    Later(Option<Duration>),
    /// It may have been done: only what does no harm twice may be sent again.
    Unknown,
    /// The server does not know the session: it was not done, and may be in a new session.
    SessionLost,
    /// Sending it again would not help.
    Final,
}

impl Trouble {
    pub fn new(code: &'static str, fate: Fate, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), status: None, answer: None, fate }
    }

    /// The error for the host that asked under this id.
    pub fn line(&self, id: &Value) -> Vec<u8> {
        if let Some(answer) = &self.answer {
            return answer.clone();
        }
        let mut data = json!({ "code": self.code });
        if let Some(status) = self.status {
            data["status"] = status.into();
        }
        let message = format!("{}: {}", self.code, self.message);
        error_line(id, INTERNAL, &message, &data)
    }

    /// A request could not be sent, or its answer did not come.
    pub fn of_transport(error: &reqwest::Error, insecure_helps: bool) -> Self {
        let certificate = within::<rustls::Error>(error);
        if let Some(error) = certificate {
            let advice = if insecure_helps {
                "; give --ca FILE with the certificate of whoever signed it"
            } else {
                ""
            };
            let message = format!("the server's certificate does not do: {error}{advice}");
            return Self::new("certificate_refused", Fate::Final, message);
        }
        if error.is_builder() || error.is_request() && error.is_redirect() {
            return Self::new("bad_request", Fate::Final, "the request could not be made");
        }
        let refused = within::<std::io::Error>(error).map(|cause| cause.kind().to_string());
        if error.is_connect() {
            let why = refused.unwrap_or_else(|| "no address, or no answer".to_owned());
            let message = format!(
                "no connection to the server ({why}): is it running, and are host and port of the URL right?"
            );
            return Self::new("unreachable", Fate::NotSent, message);
        }
        let why = refused.unwrap_or_else(|| "it hung up".to_owned());
        Self::broken(&format!("the connection broke ({why})"))
    }

    /// The answer did not come, or not whole.
    pub fn broken(what: &str) -> Self {
        let message = format!(
            "{what} after the message was sent; it may have been done: look before you repeat it"
        );
        Self::new("outcome_unknown", Fate::Unknown, message)
    }

    /// The server refused with a status.
    pub fn of_status(status: u16, wait: Option<Duration>, body: &str, had_session: bool) -> Self {
        let (code, fate, what) = match status {
            401 => (
                "unauthorized",
                Fate::Final,
                "the server does not take the token: give one with --token-file or LEANTIME_API_TOKEN, \
                 and with --auth-method X-API-Key if it is a service key",
            ),
            403 => (
                "forbidden",
                Fate::Final,
                "the token's role, this address or this host name may not use the server",
            ),
            404 if had_session => {
                ("session_lost", Fate::SessionLost, "the server lost the session")
            }
            404 => (
                "not_found",
                Fate::Final,
                "there is no MCP server at this URL: does it end in /mcp, and is MCP switched on there?",
            ),
            405 | 406 | 415 => {
                ("not_mcp", Fate::Final, "what answers at this URL is no MCP server of this sort")
            }
            413 => ("too_large", Fate::Final, "the message is larger than the server takes"),
            429 => ("rate_limited", Fate::Later(wait), "the server asks to come back later"),
            300..=399 => ("moved", Fate::Final, "the server sends us elsewhere: give the new URL"),
            // A gateway gave up; who stands behind it may have done it.
            500.. => ("server_failed", Fate::Unknown, "the server failed"),
            400 if had_session && speaks_of_a_lost_session(body) => {
                ("session_lost", Fate::SessionLost, "the server lost the session")
            }
            _ => ("refused", Fate::Final, "the server refused the message"),
        };
        let said = said(body).map(|said| format!("; it says: {said}")).unwrap_or_default();
        let wait = wait.map(|wait| format!(", after {} s", wait.as_secs())).unwrap_or_default();
        let message = format!("{what} (status {status}{wait}{said})");
        Self { status: Some(status), ..Self::new(code, fate, message) }
    }

    /// With the server's own words for the host, where it said them as JSON-RPC wants.
    pub fn in_its_words(mut self, body: &str, id: &Value) -> Self {
        // Whether it may have been done is ours to say.
        if !matches!(self.fate, Fate::Unknown) {
            self.answer = message::error_of(body, id);
        }
        self
    }
}

/// A cause of this type. Errors of input and output hide theirs one level deeper than others.
fn within<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let hidden = |error: &'a (dyn Error + 'static)| {
        error
            .downcast_ref::<std::io::Error>()?
            .get_ref()
            .map(|inner| inner as &(dyn Error + 'static))
    };
    let next = |error: &&'a (dyn Error + 'static)| {
        let error: &'a (dyn Error + 'static) = *error;
        hidden(error).or_else(|| error.source())
    };
    std::iter::successors(Some(error), next).find_map(|cause| cause.downcast_ref())
}

/// Some servers answer 400 where 404 is asked for.
fn speaks_of_a_lost_session(body: &str) -> bool {
    let body = body.to_ascii_lowercase();
    let lost = ["not found", "no valid", "invalid", "unknown", "expired", "not exist", "no such"];
    body.contains("session") && lost.iter().any(|word| body.contains(word))
}

/// The begin of what a server says, harmless in a log; nothing of a page of HTML.
fn said(body: &str) -> Option<String> {
    let value = serde_json::from_str::<Value>(body).ok();
    let places = ["/error/message", "/message", "/error", "/error_description"];
    let named = value.as_ref().and_then(|value| {
        places.iter().find_map(|place| value.pointer(place)?.as_str().map(str::to_owned))
    });
    let text = match (named, value) {
        (Some(text), _) => text,
        (None, Some(_)) => return None,
        (None, None) if body.trim_start().starts_with('<') => return None,
        (None, None) => body.to_owned(),
    };
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let text: String = text.trim().chars().map(plain).take(SAID_CHARS_MAX).collect();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_says_what_happened_and_whether_it_may_be_sent_again() {
        let second = Some(Duration::from_secs(1));
        for (status, had_session, body, code, fate) in [
            (401, false, r#"{"error":"Unauthorized"}"#, "unauthorized", Fate::Final),
            (404, true, "", "session_lost", Fate::SessionLost),
            (404, false, "", "not_found", Fate::Final),
            (400, true, "Bad Request: No valid session ID", "session_lost", Fate::SessionLost),
            (400, true, "id 7 is under way in this session", "refused", Fate::Final),
            (400, false, "no such session", "refused", Fate::Final),
            (429, true, "", "rate_limited", Fate::Later(second)),
            (503, true, "", "server_failed", Fate::Unknown),
            (302, false, "", "moved", Fate::Final),
        ] {
            let trouble = Trouble::of_status(status, second, body, had_session);
            assert_eq!((trouble.code, trouble.fate), (code, fate), "{status} {body}");
        }
    }

    #[test]
    fn what_a_server_says_is_cleaned_and_cut() {
        assert_eq!(said(r#"{"error":"Unauthorized"}"#).as_deref(), Some("Unauthorized"));
        assert_eq!(said("<html>secret stack trace</html>"), None);
        assert_eq!(said("{}"), None);
        assert_eq!(said("a\u{1b}[2Jb\n").as_deref(), Some("a [2Jb"));
        assert_eq!(said(&"x".repeat(9_999)).unwrap().len(), SAID_CHARS_MAX);
    }
}
