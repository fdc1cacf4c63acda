//! A run from its beginning to its end, turn by turn: what was said, which tools were called with what, what they
//! answered, what was written and what it cost. Of a long run a page at a time.

mod said;
mod steps;

use super::one::at;
use crate::domain::Value;
use crate::web::pages::shown::{Moment, instant, int, list, number, object, text};
use maud::{Markup, html};
use steps::Step;

/// So many lines of a transcript are read for a page.
pub(super) const LINES: i64 = 201;
/// So many writes, at most.
pub(super) const WRITES: i64 = 1_000;
/// So many bytes of them are shown; what was before is on the page before.
const BYTES_MAX: usize = 256 * 1024;

/// A row of the list, with what was written before it came.
struct Row {
    /// Its line's number; `None`: a write after the last line.
    line: Option<i64>,
    before: Markup,
    part: Part,
}

enum Part {
    /// What a model said, with which a turn begins.
    Head(i64, Markup),
    /// A call of a turn.
    Call(i64, Markup),
    /// Anything else.
    Other(Markup),
}

impl Row {
    fn bytes(&self) -> usize {
        let (Part::Head(_, own) | Part::Call(_, own) | Part::Other(own)) = &self.part;
        self.before.0.len() + own.0.len()
    }
}

/// What is shown, and what is not.
struct Window {
    rows: Vec<Row>,
    /// The lines before the one of this number are on the page before.
    earlier: Option<i64>,
    /// So many earlier writes are shown nowhere here, all before the one of this number.
    left_out: Option<(i64, i64)>,
}

/// The timeline, or the part of it before a line.
pub(super) fn shown(moment: &Moment, record: &Value, before: Option<i64>) -> Markup {
    let run = object(record, "run").cloned().unwrap_or_default();
    let place = at(text(&run, "id"));
    let window = window(moment, record, before.is_none());
    let numbers = window.rows.iter().filter_map(|row| row.line);
    let shown = numbers.clone().min().zip(numbers.max());
    let is_whole = window.earlier.is_none() && before.is_none();
    html! {
        @if window.rows.is_empty() && is_whole { p.quiet { "Nothing is recorded of it." } }
        @if !is_whole {
            p.quiet {
                @if let Some((first, last)) = shown { "Lines " (number(first)) " to " (number(last)) " of " }
                @else { "None of " }
                (number(int(record, "lines").unwrap_or(0))) " are on this page. "
                @if let Some(earlier) = window.earlier {
                    a href={ (place) "?before=" (earlier) "#timeline" } { "Earlier turns" } " "
                }
                @if before.is_some() { a href={ (place) "#timeline" } { "The latest" } }
            }
        }
        @if let Some((count, before)) = window.left_out {
            p.quiet {
                (number(count)) " earlier writes are not shown; see "
                code { "rota runs show " (text(&run, "id")) " --effects-before " (before) } "."
            }
        }
        ol.timeline { (grouped(window.rows)) }
    }
}

/// The latest rows that have room on a page.
fn window(moment: &Moment, record: &Value, is_latest: bool) -> Window {
    let is_cut = int(record, "earlier").unwrap_or(0) > 0;
    let (all, after) = steps::of(record);
    // Of the first line nobody knows which writes came before it, where there were lines before it.
    let steps = if is_cut { all.get(1..).unwrap_or_default() } else { all.as_slice() };
    let after = if is_latest { after } else { Vec::new() };
    let (mut rows, mut bytes) = (Vec::new(), 0);
    let writes = after.iter().map(|effect| written(moment, effect));
    let lines = steps.iter().map(|step| row(moment, step));
    let mut shown = 0;
    for row in lines.chain(writes).rev() {
        bytes += row.bytes();
        if bytes > BYTES_MAX && !rows.is_empty() {
            break;
        }
        shown += usize::from(row.line.is_none());
        rows.push(row);
    }
    let left_out = left_out(record, steps, &after, shown);
    rows.reverse();
    let first = rows.iter().find_map(|row| row.line);
    let is_all = !is_cut && first == steps.first().map(|step| steps::number(step.line));
    let begin = first.or_else(|| Some(steps::number(steps.last()?.line) + 1));
    let begin = begin.or_else(|| Some(int(record, "earlier")? + 2));
    Window { rows, earlier: begin.filter(|_| !is_all), left_out }
}

