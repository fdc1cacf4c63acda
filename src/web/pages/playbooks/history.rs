//! What became of the occurrences of the last days: a row for each planned instant, and for each other wake. What no
//! record accounts for has a row that says so.

use super::one::left_out;
use crate::domain::{Timestamp, Value};
use crate::mcp::CallError;
use crate::web::pages::shown::{
    Moment, chip, filled, instant, int, list, none, object, section, section_with, text,
};
use crate::web::pages::visit::Visit;
use chrono::{SecondsFormat, TimeDelta};
use maud::{Markup, html};
use std::collections::BTreeSet;

/// So many days back.
const DAYS: i64 = 7;
/// So many records and planned instants are looked at.
const LOOKED_AT: i64 = 1_000;
const TITLE: &str = "What came of the last occurrences";
/// So many rows, until somebody asks for all.
const ROWS: usize = 50;

/// What stands in a row.
enum Row<'a> {
    Record(&'a Value),
    /// A planned instant that no record accounts for, and whether its time to be recorded has come.
    Planned(&'a Value, bool),
}

/// Reads it, of a playbook as `listPlaybooks` has it.
pub(super) async fn of(visit: &Visit, book: &Value) -> Result<Markup, CallError> {
    let (name, moment) = (text(book, "name"), visit.moment());
    let records = [("playbook", name.into()), ("limit", LOOKED_AT.into())];
    let Some(records) = visit.call_if_allowed("listOccurrences", records).await? else {
        return Ok(section("history", TITLE, &left_out("listOccurrences"), &[]));
    };
    let items = list(&records, "items");
    let week = moment.now - TimeDelta::days(DAYS);
    // Instants before its timetable held are nobody's; what was recorded by then stays.
    let mut from = instant(text(book, "since")).map_or(week, |since| week.max(since));
    // Of more records than are looked at the oldest say nothing of what was before them.
    if let Some(oldest) = items.last().filter(|_| filled(&records, "next").is_some()) {
        from = instant(text(oldest, "planned")).map_or(from, |oldest| from.max(oldest));
    }
    let planned = match instant(text(book, "until")) {
        Some(_) => {
            let rfc = |at: Timestamp| at.to_rfc3339_opts(SecondsFormat::AutoSi, true);
            let args = [
                ("playbook", name.into()),
                ("from", rfc(from).into()),
                ("to", rfc(moment.now).into()),
                ("count", LOOKED_AT.into()),
            ];
            visit.call_if_allowed("nextOccurrences", args).await?
        }
        None => Some(Value::Null),
    };
    let is_whole = planned.is_some();
    let planned = planned.unwrap_or_default();
    let until = instant(text(book, "until")).unwrap_or(moment.now);
    let rows = rows(items, list(&planned, "items"), (week, until));
    Ok(shown(visit, name, &rows, is_whole))
}

/// Every record from then on, and every planned instant without one, latest first. A record may account for many.
fn rows<'a>(
    records: &'a [Value],
    planned: &'a [Value],
    (from, until): (Timestamp, Timestamp),
) -> Vec<Row<'a>> {
    let spans: Vec<(Timestamp, Timestamp, &Value)> = records
        .iter()
        .filter_map(|record| {
            let begin = instant(text(record, "planned"))?;
            let end = object(record, "covers").and_then(|covers| instant(text(covers, "last")));
            Some((begin, end.unwrap_or(begin), record))
        })
        .filter(|(_, end, _)| *end >= from)
        .collect();
    let recorded: BTreeSet<Timestamp> = spans.iter().map(|(begin, ..)| *begin).collect();
    let long: Vec<_> = spans.iter().filter(|(begin, end, _)| begin != end).collect();
    let is_told = |at: &Timestamp| {
        recorded.contains(at) || long.iter().any(|(begin, end, _)| begin <= at && at <= end)
    };
    let mut all: Vec<(Timestamp, Row<'a>)> =
        spans.iter().map(|(begin, _, record)| (*begin, Row::Record(record))).collect();
    let untold = planned.iter().filter_map(|item| Some((instant(text(item, "planned"))?, item)));
    let untold = untold.filter(|(at, _)| !is_told(at));
    all.extend(untold.map(|(at, item)| (at, Row::Planned(item, at <= until))));
    all.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    all.into_iter().map(|(_, row)| row).collect()
}

