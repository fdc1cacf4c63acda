//! Writes a run's signs of life down as its transcript: together, and in bounds.

use super::parts::Parts;
use super::progress;
use crate::domain::{RunId, Timestamp};
use crate::ledger::LogLine;
use crate::runner::{PROMPT, Sign, SignsEnd};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// So many lines of a transcript are written together.
const LINES_MAX: usize = 64;
/// Or so many bytes of text.
const LINES_BYTES_MAX: usize = 32 * 1024;
/// A line waits so long for others: each commit to the store is waited for by the effects too.
const LINES_WAIT: Duration = Duration::from_millis(200);
/// What an attempt's program says is kept up to so many bytes, and the end of it.
const OUTPUT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The same of everything else that it does: turns and calls are told with their parts.
const ENTRIES_BYTES_MAX: usize = 16 * 1024 * 1024;
/// What each line takes in the ledger beside its text: its place, its instant, its kind. Without it a program
/// that writes a letter a line would leave millions of rows.
const ROW_BYTES: usize = 128;
/// The end that is kept beyond: so many lines at most, of so many bytes together.
const END_LINES_MAX: usize = 100;
const END_BYTES_MAX: usize = 128 * 1024;
/// The kind of a line that a program wrote.
const OUTPUT: &str = "work";

/// Writes a run's signs of life down.
pub(super) struct Transcript {
    pub(super) parts: Arc<Parts>,
    pub(super) run: RunId,
    pub(super) teller: progress::Teller,
}

impl Transcript {
    pub(super) async fn write(self, mut signs: SignsEnd) {
        let (mut lines, mut bytes) = (Vec::new(), 0);
        let mut bounds = Bounds::default();
        let mut until = Instant::now();
        loop {
            let sign = if lines.is_empty() {
                signs.recv().await
            } else {
                let Ok(sign) = tokio::time::timeout_at(until, signs.recv()).await else {
                    self.flush(&mut lines).await;
                    continue;
                };
                sign
            };
            let Some(sign) = sign else { break };
            let at = self.parts.clock.wall();
            let line = match sign {
                Sign::Line(text) => LogLine::new(at, OUTPUT, text),
                Sign::Entry { kind, text, data } => {
                    LogLine { data, ..LogLine::new(at, kind, text) }
                }
            };
            // What it is told is nothing that it did.
            if line.kind != PROMPT {
                self.parts.tell_line(&self.run, &line);
                self.teller.tell(&line);
            }
            let Some(line) = bounds.take(line) else { continue };
            if lines.is_empty() {
                (until, bytes) = (Instant::now() + LINES_WAIT, 0);
            }
            bytes += size(&line);
            lines.push(line);
            // Many long lines in one commit would hold up everybody else's.
            if lines.len() >= LINES_MAX || bytes >= LINES_BYTES_MAX {
                self.flush(&mut lines).await;
            }
        }
        lines.extend(bounds.end(self.parts.clock.wall()));
        self.flush(&mut lines).await;
    }

    async fn flush(&self, lines: &mut Vec<LogLine>) {
        let lines = std::mem::take(lines);
        if lines.is_empty() {
            return;
        }
        if let Err(error) = self.parts.ledger.log(&self.run, &lines).await {
            tracing::warn!(run = %self.run, %error, "the transcript could not be written");
        }
    }
}

/// What a line takes in the ledger, about.
fn size(line: &LogLine) -> usize {
    let data = if line.data.is_null() {
        0
    } else {
        serde_json::to_string(&line.data).map_or(0, |text| text.len())
    };
    ROW_BYTES + line.text.len() + data
}

/// How much of a transcript is kept: its beginning, and its end.
#[derive(Debug, Default)]
struct Bounds {
    output: usize,
    entries: usize,
    end: VecDeque<LogLine>,
    end_bytes: usize,
    left_out: u64,
}

