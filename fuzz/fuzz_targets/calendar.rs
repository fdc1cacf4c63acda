//! Calendars as documents: whatever stands in an entry, lines are those of the standard, and somebody
//! else's reader finds the same.
#![no_main]

use icalendar::Component as _;
use libfuzzer_sys::fuzz_target;
use rota::domain::{
    CalendarEvent, EventId, PersonId, Scheduled, Span, When, from_millis, icalendar as written,
};

fuzz_target!(|input: (&str, &str, &str, i32, u32, bool)| {
    let (title, description, location, from, length, days) = input;
    let from = from_millis(i64::from(from) * 1_000);
    let to = from + chrono::TimeDelta::seconds(i64::from(length));
    let when = if days {
        When::Days { first: from.date_naive(), last: to.date_naive() }
    } else {
        When::Timed(Span { from, to })
    };
    let event = CalendarEvent {
        id: EventId(1),
        owner: PersonId(1),
        // What is empty is left out.
        title: format!("x{title}"),
        description: format!("x{description}"),
        location: format!("x{location}"),
        when,
        created: from,
        modified: to,
        revision: u64::from(length),
    };
    let document = written(title, "example.org", &[Scheduled::Event(event.clone())]);
    for line in document.split_terminator("\r\n") {
        assert!(line.len() <= 75, "{line:?}");
        assert!(!line.chars().any(|c| c.is_control() && c != '\t'), "{line:?}");
    }
    let calendar: icalendar::Calendar = document.parse().expect("a calendar");
    let found: Vec<_> = calendar.events().collect();
    assert_eq!(found.len(), 1);
    for (name, text) in [
        ("SUMMARY", &event.title),
        ("DESCRIPTION", &event.description),
        ("LOCATION", &event.location),
    ] {
        assert_eq!(found[0].property_value(name), Some(regular(text).as_str()), "{name}");
    }
    assert!(found[0].get_start().is_some());
});

/// A text as it comes back: with one sort of line end, and without what controls a reader.
fn regular(text: &str) -> String {
    let one = text.replace("\r\n", "\n").replace('\r', "\n");
    one.chars().filter(|c| matches!(c, '\n' | '\t') || !c.is_control()).collect()
}
