//! The coming days of a playbook, each as long as it is: on the day on which the clock is set an hour is missing
//! or comes twice, and what falls there is seen.

use crate::digest::CivilDay;
use crate::domain::{Timestamp, Value};
use crate::web::pages::shown::{is, list, text};
use chrono::{DateTime, NaiveDateTime, Offset as _, TimeDelta, TimeZone as _};
use chrono_tz::Tz;
use maud::{Markup, html};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// So many days.
pub(super) const DAYS: u64 = 7;
/// The longest day, in minutes: a unit of the drawing is one.
const LONGEST: i64 = 25 * 60;
/// The drawing's height.
const HIGH: i64 = 24;
/// So many wakes of a day are named for whoever does not see the drawing.
const NAMED: usize = 6;

/// Up to where the days go that begin with this instant's.
pub(super) fn until(now: Timestamp, zone: Tz) -> Timestamp {
    CivilDay::of(now, zone).plus(DAYS).start()
}

/// The clock is set within a day.
struct Shift {
    /// When, in minutes from the day's begin.
    at: i64,
    /// By how many minutes forward; negative: back.
    by: i64,
    /// What the clock shows just before, and then.
    local: (NaiveDateTime, NaiveDateTime),
}

impl Shift {
    /// The one in a span, if there is one.
    fn within(day: CivilDay) -> Option<Self> {
        let (begin, end) = (day.start(), day.plus(1).start());
        let offset = |at: Timestamp| {
            i64::from(day.zone.offset_from_utc_datetime(&at.naive_utc()).fix().local_minus_utc())
        };
        let (mut low, mut high) = (begin, end);
        let first = offset(begin);
        if offset(end - TimeDelta::seconds(1)) == first {
            return None;
        }
        // The first second of the new time.
        while high - low > TimeDelta::seconds(1) {
            let middle = low + TimeDelta::seconds((high - low).num_seconds() / 2);
            if offset(middle) == first { low = middle } else { high = middle }
        }
        let local = |seconds: i64| high.naive_utc() + TimeDelta::seconds(seconds);
        Some(Self {
            at: (high - begin).num_minutes(),
            by: (offset(high) - first) / 60,
            local: (local(first), local(offset(high))),
        })
    }

    /// In words.
    fn said(&self) -> String {
        let (before, after) = self.local;
        let (from, to) = (before.min(after).format("%H:%M"), before.max(after).format("%H:%M"));
        if self.by > 0 {
            format!("{from} to {to} is skipped")
        } else {
            format!("{from} to {to} comes twice")
        }
    }
}

/// The days, from this instant's on.
pub(super) fn shown(now: Timestamp, zone: Tz, items: &[Value]) -> Markup {
    let first = CivilDay::of(now, zone);
    let days: Vec<CivilDay> = (0..DAYS).map(|number| first.plus(number)).collect();
    html! {
        ol.strip { @for day in &days { li { (one(*day, now, items)) } } }
        p.quiet { "In " (zone.name()) "; the lines stand at 6, 12 and 18 o'clock. What is pale is skipped." }
    }
}

fn one(day: CivilDay, now: Timestamp, items: &[Value]) -> Markup {
    let (begin, end) = (day.start(), day.plus(1).start());
    let minutes = (end - begin).num_minutes().clamp(0, LONGEST);
    let shift = Shift::within(day);
    let wakes: Vec<(i64, &Value)> = items
        .iter()
        .filter_map(|item| {
            let at = DateTime::parse_from_rfc3339(text(item, "planned")).ok()?;
            let at = at.with_timezone(&chrono::Utc);
            (begin <= at && at < end).then(|| ((at - begin).num_minutes(), item))
        })
        .collect();
    let hours = [6, 12, 18].into_iter().filter_map(|hour| {
        let at = day.zone.from_local_datetime(&day.date.and_hms_opt(hour, 0, 0)?).earliest()?;
        Some((at.with_timezone(&chrono::Utc) - begin).num_minutes())
    });
    let hours: Vec<i64> = hours.collect();
    let passed = (now - begin).num_minutes().clamp(0, minutes);
    let name = day.date.format("%a %-d %b").to_string();
    html! {
        span.day {
            (name)
            @if minutes != 24 * 60 {
                " " span.tag { (minutes / 60) @if minutes % 60 != 0 { ":" (format!("{:02}", minutes % 60)) } " h" }
            }
            @if let Some(shift) = &shift { " " span.quiet { (shift.said()) } }
        }
        svg viewBox={ "0 0 " (LONGEST) " " (HIGH) } preserveAspectRatio="none" role="img"
            aria-label=(in_words(&name, shift.as_ref(), &wakes)) {
            rect.whole width=(minutes) height=(HIGH) {}
            @if let Some(shift) = shift.as_ref().filter(|shift| shift.by < 0) {
                rect.twice x=(shift.at + shift.by) width=(-2 * shift.by) height=(HIGH) {}
            }
            @if passed > 0 { rect.passed width=(passed) height=(HIGH) {} }
            path.hour d=(strokes(hours.into_iter(), 0, HIGH)) {}
            @if let Some(shift) = &shift { path.shift d=(strokes(std::iter::once(shift.at), 0, HIGH)) {} }
            path.skipped d=(strokes(those(&wakes, false), 4, HIGH - 4)) {}
            path.wakes d=(strokes(those(&wakes, true), 4, HIGH - 4)) {}
        }
    }
}

