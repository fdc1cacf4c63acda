//! Faults in files that people write: where, what, and what to do instead.
//!
//! A [`Fault`] stands alone: it carries its place and the quoted line, already made safe. A quoted
//! line never shows the value of a key that may be secret (also of a mistyped one: `tokn = "…"`),
//! nor anything that looks like a token, nor a control character.

mod near;
mod quote;
pub mod table;

pub use near::{did_you_mean, nearest};
pub use quote::{REDACTED, looks_secret, masked, names_secret, shown, visible, without_secrets};

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde::Serialize;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The file is not used.
    Error,
    /// The file is used; somebody should look.
    Warning,
}

/// One thing that is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The file, as people name it.
    pub path: String,
    /// The line, from 1; 0 when it is about the whole file.
    pub line: usize,
    /// The column in characters, from 1; 0 when it is about the whole file.
    pub column: usize,
    /// What is wrong: a fragment without a full stop.
    pub message: String,
    /// What to do instead.
    pub help: Option<String>,
    /// How bad it is.
    pub severity: Severity,
    /// The line as it may be shown.
    pub quote: Option<Quote>,
}

/// A line of a file as it may be shown: secrets masked, control characters written out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Quote {
    /// The line.
    pub text: String,
    /// What is marked in it, in bytes of `text`.
    pub mark: Range<usize>,
}

impl Fault {
    /// A fault of a whole file: it cannot be read, is too large, and the like.
    pub fn of_file(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            line: 0,
            column: 0,
            message: message.into(),
            help: None,
            severity: Severity::Error,
            quote: None,
        }
    }

    /// The same fault, with what to do instead.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same fault, as a warning.
    #[must_use]
    pub fn as_warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }

    /// The fault with its line and a caret, as a compiler shows it; no final line break.
    pub fn render(&self, coloured: bool) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let renderer = if coloured { Renderer::styled() } else { Renderer::plain() };
        // A file's name, too, is written by whoever made the file.
        let (path, message) = (visible(&self.path), visible(&self.message));
        let help = self.help.as_deref().map(visible);
        let title = level.primary_title(message.as_str());
        let mut group = match &self.quote {
            Some(quote) => Group::with_title(title).element(
                Snippet::source(quote.text.as_str())
                    .path(path.as_str())
                    .line_start(self.line)
                    .annotation(AnnotationKind::Primary.span(quote.mark.clone())),
            ),
            None => {
                Group::with_title(title).element(annotate_snippets::Origin::path(path.as_str()))
            }
        };
        if let Some(help) = &help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        self.at_its_place(renderer.render(&[group]), &path)
    }

    /// The rendering counts columns in the line as it is shown; people look for the place in the
    /// file, where nothing is masked or written out.
    fn at_its_place(&self, rendered: String, path: &str) -> String {
        let begin = format!("{path}:{}:", self.line);
        let Some(arrow) = rendered.find("--> ").filter(|_| self.quote.is_some()) else {
            return rendered;
        };
        let Some(column) = rendered[arrow..].find(&begin).map(|at| arrow + at + begin.len()) else {
            return rendered;
        };
        let rest = rendered[column..].trim_start_matches(|c: char| c.is_ascii_digit());
        format!("{}{}{rest}", &rendered[..column], self.column)
    }
}

/// One line: `file:line:column: message (help)`.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&visible(&self.path))?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        f.write_str(": ")?;
        if self.severity == Severity::Warning {
            f.write_str("warning: ")?;
        }
        f.write_str(&visible(&self.message))?;
        if let Some(help) = &self.help {
            write!(f, " ({})", visible(help))?;
        }
        Ok(())
    }
}

/// Faults with carets, one after the other, an empty line between them.
pub fn render_all(faults: &[Fault], coloured: bool) -> String {
    faults.iter().map(|fault| fault.render(coloured)).collect::<Vec<_>>().join("\n\n")
}

/// Puts faults in the order of the file and leaves out doubles.
pub fn sort(faults: &mut Vec<Fault>) {
    faults.sort_by(|a, b| {
        (&a.path, a.line, a.column, &a.message).cmp(&(&b.path, b.line, b.column, &b.message))
    });
    faults.dedup();
}

/// How much of a quoted line may be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Showing {
    /// The line as it is, but for what looks like a token or stands under a secret's name.
    Values,
    /// Keys and tables only: every value is masked.
    KeysOnly,
}

