//! SQL text that is put together at run time, with its parameters as `$1`, `$2`, ….

use super::super::Result;
use super::dialect::{Connection, Database, DbRow, failed};
use sqlx::AssertSqlSafe;
use std::fmt::Write as _;

/// A parameter.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Bind {
    Int(i64),
    Text(String),
    Real(f64),
    NoInt,
    NoText,
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
    binds: Vec<Bind>,
}

impl Sql {
    pub(super) fn new(text: &str) -> Self {
        Self { text: text.to_owned(), binds: Vec::new() }
    }

    pub(super) fn push(&mut self, text: &str) -> &mut Self {
        self.text.push_str(text);
        self
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

    /// The question how the database would answer.
    #[cfg(test)]
    pub(super) fn explained(mut self) -> Self {
        self.text.insert_str(0, "explain query plan ");
        self
    }

    pub(super) async fn fetch_all(self, on: &mut Connection) -> Result<Vec<DbRow>> {
        let mut query = sqlx::query::<Database>(AssertSqlSafe(self.text));
        for bind in self.binds {
            query = match bind {
                Bind::Int(number) => query.bind(number),
                Bind::Text(text) => query.bind(text),
                Bind::Real(number) => query.bind(number),
                Bind::NoInt => query.bind(None::<i64>),
                Bind::NoText => query.bind(None::<String>),
            };
        }
        query.fetch_all(on).await.map_err(failed)
    }
}
