//! The planned instants of a playbook: its pattern or interval, made ready to be asked.

use crate::cron::{Interval, Odd, Pattern, PatternError};
use crate::domain::{Fold, Gap, Hours, On, PlaybookName, Timestamp, Trigger, millis};
use chrono::TimeDelta;
use chrono_tz::Tz;
use std::time::Duration;

/// When a playbook is planned to wake. Made once per playbook and definition.
#[derive(Clone, Debug)]
pub struct Timetable {
    rhythm: Rhythm,
    zone: Tz,
    jitter: TimeDelta,
    hours: Option<Hours>,
}

#[derive(Clone, Debug)]
enum Rhythm {
    Cron(Box<Pattern>, Gap, Fold),
    Every(Interval),
}

/// Why `[on]` gives no timetable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimetableError {
    /// The pattern is none.
    #[error("cron")]
    Cron(#[from] PatternError),
    /// Two rhythms at once.
    #[error("both cron and every are set; expected one of them")]
    Both,
}

impl Timetable {
    /// The timetable of `[on]`; `None` if the playbook does not wake by the clock.
    ///
    /// # Errors
    /// What is wrong with the pattern, or that there is an interval as well.
    pub fn new(on: &On, name: &PlaybookName) -> Result<Option<Self>, TimetableError> {
        let rhythm = match (&on.cron, on.every) {
            (Some(_), Some(_)) => return Err(TimetableError::Both),
            (Some(text), None) => Rhythm::Cron(Box::new(Pattern::parse(text)?), on.gap, on.fold),
            (None, Some(every)) => Rhythm::Every(Interval::new(every, on.zone)),
            (None, None) => return Ok(None),
        };
        let jitter = jitter(name, on.jitter);
        Ok(Some(Self { rhythm, zone: on.zone, jitter, hours: on.hours.clone() }))
    }

    /// The first planned instant after `after`.
    pub fn after(&self, after: Timestamp) -> Option<Timestamp> {
        match &self.rhythm {
            Rhythm::Cron(pattern, gap, fold) => pattern.after(after, self.zone, *gap, *fold),
            Rhythm::Every(interval) => interval.after(after),
        }
    }

    /// How many planned instants there are after `after`, up to and including `until`.
    pub fn count(&self, after: Timestamp, until: Timestamp) -> u64 {
        match &self.rhythm {
            Rhythm::Cron(pattern, gap, fold) => pattern.count(after, until, self.zone, *gap, *fold),
            Rhythm::Every(interval) => interval.count(after, until),
        }
    }

    /// The planned instants after `after`, up to and including `until`, in order.
    pub fn between(
        &self,
        after: Timestamp,
        until: Timestamp,
    ) -> impl Iterator<Item = Timestamp> + '_ {
        std::iter::successors(self.after(after), |last| self.after(*last))
            .take_while(move |at| *at <= until)
    }

    /// The last `count` planned instants after `after`, up to and including `until`, in order;
    /// found from the end, however long the span is.
    pub fn latest(&self, after: Timestamp, until: Timestamp, count: usize) -> Vec<Timestamp> {
        let mut width = TimeDelta::minutes(2);
        loop {
            let from = until.checked_sub_signed(width).map_or(after, |from| from.max(after));
            let mut found: Vec<_> = self.between(from, until).collect();
            if found.len() >= count || from == after {
                found.drain(..found.len().saturating_sub(count));
                return found;
            }
            width = width.checked_mul(2).unwrap_or(TimeDelta::MAX);
        }
    }

    /// When a planned instant starts: the jitter later.
    pub fn start_of(&self, planned: Timestamp) -> Timestamp {
        planned.checked_add_signed(self.jitter).unwrap_or(planned)
    }

    /// Instants planned until then have started at `now`.
    pub fn due_until(&self, now: Timestamp) -> Timestamp {
        now.checked_sub_signed(self.jitter).unwrap_or(now)
    }

    /// What wakes the playbook.
    pub fn trigger(&self) -> Trigger {
        match self.rhythm {
            Rhythm::Cron(..) => Trigger::Cron,
            Rhythm::Every(_) => Trigger::Every,
        }
    }

    /// The zone of everything here.
    pub fn zone(&self) -> Tz {
        self.zone
    }

    /// What is odd about a planned instant.
    pub fn odd(&self, planned: Timestamp) -> Option<Odd> {
        match &self.rhythm {
            Rhythm::Cron(pattern, gap, _) => pattern.odd(planned, self.zone, *gap),
            Rhythm::Every(_) => None,
        }
    }

    /// Whether a run may start at an instant.
    pub fn within_hours(&self, at: Timestamp) -> bool {
        let Some(hours) = &self.hours else { return true };
        let local = at.with_timezone(&self.zone).naive_local();
        hours.covers(local)
    }
}

/// A playbook's share of the most by which starts are spread: the same each time, in whole
/// milliseconds below `most`.
fn jitter(name: &PlaybookName, most: Duration) -> TimeDelta {
    let most = millis(most).min(86_400_000);
    if most == 0 {
        return TimeDelta::zero();
    }
    let offset = fnv1a(name.as_str().as_bytes()) % most;
    TimeDelta::milliseconds(i64::try_from(offset).unwrap_or(0))
}

/// FNV-1a with 64 bits: stable for ever, unlike the standard library's hasher.
fn fnv1a(bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{NaiveTime, Weekday};

    #[test]
    fn the_hash_is_the_published_one() {
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn jitter_is_the_same_each_time_and_below_the_most() {
        let most = Duration::from_secs(30);
        for name in ["a", "daily-digest", "code-review"] {
            let offset = jitter(&PlaybookName::new(name), most);
            assert_eq!(offset, jitter(&PlaybookName::new(name), most));
            assert!(offset < TimeDelta::seconds(30) && offset >= TimeDelta::zero());
        }
        assert_eq!(jitter(&PlaybookName::new("a"), Duration::ZERO), TimeDelta::zero());
    }

    #[test]
    fn hours_over_midnight_belong_to_the_day_they_began_on() {
        let time = |text: &str| text.parse::<NaiveTime>().unwrap();
        let hours = Hours {
            days: vec![Weekday::Fri],
            from: time("22:00:00"),
            to: time("06:00:00"),
            holidays: Vec::new(),
        };
        let at = |text: &str| hours.covers(text.parse().unwrap());
        assert!(at("2026-11-20T22:00:00") && at("2026-11-21T05:59:59"));
        assert!(!at("2026-11-20T05:00:00") && !at("2026-11-21T06:00:00"));
        assert!(!at("2026-11-21T23:00:00"));
    }
}