/// How many writes are shown nowhere, and before which: those for which there is no room after the last line,
/// of which so many are shown, and those that were not told although they are of these lines.
fn left_out(
    record: &Value,
    steps: &[Step<'_>],
    after: &[&Value],
    shown: usize,
) -> Option<(i64, i64)> {
    let of_end = after.len() - shown;
    let told = list(record, "effects");
    // What was made before the first line is on the page before, or is told of no line.
    let begun = steps.first().and_then(|step| instant(text(step.line, "at")));
    let is_of_these =
        |first: &&Value| begun.is_none_or(|at| instant(text(first, "intended")) > Some(at));
    let untold = told.first().filter(is_of_these).and_then(|_| int(record, "earlier_writes"));
    let count = i64::try_from(of_end).unwrap_or(i64::MAX).saturating_add(untold.unwrap_or(0));
    let next = if of_end > 0 { after.get(of_end).copied() } else { told.first() };
    next.filter(|_| count > 0).map(|next| (count, steps::seq(next)))
}

fn row(moment: &Moment, step: &Step<'_>) -> Row {
    let line = step.line;
    let data = object(line, "data").cloned().unwrap_or_default();
    let part = match (text(line, "kind"), int(&data, "turn")) {
        ("model", Some(turn)) => Part::Head(turn, said::head(moment, line, &data, turn)),
        ("tool", Some(turn)) => Part::Call(turn, said::call(moment, step, &data)),
        ("tool", None) if !text(&data, "tool").is_empty() => {
            Part::Other(said::call(moment, step, &data))
        }
        _ => Part::Other(said::line(moment, line)),
    };
    Row { line: Some(steps::number(line)), before: said::writes(moment, &step.before), part }
}

fn written(moment: &Moment, effect: &Value) -> Row {
    let part = Part::Other(said::write(moment, effect));
    Row { line: None, before: html! {}, part }
}

/// A turn that is being put together.
struct Turn {
    number: i64,
    head: Markup,
    calls: Vec<Markup>,
}

impl Turn {
    fn item(self) -> Markup {
        html! {
            li.turn {
                (self.head)
                @if !self.calls.is_empty() { ol.calls { @for call in self.calls { (call) } } }
            }
        }
    }
}

/// The rows, with the calls of a turn in it.
fn grouped(rows: Vec<Row>) -> Markup {
    let mut items: Vec<Markup> = Vec::new();
    let mut open: Option<Turn> = None;
    for Row { before, part, .. } in rows {
        match part {
            Part::Head(number, head) => {
                items.extend(open.take().map(Turn::item));
                items.push(before);
                open = Some(Turn { number, head, calls: Vec::new() });
            }
            Part::Call(number, call) => {
                let is_new = open.as_ref().is_none_or(|turn| turn.number != number);
                if is_new {
                    items.extend(open.take().map(Turn::item));
                }
                let begun = || Turn { number, head: said::goes_on(number), calls: Vec::new() };
                open.get_or_insert_with(begun).calls.extend([before, call]);
            }
            Part::Other(line) => {
                items.extend(open.take().map(Turn::item));
                items.extend([before, line]);
            }
        }
    }
    items.extend(open.map(Turn::item));
    html! { @for item in items { (item) } }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{StoreTime, from_millis};

    fn moment() -> Moment {
        let store = StoreTime { era: String::new(), ms: 0 };
        Moment { now: from_millis(0), store, zone: chrono_tz::UTC }
    }

    fn at_second(second: i64) -> String {
        from_millis(second * 1_000).to_rfc3339()
    }

    fn line(number: i64, kind: &str, said: &str, data: Value) -> Value {
        Value::map([
            ("number", Value::Int(number)),
            ("at", at_second(number * 10).into()),
            ("kind", kind.into()),
            ("text", said.into()),
            ("data", data),
        ])
    }

    fn turn(number: i64, turn: i64, said: &str) -> Value {
        let usage = Value::map([("tokens_in", 1_000_i64), ("tokens_out", 5), ("cost_micros", 700)]);
        line(number, "model", said, Value::map([("turn", turn.into()), ("usage", usage)]))
    }

    fn call(number: i64, turn: i64, args: &str, writes: Option<i64>) -> Value {
        let mut data = vec![
            ("turn", Value::Int(turn)),
            ("tool", "editTask".into()),
            ("args", Value::map([("note", args)])),
            ("result", format!("result of {args}").into()),
        ];
        data.extend(writes.map(|seq| ("writes", vec![seq, seq].into())));
        line(number, "tool", "editTask: done", Value::map(data))
    }

    fn write(seq: i64, second: i64, actor: &str, to: &str) -> Value {
        let done = Value::map([
            ("entity", Value::map([("task", Value::Int(7))])),
            ("before", Value::map([("status", "New <b>")])),
            ("after", Value::map([("status", to)])),
        ]);
        Value::map([
            ("mark", Value::map([("seq", seq)])),
            ("actor", actor.into()),
            ("intended", at_second(second).into()),
            ("tool", "editTask".into()),
            ("result", Value::map([("done", done)])),
        ])
    }

    fn record(lines: Vec<Value>, effects: Vec<Value>, earlier: i64) -> Value {
        Value::map([
            ("run", Value::map([("id", "r-1")])),
            ("lines", Value::Int(earlier + i64::try_from(lines.len()).unwrap())),
            ("transcript", Value::List(lines)),
            ("effects", Value::List(effects)),
            ("earlier", Value::Int(earlier)),
        ])
    }

    /// That these stand on a page, in this order.
    #[track_caller]
    fn in_order(page: &str, parts: &[&str]) {
        let mut from = 0;
        for part in parts {
            let place = page[from..].find(part);
            from += place.unwrap_or_else(|| panic!("{part} after {from} in {page}"));
        }
    }

    #[test]
    fn a_write_stands_with_the_call_that_made_it_and_others_in_their_time() {
        let lines = vec![
            turn(1, 1, "I <b>begin</b>."),
            call(2, 1, "first", None),
            call(3, 1, "second", Some(2)),
            line(4, "note", "noted", Value::Null),
            turn(5, 2, "I end."),
        ];
        let effects = vec![
            write(1, 15, "rota", "by the house"),
            // Its instant alone would put it to another call.
            write(2, 12, "agent", "Done"),
            write(3, 60, "rota", "at the end"),
        ];
        let page = shown(&moment(), &record(lines, effects, 0), None).into_string();
        in_order(
            &page,
            &[
                "Turn 1",
                "1\u{202f}000 tokens in",
                "cost 0.0007",
                "I &lt;b&gt;begin&lt;/b&gt;.",
                "by the house",
                "first",
                "second",
                "result of second",
                "New &lt;b&gt;</span> → Done",
                "noted",
                "Turn 2",
                "at the end",
            ],
        );
        assert!(page.contains("href=\"/task/7\"") && !page.contains("Earlier"), "{page}");
        assert_eq!(page.matches("<li class=\"turn\">").count(), 2);
    }

    #[test]
    fn a_part_of_a_long_run_leads_to_the_one_before_and_nothing_stands_on_both() {
        let all: Vec<Value> = (1..=9).map(|n| call(n, n, &format!("call {n}"), None)).collect();
        let effects: Vec<Value> =
            (1..=9).map(|n| write(n, n * 10 - 5, "agent", &format!("state {n}"))).collect();
        let late = record(all[5..].to_vec(), effects.clone(), 5);
        let page = shown(&moment(), &late, None).into_string();
        for (n, is_there) in [(5, false), (6, false), (7, true), (9, true)] {
            assert_eq!(page.contains(&format!("call {n}")), is_there, "{n}: {page}");
            assert_eq!(page.contains(&format!("state {n}")), is_there, "{n}: {page}");
        }
        assert!(page.contains("Lines 7 to 9 of 9") && page.contains("Turn 7, going on"), "{page}");
        assert!(page.contains("href=\"/runs/r-1?before=7#timeline\""), "{page}");
        let early = record(all[..6].to_vec(), effects, 0);
        let page = shown(&moment(), &early, Some(7)).into_string();
        for (n, is_there) in [(1, true), (6, true), (7, false)] {
            assert_eq!(page.contains(&format!("state {n}")), is_there, "{n}: {page}");
        }
        assert!(page.contains("The latest") && !page.contains("Earlier"), "{page}");
    }

    #[test]
    fn of_writes_that_were_not_told_a_page_says_how_many_and_how_they_are_seen() {
        let lines: Vec<Value> = (1..=3).map(|n| call(n, n, "x", None)).collect();
        let page = |earlier: i64, second: i64| {
            let effects = (8..=9).map(|n| write(n, second, "agent", "late")).collect();
            let mut record = record(lines.clone(), effects, 0);
            if let Value::Map(members) = &mut record {
                members.insert("earlier_writes".to_owned(), earlier.into());
            }
            shown(&moment(), &record, None).into_string()
        };
        let told = page(7, 25);
        assert!(told.contains("7 earlier writes are not shown"), "{told}");
        assert!(told.contains("<code>rota runs show r-1 --effects-before 8</code>"), "{told}");
        // After the last line, too; but none that were made before all that is here.
        assert!(page(7, 60).contains("7 earlier writes"));
        assert!(!page(7, 5).contains("not shown") && !page(0, 25).contains("not shown"));
    }

    #[test]
    fn a_page_has_bounds_whatever_stands_in_it() {
        let hostile = "<\"&>".repeat(9_000);
        let lines = (1..=200)
            .flat_map(|n| [turn(2 * n - 1, n, &hostile), call(2 * n, n, &hostile, Some(n))]);
        let effects = (1..=200).map(|n| write(n, n * 20, "agent", &hostile));
        let record = record(lines.collect(), effects.collect(), 0);
        let page = shown(&moment(), &record, None).into_string();
        assert!(page.len() < 400 * 1024, "{}", page.len());
        assert!(page.contains("Turn 200") && page.contains("Earlier turns"));
        // So has one whose writes no line tells of.
        let effects = (1..=9_000).map(|n| write(n, n, "rota", &hostile));
        let record = self::record(Vec::new(), effects.collect(), 0);
        let page = shown(&moment(), &record, None).into_string();
        assert!(page.len() < 400 * 1024, "{}", page.len());
        assert!(page.contains("earlier writes are not shown") && page.contains("write 9000"));
        assert!(page.contains("--effects-before "), "{page}");
    }
}
