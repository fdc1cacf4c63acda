//! The planner, by tables and by chance.

use super::*;
use proptest::prelude::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn span(from: &str, to: &str) -> Span {
    Span { from: at(from), to: at(to) }
}

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn clock(text: &str) -> NaiveTime {
    NaiveTime::parse_from_str(text, "%H:%M").unwrap()
}

fn berlin() -> Dates {
    Dates { zone: chrono_tz::Europe::Berlin, now: at("2026-11-03T11:00:00Z") }
}

fn hours(start: &str, end: &str) -> Hours {
    Hours { start: clock(start), end: clock(end) }
}

fn minutes(minutes: i64) -> TimeDelta {
    TimeDelta::minutes(minutes)
}

/// The Tuesday of the tests, nine to five in Berlin.
fn tuesday() -> Vec<Span> {
    let days = (day("2026-11-03"), day("2026-11-03"));
    windows(berlin(), hours("09:00", "17:00"), days, false)
}

#[test]
fn working_hours_are_those_of_the_zone_and_weekends_are_left_out() {
    let days = (day("2026-11-06"), day("2026-11-09"));
    let found = windows(berlin(), hours("09:00", "17:00"), days, false);
    let friday = span("2026-11-06T08:00:00Z", "2026-11-06T16:00:00Z");
    let monday = span("2026-11-09T08:00:00Z", "2026-11-09T16:00:00Z");
    assert_eq!(found, [friday, monday]);
    assert_eq!(windows(berlin(), hours("09:00", "17:00"), days, true).len(), 4);
    let tokyo = Dates { zone: chrono_tz::Asia::Tokyo, ..berlin() };
    let found = windows(tokyo, hours("09:00", "17:00"), days, false);
    assert_eq!(found[0], span("2026-11-06T00:00:00Z", "2026-11-06T08:00:00Z"));
}

#[test]
fn on_the_day_the_clocks_change_an_hour_is_missing_or_comes_twice() {
    let lengths = |date: &str| {
        let days = (day(date), day(date));
        let found = windows(berlin(), hours("01:00", "05:00"), days, true);
        found.iter().map(|span| (span.to - span.from).num_hours()).collect::<Vec<_>>()
    };
    assert_eq!(lengths("2026-03-29"), [3]);
    assert_eq!(lengths("2026-10-25"), [5]);
    assert_eq!(lengths("2026-10-26"), [4]);
    // Hours that are in the gap altogether are no hours.
    let days = (day("2026-03-29"), day("2026-03-29"));
    assert_eq!(windows(berlin(), hours("02:10", "02:50"), days, true), []);
    // Before and after the change nine o'clock is nine o'clock.
    let days = (day("2026-10-23"), day("2026-10-26"));
    let found = windows(berlin(), hours("09:00", "18:00"), days, false);
    assert_eq!(found[0], span("2026-10-23T07:00:00Z", "2026-10-23T16:00:00Z"));
    assert_eq!(found[1], span("2026-10-26T08:00:00Z", "2026-10-26T17:00:00Z"));
}

#[test]
fn what_is_busy_is_cut_out_also_where_it_overlaps_or_hangs_over() {
    let busy = [
        span("2026-11-03T10:00:00Z", "2026-11-03T11:00:00Z"),
        span("2026-11-03T10:30:00Z", "2026-11-03T11:30:00Z"),
        span("2026-11-03T15:00:00Z", "2026-11-04T00:00:00Z"),
        span("2026-11-03T07:00:00Z", "2026-11-03T08:15:00Z"),
        span("2026-11-03T12:00:00Z", "2026-11-03T12:00:00Z"),
    ];
    let found = free(&tuesday(), &busy, at("2026-11-01T00:00:00Z"));
    let morning = span("2026-11-03T08:15:00Z", "2026-11-03T10:00:00Z");
    let noon = span("2026-11-03T11:30:00Z", "2026-11-03T15:00:00Z");
    assert_eq!(found, [morning, noon]);
    let later = free(&tuesday(), &busy, at("2026-11-03T13:00:00Z"));
    assert_eq!(later, [span("2026-11-03T13:00:00Z", "2026-11-03T15:00:00Z")]);
}

