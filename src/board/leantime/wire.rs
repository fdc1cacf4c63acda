//! What the server sends, read as leniently as it was written: numbers as texts, empty texts, nulls
//! and zero dates for nothing, single values in lists of one.

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// One row of an answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Row(Map<String, Value>);

/// A row as it is compared: the columns that matter, long texts by their digest.
pub(super) type Columns = BTreeMap<String, String>;

impl Row {
    /// `None` for what is no row: `false`, `null`, a text.
    pub(super) fn of(value: Value) -> Option<Self> {
        match unwrapped(value) {
            Value::Object(fields) => Some(Self(fields)),
            _ => None,
        }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// A text; empty for nothing.
    pub(super) fn text(&self, name: &str) -> String {
        self.0.get(name).map(text).unwrap_or_default()
    }

    /// A whole number; 0 for nothing.
    pub(super) fn int(&self, name: &str) -> i64 {
        self.0.get(name).and_then(int).unwrap_or(0)
    }

    /// An id; `None` for all spellings of nobody and nothing.
    pub(super) fn id(&self, name: &str) -> Option<i64> {
        Some(self.int(name)).filter(|id| *id > 0)
    }

    /// A number; `None` for nothing and for what is no number.
    pub(super) fn number(&self, name: &str) -> Option<f64> {
        let value = self.0.get(name)?;
        let number = value.as_f64().or_else(|| text(value).trim().parse().ok());
        number.filter(|number| number.is_finite())
    }

    /// Ids in a list, or in a text with commas.
    pub(super) fn ids(&self, name: &str) -> Vec<i64> {
        let mut found: Vec<i64> = match self.0.get(name) {
            Some(Value::Array(items)) => items.iter().filter_map(int).collect(),
            Some(Value::String(text)) => {
                text.split(',').filter_map(|t| t.trim().parse().ok()).collect()
            }
            _ => Vec::new(),
        };
        found.sort_unstable();
        found.dedup();
        found
    }

    pub(super) fn put(&mut self, name: &str, value: impl Into<Value>) {
        self.0.insert(name.to_owned(), value.into());
    }

    /// The same value under another name, where only that one is there.
    pub(super) fn alias(&mut self, name: &str, other: &str) {
        if !self.0.contains_key(name)
            && let Some(value) = self.0.remove(other)
        {
            self.0.insert(name.to_owned(), value);
        }
    }

    /// The columns as they are compared; those that the row does not have are left out.
    pub(super) fn columns(&self, names: &[&str]) -> Columns {
        let known = names.iter().filter_map(|name| Some((*name, self.0.get(*name)?)));
        known.map(|(name, value)| (name.to_owned(), short(name, &text(value)))).collect()
    }
}

/// Columns in which a number is a text.
const TEXTS: &[&str] =
    &["headline", "description", "acceptanceCriteria", "tags", "name", "text", "title", "details"];

/// Spellings of nothing are one, numbers are written one way, long texts are digests.
fn short(name: &str, text: &str) -> String {
    if text.len() > 80 {
        let digest = Sha256::digest(text.as_bytes());
        return digest.iter().take(16).fold("#".to_owned(), |all, byte| format!("{all}{byte:02x}"));
    }
    if TEXTS.contains(&name) {
        return text.to_owned();
    }
    if text.starts_with("0000-00-00") {
        return String::new();
    }
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() && number != 0.0 => number.to_string(),
        Ok(_) => String::new(),
        Err(_) => text.to_owned(),
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Bool(yes) => yes.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(","),
        Value::Object(_) => value.to_string(),
    }
}

fn int(value: &Value) -> Option<i64> {
    match value {
        Value::Bool(yes) => Some(i64::from(*yes)),
        Value::Number(number) => number.as_i64().or_else(|| {
            let whole = number.as_f64().filter(|number| number.fract() == 0.0)?;
            format!("{whole:.0}").parse().ok()
        }),
        Value::String(text) => {
            // Some ids come with a date behind them.
            let text = text.trim();
            let end = text.get(1..).and_then(|rest| rest.find('-')).map_or(text.len(), |at| at + 1);
            let text = text.get(..end).unwrap_or(text);
            let whole = text.split('.').next().unwrap_or(text);
            whole.parse().ok()
        }
        _ => None,
    }
}

/// Old versions put single values into lists of one.
pub(super) fn unwrapped(value: Value) -> Value {
    match value {
        Value::Array(mut items) if items.len() == 1 && !items[0].is_array() => {
            items.pop().unwrap_or(Value::Null)
        }
        value => value,
    }
}

