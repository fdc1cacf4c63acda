//! What every wire needs for calls: names that it takes, ids that are one call's alone, arguments that
//! are read or told to be broken, schemas that are objects.

use super::{Call, Exchange, Message};
use crate::domain::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The longest name of a tool that both wires take.
const NAME_CHARS_MAX: usize = 64;

/// Names of tools as they stand on the wire: letters, digits, `_` and `-`, at most 64.
#[derive(Debug, Default)]
pub(super) struct Names {
    wire_by_own: BTreeMap<String, String>,
    own_by_wire: BTreeMap<String, String>,
}

impl Names {
    /// For the tools that are on offer.
    pub fn new(exchange: &Exchange) -> Self {
        let mut names = Self::default();
        // Those that fit stay what they are, whatever the others become.
        let (fitting, others): (Vec<_>, Vec<_>) =
            exchange.tools.iter().map(|tool| tool.name.as_str()).partition(|name| fits(name));
        for own in fitting {
            names.put(own, own.to_owned());
        }
        for own in others {
            let clean = clean(own);
            let mut wire = clean.clone();
            let mut number = 2;
            while names.own_by_wire.contains_key(&wire) {
                let end = format!("_{number}");
                let begin: String = clean.chars().take(NAME_CHARS_MAX - end.len()).collect();
                wire = begin + &end;
                number += 1;
            }
            names.put(own, wire);
        }
        names
    }

    fn put(&mut self, own: &str, wire: String) {
        self.own_by_wire.insert(wire.clone(), own.to_owned());
        self.wire_by_own.insert(own.to_owned(), wire);
    }

    /// As the wire takes it; a name that a model made up is made fit.
    pub fn to_wire(&self, own: &str) -> String {
        self.wire_by_own.get(own).cloned().unwrap_or_else(|| clean(own))
    }

    /// The tool's own name; one that a model made up stays what it is.
    pub fn of_wire(&self, wire: &str) -> String {
        self.own_by_wire.get(wire).cloned().unwrap_or_else(|| wire.to_owned())
    }
}

fn fits(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    (1..=NAME_CHARS_MAX).contains(&name.len()) && name.chars().all(fits)
}

fn clean(name: &str) -> String {
    let fit = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    let clean: String = name.chars().take(NAME_CHARS_MAX).map(fit).collect();
    if clean.is_empty() { "unnamed".to_owned() } else { clean }
}

/// Gives an id of our own to each call whose id is missing, unfit or another's.
pub(super) fn give_ids(calls: &mut [Call], exchange: &Exchange, is_fit: fn(&str) -> bool) {
    let earlier = exchange.messages.iter().flat_map(|message| match message {
        Message::Assistant { calls, .. } => calls.as_slice(),
        _ => &[],
    });
    let mut known: BTreeSet<String> = earlier.map(|call| call.id.clone()).collect();
    for (place, call) in calls.iter_mut().enumerate() {
        if !is_fit(&call.id) || known.contains(&call.id) {
            // Nine letters and digits: there are servers that take nothing else.
            let mut number = u64::from(exchange.turn) * 1_000 + place as u64;
            while known.contains(&format!("c{number:08}")) {
                number += 1;
            }
            call.id = format!("c{number:08}");
        }
        known.insert(call.id.clone());
    }
}

/// The arguments that a text holds. Nothing at all stands for no arguments, unless the reply was cut
/// where it stands.
pub(super) fn arguments(text: &str, is_cut: bool) -> Result<Value, String> {
    const CUT: &str = "the reply was cut before the arguments were whole";
    if text.trim().is_empty() {
        return if is_cut { Err(CUT.to_owned()) } else { Ok(Value::Map(BTreeMap::new())) };
    }
    match serde_json::from_str(text) {
        Ok(Value::Map(map)) => Ok(Value::Map(map)),
        Ok(Value::Null) if !is_cut => Ok(Value::Map(BTreeMap::new())),
        Ok(_) => Err("the arguments are not a JSON object".to_owned()),
        Err(_) if is_cut => Err(CUT.to_owned()),
        Err(error) => Err(format!("the arguments are not JSON: {error}")),
    }
}

/// A schema as both wires take it: an object with properties, and no choice at its top.
pub(super) fn schema(schema: &Value) -> serde_json::Value {
    let mut out = match serde_json::to_value(schema) {
        Ok(serde_json::Value::Object(map)) => map,
        _ => serde_json::Map::new(),
    };
    for unfit in ["$schema", "oneOf", "anyOf", "allOf", "not", "enum", "if", "then", "else"] {
        out.remove(unfit);
    }
    out.insert("type".to_owned(), "object".into());
    if !out.get("properties").is_some_and(serde_json::Value::is_object) {
        out.insert("properties".to_owned(), serde_json::json!({}));
    }
    serde_json::Value::Object(out)
}

