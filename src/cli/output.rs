//! The only place that prints. Results go to standard output, everything else to standard error;
//! with `--json` standard output holds exactly one document.

use super::page::{Page, Style, harmless, is_obeyed};
use super::told;
use crate::app::failure::{Failure, FailureKind};
use crate::daemon::control::Progress;
use serde::Serialize;
use std::io::{IsTerminal as _, Write};
use std::sync::{Mutex, PoisonError};

/// When colour is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum ColourChoice {
    /// Where a terminal reads and `NO_COLOR` is not set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// How to print.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Manner {
    /// One JSON document instead of text.
    pub json: bool,
    /// Nothing but results and failures.
    pub quiet: bool,
    /// When colour is shown.
    pub colour: ColourChoice,
    /// Whether `NO_COLOR` is set, and not empty.
    pub no_colour: bool,
}

type Stream = Mutex<Box<dyn Write + Send>>;

/// A JSON document that a terminal may be shown, too: what it would obey, and JSON lets stand, is
/// written as an escape and stays the same text. It can only stand inside of strings.
fn written_out(document: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(document.len());
    for c in document.chars() {
        if c != '\n' && is_obeyed(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    out
}

/// Standard output and standard error.
pub struct Output {
    manner: Manner,
    results: Stream,
    remarks: Stream,
    results_coloured: bool,
    remarks_coloured: bool,
    watched: bool,
}

impl Output {
    /// The process's own streams.
    pub fn standard(manner: Manner) -> Self {
        let (out, err) = (std::io::stdout(), std::io::stderr());
        let (out_seen, err_seen) = (out.is_terminal(), err.is_terminal());
        Self::to(manner, Box::new(out), Box::new(err), out_seen, err_seen)
    }

    /// Any streams, and whether a terminal reads each of them.
    pub fn to(
        manner: Manner,
        results: Box<dyn Write + Send>,
        remarks: Box<dyn Write + Send>,
        results_seen: bool,
        remarks_seen: bool,
    ) -> Self {
        let coloured = |seen: bool| match manner.colour {
            ColourChoice::Always => true,
            ColourChoice::Never => false,
            ColourChoice::Auto => seen && !manner.no_colour,
        };
        Self {
            results: Mutex::new(results),
            remarks: Mutex::new(remarks),
            results_coloured: coloured(results_seen),
            remarks_coloured: coloured(remarks_seen),
            watched: remarks_seen && !manner.json && !manner.quiet,
            manner,
        }
    }

    /// Whether programs read: one JSON document, nothing else.
    pub fn is_json(&self) -> bool {
        self.manner.json
    }

    /// Whether a person waits at a terminal and may be shown that something goes on.
    pub fn is_watched(&self) -> bool {
        self.watched
    }

    /// Whether remarks are coloured.
    pub fn colours_remarks(&self) -> bool {
        self.remarks_coloured
    }

    /// Prints a result: the page for people, or the document for programs.
    pub fn result<T: Serialize>(&self, value: &T, page: &Page) -> Result<(), Failure> {
        if self.manner.json { self.document(value) } else { self.page(page) }
    }

    /// Prints a part of a result for people; nothing for programs.
    pub fn page(&self, page: &Page) -> Result<(), Failure> {
        if self.manner.json {
            return Ok(());
        }
        self.write(&page.render(self.results_coloured))
    }

    /// Prints a text that is ours and goes to a file or a program (a schema, a script, a manual
    /// page), as it is; as a JSON text for programs.
    pub fn verbatim(&self, text: &str) -> Result<(), Failure> {
        if self.manner.json { self.document(&text) } else { self.write(text) }
    }

    /// Says something beside the result; nothing when quiet or for programs.
    pub fn remark(&self, page: &Page) {
        if !self.manner.quiet && !self.manner.json {
            self.tell(page);
        }
    }

    /// Says why it was not done; to programs with a document of its own, unless the result that
    /// says so has been printed.
    pub fn failure(&self, failure: &Failure) {
        if failure.kind == FailureKind::BrokenPipe {
            return;
        }
        self.tell(&page_of(failure));
        if self.manner.json {
            // Whether the document can be written changes nothing any more.
            let _ = self.document(&Explained { error: explain(failure) });
        }
    }

    /// Prints a document on a line of its own: one of several, for programs that read as they come.
    pub fn json_line<T: Serialize>(&self, value: &T) -> Result<(), Failure> {
        let mut text = serde_json::to_string(value).map_err(|error| {
            Failure::internal("cannot write the result as json").because(&error)
        })?;
        text.push('\n');
        self.write(&written_out(&text))
    }

    fn document<T: Serialize>(&self, value: &T) -> Result<(), Failure> {
        let mut text = serde_json::to_string_pretty(value).map_err(|error| {
            Failure::internal("cannot write the result as json").because(&error)
        })?;
        text.push('\n');
        self.write(&written_out(&text))
    }

    fn write(&self, text: &str) -> Result<(), Failure> {
        let mut stream = self.results.lock().unwrap_or_else(PoisonError::into_inner);
        stream
            .write_all(text.as_bytes())
            .and_then(|()| stream.flush())
            .map_err(|error| Failure::io(FailureKind::State, "cannot write the result", &error))
    }

    fn tell(&self, page: &Page) {
        let mut stream = self.remarks.lock().unwrap_or_else(PoisonError::into_inner);
        let text = page.render(self.remarks_coloured);
        // Nobody is left to be told that standard error cannot be written.
        let _ = stream.write_all(text.as_bytes()).and_then(|()| stream.flush());
    }
}

/// A failure, as programs read it.
#[derive(Serialize)]
struct Explained<'a> {
    error: ExplainedFailure<'a>,
}

#[derive(Serialize)]
struct ExplainedFailure<'a> {
    kind: &'static str,
    reason: Option<&'a str>,
    message: &'a str,
    causes: &'a [String],
    hints: &'a [String],
    exit_code: u8,
}

