//! What the bridge has to remember so that a lost session can be opened again without the host's
//! noticing: how the host began, and what it asked to be told.

use super::message::{Message, is_version};
use http::HeaderValue;
use std::collections::BTreeMap;
use std::sync::Arc;

/// At most so many subscriptions are asked for again.
const KEPT_MAX: usize = 256;

/// At most so many tools' own words about repetition are kept.
const TOOLS_MAX: usize = 4_096;

/// One session with the server, as far as a message needs it.
#[derive(Clone, Debug, Default)]
pub(super) struct Session {
    pub id: Option<HeaderValue>,
    /// The revision that both settled on.
    pub version: Option<String>,
    /// Grows with each session.
    pub number: u64,
}

impl Session {
    /// Whether its revision has a stream on which the server speaks unasked.
    pub fn can_listen(&self) -> bool {
        self.version
            .as_deref()
            .is_some_and(|version| is_version(version) && version >= "2025-03-26")
    }
}

/// What is remembered.
#[derive(Debug, Default)]
pub(super) struct Memory {
    pub session: Session,
    /// The host's `initialize`.
    pub hello: Option<Arc<str>>,
    /// The host's `notifications/initialized`, once it was sent.
    pub greeted: Option<Arc<str>>,
    kept: BTreeMap<String, Arc<str>>,
    tools: BTreeMap<String, bool>,
}

impl Memory {
    /// The host begins: what an earlier session left behind is forgotten.
    pub fn start_over(&mut self, hello: &str) {
        let session = std::mem::take(&mut self.session);
        *self = Self { session, hello: Some(hello.into()), ..Self::default() };
    }

    /// A new session began.
    pub fn begin(&mut self, id: Option<HeaderValue>, version: Option<String>) -> Session {
        let number = self.session.number + 1;
        let version = version.or_else(|| self.session.version.take());
        self.session = Session { id, version, number };
        self.session.clone()
    }

    /// What a request leaves behind on the server that a new session has to be told again.
    pub fn keep(&mut self, message: &Message, text: &str) {
        if message.modern().is_some() {
            return;
        }
        let uri = message.params.uri.as_deref().unwrap_or_default();
        match message.method() {
            "resources/subscribe" if self.kept.len() < KEPT_MAX => {
                self.kept.insert(format!("subscribe {uri}"), text.into());
            }
            "resources/unsubscribe" => {
                self.kept.remove(&format!("subscribe {uri}"));
            }
            "logging/setLevel" => {
                self.kept.insert("level".to_owned(), text.into());
            }
            _ => {}
        }
    }

    /// What was kept, to be said again.
    pub fn kept(&self) -> Vec<Arc<str>> {
        self.kept.values().cloned().collect()
    }

    /// What a listing says of its tools.
    pub fn learn(&mut self, tools: Vec<(String, bool)>) {
        for (name, is_harmless) in tools {
            if self.tools.len() < TOOLS_MAX || self.tools.contains_key(&name) {
                self.tools.insert(name, is_harmless);
            }
        }
    }

    /// Whether a message does no harm when the server gets it twice.
    pub fn is_repeatable(&self, message: &Message) -> bool {
        match message.method() {
            "tools/call" => {
                message.name().is_some_and(|name| self.tools.get(name).copied().unwrap_or(false))
            }
            "ping"
            | "initialize"
            | "server/discover"
            | "tools/list"
            | "resources/list"
            | "resources/templates/list"
            | "resources/read"
            | "resources/subscribe"
            | "resources/unsubscribe"
            | "prompts/list"
            | "prompts/get"
            | "completion/complete"
            | "logging/setLevel"
            | "tasks/get"
            | "tasks/list"
            | "tasks/result"
            | "subscriptions/listen" => true,
            method => method.starts_with("notifications/"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> Message {
        Message::read(text).unwrap()
    }

    #[test]
    fn a_call_is_repeated_only_if_the_server_called_the_tool_harmless() {
        let mut memory = Memory::default();
        let call = message(r#"{"id":1,"method":"tools/call","params":{"name":"a"}}"#);
        assert!(!memory.is_repeatable(&call));
        memory.learn(vec![("a".to_owned(), true)]);
        assert!(memory.is_repeatable(&call));
        memory.learn(vec![("a".to_owned(), false)]);
        assert!(!memory.is_repeatable(&call), "it took its word back");
        assert!(memory.is_repeatable(&message(r#"{"id":1,"method":"tools/list"}"#)));
        assert!(!memory.is_repeatable(&message(r#"{"id":1,"method":"tasks/cancel"}"#)));
        assert!(!memory.is_repeatable(&message(r#"{"id":1,"method":"no/such"}"#)));
        assert!(!memory.is_repeatable(&message(r#"{"id":1,"result":{}}"#)), "an answer");
    }

    #[test]
    fn subscriptions_are_kept_until_they_are_taken_back() {
        let mut memory = Memory::default();
        for (method, uri) in [("subscribe", "a"), ("subscribe", "b"), ("unsubscribe", "a")] {
            let text =
                format!(r#"{{"id":1,"method":"resources/{method}","params":{{"uri":"{uri}"}}}}"#);
            memory.keep(&message(&text), &text);
        }
        assert_eq!(memory.kept().len(), 1);
        assert!(memory.kept()[0].contains("\"b\""));
    }
}
