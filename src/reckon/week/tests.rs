//! Weeks, by table and by dice.

use super::*;
use proptest::prelude::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn time(hour: u32) -> NaiveTime {
    NaiveTime::from_hms_opt(hour, 0, 0).unwrap()
}

fn hours() -> Hours {
    Hours { start: time(9), noon: time(12), after: time(13), end: time(17) }
}

fn week(zone: Tz, first: &str, last: &str) -> Week {
    Week {
        zone,
        first: first.parse().unwrap(),
        last: last.parse().unwrap(),
        hours: hours(),
        not_before: at("2026-10-01T00:00:00Z"),
        keeps_friday: true,
    }
}

fn berlin() -> Week {
    week(Tz::Europe__Berlin, "2026-10-26", "2026-10-30")
}

fn piece(task: i64, minutes: i64, due: Option<&str>) -> Piece {
    let length = TimeDelta::minutes(minutes);
    Piece { task: TaskId(task), length, due: due.map(at), priority: None }
}

fn shown(plan: &Plan, zone: Tz) -> Vec<String> {
    let local = |at: Timestamp, how: &str| at.with_timezone(&zone).format(how).to_string();
    let times = |span: Span| (local(span.from, "%a %H:%M"), local(span.to, "%H:%M"));
    let line = |b: &Block| format!("{} {}-{}", b.task, times(b.span).0, times(b.span).1);
    plan.blocks.iter().map(line).collect()
}

#[test]
fn large_tasks_take_mornings_small_ones_afternoons_in_the_order_of_their_dates() {
    let pieces = [
        piece(1, 240, Some("2026-10-30T16:00:00Z")),
        piece(2, 150, Some("2026-10-27T16:00:00Z")),
        piece(3, 60, None),
        piece(4, 120, Some("2026-10-28T16:00:00Z")),
    ];
    let busy = [Span { from: at("2026-10-26T12:00:00Z"), to: at("2026-10-26T15:00:00Z") }];
    let plan = plan_week(&berlin(), &busy, &pieces);
    assert_eq!(
        shown(&plan, Tz::Europe__Berlin),
        [
            "2 Mon 09:00-11:30",
            "1 Mon 11:30-12:00",
            "1 Tue 09:00-12:00",
            "4 Tue 13:00-15:00",
            "3 Tue 15:00-16:00",
            "1 Wed 09:00-09:30",
        ]
    );
    assert!(plan.left_over.is_empty());
}

#[test]
fn friday_afternoon_is_kept_and_what_does_not_fit_is_named() {
    let friday = week(Tz::Europe__Berlin, "2026-10-30", "2026-10-30");
    let pieces = [piece(1, 240, None), piece(2, 30, None), piece(3, 180, None)];
    let plan = plan_week(&friday, &[], &pieces);
    assert_eq!(shown(&plan, Tz::Europe__Berlin), ["1 Fri 09:00-12:00"], "it is begun");
    let left = [(1, 60), (2, 30), (3, 180)].map(|(id, m)| (TaskId(id), TimeDelta::minutes(m)));
    assert_eq!(plan.left_over, left);
    let open = Week { keeps_friday: false, ..friday };
    let plan = plan_week(&open, &[], &pieces);
    assert_eq!(shown(&plan, Tz::Europe__Berlin), ["1 Fri 09:00-12:00", "2 Fri 13:00-13:30"]);
}

#[test]
fn in_the_week_in_which_the_clocks_change_nine_is_nine() {
    // Berlin's clocks go back on Sunday 25 October 2026, in the night.
    let fortnight = week(Tz::Europe__Berlin, "2026-10-23", "2026-10-26");
    let pieces = [piece(1, 180, Some("2026-10-23T16:00:00Z")), piece(2, 180, None)];
    let plan = plan_week(&fortnight, &[], &pieces);
    let begins: Vec<_> = plan.blocks.iter().map(|block| block.span.from).collect();
    assert_eq!(begins, [at("2026-10-23T07:00:00Z"), at("2026-10-26T08:00:00Z")]);
}

#[test]
fn what_was_planned_over_days_is_busy_where_it_was_planned_and_a_wide_span_is_not() {
    let (berlin, hours) = (Tz::Europe__Berlin, (hours(), Tz::Europe__Berlin));
    let meeting = Span { from: at("2026-10-26T09:00:00Z"), to: at("2026-10-26T10:00:00Z") };
    for keeps_friday in [true, false] {
        let week = Week { keeps_friday, ..self::berlin() };
        for pieces in [
            [piece(1, 240, None), piece(2, 600, None)],
            [piece(1, 300, None), piece(2, 1_500, None)],
        ] {
            let plan = if keeps_friday { plan_week } else { plan_lane }(&week, &[meeting], &pieces);
            let mut busy = vec![meeting];
            for piece in pieces {
                let of = |block: &&Block| block.task == piece.task;
                let own: Vec<Span> = plan.blocks.iter().filter(of).map(|b| b.span).collect();
                let whole = Span { from: own[0].from, to: own[own.len() - 1].to };
                let found = worked(whole, piece.length, hours, &busy);
                assert_eq!(found, own, "{piece:?} of {:?}", shown(&plan, berlin));
                busy.extend(found);
            }
        }
    }
    let weeks = Span { from: at("2026-10-05T00:00:00Z"), to: at("2026-11-20T22:00:00Z") };
    assert_eq!(worked(weeks, TimeDelta::hours(4), hours, &[]), [], "some time in these weeks");
}

