//! SQL text that is put together at run time, with its parameters as `$1`, `$2`, ….

use super::super::Result;
use super::dialect::{Connection, DbRow, Difference, Query, Text, Told, Word};
use std::fmt::Write as _;

/// A parameter. What is not there still has a kind: PostgreSQL keeps a statement together with the
/// kinds of its parameters.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Bind {
    Int(i64),
    Text(String),
    Real(f64),
    NoInt,
    NoText,
    NoReal,
}

impl From<i64> for Bind {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<Option<i64>> for Bind {
    fn from(number: Option<i64>) -> Self {
        number.map_or(Self::NoInt, Self::Int)
    }
}

impl From<f64> for Bind {
    fn from(number: f64) -> Self {
        Self::Real(number)
    }
}

impl From<Option<f64>> for Bind {
    fn from(number: Option<f64>) -> Self {
        number.map_or(Self::NoReal, Self::Real)
    }
}

impl From<String> for Bind {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&String> for Bind {
    fn from(text: &String) -> Self {
        Self::Text(text.clone())
    }
}

impl From<&str> for Bind {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<Option<&str>> for Bind {
    fn from(text: Option<&str>) -> Self {
        text.map_or(Self::NoText, Self::from)
    }
}

/// A statement in the making. Text comes from this program only, never from a question: those
/// values are parameters.
#[derive(Clone, Debug, Default)]
pub(super) struct Sql {
    text: String,
    /// What PostgreSQL is told differently, in the order of the text.
    differences: Vec<Difference>,
    binds: Vec<Bind>,
}

impl Sql {
    pub(super) fn new(text: &str) -> Self {
        Self { text: text.to_owned(), ..Self::default() }
    }

    pub(super) fn push(&mut self, text: &str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    fn differing(&mut self, begin: usize, told: Told) -> &mut Self {
        self.differences.push(Difference { at: begin..self.text.len(), told });
        self
    }

    /// What the databases call by different names.
    pub(super) fn word(&mut self, word: Word) -> &mut Self {
        let begin = self.text.len();
        self.push(word.sqlite).differing(begin, Told::Word(word.postgres))
    }

    /// Makes SQLite's planner take this index: it has no statistics to choose by, and needs none.
    pub(super) fn indexed_by(&mut self, index: &str) -> &mut Self {
        let begin = self.text.len();
        self.push(" indexed by ").push(index).differing(begin, Told::Word(""))
    }

    /// Begins another statement, on the same way to the database; none of them sees what the others do.
    pub(super) fn another(&mut self) -> &mut Self {
        if self.text.is_empty() {
            return self;
        }
        let begin = self.text.len();
        self.push("; ").differing(begin, Told::Next)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    fn placeholder(&mut self, bind: Bind) -> &mut Self {
        self.binds.push(bind);
        let _ = write!(self.text, "${}", self.binds.len());
        self
    }

    /// `(…, …)`: the values of one row.
    pub(super) fn row<const N: usize>(&mut self, values: [Bind; N]) {
        self.push("(");
        for (place, value) in values.into_iter().enumerate() {
            self.push(if place == 0 { "" } else { ", " }).placeholder(value);
        }
        self.push(")");
    }

    pub(super) fn int(&mut self, number: i64) -> &mut Self {
        self.placeholder(Bind::Int(number))
    }

    pub(super) fn text(&mut self, text: impl Into<String>) -> &mut Self {
        self.placeholder(Bind::Text(text.into()))
    }

    pub(super) fn bind(&mut self, bind: &Bind) -> &mut Self {
        self.placeholder(bind.clone())
    }

    /// `and <column> in (…)`; nothing for an empty list.
    pub(super) fn and_in(&mut self, column: &str, list: impl IntoIterator<Item = Bind>) {
        let mut items = list.into_iter().peekable();
        if items.peek().is_none() {
            return;
        }
        self.push(" and ").push(column).push(" in (");
        while let Some(item) = items.next() {
            self.bind(&item);
            if items.peek().is_some() {
                self.push(", ");
            }
        }
        self.push(")");
    }

    pub(super) fn and_ints(&mut self, column: &str, list: impl IntoIterator<Item = i64>) {
        self.and_in(column, list.into_iter().map(Bind::Int));
    }

    /// `and <column> <operator> …`; nothing for `None`.
    pub(super) fn and_int(&mut self, comparison: &str, number: Option<i64>) {
        if let Some(number) = number {
            self.push(" and ").push(comparison).push(" ").int(number);
        }
    }

    /// The question how SQLite would answer.
    #[cfg(test)]
    pub(super) fn explained(mut self) -> Self {
        self.text.insert_str(0, "explain query plan ");
        self
    }

    /// As SQLite is told, and what PostgreSQL is told differently.
    #[cfg(test)]
    pub(super) fn parts(self) -> (String, Vec<Difference>) {
        (self.text, self.differences)
    }

    pub(super) async fn fetch_all(self, on: &mut Connection) -> Result<Vec<DbRow>> {
        Query::new(Text::Made(self.text, self.differences), self.binds).fetch_all(on).await
    }
}
