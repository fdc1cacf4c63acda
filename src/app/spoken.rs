//! Messages to the channel `stdout` of a command that works without a daemon. A command's standard
//! output holds its result, and the result tells the messages of the run; so they are held here, and
//! what no result told (a message that an earlier life left in the outbox) goes to standard error.

use crate::domain::Value;
use crate::notify::SharedWriter;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

/// More messages than this are not held: the earliest go to standard error.
const HELD_MAX: usize = 1_000;

/// Messages that were taken, and not told yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Spoken(Arc<Mutex<Vec<String>>>);

impl Spoken {
    /// The writer of the channel `stdout`.
    pub(super) fn writer(&self) -> SharedWriter {
        Arc::new(Mutex::new(self.clone()))
    }

    /// These messages of a run's report are told with it.
    pub(super) fn told_by(&self, report: &Value) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for notice in report.get("notices").and_then(Value::as_list).unwrap_or(&[]) {
            let body = notice.get("body").and_then(Value::as_text).map(bare);
            if let Some(place) = held.iter().position(|text| Some(bare(text)) == body) {
                held.remove(place);
            }
        }
    }

    /// Says on standard error what was told nowhere else.
    pub(super) fn say_the_rest(&self) {
        let held = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        for text in held {
            // Nobody is left to be told that standard error cannot be written.
            let _ = std::io::stderr().write_all(text.as_bytes());
        }
    }
}

/// A text without what a channel changes: control characters and blanks around it.
fn bare(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect::<String>().trim().to_owned()
}

impl Write for Spoken {
    /// One message is one write.
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if held.len() >= HELD_MAX {
            std::io::stderr().write_all(held.remove(0).as_bytes())?;
        }
        held.push(String::from_utf8_lossy(bytes).into_owned());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_report_told_is_not_said_again() {
        let spoken = Spoken::default();
        let writer = spoken.writer();
        for text in ["digest\nof today\n", "left over\n"] {
            writer.lock().unwrap().write_all(text.as_bytes()).unwrap();
        }
        let notice = Value::map([("to", "stdout"), ("body", "digest\nof today")]);
        spoken.told_by(&Value::map([("notices", Value::List(vec![notice]))]));
        assert_eq!(*spoken.0.lock().unwrap(), ["left over\n"]);
    }
}
