//! How what tools answer is shown: fields, instants, amounts, states. Whatever is missing or of another
//! form is shown as nothing.

use crate::domain::{StoreTime, Timestamp, Value, show_money};
use chrono::{DateTime, TimeDelta};
use chrono_tz::Tz;
use maud::{Markup, html};
use std::collections::BTreeSet;

/// A text, and a number as one; empty where there is none.
pub(super) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_text).unwrap_or_default()
}

/// A text that says something.
pub(super) fn filled<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    Some(text(value, name)).filter(|text| !text.trim().is_empty())
}

pub(super) fn int(value: &Value, name: &str) -> Option<i64> {
    value.get(name).and_then(Value::as_int)
}

pub(super) fn is(value: &Value, name: &str) -> bool {
    value.get(name).and_then(Value::as_bool) == Some(true)
}

pub(super) fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_list).unwrap_or_default()
}

/// A member that is an object.
pub(super) fn object<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    value.get(name).filter(|member| member.as_map().is_some())
}

/// An instant, as tools write it.
pub(super) fn instant(text: &str) -> Option<Timestamp> {
    DateTime::parse_from_rfc3339(text).ok().map(|at| at.with_timezone(&chrono::Utc))
}

/// When it is, and where.
#[derive(Clone, Debug)]
pub(super) struct Moment {
    pub now: Timestamp,
    /// The same in the store's own time, in which leases end.
    pub store: StoreTime,
    pub zone: Tz,
}

impl Moment {
    /// An instant as somebody reads it: how far it is, and when exactly.
    pub(super) fn when(&self, instant: &str) -> Markup {
        let Ok(at) = DateTime::parse_from_rfc3339(instant) else {
            return html! { (instant) };
        };
        let at = at.with_timezone(&self.zone);
        let exact = at.format("%a %-d %b %Y, %H:%M:%S %Z").to_string();
        html! { time datetime=(instant) title=(exact) { (self.near(at)) } }
    }

    /// The same as date and time.
    pub(super) fn clock(&self, instant: &str) -> Markup {
        let Ok(at) = DateTime::parse_from_rfc3339(instant) else {
            return html! { (instant) };
        };
        let at = at.with_timezone(&self.zone);
        let today = self.now.with_timezone(&self.zone).date_naive();
        let format = if at.date_naive() == today { "%H:%M:%S" } else { "%-d %b %H:%M" };
        html! {
            time datetime=(instant) title=(at.format("%a %-d %b %Y, %H:%M:%S %Z").to_string()) {
                (at.format(format).to_string())
            }
        }
    }

    fn near(&self, at: DateTime<Tz>) -> String {
        let ahead = at.with_timezone(&chrono::Utc) - self.now;
        if ahead.abs() >= TimeDelta::days(7) {
            return at.format("%-d %b %Y").to_string();
        }
        match (ahead < TimeDelta::zero(), span(ahead.abs())) {
            (_, span) if span == "0s" => "now".to_owned(),
            (true, span) => format!("{span} ago"),
            (false, span) => format!("in {span}"),
        }
    }

    /// How long a lease has still to go; `None` where another machine's clock says.
    pub(super) fn left(&self, ends: &Value) -> Option<String> {
        let ends_ms = int(ends, "ms").filter(|_| text(ends, "era") == self.store.era)?;
        let now = i64::try_from(self.store.ms).ok()?;
        Some(span(TimeDelta::milliseconds((ends_ms - now).max(0))))
    }

    /// How long something took, or takes already.
    pub(super) fn between(&self, from: &str, to: &str) -> String {
        let instant = |text: &str| DateTime::parse_from_rfc3339(text).ok();
        let Some(from) = instant(from) else { return String::new() };
        let to = instant(to).map_or(self.now, |to| to.with_timezone(&chrono::Utc));
        span(to - from.with_timezone(&chrono::Utc))
    }
}

