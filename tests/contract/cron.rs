//! Cron instants against an oracle that knows nothing of local enumeration: it walks through UTC minute
//! by minute and asks chrono-tz what the wall clock shows.

use chrono::{DateTime, Datelike, NaiveDateTime, TimeDelta, TimeZone, Timelike, Utc};
use chrono_tz::Tz;
use proptest::prelude::*;
use rota::cron::{Odd, Pattern};
use rota::domain::{Fold, Gap, Timestamp};
use std::collections::BTreeSet;

const ZONES: [Tz; 10] = [
    chrono_tz::Europe::Berlin,
    chrono_tz::America::New_York,
    chrono_tz::Australia::Lord_Howe,
    chrono_tz::Africa::Casablanca,
    chrono_tz::Asia::Tehran,
    chrono_tz::America::Santiago,
    chrono_tz::Antarctica::Troll,
    chrono_tz::Africa::Cairo,
    chrono_tz::America::Nuuk,
    chrono_tz::UTC,
];

/// A field: the set of values, and its text.
#[derive(Clone, Debug)]
struct Field {
    text: String,
    values: BTreeSet<u32>,
}

fn field(min: u32, max: u32) -> impl Strategy<Value = Field> {
    let star = Just(Field { text: "*".into(), values: (min..=max).collect() });
    let step = (2..=max.min(30)).prop_map(move |step| Field {
        text: format!("*/{step}"),
        values: (min..=max).step_by(step as usize).collect(),
    });
    let list = prop::collection::btree_set(min..=max, 1..4).prop_map(|values| Field {
        text: values.iter().map(u32::to_string).collect::<Vec<_>>().join(","),
        values,
    });
    let range = (min..=max, min..=max).prop_map(|(a, b)| Field {
        text: format!("{}-{}", a.min(b), a.max(b)),
        values: (a.min(b)..=a.max(b)).collect(),
    });
    prop_oneof![2 => star, 2 => step, 3 => list, 2 => range]
}

/// Hours near which clocks are set come often.
fn hour() -> impl Strategy<Value = Field> {
    let night = prop::collection::btree_set(0_u32..4, 1..3).prop_map(|values| Field {
        text: values.iter().map(u32::to_string).collect::<Vec<_>>().join(","),
        values,
    });
    prop_oneof![1 => night, 1 => field(0, 23)]
}

#[derive(Clone, Debug)]
struct Case {
    minute: Field,
    hour: Field,
    day: Field,
    month: Field,
    weekday: Field,
}

impl Case {
    fn text(&self) -> String {
        [&self.minute, &self.hour, &self.day, &self.month, &self.weekday]
            .map(|field| field.text.as_str())
            .join(" ")
    }

    fn matches(&self, local: NaiveDateTime) -> bool {
        let day = self.day.values.contains(&local.day());
        let weekday = self.weekday.values.contains(&local.weekday().num_days_from_sunday())
            || (self.weekday.values.contains(&7) && local.weekday() == chrono::Weekday::Sun);
        let starred = self.day.text.starts_with('*') || self.weekday.text.starts_with('*');
        let date = if starred { day && weekday } else { day || weekday };
        local.second() == 0
            && self.minute.values.contains(&local.minute())
            && self.hour.values.contains(&local.hour())
            && self.month.values.contains(&local.month())
            && date
    }

    fn is_wild(&self) -> bool {
        self.hour.text.contains('*') || self.hour.values.len() == 24
    }
}

fn case() -> impl Strategy<Value = Case> {
    let day = prop_oneof![4 => Just(Field { text: "*".into(), values: (1..=31).collect() }), 1 => field(1, 31)];
    let month = prop_oneof![4 => Just(Field { text: "*".into(), values: (1..=12).collect() }), 1 => field(1, 12)];
    let weekday = prop_oneof![3 => Just(Field { text: "*".into(), values: (0..=7).collect() }), 1 => field(0, 7)];
    (field(0, 59), hour(), day, month, weekday)
        .prop_map(|(minute, hour, day, month, weekday)| Case { minute, hour, day, month, weekday })
}

fn shown(zone: Tz, at: DateTime<Utc>) -> NaiveDateTime {
    at.with_timezone(&zone).naive_local()
}