fn explain(failure: &Failure) -> ExplainedFailure<'_> {
    ExplainedFailure {
        kind: failure.kind.as_str(),
        reason: failure.reason.as_deref(),
        message: &failure.message,
        causes: &failure.causes,
        hints: &failure.hints,
        exit_code: failure.kind.exit_code(),
    }
}

/// `error: what [code]`, the causes below it, then what to do.
fn page_of(failure: &Failure) -> Page {
    let mut page = Page::new();
    // Faults of a file say it themselves.
    let message = failure.message.strip_prefix("error: ").unwrap_or(&failure.message);
    let mut lines = message.trim_end().lines();
    page.line(Style::Bad, "error").add(Style::Plain, ": ");
    page.add(Style::Plain, lines.next().unwrap_or("something went wrong"));
    if let Some(reason) = &failure.reason {
        page.add(Style::Dim, &format!(" [{reason}]"));
    }
    for line in lines {
        page.line(Style::Plain, line);
    }
    for cause in &failure.causes {
        page.line(Style::Dim, "  because ").add(Style::Plain, cause);
    }
    for hint in &failure.hints {
        page.line(Style::Warn, "hint").add(Style::Plain, ": ").add(Style::Plain, hint);
    }
    page
}

/// Something that happened, as one line.
pub fn progress_page(progress: &Progress) -> Page {
    let mut page = Page::new();
    page.line(Style::Dim, &progress.at.format("%H:%M:%S").to_string());
    page.add(Style::Plain, "  ").add(Style::Plain, &told::line(progress));
    page
}

/// Something that happened, for the line that a spinner shows.
pub fn progress_text(progress: &Progress) -> String {
    harmless(&progress.text)
}

/// From now on a panic says that it is a fault of ours, in one line.
pub fn tell_of_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(String::new, |place| format!(" at {place}"));
        let what = panic.payload_as_str().unwrap_or("unknown");
        let text = format!("error: a fault of ours{place}: {}\n", harmless(what));
        // Nobody is left to be told that standard error cannot be written.
        let _ = std::io::stderr().write_all(text.as_bytes());
    }));
}