/// A span in its two largest units.
pub(super) fn span(span: TimeDelta) -> String {
    let seconds = span.num_seconds().max(0);
    match (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60) {
        (0, 0, 0, seconds) => format!("{seconds}s"),
        (0, 0, minutes, 0) => format!("{minutes}m"),
        (0, 0, minutes, seconds) => format!("{minutes}m {seconds}s"),
        (0, hours, minutes, _) => format!("{hours}h {minutes}m"),
        (days, hours, ..) => format!("{days}d {hours}h"),
    }
}

/// Millionths of a currency's unit, as money; without a currency the number alone.
pub(super) fn money(micros: i64, currency: &str) -> String {
    let cents = (micros.max(0) + 5_000) / 10_000;
    if cents == 0 && micros > 0 {
        return format!("< 0.01 {currency}").trim_end().to_owned();
    }
    format!("{}.{:02} {currency}", cents / 100, cents % 100).trim_end().to_owned()
}

/// The same in full: the sum of what is shown is the sum that is shown.
pub(super) fn exact(micros: i64) -> String {
    show_money(u64::try_from(micros).unwrap_or(0), "").trim_end().to_owned()
}

/// A large number with its thousands apart.
pub(super) fn number(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    if number < 0 { format!("-{out}") } else { out }
}

/// How a state or status looks: its sort decides the colour, its words are always there.
pub(super) fn chip(word: &str) -> Markup {
    let sort = match word {
        "succeeded" | "done" | "approved" | "armed" | "ok" | "green" | "applied" | "told"
        | "ran" | "passed" | "settled" | "accepted" => "good",
        "failed" | "timed_out" | "stalled" | "claim_lost" | "interrupted" | "refused" | "fail"
        | "red" | "faulty" | "unverified" | "blocked" | "lost" | "given_up" | "unreachable" => {
            "bad"
        }
        "running" | "in_progress" | "working" | "announced" | "reserved" => "busy",
        "queued" | "due" | "waiting" | "parked" | "yielded" | "paused" | "not armed" | "yellow"
        | "warn" | "changes_requested" | "open" | "changed" | "new" => "wait",
        _ => "flat",
    };
    html! { span.chip.(sort) { (word.replace('_', " ")) } }
}

/// What somebody wrote, in Markdown.
pub(super) fn prose(text: &str) -> Markup {
    super::markdown::shown(text)
}

/// Somebody, with people and agents told apart in words too.
pub(super) fn somebody(name: &str, is_agent: bool) -> Markup {
    html! {
        @if is_agent {
            span.agent { (name) " " span.tag { "agent" } }
        } @else {
            span.person { (name) }
        }
    }
}

/// A part of a page: its heading and its rows, or what stands there while there are none.
pub(super) fn section(id: &str, title: &str, nothing: &Markup, rows: &[Markup]) -> Markup {
    section_with(id, title, nothing, rows, &html! {})
}

/// The same with something below.
pub(super) fn section_with(
    id: &str,
    title: &str,
    nothing: &Markup,
    rows: &[Markup],
    below: &Markup,
) -> Markup {
    html! {
        section aria-labelledby=(id) {
            h2 id=(id) { (title) }
            @if rows.is_empty() {
                (nothing)
            } @else {
                ul.rows { @for row in rows { li { (row) } } }
            }
            (below)
        }
    }
}

/// A table: what it is called, its columns (those of amounts by their places), its rows.
pub(super) fn table(label: &str, heads: &[&str], amounts: &[usize], rows: &[Markup]) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label=(label) {
            table {
                thead {
                    tr {
                        @for (place, head) in heads.iter().enumerate() {
                            th.amount[amounts.contains(&place)] scope="col" { (head) }
                        }
                    }
                }
                tbody { @for row in rows { tr { (row) } } }
            }
        }
    }
}

/// That there is nothing, in a few words.
pub(super) fn none(what: &str) -> Markup {
    html! { p.quiet { (what) } }
}

