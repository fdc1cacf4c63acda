//! Which runs start now: the one table of the house. A snapshot goes in, actions and refusals come out.
//!
//! Occurrences are served oldest first; within one, tasks in the playbook's order. No task is started
//! twice in one plan, and the same snapshot always gives the same plan.
//!
//! An occurrence ends its life in one of these ways: it starts what it takes and is closed
//! ([`Action::Close`]), it finds nothing ([`Action::Finish`]), or it is skipped ([`Action::Skip`]). Until then
//! each plan looks at it again ([`Action::Wait`]).

use super::candidates::Entry;
use super::eligibility::{conditioned, gated, in_order, selected};
use super::{Criteria, OpenOccurrence, PlaybookFacts, Snapshot};
use crate::domain::{
    Occurrence, OccurrenceId, OccurrenceState, Overlap, PlaybookName, Reason, TaskId, Trigger,
};
use std::collections::{HashMap, HashSet};

/// So many refusals of one playbook are told in words; further ones are only counted.
pub const REFUSALS_MAX: usize = 100;

/// What is to be done, and what was not, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// What is to be done, in this order.
    pub actions: Vec<Action>,
    /// What was not done, and why.
    pub refusals: Vec<Refusal>,
    /// Refusals beyond [`REFUSALS_MAX`] per playbook, by reason.
    pub untold: Vec<(PlaybookName, Reason, usize)>,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Start a run (reserve the task first, where the playbook claims).
    Start {
        /// For this occurrence.
        occurrence: OccurrenceId,
        /// Of this playbook.
        playbook: PlaybookName,
        /// At this task; `None` for a playbook that takes none.
        task: Option<TaskId>,
        /// Which attempt at it, from 1.
        attempt: u32,
    },
    /// Leave the occurrence as it is and plan it again.
    Wait {
        /// The occurrence.
        occurrence: OccurrenceId,
        /// What it waits for.
        reason: Reason,
    },
    /// It takes no further tasks; it is settled when its runs have ended.
    Close {
        /// The occurrence.
        occurrence: OccurrenceId,
    },
    /// It ran, with nothing to do.
    Finish {
        /// The occurrence.
        occurrence: OccurrenceId,
        /// Why.
        reason: Reason,
    },
    /// It does not run any more.
    Skip {
        /// The occurrence.
        occurrence: OccurrenceId,
        /// Why.
        reason: Reason,
    },
    /// Cancel its runs: a later one takes its place.
    Cancel {
        /// The occurrence.
        occurrence: OccurrenceId,
        /// Why.
        reason: Reason,
    },
}

/// Something that was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The playbook that would have done it.
    pub playbook: PlaybookName,
    /// The task; `None`: the playbook as a whole.
    pub task: Option<TaskId>,
    /// Why.
    pub reason: Reason,
    /// The particulars, for people.
    pub detail: String,
}

/// Decides which runs start now.
pub fn plan(snapshot: &Snapshot) -> Plan {
    let mut open: Vec<&OpenOccurrence> =
        snapshot.occurrences.iter().filter(|open| !open.closed && !settled(open)).collect();
    open.sort_by_key(|open| (open.occurrence.planned, &open.occurrence.id));
    let mut planner = Planner::new(snapshot);
    for (place, open_one) in open.iter().enumerate() {
        planner.occurrence(open_one, open.get(place + 1..).unwrap_or_default());
    }
    planner.finished()
}

fn settled(open: &OpenOccurrence) -> bool {
    open.occurrence.state.is_settled()
}

/// Whether it comes from the clock or an event, so that `overlap` and pauses apply to it.
fn is_by_itself(occurrence: &Occurrence) -> bool {
    matches!(occurrence.trigger, Trigger::Cron | Trigger::Every | Trigger::Event)
}

/// Whether tasks or a report are taken: what an occurrence of a whole playbook does.
fn is_whole(occurrence: &Occurrence) -> bool {
    occurrence.task.is_none()
}

struct Planner<'a> {
    snapshot: &'a Snapshot,
    criteria: HashMap<&'a PlaybookName, Criteria<'a>>,
    slots: usize,
    /// Runs started by this plan, by playbook.
    started: HashMap<&'a PlaybookName, u32>,
    /// Occurrences of a whole playbook that are under way.
    under_way: HashMap<&'a PlaybookName, OccurrenceId>,
    taken: HashSet<TaskId>,
    told: HashMap<&'a PlaybookName, usize>,
    untold: HashMap<(&'a PlaybookName, Reason), usize>,
    plan: Plan,
}

