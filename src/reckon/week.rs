//! A scheduler: open work into the free hours of days.
//!
//! What it promises, whatever it is given: blocks do not overlap each other nor what is busy, lie
//! within the hours, and of two tasks that are placed alike the one that is due first begins first.
//! What does not fit is named, never squeezed in.

use super::days::{Hours, free, instant, is_workday};
use crate::domain::{Span, TaskId, Timestamp};
use chrono::{Datelike, NaiveDate, NaiveTime, TimeDelta, Weekday};
use chrono_tz::Tz;

/// What takes longer than this is done in the mornings.
pub const LARGE: TimeDelta = TimeDelta::hours(2);
/// A part of a task is no shorter than this, unless it is the last.
const PART_MIN: TimeDelta = TimeDelta::minutes(30);
/// Plans reach no further than so many days.
const DAYS_MAX: usize = 366;

/// The days that are planned.
#[derive(Clone, Copy, Debug)]
pub struct Week {
    /// Where the days begin and end.
    pub zone: Tz,
    /// The first day.
    pub first: NaiveDate,
    /// The last day, which is still in it.
    pub last: NaiveDate,
    /// The hours of a day.
    pub hours: Hours,
    /// Nothing is planned for what has been.
    pub not_before: Timestamp,
    /// Friday afternoons are kept free.
    pub keeps_friday: bool,
}

impl Week {
    fn windows(
        &self,
        from: NaiveTime,
        to: NaiveTime,
        wanted: impl Fn(Weekday) -> bool,
    ) -> Vec<Span> {
        let days = self.first.iter_days().take(DAYS_MAX).take_while(|day| *day <= self.last);
        days.filter(|day| is_workday(*day) && wanted(day.weekday()))
            .map(|day| Span {
                from: instant(day.and_time(from), self.zone),
                to: instant(day.and_time(to), self.zone),
            })
            .filter(|span| span.from < span.to)
            .collect()
    }

    /// The mornings.
    fn mornings(&self) -> Vec<Span> {
        self.windows(self.hours.start, self.hours.noon, |_| true)
    }

    /// The afternoons, without that of Friday where it is kept.
    fn afternoons(&self) -> Vec<Span> {
        let keeps = self.keeps_friday;
        self.windows(self.hours.after, self.hours.end, |day| !(keeps && day == Weekday::Fri))
    }
}

/// A task that wants time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Which.
    pub task: TaskId,
    /// How long it takes.
    pub length: TimeDelta,
    /// When it is to be finished.
    pub due: Option<Timestamp>,
    /// 1 is the most urgent.
    pub priority: Option<u8>,
}

impl Piece {
    /// Whether it belongs into a morning.
    pub fn is_large(&self) -> bool {
        self.length > LARGE
    }

    /// Those due first come first, those without a date last; then the more urgent.
    fn rank(&self) -> (bool, Option<Timestamp>, u8, TaskId) {
        (self.due.is_none(), self.due, self.priority.unwrap_or(u8::MAX), self.task)
    }
}

/// A time for a task, or for a part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Which.
    pub task: TaskId,
    /// From when to when.
    pub span: Span,
}

/// A plan, and what is not in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// In the order of time; a task may have several.
    pub blocks: Vec<Block>,
    /// What did not fit, and how much of it, in the order of its dates.
    pub left_over: Vec<(TaskId, TimeDelta)>,
}

/// Whether a task may be done in parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Parts {
    /// It is done in one piece.
    One,
    /// In several, if they hold it whole.
    Whole,
    /// In several, and the rest later.
    Begun,
}

/// Plans a person's week: what takes more than two hours into the mornings, one morning after the
/// other if need be (what a week does not hold is begun), the rest into the afternoons, each in one
/// piece; Friday's afternoon is kept.
pub fn plan_week(week: &Week, busy: &[Span], pieces: &[Piece]) -> Plan {
    let (large, small): (Vec<Piece>, Vec<Piece>) =
        pieces.iter().copied().partition(Piece::is_large);
    let mornings = free(&week.mornings(), busy, week.not_before);
    let afternoons = free(&week.afternoons(), busy, week.not_before);
    let mut plan = place(&mornings, &large, Parts::Begun);
    let rest = place(&afternoons, &small, Parts::One);
    plan.blocks.extend(rest.blocks);
    plan.left_over.extend(rest.left_over);
    in_order(plan, pieces)
}

