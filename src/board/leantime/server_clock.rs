//! The server's clock, as its answers tell it: the one by which the ends of markers are written and
//! read, whatever the clocks of the machines are that do so.

use crate::domain::Timestamp;
use chrono::TimeDelta;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::time::Instant;

/// What answers in between (a proxy) may have a clock of its own: as long as it is off by less, the
/// dates of rows put it right; by more, they are no dates of now.
const OFF_MAX: TimeDelta = TimeDelta::minutes(10);
/// Both are told in whole seconds.
const EQUAL: TimeDelta = TimeDelta::seconds(2);

#[derive(Debug, Default)]
pub(super) struct ServerClock(Mutex<Heard>);

#[derive(Debug, Default)]
struct Heard {
    last: Option<(Timestamp, Instant)>,
    off: TimeDelta,
}

impl ServerClock {
    fn lock(&self) -> MutexGuard<'_, Heard> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The head of an answer says when it was given.
    pub(super) fn heard(&self, date: &str) {
        if let Ok(at) = chrono::DateTime::parse_from_rfc2822(date) {
            self.lock().last = Some((at.to_utc(), Instant::now()));
        }
    }

    /// A row that was just written says when that was.
    pub(super) fn written(&self, at: Timestamp) {
        let mut heard = self.lock();
        let Some((last, _)) = heard.last else { return };
        let off = at - last;
        if off.abs() <= OFF_MAX {
            heard.off = if off.abs() <= EQUAL { TimeDelta::zero() } else { off };
        }
    }

    /// What it shows now; `None` as long as no answer said so.
    pub(super) fn now(&self) -> Option<Timestamp> {
        let heard = self.lock();
        let (last, at) = heard.last?;
        Some(last + heard.off + crate::domain::to_delta(at.elapsed()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATE: &str = "Sun, 22 Nov 2026 14:00:00 GMT";

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn it_goes_on_from_what_the_last_answer_said() {
        let clock = ServerClock::default();
        assert_eq!(clock.now(), None);
        clock.heard("no date");
        assert_eq!(clock.now(), None);
        clock.heard(DATE);
        tokio::time::advance(std::time::Duration::from_secs(7)).await;
        assert_eq!(clock.now(), Some(at("2026-11-22T14:00:07Z")));
    }

    #[tokio::test(start_paused = true)]
    async fn the_date_of_a_row_puts_a_proxys_clock_right_unless_it_makes_no_sense() {
        let shown = |written: &str| {
            let clock = ServerClock::default();
            clock.heard(DATE);
            clock.written(at(written));
            clock.now().unwrap()
        };
        assert_eq!(shown("2026-11-22T14:00:30Z"), at("2026-11-22T14:00:30Z"));
        assert_eq!(shown("2026-11-22T13:59:40Z"), at("2026-11-22T13:59:40Z"));
        assert_eq!(shown("2026-11-22T14:00:01Z"), at("2026-11-22T14:00:00Z"));
        assert_eq!(shown("2026-11-22T06:00:00Z"), at("2026-11-22T14:00:00Z"));
    }
}
