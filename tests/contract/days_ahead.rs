//! Due dates as playbooks select them: in their zone, and by days of the calendar.

use super::given::{at, playbook, task};
use super::plan::{NOW, judged, refused, snapshot};
use rota::domain::{DueSelector, parse_duration};
use rota::playbook::{Defaults, parse};
use rota::schedule::Snapshot;
use std::time::Duration;

#[test]
fn due_dates_are_looked_at_in_the_playbooks_zone() {
    let by = |due: DueSelector, on: Option<&str>| {
        refused(|s| s.due = due, |t| t.due = on.map(at)).is_none()
    };
    assert!(by(DueSelector::Absent, None) && !by(DueSelector::Absent, Some(NOW)));
    assert!(by(DueSelector::Overdue, Some("2026-11-10T08:59:59Z")));
    assert!(!by(DueSelector::Overdue, Some(NOW)) && !by(DueSelector::Overdue, None));
    // Berlin's 10 November begins and ends an hour before UTC's.
    assert!(by(DueSelector::Today, Some("2026-11-09T23:00:00Z")));
    assert!(!by(DueSelector::Today, Some("2026-11-10T23:00:00Z")));
    let span = DueSelector::Within(parse_duration("36h").unwrap());
    assert!(by(span, Some("2026-11-11T21:00:00Z")) && !by(span, Some("2026-11-11T21:00:01Z")));
    let days = DueSelector::WithinDays(3);
    assert!(by(days, Some("2026-11-13T22:59:59Z")) && !by(days, Some("2026-11-13T23:00:00Z")));
    assert!(!by(days, Some("2026-11-10T08:00:00Z")), "it has passed");
}

#[test]
fn days_ahead_are_days_of_the_calendar_also_over_a_weekend_on_which_the_clocks_change() {
    let by = |now: &str, due: &str| {
        let mut playbook = playbook("reminder");
        playbook.select.as_mut().unwrap().due = DueSelector::WithinDays(3);
        let board = Snapshot { now: at(now), ..snapshot(vec![], vec![], vec![]) };
        let mut task = task(7);
        task.due = Some(at(due));
        judged(&playbook, task, false, &board).is_none()
    };
    // Friday at nine in Berlin, for Monday evening: 81 hours, 82 where an hour comes twice.
    for (friday, monday, tuesday) in [
        ("2026-11-13T08:00:00Z", "2026-11-16T17:00:00Z", "2026-11-16T23:00:00Z"),
        ("2026-10-23T07:00:00Z", "2026-10-26T22:59:59Z", "2026-10-26T23:00:00Z"),
        ("2026-03-27T08:00:00Z", "2026-03-30T21:59:59Z", "2026-03-30T22:00:00Z"),
    ] {
        assert!(by(friday, monday), "{friday} {monday}");
        assert!(!by(friday, tuesday), "{friday} {tuesday}");
    }
}

#[test]
fn whole_days_are_days_and_anything_else_is_a_span() {
    let due = |text: &str| {
        let text = format!(
            "agent = \"AI-Worker\"\n[select]\ndue = \"within {text}\"\n[[step]]\ntool = \"addComment\"\n"
        );
        let parsed = parse(&text, "agents/x.toml", &Defaults::default()).unwrap();
        parsed.playbook.select.unwrap().due
    };
    assert_eq!(due("3d"), DueSelector::WithinDays(3));
    assert_eq!(due("1w"), DueSelector::WithinDays(7));
    assert_eq!(due("48h"), DueSelector::WithinDays(2));
    assert_eq!(due("36h"), DueSelector::Within(Duration::from_hours(36)));
    assert_eq!(due("1h"), DueSelector::Within(Duration::from_hours(1)));
}
