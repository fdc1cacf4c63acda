//! Templates. The only room that names handlebars.

pub mod vocabulary;

use crate::domain::Value;
use crate::fault::Fault;
use std::path::Path;

/// A set of templates, linted.
#[derive(Clone, Debug)]
pub struct Templates {}

/// Why a template gave no text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("template `{template}`, line {line}, column {column}: {message}")]
pub struct TemplateError {
    /// The template, or the key of a playbook.
    pub template: String,
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1.
    pub column: usize,
    /// What went wrong.
    pub message: String,
}

/// The formats of a report's template.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Formats {
    /// The template of the plain text.
    pub text: Option<String>,
    /// The template of the Markdown.
    pub markdown: Option<String>,
    /// The template of Slack's mrkdwn.
    pub slack: Option<String>,
}

impl Templates {
    /// The templates that ship with the program.
    pub fn shipped() -> Self {
        todo!()
    }
    /// The shipped templates, and those of a folder, which win by name.
    pub fn load(folder: &Path, last: Option<&Self>) -> (Self, Vec<Fault>) {
        todo!()
    }
    /// These and no others.
    pub fn from_texts<'a>(
        texts: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> (Self, Vec<Fault>) {
        todo!()
    }
    /// Whether there is such a template.
    pub fn has(&self, name: &str) -> bool {
        todo!()
    }
    /// All names.
    pub fn names(&self) -> Vec<&str> {
        todo!()
    }
    /// A template's text.
    pub fn source(&self, name: &str) -> Option<&str> {
        todo!()
    }
    /// The templates behind the name that a report gives (`digest` or `digest.hbs` stands for all three).
    pub fn formats(&self, name: &str) -> Option<Formats> {
        todo!()
    }
    /// The text that a template makes of a context. The nonce marks the boundaries of untrusted text.
    pub fn render(
        &self,
        name: &str,
        context: &Value,
        nonce: &str,
    ) -> Result<String, TemplateError> {
        todo!()
    }
}

/// The arguments of a tool, every text in them filled in.
pub fn fill(args: &Value, context: &Value) -> Result<Value, TemplateError> {
    todo!()
}
/// A text, filled in.
pub fn fill_text(text: &str, context: &Value) -> Result<String, TemplateError> {
    todo!()
}
/// The value that a text stands for.
pub fn fill_value(text: &str, context: &Value) -> Result<Value, TemplateError> {
    todo!()
}
/// Checks a text of a playbook.
pub fn lint_text(text: &str, names: &[&str]) -> Result<(), TemplateError> {
    todo!()
}
