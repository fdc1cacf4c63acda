//! Instants around clock changes, worked out by hand from the rules of five zones.

use crate::contract::given::{at, on};
use rota::domain::{Fold, Gap, On, PlaybookName};
use rota::schedule::Timetable;

use Fold::{Both, First, Second};
use Gap::{Next, Skip};

/// Pattern, policies, the days in UTC (both included), and the instants as day and time in UTC.
type Row = (&'static str, Gap, Fold, (&'static str, &'static str), &'static [&'static str]);

fn hold(zone: chrono_tz::Tz, rows: &[Row]) {
    for (cron, gap, fold, (from, to), expected) in rows {
        let on = On { cron: Some((*cron).to_owned()), gap: *gap, fold: *fold, ..on(zone) };
        let table = Timetable::new(&on, &PlaybookName::new("golden")).unwrap().unwrap();
        let (from, to) = (at(&format!("{from}T00:00:00Z")), at(&format!("{to}T23:59:59Z")));
        let found: Vec<_> =
            table.between(from, to).map(|at| at.format("%d %H:%M").to_string()).collect();
        assert_eq!(&found, expected, "{cron} in {zone} from {from}, {gap:?} {fold:?}");
    }
}

#[test]
fn berlin() {
    // From the last Sunday of March to the last of October, at 01:00 UTC.
    let (spring, autumn) = (("2026-03-28", "2026-03-30"), ("2026-10-24", "2026-10-26"));
    hold(
        chrono_tz::Europe::Berlin,
        &[
            ("30 2 * * *", Next, First, spring, &["28 01:30", "29 01:00", "30 00:30"]),
            ("30 2 * * *", Skip, First, spring, &["28 01:30", "30 00:30"]),
            ("0 8 * * *", Next, First, spring, &["28 07:00", "29 06:00", "30 06:00"]),
            ("30 2 * * *", Next, First, autumn, &["24 00:30", "25 00:30", "26 01:30"]),
            ("30 2 * * *", Next, Second, autumn, &["24 00:30", "25 01:30", "26 01:30"]),
            ("30 2 * * *", Next, Both, autumn, &["24 00:30", "25 00:30", "25 01:30", "26 01:30"]),
            ("0 8 * * *", Next, First, autumn, &["24 06:00", "25 07:00", "26 07:00"]),
        ],
    );
}

#[test]
fn new_york() {
    // From the second Sunday of March, 07:00 UTC, to the first of November, 06:00 UTC.
    let (spring, autumn) = (("2027-03-13", "2027-03-15"), ("2027-11-06", "2027-11-08"));
    hold(
        chrono_tz::America::New_York,
        &[
            ("30 2 * * *", Next, First, spring, &["13 07:30", "14 07:00", "15 06:30"]),
            ("30 2 * * *", Skip, First, spring, &["13 07:30", "15 06:30"]),
            ("0 9 * * *", Next, First, spring, &["13 14:00", "14 13:00", "15 13:00"]),
            ("30 1 * * *", Next, First, autumn, &["06 05:30", "07 05:30", "08 06:30"]),
            ("30 1 * * *", Next, Second, autumn, &["06 05:30", "07 06:30", "08 06:30"]),
            ("30 1 * * *", Next, Both, autumn, &["06 05:30", "07 05:30", "07 06:30", "08 06:30"]),
            ("0 9 * * *", Next, First, autumn, &["06 13:00", "07 14:00", "08 14:00"]),
        ],
    );
}

#[test]
fn lord_howe() {
    // +10:30, and +11 from the first Sunday of October to the first of April, at 02:00 local time.
    let (spring, autumn) = (("2026-10-02", "2026-10-04"), ("2026-04-03", "2026-04-05"));
    hold(
        chrono_tz::Australia::Lord_Howe,
        &[
            ("15 2 * * *", Next, First, spring, &["02 15:45", "03 15:30", "04 15:15"]),
            ("15 2 * * *", Skip, First, spring, &["02 15:45", "04 15:15"]),
            ("45 2 * * *", Next, First, spring, &["02 16:15", "03 15:45", "04 15:45"]),
            ("45 1 * * *", Next, First, autumn, &["03 14:45", "04 14:45", "05 15:15"]),
            ("45 1 * * *", Next, Second, autumn, &["03 14:45", "04 15:15", "05 15:15"]),
            ("45 1 * * *", Next, Both, autumn, &["03 14:45", "04 14:45", "04 15:15", "05 15:15"]),
            ("15 1 * * *", Next, Both, autumn, &["03 14:15", "04 14:15", "05 14:45"]),
        ],
    );
}

#[test]
fn casablanca() {
    // +01, but +00 in Ramadan: in 2026 from Sunday, 15 February to Sunday, 22 March, both at 02:00 UTC.
    let (back, forward) = (("2026-02-14", "2026-02-16"), ("2026-03-21", "2026-03-23"));
    hold(
        chrono_tz::Africa::Casablanca,
        &[
            ("30 2 * * *", Next, First, back, &["14 01:30", "15 01:30", "16 02:30"]),
            ("30 2 * * *", Next, Second, back, &["14 01:30", "15 02:30", "16 02:30"]),
            ("30 2 * * *", Skip, Both, back, &["14 01:30", "15 01:30", "15 02:30", "16 02:30"]),
            ("30 2 * * *", Next, First, forward, &["21 02:30", "22 02:00", "23 01:30"]),
            ("30 2 * * *", Skip, First, forward, &["21 02:30", "23 01:30"]),
        ],
    );
}

#[test]
fn tehran() {
    // +03:30, and +04:30 from 22 March to 22 September, at midnight; abolished after 2022.
    let (spring, autumn) = (("2022-03-20", "2022-03-22"), ("2022-09-20", "2022-09-22"));
    let (no_spring, no_autumn) = (("2023-03-20", "2023-03-22"), ("2023-09-20", "2023-09-22"));
    hold(
        chrono_tz::Asia::Tehran,
        &[
            ("15 0 * * *", Next, First, spring, &["20 20:45", "21 20:30", "22 19:45"]),
            ("15 0 * * *", Skip, First, spring, &["20 20:45", "22 19:45"]),
            ("15 23 * * *", Next, First, autumn, &["20 18:45", "21 18:45", "22 19:45"]),
            ("15 23 * * *", Next, Second, autumn, &["20 18:45", "21 19:45", "22 19:45"]),
            ("15 23 * * *", Next, Both, autumn, &["20 18:45", "21 18:45", "21 19:45", "22 19:45"]),
            ("15 0 * * *", Next, First, no_spring, &["20 20:45", "21 20:45", "22 20:45"]),
            ("15 23 * * *", Next, Both, no_autumn, &["20 19:45", "21 19:45", "22 19:45"]),
        ],
    );
}
