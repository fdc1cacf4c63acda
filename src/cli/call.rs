//! What a command asks of the house: one tool call, and how its answer is shown.

use super::instant::Instant;
use super::page::Page;
use crate::app::failure::Failure;
use crate::app::house::Need;
use crate::daemon::control::DryRun;
use crate::domain::{Timestamp, Value};
use std::collections::BTreeMap;

/// One tool call.
#[derive(Clone, Debug)]
pub struct Call {
    /// The tool's name.
    pub tool: &'static str,
    /// Its arguments.
    pub args: Value,
    /// What the house must be opened for.
    pub need: Need,
    /// Set for a rehearsal.
    pub dry_run: Option<DryRun>,
    /// How the answer is shown to people.
    pub view: View,
}

/// How an answer is shown to people.
#[derive(Clone, Copy, Debug)]
pub enum View {
    /// The text that came with it.
    Text,
    /// A table; its columns are heading and member, a member's member behind a dot.
    Table {
        /// The columns.
        columns: &'static [(&'static str, &'static str)],
        /// What is said when there are no rows.
        empty: &'static str,
    },
    /// What an occurrence came to.
    Run {
        /// Whether *nothing to do* has an exit code of its own.
        tell_nothing: bool,
    },
    /// One thing in full, or the text where the answer is of another form.
    Detail(fn(&Value) -> Option<Page>),
    /// What a write changed, field by field.
    Change,
    /// What happens, line by line, then the text that came with the answer.
    Story,
}

impl Call {
    /// A call that only looks.
    pub fn look(tool: &'static str, args: Args, view: View) -> Self {
        Self { tool, args: args.into_value(), need: Need::Look, dry_run: None, view }
    }

    /// A call that writes or operates.
    pub fn act(tool: &'static str, args: Args) -> Self {
        let (need, view) = (Need::Act, View::Change);
        Self { tool, args: args.into_value(), need, dry_run: None, view }
    }
}

/// The arguments of a call in the making: what was not typed is not sent.
#[derive(Clone, Debug, Default)]
pub struct Args(BTreeMap<String, Value>);

impl Args {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// With one more, if there is one.
    #[must_use]
    pub fn with<V: Into<Value>>(mut self, name: &str, value: Option<V>) -> Self {
        if let Some(value) = value {
            self.0.insert(name.to_owned(), value.into());
        }
        self
    }

    /// With a list, unless it is empty.
    #[must_use]
    pub fn with_list<V: Into<Value>>(self, name: &str, items: Vec<V>) -> Self {
        let items = Some(items).filter(|items| !items.is_empty());
        self.with(name, items)
    }

    /// With an instant, if there is one.
    ///
    /// # Errors
    /// A usage failure, when a local time cannot be placed.
    pub fn with_instant(
        self,
        name: &str,
        instant: Option<Instant>,
        zone: Option<&str>,
    ) -> Result<Self, Failure> {
        let instant =
            instant.map(|instant| instant.resolve(zone)).transpose().map_err(Failure::usage)?;
        Ok(self.with(name, instant.map(written)))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The object.
    pub fn into_value(self) -> Value {
        Value::Map(self.0)
    }
}

/// An instant as tools read it.
fn written(instant: Timestamp) -> String {
    instant.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)
}

/// A thing as people name it: its number, or its name.
pub fn number_or_name(text: &str) -> Value {
    text.parse::<i64>().map_or_else(|_| text.into(), Value::Int)
}
