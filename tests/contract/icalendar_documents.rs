//! Documents of calendars, read by somebody else's reader.

use chrono::{DateTime, NaiveDate, Utc};
use icalendar::{CalendarDateTime, Component, DatePerhapsTime};
use proptest::prelude::*;
use rota::domain::{
    CalendarEvent, EventId, PersonId, Scheduled, Span, Timestamp, When, from_millis,
    icalendar as written,
};

fn day(month: u32, day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, month, day).unwrap()
}

fn event(id: i64, when: When) -> CalendarEvent {
    CalendarEvent {
        id: EventId(id),
        owner: PersonId(1),
        title: "Meeting".into(),
        description: String::new(),
        location: String::new(),
        when,
        created: from_millis(1_000),
        modified: from_millis(1_790_000_000_999),
        revision: 3,
    }
}

fn timed(from: i64, to: i64) -> When {
    When::Timed(Span { from: from_millis(from), to: from_millis(to) })
}

fn read(document: &str) -> Vec<icalendar::Event> {
    let calendar: icalendar::Calendar = document.parse().unwrap();
    calendar.events().cloned().collect()
}

fn one(event: CalendarEvent) -> icalendar::Event {
    read(&written("Ann", "example.org", &[Scheduled::Event(event)])).remove(0)
}

fn utc(at: Option<DatePerhapsTime>) -> DateTime<Utc> {
    match at {
        Some(DatePerhapsTime::DateTime(CalendarDateTime::Utc(at))) => at,
        other => panic!("no instant in UTC: {other:?}"),
    }
}

#[test]
fn a_timed_event_has_instants_in_utc_and_the_rest_of_what_it_is() {
    let mut meeting = event(7, timed(1_790_000_000_500, 1_790_003_600_500));
    meeting.location = "Room 1, left; right".into();
    let read = one(meeting);
    assert_eq!(utc(read.get_start()), from_millis(1_790_000_000_000), "to the second");
    assert_eq!(utc(read.get_end()), from_millis(1_790_003_600_000));
    assert_eq!(
        (read.get_uid(), read.get_summary()),
        (Some("event-7@example.org"), Some("Meeting"))
    );
    assert_eq!(read.property_value("LOCATION"), Some("Room 1, left; right"));
    assert_eq!((read.get_sequence(), read.get_description()), (Some(2), None));
    assert_eq!(read.get_timestamp(), Some(from_millis(1_790_000_000_000)));
    let moment = one(event(8, timed(1_790_000_000_000, 1_790_000_000_999)));
    assert_eq!(moment.get_end(), None, "an end that is not later is not allowed");
}

#[test]
fn whole_days_are_dates_whose_end_is_the_day_after() {
    for (first, last, end) in [
        (day(2, 28), day(2, 28), day(3, 1)),
        (day(12, 30), day(12, 31), day(12, 31).succ_opt().unwrap()),
    ] {
        let read = one(event(1, When::Days { first, last }));
        assert_eq!(read.get_start(), Some(DatePerhapsTime::Date(first)));
        assert_eq!(read.get_end(), Some(DatePerhapsTime::Date(end)));
    }
    let last = NaiveDate::from_ymd_opt(9_999, 12, 31).unwrap();
    let read = one(event(1, When::Days { first: last, last }));
    assert_eq!((read.get_start(), read.get_end()), (Some(DatePerhapsTime::Date(last)), None));
}

#[test]
fn the_lines_of_a_document_are_those_of_the_standard() {
    let mut meeting = event(7, When::Days { first: day(5, 1), last: day(5, 1) });
    meeting.title = "a\\b;c,d\r\ne\nf\u{7}g".into();
    let document = written("Ann, Bob", "example.org", &[Scheduled::Event(meeting)]);
    let expected = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//Rota//Rota//EN",
        "CALSCALE:GREGORIAN",
        "X-WR-CALNAME:Ann\\, Bob",
        "BEGIN:VEVENT",
        "UID:event-7@example.org",
        "DTSTAMP:20260921T141320Z",
        "CREATED:19700101T000001Z",
        "LAST-MODIFIED:20260921T141320Z",
        "SEQUENCE:2",
        "DTSTART;VALUE=DATE:20260501",
        "DTEND;VALUE=DATE:20260502",
        "SUMMARY:a\\\\b\\;c\\,d\\ne\\nfg",
        "END:VEVENT",
        "END:VCALENDAR",
        "",
    ];
    assert_eq!(document.split("\r\n").collect::<Vec<_>>(), expected);
}

