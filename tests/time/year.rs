//! The ledger's account of a simulated year, and the audit that reads it: an audit that finds nothing
//! has to find what was planted.

use crate::contract::given;
use crate::support::daemon::{Life, Team};
use chrono::TimeDelta;
use chrono_tz::Tz;
use rota::clock::{Clock as _, Entropy, SeededEntropy};
use rota::domain::*;
use rota::schedule::{Account, Discrepancy, Timetable, account};
use rota::tools::desk::{Desk as _, Switch};
use std::time::Duration;

/// Name, rhythm, zone, further keys of `[on]`.
const PLAYBOOKS: [(&str, &str, Tz, &str); 6] = [
    ("daily", "cron = \"30 2 * * *\"", chrono_tz::Europe::Berlin, "fold = \"both\""),
    ("weekday", "cron = \"0 9 * * MON-FRI\"", chrono_tz::America::New_York, "late = \"2h\""),
    ("hourly", "cron = \"0 * * * *\"", chrono_tz::Australia::Lord_Howe, "catch_up = \"none\""),
    ("often", "cron = \"*/20 1-3 * * *\"", chrono_tz::Africa::Casablanca, "gap = \"skip\""),
    ("six", "every = \"6h\"", chrono_tz::America::Santiago, "catch_up = \"all\"\njitter = \"30m\""),
    ("seven", "every = \"7h\"", chrono_tz::UTC, "overlap = \"queue\""),
];

fn text(rhythm: &str, zone: Tz, keys: &str, wide: bool) -> String {
    let most = if wide { 3 } else { 1 };
    format!(
        "agent = \"AI-Docs\"\n[on]\n{rhythm}\ntimezone = \"{zone}\"\n{keys}\n[[step]]\ntool = \"findTasks\"\n\
         args = {{ projectIds = \"1\" }}\n[scope]\nwrite = \"board\"\nmax = {{ addComment = {most} }}\n"
    )
}

fn timetable(name: &str, rhythm: &str, zone: Tz, keys: &str) -> Timetable {
    let value = rhythm.split('"').nth(1).unwrap().to_owned();
    let mut on = given::on(zone);
    if rhythm.starts_with("cron") {
        on.cron = Some(value);
    } else {
        on.every = Some(parse_duration(&value).unwrap());
    }
    on.fold = if keys.contains("both") { Fold::Both } else { Fold::First };
    on.gap = if keys.contains("skip") { Gap::Skip } else { Gap::Next };
    on.jitter = Duration::from_mins(if keys.contains("jitter") { 30 } else { 0 });
    Timetable::new(&on, &PlaybookName::new(name)).unwrap().unwrap()
}

/// Something happens: mostly time passes.
async fn happen(team: &Team, life: Life, chance: &SeededEntropy) -> Life {
    let below = |count: u64| chance.next_u64() % count;
    let (name, rhythm, zone, keys) = PLAYBOOKS[usize::try_from(below(6)).unwrap()];
    let playbook = PlaybookName::new(name);
    let seconds = match below(10) {
        0..3 => 60 + below(3_600),
        3..7 => 3_600 + below(20 * 3_600),
        _ => 86_400 + below(3 * 86_400),
    };
    let mut life = life;
    match below(12) {
        0 => {
            life.stop().await;
            team.clock.advance(Duration::from_secs(seconds * 2));
            life = team.start().await;
        }
        1 => drop(life.daemon.set_playbook(&playbook, Switch::Pause, "Ada").await.unwrap()),
        2 | 3 => drop(life.daemon.set_playbook(&playbook, Switch::Resume, "Ada").await.unwrap()),
        4 => {
            // Wider: it is disarmed until a person arms it.
            team.playbook(name, &text(rhythm, zone, keys, below(2) == 0));
            life.daemon.reload().await;
        }
        5 | 6 => drop(life.daemon.set_playbook(&playbook, Switch::Arm(None), "Ada").await.unwrap()),
        7 => drop(life.daemon.stop_all("Ada", "a test").await.unwrap()),
        8 | 9 => drop(life.daemon.start_all("Ada").await.unwrap()),
        10 => team.clock.set(TimeDelta::seconds(-i64::try_from(below(900)).unwrap())),
        _ => team.clock.set(TimeDelta::seconds(i64::try_from(below(4_000)).unwrap())),
    }
    team.clock.advance(Duration::from_secs(seconds));
    life.work().await;
    life
}

#[tokio::test(start_paused = true)]
async fn of_a_year_of_downtimes_pauses_and_disarms_every_instant_is_accounted_once() {
    let mut team = Team::at("2026-01-01T00:00:30Z").await;
    team.arms_itself = false;
    for (name, rhythm, zone, keys) in PLAYBOOKS {
        team.playbook(name, &text(rhythm, zone, keys, false));
    }
    let (since, chance) = (team.clock.wall(), SeededEntropy::new(2026));
    let mut life = team.start().await;
    life.work().await;
    let mut events = 0;
    while team.clock.wall() < since + TimeDelta::days(365) {
        life = happen(&team, life, &chance).await;
        events += 1;
    }
    // Waits out a clock that was set back a moment ago.
    team.clock.advance(Duration::from_hours(2));
    life.work().await;
    let (mut instants, mut records, mut runs) = (0, 0, 0);
    let mut reasons = std::collections::BTreeSet::new();
    for (name, rhythm, zone, keys) in PLAYBOOKS {
        let table = timetable(name, rhythm, zone, keys);
        let recorded = life.ledger.occurrences(&PlaybookName::new(name), 50_000).await.unwrap();
        let until = table.due_until(team.clock.wall());
        let found = account(&table, since, until, &recorded);
        assert_eq!(found.discrepancies, [], "{name}");
        assert_eq!(found.instants, table.count(since, until), "{name}");
        assert!(recorded.iter().all(|o| o.state.is_settled()), "{name}");
        instants += found.instants;
        records += found.records;
        runs += recorded.iter().filter(|o| matches!(o.state, OccurrenceState::Ran { .. })).count();
        reasons.extend(recorded.iter().filter_map(|o| match o.state {
            OccurrenceState::Skipped { reason } => Some(reason.to_string()),
            _ => None,
        }));
    }
    eprintln!(
        "a year, {events} events: {instants} instants in {records} records, {runs} runs; {reasons:?}"
    );
    assert!(runs > 50 && reasons.len() >= 5, "{runs} {reasons:?}");
    life.stop().await;
}

