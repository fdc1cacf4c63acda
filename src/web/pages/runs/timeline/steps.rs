//! Which of a run's writes belong to which line of its transcript.

use crate::domain::{Timestamp, Value};
use crate::web::pages::shown::{instant, int, list, object, text};

/// A line of a transcript, with the writes that belong to it.
pub(super) struct Step<'a> {
    pub(super) line: &'a Value,
    /// Those that no call is known to have made, since the line before.
    pub(super) before: Vec<&'a Value>,
    /// Those of the call that it tells of.
    pub(super) made: Vec<&'a Value>,
}

/// A line's number.
pub(super) fn number(line: &Value) -> i64 {
    int(line, "number").unwrap_or_default()
}

/// The lines with their writes, and the writes after the last line.
pub(super) fn of(record: &Value) -> (Vec<Step<'_>>, Vec<&Value>) {
    let lines = list(record, "transcript");
    let empty = |line| Step { line, before: Vec::new(), made: Vec::new() };
    let mut steps: Vec<Step<'_>> = lines.iter().map(empty).collect();
    let times: Vec<Option<Timestamp>> =
        lines.iter().map(|line| instant(text(line, "at"))).collect();
    let calls: Vec<(usize, i64, i64)> = lines
        .iter()
        .enumerate()
        .filter_map(|(place, line)| writes_of(line).map(|(first, last)| (place, first, last)))
        .collect();
    let mut after = Vec::new();
    for effect in list(record, "effects") {
        let seq = seq(effect);
        // While an agent calls, the daemon may write, too.
        let is_own = text(effect, "actor") != "rota";
        let call = calls.iter().find(|(_, first, last)| is_own && (*first..=*last).contains(&seq));
        let at = instant(text(effect, "intended"));
        let came = || times.iter().position(|time| *time >= at);
        if let Some((place, ..)) = call {
            steps[*place].made.push(effect);
        } else if let Some(place) = came() {
            steps[place].before.push(effect);
        } else {
            after.push(effect);
        }
    }
    (steps, after)
}

/// The number of a write.
pub(super) fn seq(effect: &Value) -> i64 {
    object(effect, "mark").and_then(|mark| int(mark, "seq")).unwrap_or_default()
}

/// The first and the last write that was made during a call, where its line says so.
fn writes_of(line: &Value) -> Option<(i64, i64)> {
    match list(object(line, "data")?, "writes") {
        [first, last] => first.as_int().zip(last.as_int()),
        _ => None,
    }
}
