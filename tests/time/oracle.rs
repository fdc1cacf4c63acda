//! An oracle for cron instants that shares nothing with the program: it walks through UTC step by step,
//! asks chrono-tz only what is added to UTC, and matches the fields by hand, calendar included.

use chrono::{DateTime, Offset, TimeZone, Utc};
use chrono_tz::Tz;
use rota::domain::{Fold, Gap};

/// The policies of the playbook format, each with the bit that stands for it.
pub const POLICIES: [(Gap, Fold, u8); 6] = [
    (Gap::Next, Fold::First, 1),
    (Gap::Next, Fold::Second, 2),
    (Gap::Next, Fold::Both, 4),
    (Gap::Skip, Fold::First, 8),
    (Gap::Skip, Fold::Second, 16),
    (Gap::Skip, Fold::Both, 32),
];
const NEXT: u8 = 1 | 2 | 4;
const FIRST: u8 = 1 | 8;
const SECOND: u8 = 2 | 16;
const BOTH: u8 = 4 | 32;

/// More than any clock was set by since 2020 (three hours, in Antarctica).
const MARGIN: i64 = 4 * 3_600;

/// Seconds that a zone adds to UTC.
pub fn offset(zone: Tz, at: i64) -> i64 {
    let utc = DateTime::<Utc>::from_timestamp(at, 0).unwrap().naive_utc();
    i64::from(zone.offset_from_utc_datetime(&utc).fix().local_minus_utc())
}

/// A pattern of five or six fields, as sets of bits.
pub struct Fields {
    seconds: u64,
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// One of the day fields begins with a star: both have to match.
    both_days: bool,
    /// The hour field is a star, has a step or names every hour: about elapsed time.
    elapsed: bool,
}

impl Fields {
    /// Reads numbers, `*`, ranges, steps and lists; nothing else.
    pub fn read(text: &str) -> Self {
        let mut parts: Vec<&str> = text.split(' ').collect();
        if parts.len() == 5 {
            parts.insert(0, "0");
        }
        let hours = set(parts[2], 0, 23);
        let weekdays = set(parts[5], 0, 7);
        Self {
            seconds: set(parts[0], 0, 59),
            minutes: set(parts[1], 0, 59),
            hours,
            days: set(parts[3], 1, 31),
            months: set(parts[4], 1, 12),
            weekdays: weekdays | (weekdays >> 7),
            both_days: parts[3].starts_with('*') || parts[5].starts_with('*'),
            elapsed: parts[2].contains(['*', '/']) || hours.count_ones() == 24,
        }
    }

    /// Whether the pattern is about elapsed time, not about the wall clock.
    pub fn is_elapsed(&self) -> bool {
        self.elapsed
    }

    fn date(&self, days: i64) -> bool {
        let (month, day) = month_and_day(days);
        let day = self.days >> day & 1 == 1;
        let weekday = self.weekdays >> (days + 4).rem_euclid(7) & 1 == 1;
        let date = if self.both_days { day && weekday } else { day || weekday };
        self.months >> month & 1 == 1 && date
    }

    fn time(&self, of_day: i64) -> bool {
        self.minutes >> (of_day / 60 % 60) & 1 == 1
            && self.hours >> (of_day / 3_600) & 1 == 1
            && self.seconds >> (of_day % 60) & 1 == 1
    }
}

fn set(text: &str, min: u32, max: u32) -> u64 {
    let mut bits = 0;
    for part in text.split(',') {
        let (range, step) = part.split_once('/').unwrap_or((part, "1"));
        let (from, to) = match range.split_once('-') {
            Some((from, to)) => (from.parse().unwrap(), to.parse().unwrap()),
            None if range == "*" => (min, max),
            None => (range.parse().unwrap(), range.parse().unwrap()),
        };
        for value in (from..=to).step_by(step.parse().unwrap()) {
            bits |= 1 << value;
        }
    }
    bits
}

