//! What a runner keeps of its conversation while a person is asked: the answer goes on in it, in another
//! life of the daemon, too.

use super::model_loop::told_of;
use super::{Job, WorkEnd};
use crate::domain::{RunState, Value};
use crate::model::Message;
use crate::schedule::outcome_of;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// A longer one is not kept, in bytes of JSON.
pub const CONVERSATION_BYTES_MAX: usize = 1024 * 1024;
/// How it is written; others are not read.
const VERSION: u32 = 1;

/// A conversation in which a person was asked. What was said is not in [`Debug`](fmt::Debug).
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Conversation {
    /// Ours with a model.
    Messages(Messages),
    /// An agent's that keeps it by itself and can load it again.
    Session {
        /// As the agent names it.
        id: String,
        /// What it had cost.
        cost_micros: u64,
    },
}

/// A conversation with a model.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Messages {
    /// With which model: another cannot go on with what this one signed.
    pub model: String,
    /// How many exchanges there were.
    pub turns: u32,
    /// The call that asked.
    pub asked: String,
    /// All of them, the result of the call that asked among the last.
    pub messages: Vec<Message>,
}

/// A conversation to go on with, and what a person answered in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Answered {
    /// The conversation.
    pub conversation: Conversation,
    /// What whoever asked is told.
    pub told: String,
}

/// What there is to tell whoever asked, as it was written.
#[derive(Clone, Copy, Debug, Default)]
pub struct News<'a> {
    /// A person's answer.
    pub answer: &'a str,
    /// What people said after it, the earliest first.
    pub later: &'a [String],
    /// How much of that is left out, before what is there.
    pub left_out: usize,
    /// How the workspace stands, where that is to be said.
    pub workspace: Option<&'a str>,
}

impl Answered {
    /// With what has come since.
    pub fn new(conversation: Conversation, news: &News<'_>) -> Self {
        Self { conversation, told: told_of(news) }
    }
}

#[derive(Serialize, Deserialize)]
struct Written {
    version: u32,
    conversation: Value,
}

impl Conversation {
    /// As it is kept.
    ///
    /// # Errors
    /// Why it cannot be.
    pub fn written(&self) -> Result<Value, String> {
        let value = |it: serde_json::Result<serde_json::Value>| {
            let value = it.and_then(serde_json::from_value::<Value>);
            value.map_err(|error| error.to_string())
        };
        let conversation = value(serde_json::to_value(self))?;
        let written = value(serde_json::to_value(Written { version: VERSION, conversation }))?;
        let bytes = serde_json::to_string(&written).map_err(|error| error.to_string())?.len();
        if bytes > CONVERSATION_BYTES_MAX {
            return Err(format!("it has {bytes} bytes, at most {CONVERSATION_BYTES_MAX} are kept"));
        }
        Ok(written)
    }

    /// From what was kept.
    ///
    /// # Errors
    /// Why nobody can go on in it.
    pub fn read(written: &Value) -> Result<Self, String> {
        fn of<T: for<'de> Deserialize<'de>>(value: &Value) -> Result<T, String> {
            let read = serde_json::to_value(value).and_then(serde_json::from_value);
            read.map_err(|_| "it cannot be read".to_owned())
        }
        let Written { version, conversation } = of(written)?;
        if version != VERSION {
            return Err("another version of Rota wrote it".to_owned());
        }
        let conversation = of(&conversation)?;
        if let Self::Messages(messages) = &conversation
            && !messages.are_whole()
        {
            return Err("it is not whole".to_owned());
        }
        Ok(conversation)
    }
}

impl Messages {
    /// With what the call that asked came to.
    pub fn answered(&self, told: &str) -> Vec<Message> {
        let mut messages = self.messages.clone();
        let result = messages.iter_mut().rev().find_map(|message| match message {
            Message::ToolResult { id, text, is_error } if *id == self.asked => {
                Some((text, is_error))
            }
            _ => None,
        });
        if let Some((text, is_error)) = result {
            told.clone_into(text);
            *is_error = false;
        }
        messages
    }

    /// Whether the prompt is first, each call has one result before anybody's next word, and the call
    /// that asked is among the last.
    fn are_whole(&self) -> bool {
        let mut open: BTreeSet<&str> = BTreeSet::new();
        let mut is_asked = false;
        for message in &self.messages {
            match message {
                Message::ToolResult { id, .. } if open.remove(id.as_str()) => {
                    is_asked |= *id == self.asked;
                }
                Message::ToolResult { .. } => return false,
                _ if !open.is_empty() => return false,
                Message::User(_) => is_asked = false,
                Message::Assistant { calls, .. } => {
                    is_asked = false;
                    open.extend(calls.iter().map(|call| call.id.as_str()));
                    if open.len() != calls.len() {
                        return false;
                    }
                }
            }
        }
        is_asked && open.is_empty() && matches!(self.messages.first(), Some(Message::User(_)))
    }
}

