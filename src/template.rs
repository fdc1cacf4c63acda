//! Templates: what a team edits to decide how prompts, comments and reports read. This room (this
//! file and its folder) alone names handlebars.
//!
//! A template's file name says for whom text from outside is escaped: `*.slack.hbs` for Slack
//! (`& < >`, and `@channel` does not ping), `*.md.hbs` for Markdown, everything else is plain
//! text. Templates are strict, and checked when they are loaded: unknown names, helpers and
//! partials, cycles, and anything that leaves escaping out are faults at line and column.
//! What a board's people wrote is never parsed as a template.
//!
//! Helpers besides handlebars' own `if unless each with lookup len eq ne gt gte lt lte and or not`:
//!
//! | helper | what it gives |
//! |---|---|
//! | `{{date task.due "%d %b %Y" zone}}` | an instant in a zone (default: the playbook's; format as `strftime`); nothing for `null` |
//! | `{{plural (len tasks) "task" "tasks"}}` | `1 task`, `2 tasks` |
//! | `{{truncate task.headline 80}}` | at most so many characters, cut after a word |
//! | `{{default task.assignee_name "nobody"}}` | the second for `null` and empty texts |
//! | `{{join task.tags ", "}}` | a list as one text |
//! | `{{line task.project_name}}` | a name from outside on one short line |
//! | `{{untrusted task.description from="the description"}}` | text from outside between marks that it cannot forge: for prompts |

mod fill;
mod helpers;
mod lint;
mod render;
mod shipped;
#[cfg(test)]
mod tests;
pub mod vocabulary;
mod work;

pub use fill::{fill, fill_text, fill_value, lint_text};

use crate::domain::Value;
use crate::fault::Fault;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

/// The largest template, in bytes.
pub const TEMPLATE_BYTES_MAX: usize = 64 * 1024;
/// The longest text a template may make, in bytes.
pub const OUTPUT_BYTES_MAX: usize = 256 * 1024;
/// The longest report a template may make, in bytes: it may have thousands of lines.
const REPORT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The most templates of a folder.
const TEMPLATES_MAX: usize = 500;

/// For whom text from outside is escaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Escape {
    /// For nobody: plain text.
    Text,
    /// So that it reads as it was written in Markdown.
    Markdown,
    /// So that it neither formats nor pings in Slack.
    Slack,
}

impl Escape {
    /// What a template's name says.
    pub fn of(name: &str) -> Self {
        if name.ends_with(".slack.hbs") {
            Self::Slack
        } else if name.ends_with(".md.hbs") {
            Self::Markdown
        } else {
            Self::Text
        }
    }
}

/// A set of templates that were found good.
#[derive(Clone)]
pub struct Templates {
    texts: BTreeMap<String, Arc<str>>,
    named: BTreeMap<String, lint::Named>,
    engine: Arc<render::Engine>,
}

impl std::fmt::Debug for Templates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Templates").field(&self.names()).finish()
    }
}

/// Why a template gave no text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("template `{template}`, line {line}, column {column}: {message}")]
pub struct TemplateError {
    /// The template, or the text of a playbook.
    pub template: String,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What went wrong.
    pub message: String,
}

