//! Every IANA zone, every time its clock is set from 2020 to 2035: the timetable against the oracle.

use super::oracle::{Fields, POLICIES, Shown, offset};
use chrono::{DateTime, Utc};
use chrono_tz::{TZ_VARIANTS, Tz};
use rota::clock::{Entropy, SeededEntropy};
use rota::domain::{On, PlaybookName, Timestamp};
use rota::schedule::Timetable;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// 1 January 2020 and 1 January 2036, UTC.
const FROM: i64 = 1_577_836_800;
const TO: i64 = 2_082_758_400;
const DAY: i64 = 86_400;

/// About a clock that is set at night, as clocks are; few instants, so that all policies are asked.
const SPARSE: [&str; 9] = [
    "30 2 * * *",
    "0 0 * * *",
    "15,45 1-3 * * *",
    "5 22,23,0 * * *",
    "20 */2 * * 1-5",
    "0 0 1 * *",
    "59 23 28-31 * 0",
    "10 0-23 1 * 6",
    "0 1-23/3 * 3,10 *",
];

/// Many instants: one policy after another.
const DENSE: [&str; 4] = ["*/15 * * * *", "*/7 1-3 * * *", "7-59/13 */3 * * *", "0 * * * *"];

/// A zone's clock over sixteen years: what it adds at first, and each time it is set.
type Table = (i64, Vec<(i64, i64)>);

fn table(zone: Tz) -> Table {
    // No clock was set twice within six hours.
    const LOOK: i64 = 6 * 3_600;
    let mut at = FROM - 3 * DAY;
    let mut last = offset(zone, at);
    let mut table = (last, Vec::new());
    while at < TO + 3 * DAY {
        let next = offset(zone, at + LOOK);
        if next != last {
            let (mut low, mut high) = (at, at + LOOK);
            while high - low > 1 {
                let middle = i64::midpoint(low, high);
                if offset(zone, middle) == last { low = middle } else { high = middle }
            }
            table.1.push((high, next));
            last = next;
        }
        at += LOOK;
    }
    table
}

/// Zones with the same table behave the same: one of them stands for all.
fn tables() -> &'static BTreeMap<Table, Vec<Tz>> {
    static TABLES: LazyLock<BTreeMap<Table, Vec<Tz>>> = LazyLock::new(|| {
        let mut tables: BTreeMap<Table, Vec<Tz>> = BTreeMap::new();
        for zone in TZ_VARIANTS {
            tables.entry(table(zone)).or_default().push(zone);
        }
        tables
    });
    &TABLES
}

fn timestamp(at: i64) -> Timestamp {
    DateTime::<Utc>::from_timestamp(at, 0).unwrap()
}

fn timetable(text: &str, zone: Tz, policy: usize) -> Timetable {
    let (gap, fold, _) = POLICIES[policy];
    let on = On { cron: Some(text.to_owned()), gap, fold, ..crate::contract::given::on(zone) };
    Timetable::new(&on, &PlaybookName::new("proof")).unwrap().unwrap()
}

/// A pattern in a zone under every policy, and what the oracle makes of it.
struct Subject {
    text: String,
    zone: Tz,
    fields: Fields,
    tables: BTreeMap<usize, Timetable>,
}

impl Subject {
    fn new(text: &str, zone: Tz) -> Self {
        let tables = (0..POLICIES.len()).map(|policy| (policy, timetable(text, zone, policy)));
        Self { text: text.to_owned(), zone, fields: Fields::read(text), tables: tables.collect() }
    }

    /// Only one of the policies.
    fn under(text: &str, zone: Tz, policy: usize) -> Self {
        let tables = [(policy, timetable(text, zone, policy))].into();
        Self { text: text.to_owned(), zone, fields: Fields::read(text), tables }
    }

