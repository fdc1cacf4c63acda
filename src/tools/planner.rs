//! When work could be done: within working hours, beside what is planned already. Pure.

use super::dates::Dates;
use crate::domain::{Span, Timestamp};
pub(super) use crate::reckon::free;
use chrono::{Datelike, Days, NaiveDate, NaiveTime, TimeDelta, Weekday};

/// Planning looks no further ahead.
pub(super) const DAYS_MAX: u64 = 366;

/// The hours of a day in which work is planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hours {
    pub start: NaiveTime,
    pub end: NaiveTime,
}

/// A piece of work that wants a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wish {
    /// Smaller ones choose first.
    pub priority: u8,
    /// How long it takes.
    pub length: TimeDelta,
}

/// The working hours of days, as instants: on a day on which the clocks change they are longer or
/// shorter. `weekends`: whether Saturdays and Sundays count.
pub(super) fn windows(
    dates: Dates,
    hours: Hours,
    (first, last): (NaiveDate, NaiveDate),
    weekends: bool,
) -> Vec<Span> {
    let mut windows = Vec::new();
    let mut day = first;
    for _ in 0..DAYS_MAX {
        if day > last {
            break;
        }
        let is_weekend = matches!(day.weekday(), Weekday::Sat | Weekday::Sun);
        if weekends || !is_weekend {
            let from = dates.instant(day.and_time(hours.start));
            let to = dates.instant(day.and_time(hours.end));
            windows.extend((from < to).then_some(Span { from, to }));
        }
        let Some(next) = day.checked_add_days(Days::new(1)) else { break };
        day = next;
    }
    windows
}

/// Places for pieces that are done one after the other: each in the first gap that holds it whole,
/// after the one before it. What is longer than every working day is spread over the gaps that
/// follow. `None`: there is no place for it, nor for those after it.
pub(super) fn in_order(
    free: &[Span],
    longest: TimeDelta,
    pieces: &[TimeDelta],
) -> Vec<Option<Span>> {
    let mut gaps: Vec<Span> = free.to_vec();
    let mut places = Vec::with_capacity(pieces.len());
    for piece in pieces {
        let place = if *piece > longest { spread(&gaps, *piece) } else { first(&gaps, *piece) };
        let Some(place) = place else { break };
        gaps = free_after(&gaps, place.to);
        places.push(Some(place));
    }
    places.resize(pieces.len(), None);
    places
}

/// Places for wishes that do not depend on each other: the most urgent choose first, of those the
/// longest, of those the first named; each takes the first gap that holds it.
pub(super) fn by_priority(free: &[Span], wishes: &[Wish]) -> Vec<Option<Span>> {
    let mut order: Vec<usize> = (0..wishes.len()).collect();
    order.sort_by_key(|index| {
        let wish = wishes.get(*index);
        (wish.map(|wish| wish.priority), wish.map(|wish| -wish.length), *index)
    });
    let mut gaps = free.to_vec();
    let mut places = vec![None; wishes.len()];
    for index in order {
        let Some(wish) = wishes.get(index) else { continue };
        let Some(at) = gaps.iter().position(|gap| gap.to - gap.from >= wish.length) else {
            continue;
        };
        let gap = gaps.remove(at);
        let place = Span { from: gap.from, to: gap.from + wish.length };
        if place.to < gap.to {
            gaps.insert(at, Span { from: place.to, to: gap.to });
        }
        if let Some(found) = places.get_mut(index) {
            *found = Some(place);
        }
    }
    places
}

/// The next quarter of an hour, or the instant itself if it is one.
pub(super) fn next_quarter(at: Timestamp) -> Timestamp {
    const QUARTER: i64 = 15 * 60 * 1_000;
    let over = at.timestamp_millis().rem_euclid(QUARTER);
    if over == 0 { at } else { at + TimeDelta::milliseconds(QUARTER - over) }
}

fn first(gaps: &[Span], piece: TimeDelta) -> Option<Span> {
    let gap = gaps.iter().find(|gap| gap.to - gap.from >= piece)?;
    Some(Span { from: gap.from, to: gap.from + piece })
}

/// From the first gap to where the work is done.
fn spread(gaps: &[Span], piece: TimeDelta) -> Option<Span> {
    let from = gaps.first()?.from;
    let mut left = piece;
    for gap in gaps {
        let length = gap.to - gap.from;
        if length >= left {
            return Some(Span { from, to: gap.from + left });
        }
        left -= length;
    }
    None
}

fn free_after(gaps: &[Span], at: Timestamp) -> Vec<Span> {
    let later = gaps.iter().filter(|gap| gap.to > at);
    later.map(|gap| Span { from: gap.from.max(at), to: gap.to }).collect()
}

#[cfg(test)]
mod tests;
