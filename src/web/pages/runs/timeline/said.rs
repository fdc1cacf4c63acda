//! How the parts of a timeline are shown: what a model said, a call, a line, a write.

use super::steps::{Step, seq};
use crate::domain::Value;
use crate::web::pages::shown::{
    Moment, beginning, changes, chip, exact, filled, int, is, list, number, object, text,
};
use maud::{Markup, html};

/// Of what a model said so much is shown at once.
const SAID_CHARS: usize = 600;
/// So much of a line, of arguments, of a result is there at all.
const BYTES_MAX: usize = 4_000;
/// So many writes stand together, and no more once they have so many bytes.
const WRITES_MAX: usize = 20;
const WRITES_BYTES_MAX: usize = 32 * 1024;

/// How a turn begins: its number, what it used, what the model said.
pub(super) fn head(moment: &Moment, line: &Value, data: &Value, turn: i64) -> Markup {
    let usage = object(data, "usage").cloned().unwrap_or_default();
    let stop = filled(data, "stop").filter(|stop| *stop != "ended");
    let tools: Vec<&str> = list(data, "calls").iter().map(|call| text(call, "tool")).collect();
    // Where it said nothing, its line has the names of what it calls.
    let said = filled(line, "text").filter(|said| tools.is_empty() || *said != tools.join(", "));
    html! {
        h3 { "Turn " (turn) }
        p.facts {
            (moment.clock(text(line, "at")))
            (used(&usage))
            @if let Some(stop) = stop { (chip(stop)) }
        }
        @if let Some(said) = said {
            @let begin = beginning(said, SAID_CHARS);
            p.said { (begin) }
            @if begin.len() < said.len() { (folded("All of it", said)) }
        }
    }
}

/// The same of a turn that began on the page before, or that something came into.
pub(super) fn goes_on(turn: i64) -> Markup {
    html! { h3 { "Turn " (turn) ", going on" } }
}

fn used(usage: &Value) -> Markup {
    let count = |name: &str| int(usage, name).unwrap_or(0);
    let (cached, cost) = (count("tokens_cached"), count("cost_micros"));
    html! {
        span {
            (number(count("tokens_in"))) " tokens in"
            @if cached > 0 { " (" (number(cached)) " of them read before)" }
            ", " (number(count("tokens_out"))) " out"
        }
        @if cost > 0 { span { "cost " (exact(cost)) } }
    }
}

/// A call of a tool, with what it was called with, what it answered and what it wrote.
pub(super) fn call(moment: &Moment, step: &Step<'_>, data: &Value) -> Markup {
    let tool = text(data, "tool");
    let args = data.get("args").filter(|args| args.as_map().is_none_or(|map| !map.is_empty()));
    let args = args.map(|args| serde_json::to_string_pretty(args).unwrap_or_default());
    let result = filled(data, "result");
    let bytes = int(data, "result_bytes").unwrap_or_default();
    let how = text(step.line, "text").strip_prefix(tool).unwrap_or_default();
    html! {
        li.tool.error[is(data, "is_error")] {
            p.facts {
                (moment.clock(text(step.line, "at")))
                strong { code { (tool) } }
                @if is(data, "is_error") { (chip("failed")) code { (how.trim_start_matches(": ")) } }
            }
            @if let Some(args) = args { (folded("Arguments", &args)) }
            @if let Some(result) = result {
                (folded(&format!("Result, {} bytes", number(bytes)), result))
            }
            @if !step.made.is_empty() { ol.writes { (writes(moment, &step.made)) } }
        }
    }
}

/// A long text that is there when somebody wants to see it.
fn folded(what: &str, text: &str) -> Markup {
    html! { details { summary { (what) } pre { (cut(text)) } } }
}

fn cut(text: &str) -> String {
    let kept = &text[..text.floor_char_boundary(BYTES_MAX)];
    match text.len() - kept.len() {
        0 => kept.to_owned(),
        more => format!("{kept}… [{more} more bytes]"),
    }
}

/// Any other line.
pub(super) fn line(moment: &Moment, line: &Value) -> Markup {
    let (kind, said) = (text(line, "kind"), text(line, "text"));
    let sort = match kind {
        "tool" => "tool",
        "retry" | "error" => "error",
        _ => "said",
    };
    let is_short = said.len() <= 160 && !said.contains('\n');
    html! {
        li.(sort) {
            p.facts { (moment.clock(text(line, "at"))) strong { (kind) } @if is_short { span { (said) } } }
            @if !is_short { pre { (cut(said)) } }
        }
    }
}

/// Writes that stand together; those for which there is no room are counted.
pub(super) fn writes(moment: &Moment, effects: &[&Value]) -> Markup {
    let (mut items, mut bytes): (Vec<Markup>, usize) = (Vec::new(), 0);
    for effect in effects.iter().take(WRITES_MAX) {
        if bytes > WRITES_BYTES_MAX {
            break;
        }
        let item = write(moment, effect);
        bytes += item.0.len();
        items.push(item);
    }
    let more = effects.len() - items.len();
    html! {
        @for item in items { (item) }
        @if more > 0 { li { p.quiet { "and " (more) " more writes" } } }
    }
}

/// A write as `field: from → to`, or why it is not known to have happened.
pub(super) fn write(moment: &Moment, effect: &Value) -> Markup {
    let result = effect.get("result").cloned().unwrap_or_default();
    let done = object(&result, "done").or_else(|| object(&result, "proposed"));
    html! {
        li.effect {
            p.facts {
                (moment.clock(text(effect, "intended")))
                strong { "write " (seq(effect)) }
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
            Some(failed) => { (chip("failed")) span { (beginning(text(failed, "message"), 600)) } },
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