impl Bounds {
    /// The line, when it is to be written now.
    fn take(&mut self, line: LogLine) -> Option<LogLine> {
        let bytes = size(&line);
        let (used, most) = if line.kind == OUTPUT {
            (&mut self.output, OUTPUT_BYTES_MAX)
        } else {
            (&mut self.entries, ENTRIES_BYTES_MAX)
        };
        // Once something was left out, what follows of its sort comes at the end, or its place would lie.
        if *used <= most {
            *used += bytes;
            if *used <= most {
                return Some(line);
            }
        }
        self.end_bytes += bytes;
        self.end.push_back(line);
        while self.end.len() > END_LINES_MAX || self.end_bytes > END_BYTES_MAX {
            let Some(first) = self.end.pop_front() else { break };
            self.end_bytes -= size(&first);
            self.left_out += 1;
        }
        None
    }

    /// What is still to be written: the end, behind a line that says how much is missing.
    fn end(&mut self, at: Timestamp) -> Vec<LogLine> {
        let mut lines = Vec::new();
        if self.left_out > 0 {
            let text = format!(
                "{} lines are left out here: a transcript keeps {} MiB of output, {} MiB of turns and calls, and \
                 the end. What follows is the end.",
                self.left_out,
                OUTPUT_BYTES_MAX / (1024 * 1024),
                ENTRIES_BYTES_MAX / (1024 * 1024)
            );
            lines.push(LogLine::new(at, "note", text));
        }
        lines.extend(self.end.drain(..));
        (self.end_bytes, self.left_out) = (0, 0);
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(kind: &str, number: usize) -> LogLine {
        LogLine::new(Timestamp::UNIX_EPOCH, kind, format!("{number:01000}"))
    }

    #[test]
    fn of_endless_output_the_beginning_and_the_end_are_kept_and_what_is_missing_is_said() {
        let mut bounds = Bounds::default();
        let kept: Vec<_> = (0..100_000).filter_map(|n| bounds.take(line(OUTPUT, n))).collect();
        assert_eq!(kept.len(), OUTPUT_BYTES_MAX / (1_000 + ROW_BYTES));
        assert_eq!(kept.last(), Some(&line(OUTPUT, kept.len() - 1)));
        let end = bounds.end(Timestamp::UNIX_EPOCH);
        assert_eq!(end.len(), 1 + END_LINES_MAX);
        let missing = 100_000 - kept.len() - END_LINES_MAX;
        assert!(end[0].text.starts_with(&format!("{missing} lines are left out")), "{end:?}");
        assert_eq!(end[1..].last(), Some(&line(OUTPUT, 99_999)));
        assert_eq!(bounds.end(Timestamp::UNIX_EPOCH), Vec::new());
    }

    #[test]
    fn output_takes_no_place_of_turns_and_calls() {
        let mut bounds = Bounds::default();
        for number in 0..10_000 {
            bounds.take(line(OUTPUT, number));
        }
        assert_eq!(bounds.take(line("tool", 1)), Some(line("tool", 1)));
    }

    #[test]
    fn what_is_within_bounds_is_kept_whole_and_in_order() {
        let mut bounds = Bounds::default();
        for number in 0..1_000 {
            assert_eq!(bounds.take(line(OUTPUT, number)), Some(line(OUTPUT, number)));
        }
        assert_eq!(bounds.end(Timestamp::UNIX_EPOCH), Vec::new());
    }

    #[test]
    fn a_long_line_at_the_end_does_not_push_the_bound_away() {
        let mut bounds = Bounds::default();
        for _ in 0..10_000 {
            bounds.take(LogLine::new(Timestamp::UNIX_EPOCH, OUTPUT, "x".repeat(4_096)));
        }
        let end = bounds.end(Timestamp::UNIX_EPOCH);
        assert_eq!(end.len(), 1 + END_BYTES_MAX / (4_096 + ROW_BYTES));
    }

    #[test]
    fn of_lines_without_much_text_no_more_are_kept_than_their_rows_have_room() {
        let mut bounds = Bounds::default();
        // All their letters together would have had room.
        let many = 10 * OUTPUT_BYTES_MAX / ROW_BYTES;
        let letter = || LogLine::new(Timestamp::UNIX_EPOCH, OUTPUT, "x");
        let kept = (0..many).filter_map(|_| bounds.take(letter())).count();
        assert!(many < OUTPUT_BYTES_MAX && kept > 1_000, "{kept} of {many}");
        assert!(kept <= OUTPUT_BYTES_MAX / ROW_BYTES, "{kept}");
        assert_eq!(bounds.end(Timestamp::UNIX_EPOCH).len(), 1 + END_LINES_MAX);
    }
}
