//! Reads TOML tables key by key and collects every fault instead of stopping at the first.
//!
//! A [`Table`] remembers which keys were asked for; [`Table::finish`] reports those that nobody
//! asked for. A table that is absent answers every question with `None`, so that defaults are
//! written once.

mod values;

use super::{Fault, Severity, Showing, Source, did_you_mean, shown};
use serde_spanned::Spanned;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use toml::de::{DeTable, DeValue};

/// At most so many errors, and so many warnings, of one file are kept.
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
        let end = self.source.text().len();
        let span_of = |error: &toml::de::Error| error.span().unwrap_or(end..end);
        // A key that stands there twice leaves the rest readable.
        let breaks = |error: &&toml::de::Error| error.message() != "duplicate key";
        let broken = errors.iter().filter(breaks).map(|error| span_of(error).start).min();
        self.broken.set(broken.map(|start| self.source.line_of(start)));
        for error in errors.iter().take(FAULTS_MAX) {
            let message = error.message().replace('\n', " ");
            let fault = self.source.fault(span_of(error), Showing::KeysOnly, message);
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
        let (mut errors, mut warnings) = (0, 0);
        faults.retain(|fault| {
            let count = if fault.severity == Severity::Error { &mut errors } else { &mut warnings };
            *count += 1;
            *count <= FAULTS_MAX
        });
        (faults, self.marks.into_inner(), self.asked.into_inner())
    }
}

fn push(faults: &RefCell<Vec<Fault>>, fault: Fault) {
    // Counted apart: many warnings leave room for what is wrong.
    if !is_full(faults, fault.severity) {
        faults.borrow_mut().push(fault);
    }
}

fn is_full(faults: &RefCell<Vec<Fault>>, severity: Severity) -> bool {
    let faults = faults.borrow();
    faults.len() >= FAULTS_MAX
        && faults.iter().filter(|fault| fault.severity == severity).count() >= FAULTS_MAX
}

#[derive(Clone, Copy, Debug)]
struct Shared<'r> {
    faults: &'r RefCell<Vec<Fault>>,
    marks: &'r RefCell<Marks>,
    asked: &'r RefCell<BTreeSet<String>>,
}

/// What was written under a name.
pub enum Written<'r, 't> {
    /// A text.
    Text(String),
    /// A table.
    Table(Table<'r, 't>),
    /// Something else, by its kind.
    Other(&'static str),
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

    /// A fault at these bytes. Where no more are kept it has no place: to look for the places of
    /// all faults would take the square of the file.
    fn fault_at(&self, span: Range<usize>, showing: Showing, message: impl Into<String>) -> Fault {
        if is_full(self.shared.faults, Severity::Error) {
            return Fault::of_file(self.source.path(), message);
        }
        self.source.fault(span, showing, message)
    }

    /// A fault at a key's value; at the table's head where the key was not written.
    pub fn fault(&self, key: &str, message: impl Into<String>) -> Fault {
        let span = self.entries.and_then(|t| t.get(key)).map_or(self.span.clone(), Spanned::span);
        self.fault_at(span, Showing::Values, message)
    }

    /// A fault at a key's value, the value hidden.
    pub fn secret_fault(&self, key: &str, message: impl Into<String>) -> Fault {
        let span = self.key_span(key).unwrap_or(self.span.clone());
        self.fault_at(span, Showing::KeysOnly, message)
    }

    /// A fault at the table's head.
    pub fn own_fault(&self, message: impl Into<String>) -> Fault {
        self.fault_at(self.span.clone(), Showing::KeysOnly, message)
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
                let fault = self.fault_at(name.span(), Showing::KeysOnly, message);
                self.add(fault.with_help(format!("write [{}.NAME]", shown(&self.path))));
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
                self.add(self.fault_at(span, Showing::KeysOnly, message));
            }
        }
        out
    }

    /// The words, each one of some, under names that people choose.
    pub fn named_choices<T: Clone>(&self, words: &[(&'static str, T)]) -> Vec<(String, T)> {
        let mut out = Vec::new();
        for (name, value) in self.entries.into_iter().flatten() {
            self.shared.marks.borrow_mut().insert(join(&self.path, name.get_ref()), name.span());
            let text = value.get_ref().as_str().unwrap_or_default();
            if let Some((_, found)) = words.iter().find(|(word, _)| *word == text) {
                out.push((name.get_ref().to_string(), found.clone()));
                continue;
            }
            let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            let message = format!("`{}` must be one of these words", shown(name.get_ref()));
            let fault = self.fault_at(value.span(), Showing::Values, message);
            self.add(fault.with_help(format!("write \"{}\"", known.join("\" or \""))));
        }
        out
    }

    /// What stands under names that people choose and may be secret: nothing of it is shown.
    pub fn secrets(&self) -> Vec<(String, Written<'r, 't>)> {
        let mut out = Vec::new();
        for (name, value) in self.entries.into_iter().flatten() {
            let own = name.get_ref().to_string();
            self.shared.marks.borrow_mut().insert(join(&self.path, &own), name.span());
            let written = match value.get_ref() {
                DeValue::String(text) => Written::Text(text.to_string()),
                DeValue::Table(table) => {
                    Written::Table(self.child(&own, "*", Some(table), name.span()))
                }
                other => Written::Other(kind_of(other)),
            };
            out.push((own, written));
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
            let fault = self.fault_at(span, Showing::KeysOnly, message);
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
            if is_full(self.shared.faults, Severity::Error) {
                return;
            }
            let message = format!("unknown key `{}` {}", shown(name), self.place());
            let fault = self.fault_at(key.span(), Showing::KeysOnly, message);
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
