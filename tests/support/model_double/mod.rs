//! Servers that answer for models as a test says, in both dialects, and are stricter than the real
//! ones: what breaks the wire's rules is a fault, and a test that has one fails.

mod anthropic;
mod openai;

use super::http_double::{Asked, Double, Reply, Then};
use rota::model::Model;
use rota::model::open::{ModelOptions, ServerOptions, Wire, open};
use secrecy::SecretString;
use serde_json::Value;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

/// The key that clients must send.
pub const KEY: &str = "sk-SECRETSECRET";

/// Why an answer ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ends {
    #[default]
    Itself,
    Cut,
    Declined,
}

/// An answer, whichever wire it goes over.
#[derive(Clone, Debug, Default)]
pub struct Said {
    pub text: String,
    /// Id, tool, and the arguments as they are written.
    pub calls: Vec<(String, String, String)>,
    pub ends: Ends,
    /// Sent and not read before, read before, come back.
    pub tokens: (u64, u64, u64),
}

impl Said {
    pub fn text(text: &str) -> Self {
        Self { text: text.to_owned(), tokens: (10, 0, 5), ..Self::default() }
    }

    pub fn call(id: &str, tool: &str, args: &str) -> Self {
        Self::default().and_call(id, tool, args)
    }

    pub fn finish() -> Self {
        Self::call("end", "finish", r#"{"outcome": "done", "summary": "Done."}"#)
    }

    #[must_use]
    pub fn and_call(mut self, id: &str, tool: &str, args: &str) -> Self {
        self.calls.push((id.to_owned(), tool.to_owned(), args.to_owned()));
        self
    }

    #[must_use]
    pub fn ends(self, ends: Ends) -> Self {
        Self { ends, ..self }
    }

    #[must_use]
    pub fn tokens(self, tokens: (u64, u64, u64)) -> Self {
        Self { tokens, ..self }
    }
}

/// What goes wrong, whichever wire it goes over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fails {
    RateLimited { seconds: u64 },
    Overloaded,
    Unavailable,
    TooLong,
    Declined,
    Denied,
    Refused,
}

/// What a server does when it is asked.
#[derive(Clone, Debug)]
pub enum Turn {
    Said(Said),
    Fails(Fails),
    /// Exactly these bytes.
    Raw(Reply),
}

/// A strict server.
pub struct ModelDouble {
    pub double: Double,
    pub wire: Wire,
    faults: Arc<Mutex<Vec<String>>>,
}

impl ModelDouble {
    /// Answers one turn after the other; more are a fault.
    pub fn start(wire: Wire, turns: Vec<Turn>) -> Self {
        let turns = Mutex::new(VecDeque::from(turns));
        let faults: Arc<Mutex<Vec<String>>> = Arc::default();
        let (noted, left_over) = (Arc::clone(&faults), Arc::clone(&faults));
        let check = move |asked: &Asked| {
            let fault = match wire {
                Wire::Completions => openai::fault(asked),
                Wire::Messages => anthropic::fault(asked),
            };
            if let Some(fault) = &fault {
                noted.lock().unwrap().push(fault.clone());
            }
            fault
        };
        let answers = move |asked: &Asked| {
            if asked.method == "GET" {
                return Reply::json(&serde_json::json!({"data": [{"id": "m"}], "id": "m"}));
            }
            let Some(turn) = turns.lock().unwrap().pop_front() else {
                left_over.lock().unwrap().push("it was asked once more".to_owned());
                return Reply::text(418, "text/plain", "nothing is left");
            };
            let is_stream = asked.message()["stream"] == true;
            match (turn, wire) {
                (Turn::Raw(reply), _) => reply,
                (Turn::Said(said), Wire::Completions) => openai::said(&said, is_stream),
                (Turn::Said(said), Wire::Messages) => anthropic::said(&said, is_stream),
                (Turn::Fails(fails), Wire::Completions) => openai::fails(fails),
                (Turn::Fails(fails), Wire::Messages) => anthropic::fails(fails),
            }
        };
        Self { double: Double::start_other(check, answers), wire, faults }
    }

    pub fn options(&self) -> ServerOptions {
        let mut options = ServerOptions::new("m", Some(format!("http://{}", self.double.address)));
        options.key = Some(SecretString::from(KEY));
        options
    }

    pub fn model(&self, options: ServerOptions) -> Arc<dyn Model> {
        open(&ModelOptions::Server { wire: self.wire, options: Box::new(options) }).unwrap()
    }

    /// The bodies that it was sent, in order.
    pub fn bodies(&self) -> Vec<Value> {
        self.double.asked().iter().filter(|a| a.method == "POST").map(Asked::message).collect()
    }
}

impl Drop for ModelDouble {
    fn drop(&mut self) {
        let faults = self.faults.lock().unwrap();
        if !std::thread::panicking() {
            assert!(faults.is_empty(), "a client broke the rules of {:?}: {faults:?}", self.wire);
        }
    }
}

/// A stream of these events, cut anywhere but where they end.
fn stream(events: &str) -> Reply {
    Reply::stream(events.as_bytes().chunks(97))
}

/// The begin of a text and its rest, so that nothing comes in one piece.
fn halves(text: &str) -> [&str; 2] {
    let middle = text.floor_char_boundary(text.len() / 2);
    let (begin, rest) = text.split_at(middle);
    [begin, rest]
}

fn refusal(status: u16, body: &Value) -> Reply {
    Reply::text(status, "application/json", &body.to_string())
}

/// A name that both wires take.
fn is_name(name: &str, chars_max: usize) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    !name.is_empty() && name.len() <= chars_max && name.chars().all(fits)
}

/// The keys of an object that are not among these.
fn strangers(object: &Value, known: &[&str]) -> Option<String> {
    let Some(map) = object.as_object() else { return Some(format!("{object} is no object")) };
    let strange = map.keys().find(|key| !known.contains(&key.as_str()))?;
    Some(format!("unknown field {strange}"))
}

/// What is wrong with a schema of arguments.
fn schema_fault(schema: &Value) -> Option<String> {
    let is_choice = ["oneOf", "anyOf", "allOf"].iter().any(|key| schema.get(key).is_some());
    let fits = schema["type"] == "object" && schema["properties"].is_object() && !is_choice;
    (!fits).then(|| format!("schema {schema}"))
}

/// What a broken connection looks like in the middle of an answer.
pub fn broken(reply: Reply) -> Reply {
    let half = reply.pieces.len() / 2;
    let pieces = reply.pieces[..half].to_vec();
    Reply { pieces, ..reply }.then(Then::HangUp)
}

/// How an answer goes over a wire.
pub fn answer(wire: Wire, said: &Said) -> Reply {
    match wire {
        Wire::Completions => openai::said(said, true),
        Wire::Messages => anthropic::said(said, true),
    }
}