/// A run that is over, or not: its state, a link to it by this name, its task, when it was, what it came to.
pub(super) fn run_row(moment: &Moment, run: &Value, name: &str, at: &str) -> Markup {
    html! {
        p.facts {
            (chip(text(run, "state")))
            a href={ "/runs/" (text(run, "id")) } { (text(run, name)) }
            @if let Some(task) = int(run, "task") { a href={ "/task/" (task) } { "#" (task) } }
            (moment.when(text(run, at)))
        }
        @if let Some(said) = filled(run, "summary").or_else(|| filled(run, "detail")) {
            p.line { (beginning(said, 200)) }
        }
    }
}

/// What a write changed, as `field: from → to`.
pub(super) fn changes(done: &Value) -> Markup {
    let member = |name: &str| done.get(name).and_then(Value::as_map).cloned().unwrap_or_default();
    let (before, after) = (member("before"), member("after"));
    let all: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    // A number is not shown where its name is.
    let is_named = |name: &str| {
        ["_name", "_label"].iter().any(|ending| all.contains(&format!("{name}{ending}")))
    };
    html! {
        @for name in all.iter().filter(|name| !is_named(name)) {
            (change(name, before.get(*name), after.get(*name)))
        }
    }
}

/// One field of it.
pub(super) fn change(name: &str, before: Option<&Value>, after: Option<&Value>) -> Markup {
    let said = |value: &Value| beginning(&value.to_string(), 600);
    html! {
        span.change {
            (name) ": "
            @if let Some(before) = before.filter(|before| !before.is_null()) {
                span.from { (said(before)) } " → "
            }
            (after.map_or_else(|| "–".to_owned(), said))
        }
    }
}

/// The beginning of a long text.
pub(super) fn beginning(text: &str, chars: usize) -> String {
    let mut all = text.chars();
    let mut cut: String = all.by_ref().take(chars).collect();
    if all.next().is_some() {
        cut.push('…');
    }
    cut
}

/// What a place says that has nothing to show yet.
pub(super) fn empty(what: &str, next: &Markup) -> Markup {
    html! { div.empty { p { strong { (what) } } p { (next) } } }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::from_millis;

    #[test]
    fn spans_money_and_numbers_are_read_at_a_glance() {
        for (seconds, said) in
            [(0, "0s"), (59, "59s"), (60, "1m"), (61, "1m 1s"), (3_725, "1h 2m"), (90_000, "1d 1h")]
        {
            assert_eq!(span(TimeDelta::seconds(seconds)), said);
        }
        for (micros, said) in
            [(0, "0.00 USD"), (1, "< 0.01 USD"), (1_234_567, "1.23 USD"), (-5, "0.00 USD")]
        {
            assert_eq!(money(micros, "USD"), said);
        }
        assert_eq!([0, 700, 1_230_000].map(exact), ["0.00", "0.0007", "1.23"]);
        assert_eq!(number(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!((number(-12), number(999)), ("-12".to_owned(), "999".to_owned()));
    }

    #[test]
    fn an_instant_says_how_far_it_is_and_when_exactly() {
        let store = StoreTime { era: "b".to_owned(), ms: 5_000 };
        let moment =
            Moment { now: from_millis(1_700_000_000_000), store, zone: Tz::Europe__Berlin };
        let shown = moment.when("2023-11-14T22:13:10Z").into_string();
        assert!(
            shown.contains("10s ago") && shown.contains("Tue 14 Nov 2023, 23:13:10 CET"),
            "{shown}"
        );
        assert!(moment.when("2023-11-14T23:13:20Z").into_string().contains("in 1h 0m"));
        assert_eq!(moment.when("<b>").into_string(), "&lt;b&gt;");
        let ends = |era: &str| Value::map([("era", Value::from(era)), ("ms", Value::Int(65_000))]);
        assert_eq!(moment.left(&ends("b")).as_deref(), Some("1m"));
        assert_eq!(moment.left(&ends("another boot")), None);
    }
}