/// Every instant after `from`, up to and including `to`, found by walking through UTC.
fn oracle(
    case: &Case,
    zone: Tz,
    gap: Gap,
    fold: Fold,
    from: Timestamp,
    to: Timestamp,
) -> Vec<Timestamp> {
    let minute = TimeDelta::minutes(1);
    let mut found = Vec::new();
    let mut at = from + minute;
    while at <= to {
        let local = shown(zone, at);
        let before = shown(zone, at - minute);
        // Which showing of this local time is it? Asked of the minutes around, not of chrono-tz.
        let shown_at = |m| shown(zone, at + TimeDelta::minutes(m)) == local;
        let wanted = || {
            case.is_wild()
                || match fold {
                    Fold::First => !(1..=180).any(|m| shown_at(-m)),
                    Fold::Second => !(1..=180).any(shown_at),
                    Fold::Both => true,
                }
        };
        let mut removed = before + minute;
        let mut carried = false;
        while removed < local {
            carried |= case.matches(removed);
            removed += minute;
        }
        let made_up = carried && gap == Gap::Next && case.hour.values.len() != 24;
        if made_up || (case.matches(local) && wanted()) {
            found.push(at);
        }
        at += minute;
    }
    found
}

/// The instants at which a zone's clock is set, 2020 to 2035.
fn transitions(zone: Tz) -> Vec<Timestamp> {
    let offset = |at: DateTime<Utc>| shown(zone, at) - at.naive_utc();
    let mut at = Utc.with_ymd_and_hms(2020, 1, 1, 0, 0, 0).unwrap();
    let end = Utc.with_ymd_and_hms(2036, 1, 1, 0, 0, 0).unwrap();
    let mut found = Vec::new();
    while at < end {
        let next = at + TimeDelta::hours(1);
        if offset(at) != offset(next) {
            found.push(next);
        }
        at = next;
    }
    found
}

fn spans() -> Vec<(Tz, Vec<Timestamp>)> {
    static SPANS: std::sync::OnceLock<Vec<(Tz, Vec<Timestamp>)>> = std::sync::OnceLock::new();
    let make = || {
        let plain = Utc.with_ymd_and_hms(2028, 2, 29, 0, 0, 0).unwrap();
        ZONES
            .iter()
            .map(|zone| {
                let mut found = transitions(*zone);
                found.push(plain);
                (*zone, found)
            })
            .collect()
    };
    SPANS.get_or_init(make).clone()
}

fn gaps() -> impl Strategy<Value = Gap> {
    prop_oneof![Just(Gap::Next), Just(Gap::Skip)]
}

fn folds() -> impl Strategy<Value = Fold> {
    prop_oneof![Just(Fold::First), Just(Fold::Second), Just(Fold::Both)]
}

fn walk(
    pattern: &Pattern,
    zone: Tz,
    gap: Gap,
    fold: Fold,
    from: Timestamp,
    to: Timestamp,
) -> Vec<Timestamp> {
    pattern.iter(from, zone, gap, fold).take_while(|at| *at <= to).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn around_every_clock_change_the_instants_are_those_of_the_oracle(
        case in case(), zone in 0..ZONES.len(), place in any::<prop::sample::Index>(),
        offset in -1_500_i64..1_500, gap in gaps(), fold in folds(),
    ) {
        let (zone, changes) = &spans()[zone];
        let change = changes[place.index(changes.len())];
        // The span begins anywhere around the change, so that `after` is asked from inside it as well.
        let from = change + TimeDelta::minutes(offset.min(0));
        let to = change + TimeDelta::minutes(offset.max(0) + 200);
        let Ok(pattern) = Pattern::parse(&case.text()) else { return Ok(()) };
        let expected = oracle(&case, *zone, gap, fold, from, to);
        let found = walk(&pattern, *zone, gap, fold, from, to);
        prop_assert_eq!(&found, &expected, "{} in {} from {}", case.text(), zone, from);
        prop_assert_eq!(pattern.count(from, to, *zone, gap, fold), expected.len() as u64);
    }

    #[test]
    fn from_whatever_instant_the_next_is_the_first_of_the_oracle(
        case in case(), zone in 0..ZONES.len(), place in any::<prop::sample::Index>(),
        seconds in -7_200_i64..7_200, gap in gaps(), fold in folds(),
    ) {
        let (zone, changes) = &spans()[zone];
        let change = changes[place.index(changes.len())];
        let from = change + TimeDelta::seconds(seconds);
        let Ok(pattern) = Pattern::parse(&case.text()) else { return Ok(()) };
        let floor = from - TimeDelta::seconds(from.timestamp().rem_euclid(60));
        let expected = oracle(&case, *zone, gap, fold, floor, floor + TimeDelta::hours(26));
        let expected = expected.into_iter().find(|at| *at > from);
        let found = pattern.after(from, *zone, gap, fold).filter(|at| *at <= floor + TimeDelta::hours(26));
        prop_assert_eq!(found, expected, "{} in {} from {}", case.text(), zone, from);
    }

    #[test]
    fn counting_is_walking(
        case in case(), zone in 0..ZONES.len(), start in 0_i64..400, days in 1_i64..40,
        gap in gaps(), fold in folds(),
    ) {
        let zone = ZONES[zone];
        let from = Utc.with_ymd_and_hms(2026, 1, 1, 7, 31, 5).unwrap() + TimeDelta::days(start);
        let to = from + TimeDelta::days(days);
        let Ok(pattern) = Pattern::parse(&case.text()) else { return Ok(()) };
        let walked = walk(&pattern, zone, gap, fold, from, to).len() as u64;
        prop_assert_eq!(pattern.count(from, to, zone, gap, fold), walked, "{} in {}", case.text(), zone);
    }
}