/// The templates behind the name that a report gives.
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
        Self::from_texts(shipped::TEXTS.iter().copied()).0
    }

    /// The texts of the templates that ship with the program, by file name.
    pub fn shipped_texts() -> &'static [(&'static str, &'static str)] {
        shipped::TEXTS
    }

    /// The shipped templates, and those of a folder, which win by name. Where a template of the
    /// folder has faults, the version of `last` is kept, else the shipped one. A folder that does
    /// not exist is empty.
    pub fn load(folder: &Path, last: Option<&Self>) -> (Self, Vec<Fault>) {
        let (found, mut faults) = read_folder(folder);
        let mut texts: BTreeMap<String, Arc<str>> =
            shipped::TEXTS.iter().map(|(n, t)| ((*n).to_owned(), Arc::from(*t))).collect();
        texts.extend(found.iter().map(|(name, text)| (name.clone(), text.clone())));
        let paths: BTreeMap<&str, String> = found
            .keys()
            .map(|name| (name.as_str(), folder.join(name).display().to_string()))
            .collect();
        // A faulty template is replaced by its last good version; another may have used it, so the
        // whole set is looked at again until it holds together.
        for round in 0..3 {
            let checked = lint::check(&texts, &paths);
            if round == 0 {
                faults.extend(checked.faults);
            }
            if checked.bad.is_empty() {
                crate::fault::sort(&mut faults);
                return (Self::of(texts, checked.parsed), faults);
            }
            for name in checked.bad {
                let kept = (round == 0).then(|| last.and_then(|l| l.texts.get(&name))).flatten();
                let shipped = shipped::TEXTS.iter().find(|(n, _)| *n == name);
                match (kept, shipped) {
                    (Some(text), _) => drop(texts.insert(name, text.clone())),
                    (None, Some((_, text))) if round < 2 => {
                        drop(texts.insert(name, Arc::from(*text)));
                    }
                    _ => drop(texts.remove(&name)),
                }
            }
        }
        crate::fault::sort(&mut faults);
        let parsed = lint::check(&texts, &paths).parsed;
        (Self::of(texts, parsed), faults)
    }

    /// Whether these are the same texts.
    pub fn is_same(&self, other: &Self) -> bool {
        self.texts == other.texts
    }

    /// These and no others; those with faults are left out.
    pub fn from_texts<'a>(
        texts: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> (Self, Vec<Fault>) {
        let mut texts: BTreeMap<String, Arc<str>> =
            texts.into_iter().map(|(n, t)| (n.to_owned(), Arc::from(t))).collect();
        let mut checked = lint::check(&texts, &BTreeMap::new());
        let faults = std::mem::take(&mut checked.faults);
        while !checked.bad.is_empty() {
            texts.retain(|name, _| !checked.bad.contains(name));
            checked = lint::check(&texts, &BTreeMap::new());
        }
        (Self::of(texts, checked.parsed), faults)
    }

    fn of(texts: BTreeMap<String, Arc<str>>, parsed: lint::Parsed) -> Self {
        let named = lint::named(&texts, &parsed);
        let engine = Arc::new(render::Engine::new(parsed));
        Self { texts, named, engine }
    }

    /// Whether there is such a template.
    pub fn has(&self, name: &str) -> bool {
        self.texts.contains_key(name)
    }

    /// All names, sorted.
    pub fn names(&self) -> Vec<&str> {
        self.texts.keys().map(String::as_str).collect()
    }

    /// A template's text.
    pub fn source(&self, name: &str) -> Option<&str> {
        self.texts.get(name).map(AsRef::as_ref)
    }

    /// The names that a template and its partials speak of.
    pub fn speaks_of(&self, name: &str) -> Option<&BTreeSet<String>> {
        self.named.get(name).map(|named| &named.roots)
    }

    /// SHA-256 of a template with its partials, in hex: another text of any of them, another digest.
    pub fn digest(&self, name: &str) -> Option<String> {
        let partials = &self.named.get(name)?.partials;
        let mut hash = Sha256::new();
        for part in std::iter::once(name).chain(partials.iter().map(String::as_str)) {
            let text = self.source(part).unwrap_or_default();
            // With their lengths: nothing of one passes for a part of the next.
            hash.update(format!("{} {part} {} ", part.len(), text.len()));
            hash.update(text);
        }
        let mut hex = String::with_capacity(64);
        for byte in hash.finalize() {
            let _ = write!(hex, "{byte:02x}");
        }
        Some(hex)
    }

    /// The templates behind the name that a report gives: `digest` and `digest.hbs` stand for
    /// `digest.txt.hbs`, `digest.md.hbs` and `digest.slack.hbs`, whichever there are; a full name
    /// stands for itself. `None` when there are none.
    pub fn formats(&self, name: &str) -> Option<Formats> {
        let mut formats = Formats::default();
        if self.has(name) {
            let place = match Escape::of(name) {
                Escape::Text => &mut formats.text,
                Escape::Markdown => &mut formats.markdown,
                Escape::Slack => &mut formats.slack,
            };
            *place = Some(name.to_owned());
            return Some(formats);
        }
        let stem = name.strip_suffix(".hbs").unwrap_or(name);
        let found = |ending: &str| Some(format!("{stem}.{ending}.hbs")).filter(|n| self.has(n));
        formats.text = found("txt");
        formats.markdown = found("md");
        formats.slack = found("slack");
        (formats != Formats::default()).then_some(formats)
    }

    /// The text that a template makes of a context (an object with the names of
    /// [`vocabulary`]), without blanks at its end. The nonce marks the boundaries of untrusted
    /// text: a new one for each rendering, that nobody outside can know.
    ///
    /// # Errors
    /// A template that is missing, a name that is missing, or a text that is too long.
    pub fn render(
        &self,
        name: &str,
        context: &Value,
        nonce: &str,
    ) -> Result<String, TemplateError> {
        self.engine.render(name, Escape::of(name), context, nonce, OUTPUT_BYTES_MAX)
    }

    /// Like [`Templates::render`], for a context whose texts have been escaped for the template's
    /// format already: nothing is escaped again. The room `digest` renders reports so.
    ///
    /// # Errors
    /// A template that is missing, a name that is missing, or a text that is too long.
    pub fn render_escaped(&self, name: &str, context: &Value) -> Result<String, TemplateError> {
        self.engine.render(name, Escape::Text, context, "", REPORT_BYTES_MAX)
    }
}

/// The templates of a folder, by file name, and what could not be read.
fn read_folder(folder: &Path) -> (BTreeMap<String, Arc<str>>, Vec<Fault>) {
    let (mut texts, mut faults) = (BTreeMap::new(), Vec::new());
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return (texts, faults),
        Err(error) => {
            let message = format!("folder cannot be read: {}", error.kind());
            faults.push(Fault::of_file(folder.display().to_string(), message));
            return (texts, faults);
        }
    };
    let mut paths: Vec<_> = entries.filter_map(|entry| entry.ok().map(|e| e.path())).collect();
    paths.sort();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "hbs"));
    if paths.len() > TEMPLATES_MAX {
        let message = format!("folder holds more than {TEMPLATES_MAX} templates");
        faults.push(Fault::of_file(folder.display().to_string(), message));
        paths.truncate(TEMPLATES_MAX);
    }
    for path in paths {
        let shown = path.display().to_string();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            faults.push(Fault::of_file(shown, "file name is not UTF-8"));
            continue;
        };
        match crate::fault::read_text(&path, TEMPLATE_BYTES_MAX) {
            Ok(text) => drop(texts.insert(name.to_owned(), Arc::from(text))),
            Err(message) => faults.push(Fault::of_file(shown, message)),
        }
    }
    (texts, faults)
}