/// Of a day counted from 1 January 1970 (Fliegel and Van Flandern's way, by eras of 400 years).
fn month_and_day(days: i64) -> (i64, i64) {
    let day_of_era = (days + 719_468).rem_euclid(146_097);
    let year = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

/// What a zone's clock shows over a span of UTC, step by step.
pub struct Shown {
    begin: i64,
    step: i64,
    /// Steps before the span, to know what is shown twice.
    margin: usize,
    local: Vec<i64>,
    /// Shown before; shown again later.
    again: Vec<(bool, bool)>,
}

impl Shown {
    /// After `from`, up to and including `to`; all of them multiples of `step`.
    pub fn new(zone: Tz, from: i64, to: i64, step: i64) -> Self {
        let begin = from - MARGIN;
        let utc = (0..).map(|i| begin + i * step).take_while(|at| *at <= to + MARGIN);
        let local: Vec<i64> = utc.map(|at| at + offset(zone, at)).collect();
        let mut again = vec![(false, false); local.len()];
        if local.is_sorted() {
            return Self {
                begin,
                step,
                margin: usize::try_from(MARGIN / step).unwrap(),
                local,
                again,
            };
        }
        let lowest = *local.iter().min().unwrap();
        let place = |at: i64| usize::try_from((at - lowest) / step).unwrap();
        let size = place(*local.iter().max().unwrap()) + 1;
        let mut seen = vec![false; size];
        for (at, again) in local.iter().zip(&mut again) {
            again.0 = std::mem::replace(&mut seen[place(*at)], true);
        }
        let mut seen = vec![false; size];
        for (at, again) in local.iter().zip(&mut again).rev() {
            again.1 = std::mem::replace(&mut seen[place(*at)], true);
        }
        Self { begin, step, margin: usize::try_from(MARGIN / step).unwrap(), local, again }
    }

    /// How many steps the span has.
    pub fn len(&self) -> usize {
        self.local.len() - 2 * self.margin - 1
    }

    /// Every instant of the span at which the pattern fires under any policy, and under which.
    pub fn instants(&self, fields: &Fields) -> Vec<(i64, u8)> {
        let first_day = self.local.iter().min().unwrap().div_euclid(86_400);
        let last_day = self.local.iter().max().unwrap().div_euclid(86_400);
        let dates: Vec<bool> = (first_day..=last_day).map(|day| fields.date(day)).collect();
        let matches = |at: i64| {
            let day = at.div_euclid(86_400);
            fields.time(at - day * 86_400) && dates[usize::try_from(day - first_day).unwrap()]
        };
        let every_hour = fields.hours.count_ones() == 24;
        let mut found = Vec::new();
        for place in self.margin + 1..self.local.len() - self.margin {
            let (before, now) = (self.local[place - 1], self.local[place]);
            let mut policies = 0;
            if matches(now) {
                policies = match self.again[place] {
                    _ if fields.elapsed => u8::MAX,
                    (before, later) => {
                        (if before { 0 } else { FIRST }) | (if later { 0 } else { SECOND }) | BOTH
                    }
                };
            }
            let mut removed = before + self.step;
            while removed < now {
                if matches(removed) && !every_hour {
                    policies |= NEXT;
                }
                removed += self.step;
            }
            if policies != 0 {
                let at = self.begin + i64::try_from(place).unwrap() * self.step;
                found.push((at, policies));
            }
        }
        found
    }
}

#[test]
fn the_oracles_calendar_is_right() {
    // Weekdays: 1 January 1970 was a Thursday; 29 February 2024, 31 December 2035.
    assert_eq!(month_and_day(0), (1, 1));
    assert_eq!(month_and_day(19_782), (2, 29));
    assert_eq!(month_and_day(19_783), (3, 1));
    assert_eq!(month_and_day(24_105), (12, 31));
    assert_eq!(month_and_day(47_540), (2, 28), "2100 is no leap year");
    assert_eq!(month_and_day(47_541), (3, 1));
    assert_eq!((19_782 + 4) % 7, 4, "a Thursday");
}