    /// Compares a span under some policies: the whole walk, the count, and what comes after an
    /// instant in the middle of it. Returns the number of instants.
    fn compare(
        &self,
        (from, to): (i64, i64),
        shown: &Shown,
        policies: &[usize],
        chance: u64,
    ) -> usize {
        let found = shown.instants(&self.fields);
        let mut instants = 0;
        for policy in policies {
            let (gap, fold, bit) = POLICIES[*policy];
            let wanted = found.iter().filter(|(_, bits)| bits & bit != 0);
            let expected: Vec<i64> = wanted.map(|(at, _)| *at).collect();
            let (table, what) = (&self.tables[policy], (&self.text, self.zone, gap, fold));
            let (begin, end) = (timestamp(from), timestamp(to));
            let told: Vec<i64> = table.between(begin, end).map(|at| at.timestamp()).collect();
            assert_eq!(told, expected, "{what:?} after {begin}");
            if policies.first() == Some(policy) && chance.is_multiple_of(4) {
                assert_eq!(table.count(begin, end), expected.len() as u64, "{what:?}, {begin}");
            }
            let middle = from + i64::try_from(chance % u64::try_from(to - from).unwrap()).unwrap();
            let next = table.after(timestamp(middle)).map(|at| at.timestamp());
            let expected_next = expected.iter().copied().find(|at| *at > middle);
            assert_eq!(next.filter(|at| *at <= to), expected_next, "{what:?} after {middle}");
            instants += expected.len();
        }
        instants
    }
}

/// With `ROTA_FULL=1` every pattern meets every change under every policy, and ten times as many
/// days are drawn; it takes some minutes.
#[expect(clippy::disallowed_methods, reason = "how long a test runs is for whoever runs it")]
fn full() -> bool {
    std::env::var("ROTA_FULL").is_ok_and(|text| text == "1")
}

/// The times a table's clock is set in the sixteen years.
fn changes(table: &Table) -> Vec<i64> {
    table.1.iter().map(|(at, _)| *at).filter(|at| (FROM..TO).contains(at)).collect()
}

#[test]
fn around_every_transition_of_every_zone_no_instant_is_lost_doubled_or_out_of_order() {
    let (tables, chance, full) = (tables(), SeededEntropy::new(1), full());
    let (mut zones, mut transitions, mut spans, mut steps, mut instants) = (0, 0, 0, 0, 0);
    for (table, same) in tables {
        let changes = changes(table);
        zones += same.len();
        transitions += same.len() * changes.len();
        // Any of the zones that agree; not always the first.
        let zone = same[usize::try_from(chance.next_u64() % same.len() as u64).unwrap()];
        let sparse: Vec<_> = SPARSE.iter().map(|text| Subject::new(text, zone)).collect();
        let dense: Vec<_> = DENSE.iter().map(|text| Subject::new(text, zone)).collect();
        for at in changes {
            assert_eq!(at % 60, 0, "{zone} is set within a minute: walk it by seconds");
            let span = (at - 2 * DAY, at + 2 * DAY);
            let shown = Shown::new(zone, span.0, span.1, 60);
            (spans, steps) = (spans + 1, steps + shown.len());
            for (place, subject) in sparse.iter().chain(&dense).enumerate() {
                let often = place.saturating_sub(SPARSE.len());
                let policy = (spans / 3 + place) % 3;
                let policies: &[usize] = match subject.fields.is_elapsed() {
                    _ if full => &[0, 1, 2, 3, 4, 5],
                    _ if place >= SPARSE.len() && spans % DENSE.len() != often => continue,
                    // The first three always, of the others a third.
                    _ if (3..SPARSE.len()).contains(&place)
                        && !(spans + place).is_multiple_of(3) =>
                    {
                        continue;
                    }
                    _ if place >= SPARSE.len() => &[spans / DENSE.len() % POLICIES.len()],
                    // About elapsed time: the fold does not matter, the gap does.
                    true => &[policy, policy + 3],
                    false => &[0, 1, 2, 3, 4, 5],
                };
                instants += subject.compare(span, &shown, policies, chance.next_u64());
            }
        }
    }
    eprintln!(
        "{zones} zones, {transitions} transitions ({} different tables, {spans} different \
         transitions): {steps} minutes walked, {instants} instants compared",
        tables.len()
    );
    assert_eq!(zones, TZ_VARIANTS.len());
    assert!(spans > 1_000 && transitions > 5_000, "{spans} {transitions}");
}

