//! What the keys of a table hold: texts, numbers, durations, choices, lists, arguments.

use super::{Table, join, kind_of, whole};
use crate::domain::Value;
use crate::fault::{Fault, Showing, did_you_mean, shown};
use serde_spanned::Spanned;
use std::ops::{Range, RangeInclusive};
use std::time::Duration;
use toml::de::DeValue;

impl Table<'_, '_> {
    /// A text.
    pub fn text(&self, key: &'static str) -> Option<String> {
        let value = self.get(key)?;
        let text = value.get_ref().as_str().map(str::to_owned);
        if text.is_none() {
            self.wrong_type(key, "a string", value);
        }
        text
    }

    /// A text that may be a secret: a value of another type is not shown.
    pub fn secret_text(&self, key: &'static str) -> Option<String> {
        let value = self.get(key)?;
        let text = value.get_ref().as_str().map(str::to_owned);
        if text.is_none() {
            let found = kind_of(value.get_ref());
            self.add(self.secret_fault(key, format!("`{key}` must be a string, found {found}")));
        }
        text
    }

    /// Says that a key is known, without reading it.
    pub fn mention(&self, key: &'static str) {
        self.known.borrow_mut().push(key);
    }

    /// A text that must be there and not be blank.
    pub fn needed_text(&self, key: &'static str) -> Option<String> {
        if self.is_present() && !self.has(key) && !self.path.is_empty() {
            self.add(self.own_fault(format!("`{key}` is missing {}", self.place())));
        }
        let text = self.text(key)?;
        if text.trim().is_empty() {
            self.add(self.fault(key, format!("`{key}` is empty")));
            return None;
        }
        Some(text)
    }

    /// A text that is not blank, if it was written.
    pub fn needed_if_written(&self, key: &'static str) -> Option<String> {
        let text = self.text(key)?;
        if text.trim().is_empty() {
            self.add(self.fault(key, format!("`{key}` is empty")));
        }
        Some(text)
    }

    /// A text that means something: what `read` says of it.
    pub fn parsed<T>(
        &self,
        key: &'static str,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = self.text(key)?;
        match read(&text) {
            Ok(value) => Some(value),
            Err(message) => {
                let text = shown(&text);
                self.add(self.fault(key, format!("`{key} = \"{text}\"`: {message}")));
                None
            }
        }
    }

    /// A text that is checked for what it means: `check` says what is wrong and where in the text.
    pub fn checked(
        &self,
        key: &'static str,
        check: impl FnOnce(&str) -> Result<(), (usize, String)>,
    ) -> Option<String> {
        let text = self.text(key)?;
        if let Err((offset, message)) = check(&text) {
            let span = self.entries?.get(key)?.span();
            self.add(self.fault_within(key, &text, span, offset, &message));
        }
        Some(text)
    }

    /// The arguments of a tool: an object; every text in it is checked like by
    /// [`Table::checked`].
    pub fn args(
        &self,
        key: &'static str,
        check: impl Fn(&str) -> Result<(), (usize, String)>,
    ) -> Option<Value> {
        let value = self.get(key)?;
        if !value.get_ref().is_table() {
            self.wrong_type(key, "a table", value);
            return None;
        }
        let mut waiting = vec![(value, 0)];
        while let Some((value, depth)) = waiting.pop() {
            if depth > 24 {
                self.add(self.fault(key, format!("`{key}` is nested too deeply")));
                return None;
            }
            match value.get_ref() {
                DeValue::String(text) => {
                    if let Err((offset, message)) = check(text) {
                        self.add(self.fault_within(key, text, value.span(), offset, &message));
                    }
                }
                DeValue::Array(items) => waiting.extend(items.iter().map(|i| (i, depth + 1))),
                DeValue::Table(table) => waiting.extend(table.values().map(|v| (v, depth + 1))),
                _ => {}
            }
        }
        Some(self.to_value(value))
    }

    /// A fault at a place inside a text; at the whole text where it was written with escapes.
    fn fault_within(
        &self,
        key: &str,
        text: &str,
        span: Range<usize>,
        offset: usize,
        message: &str,
    ) -> Fault {
        let raw = self.source.text().get(span.clone()).unwrap_or_default();
        let span = match raw.find(text).filter(|_| !text.is_empty()) {
            Some(start) => {
                let from = span.start + start + offset.min(text.len());
                // The word at that place.
                let rest = self.source.text().get(from..span.end).unwrap_or_default();
                let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
                from..from + word.unwrap_or(1).max(1)
            }
            None => span,
        };
        self.fault_at(span, Showing::Values, format!("`{key}`: {message}"))
    }

    /// A duration within bounds, written as text (`"90s"`).
    pub fn duration(
        &self,
        key: &'static str,
        bounds: RangeInclusive<Duration>,
    ) -> Option<Duration> {
        let written = self.entries.and_then(|table| table.get(key));
        if let Some(value) = written.filter(|value| !value.get_ref().is_str()) {
            let _ = self.get(key);
            self.wrong_type(key, "a duration such as \"30s\" or \"5m\"", value);
            return None;
        }
        self.parsed(key, |text| {
            let duration = crate::domain::parse_duration(text)?;
            if bounds.contains(&duration) {
                Ok(duration)
            } else {
                let (low, high) = (bounds.start(), bounds.end());
                let show = crate::domain::show_duration;
                Err(format!("must be between {} and {}", show(*low), show(*high)))
            }
        })
    }

