//! Hours of the week in which something may happen.

use chrono::{Datelike as _, NaiveDate, NaiveDateTime, NaiveTime, Weekday};

/// Working hours in the playbook's zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hours {
    /// On these days.
    pub days: Vec<Weekday>,
    /// From this time of day.
    pub from: NaiveTime,
    /// Until this time of day (earlier than `from`: until then on the next day).
    pub to: NaiveTime,
    /// Not on these.
    pub holidays: Vec<NaiveDate>,
}

impl Hours {
    /// Whether a day has hours.
    pub fn counts(&self, day: NaiveDate) -> bool {
        self.days.contains(&day.weekday()) && !self.holidays.contains(&day)
    }

    /// Whether they cover a local time: `from` belongs to them, `to` does not; `to` at or before `from` is
    /// on the next day, and the day that counts is the one they began on.
    pub fn covers(&self, local: NaiveDateTime) -> bool {
        let (today, time) = (local.date(), local.time());
        if self.from < self.to {
            return self.counts(today) && (self.from..self.to).contains(&time);
        }
        let began_yesterday = || today.pred_opt().is_some_and(|day| self.counts(day));
        (self.counts(today) && time >= self.from) || (began_yesterday() && time < self.to)
    }
}