/// Where the work on an occurrence stops for now.
enum Stop {
    Wait(Reason),
    Skip(Reason),
    Close,
}

impl<'a> Planner<'a> {
    fn new(snapshot: &'a Snapshot) -> Self {
        let under_way = snapshot
            .occurrences
            .iter()
            .filter(|open| open.occurrence.state == OccurrenceState::Running)
            .filter(|open| is_whole(&open.occurrence))
            .map(|open| (&open.occurrence.playbook, open.occurrence.id.clone()))
            .collect();
        Self {
            snapshot,
            criteria: HashMap::new(),
            slots: snapshot.daemon.slots_free,
            started: HashMap::new(),
            under_way,
            taken: HashSet::new(),
            told: HashMap::new(),
            untold: HashMap::new(),
            plan: Plan::default(),
        }
    }

    fn finished(self) -> Plan {
        let mut plan = self.plan;
        plan.untold = self
            .untold
            .into_iter()
            .map(|((playbook, reason), count)| (playbook.clone(), reason, count))
            .collect();
        plan.untold.sort();
        plan
    }

    fn occurrence(&mut self, open: &'a OpenOccurrence, later: &[&OpenOccurrence]) {
        let occurrence = &open.occurrence;
        let id = occurrence.id.clone();
        let Some(facts) = self.snapshot.playbooks.get(&occurrence.playbook) else {
            let reason = Reason::PlaybookGone;
            return self.plan.actions.push(if open.started > 0 {
                Action::Close { occurrence: id }
            } else {
                Action::Skip { occurrence: id, reason }
            });
        };
        match self.hindrance(open, facts, later) {
            Some(Stop::Close) => self.plan.actions.push(Action::Close { occurrence: id }),
            Some(Stop::Skip(reason)) => {
                self.refuse(facts, None, reason, reason.text());
                self.plan.actions.push(Action::Skip { occurrence: id, reason });
            }
            Some(Stop::Wait(reason)) => {
                self.refuse(facts, None, reason, reason.text());
                self.plan.actions.push(Action::Wait { occurrence: id, reason });
            }
            None => {
                if is_whole(occurrence) {
                    self.under_way.insert(&occurrence.playbook, id);
                }
                self.take(open, facts);
            }
        }
    }

    /// What keeps an occurrence as a whole from going on.
    fn hindrance(
        &mut self,
        open: &OpenOccurrence,
        facts: &PlaybookFacts,
        later: &[&OpenOccurrence],
    ) -> Option<Stop> {
        let occurrence = &open.occurrence;
        let daemon = &self.snapshot.daemon;
        let begun = occurrence.state == OccurrenceState::Running;
        if daemon.stopped {
            return Some(if begun { Stop::Close } else { Stop::Skip(Reason::Stopped) });
        }
        if daemon.draining {
            return Some(Stop::Wait(Reason::Draining));
        }
        if begun {
            return None;
        }
        if facts.paused && is_by_itself(occurrence) {
            return Some(Stop::Skip(Reason::Paused));
        }
        if !is_whole(occurrence) {
            return None;
        }
        let overlap = facts.playbook.on.overlap;
        let replaced = is_by_itself(occurrence)
            && overlap == Overlap::Replace
            && later.iter().any(|next| {
                next.occurrence.playbook == occurrence.playbook
                    && is_by_itself(&next.occurrence)
                    && is_whole(&next.occurrence)
                    && next.occurrence.state == OccurrenceState::Queued
            });
        if replaced {
            return Some(Stop::Skip(Reason::Replaced));
        }
        let before = self.under_way.get(&occurrence.playbook)?;
        match overlap {
            Overlap::Allow => None,
            Overlap::Replace if is_by_itself(occurrence) => {
                let occurrence = before.clone();
                self.plan.actions.push(Action::Cancel { occurrence, reason: Reason::Replaced });
                Some(Stop::Wait(Reason::Replaced))
            }
            _ => Some(Stop::Wait(Reason::Overlap)),
        }
    }