/// The rows of a list; a single row is a list of one, and an object of rows their list.
pub(super) fn rows(value: Value) -> Option<Vec<Row>> {
    match value {
        Value::Array(items) => Some(items.into_iter().filter_map(Row::of).collect()),
        Value::Object(fields) if fields.values().all(Value::is_object) => {
            Some(fields.into_iter().filter_map(|(_, value)| Row::of(value)).collect())
        }
        Value::Object(fields) => Some(vec![Row(fields)]),
        // No rows are `false` here and there.
        Value::Bool(false) | Value::Null => Some(Vec::new()),
        _ => None,
    }
}

/// Rows with the keys that they stand under: an object, or a list where the keys are 0, 1, 2 ….
pub(super) fn keyed(value: Value) -> Vec<(i64, Row)> {
    match value {
        Value::Object(fields) => {
            let rows = fields.into_iter();
            rows.filter_map(|(key, value)| Some((key.parse().ok()?, Row::of(value)?))).collect()
        }
        Value::Array(items) => {
            (0..).zip(items).filter_map(|(key, value)| Some((key, Row::of(value)?))).collect()
        }
        _ => Vec::new(),
    }
}

/// The id of something new; `None` for the server's ways to say that there is none.
pub(super) fn new_id(value: Value) -> Option<i64> {
    match unwrapped(value) {
        Value::Bool(_) => None,
        Value::Object(fields) => fields.get("id").and_then(int).filter(|id| *id > 0),
        value => int(&value).filter(|id| *id > 0),
    }
}

/// Whether a write says that it was done; its own words otherwise.
pub(super) fn done(value: Value) -> Result<(), String> {
    match unwrapped(value) {
        Value::Bool(false) | Value::Null => Err("it says no more than that it did not".to_owned()),
        Value::Object(fields) => {
            let word = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default();
            let is_error = word("type") == "error" || word("status") == "error";
            let said = [word("msg"), word("message")].join(" ");
            if is_error { Err(said.trim().chars().take(200).collect()) } else { Ok(()) }
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn row(value: Value) -> Row {
        Row::of(value).unwrap()
    }

    #[test]
    fn numbers_are_read_from_texts_and_nothing_from_all_its_spellings() {
        let row = row(json!({
            "a": "5", "b": 5, "c": "", "d": null, "e": "0", "f": 0, "g": 5.0, "h": "5.00",
            "i": "2-2026-11-22 06:08:07", "j": "-1", "k": true, "l": [1], "m": "x",
        }));
        for name in ["a", "b", "g", "h"] {
            assert_eq!(row.id(name), Some(5), "{name}");
            assert_eq!(row.number(name), Some(5.0), "{name}");
        }
        for name in ["c", "d", "e", "f", "m", "l", "absent", "j"] {
            assert_eq!(row.id(name), None, "{name}");
        }
        assert_eq!((row.int("i"), row.int("j"), row.int("k")), (2, -1, 1));
    }

    #[test]
    fn a_row_is_the_same_however_its_values_are_spelled() {
        let names = ["status", "editorId", "planHours", "dateToFinish", "tags"];
        let one = row(json!({
            "status": 3, "editorId": "5", "planHours": 4, "dateToFinish": "0000-00-00 00:00:00",
            "tags": null,
        }));
        let two = row(json!({
            "status": "3", "editorId": 5, "planHours": "4.00", "dateToFinish": null, "tags": "",
        }));
        assert_eq!(one.columns(&names), two.columns(&names));
        let other = row(json!({ "status": 0, "editorId": "" }));
        assert_eq!(other.columns(&names)["editorId"], other.columns(&names)["status"]);
        assert!(!other.columns(&names).contains_key("tags"));
    }

    #[test]
    fn single_values_come_out_of_their_lists() {
        assert_eq!(new_id(json!([42])), Some(42));
        assert_eq!(new_id(json!("10")), Some(10));
        assert_eq!(new_id(json!({"id": "10"})), Some(10));
        for nothing in [
            json!(false),
            json!(null),
            json!([false]),
            json!({"msg": "x", "type": "error"}),
            json!(true),
            json!("x"),
        ] {
            assert_eq!(new_id(nothing.clone()), None, "{nothing}");
        }
    }

    #[test]
    fn soft_failures_are_failures() {
        for no in [
            json!(false),
            json!([false]),
            json!(null),
            json!({"msg": "n", "type": "error"}),
            json!({"status": "error", "message": "m"}),
        ] {
            assert!(done(no.clone()).is_err(), "{no}");
        }
        for yes in [json!(true), json!([true]), json!(1), json!("1"), json!({"status": "ok"})] {
            assert!(done(yes.clone()).is_ok(), "{yes}");
        }
    }

    #[test]
    fn statuses_stand_under_their_keys_in_objects_and_lists() {
        let keys = |value| keyed(value).into_iter().map(|(key, _)| key).collect::<Vec<_>>();
        assert_eq!(keys(json!({"3": {}, "-1": {}})).len(), 2);
        assert_eq!(keys(json!([{}, {}])), [0, 1]);
        assert!(keys(json!(false)).is_empty());
    }
}
