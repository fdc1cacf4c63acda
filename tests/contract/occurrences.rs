//! Every planned instant is accounted once: tables for each rule, and simulated months of ticks, downtimes
//! and pauses against the timetable itself.

use super::given::{at, on};
use chrono::{NaiveTime, TimeDelta, Weekday};
use proptest::prelude::*;
use rota::domain::*;
use rota::schedule::{Timetable, WakeDecision, WakeInput, Wakes, forecast, wakes};
use std::collections::BTreeMap;
use std::time::Duration;

fn name() -> PlaybookName {
    PlaybookName::new("daily-digest")
}

fn cron(text: &str) -> On {
    On { cron: Some(text.into()), ..on(chrono_tz::Europe::Berlin) }
}

fn input<'a>(on: &'a On, timetable: &'a Timetable, name: &'a PlaybookName) -> WakeInput<'a> {
    WakeInput {
        playbook: name,
        on,
        timetable,
        watermark: None,
        since: at("2026-11-01T00:00:00Z"),
        lost_until: None,
        armed: true,
        paused: false,
        stopped: false,
        not_this_daemon: false,
        running: false,
        queued: false,
        runs_today: 0,
        runs_per_day: None,
        now: at("2026-11-01T00:00:00Z"),
    }
}

/// What a wake at `now` decides, in short: `08:00 run`, `09:00 caught up`, `10:00 too_late`.
fn told(on: &On, mark: &str, now: &str, change: impl Fn(&mut WakeInput<'_>)) -> Vec<String> {
    let name = name();
    let timetable = Timetable::new(on, &name).unwrap().unwrap();
    let mut input = input(on, &timetable, &name);
    input.watermark = Some(at(mark));
    input.since = at("2020-01-01T00:00:00Z");
    input.now = at(now);
    change(&mut input);
    let show = |planned: &Timestamp| planned.with_timezone(&on.zone).format("%H:%M").to_string();
    let one = |decision: &WakeDecision| match decision {
        WakeDecision::Run { planned, caught_up: false } => format!("{} run", show(planned)),
        WakeDecision::Run { planned, caught_up: true } => format!("{} caught up", show(planned)),
        WakeDecision::Skip { planned, reason } => format!("{} {reason}", show(planned)),
        WakeDecision::SkipRange { first, last, count, reason } => {
            format!("{}–{} {count} {reason}", show(first), show(last))
        }
    };
    wakes(&input).decisions.iter().map(one).collect()
}

const MARK: &str = "2026-11-03T07:00:00Z"; // 08:00 in Berlin

#[test]
fn an_instant_on_time_runs() {
    let on = cron("0 * * * *");
    assert_eq!(told(&on, MARK, "2026-11-03T08:00:05Z", |_| {}), ["09:00 run"]);
    assert_eq!(told(&on, MARK, "2026-11-03T07:59:59Z", |_| {}), [""; 0]);
}

#[test]
fn downtime_is_caught_up_as_the_playbook_says() {
    let now = "2026-11-03T11:30:00Z";
    let with = |catch_up| On { catch_up, catch_up_max: 2, ..cron("0 * * * *") };
    assert_eq!(
        told(&with(CatchUp::None), MARK, now, |_| {}),
        [
            "09:00 catch_up_none",
            "10:00 catch_up_none",
            "11:00 catch_up_none",
            "12:00 catch_up_none"
        ]
    );
    assert_eq!(
        told(&with(CatchUp::Latest), MARK, now, |_| {}),
        ["09:00 superseded", "10:00 superseded", "11:00 superseded", "12:00 caught up"]
    );
    assert_eq!(
        told(&with(CatchUp::All), MARK, now, |_| {}),
        ["09:00 catch_up_max", "10:00 catch_up_max", "11:00 caught up", "12:00 caught up"]
    );
}

#[test]
fn an_instant_on_time_supersedes_missed_ones() {
    let on = cron("0 * * * *");
    let now = "2026-11-03T10:00:01Z";
    assert_eq!(told(&on, MARK, now, |_| {}), ["09:00 superseded", "10:00 superseded", "11:00 run"]);
    let all = On { catch_up: CatchUp::All, ..on };
    assert_eq!(told(&all, MARK, now, |_| {}), ["09:00 caught up", "10:00 caught up", "11:00 run"]);
}

#[test]
fn what_is_too_old_is_too_late() {
    let on =
        On { late: Some(Duration::from_hours(2)), catch_up: CatchUp::All, ..cron("0 * * * *") };
    assert_eq!(
        told(&on, MARK, "2026-11-03T10:30:00Z", |_| {}),
        ["09:00 caught up", "10:00 caught up", "11:00 caught up"]
            .map(|line| if line.starts_with("09") { "09:00 too_late" } else { line })
    );
}

#[test]
fn what_holds_the_playbook_back_is_the_reason() {
    let on = cron("0 * * * *");
    let now = "2026-11-03T08:00:05Z";
    assert_eq!(told(&on, MARK, now, |i| i.paused = true), ["09:00 paused"]);
    assert_eq!(told(&on, MARK, now, |i| i.armed = false), ["09:00 not_armed"]);
    assert_eq!(told(&on, MARK, now, |i| i.stopped = true), ["09:00 stopped"]);
    assert_eq!(told(&on, MARK, now, |i| i.not_this_daemon = true), ["09:00 not_this_daemon"]);
    let spent = |i: &mut WakeInput<'_>| (i.runs_today, i.runs_per_day) = (5, Some(5));
    assert_eq!(told(&on, MARK, now, spent), ["09:00 runs_per_day"]);
}

#[test]
fn overlap_is_as_the_playbook_says() {
    let with = |overlap| On { overlap, ..cron("* * * * * *") };
    let now = "2026-11-03T07:00:03Z";
    let reasons = |on: &On, change: fn(&mut WakeInput<'_>)| {
        told(on, MARK, now, change).into_iter().map(|t| t[6..].to_owned()).collect::<Vec<_>>()
    };
    let skip = with(Overlap::Skip);
    assert_eq!(reasons(&skip, |_| {}), ["run", "overlap", "overlap"]);
    assert_eq!(reasons(&skip, |i| i.running = true), ["overlap"; 3]);
    assert_eq!(reasons(&skip, |i| i.queued = true), ["overlap"; 3]);
    let queue = with(Overlap::Queue);
    assert_eq!(reasons(&queue, |_| {}), ["run", "run", "overlap"]);
    assert_eq!(reasons(&queue, |i| i.running = true), ["run", "overlap", "overlap"]);
    let both = |i: &mut WakeInput<'_>| (i.running, i.queued) = (true, true);
    assert_eq!(reasons(&queue, both), ["overlap"; 3]);
    assert_eq!(reasons(&with(Overlap::Replace), |_| {}), ["replaced", "replaced", "run"]);
    assert_eq!(reasons(&with(Overlap::Allow), |i| i.running = true), ["run"; 3]);
}

#[test]
fn all_that_is_caught_up_waits_in_order_whatever_overlap_says() {
    let on = On { catch_up: CatchUp::All, overlap: Overlap::Skip, ..cron("0 * * * *") };
    let caught_up = ["09:00 caught up", "10:00 caught up"];
    assert_eq!(told(&on, MARK, "2026-11-03T09:30:00Z", |_| {}), caught_up);
}

#[test]
fn outside_hours_nothing_starts_and_nothing_is_caught_up() {
    let hours = Hours {
        days: vec![Weekday::Mon, Weekday::Tue],
        from: NaiveTime::from_hms_opt(8, 0, 0).unwrap(),
        to: NaiveTime::from_hms_opt(18, 0, 0).unwrap(),
        holidays: Vec::new(),
    };
    let on = On { hours: Some(hours), ..cron("0 * * * *") };
    // 17:00 was missed, and when we get to it, it is too late in the day to start anything.
    let evening = "2026-11-03T15:30:00Z";
    assert_eq!(
        told(&on, evening, "2026-11-03T17:00:05Z", |_| {}),
        ["17:00 outside_hours", "18:00 outside_hours"]
    );
    // A Wednesday morning is within the times, not within the days.
    assert_eq!(
        told(&on, "2026-11-04T06:30:00Z", "2026-11-04T07:00:05Z", |_| {}),
        ["08:00 outside_hours"]
    );
}

#[test]
fn a_year_off_leaves_few_records_and_no_hole() {
    let on = On {
        late: Some(Duration::from_hours(1)),
        every: Some(Duration::from_secs(1)),
        ..on(chrono_tz::Europe::Berlin)
    };
    let name = name();
    let timetable = Timetable::new(&on, &name).unwrap().unwrap();
    let mut input = input(&on, &timetable, &name);
    input.watermark = Some(at("2025-11-03T07:00:00Z"));
    input.since = at("2020-01-01T00:00:00Z");
    input.now = at("2026-11-03T07:00:00Z");
    let wakes = wakes(&input);
    assert!(wakes.decisions.len() <= 102, "{} records", wakes.decisions.len());
    let total: u64 = wakes.decisions.iter().map(count).sum();
    assert_eq!(total, 365 * 86_400);
    assert!(
        matches!(
            wakes.decisions[..2],
            [
                WakeDecision::SkipRange { reason: Reason::TooLate, count: 31_532_399, .. },
                WakeDecision::SkipRange { reason: Reason::Superseded, .. }
            ]
        ),
        "{:?}",
        &wakes.decisions[..2]
    );
    assert_eq!(wakes.watermark, Some(input.now));
    let record = wakes.decisions[0].occurrence(&name, Trigger::Every, input.now);
    assert_eq!(record.covers.map(|covers| covers.count), Some(31_532_399));
    assert_eq!(record.state, OccurrenceState::Skipped { reason: Reason::TooLate });
}

#[test]
fn a_clock_that_was_years_ahead_does_not_silence_a_playbook() {
    let on = cron("0 * * * *");
    let name = name();
    let timetable = Timetable::new(&on, &name).unwrap().unwrap();
    let mut input = input(&on, &timetable, &name);
    (input.watermark, input.now) = (Some(at("2030-01-01T00:00:00Z")), at("2026-11-03T07:30:00Z"));
    let first = wakes(&input);
    assert_eq!(first.decisions, []);
    assert_eq!(first.next, Some(at("2026-11-03T08:00:00Z")));
    assert_eq!(first.watermark, Some(input.now));
    // An hour back is a clock that was corrected: what ran does not run again.
    (input.watermark, input.now) = (Some(at("2026-11-03T09:00:00Z")), at("2026-11-03T08:10:00Z"));
    let second = wakes(&input);
    assert_eq!((second.decisions, second.next), (vec![], Some(at("2026-11-03T10:00:00Z"))));
}

#[test]
fn an_edited_timetable_owes_nothing_for_the_time_before() {
    let on = cron("*/5 * * * *");
    let edited = |i: &mut WakeInput<'_>| i.since = at("2026-11-03T11:29:00Z");
    assert_eq!(told(&on, MARK, "2026-11-03T11:30:10Z", edited), ["12:30 run"]);
}

#[test]
fn the_same_instant_has_the_same_id() {
    let run = WakeDecision::Run { planned: at("2026-11-03T07:00:00Z"), caught_up: true };
    let skip = WakeDecision::Skip { planned: at("2026-11-03T07:00:00Z"), reason: Reason::Paused };
    let id = |decision: &WakeDecision| decision.occurrence(&name(), Trigger::Cron, at(MARK)).id;
    assert_eq!(id(&run), id(&skip));
    assert_eq!(id(&run).as_str(), "daily-digest/cron/2026-11-03T07:00:00Z");
}

#[test]
fn cron_and_every_at_once_are_refused() {
    let both = On { every: Some(Duration::from_mins(1)), ..cron("@daily") };
    assert!(Timetable::new(&both, &name()).is_err());
}

fn count(decision: &WakeDecision) -> u64 {
    match decision {
        WakeDecision::SkipRange { count, .. } => *count,
        _ => 1,
    }
}

fn ons() -> impl Strategy<Value = On> {
    let rhythm = prop_oneof![
        prop::sample::select(vec![
            "*/15 * * * *",
            "30 2 * * *",
            "0 * * * *",
            "*/20 1-3 * * *",
            "0 0 13 * FRI",
            "*/10 * * * * *"
        ])
        .prop_map(|text| (Some(text.to_owned()), None)),
        prop::sample::select(vec![20_u64, 420, 3_600, 7_000, 86_400])
            .prop_map(|seconds| (None, Some(Duration::from_secs(seconds)))),
    ];
    let zone = prop::sample::select(vec![
        chrono_tz::Europe::Berlin,
        chrono_tz::America::New_York,
        chrono_tz::Australia::Lord_Howe,
    ]);
    let policies = (
        prop::sample::select(vec![CatchUp::None, CatchUp::Latest, CatchUp::All]),
        prop::sample::select(vec![Overlap::Skip, Overlap::Queue, Overlap::Replace, Overlap::Allow]),
        prop::sample::select(vec![Fold::First, Fold::Second, Fold::Both]),
        prop::sample::select(vec![Gap::Next, Gap::Skip]),
        prop::option::of(60_u64..10_000),
        0_u64..300,
        any::<bool>(),
        0_u32..12,
    );
    (rhythm, zone, policies).prop_map(|((cron, every), zone, policies)| {
        let (catch_up, overlap, fold, gap, late, jitter, hours, catch_up_max) = policies;
        let hours = hours.then(|| Hours {
            days: vec![Weekday::Mon, Weekday::Tue, Weekday::Wed, Weekday::Sat, Weekday::Sun],
            from: NaiveTime::from_hms_opt(22, 0, 0).unwrap(),
            to: NaiveTime::from_hms_opt(16, 30, 0).unwrap(),
            holidays: vec!["2026-12-25".parse().unwrap()],
        });
        On {
            cron,
            every,
            catch_up,
            catch_up_max,
            overlap,
            fold,
            gap,
            late: late.map(Duration::from_secs),
            jitter: Duration::from_secs(jitter),
            hours,
            ..on(zone)
        }
    })
}

/// A step of a simulated life: time passes, flags change.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts")]
struct Step {
    seconds: i64,
    paused: bool,
    stopped: bool,
    running: bool,
    queued: bool,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let pass =
        prop_oneof![6 => 1_i64..90, 3 => 90_i64..4_000, 1 => 4_000_i64..90_000, 1 => -600_i64..0];
    let step =
        (pass, prop::bool::weighted(0.2), prop::bool::weighted(0.1), any::<bool>(), any::<bool>())
            .prop_map(|(seconds, paused, stopped, running, queued)| Step {
                seconds,
                paused,
                stopped,
                running,
                queued,
            });
    prop::collection::vec(step, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 80, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_every_instant_is_accounted_exactly_once(
        on in ons(), steps in steps(), start in 0_i64..20_000_000,
    ) {
        let name = name();
        let timetable = Timetable::new(&on, &name).unwrap().unwrap();
        let since = at("2026-03-01T00:00:00Z") + TimeDelta::seconds(start);
        let mut now = since;
        let mut latest = now;
        let mut watermark = None;
        let mut accounted: BTreeMap<Timestamp, u64> = BTreeMap::new();
        let mut ranges = Vec::new();
        for step in &steps {
            now += TimeDelta::seconds(step.seconds);
            latest = latest.max(now);
            let input = WakeInput {
                watermark, since, now,
                paused: step.paused, stopped: step.stopped, running: step.running, queued: step.queued,
                ..input(&on, &timetable, &name)
            };
            let Wakes { decisions, watermark: mark, next } = wakes(&input);
            prop_assert!(decisions.len() <= 1_002);
            prop_assert!(mark >= watermark, "the watermark went back");
            let runs = decisions.iter().filter(|d| matches!(d, WakeDecision::Run { .. })).count();
            prop_assert!(runs == 0 || !(step.paused || step.stopped));
            for decision in &decisions {
                match *decision {
                    WakeDecision::Run { planned, .. } | WakeDecision::Skip { planned, .. } => {
                        prop_assert!(timetable.start_of(planned) <= now, "decided too early");
                        *accounted.entry(planned).or_default() += 1;
                    }
                    WakeDecision::SkipRange { first, last, count, .. } => ranges.push((first, last, count)),
                }
            }
            if let Some(next) = next {
                prop_assert!(next > now, "woken for the past");
            }
            watermark = mark;
        }
        for (first, last, count) in &ranges {
            let inside: Vec<_> = timetable.between(*first - TimeDelta::milliseconds(1), *last).collect();
            prop_assert_eq!(inside.len() as u64, *count);
            prop_assert_eq!((inside.first(), inside.last()), (Some(first), Some(last)));
            for planned in inside {
                *accounted.entry(planned).or_default() += 1;
            }
        }
        let expected: Vec<_> = timetable.between(since, timetable.due_until(latest)).collect();
        let found: Vec<_> = accounted.keys().copied().collect();
        prop_assert_eq!(found, expected);
        prop_assert!(accounted.values().all(|times| *times == 1), "accounted twice");
    }

    #[test]
    fn the_forecast_is_what_the_alarm_rings_for(on in ons(), start in 0_i64..20_000_000) {
        let name = name();
        let timetable = Timetable::new(&on, &name).unwrap().unwrap();
        let since = at("2026-03-01T00:00:00Z") + TimeDelta::seconds(start);
        let coming = forecast(&timetable, since, None, 60);
        let mut watermark = None;
        for (place, expected) in coming.iter().enumerate() {
            let input = WakeInput { watermark, since, now: expected.starts, ..input(&on, &timetable, &name) };
            let woken = wakes(&input);
            let outside = WakeDecision::Skip { planned: expected.planned, reason: Reason::OutsideHours };
            let run = WakeDecision::Run { planned: expected.planned, caught_up: false };
            let decided = if expected.outside_hours { outside } else { run };
            prop_assert_eq!(&woken.decisions, &vec![decided]);
            if let Some(next) = coming.get(place + 1) {
                prop_assert_eq!(woken.next, Some(next.starts));
            }
            watermark = woken.watermark;
        }
    }
}

#[test]
fn what_fell_into_the_gap_of_a_restored_ledger_is_lost_and_never_caught_up() {
    for catch_up in [CatchUp::None, CatchUp::Latest, CatchUp::All] {
        let on = On { catch_up, ..cron("*/30 * * * *") };
        let lost = |i: &mut WakeInput<'_>| i.lost_until = Some(at("2026-11-03T10:10:00Z"));
        let found = told(&on, "2026-11-03T09:00:00Z", "2026-11-03T10:30:10Z", lost);
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[..2].iter().all(|told| told.contains("lost_ledger")), "{found:?}");
        assert!(!found[2].contains("lost_ledger"), "{found:?}");
    }
}
