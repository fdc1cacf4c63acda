//! Reads TOML tables key by key and collects every fault instead of stopping at the first.
//!
//! A [`Table`] remembers which keys were asked for; [`Table::finish`] reports those that nobody
//! asked for. A table that is absent answers every question with `None`, so that defaults are
//! written once.

use super::{Fault, Showing, Source, did_you_mean, shown};
use crate::domain::Value;
use serde_spanned::Spanned;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Range, RangeInclusive};
use std::time::Duration;
use toml::de::{DeTable, DeValue};

/// At most so many faults of one file are kept.
const FAULTS_MAX: usize = 200;

/// Where the values of a file stand, by path (`work.model`, `work.tools.2`).
pub type Marks = BTreeMap<String, Range<usize>>;

/// What was found while one file is read.
#[derive(Debug)]
pub struct Reader<'a> {
    source: &'a Source,
    faults: RefCell<Vec<Fault>>,
    marks: RefCell<Marks>,
    asked: RefCell<BTreeSet<String>>,
    /// The first line from which on the TOML itself cannot be trusted.
    broken: std::cell::Cell<Option<usize>>,
    syntax: RefCell<Vec<Fault>>,
}

impl<'a> Reader<'a> {
    /// Nothing was found yet.
    pub fn new(source: &'a Source) -> Self {
        Self {
            source,
            faults: RefCell::default(),
            marks: RefCell::default(),
            asked: RefCell::default(),
            broken: std::cell::Cell::default(),
            syntax: RefCell::default(),
        }
    }

    /// Parses the text as far as it can be parsed; syntax errors become faults.
    pub fn parse(&self) -> Spanned<DeTable<'a>> {
        let (table, errors) = DeTable::parse_recoverable(self.source.text());
        for error in errors {
            let end = self.source.text().len();
            let span = error.span().unwrap_or(end..end);
            let message = error.message().replace('\n', " ");
            let fault = self.source.fault(span, Showing::KeysOnly, message);
            // A key that stands there twice leaves the rest readable.
            if fault.message != "duplicate key" {
                let first = self.broken.get().map_or(fault.line, |line| line.min(fault.line));
                self.broken.set(Some(first));
            }
            push(&self.syntax, fault);
        }
        table
    }

    /// The table of the whole file.
    pub fn root<'r, 't>(&'r self, table: &'t Spanned<DeTable<'a>>) -> Table<'r, 't>
    where
        'a: 't,
    {
        Table {
            source: self.source,
            shared: Shared { faults: &self.faults, marks: &self.marks, asked: &self.asked },
            entries: Some(table.get_ref()),
            path: String::new(),
            shape: String::new(),
            span: 0..0,
            known: RefCell::default(),
            refused: RefCell::default(),
        }
    }

    /// One more fault.
    pub fn add(&self, fault: Fault) {
        push(&self.faults, fault);
    }

    /// The faults, in the order of the file, where the values stand, and which keys were asked
    /// for (names that people choose stand as `*`).
    pub fn into_parts(self) -> (Vec<Fault>, Marks, BTreeSet<String>) {
        let mut faults = self.faults.into_inner();
        // Behind broken TOML, what seems wrong or missing may only have been unreadable.
        if let Some(first) = self.broken.get() {
            faults.retain(|fault| {
                fault.line < first && fault.line > 0 && !fault.message.contains("is missing")
            });
        }
        faults.extend(self.syntax.into_inner());
        super::sort(&mut faults);
        (faults, self.marks.into_inner(), self.asked.into_inner())
    }
}

fn push(faults: &RefCell<Vec<Fault>>, fault: Fault) {
    let mut faults = faults.borrow_mut();
    if faults.len() < FAULTS_MAX {
        faults.push(fault);
    }
}

#[derive(Clone, Copy, Debug)]
struct Shared<'r> {
    faults: &'r RefCell<Vec<Fault>>,
    marks: &'r RefCell<Marks>,
    asked: &'r RefCell<BTreeSet<String>>,
}

/// One table, or the absence of one.
#[derive(Debug)]
pub struct Table<'r, 't> {
    source: &'r Source,
    shared: Shared<'r>,
    entries: Option<&'t DeTable<'t>>,
    path: String,
    /// The path with `*` for names that people choose.
    shape: String,
    span: Range<usize>,
    known: RefCell<Vec<&'static str>>,
    refused: RefCell<Vec<&'static str>>,
}