#[test]
fn around_transitions_patterns_with_seconds_are_those_of_a_walk_through_every_second() {
    let (chance, full) = (SeededEntropy::new(2), full());
    let patterns =
        ["59 59 1-2 * * *", "*/40 */20 * * * *", "0,59 0,59 */2 * * *", "7 0 0,2,3 * * *"];
    let (mut seen, mut spans, mut steps, mut instants) = (0, 0, 0, 0);
    for (table, same) in tables() {
        let subjects: Vec<_> = patterns.iter().map(|text| Subject::new(text, same[0])).collect();
        for at in changes(table) {
            seen += 1;
            if !full && seen % 8 != 0 {
                continue;
            }
            let span = (at - 2 * 3_600 - 1, at + 2 * 3_600);
            let shown = Shown::new(same[0], span.0, span.1, 1);
            (spans, steps) = (spans + 1, steps + shown.len());
            for subject in &subjects {
                instants += subject.compare(span, &shown, &[0, 1, 2, 3, 4, 5], chance.next_u64());
            }
        }
    }
    eprintln!("{spans} transitions: {steps} seconds walked, {instants} instants compared");
    assert!(spans > 100);
}

/// A pattern by chance: numbers, lists, ranges and steps in every field.
fn pattern(chance: &SeededEntropy) -> String {
    let below = |count: u64| chance.next_u64() % count;
    let field = |min: u64, max: u64, star: u64| {
        let one = || min + below(max - min + 1);
        match below(star + 4) {
            0 => format!("*/{}", 2 + below(max - 1)),
            1 => one().to_string(),
            2 => format!("{},{}", one(), one()),
            3 => {
                let (a, b) = (one(), one());
                format!("{}-{}/{}", a.min(b), a.max(b), 1 + below(5))
            }
            _ => "*".to_owned(),
        }
    };
    let (minute, hour) = (field(0, 59, 0), field(0, 23, 1));
    format!("{minute} {hour} {} {} {}", field(1, 31, 9), field(1, 12, 9), field(0, 7, 9))
}

#[test]
fn ten_thousand_days_by_chance_are_those_of_the_oracle() {
    let (chance, count) = (SeededEntropy::new(3), if full() { 100_000 } else { 10_000 });
    let below = |count: u64| chance.next_u64() % count;
    let (mut never, mut instants) = (0, 0);
    for _ in 0..count {
        let zone = TZ_VARIANTS[usize::try_from(below(TZ_VARIANTS.len() as u64)).unwrap()];
        let from = FROM + i64::try_from(below((TO - FROM).unsigned_abs() / 60)).unwrap() * 60;
        let text = pattern(&chance);
        if rota::cron::Pattern::parse(&text).is_err() {
            // Only dates that no month has: told by the oracle's walk through a leap year, too.
            let shown = Shown::new(chrono_tz::UTC, FROM, FROM + 366 * DAY, 60);
            assert_eq!(shown.instants(&Fields::read(&text)), [], "{text}");
            never += 1;
            continue;
        }
        let policy = usize::try_from(below(POLICIES.len() as u64)).unwrap();
        let subject = Subject::under(&text, zone, policy);
        let shown = Shown::new(zone, from, from + DAY, 60);
        instants += subject.compare((from, from + DAY), &shown, &[policy], chance.next_u64());
    }
    eprintln!("{count} days: {instants} instants compared; {never} patterns that never fire");
    assert!(instants > 100_000 && never < 100, "{instants} {never}");
}