impl Job {
    /// Whether such an end asks a person, so that the conversation goes on later.
    pub(super) fn asks(&self, end: &WorkEnd) -> bool {
        let named = end.outcome.as_deref().filter(|_| end.state == RunState::Succeeded);
        named.is_some_and(|named| outcome_of(&self.playbook, Some(named)).ask.is_some())
    }
}

impl fmt::Debug for Conversation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Messages(messages) => messages.fmt(f),
            Self::Session { .. } => f.debug_struct("Session").finish_non_exhaustive(),
        }
    }
}

impl fmt::Debug for Messages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Messages")
            .field("model", &self.model)
            .field("messages", &self.messages.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Call;

    fn result(id: &str) -> Message {
        Message::ToolResult { id: id.into(), text: format!("of {id}"), is_error: false }
    }

    fn said(ids: &[&str]) -> Message {
        let args = Value::map([("n", Value::Float(1.5)), ("list", Value::List(vec![1.into()]))]);
        let calls = ids.iter().map(|id| Call::new(*id, "x", args.clone())).collect();
        let echo = Value::List(vec![Value::map([("signature", "EqQB")])]);
        Message::Assistant { text: "I say.".into(), calls, echo }
    }

    fn of(messages: Vec<Message>) -> Conversation {
        let (model, asked) = ("m".to_owned(), "c2".to_owned());
        Conversation::Messages(Messages { model, turns: 2, asked, messages })
    }

    fn whole() -> Vec<Message> {
        let prompt = Message::User("The prompt.".into());
        let broken = Call { id: "c3".into(), tool: "y".into(), args: Err("not JSON".into()) };
        let mut last = said(&["c2"]);
        let Message::Assistant { calls, .. } = &mut last else { unreachable!() };
        calls.push(broken);
        vec![prompt, said(&["c1"]), result("c1"), last, result("c2"), result("c3")]
    }

    #[test]
    fn what_is_kept_is_read_as_it_was() {
        let session = Conversation::Session { id: "s-1".into(), cost_micros: 7 };
        for kept in [of(whole()), session] {
            let text = serde_json::to_string(&kept.written().unwrap()).unwrap();
            let read = Conversation::read(&serde_json::from_str(&text).unwrap());
            assert!(read.as_ref() == Ok(&kept), "{read:?}");
            let shown = format!("{kept:?}");
            assert!(!shown.contains("prompt") && !shown.contains("s-1"), "{shown}");
        }
    }

    #[test]
    fn the_answer_is_the_one_result_of_the_call_that_asked() {
        let Conversation::Messages(kept) = of(whole()) else { unreachable!() };
        let mut expected = whole();
        expected[4] =
            Message::ToolResult { id: "c2".into(), text: "Green.".into(), is_error: false };
        assert_eq!(kept.answered("Green."), expected);
    }

    #[test]
    fn what_is_damaged_or_of_another_version_is_not_read() {
        let mut versions = of(whole()).written().unwrap();
        let Value::Map(map) = &mut versions else { unreachable!() };
        map.insert("version".into(), 2.into());
        assert_eq!(Conversation::read(&versions).unwrap_err(), "another version of Rota wrote it");
        assert_eq!(Conversation::read(&Value::Null).unwrap_err(), "it cannot be read");
        let twice = [whole(), vec![result("c2")]].concat();
        let without_prompt = whole()[1..].to_vec();
        let later = [whole(), vec![Message::User("Go on.".into())]].concat();
        let early = whole()[..5].to_vec();
        let same = [whole(), vec![said(&["c9", "c9"]), result("c9")]].concat();
        for messages in [twice, without_prompt, later, early, same, vec![]] {
            let written = of(messages).written().unwrap();
            assert_eq!(Conversation::read(&written).unwrap_err(), "it is not whole");
        }
    }

    #[test]
    fn a_conversation_that_is_too_long_is_not_kept_and_says_how_long_it_is() {
        let mut messages = whole();
        messages[0] = Message::User("x".repeat(CONVERSATION_BYTES_MAX));
        let why = of(messages).written().unwrap_err();
        assert!(why.contains("at most 1048576 are kept"), "{why}");
    }
}