impl<'r, 't> Table<'r, 't> {
    /// Whether it was written at all.
    pub fn is_present(&self) -> bool {
        self.entries.is_some()
    }

    /// Its path (`limits`, `outcome.approved`); empty for the whole file.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The table as people write it: `in [limits]`, `in [[step]]`.
    fn place(&self) -> String {
        match self.path.rsplit_once('.') {
            _ if self.path.is_empty() => "at the top of the file".to_owned(),
            Some((list, index)) if index.parse::<usize>().is_ok() => format!("in [[{list}]]"),
            _ => format!("in [{}]", shown(&self.path)),
        }
    }

    /// Whether a key was written.
    pub fn has(&self, key: &str) -> bool {
        self.entries.is_some_and(|table| table.contains_key(key))
    }

    /// Whether a table under a key holds a key.
    pub fn holds(&self, table: &str, key: &str) -> bool {
        let inner = self.entries.and_then(|own| own.get(table)).map(Spanned::get_ref);
        inner.and_then(DeValue::as_table).is_some_and(|inner| inner.contains_key(key))
    }

    /// Whether a key holds exactly this text.
    pub fn says(&self, key: &str, text: &str) -> bool {
        let value = self.entries.and_then(|table| table.get(key));
        value.and_then(|value| value.get_ref().as_str()) == Some(text)
    }

    /// A key's value, whatever it is.
    fn get(&self, key: &'static str) -> Option<&'t Spanned<DeValue<'t>>> {
        self.known.borrow_mut().push(key);
        self.shared.asked.borrow_mut().insert(join(&self.shape, key));
        let value = self.entries?.get(key)?;
        self.shared.marks.borrow_mut().insert(join(&self.path, key), value.span());
        Some(value)
    }

    /// A fault at a key's value; at the table's head where the key was not written.
    pub fn fault(&self, key: &str, message: impl Into<String>) -> Fault {
        let span = self.entries.and_then(|t| t.get(key)).map_or(self.span.clone(), Spanned::span);
        self.source.fault(span, Showing::Values, message)
    }

    /// A fault at a key's value, the value hidden.
    pub fn secret_fault(&self, key: &str, message: impl Into<String>) -> Fault {
        let span = self.key_span(key).unwrap_or(self.span.clone());
        self.source.fault(span, Showing::KeysOnly, message)
    }

    /// A fault at the table's head.
    pub fn own_fault(&self, message: impl Into<String>) -> Fault {
        self.source.fault(self.span.clone(), Showing::KeysOnly, message)
    }

    /// One more fault.
    pub fn add(&self, fault: Fault) {
        push(self.shared.faults, fault);
    }

    fn key_span(&self, key: &str) -> Option<Range<usize>> {
        let (key, _) = self.entries?.get_key_value(key)?;
        Some(key.span())
    }

