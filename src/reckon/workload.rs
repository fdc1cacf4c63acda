//! Who has how much, and who could take more.

use super::Seen;
use super::effort::{HOURS_PER_POINT, estimate};
use crate::domain::{PersonId, ProjectId, StatusKind, TaskId, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// What one person has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Open tasks.
    pub tasks: u64,
    /// Their minutes.
    pub minutes: i64,
    /// Of these, tasks that are overdue.
    pub overdue: u64,
    /// Of these, tasks that cannot go on.
    pub blocked: u64,
    /// Minutes of what is due soon.
    pub soon: i64,
    /// In which projects.
    pub projects: BTreeSet<ProjectId>,
}

/// What each has of these open tasks, people without any included. What is due before `soon` is
/// summed up on its own.
pub fn loads(
    people: &[PersonId],
    tasks: &[Seen],
    (now, soon): (Timestamp, Timestamp),
) -> BTreeMap<PersonId, Load> {
    let mut loads: BTreeMap<PersonId, Load> =
        people.iter().map(|person| (*person, Load::default())).collect();
    for seen in tasks.iter().filter(|seen| seen.is_open()) {
        let Some(load) = seen.task.assignee.and_then(|person| loads.get_mut(&person)) else {
            continue;
        };
        let (minutes, _) = estimate(&seen.task, HOURS_PER_POINT);
        load.tasks += 1;
        load.minutes += minutes;
        load.overdue += u64::from(seen.is_overdue(now));
        load.blocked += u64::from(seen.kind == StatusKind::Blocked);
        load.projects.insert(seen.task.project);
        if seen.task.due.is_some_and(|due| due < soon) {
            load.soon += minutes;
        }
    }
    loads
}

/// Who could take a task that nobody has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The task.
    pub task: TaskId,
    /// The person with the least to do, of those who work in its project already, if there are any.
    pub to: Option<PersonId>,
}

/// One offer for each open task that nobody has, soonest due first; what was offered counts from then on.
pub fn offers(loads: &BTreeMap<PersonId, Load>, tasks: &[Seen]) -> Vec<Offer> {
    let mut loads = loads.clone();
    let mut nobodys: Vec<&Seen> =
        tasks.iter().filter(|seen| seen.is_open() && seen.task.assignee.is_none()).collect();
    nobodys.sort_by_key(|seen| (seen.task.due.is_none(), seen.task.due, seen.task.id));
    let mut offers = Vec::with_capacity(nobodys.len());
    for seen in nobodys {
        let project = seen.task.project;
        let is_there = loads.values().any(|load| load.projects.contains(&project));
        let fits = |load: &Load| !is_there || load.projects.contains(&project);
        let least = loads.iter().filter(|(_, load)| fits(load));
        let to = least.min_by_key(|(id, load)| (load.minutes, **id)).map(|(id, _)| *id);
        if let Some(load) = to.and_then(|person| loads.get_mut(&person)) {
            load.minutes += estimate(&seen.task, HOURS_PER_POINT).0;
        }
        offers.push(Offer { task: seen.task.id, to });
    }
    offers
}