/// `is_whole`: planned instants are among them.
fn shown(visit: &Visit, name: &str, rows: &[Row<'_>], is_whole: bool) -> Markup {
    let moment = &visit.moment();
    let most = if visit.query.has("all") { usize::MAX } else { ROWS };
    let written: Vec<Markup> = rows.iter().take(most).map(|row| written(moment, row)).collect();
    let below = html! {
        p.quiet {
            @if is_whole {
                "Of the last " (DAYS) " days, each planned occurrence. "
            } @else {
                "Of the last " (DAYS) " days, what was recorded; what was planned is left out: you may not \
                 ask for it (" code { "nextOccurrences" } "). "
            }
            @if rows.len() > most { a href={ "/playbooks/" (name) "?all#history" } { "All " (rows.len()) } }
        }
    };
    let nothing = none("It has not woken in these days.");
    section_with("history", TITLE, &nothing, &written, &below)
}

fn written(moment: &Moment, row: &Row<'_>) -> Markup {
    match row {
        Row::Record(record) => html! {
            p.facts {
                (moment.clock(text(record, "planned")))
                (chip(text(record, "state")))
                @if let Some(reason) = filled(record, "reason") { code { (reason) } }
                span { "woken by " (text(record, "trigger")) }
                @if let Some(task) = int(record, "task") { a href={ "/task/" (task) } { "#" (task) } }
                @for run in list(record, "runs") { a href={ "/runs/" (run) } { (run) } }
            }
            p.line {
                (text(record, "why"))
                @if let Some(covers) = object(record, "covers") {
                    " – " (int(covers, "count").unwrap_or(0)) " planned instants, up to "
                    (moment.clock(text(covers, "last")))
                }
            }
        },
        Row::Planned(item, is_due) => html! {
            p.facts {
                (moment.clock(text(item, "planned")))
                (chip(if *is_due { "lost" } else { "due" }))
                span { (text(item, "local")) }
            }
            p.line {
                @if *is_due {
                    "Nothing says what became of it: see " code { "rota doctor" } "."
                } @else {
                    "It is decided about now."
                }
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn every_planned_instant_has_a_row_and_what_no_record_tells_is_said() {
        let record = |planned: &str, covers: Option<&str>| {
            let covers = covers.map(|last| Value::map([("last", last)])).unwrap_or_default();
            Value::map([("planned", Value::from(planned)), ("covers", covers)])
        };
        let records = [
            record("2026-01-01T05:00:00Z", None),
            record("2026-01-01T01:00:00Z", Some("2026-01-01T03:00:00Z")),
            // By hand, between two.
            record("2026-01-01T04:30:00Z", None),
            record("2025-12-01T00:00:00Z", None),
        ];
        let hours = 1..=7;
        let planned = hours.map(|hour| {
            Value::map([("planned", Value::from(format!("2026-01-01T{hour:02}:00:00Z")))])
        });
        let planned: Vec<Value> = planned.collect();
        let span = (at("2026-01-01T00:00:00Z"), at("2026-01-01T06:00:00Z"));
        let rows = rows(&records, &planned, span);
        let told = rows.iter().map(|row| match row {
            Row::Record(record) => text(record, "planned")[11..16].to_owned(),
            Row::Planned(item, is_due) => {
                format!(
                    "{} {}",
                    &text(item, "planned")[11..16],
                    if *is_due { "lost" } else { "due" }
                )
            }
        });
        let told: Vec<String> = told.collect();
        assert_eq!(told, ["07:00 due", "06:00 lost", "05:00", "04:30", "04:00 lost", "01:00"]);
    }
}