#[test]
fn an_empty_calendar_is_a_calendar() {
    assert!(read(&written("", "h", &[])).is_empty());
}

/// A text as it may come back: with one sort of line end, and without what controls a reader.
fn regular(text: &str) -> String {
    text.replace("\r\n", "\n")
        .replace('\r', "\n")
        .chars()
        .filter(|c| matches!(c, '\n' | '\t') || !c.is_control())
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_text_comes_back_whole_and_no_line_is_too_long(
        texts in proptest::collection::vec("x(\\PC|[\\\\;,:\"\r\n\t\u{0}\u{7f}\u{85}é☂😀 ]){0,200}", 3),
    ) {
        let mut meeting = event(1, timed(0, 1_000));
        (meeting.title, meeting.description, meeting.location) =
            (texts[0].clone(), texts[1].clone(), texts[2].clone());
        let document = written(&texts[0], "example.org", &[Scheduled::Event(meeting)]);
        for line in document.split_terminator("\r\n") {
            prop_assert!(line.len() <= 75 && !line.contains(['\r', '\n']), "{line:?}");
        }
        let events = read(&document);
        prop_assert_eq!(events.len(), 1);
        for (name, text) in ["SUMMARY", "DESCRIPTION", "LOCATION"].into_iter().zip(&texts) {
            let found = events[0].property_value(name).unwrap_or_default();
            prop_assert_eq!(found, regular(text));
        }
    }

    #[test]
    fn every_entry_comes_back_with_its_name_its_text_and_its_times(
        entries in proptest::collection::vec((any_when(), "\\PC{0,40}", any::<u64>()), 0..8),
    ) {
        let events: Vec<CalendarEvent> = (1..).zip(&entries).map(|(id, (when, title, revision))| {
            CalendarEvent { title: format!("x{title}"), revision: *revision, ..event(id, *when) }
        }).collect();
        let all: Vec<Scheduled> = events.iter().cloned().map(Scheduled::Event).collect();
        let found = read(&written("Ann", "example.org", &all));
        prop_assert_eq!(found.len(), events.len());
        for (found, event) in found.iter().zip(&events) {
            let name = format!("event-{}@example.org", event.id);
            prop_assert_eq!(found.get_uid(), Some(name.as_str()));
            prop_assert_eq!(found.get_summary().unwrap_or_default(), regular(&event.title));
            prop_assert_eq!(found.get_timestamp(), Some(seconds(event.modified)));
            match event.when {
                When::Timed(Span { from, to }) => {
                    prop_assert_eq!(utc(found.get_start()), seconds(from));
                    let end = (seconds(to) > seconds(from)).then(|| seconds(to));
                    prop_assert_eq!(found.get_end().map(|end| utc(Some(end))), end);
                }
                When::Days { first, last } => {
                    prop_assert_eq!(found.get_start(), Some(DatePerhapsTime::Date(first)));
                    // The end is the day after, where there is one.
                    let end = last.succ_opt().filter(|end| *end <= last_day()).unwrap_or(last);
                    let end = (end > first).then_some(DatePerhapsTime::Date(end));
                    prop_assert_eq!(found.get_end(), end);
                }
            }
        }
    }
}

fn last_day() -> NaiveDate {
    NaiveDate::from_ymd_opt(9_999, 12, 31).unwrap()
}

fn seconds(at: Timestamp) -> Timestamp {
    Timestamp::from_timestamp(at.timestamp(), 0).unwrap()
}

/// Whatever boards keep, of the years 1 to 9999.
fn any_when() -> impl Strategy<Value = When> {
    let first = NaiveDate::from_ymd_opt(1, 1, 1).unwrap();
    let days = (last_day() - first).num_days();
    let instants = || {
        let milliseconds = days * 86_400_000;
        let begin = first.and_time(chrono::NaiveTime::MIN).and_utc();
        (0..milliseconds).prop_map(move |after| begin + chrono::TimeDelta::milliseconds(after))
    };
    let timed = (instants(), instants(), 0..3_000_i64).prop_map(|(one, other, near)| {
        // Some end within the second in which they begin.
        let to = if near < 1_500 { one + chrono::TimeDelta::milliseconds(near) } else { other };
        When::Timed(Span { from: one.min(to), to: one.max(to) })
    });
    let whole = (0..=days, 0..400_i64).prop_map(move |(begin, length)| {
        let first = first + chrono::TimeDelta::days(begin);
        let last = (first + chrono::TimeDelta::days(length)).min(last_day());
        When::Days { first, last }
    });
    prop_oneof![timed, whole]
}
