//! Any notice from templates: one model, the formats its templates make, and a [`Body`].

use super::blocks::{self, BlockError};
use super::{Format, dress};
use crate::domain::{Body, Value};

/// The longest text a template may make, in bytes.
pub const FILLED_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Fills templates. Implementations are strict (an unknown name is an error) and must not escape
/// anything: what they are given is escaped for the template's format already.
pub trait Fill: Send + Sync {
    /// Fills the template of this name; the error is a text for people, without a full stop.
    fn fill(&self, template: &str, data: &Value) -> Result<String, String>;

    /// Whether there is a template of this name.
    fn has(&self, template: &str) -> bool;
}

/// Why there is no message.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// No template of this name, in any format.
    #[error(
        "there is no template {0:?}; expected a name ending in .hbs, .txt.hbs, .md.hbs or .slack.hbs"
    )]
    NoTemplate(String),
    /// A template could not be filled in.
    #[error("template {template:?} could not be filled in: {fault}")]
    Fill {
        /// Its name.
        template: String,
        /// What is wrong, with line and column where known.
        fault: String,
    },
    /// A template made more than anybody reads.
    #[error("template {0:?} makes more than {FILLED_BYTES_MAX} bytes")]
    TooLong(String),
    /// What the template made is no Slack message.
    #[error("template {template:?} makes no Slack message")]
    Blocks {
        /// Its name.
        template: String,
        /// What is wrong.
        #[source]
        source: BlockError,
    },
}

/// Makes a message from a template and a model.
///
/// `digest.hbs` stands for `digest.txt.hbs`, `digest.md.hbs` and `digest.slack.hbs`, as far as they
/// exist (at least one must); a name with one of these endings stands for itself. Formats that no
/// template makes are derived: the plain text stands for the missing ones, and a lone Slack
/// or Markdown template's output is read as plain text. A blank result in every format is an empty body.
pub fn report(fill: &dyn Fill, template: &str, data: &Value) -> Result<Body, ReportError> {
    let _ = (fill, template, data, blocks::fit, dress, Format::ALL);
    todo!()
}