#[test]
fn pieces_in_order_take_the_first_gap_after_the_one_before() {
    let gaps = [
        span("2026-11-03T08:00:00Z", "2026-11-03T09:00:00Z"),
        span("2026-11-03T10:00:00Z", "2026-11-03T16:00:00Z"),
    ];
    let places = in_order(&gaps, minutes(480), &[minutes(90), minutes(30), minutes(999)]);
    // The second would fit before the first, and is done after it.
    let first = span("2026-11-03T10:00:00Z", "2026-11-03T11:30:00Z");
    let second = span("2026-11-03T11:30:00Z", "2026-11-03T12:00:00Z");
    assert_eq!(places, [Some(first), Some(second), None]);
}

#[test]
fn what_is_longer_than_a_day_goes_on_the_next() {
    let days = (day("2026-11-06"), day("2026-11-10"));
    let all = windows(berlin(), hours("09:00", "17:00"), days, false);
    let places = in_order(&all, minutes(480), &[minutes(60), minutes(600), minutes(60)]);
    assert_eq!(places[1], Some(span("2026-11-06T09:00:00Z", "2026-11-09T11:00:00Z")));
    assert_eq!(places[2], Some(span("2026-11-09T11:00:00Z", "2026-11-09T12:00:00Z")));
}

#[test]
fn the_most_urgent_choose_first_then_the_longest_then_the_first_named() {
    let wish = |priority, length| Wish { priority, length: minutes(length) };
    let wishes = [wish(5, 60), wish(1, 30), wish(5, 120), wish(5, 60), wish(9, 400)];
    let places = by_priority(&tuesday(), &wishes);
    let begins: Vec<_> = places
        .iter()
        .map(|place| place.map(|span| span.from.format("%H:%M").to_string()))
        .collect();
    let expected = ["10:30", "08:00", "08:30", "11:30"].map(|text| Some(text.to_owned()));
    assert_eq!(begins[..4], expected);
    assert_eq!(begins[4], None, "no gap of 400 minutes is left");
}

#[test]
fn work_begins_at_a_quarter_of_an_hour() {
    assert_eq!(next_quarter(at("2026-11-03T11:00:00Z")), at("2026-11-03T11:00:00Z"));
    assert_eq!(next_quarter(at("2026-11-03T11:00:01Z")), at("2026-11-03T11:15:00Z"));
}

proptest! {
    #[test]
    fn nothing_is_planned_twice_at_one_time_outside_hours_or_over_what_is_busy(
        busy in prop::collection::vec((0_i64..4_000, 1_i64..300), 0..12),
        pieces in prop::collection::vec((1_u8..5, 5_i64..700), 1..12),
        start in 0_i64..4_000,
    ) {
        let begin = at("2026-10-23T00:00:00Z");
        let busy: Vec<Span> = busy.iter().map(|(from, length)| {
            let from = begin + minutes(*from);
            Span { from, to: from + minutes(*length) }
        }).collect();
        let days = (day("2026-10-23"), day("2026-10-27"));
        let all = windows(berlin(), hours("09:00", "17:00"), days, false);
        let gaps = free(&all, &busy, begin + minutes(start));
        let wishes: Vec<Wish> =
            pieces.iter().map(|(priority, length)| Wish { priority: *priority, length: minutes(*length) }).collect();
        let lengths: Vec<TimeDelta> = wishes.iter().map(|wish| wish.length).collect();
        for (places, whole) in [
            (by_priority(&gaps, &wishes), true),
            (in_order(&gaps, TimeDelta::MAX, &lengths), true),
            (in_order(&gaps, minutes(480), &lengths), false),
        ] {
            let found: Vec<Span> = places.iter().flatten().copied().collect();
            for (index, span) in found.iter().enumerate() {
                prop_assert!(span.from >= begin + minutes(start));
                prop_assert!(all.iter().any(|day| day.from <= span.from && span.from < day.to));
                prop_assert!(all.iter().any(|day| day.from < span.to && span.to <= day.to));
                let clear = |other: &Span| other.to <= span.from || span.to <= other.from;
                prop_assert!(found.iter().skip(index + 1).all(clear));
                prop_assert!(!whole || busy.iter().all(clear));
            }
            for (place, length) in places.iter().zip(&lengths) {
                prop_assert!(!whole || place.is_none_or(|span| span.to - span.from == *length));
            }
        }
    }
}
