//! Tables of rows, as a database without strict mode keeps them: everything fits, somehow.

use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Columns by name.
pub type Row = Map<String, Value>;

/// What stands where a date could not be read.
pub const NO_DATE: &str = "0000-00-00 00:00:00";

/// Rows by their ids, which are counted up and never given twice.
#[derive(Debug, Default)]
pub struct Table {
    last: i64,
    rows: BTreeMap<i64, Row>,
}

impl Table {
    pub fn insert(&mut self, mut row: Row) -> i64 {
        self.last += 1;
        row.insert("id".to_owned(), json!(self.last));
        self.rows.insert(self.last, row);
        self.last
    }

    pub fn get(&self, id: i64) -> Option<&Row> {
        self.rows.get(&id)
    }

    pub fn get_mut(&mut self, id: i64) -> Option<&mut Row> {
        self.rows.get_mut(&id)
    }

    pub fn remove(&mut self, id: i64) -> Option<Row> {
        self.rows.remove(&id)
    }

    /// By their ids.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Row> {
        self.rows.values()
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Row> {
        self.rows.values_mut()
    }
}

/// Looks into a row as forgivingly as PHP does.
pub trait Columns {
    fn value(&self, name: &str) -> &Value;

    fn int(&self, name: &str) -> i64 {
        whole(self.value(name))
    }

    fn text(&self, name: &str) -> String {
        words(self.value(name))
    }

    /// Whether it is there and says something.
    fn has(&self, name: &str) -> bool {
        !matches!(self.text(name).as_str(), "" | "0" | "false")
    }
}

impl Columns for Row {
    fn value(&self, name: &str) -> &Value {
        self.get(name).unwrap_or(&Value::Null)
    }
}

/// A row of an object literal.
pub fn row(value: Value) -> Row {
    match value {
        Value::Object(row) => row,
        _ => Row::new(),
    }
}

/// Like `intval`: the number at the beginning, else 0.
pub fn whole(value: &Value) -> i64 {
    #[expect(clippy::cast_possible_truncation, reason = "PHP cuts, too")]
    let cut = decimal(value) as i64;
    value.as_i64().unwrap_or(cut)
}

/// Like `floatval`.
pub fn decimal(value: &Value) -> f64 {
    match value {
        Value::Number(number) => number.as_f64().unwrap_or(0.0),
        Value::Bool(true) => 1.0,
        Value::String(text) => {
            let text = text.trim_start();
            let is_part = |(at, c): &(usize, char)| {
                c.is_ascii_digit() || *c == '.' || (*at == 0 && matches!(c, '-' | '+'))
            };
            let number: String = text.char_indices().take_while(is_part).map(|(_, c)| c).collect();
            number.parse().unwrap_or(0.0)
        }
        _ => 0.0,
    }
}

/// As a string; nothing for what has no string.
pub fn words(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(true) => "1".to_owned(),
        _ => String::new(),
    }
}

/// A number as PHP writes it: without a fraction where there is none.
pub fn number(value: f64) -> Value {
    #[expect(clippy::cast_possible_truncation, reason = "only what has no fraction")]
    if value.fract() == 0.0 { json!(value as i64) } else { json!(value) }
}

/// The first bytes of a text, cut between characters.
pub fn first_bytes(text: &str, bytes: usize) -> &str {
    let end = (0..=bytes.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    &text[..end.unwrap_or(0)]
}

/// The ids of a list that came as an array or with commas.
pub fn list(value: &Value) -> Vec<String> {
    let parts: Vec<String> = match value {
        Value::Array(values) => values.iter().map(words).collect(),
        other => words(other).split(',').map(str::to_owned).collect(),
    };
    parts.into_iter().map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
}