fn pieces() -> impl Strategy<Value = Vec<Piece>> {
    let one = (5..600_i64, prop::option::of(0..400_i64), prop::option::of(1..6_u8));
    prop::collection::vec(one, 0..25).prop_map(|all| {
        let base = at("2026-10-22T00:00:00Z");
        let made = all.into_iter().zip(1..).map(|((minutes, due, priority), id)| Piece {
            task: TaskId(id),
            length: TimeDelta::minutes(minutes),
            due: due.map(|hours| base + TimeDelta::hours(hours)),
            priority,
        });
        made.collect()
    })
}

fn busy() -> impl Strategy<Value = Vec<Span>> {
    let one = (0..14 * 24 * 4_i64, 1..20_i64);
    prop::collection::vec(one, 0..20).prop_map(|all| {
        let base = at("2026-10-20T00:00:00Z");
        let span = |(begin, quarters)| {
            let from = base + TimeDelta::minutes(15 * begin);
            Span { from, to: from + TimeDelta::minutes(15 * quarters) }
        };
        all.into_iter().map(span).collect()
    })
}

fn zone() -> impl Strategy<Value = Tz> {
    prop::sample::select(vec![
        Tz::Europe__Berlin,
        Tz::America__New_York,
        Tz::Australia__Lord_Howe,
        Tz::Asia__Kolkata,
        Tz::UTC,
    ])
}

/// What holds of every plan.
fn check(week: &Week, busy: &[Span], pieces: &[Piece], plan: &Plan) {
    let blocks = &plan.blocks;
    for (index, one) in blocks.iter().enumerate() {
        let (from, to) = (one.span.from, one.span.to);
        assert!(from < to && from >= week.not_before);
        for other in &blocks[index + 1..] {
            assert!(other.span.from >= to, "{one:?} overlaps {other:?}");
        }
        assert!(busy.iter().all(|taken| taken.to <= from || taken.from >= to), "{one:?} is busy");
        let (local, end) = (from.with_timezone(&week.zone), to.with_timezone(&week.zone));
        assert_eq!(local.date_naive(), end.date_naive());
        assert!(is_workday(local.date_naive()));
        assert!((week.first..=week.last).contains(&local.date_naive()));
        let hours = week.hours;
        let is_morning = local.time() >= hours.start && end.time() <= hours.noon;
        let is_afternoon = local.time() >= hours.after && end.time() <= hours.end;
        assert!(is_morning || is_afternoon, "{one:?} is outside of the hours");
        let is_friday = local.weekday() == Weekday::Fri;
        assert!(!(week.keeps_friday && is_friday && is_afternoon), "{one:?}");
    }
    // Each task is planned whole, or what is not is named.
    for piece in pieces {
        let length: TimeDelta =
            blocks.iter().filter(|b| b.task == piece.task).map(|b| b.span.to - b.span.from).sum();
        let left = plan.left_over.iter().find(|(task, _)| *task == piece.task);
        let left = left.map_or_else(TimeDelta::zero, |(_, left)| *left);
        assert_eq!(length + left, piece.length);
    }
}

/// Of two tasks placed alike, the one that is due first is finished before the other begins.
fn check_order(pieces: &[&Piece], plan: &Plan) {
    let spans = |task| plan.blocks.iter().filter(move |block| block.task == task);
    for one in pieces {
        for other in pieces.iter().filter(|other| one.rank() < other.rank()) {
            let end = spans(one.task).map(|block| block.span.to).max();
            let begin = spans(other.task).map(|block| block.span.from).min();
            if let (Some(end), Some(begin)) = (end, begin) {
                assert!(end <= begin, "{one:?} comes after {other:?}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_week_never_overlaps_leaves_the_hours_or_breaks_the_order_of_dates(
        pieces in pieces(), busy in busy(), zone in zone(), keeps_friday in any::<bool>(),
        first in 0..9_u64, days in 0..9_u64, begun in 0..200_i64,
    ) {
        let first = NaiveDate::from_ymd_opt(2026, 10, 21).unwrap() + chrono::Days::new(first);
        let last = first + chrono::Days::new(days);
        let not_before = at("2026-10-21T00:00:00Z") + TimeDelta::hours(begun);
        let week = Week { zone, first, last, hours: hours(), not_before, keeps_friday };
        let plan = plan_week(&week, &busy, &pieces);
        check(&week, &busy, &pieces, &plan);
        for is_large in [true, false] {
            let alike: Vec<&Piece> = pieces.iter().filter(|p| p.is_large() == is_large).collect();
            check_order(&alike, &plan);
            for block in &plan.blocks {
                let piece = pieces.iter().find(|piece| piece.task == block.task).unwrap();
                let hour = block.span.from.with_timezone(&zone).time();
                assert_eq!(piece.is_large(), hour < week.hours.noon);
            }
        }
        let whole = |plan: &Plan, piece: &Piece| {
            plan.left_over.iter().all(|(task, left)| *task != piece.task || *left == piece.length)
        };
        assert!(pieces.iter().filter(|piece| !piece.is_large()).all(|piece| whole(&plan, piece)));
        let lane = plan_lane(&week, &busy, &pieces);
        assert!(pieces.iter().all(|piece| whole(&lane, piece)), "nothing is only begun");
        check(&week, &busy, &pieces, &lane);
        check_order(&pieces.iter().collect::<Vec<_>>(), &lane);
    }
}
