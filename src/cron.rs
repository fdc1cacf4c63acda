//! When a cron pattern or an interval falls due, in a time zone with its clock changes.
//!
//! This is the only file that knows croner, and croner is asked for *local* times only: which days
//! and times of day the pattern names. What a local time means as an instant is decided here, because
//! it is a matter of policy:
//!
//! - **The hour field decides how a pattern lives through a clock change** (as in Vixie cron). If it
//!   is `*`, has a step (`*/2`, `8-18/2`) or names all 24 hours, the pattern is about *elapsed time*: it
//!   fires in both halves of a repeated hour, whatever `fold` says. Otherwise it is about the *wall
//!   clock*: a repeated local time fires as `fold` says.
//! - A pattern of every hour (`*`, `*/1`, `0-23`) loses nothing when local times are removed, it goes on at
//!   the same pace; so `gap` does not apply and nothing piles up after the gap.
//! - For every other pattern, local times that are removed fire as `gap` says: `next` is one instant, the
//!   first after the gap, however many local times of the pattern were removed, and the same one if the
//!   pattern names it anyway; `skip` is none.
//! - If both day fields are restricted, one of them has to match; if one begins with `*`, both have
//!   to (Vixie cron, too: `0 0 */2 * MON` is a Monday with an odd date).
//!
//! Instants strictly increase; a pattern and an interval give the same instants after a restart.

mod fields;
mod interval;
mod zone;

pub use interval::Interval;

use crate::domain::{Fold, Gap, Timestamp};
use chrono::{LocalResult, NaiveDateTime, NaiveTime, SubsecRound, TimeDelta, TimeZone};
use chrono_tz::Tz;

/// The longest pattern that is read.
const PATTERN_BYTES_MAX: usize = 500;

/// Why a text is no cron pattern: what is wrong and what was expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Not 5 or 6 fields.
    #[error(
        "{found} fields; expected 5 (minute hour day-of-month month day-of-week), or 6 with seconds \
         first, such as \"0 8 * * MON-FRI\""
    )]
    FieldCount {
        /// How many there are.
        found: usize,
    },
    /// A name after `@` that is not known.
    #[error("{} is unknown; expected @hourly, @daily, @weekly, @monthly or @yearly", found.escape_debug())]
    Nickname {
        /// The name.
        found: String,
    },
    /// One field is wrong.
    #[error("{found:?} in the field {field}; expected {expected}")]
    Field {
        /// The field's name.
        field: &'static str,
        /// The part of it that is wrong.
        found: String,
        /// What would be right.
        expected: String,
    },
    /// No date matches.
    #[error("it never fires: no date matches; expected a day of the month that the month has")]
    Never,
    /// Longer than any pattern.
    #[error("{bytes} bytes; expected at most {PATTERN_BYTES_MAX}")]
    TooLong {
        /// How long it is.
        bytes: usize,
    },
}

/// A cron pattern.
#[derive(Clone, Debug)]
pub struct Pattern {
    cron: croner::Cron,
    source: String,
    /// Seconds, minutes and hours as sets of bits.
    clock: [u64; 3],
    elapsed: bool,
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

/// What is odd about an instant: the clock was set around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Odd {
    /// It stands for local times that the clock skipped.
    Gap,
    /// Its local time comes twice; this is the first.
    FoldFirst,
    /// Its local time comes twice; this is the second.
    FoldSecond,
}