fn record(table: &Timetable, planned: Timestamp, covers: Option<Covers>) -> Occurrence {
    let name = PlaybookName::new("daily");
    let state = OccurrenceState::Skipped { reason: Reason::Paused };
    Occurrence {
        id: Occurrence::id_of(&name, table.trigger(), planned),
        playbook: name,
        trigger: table.trigger(),
        planned,
        task: None,
        decided: planned,
        state,
        covers,
        status: None,
    }
}

/// A month of a daily playbook around Berlin's spring, whole.
fn month() -> (Timetable, Timestamp, Timestamp, Vec<Occurrence>) {
    let table = timetable("daily", "cron = \"30 2 * * *\"", chrono_tz::Europe::Berlin, "");
    let (from, to) = (given::at("2026-03-15T00:00:00Z"), given::at("2026-04-14T00:00:00Z"));
    let records = table.between(from, to).map(|planned| record(&table, planned, None)).collect();
    (table, from, to, records)
}

#[test]
fn an_account_without_holes_and_doubles_is_found_whole_in_any_order() {
    let (table, from, to, mut records) = month();
    records.reverse();
    let whole = Account { instants: 30, records: 30, ..Account::default() };
    assert_eq!(account(&table, from, to, &records), whole);
    // One record may stand for many.
    let covers = Some(Covers { last: records[5].planned, count: 25 });
    let range = record(&table, records[29].planned, covers);
    records.truncate(5);
    records.push(range);
    let whole = Account { instants: 30, records: 6, ..Account::default() };
    assert_eq!(account(&table, from, to, &records), whole);
    // What was asked for by hand belongs to no timetable.
    records.push(Occurrence { trigger: Trigger::Manual, ..records[0].clone() });
    assert_eq!(account(&table, from, to, &records), whole);
    let none = account(&table, from, from, &[]);
    assert_eq!(none, Account::default());
}

#[test]
fn every_hole_that_is_planted_is_found() {
    let (table, from, to, records) = month();
    for place in 0..records.len() {
        for length in [1, 3, 30] {
            let mut left = records.clone();
            let taken: Vec<_> = left.drain(place..(place + length).min(records.len())).collect();
            let found = account(&table, from, to, &left);
            let hole = Discrepancy::Hole { first: taken[0].planned, count: taken.len() as u64 };
            assert_eq!(found.discrepancies, [hole]);
            assert_eq!((found.found, found.instants), (1, 30 - taken.len() as u64));
        }
    }
}

#[test]
fn every_double_that_is_planted_is_found() {
    let (table, from, to, records) = month();
    for place in 0..records.len() {
        let planned = records[place].planned;
        let twice = [records.clone(), vec![records[place].clone()]].concat();
        let found = account(&table, from, to, &twice);
        assert_eq!(found.discrepancies, [Discrepancy::Double { planned, count: 1 }]);
        assert_eq!(found.instants, 30);
        // A record that reaches over the next ones.
        let reach = (records.len() - 1 - place).min(2);
        let mut over = records.clone();
        let covers = Covers { last: records[place + reach].planned, count: reach as u64 + 1 };
        over[place].covers = Some(covers);
        let found = account(&table, from, to, &over);
        let doubles: Vec<_> = (1..=reach)
            .map(|next| Discrepancy::Double { planned: records[place + next].planned, count: 1 })
            .collect();
        assert_eq!((found.discrepancies, found.instants), (doubles, 30));
    }
}

#[test]
fn what_was_never_planned_or_is_counted_wrong_is_found() {
    let (table, from, to, records) = month();
    let planned = records[4].planned + TimeDelta::minutes(1);
    let stray = [records.clone(), vec![record(&table, planned, None)]].concat();
    assert_eq!(
        account(&table, from, to, &stray).discrepancies,
        [Discrepancy::Unplanned { planned }]
    );
    let covers = Some(Covers { last: records[29].planned, count: 29 });
    let short = [record(&table, records[0].planned, covers)];
    let planned = records[0].planned;
    let found = account(&table, from, to, &short);
    assert_eq!(found.discrepancies, [Discrepancy::Miscounted { planned, said: 29, count: 30 }]);
    // More than a page of them: counted, not told.
    let minutes = (0..5_000).map(|n| record(&table, from + TimeDelta::seconds(n * 60 + 1), None));
    let found = account(&table, from, to, &minutes.collect::<Vec<_>>());
    assert_eq!((found.discrepancies.len(), found.found), (100, 5_001));
}
