//! Time to work undisturbed: what meetings leave of a day.

use super::days::free;
use crate::domain::{Span, Timestamp};
use chrono::TimeDelta;

/// Less than this is no time to begin anything.
pub const FOCUS_MIN: TimeDelta = TimeDelta::minutes(90);
/// Between a meeting and a block stays so much.
const BREATH: TimeDelta = TimeDelta::minutes(15);

/// Blocks around what is busy, each at least so long and at most `longest`, one a window: the longest
/// stretch of it, the earliest of equal ones. Between a meeting and a block stay 15 minutes.
pub fn focus(
    windows: &[Span],
    busy: &[Span],
    not_before: Timestamp,
    (least, longest): (TimeDelta, TimeDelta),
) -> Vec<Span> {
    let widened: Vec<Span> = busy
        .iter()
        .filter(|span| span.from < span.to)
        .map(|span| Span { from: span.from - BREATH, to: span.to + BREATH })
        .collect();
    let mut blocks = Vec::new();
    for window in windows {
        let gaps = free(&[*window], &widened, not_before);
        let best = gaps.into_iter().rev().max_by_key(|gap| gap.to - gap.from);
        if let Some(gap) = best.filter(|gap| gap.to - gap.from >= least) {
            let to = gap.to.min(gap.from + longest);
            blocks.push(Span { from: gap.from, to });
        }
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(from: &str, to: &str) -> Span {
        let at = |time| format!("2026-10-26T{time}:00Z").parse().unwrap();
        Span { from: at(from), to: at(to) }
    }

    #[test]
    fn blocks_lie_around_meetings_with_a_breath_between() {
        let windows = [span("09:00", "12:00"), span("13:00", "17:00")];
        let busy = [span("10:00", "10:30"), span("14:45", "15:00")];
        let least = (TimeDelta::minutes(60), TimeDelta::minutes(180));
        let blocks = focus(&windows, &busy, span("08:00", "09:00").from, least);
        assert_eq!(blocks, [span("10:45", "12:00"), span("15:15", "17:00")]);
        let blocks = focus(&windows, &busy, span("08:00", "09:00").from, (FOCUS_MIN, least.1));
        assert_eq!(blocks, [span("15:15", "17:00")]);
    }

    #[test]
    fn a_day_without_meetings_has_blocks_no_longer_than_wanted() {
        let windows = [span("09:00", "17:00")];
        let two = TimeDelta::hours(2);
        assert_eq!(
            focus(&windows, &[], windows[0].from, (FOCUS_MIN, two)),
            [span("09:00", "11:00")]
        );
    }
}