    /// Starts what an occurrence takes.
    fn take(&mut self, open: &'a OpenOccurrence, facts: &'a PlaybookFacts) {
        let id = &open.occurrence.id;
        let snapshot = self.snapshot;
        if facts.playbook.select.is_none() && is_whole(&open.occurrence) {
            return match self.limit(facts) {
                _ if open.started > 0 => {
                    self.plan.actions.push(Action::Close { occurrence: id.clone() });
                }
                Some(reason) => self.wait(open, facts, reason),
                None => {
                    self.start(open, facts, None, 1);
                    self.plan.actions.push(Action::Close { occurrence: id.clone() });
                }
            };
        }
        if snapshot.agent(&facts.playbook.agent).is_none() && facts.playbook.claim.is_some() {
            let detail =
                format!("nobody on the board is an agent named {:?}", facts.playbook.agent);
            self.refuse(facts, None, Reason::UnknownAgent, &detail);
            return self.close(open, Reason::UnknownAgent);
        }
        let tasks = match open.occurrence.task {
            Some(task) => self.named(task, facts),
            None => self.selected(open, facts),
        };
        let limit = facts.playbook.select.as_ref().map_or(1, |select| select.limit);
        let limit = if is_whole(&open.occurrence) { limit } else { 1 };
        let mut room = limit.saturating_sub(usize::try_from(open.started).unwrap_or(usize::MAX));
        let mut nothing = Reason::NothingToDo;
        for entry in tasks {
            let task = entry.task.id;
            if room == 0 {
                let detail = format!("{limit} of them came first");
                self.refuse(facts, Some(task), Reason::BeyondLimit, &detail);
                continue;
            }
            if let Err(reason) = self.fits(entry, open, facts) {
                nothing = if is_whole(&open.occurrence) { nothing } else { reason };
                continue;
            }
            if let Some(reason) = self.limit(facts) {
                self.refuse(facts, Some(task), reason, reason.text());
                return self.wait(open, facts, reason);
            }
            let key = (open.occurrence.playbook.clone(), task);
            let failed = snapshot.attempts.get(&key).map_or(0, |attempts| attempts.failed);
            self.start(open, facts, Some(task), failed.saturating_add(1));
            room -= 1;
        }
        self.close(open, nothing);
    }