    fn wrong_type(&self, key: &str, expected: &str, found: &Spanned<DeValue<'_>>) {
        let found = kind_of(found.get_ref());
        let fault = self.fault(key, format!("`{key}` must be {expected}, found {found}"));
        self.add(fault);
    }

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
        self.source.fault(span, Showing::Values, format!("`{key}`: {message}"))
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
        let Some(number) = value.get_ref().as_integer().and_then(whole) else {
            self.wrong_type(key, "a whole number", value);
            return None;
        };
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
                self.add(self.source.fault(item.span(), Showing::Values, message));
                continue;
            };
            match read(text) {
                Ok(value) => out.push(value),
                Err(message) => {
                    let message = format!("`{key}`: \"{}\": {message}", shown(text));
                    self.add(self.source.fault(item.span(), Showing::Values, message));
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
                    self.add(self.source.fault(value.span(), Showing::KeysOnly, message));
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
                self.add(self.source.fault(value.span(), Showing::KeysOnly, message));
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

    /// The table under a key; an absent one where it was not written.
    #[must_use]
    pub fn table(&self, key: &'static str) -> Table<'r, 't> {
        let value = self.get(key);
        let table = value.and_then(|value| {
            let table = value.get_ref().as_table();
            if table.is_none() {
                let found = kind_of(value.get_ref());
                self.add(self.secret_fault(key, format!("`{key}` must be a table, found {found}")));
            }
            table
        });
        let span = self.key_span(key).or_else(|| value.map(Spanned::span));
        self.child(key, key, table, span.unwrap_or(self.span.clone()))
    }

    /// Whether a key holds a table (and not, say, a text).
    pub fn is_table(&self, key: &str) -> bool {
        self.entries.and_then(|t| t.get(key)).is_some_and(|value| value.get_ref().is_table())
    }

    /// The tables under names that people choose (`[outcome.approved]`).
    pub fn named(&self) -> Vec<(String, Table<'r, 't>)> {
        let mut out = Vec::new();
        for (name, value) in self.entries.into_iter().flatten() {
            let Some(table) = value.get_ref().as_table() else {
                let message = format!("`{}` must be a table", shown(name.get_ref()));
                self.add(self.source.fault(name.span(), Showing::KeysOnly, message));
                continue;
            };
            let name_span = name.span();
            let name = name.get_ref().to_string();
            self.shared.marks.borrow_mut().insert(join(&self.path, &name), name_span.clone());
            let child = self.child(&name, "*", Some(table), name_span);
            out.push((name, child));
        }
        out
    }

    /// The numbers under names that people choose.
    pub fn named_counts(&self) -> Vec<(String, u32)> {
        let mut out = Vec::new();
        for (name, value) in self.entries.into_iter().flatten() {
            let span = value.span();
            self.shared.marks.borrow_mut().insert(join(&self.path, name.get_ref()), name.span());
            let number = value.get_ref().as_integer().and_then(whole);
            if let Some(number) = number.and_then(|number| u32::try_from(number).ok()) {
                out.push((name.get_ref().to_string(), number));
            } else {
                let message = format!("`{}` must be a whole number from 0", shown(name.get_ref()));
                self.add(self.source.fault(span, Showing::KeysOnly, message));
            }
        }
        out
    }

    /// The tables of a list of tables (`[[step]]`).
    pub fn tables(&self, key: &'static str) -> Vec<Table<'r, 't>> {
        let Some(value) = self.get(key) else { return Vec::new() };
        let Some(items) = value.get_ref().as_array() else {
            self.wrong_type(key, &format!("a list of tables ([[{key}]])"), value);
            return Vec::new();
        };
        let mut out = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let name = format!("{key}.{index}");
            match item.get_ref().as_table() {
                Some(table) => out.push(self.child(&name, key, Some(table), item.span())),
                None => self.wrong_type(key, &format!("a list of tables ([[{key}]])"), item),
            }
        }
        out
    }

    fn child(
        &self,
        name: &str,
        shape: &str,
        table: Option<&'t DeTable<'t>>,
        span: Range<usize>,
    ) -> Table<'r, 't> {
        Table {
            source: self.source,
            shared: self.shared,
            entries: table,
            path: join(&self.path, name),
            shape: join(&self.shape, shape),
            span,
            known: RefCell::default(),
            refused: RefCell::default(),
        }
    }

    /// A key of the format that this version cannot carry out.
    pub fn refuse(&self, key: &'static str, what: &str) {
        self.refused.borrow_mut().push(key);
        if let Some(span) = self.key_span(key) {
            let message = format!("{what} is not available in this version");
            let fault = self.source.fault(span, Showing::KeysOnly, message);
            self.add(fault.with_help(format!("remove `{key}`")));
        }
    }

    /// Reports every key that nobody asked for; `elsewhere` knows where a key belongs.
    pub fn finish(&self, elsewhere: impl Fn(&str) -> Option<String>) {
        let known = self.known.borrow();
        for key in self.entries.into_iter().flat_map(|table| table.keys()) {
            let name = key.get_ref().as_ref();
            if known.contains(&name) || self.refused.borrow().contains(&name) {
                continue;
            }
            let message = format!("unknown key `{}` {}", shown(name), self.place());
            let fault = self.source.fault(key.span(), Showing::KeysOnly, message);
            // A key of this very name elsewhere is likelier than one of a similar name here.
            let help = elsewhere(name).or_else(|| did_you_mean(name, known.iter().copied()));
            self.add(match help {
                Some(help) => fault.with_help(help),
                None => fault,
            });
        }
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

fn whole(number: &toml::de::DeInteger<'_>) -> Option<i64> {
    i64::from_str_radix(number.as_str(), number.radix()).ok()
}

fn kind_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