/// Plans a person's share of a project, one task after the other, through mornings and afternoons.
pub fn plan_lane(week: &Week, busy: &[Span], pieces: &[Piece]) -> Plan {
    let mut windows = week.mornings();
    windows.extend(week.afternoons());
    windows.sort_by_key(|span| span.from);
    in_order(place(&free(&windows, busy, week.not_before), pieces, Parts::Whole), pieces)
}

/// When work that lies in a span of several days is done, around what is busy then. The planners above
/// leave a task one begin and one end; where its work, put into the span as they would, ends on the
/// span's last day, it is such a plan. Where it ends before, the span only says when it may be done:
/// nothing is known then.
pub fn worked(
    span: Span,
    length: TimeDelta,
    (hours, zone): (Hours, Tz),
    busy: &[Span],
) -> Vec<Span> {
    let day = |at: Timestamp| at.with_timezone(&zone).date_naive();
    let (first, last) = (day(span.from), day(span.to));
    let week = Week { zone, first, last, hours, not_before: span.from, keeps_friday: false };
    let within = |mut windows: Vec<Span>| {
        windows.sort_by_key(|window| window.from);
        for window in &mut windows {
            window.to = window.to.min(span.to);
        }
        windows.retain(|window| window.from < window.to);
        parts(&free(&windows, busy, span.from), length)
    };
    let all = within(week.mornings().into_iter().chain(week.afternoons()).collect());
    let large = within(week.mornings());
    let end = |found: &[Span]| found.last().map(|part| part.to);
    let is_whole = |left: TimeDelta| left <= TimeDelta::zero();
    let nearest =
        [all, large].into_iter().max_by_key(|(found, left)| (end(found), is_whole(*left)));
    let (found, _) = nearest.unwrap_or_default();
    if end(&found).is_some_and(|at| day(at) == last) { found } else { Vec::new() }
}

fn in_order(mut plan: Plan, pieces: &[Piece]) -> Plan {
    plan.blocks.sort_by_key(|block| (block.span.from, block.task));
    let rank = |task: &TaskId| pieces.iter().find(|one| one.task == *task).map(Piece::rank);
    plan.left_over.sort_by_key(|(task, _)| rank(task));
    plan
}

/// Each after the one before it, in the order of their dates.
fn place(gaps: &[Span], pieces: &[Piece], in_parts: Parts) -> Plan {
    let mut order: Vec<Piece> = pieces.to_vec();
    order.sort_by_key(Piece::rank);
    let mut gaps: Vec<Span> = gaps.to_vec();
    let mut plan = Plan::default();
    for piece in order {
        let (mut found, mut left) = match in_parts {
            Parts::One => whole(&gaps, piece.length),
            Parts::Whole | Parts::Begun => parts(&gaps, piece.length),
        };
        if in_parts == Parts::Whole && left > TimeDelta::zero() {
            (found, left) = (Vec::new(), piece.length);
        }
        if left > TimeDelta::zero() {
            plan.left_over.push((piece.task, left));
        }
        let Some(last) = found.last().copied() else { continue };
        plan.blocks.extend(found.into_iter().map(|span| Block { task: piece.task, span }));
        gaps.retain(|gap| gap.to > last.to);
        if let Some(first) = gaps.first_mut() {
            first.from = first.from.max(last.to);
        }
    }
    plan
}

/// The first gap that holds it whole, and what is left.
fn whole(gaps: &[Span], length: TimeDelta) -> (Vec<Span>, TimeDelta) {
    match gaps.iter().find(|gap| gap.to - gap.from >= length) {
        Some(gap) => (vec![Span { from: gap.from, to: gap.from + length }], TimeDelta::zero()),
        None => (Vec::new(), length),
    }
}

/// The gaps that hold it together, none shorter than a part may be, and what is left.
fn parts(gaps: &[Span], length: TimeDelta) -> (Vec<Span>, TimeDelta) {
    let mut left = length;
    let mut found = Vec::new();
    for gap in gaps {
        let room = gap.to - gap.from;
        if room < PART_MIN.min(left) {
            continue;
        }
        let taken = room.min(left);
        found.push(Span { from: gap.from, to: gap.from + taken });
        left -= taken;
        if left <= TimeDelta::zero() {
            break;
        }
    }
    (found, left)
}

#[cfg(test)]
mod tests;