    /// The task that an occurrence names.
    fn named(&mut self, task: TaskId, facts: &'a PlaybookFacts) -> Vec<&'a Entry> {
        let found = self.snapshot.tasks.entry(task);
        if found.is_none() {
            self.refuse(facts, Some(task), Reason::NotFound, "the task is not on the board");
        }
        found.into_iter().collect()
    }

    /// The tasks that pass `[select]` without `where`, in the playbook's order.
    fn selected(&mut self, open: &OpenOccurrence, facts: &'a PlaybookFacts) -> Vec<&'a Entry> {
        let snapshot = self.snapshot;
        self.resolve(facts);
        let Some(criteria) = self.criteria.remove(&facts.playbook.name) else { return Vec::new() };
        let all = snapshot.tasks.narrowed(criteria.places.as_deref(), criteria.narrowing_tags());
        let mut found = Vec::new();
        for entry in all {
            match selected(&criteria, entry, snapshot.now, &snapshot.people) {
                Ok(()) if !open.taken.contains(&entry.task.id) => found.push(entry),
                Ok(()) => {}
                Err(miss) if self.is_told(facts) => {
                    let task = &entry.task;
                    let (projects, people) = (&snapshot.projects, &snapshot.people);
                    let refused = miss.told(&criteria, task, snapshot.now, projects, people);
                    self.refuse(facts, Some(task.id), refused.reason, &refused.detail);
                }
                Err(miss) => self.count(facts, miss.reason(&criteria, &entry.task)),
            }
        }
        let order = facts.playbook.select.as_ref().map_or(&[][..], |select| &select.order);
        found.sort_by(|a, b| in_order(order, &a.task, &b.task));
        self.criteria.insert(&facts.playbook.name, criteria);
        found
    }

    /// Whether gates and `where` let a task pass; tells why not.
    fn fits(
        &mut self,
        entry: &Entry,
        open: &OpenOccurrence,
        facts: &'a PlaybookFacts,
    ) -> Result<(), Reason> {
        let task = entry.task.id;
        if self.taken.contains(&task) && facts.playbook.claim.is_some() {
            let detail = "another playbook takes it in the same moment";
            self.refuse(facts, Some(task), Reason::LostRace, detail);
            return Err(Reason::LostRace);
        }
        self.resolve(facts);
        let Some(criteria) = self.criteria.remove(&facts.playbook.name) else {
            return Err(Reason::PlaybookGone);
        };
        let situation = self.snapshot.situation(facts, task);
        let judged = gated(&criteria, entry, &situation).and_then(|()| {
            if is_whole(&open.occurrence) {
                conditioned(&criteria, &entry.task, &situation)
            } else {
                Ok(())
            }
        });
        self.criteria.insert(&facts.playbook.name, criteria);
        judged.map_err(|refused| {
            self.refuse(facts, Some(task), refused.reason, &refused.detail);
            refused.reason
        })
    }

    /// Resolves a playbook's `[select]` once in a plan.
    fn resolve(&mut self, facts: &'a PlaybookFacts) {
        let name = &facts.playbook.name;
        if self.criteria.contains_key(name) {
            return;
        }
        let criteria =
            Criteria::new(&facts.playbook, &self.snapshot.projects, &self.snapshot.people);
        for refused in &criteria.unresolved {
            let (reason, detail) = (refused.reason, refused.detail.clone());
            self.refuse(facts, None, reason, &detail);
        }
        self.criteria.insert(name, criteria);
    }

    /// Why no further run of a playbook may start now.
    fn limit(&self, facts: &PlaybookFacts) -> Option<Reason> {
        let limits = &facts.playbook.limits;
        let started = self.started.get(&facts.playbook.name).copied().unwrap_or(0);
        let per_day = limits.runs_per_day;
        let claims = facts.playbook.claim.is_some();
        let waiting = facts.playbook.review.waiting_max.filter(|_| claims);
        [
            (
                per_day.is_some_and(|most| facts.runs_today.saturating_add(started) >= most),
                Reason::RunsPerDay,
            ),
            (
                waiting.is_some_and(|most| facts.waiting_review.saturating_add(started) >= most),
                Reason::ReviewQueueFull,
            ),
            (facts.running.saturating_add(started) >= limits.concurrent, Reason::ConcurrentLimit),
            (self.slots == 0, Reason::NoSlot),
        ]
        .into_iter()
        .find_map(|(holds, reason)| holds.then_some(reason))
    }

    /// An occurrence that met a limit: those that pass soon are waited for, the others end it.
    fn wait(&mut self, open: &OpenOccurrence, facts: &'a PlaybookFacts, reason: Reason) {
        if matches!(reason, Reason::RunsPerDay | Reason::ReviewQueueFull) {
            self.refuse(facts, None, reason, reason.text());
            return self.close(open, reason);
        }
        self.plan.actions.push(Action::Wait { occurrence: open.occurrence.id.clone(), reason });
    }

    fn close(&mut self, open: &OpenOccurrence, reason: Reason) {
        let occurrence = open.occurrence.id.clone();
        let started = open.started > 0
            || self.plan.actions.iter().any(
                |action| matches!(action, Action::Start { occurrence: id, .. } if *id == occurrence),
            );
        self.plan.actions.push(if started {
            Action::Close { occurrence }
        } else {
            Action::Finish { occurrence, reason }
        });
    }

    fn start(
        &mut self,
        open: &'a OpenOccurrence,
        facts: &'a PlaybookFacts,
        task: Option<TaskId>,
        attempt: u32,
    ) {
        let playbook = &facts.playbook.name;
        self.slots = self.slots.saturating_sub(1);
        *self.started.entry(playbook).or_default() += 1;
        self.taken.extend(task);
        let occurrence = open.occurrence.id.clone();
        let playbook = playbook.clone();
        self.plan.actions.push(Action::Start { occurrence, playbook, task, attempt });
    }

    fn is_told(&self, facts: &PlaybookFacts) -> bool {
        self.told.get(&facts.playbook.name).is_none_or(|told| *told < REFUSALS_MAX)
    }

    fn count(&mut self, facts: &'a PlaybookFacts, reason: Reason) {
        *self.untold.entry((&facts.playbook.name, reason)).or_default() += 1;
    }

    fn refuse(
        &mut self,
        facts: &'a PlaybookFacts,
        task: Option<TaskId>,
        reason: Reason,
        detail: &str,
    ) {
        if task.is_some() {
            if !self.is_told(facts) {
                return self.count(facts, reason);
            }
            *self.told.entry(&facts.playbook.name).or_default() += 1;
        }
        let (playbook, detail) = (facts.playbook.name.clone(), detail.to_owned());
        let refusal = Refusal { playbook, task, reason, detail };
        if task.is_some() || !self.plan.refusals.contains(&refusal) {
            self.plan.refusals.push(refusal);
        }
    }
}