/// About how many tokens so many bytes are, where the other side does not say.
pub(super) fn estimated(bytes: usize) -> u64 {
    u64::try_from(bytes.div_ceil(4)).unwrap_or(u64::MAX)
}

/// About how many tokens a conversation is that nobody counted.
pub(super) fn estimated_of(exchange: &Exchange) -> u64 {
    let tools = exchange.tools.iter();
    let tools = tools.map(|t| t.description.len() + super::size_of_value(&t.input_schema));
    let messages = exchange.messages.iter().map(Message::bytes);
    estimated(messages.chain(tools).sum())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::OfferedTool;

    fn exchange(tools: &[&str], calls: Vec<Call>) -> Exchange {
        let tool = |name: &&str| OfferedTool {
            name: (*name).to_owned(),
            description: String::new(),
            input_schema: Value::Null,
        };
        let said = Message::Assistant { text: String::new(), calls, echo: Value::Null };
        let messages = vec![Message::User("Do it.".to_owned()), said];
        Exchange { messages, tools: tools.iter().map(tool).collect(), tokens_max: 9, turn: 1 }
    }

    #[test]
    fn names_that_a_wire_does_not_take_are_made_fit_and_found_again() {
        let long = "x".repeat(80);
        let names = Names::new(&exchange(&["a.b", "getTicket", "a b", "a_b", &long], vec![]));
        assert_eq!(names.to_wire("getTicket"), "getTicket");
        assert_eq!(names.to_wire("a_b"), "a_b", "what fits stays");
        let wires: BTreeSet<String> =
            ["a.b", "a b", "a_b", &long].iter().map(|own| names.to_wire(own)).collect();
        assert_eq!(wires.len(), 4, "{wires:?}");
        assert!(wires.iter().all(|wire| fits(wire)), "{wires:?}");
        for own in ["a.b", "getTicket", "a b", "a_b", &long] {
            assert_eq!(names.of_wire(&names.to_wire(own)), own);
        }
        assert_eq!(names.to_wire("made up!"), "made_up_");
        assert_eq!(names.to_wire(""), "unnamed");
        assert_eq!(names.of_wire("made up!"), "made up!");
    }

    #[test]
    fn every_call_has_an_id_that_no_other_has() {
        let call = |id: &str| Call::new(id, "getTicket", Value::Null);
        let before = exchange(&[], vec![call("a"), call("c00001002")]);
        let mut calls = vec![call("b"), call("a"), call(""), call("b"), call("no good")];
        give_ids(&mut calls, &before, fits);
        let ids: Vec<&str> = calls.iter().map(|call| call.id.as_str()).collect();
        assert_eq!(ids, ["b", "c00001001", "c00001003", "c00001004", "c00001005"]);
    }

    #[test]
    fn arguments_are_an_object_or_told_to_be_broken() {
        let empty = Value::Map(BTreeMap::new());
        for text in ["", " \n", "{}", "null"] {
            assert_eq!(arguments(text, false), Ok(empty.clone()), "{text:?}");
        }
        assert_eq!(arguments("{\"id\": 7}", true), Ok(Value::map([("id", 7_i64)])));
        for text in ["", "{\"id\": 7", "{\"id\": \"7", "null"] {
            assert!(arguments(text, true).is_err(), "{text:?}");
        }
        for text in ["[1]", "7", "\"{}\"", "{\"id\": }", "{} {}", "{'id': 7}"] {
            assert!(arguments(text, false).is_err(), "{text:?}");
        }
        assert!(arguments(&"[".repeat(100_000), false).is_err());
    }

    #[test]
    fn a_schema_is_an_object_with_properties() {
        for odd in [Value::Null, "x".into(), Value::map([("type", "string")])] {
            let fit = schema(&odd);
            assert_eq!(fit["type"], "object");
            assert!(fit["properties"].is_object());
        }
        let read: Value = serde_json::from_str(
            r#"{"$schema":"x","type":"object","anyOf":[],"properties":{"id":{"type":"integer"}},"required":["id"]}"#,
        )
        .unwrap();
        let expected = serde_json::json!({"type":"object","properties":{"id":{"type":"integer"}},"required":["id"]});
        assert_eq!(schema(&read), expected);
    }
}
