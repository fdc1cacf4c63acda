//! Time that was worked and not logged.

use super::Seen;
use super::effort::{HOURS_PER_POINT, estimate};
use crate::domain::{PersonId, TaskId};
use chrono::NaiveDate;
use std::collections::BTreeMap;

/// The longest time that is proposed for a task on a day, in minutes.
const DAY_MAX: i64 = 8 * 60;
/// What is less than this is not worth asking about.
const LEAST: i64 = 15;

/// That a person worked on a task on a day, and how we know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worked {
    /// They had planned so many minutes for it in their calendar.
    Planned(i64),
    /// They finished it then.
    Finished,
}

/// Time that seems to be missing from a timesheet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// On what.
    pub task: TaskId,
    /// On which day.
    pub day: NaiveDate,
    /// How much, in minutes.
    pub minutes: i64,
    /// How we know.
    pub worked: Worked,
}

/// What seems to be missing of a person, by day and task. `logged`: minutes by task and day.
///
/// Time that was planned in the calendar is missing as far as less was logged that day. A task that was
/// finished is missing as far as less was logged in all than it was meant to take; a planned time on
/// the same day counts instead.
pub fn gaps(
    person: PersonId,
    tasks: &BTreeMap<TaskId, Seen>,
    worked: &[(NaiveDate, TaskId, Worked)],
    logged: &BTreeMap<(TaskId, NaiveDate), i64>,
) -> Vec<Gap> {
    let mut found: BTreeMap<(NaiveDate, TaskId), (i64, Worked)> = BTreeMap::new();
    let mut sorted = worked.to_vec();
    // Planned times before finished ones.
    sorted.sort_by_key(|(day, task, worked)| (*worked == Worked::Finished, *day, *task));
    for (day, task, how) in sorted {
        let on_day = logged.get(&(task, day)).copied().unwrap_or(0);
        match how {
            Worked::Planned(minutes) => {
                let entry = found.entry((day, task)).or_insert((-on_day, how));
                entry.0 += minutes;
            }
            Worked::Finished => {
                let Some(seen) = tasks.get(&task).filter(|s| s.task.assignee == Some(person))
                else {
                    continue;
                };
                let is_known = found.keys().any(|(_, known)| *known == task);
                let all: i64 =
                    logged.iter().filter(|((id, _), _)| *id == task).map(|(_, m)| *m).sum();
                // What remains is nothing any more: what was planned is meant.
                let mut planned = seen.task.clone();
                planned.hours_remaining = None;
                let (meant, _) = estimate(&planned, HOURS_PER_POINT);
                if !is_known && on_day == 0 {
                    found.insert((day, task), (meant - all, how));
                }
            }
        }
    }
    let gaps = found.into_iter().map(|((day, task), (minutes, worked))| Gap {
        task,
        day,
        minutes: minutes.min(DAY_MAX),
        worked,
    });
    gaps.filter(|gap| gap.minutes >= LEAST).collect()
}
