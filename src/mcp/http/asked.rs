//! What a request says before the SDK reads it: enough for the log, for who begins a session, and to
//! keep two requests of one id apart.

use serde::Deserialize;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

/// The oldest revision that knows sessions.
const WITH_SESSIONS: &str = "2025-03-26";
/// Longer names and ids are not kept: nobody's are.
const WORD_BYTES_MAX: usize = 128;

/// What a request asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Asked {
    /// Its id as it was written; `None` for what is no request.
    pub id: Option<String>,
    /// The method.
    pub method: Option<String>,
    /// The tool, prompt or resource that it is about.
    pub tool: Option<String>,
    /// Whether it is the handshake of a client that knows sessions.
    pub begins_session: bool,
}

#[derive(Deserialize)]
struct Head<'a> {
    id: Option<Value>,
    #[serde(borrow)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow)]
    params: Option<Params<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Params<'a> {
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    protocol_version: Option<Cow<'a, str>>,
}

impl Asked {
    /// Reads a body; nothing of one that is no request.
    pub(super) fn read(body: &[u8]) -> Self {
        let Ok(head) = serde_json::from_slice::<Head<'_>>(body) else { return Self::default() };
        let word = |text: &str| -> String {
            let plain = text.chars().filter(|c| !c.is_control());
            plain.take(WORD_BYTES_MAX).collect()
        };
        let version = head.params.as_ref().and_then(|params| params.protocol_version.as_deref());
        let knows_sessions = version.is_some_and(|version| version >= WITH_SESSIONS);
        // What answers a request of ours has an id too, of our choosing.
        let id = head.id.filter(|_| head.method.is_some()).map(|id| id.to_string());
        Self {
            id: id.filter(|id| id.len() <= WORD_BYTES_MAX),
            method: head.method.as_deref().map(word),
            tool: head.params.and_then(|params| params.name).as_deref().map(word),
            begins_session: head.method.as_deref() == Some("initialize") && knows_sessions,
        }
    }
}

/// The requests that are under way in sessions.
#[derive(Debug, Default)]
pub(super) struct InFlight(Mutex<HashSet<(String, String)>>);

/// One of them; over when it is dropped.
#[derive(Debug)]
pub(super) struct Hold {
    all: Arc<InFlight>,
    key: (String, String),
}

impl InFlight {
    /// Notes a request; `None` when one of this id is under way.
    pub(super) fn take(self: &Arc<Self>, session: &str, id: &str) -> Option<Hold> {
        let key = (session.to_owned(), id.to_owned());
        let is_new = self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone());
        is_new.then(|| Hold { all: Arc::clone(self), key })
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.all.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn only_the_handshake_of_a_client_that_knows_sessions_begins_one() {
        let asked = |method: &str, version: &str| {
            let body = format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{"protocolVersion":"{version}"}}}}"#
            );
            Asked::read(body.as_bytes()).begins_session
        };
        for (version, begins) in [
            ("2024-11-05", false),
            ("2025-03-26", true),
            ("2025-11-25", true),
            ("2026-07-28", true),
        ] {
            assert_eq!(asked("initialize", version), begins, "{version}");
        }
        assert!(!asked("tools/list", "2025-11-25"));
        for other in ["", "[]", "{}", "null", r#"{"method":7}"#, r#"{"method":"initialize"}"#] {
            assert!(!Asked::read(other.as_bytes()).begins_session, "{other}");
        }
    }

    #[test]
    fn a_request_is_told_by_its_id_as_it_was_written() {
        let read = |text: &str| Asked::read(text.as_bytes());
        let call = read(r#"{"id":"a","method":"tools/call","params":{"name":"get\u0007Ticket"}}"#);
        assert_eq!(call.id.as_deref(), Some("\"a\""));
        assert_eq!(call.tool.as_deref(), Some("getTicket"), "control characters are not logged");
        assert_eq!(read(r#"{"method":"notifications/initialized"}"#).id, None);
        let number = read(r#"{"id":1,"method":"ping"}"#).id;
        assert_ne!(number, read(r#"{"id":"1","method":"ping"}"#).id);
        assert_eq!(read(r#"{"id":1,"result":{}}"#).id, None, "an answer to a request of ours");
    }

    #[test]
    fn an_id_is_free_again_when_its_answer_is_over() {
        let all = Arc::new(InFlight::default());
        let one = all.take("s", "1").unwrap();
        assert!(all.take("s", "1").is_none());
        assert!(all.take("s", "2").is_some() && all.take("t", "1").is_some());
        drop(one);
        assert!(all.take("s", "1").is_some());
    }

    proptest! {
        #[test]
        fn whatever_is_sent_what_is_kept_of_it_is_short_and_plain(
            bytes in prop::collection::vec(any::<u8>(), 0..200),
            id in "\\PC{0,200}",
            word in ".{0,300}",
        ) {
            let _ = Asked::read(&bytes);
            let params = json!({ "name": word, "protocolVersion": word, "arguments": { "x": word } });
            let body = json!({ "id": id, "method": word, "params": params }).to_string();
            let asked = Asked::read(body.as_bytes());
            prop_assert!(asked.method.is_some() && asked.tool.is_some());
            for kept in [asked.method, asked.tool].into_iter().flatten() {
                prop_assert!(kept.chars().count() <= WORD_BYTES_MAX, "{}", kept);
                prop_assert!(!kept.contains(char::is_control), "{:?}", kept);
            }
            prop_assert!(asked.id.is_none_or(|id| id.len() <= WORD_BYTES_MAX));
            let half = &body.as_bytes()[..body.len() / 2];
            prop_assert_eq!(Asked::read(half), Asked::default());
        }
    }
}
