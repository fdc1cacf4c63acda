//! A digest as a message.

use super::{Digest, Fill, Line, ReportError, Section, SectionKind, one_line, report};
use crate::domain::{Body, Value};

/// The template of the shipped digest, in all formats.
pub const DIGEST_TEMPLATE: &str = "digest.hbs";

/// Fills a template with a digest.
pub fn render(digest: &Digest, fill: &dyn Fill, template: &str) -> Result<Body, ReportError> {
    report(fill, template, &digest.to_value())
}

impl Digest {
    /// The model that templates see; every text is one line.
    ///
    /// - `window`, `date` (`2026-11-22`), `day` (`Sunday 22 November 2026`), `zone`
    /// - `quiet`: whether there is nothing to report
    /// - `summary`: the counts as a sentence; the board's four always, the agents' where they
    ///   did something
    /// - `sections`: those that have lines, each with `kind`, `title`, `count`, and `lines`:
    ///   `reference`, `url`, `link` (made for the format), `headline`, `notes`; and `rest`: so many
    ///   more are counted and not told
    pub fn to_value(&self) -> Value {
        let shown = self.sections.iter().filter(|section| !section.is_empty());
        Value::map([
            ("window", Value::Text(self.window.clone())),
            ("date", Value::Text(self.date.to_string())),
            ("day", Value::Text(self.date.format("%A %-d %B %Y").to_string())),
            ("zone", Value::Text(self.zone.name().to_owned())),
            ("quiet", Value::Bool(self.is_quiet())),
            ("summary", Value::Text(self.summary())),
            ("sections", Value::List(shown.map(Section::to_value).collect())),
        ])
    }

    /// The counts: absence on the board is worth a word, idle agents are not.
    fn summary(&self) -> String {
        let is_told =
            |section: &&Section| section.kind <= SectionKind::Milestones || !section.is_empty();
        let told = self.sections.iter().filter(is_told);
        told.map(|section| section.kind.counted(section.count())).collect::<Vec<_>>().join(", ")
    }
}

impl Section {
    fn to_value(&self) -> Value {
        let number = |count: usize| Value::Int(i64::try_from(count).unwrap_or(i64::MAX));
        Value::map([
            ("kind", Value::Text(self.kind.as_str().to_owned())),
            ("title", Value::Text(self.kind.title().to_owned())),
            ("count", number(self.count())),
            ("lines", Value::List(self.lines.iter().map(Line::to_value).collect())),
            ("rest", number(self.rest)),
        ])
    }
}

impl Line {
    fn to_value(&self) -> Value {
        let notes: Vec<_> = self.notes.iter().map(|note| one_line(note)).collect();
        Value::map([
            ("reference", Value::Text(self.evidence.reference.clone())),
            ("url", Value::Text(self.evidence.url.clone().unwrap_or_default())),
            ("headline", Value::Text(one_line(&self.headline))),
            ("notes", Value::Text(notes.join(" · "))),
        ])
    }
}
