//! A run from its beginning to its end: what was said, which tools were called, what was written.

use crate::domain::Value;
use crate::web::pages::shown::{Moment, changes, chip, int, list, object, text};
use maud::{Markup, html};

/// The latest so many are shown; what was before them is counted.
const LINES_MAX: usize = 400;
/// Of a line, so much is shown at once.
const LINE_CHARS: usize = 4_000;

/// One thing that happened.
enum Event<'a> {
    Line(&'a Value),
    Effect(&'a Value),
}

impl Event<'_> {
    fn at(&self) -> &str {
        match self {
            Self::Line(line) => text(line, "at"),
            Self::Effect(effect) => text(effect, "intended"),
        }
    }
}

/// The timeline.
pub(super) fn shown(moment: &Moment, record: &Value) -> Markup {
    let lines = list(record, "transcript").iter().map(Event::Line);
    let mut events: Vec<Event<'_>> = lines.collect();
    events.extend(list(record, "effects").iter().map(Event::Effect));
    // As they happened; what happened at once keeps its order.
    events.sort_by(|one, other| one.at().cmp(other.at()));
    let left_out = events.len().saturating_sub(LINES_MAX);
    html! {
        @if events.is_empty() { p.quiet { "Nothing is recorded of it." } }
        @if left_out > 0 { p.quiet { (left_out) " earlier lines are not shown; see " code { "rota runs show" } "." } }
        ol.timeline {
            @for event in events.iter().skip(left_out) {
                @match event {
                    Event::Line(line) => (line_of(moment, line)),
                    Event::Effect(effect) => (effect_of(moment, effect)),
                }
            }
        }
    }
}

fn line_of(moment: &Moment, line: &Value) -> Markup {
    let (kind, said) = (text(line, "kind"), text(line, "text"));
    let sort = match kind {
        "tool" => "tool",
        "retry" | "error" => "error",
        _ => "said",
    };
    let mut chars = said.chars();
    let shown: String = chars.by_ref().take(LINE_CHARS).collect();
    let is_cut = chars.next().is_some();
    let is_short = said.len() <= 160 && !said.contains('\n');
    html! {
        li.(sort) {
            p.facts { (moment.clock(text(line, "at"))) strong { (kind) } @if is_short { span { (said) } } }
            @if !is_short { pre { (shown) @if is_cut { "…" } } }
        }
    }
}

/// A write as `field: from → to`, or why it is not known to have happened.
fn effect_of(moment: &Moment, effect: &Value) -> Markup {
    let result = effect.get("result").cloned().unwrap_or_default();
    let number = object(effect, "mark").and_then(|mark| int(mark, "seq")).unwrap_or_default();
    let done = object(&result, "done").or_else(|| object(&result, "proposed"));
    html! {
        li.effect {
            p.facts {
                (moment.clock(text(effect, "intended")))
                strong { "write " (number) }
                code { (text(effect, "tool")) }
                @match done {
                    Some(done) => span { (entity(done)) },
                    None => (unsettled(&result)),
                }
                @if object(&result, "proposed").is_some() { (chip("proposed")) }
                @if text(effect, "actor") == "rota" { span.tag { "by Rota" } }
            }
            @if let Some(done) = done { (changes(done)) }
        }
    }
}

fn unsettled(result: &Value) -> Markup {
    html! {
        @match object(result, "failed") {
            Some(failed) => { (chip("failed")) span { (text(failed, "message")) } },
            None => (chip(result.as_text().unwrap_or("under way"))),
        }
    }
}

/// `{"task": 7}` as a link.
fn entity(done: &Value) -> Markup {
    let entity = done.get("entity").cloned().unwrap_or_default();
    html! {
        @match int(&entity, "task") {
            Some(task) => a href={ "/task/" (task) } { "#" (task) },
            None => (entity.to_string().replace(": ", " ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{StoreTime, from_millis};

    #[test]
    fn writes_stand_between_the_lines_as_they_happened() {
        let line =
            |at: &str, said: &str| Value::map([("at", at), ("kind", "tool"), ("text", said)]);
        let done = Value::map([
            ("entity", Value::map([("task", Value::Int(7))])),
            ("before", Value::map([("status", "New <b>")])),
            ("after", Value::map([("status", "Done")])),
        ]);
        let effect = Value::map([
            ("intended", Value::from("2026-01-01T00:00:02Z")),
            ("tool", "editTask".into()),
            ("result", Value::map([("done", done)])),
        ]);
        let transcript =
            vec![line("2026-01-01T00:00:01Z", "first"), line("2026-01-01T00:00:03Z", "last")];
        let record = Value::map([
            ("transcript", Value::List(transcript)),
            ("effects", Value::List(vec![effect])),
        ]);
        let store = StoreTime { era: String::new(), ms: 0 };
        let moment = Moment { now: from_millis(0), store, zone: chrono_tz::UTC };
        let page = shown(&moment, &record).into_string();
        let place = |text: &str| page.find(text).unwrap_or_else(|| panic!("{text} in {page}"));
        assert!(place("first") < place("editTask") && place("editTask") < place("last"));
        assert!(page.contains("New &lt;b&gt;</span> → Done") && page.contains("href=\"/task/7\""));
    }
}