impl Pattern {
    /// Reads 5 fields, 6 with seconds first, or `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`.
    ///
    /// Names of months and days, lists, ranges and steps are understood, and `L`, `LW`, `15W`,
    /// `FRI#2`, `FRIL` in the day fields.
    ///
    /// # Errors
    /// What is wrong and what was expected; a pattern that never fires is an error.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let fields = fields::read(text)?;
        let cron = croner::parser::CronParser::builder()
            .seconds(croner::parser::Seconds::Required)
            .year(croner::parser::Year::Disallowed)
            .dom_and_dow(fields.day_is_wild)
            .build()
            .parse(&fields.text)
            .map_err(|error| PatternError::Field {
                field: "day of month or week",
                found: text.trim().to_owned(),
                expected: format!("what cron takes ({error})"),
            })?;
        let pattern = Self {
            cron,
            source: text.trim().to_owned(),
            clock: fields.clock,
            elapsed: fields.hour_is_wild,
        };
        // Dates repeat every 400 years; the rarest that exists (29 February on a given weekday)
        // comes within 40.
        let from = NaiveDateTime::default();
        let found = pattern.next_local(from, true);
        if found.is_none_or(|at| at - from > TimeDelta::days(366 * 41)) {
            return Err(PatternError::Never);
        }
        Ok(pattern)
    }

    /// The text it was read from.
    pub fn as_str(&self) -> &str {
        &self.source
    }

    /// The first instant after `after`; `None` when the calendar ends.
    pub fn after(&self, after: Timestamp, zone: Tz, gap: Gap, fold: Fold) -> Option<Timestamp> {
        let after = after.trunc_subsecs(0);
        let mut from = zone::local(zone, after);
        let mut inclusive = false;
        if let Some(shift) = zone::fold_ahead(zone, after) {
            // Until the clock is set back, local times only grow.
            let end = shift.local_before();
            if let Some(local) = self.next_local(from, false).filter(|local| *local < end)
                && (local < shift.local() || self.fires_first(fold))
            {
                return Some((local - shift.before).and_utc());
            }
            (from, inclusive) = (shift.local(), true);
        }
        // From here on local times and instants grow together.
        loop {
            let local = self.next_local(from, inclusive)?;
            (from, inclusive) = (local, false);
            match zone.from_local_datetime(&local) {
                LocalResult::Single(at) => return Some(at.to_utc()),
                LocalResult::Ambiguous(first, second) => {
                    let (first, second) = (first.to_utc(), second.to_utc());
                    if first > after && self.fires_first(fold) {
                        return Some(first);
                    }
                    if second > after && self.fires_second(fold) {
                        return Some(second);
                    }
                }
                LocalResult::None => {
                    let shift = zone::gap_around(zone, local)?;
                    if gap == Gap::Next && !self.is_every_hour() {
                        return Some(shift.at);
                    }
                    (from, inclusive) = (shift.local(), true);
                }
            }
        }
    }

    /// The instants after `after`, in order.
    pub fn iter(
        &self,
        after: Timestamp,
        zone: Tz,
        gap: Gap,
        fold: Fold,
    ) -> impl Iterator<Item = Timestamp> + '_ {
        let next = move |last: &Timestamp| self.after(*last, zone, gap, fold);
        std::iter::successors(next(&after), next)
    }

    /// How many instants there are after `after`, up to and including `until`. Whole days are
    /// counted, not walked through, so a year of seconds costs no more than a few days of them.
    pub fn count(&self, after: Timestamp, until: Timestamp, zone: Tz, gap: Gap, fold: Fold) -> u64 {
        let per_day: u64 = self.clock.iter().map(|set| u64::from(set.count_ones())).product();
        let mut total = 0;
        let mut at = after;
        while let Some(next) = self.after(at, zone, gap, fold).filter(|next| *next <= until) {
            let day = zone::local(zone, next).date();
            let midnight = day.and_time(NaiveTime::MIN);
            let start = zone::day_start(zone, day);
            let Some(tomorrow) = day.succ_opt() else { break };
            let end = zone::day_start(zone, tomorrow);
            let last = end - TimeDelta::seconds(1);
            // A later fold may show this day's last hours again.
            let shown_again = zone::fold_ahead(zone, last)
                .is_some_and(|shift| shift.local() < tomorrow.and_time(NaiveTime::MIN));
            let plain = end - start == TimeDelta::days(1)
                && zone::local(zone, start) == midnight
                && zone::offset(zone, start - TimeDelta::seconds(1)) == zone::offset(zone, start)
                && !shown_again;
            if plain && at < start && last <= until {
                total += per_day;
                at = last;
            } else {
                // A day with a clock change or at an edge of the span is walked through.
                total += 1;
                at = next;
            }
        }
        total
    }

    /// What is odd about one of its instants in a zone.
    pub fn odd(&self, at: Timestamp, zone: Tz, gap: Gap) -> Option<Odd> {
        let local = zone::local(zone, at);
        if let LocalResult::Ambiguous(first, _) = zone.from_local_datetime(&local) {
            return Some(if first == at { Odd::FoldFirst } else { Odd::FoldSecond });
        }
        let shift = zone::shift_between(zone, at - TimeDelta::seconds(1), at)?;
        let removed = self.next_local(shift.local_before(), true)?;
        let carried = gap == Gap::Next && !self.is_every_hour();
        (carried && removed < shift.local()).then_some(Odd::Gap)
    }

    /// The first local time after (or at) another; croner knows no zone here.
    fn next_local(&self, from: NaiveDateTime, inclusive: bool) -> Option<NaiveDateTime> {
        self.cron.find_next_occurrence(&from, inclusive).ok()
    }

    fn is_every_hour(&self) -> bool {
        self.clock[2].count_ones() == 24
    }

    fn fires_first(&self, fold: Fold) -> bool {
        self.elapsed || fold != Fold::Second
    }

    fn fires_second(&self, fold: Fold) -> bool {
        self.elapsed || fold != Fold::First
    }
}