/// More with `ROTA_TEST_CASES=…`.
#[expect(clippy::disallowed_methods, reason = "how long a test runs is for whoever runs it")]
fn cases() -> u32 {
    std::env::var("ROTA_TEST_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(100)
}

#[test]
fn around_every_clock_change_from_2020_to_2035_in_every_zone() {
    let list = |text: &str, values: &[u32]| Field {
        text: text.to_owned(),
        values: values.iter().copied().collect(),
    };
    let star = |min, max| Field { text: "*".into(), values: (min..=max).collect() };
    let quarters = || list("*/15", &[0, 15, 30, 45]);
    let clocks = [
        (list("30", &[30]), list("2", &[2])),
        (list("0", &[0]), list("0", &[0])),
        (quarters(), star(0, 23)),
        (quarters(), list("0,1,2,3", &[0, 1, 2, 3])),
        (list("20", &[20]), list("*/2", &[0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22])),
        (list("5,50", &[5, 50]), list("22,23,0", &[0, 22, 23])),
    ];
    let policies = [(Gap::Next, Fold::First), (Gap::Skip, Fold::Both), (Gap::Next, Fold::Second)];
    let mut compared = 0;
    for (zone, changes) in spans() {
        for (minute, hour) in &clocks {
            let case = Case {
                minute: minute.clone(),
                hour: hour.clone(),
                day: star(1, 31),
                month: star(1, 12),
                weekday: star(0, 7),
            };
            let pattern = Pattern::parse(&case.text()).unwrap();
            for change in &changes {
                let (from, to) = (*change - TimeDelta::hours(3), *change + TimeDelta::hours(3));
                for (gap, fold) in policies {
                    let expected = oracle(&case, zone, gap, fold, from, to);
                    let found = walk(&pattern, zone, gap, fold, from, to);
                    assert_eq!(found, expected, "{} in {zone} at {change}", case.text());
                    compared += 1;
                }
            }
        }
    }
    assert!(compared > 2_000, "only {compared} spans were compared");
}

fn golden(text: &str, zone: Tz, gap: Gap, fold: Fold, from: &str, to: &str) -> Vec<String> {
    let pattern = Pattern::parse(text).unwrap();
    let parse = |text: &str| text.parse::<Timestamp>().unwrap();
    walk(&pattern, zone, gap, fold, parse(from), parse(to))
        .into_iter()
        .map(|at| at.with_timezone(&zone).format("%H:%M %Z").to_string())
        .collect()
}

#[test]
fn in_spring_berlin_runs_removed_times_once_at_three() {
    let zone = chrono_tz::Europe::Berlin;
    let day = |text, gap| {
        golden(text, zone, gap, Fold::First, "2026-03-28T23:00:00Z", "2026-03-29T03:00:00Z")
    };
    assert_eq!(day("30 2 * * *", Gap::Next), ["03:00 CEST"]);
    assert_eq!(day("30 2 * * *", Gap::Skip), [""; 0]);
    assert_eq!(day("15,45 2 * * *", Gap::Next), ["03:00 CEST"]);
    assert_eq!(day("0 1-3 * * *", Gap::Next), ["01:00 CET", "03:00 CEST"]);
    assert_eq!(day("30 1-3 * * *", Gap::Next), ["01:30 CET", "03:00 CEST", "03:30 CEST"]);
    assert_eq!(
        day("30 * * * *", Gap::Next),
        ["00:30 CET", "01:30 CET", "03:30 CEST", "04:30 CEST"]
    );
    assert_eq!(day("0 */2 * * *", Gap::Next), ["03:00 CEST", "04:00 CEST"]);
    assert_eq!(
        day("*/30 1-3 * * *", Gap::Skip),
        ["01:00 CET", "01:30 CET", "03:00 CEST", "03:30 CEST"]
    );
}

#[test]
fn in_autumn_berlin_runs_repeated_times_as_the_fold_says() {
    let zone = chrono_tz::Europe::Berlin;
    let day = |text, fold| {
        golden(text, zone, Gap::Next, fold, "2026-10-24T22:59:59Z", "2026-10-25T02:00:00Z")
    };
    assert_eq!(day("30 2 * * *", Fold::First), ["02:30 CEST"]);
    assert_eq!(day("30 2 * * *", Fold::Second), ["02:30 CET"]);
    assert_eq!(day("30 2 * * *", Fold::Both), ["02:30 CEST", "02:30 CET"]);
    let both = ["02:00 CEST", "02:30 CEST", "02:00 CET", "02:30 CET"];
    assert_eq!(day("*/30 2 * * *", Fold::Both), both);
    assert_eq!(day("*/30 2 * * *", Fold::Second), ["02:00 CET", "02:30 CET"]);
    let hourly = ["01:00 CEST", "02:00 CEST", "02:00 CET", "03:00 CET"];
    assert_eq!(day("@hourly", Fold::First), hourly);
    assert_eq!(day("0 0-23 * * *", Fold::First), hourly);
    assert_eq!(day("0 */2 * * *", Fold::First), ["02:00 CEST", "02:00 CET"]);
}

#[test]
fn new_york_in_both_directions() {
    let zone = chrono_tz::America::New_York;
    let spring = |text| {
        golden(text, zone, Gap::Next, Fold::First, "2027-03-14T05:30:00Z", "2027-03-14T13:00:00Z")
    };
    assert_eq!(spring("30 2 * * *"), ["03:00 EDT"]);
    assert_eq!(spring("0 9 * * *"), ["09:00 EDT"]);
    assert_eq!(spring("*/30 1-3 * * *"), ["01:00 EST", "01:30 EST", "03:00 EDT", "03:30 EDT"]);
    let autumn = |text| {
        golden(text, zone, Gap::Next, Fold::First, "2027-11-07T04:59:59Z", "2027-11-07T14:00:00Z")
    };
    assert_eq!(autumn("30 1 * * *"), ["01:30 EDT"]);
    assert_eq!(autumn("0 9 * * *"), ["09:00 EST"]);
    assert_eq!(autumn("0 * * * *")[..3], ["01:00 EDT", "01:00 EST", "02:00 EST"]);
}

#[test]
fn half_an_hour_on_lord_howe() {
    let zone = chrono_tz::Australia::Lord_Howe;
    let spring = |text, gap| {
        golden(text, zone, gap, Fold::First, "2026-10-03T14:30:00Z", "2026-10-03T16:30:00Z")
    };
    assert_eq!(spring("15 2 * * *", Gap::Next), ["02:30 +11"]);
    assert_eq!(spring("15,30 2 * * *", Gap::Next), ["02:30 +11"]);
    assert_eq!(spring("15 2 * * *", Gap::Skip), [""; 0]);
    let autumn = |text, fold| {
        golden(text, zone, Gap::Next, fold, "2026-04-04T14:00:00Z", "2026-04-04T16:00:00Z")
    };
    assert_eq!(autumn("45 1 * * *", Fold::Both), ["01:45 +11", "01:45 +1030"]);
    assert_eq!(autumn("*/15 * * * *", Fold::First).len(), 8);
}

#[test]
fn a_day_that_never_was_runs_once_when_the_next_begins() {
    let zone = chrono_tz::Pacific::Apia;
    let day = |gap| {
        golden("0 12 * * *", zone, gap, Fold::First, "2011-12-29T00:00:00Z", "2011-12-31T00:00:00Z")
    };
    assert_eq!(day(Gap::Next), ["12:00 -10", "00:00 +14", "12:00 +14"]);
    assert_eq!(day(Gap::Skip), ["12:00 -10", "12:00 +14"]);
}

#[test]
fn odd_instants_are_marked() {
    let zone = chrono_tz::Europe::Berlin;
    let pattern = Pattern::parse("30 2 * * *").unwrap();
    let odd = |at: &str, gap| pattern.odd(at.parse().unwrap(), zone, gap);
    assert_eq!(odd("2026-03-29T01:00:00Z", Gap::Next), Some(Odd::Gap));
    assert_eq!(odd("2026-10-25T00:30:00Z", Gap::Next), Some(Odd::FoldFirst));
    assert_eq!(odd("2026-10-25T01:30:00Z", Gap::Next), Some(Odd::FoldSecond));
    assert_eq!(odd("2026-10-26T01:30:00Z", Gap::Next), None);
}

#[test]
fn patterns_that_are_none_say_what_is_wrong() {
    let fault = |text: &str| Pattern::parse(text).unwrap_err().to_string();
    assert_eq!(
        fault("61 * * * *"),
        "\"61\" in the field minute; expected a number from 0 to 59, a range or `*`"
    );
    assert!(
        fault("* * * * MON-FIR").contains("a name (SUN … SAT)"),
        "{}",
        fault("* * * * MON-FIR")
    );
    assert!(fault("0 8 * *").starts_with("4 fields; expected 5"));
    assert!(fault("").starts_with("0 fields"));
    assert!(fault("0 0 30 2 *").starts_with("it never fires"));
    assert!(fault("0 0 31 4,6,9,11 *").starts_with("it never fires"));
    assert!(fault("@dayly").contains("@daily"));
    assert!(fault("5/10 * * * *").contains("a step after `*` or a range"));
    assert!(fault("*/0 * * * *").contains("a step from 1"));
    assert!(fault("20-10 * * * *").contains("from the smaller"));
    assert!(fault("MON * * * *").contains("field minute"));
    assert!(fault("1,,2 * * * *").contains("field minute"));
    assert!(fault("* * * * MON#6").contains("`#1` to `#5`"));
    assert!(fault("-1 * * * *").contains("field minute"));
    assert!(fault(&"1,".repeat(400)).contains("at most 500"));
}

#[test]
fn what_cron_takes_is_taken() {
    for text in [
        "*/5 8-18 * * MON-FRI",
        "0 0 L * *",
        "0 0 LW * *",
        "0 0 15W * *",
        "0 0 * * FRI#2",
        "0 0 * * friL",
        "0 0 ? * SAT-SUN",
        "30 0 8 * * *",
        "@yearly",
        "@Monthly",
        "@weekly",
        "0 0 29 2 *",
        "0 0 * JAN,jul 7",
        "0 0 1-7 * MON",
        "0 8-18/2 * * *",
    ] {
        assert!(Pattern::parse(text).is_ok(), "{text}: {:?}", Pattern::parse(text));
    }
}

#[test]
fn days_are_ored_unless_one_begins_with_a_star() {
    let zone = chrono_tz::UTC;
    let days = |text: &str| {
        let pattern = Pattern::parse(text).unwrap();
        let from = Utc.with_ymd_and_hms(2026, 11, 1, 0, 0, 0).unwrap() - TimeDelta::seconds(1);
        walk(&pattern, zone, Gap::Next, Fold::First, from, from + TimeDelta::days(30))
            .into_iter()
            .map(|at| at.day())
            .collect::<Vec<_>>()
    };
    assert_eq!(days("0 0 13 * FRI"), [6, 13, 20, 27]);
    assert_eq!(days("0 0 10 * FRI"), [6, 10, 13, 20, 27]);
    assert_eq!(days("0 0 */2 * MON"), [9, 23]);
    assert_eq!(days("0 0 L * *"), [30]);
    assert_eq!(days("0 0 * * FRI#2"), [13]);
    assert_eq!(days("0 0 * * SUN"), days("0 0 * * 7"));
}

#[test]
fn a_day_whose_last_hour_comes_again_after_midnight_is_counted_right() {
    // Newfoundland once set its clocks at 00:01: back to 23:01 of the day before.
    let zone = chrono_tz::America::St_Johns;
    let pattern = Pattern::parse("30 22,23 * * *").unwrap();
    let from: Timestamp = "2010-11-04T12:00:00Z".parse().unwrap();
    let to: Timestamp = "2010-11-10T12:00:00Z".parse().unwrap();
    for fold in [Fold::First, Fold::Second, Fold::Both] {
        let walked = walk(&pattern, zone, Gap::Next, fold, from, to);
        assert_eq!(walked.len(), if fold == Fold::Both { 13 } else { 12 });
        assert_eq!(pattern.count(from, to, zone, Gap::Next, fold), walked.len() as u64);
    }
}

#[test]
fn a_year_of_seconds_is_counted_not_walked_through() {
    let zone = chrono_tz::Europe::Berlin;
    let pattern = Pattern::parse("* * * * * *").unwrap();
    let from: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let to: Timestamp = "2026-02-01T00:00:00Z".parse().unwrap();
    assert_eq!(pattern.count(from, to, zone, Gap::Next, Fold::First), 31 * 86_400);
}

#[test]
fn what_is_told_of_an_unknown_name_shows_no_control_character() {
    let error = rota::cron::Pattern::parse("@\0").unwrap_err().to_string();
    assert!(error.starts_with("@\\0 is unknown"), "{error:?}");
}