/// Whether it will run when its time comes, as things stand.
fn runs(item: &Value) -> bool {
    text(item, "state") == "armed" && !is(item, "outside_hours")
}

fn those<'a>(wakes: &'a [(i64, &Value)], is_run: bool) -> impl Iterator<Item = i64> + 'a {
    wakes.iter().filter(move |(_, item)| runs(item) == is_run).map(|(at, _)| *at)
}

/// One line for each minute in which there is something.
fn strokes(at: impl Iterator<Item = i64>, from: i64, to: i64) -> String {
    let at: BTreeSet<i64> = at.collect();
    let mut path = String::new();
    for x in at {
        let _ = write!(path, "M{x} {from}V{to}");
    }
    path
}

fn in_words(name: &str, shift: Option<&Shift>, wakes: &[(i64, &Value)]) -> String {
    let mut said = name.to_owned();
    if let Some(shift) = shift {
        let _ = write!(said, ", {}", shift.said());
    }
    if wakes.is_empty() {
        return said + ": nothing";
    }
    let times: Vec<String> = wakes
        .iter()
        .take(NAMED)
        .map(|(_, item)| {
            // `Sun 2026-10-25 02:30:00 CEST`
            let local: Vec<&str> = text(item, "local").split(' ').skip(2).collect();
            let skipped = if runs(item) { "" } else { " (skipped)" };
            format!("{}{skipped}", local.join(" "))
        })
        .collect();
    let _ = write!(said, ": {}", times.join(", "));
    if wakes.len() > NAMED {
        let _ = write!(said, " and {} more", wakes.len() - NAMED);
    }
    said
}

/// The zone in which a playbook wakes; `None` where it has no clock.
pub(super) fn zone_of(next: &Value) -> Option<Tz> {
    list(next, "items").first().and_then(|item| text(item, "zone").parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ZONE: Tz = Tz::Europe__Berlin;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn wake(planned: &str, local: &str, state: &str) -> Value {
        Value::map([
            ("planned", planned),
            ("local", local),
            ("zone", "Europe/Berlin"),
            ("state", state),
        ])
    }

    #[test]
    fn a_day_of_25_hours_is_longer_and_the_hour_that_comes_twice_is_marked() {
        let items = [
            wake("2026-10-25T00:30:00Z", "Sun 2026-10-25 02:30:00 CEST", "armed"),
            wake("2026-10-25T01:30:00Z", "Sun 2026-10-25 02:30:00 CET", "paused"),
        ];
        let page = shown(at("2026-10-24T10:00:00Z"), ZONE, &items).into_string();
        assert_eq!(page.matches("<svg").count(), 7);
        for part in [
            "Sun 25 Oct <span class=\"tag\">25 h</span> <span class=\"quiet\">02:00 to 03:00 comes twice</span>",
            "<rect class=\"whole\" width=\"1500\"",
            // From two o'clock summer time, two hours long.
            "<rect class=\"twice\" x=\"120\" width=\"120\"",
            "<path class=\"wakes\" d=\"M150 4V20\">",
            "<path class=\"skipped\" d=\"M210 4V20\">",
            // Six o'clock is seven hours after midnight.
            "M420 0V24M780 0V24M1140 0V24",
            "comes twice: 02:30:00 CEST, 02:30:00 CET (skipped)\"",
        ] {
            assert!(page.contains(part), "{part} in {page}");
        }
        assert_eq!(page.matches("width=\"1440\"").count(), 6);
    }

    #[test]
    fn a_day_of_23_hours_is_shorter_and_the_hour_that_is_missing_is_marked() {
        let items = [wake("2026-03-29T01:00:00Z", "Sun 2026-03-29 03:00:00 CEST", "armed")];
        let page = shown(at("2026-03-29T00:10:00Z"), ZONE, &items).into_string();
        for part in [
            "<span class=\"tag\">23 h</span> <span class=\"quiet\">02:00 to 03:00 is skipped</span>",
            "<rect class=\"whole\" width=\"1380\"",
            "<rect class=\"passed\" width=\"70\"",
            "<path class=\"shift\" d=\"M120 0V24\">",
            "<path class=\"wakes\" d=\"M120 4V20\">",
        ] {
            assert!(page.contains(part), "{part} in {page}");
        }
        assert!(!page.contains("class=\"twice\""));
        // Half an hour, on an island.
        let page = shown(at("2026-04-04T20:00:00Z"), Tz::Australia__Lord_Howe, &[]).into_string();
        assert!(page.contains("24:30 h") && page.contains("01:30 to 02:00 comes twice"), "{page}");
    }

    #[test]
    fn an_ordinary_week_has_nothing_odd() {
        let page = shown(at("2026-06-01T10:00:00Z"), ZONE, &[]).into_string();
        assert!(!page.contains("class=\"tag\"") && !page.contains("class=\"shift\""), "{page}");
        assert!(page.contains("Mon 1 Jun: nothing"));
        assert_eq!(until(at("2026-06-01T10:00:00Z"), ZONE), at("2026-06-07T22:00:00Z"));
    }
}