    /// A whole number within bounds.
    pub fn int(&self, key: &'static str, bounds: RangeInclusive<i64>) -> Option<i64> {
        let value = self.get(key)?;
        let written = value.get_ref().as_integer();
        if written.is_none() {
            self.wrong_type(key, "a whole number", value);
            return None;
        }
        // One that no number holds is out of bounds like any other.
        let number = written.and_then(whole).unwrap_or(i64::MAX);
        if !bounds.contains(&number) {
            let (low, high) = (bounds.start(), bounds.end());
            self.add(self.fault(key, format!("`{key}` must be between {low} and {high}")));
            return None;
        }
        Some(number)
    }

    /// A whole number from 1 (or 0) to `u32`'s end.
    pub fn count(&self, key: &'static str, least: u32) -> Option<u32> {
        self.int(key, i64::from(least)..=1_000_000).and_then(|number| u32::try_from(number).ok())
    }

    /// `true` or `false`.
    pub fn truth(&self, key: &'static str) -> Option<bool> {
        let value = self.get(key)?;
        let truth = value.get_ref().as_bool();
        if truth.is_none() {
            self.wrong_type(key, "true or false", value);
        }
        truth
    }

    /// One of some words.
    pub fn choice<T: Clone>(&self, key: &'static str, words: &[(&'static str, T)]) -> Option<T> {
        let text = self.text(key)?;
        let found = words.iter().find(|(word, _)| *word == text);
        if found.is_none() {
            let fault = self.fault(key, format!("`{key}` cannot be \"{}\"", shown(&text)));
            self.add(match did_you_mean(&text, words.iter().map(|(word, _)| *word)) {
                Some(help) => fault.with_help(help),
                None => fault,
            });
        }
        found.map(|(_, value)| value.clone())
    }

    /// A list of texts; with `or_one`, a single text is a list of one.
    pub fn texts(&self, key: &'static str, or_one: bool) -> Option<Vec<String>> {
        Some(self.items(key, or_one, |text| Ok(text.to_owned()))?.into_iter().collect())
    }

    /// A list of texts that mean something.
    pub fn items<T>(
        &self,
        key: &'static str,
        or_one: bool,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        let expected = if or_one { "a string or a list of strings" } else { "a list of strings" };
        let value = self.get(key)?;
        let single = std::slice::from_ref(value);
        let items: &[Spanned<DeValue<'_>>] = match value.get_ref() {
            DeValue::Array(items) => items,
            DeValue::String(_) if or_one => single,
            _ => {
                self.wrong_type(key, expected, value);
                return None;
            }
        };
        let mut out = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let path = join(&join(&self.path, key), &index.to_string());
            self.shared.marks.borrow_mut().insert(path, item.span());
            let Some(text) = item.get_ref().as_str() else {
                let found = kind_of(item.get_ref());
                let message = format!("`{key}` must be {expected}, found {found} in it");
                self.add(self.fault_at(item.span(), Showing::Values, message));
                continue;
            };
            match read(text) {
                Ok(value) => out.push(value),
                Err(message) => {
                    let message = format!("`{key}`: \"{}\": {message}", shown(text));
                    self.add(self.fault_at(item.span(), Showing::Values, message));
                }
            }
        }
        Some(out)
    }

    /// Any value, as JSON.
    pub fn value(&self, key: &'static str) -> Option<Value> {
        let value = self.get(key)?;
        Some(self.to_value(value))
    }

    fn to_value(&self, value: &Spanned<DeValue<'_>>) -> Value {
        match value.get_ref() {
            DeValue::String(text) => Value::Text(text.to_string()),
            DeValue::Integer(number) => whole(number).map_or_else(
                || {
                    let message = "number does not fit in 64 bits";
                    self.add(self.fault_at(value.span(), Showing::KeysOnly, message));
                    Value::Null
                },
                Value::Int,
            ),
            DeValue::Float(number) => {
                let number = number.as_str().replace('_', "").parse().unwrap_or(f64::NAN);
                if number.is_finite() {
                    return Value::Float(number);
                }
                let message = "JSON has no such number";
                self.add(self.fault_at(value.span(), Showing::KeysOnly, message));
                Value::Null
            }
            DeValue::Boolean(truth) => Value::Bool(*truth),
            DeValue::Datetime(instant) => Value::Text(instant.to_string()),
            DeValue::Array(items) => {
                Value::List(items.iter().map(|item| self.to_value(item)).collect())
            }
            DeValue::Table(table) => Value::Map(
                table
                    .iter()
                    .map(|(key, value)| (key.get_ref().to_string(), self.to_value(value)))
                    .collect(),
            ),
        }
    }
}
