//! A calendar as a document that calendar programs read: `text/calendar`, RFC 5545.

use super::{Scheduled, Span, Timestamp, When};
use chrono::{Datelike, NaiveDate};

/// The longest line in bytes, without its end.
const LINE_BYTES_MAX: usize = 75;

/// Writes events and planned tasks as one document. The same entries make the same document:
/// nothing in it depends on when it was written.
///
/// `name` is shown as the calendar's; `host` makes the entries' names unique in the world.
/// Instants are in UTC, to the second; whole days are dates, which no zone can move.
pub fn icalendar(name: &str, host: &str, entries: &[Scheduled]) -> String {
    let mut document = Document::default();
    for fixed in
        ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Rota//Rota//EN", "CALSCALE:GREGORIAN"]
    {
        document.line(fixed);
    }
    document.text("X-WR-CALNAME", name);
    for entry in entries {
        document.entry(host, entry);
    }
    document.line("END:VCALENDAR");
    document.0
}

#[derive(Default)]
struct Document(String);

impl Document {
    fn entry(&mut self, host: &str, entry: &Scheduled) {
        let Some(when) = entry.when() else { return };
        let (uid, title, description, location) = match entry {
            Scheduled::Event(e) => {
                (format!("event-{}", e.id), &e.title, &e.description, &*e.location)
            }
            Scheduled::Task(t) => (format!("task-{}", t.id), &t.headline, &t.description, ""),
        };
        let (created, modified, revision) = match entry {
            Scheduled::Event(e) => (e.created, e.modified, e.revision),
            Scheduled::Task(t) => (t.created, t.modified, t.revision),
        };
        self.line("BEGIN:VEVENT");
        self.text("UID", &format!("{uid}@{host}"));
        self.line(&format!("DTSTAMP:{}", instant(modified)));
        self.line(&format!("CREATED:{}", instant(created)));
        self.line(&format!("LAST-MODIFIED:{}", instant(modified)));
        // A program keeps what it has until it reads a higher number; it reads 31 bits.
        self.line(&format!("SEQUENCE:{}", revision.saturating_sub(1).min(2_147_483_647)));
        self.when(when);
        self.text("SUMMARY", title);
        if !description.is_empty() {
            self.text("DESCRIPTION", description);
        }
        if !location.is_empty() {
            self.text("LOCATION", location);
        }
        self.line("END:VEVENT");
    }

    /// What ends when it begins has no end: one that is not later is not allowed.
    fn when(&mut self, when: When) {
        match when {
            When::Timed(Span { from, to }) => {
                self.line(&format!("DTSTART:{}", instant(from)));
                if to.timestamp() > from.timestamp() {
                    self.line(&format!("DTEND:{}", instant(to)));
                }
            }
            When::Days { first, last } => {
                // The end is the day after: it is no longer in it.
                let end = last.succ_opt().filter(|end| end.year() <= 9_999).unwrap_or(last);
                self.line(&format!("DTSTART;VALUE=DATE:{}", date(first)));
                if end > first {
                    self.line(&format!("DTEND;VALUE=DATE:{}", date(end)));
                }
            }
        }
    }

    fn text(&mut self, name: &str, text: &str) {
        self.line(&format!("{name}:{}", escaped(text)));
    }

    /// One line, folded where it is too long, never within a character.
    fn line(&mut self, text: &str) {
        let mut bytes = 0;
        for character in text.chars() {
            if bytes + character.len_utf8() > LINE_BYTES_MAX {
                self.0.push_str("\r\n ");
                bytes = 1;
            }
            self.0.push(character);
            bytes += character.len_utf8();
        }
        self.0.push_str("\r\n");
    }
}

fn instant(at: Timestamp) -> String {
    at.format("%Y%m%dT%H%M%SZ").to_string()
}

fn date(day: NaiveDate) -> String {
    day.format("%Y%m%d").to_string()
}

/// Ends of lines are written as `\n`; what else controls a terminal or a reader is left out.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.replace("\r\n", "\n").chars() {
        match character {
            '\\' | ';' | ',' => {
                out.push('\\');
                out.push(character);
            }
            '\n' | '\r' => out.push_str("\\n"),
            '\t' => out.push('\t'),
            control if control.is_control() => {}
            other => out.push(other),
        }
    }
    out
}