/// The text of a file that faults point into. Its `Debug` does not show the text.
#[derive(Clone)]
pub struct Source {
    path: Arc<str>,
    text: Arc<str>,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Source {
    /// A text and the name people know it by.
    pub fn new(path: impl Into<Arc<str>>, text: impl Into<Arc<str>>) -> Self {
        Self { path: path.into(), text: text.into() }
    }

    /// The name people know it by.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// A fault at these bytes of the text. A span outside the text points at its end.
    pub fn fault(&self, span: Range<usize>, showing: Showing, message: impl Into<String>) -> Fault {
        let start = self.floor(span.start);
        let end = self.floor(span.end).max(start);
        let line_start = self.text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = self.text[start..].find('\n').map_or(self.text.len(), |at| start + at);
        let line = self.text[line_start..line_end].trim_end_matches('\r');
        let within = (start - line_start).min(line.len())..(end - line_start).min(line.len());
        let inside_text = quote::starts_inside_text(&self.text[..line_start]);
        Fault {
            path: self.path.to_string(),
            line: self.line_of(line_start),
            column: self.text[line_start..start].chars().count() + 1,
            message: message.into(),
            help: None,
            severity: Severity::Error,
            quote: Some(quote::quote(line, within, showing, inside_text)),
        }
    }

    /// The line of a byte, from 1.
    fn line_of(&self, at: usize) -> usize {
        self.text[..self.floor(at)].matches('\n').count() + 1
    }

    /// The bytes of a line and column (both from 1, columns in characters).
    pub fn at(&self, line: usize, column: usize) -> Range<usize> {
        let mut start = 0;
        for _ in 1..line {
            match self.text[start..].find('\n') {
                Some(at) => start += at + 1,
                None => return self.text.len()..self.text.len(),
            }
        }
        let rest = self.text[start..].split('\n').next().unwrap_or_default();
        let within = rest.char_indices().nth(column.saturating_sub(1));
        let at = start + within.map_or(rest.len(), |(at, _)| at);
        at..at
    }

    /// The nearest character boundary at or before a byte.
    fn floor(&self, at: usize) -> usize {
        let mut at = at.min(self.text.len());
        while !self.text.is_char_boundary(at) {
            at -= 1;
        }
        at
    }
}

/// The text of a file of at most so many bytes, without the mark of byte order that some editors
/// put before it.
///
/// # Errors
/// What is wrong with the file, as a fault's message.
pub fn read_text(path: &std::path::Path, bytes_max: usize) -> Result<String, String> {
    use std::io::Read as _;
    let cause = |error: std::io::Error| format!("file cannot be read: {}", error.kind());
    let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX);
    // A pipe or a device would never end, or never begin.
    if !std::fs::metadata(path).map_err(cause)?.is_file() {
        return Err("file cannot be read: not a regular file".to_owned());
    }
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(cause)?;
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(cause)?;
    if bytes.len() > bytes_max {
        return Err(format!("file is larger than {} KiB", bytes_max / 1024));
    }
    let mut text = String::from_utf8(bytes).map_err(|_| "file is not UTF-8".to_owned())?;
    if text.starts_with('\u{feff}') {
        text.remove(0);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_names_file_line_and_column() {
        let source = Source::new("a.toml", "x = 1\nwhät = \"é\"\n");
        let at = source.text().find("\"é").unwrap();
        let fault = source.fault(at..at + 4, Showing::Values, "no").with_help("yes");
        assert_eq!(fault.to_string(), "a.toml:2:8: no (yes)");
        assert_eq!(source.at(2, 8).start, at);
    }

    #[test]
    fn a_fault_is_shown_with_a_caret() {
        let source = Source::new("a.toml", "x = 1\nlimti = 3\n");
        let fault = source.fault(6..11, Showing::Values, "unknown key `limti`");
        let shown = fault.render(false);
        assert!(shown.contains("--> a.toml:2:1"), "{shown}");
        assert!(shown.contains("limti = 3\n  | ^^^^^"), "{shown}");
        assert!(fault.render(true).contains("\u{1b}["));
    }

    #[test]
    fn a_span_outside_the_text_points_at_its_end() {
        let source = Source::new("a.toml", "x");
        let fault = source.fault(90..99, Showing::Values, "no");
        assert_eq!((fault.line, fault.column), (1, 2));
        let empty = Source::new("a.toml", "");
        assert!(!empty.fault(0..0, Showing::Values, "no").render(false).is_empty());
    }

    #[test]
    fn a_source_does_not_show_its_text_in_debug() {
        assert!(!format!("{:?}", Source::new("a", "hunter2")).contains("hunter2"));
    }
}
