//! An audit of what became of a playbook's planned instants: each has to be accounted exactly once.
//!
//! It knows only the timetable and the records, not how they came to be; so whatever forgets an instant
//! or tells it twice is found, be it the daemon, a crash, a restored store or a hand.

use super::Timetable;
use crate::domain::{Occurrence, Timestamp};
use chrono::TimeDelta;

/// More than these are counted, not told.
const DISCREPANCIES_MAX: usize = 100;

/// What an audit found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Planned instants that a record accounts for, each counted once.
    pub instants: u64,
    /// Records that were looked at.
    pub records: u64,
    /// What does not add up, earliest first; at most 100 of them.
    pub discrepancies: Vec<Discrepancy>,
    /// How many there are in truth.
    pub found: u64,
}

/// What does not add up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Discrepancy {
    /// Planned instants that follow each other, and nothing says what became of them.
    Hole {
        /// The first of them.
        first: Timestamp,
        /// How many.
        count: u64,
    },
    /// A record accounts for instants that an earlier one accounts for.
    Double {
        /// Where the later record begins.
        planned: Timestamp,
        /// How many instants.
        count: u64,
    },
    /// A record for an instant that was not planned.
    Unplanned {
        /// The instant.
        planned: Timestamp,
    },
    /// A record says that it stands for another number of instants than lie in its span.
    Miscounted {
        /// Where it begins.
        planned: Timestamp,
        /// What it says.
        said: u64,
        /// What it is.
        count: u64,
    },
}

impl Account {
    fn note(&mut self, discrepancy: Discrepancy) {
        self.found += 1;
        if self.discrepancies.len() < DISCREPANCIES_MAX {
            self.discrepancies.push(discrepancy);
        }
    }
}

/// Compares the planned instants after `after`, up to and including `until`, with the records of what
/// became of them, in any order. Records of other triggers, and those planned outside of the span, are
/// left out; a record that begins in the span counts as far as the span goes.
pub fn account(
    timetable: &Timetable,
    after: Timestamp,
    until: Timestamp,
    records: &[Occurrence],
) -> Account {
    let inside = |o: &&Occurrence| {
        o.trigger == timetable.trigger() && o.planned > after && o.planned <= until
    };
    let mut records: Vec<&Occurrence> = records.iter().filter(inside).collect();
    records.sort_by_key(|record| (record.planned, last_of(record)));
    let mut account = Account::default();
    let mut told = after;
    for record in records {
        account.records += 1;
        told = look_at(timetable, told, until, record, &mut account);
    }
    hole(timetable, told, until, &mut account);
    account
}

fn last_of(record: &Occurrence) -> Timestamp {
    record.covers.map_or(record.planned, |covers| covers.last.max(record.planned))
}

/// One record; up to where everything has been told then.
fn look_at(
    timetable: &Timetable,
    told: Timestamp,
    until: Timestamp,
    record: &Occurrence,
    account: &mut Account,
) -> Timestamp {
    let (planned, whole) = (record.planned, last_of(record));
    let before = just_before(planned);
    let last = whole.min(until);
    if timetable.after(before) != Some(planned) {
        account.note(Discrepancy::Unplanned { planned });
        if record.covers.is_none() {
            return told;
        }
    }
    hole(timetable, told, before, account);
    let (said, count) =
        (record.covers.map_or(1, |covers| covers.count), timetable.count(before, whole));
    if said != count {
        account.note(Discrepancy::Miscounted { planned, said, count });
    }
    if planned <= told {
        let count = timetable.count(before, last.min(told));
        if count > 0 {
            account.note(Discrepancy::Double { planned, count });
        }
    }
    account.instants += timetable.count(before.max(told), last);
    told.max(last)
}

/// Notes what is planned after `told` and up to `until`, and told by nothing.
fn hole(timetable: &Timetable, told: Timestamp, until: Timestamp, account: &mut Account) {
    let Some(first) = timetable.after(told).filter(|first| *first <= until) else { return };
    account.note(Discrepancy::Hole { first, count: timetable.count(told, until) });
}

/// Instants are whole milliseconds.
fn just_before(at: Timestamp) -> Timestamp {
    at.checked_sub_signed(TimeDelta::milliseconds(1)).unwrap_or(at)
}
