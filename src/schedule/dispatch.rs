//! How a plan is made: occurrence by occurrence, task by task, within the limits that hold.

use super::candidates::Entry;
use super::eligibility::{gated, in_order, selected, taken_by_itself};
use super::plan::{REFUSALS_MAX, is_asked_for, is_by_itself, is_whole};
use super::{
    Action, Criteria, Fits, GRACE, OpenOccurrence, Plan, PlaybookFacts, Refusal, Snapshot,
};
use crate::domain::{
    Occurrence, OccurrenceId, OccurrenceState, Overlap, PlaybookName, Reason, TaskId, to_delta,
};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// A plan in the making.
pub(super) struct Planner<'a> {
    snapshot: &'a Snapshot,
    criteria: BTreeMap<&'a PlaybookName, Rc<Criteria<'a>>>,
    slots: usize,
    /// Runs started by this plan, by playbook.
    started: BTreeMap<&'a PlaybookName, u32>,
    /// Occurrences of a whole playbook that are under way.
    under_way: BTreeMap<&'a PlaybookName, OccurrenceId>,
    taken: BTreeSet<TaskId>,
    told: BTreeMap<&'a PlaybookName, Told>,
    /// What was told of each playbook as a whole.
    told_whole: BTreeMap<&'a PlaybookName, Vec<(Reason, String)>>,
    /// Occurrences for which this plan starts something.
    begun: BTreeSet<OccurrenceId>,
    plan: Plan,
}

/// How many refusals of tasks of one playbook were told, and which others there were.
#[derive(Default)]
struct Told {
    count: usize,
    untold: BTreeMap<Reason, usize>,
}

/// Where the work on an occurrence stops for now.
enum Stop {
    Wait(Reason),
    /// It waits for another daemon, which says what becomes of it.
    Leave,
    Skip(Reason),
    Close,
}

impl<'a> Planner<'a> {
    pub(super) fn new(snapshot: &'a Snapshot) -> Self {
        let under_way = snapshot
            .occurrences
            .iter()
            .filter(|open| open.occurrence.state == OccurrenceState::Running)
            .filter(|open| is_whole(&open.occurrence))
            .map(|open| (&open.occurrence.playbook, open.occurrence.id.clone()))
            .collect();
        Self {
            snapshot,
            criteria: BTreeMap::new(),
            slots: snapshot.daemon.slots_free,
            started: BTreeMap::new(),
            under_way,
            taken: BTreeSet::new(),
            told: BTreeMap::new(),
            told_whole: BTreeMap::new(),
            begun: BTreeSet::new(),
            plan: Plan::default(),
        }
    }

    pub(super) fn finished(self) -> Plan {
        let mut plan = self.plan;
        for (playbook, told) in self.told {
            let untold = told.untold.into_iter();
            plan.untold.extend(untold.map(|(reason, count)| (playbook.clone(), reason, count)));
        }
        plan.untold.sort();
        plan
    }

    pub(super) fn occurrence(&mut self, open: &'a OpenOccurrence, later: &[&OpenOccurrence]) {
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
            Some(Stop::Leave) => {
                let reason = Reason::NotThisDaemon;
                self.plan.actions.push(Action::Wait { occurrence: id, reason });
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
            return Some(if begun {
                Stop::Close
            } else if occurrence.is_rework() {
                // What a reviewer asked for is still to be done when the stop is lifted.
                Stop::Wait(Reason::Stopped)
            } else {
                Stop::Skip(Reason::Stopped)
            });
        }
        if daemon.draining {
            return Some(Stop::Wait(Reason::Draining));
        }
        if daemon.drained {
            return Some(if begun { Stop::Close } else { Stop::Wait(Reason::Draining) });
        }
        if begun {
            return None;
        }
        if let Some(stop) = self.by_labels(occurrence, facts.fits) {
            return Some(stop);
        }
        if facts.paused && is_by_itself(occurrence) {
            return Some(Stop::Skip(Reason::Paused));
        }
        if occurrence.is_rework() && (facts.paused || !facts.armed) {
            let reason = if facts.paused { Reason::Paused } else { Reason::NotArmed };
            return Some(Stop::Wait(reason));
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

    /// What a daemon that lacks its labels does with an occurrence: another one may have it, or come with
    /// them in a moment. What is asked for once and not planned waits for longer.
    fn by_labels(&self, occurrence: &Occurrence, fits: Fits) -> Option<Stop> {
        let is_new = self.snapshot.now - occurrence.decided < to_delta(GRACE);
        match fits {
            Fits::Here => None,
            Fits::Elsewhere => Some(Stop::Leave),
            Fits::Nowhere if is_new => Some(Stop::Leave),
            Fits::Nowhere if occurrence.is_rework() => Some(Stop::Wait(Reason::NotThisDaemon)),
            Fits::Nowhere => Some(Stop::Skip(Reason::NotThisDaemon)),
        }
    }

    /// Starts what an occurrence takes.
    fn take(&mut self, open: &'a OpenOccurrence, facts: &'a PlaybookFacts) {
        if !facts.playbook.takes_tasks() && is_whole(&open.occurrence) {
            return self.report(open, facts);
        }
        if self.snapshot.agent(&facts.playbook.agent).is_none() && facts.playbook.claim.is_some() {
            let detail =
                format!("nobody on the board is an agent named {:?}", facts.playbook.agent);
            self.refuse(facts, None, Reason::UnknownAgent, &detail);
            return self.close(open, Reason::UnknownAgent);
        }
        if !self.retry(open, facts) {
            return;
        }
        if open.closed {
            return self.close(open, Reason::NothingToDo);
        }
        let tasks = match open.occurrence.task {
            Some(task) if open.taken.contains(&task) => Vec::new(),
            Some(task) => self.named(task, &open.occurrence, facts),
            None => self.selected(open, facts),
        };
        let limit = facts.playbook.select.as_ref().map_or(1, |select| select.limit);
        let limit = if is_whole(&open.occurrence) { limit } else { 1 };
        let mut room = limit.saturating_sub(open.taken.len());
        let mut nothing = Reason::NothingToDo;
        let (criteria, asked_for) = (self.resolve(facts), is_asked_for(&open.occurrence));
        let is_rework = open.occurrence.is_rework();
        for entry in tasks {
            let task = entry.task.id;
            if room == 0 {
                let detail = format!("{limit} of them came first");
                self.refuse(facts, Some(task), Reason::BeyondLimit, &detail);
                continue;
            }
            let wanted = open.occurrence.status.unwrap_or(entry.task.status);
            if wanted != entry.task.status {
                self.refuse(facts, Some(task), Reason::OtherStatus, "somebody moved it meanwhile");
                nothing = Reason::OtherStatus;
                continue;
            }
            if let Err(reason) = self.fits(entry, asked_for, facts, &criteria) {
                if is_rework && matches!(reason, Reason::AlreadyClaimed | Reason::LostRace) {
                    return self.wait(open, facts, reason);
                }
                nothing = if is_whole(&open.occurrence) { nothing } else { reason };
                continue;
            }
            // It comes out of the queue: that the queue is full is no reason to wait.
            let is_kept_by = |reason: &Reason| !is_rework || *reason != Reason::ReviewQueueFull;
            if let Some(reason) = self.limit(facts).filter(is_kept_by) {
                self.refuse(facts, Some(task), reason, reason.text());
                return self.wait(open, facts, reason);
            }
            self.attempt(open, facts, task);
            room -= 1;
        }
        self.close(open, nothing);
    }

    /// A playbook that takes no tasks runs once.
    fn report(&mut self, open: &'a OpenOccurrence, facts: &'a PlaybookFacts) {
        if open.started == 0 {
            if let Some(reason) = self.limit(facts) {
                return self.wait(open, facts, reason);
            }
            self.start(open, facts, None, 1);
        }
        self.close(open, Reason::NothingToDo);
    }

    /// Tries again what failed in this occurrence; false if that has to be waited for first.
    fn retry(&mut self, open: &'a OpenOccurrence, facts: &'a PlaybookFacts) -> bool {
        let mut waits = None;
        for task in &open.retry {
            let Some(entry) = self.snapshot.tasks.entry(*task) else {
                self.refuse(facts, Some(*task), Reason::NotFound, "the task is not on the board");
                continue;
            };
            let criteria = self.resolve(facts);
            match self.fits(entry, true, facts, &criteria) {
                Err(reason @ (Reason::BackingOff | Reason::AlreadyClaimed | Reason::LostRace)) => {
                    waits = Some(reason);
                }
                Err(_) => {}
                Ok(()) => match self.limit(facts) {
                    Some(reason @ (Reason::RunsPerDay | Reason::BudgetDay)) => {
                        self.refuse(facts, Some(*task), reason, reason.text());
                    }
                    Some(reason) => waits = Some(reason),
                    None => self.attempt(open, facts, *task),
                },
            }
        }
        if let Some(reason) = waits {
            let occurrence = open.occurrence.id.clone();
            self.plan.actions.push(Action::Wait { occurrence, reason });
        }
        waits.is_none()
    }

    fn attempt(&mut self, open: &'a OpenOccurrence, facts: &'a PlaybookFacts, task: TaskId) {
        let key = (open.occurrence.playbook.clone(), task);
        let failed = self.snapshot.attempts.get(&key).map_or(0, |attempts| attempts.failed);
        self.start(open, facts, Some(task), failed.saturating_add(1));
    }

    /// The task that an occurrence names, unless it has to pass `[select]` and does not.
    fn named(
        &mut self,
        task: TaskId,
        occurrence: &Occurrence,
        facts: &'a PlaybookFacts,
    ) -> Vec<&'a Entry> {
        let Some(entry) = self.snapshot.tasks.entry(task) else {
            self.refuse(facts, Some(task), Reason::NotFound, "the task is not on the board");
            return Vec::new();
        };
        if is_asked_for(occurrence) { vec![entry] } else { self.passing(vec![entry], facts) }
    }

    /// The tasks that pass `[select]` without `where`, in the playbook's order.
    fn selected(&mut self, open: &OpenOccurrence, facts: &'a PlaybookFacts) -> Vec<&'a Entry> {
        let criteria = self.resolve(facts);
        let (places, tags) = (criteria.places.as_deref(), criteria.narrowing_tags());
        let mut tasks = self.snapshot.tasks.narrowed(places, tags);
        tasks.retain(|entry| !open.taken.contains(&entry.task.id));
        let mut found = self.passing(tasks, facts);
        let order = facts.playbook.select.as_ref().map_or(&[][..], |select| &select.order);
        found.sort_by(|a, b| in_order(order, &a.task, &b.task));
        found
    }

    fn passing(&mut self, tasks: Vec<&'a Entry>, facts: &'a PlaybookFacts) -> Vec<&'a Entry> {
        let (snapshot, name) = (self.snapshot, &facts.playbook.name);
        let criteria = self.resolve(facts);
        let mut found = Vec::new();
        // Counted here and added up once: this loop may see every task of the board.
        let mut room = REFUSALS_MAX.saturating_sub(self.told.get(name).map_or(0, |t| t.count));
        let mut untold: BTreeMap<Reason, usize> = BTreeMap::new();
        for entry in tasks {
            let task = &entry.task;
            match selected(&criteria, entry, snapshot.now, &snapshot.people) {
                Ok(()) => found.push(entry),
                Err(miss) if room > 0 => {
                    room -= 1;
                    let (projects, people) = (&snapshot.projects, &snapshot.people);
                    let refused = miss.told(&criteria, task, snapshot.now, projects, people);
                    self.refuse(facts, Some(task.id), refused.reason, &refused.detail);
                }
                Err(miss) => *untold.entry(miss.reason(&criteria, task)).or_default() += 1,
            }
        }
        let told = self.told.entry(name).or_default();
        for (reason, count) in untold {
            *told.untold.entry(reason).or_default() += count;
        }
        found
    }

    /// Whether gates and `where` let a task pass; tells why not.
    fn fits(
        &mut self,
        entry: &Entry,
        asked_for: bool,
        facts: &'a PlaybookFacts,
        criteria: &Criteria<'_>,
    ) -> Result<(), Reason> {
        let task = entry.task.id;
        if self.taken.contains(&task) && facts.playbook.claim.is_some() {
            let detail = "another playbook takes it in the same moment";
            self.refuse(facts, Some(task), Reason::LostRace, detail);
            return Err(Reason::LostRace);
        }
        let situation = self.snapshot.situation(facts, task);
        let judged = gated(criteria, entry, &situation).and_then(|()| {
            if asked_for { Ok(()) } else { taken_by_itself(criteria, &entry.task, &situation) }
        });
        let backing_off = situation.attempts.map(|attempts| attempts.not_before);
        judged.map_err(|refused| {
            if refused.reason == Reason::BackingOff {
                let first = self.plan.again_at.into_iter().chain(backing_off).min();
                self.plan.again_at = first;
            }
            self.refuse(facts, Some(task), refused.reason, &refused.detail);
            refused.reason
        })
    }

    /// Resolves a playbook's `[select]` once in a plan.
    fn resolve(&mut self, facts: &'a PlaybookFacts) -> Rc<Criteria<'a>> {
        let name = &facts.playbook.name;
        if let Some(known) = self.criteria.get(name) {
            return Rc::clone(known);
        }
        let criteria =
            Criteria::new(&facts.playbook, &self.snapshot.projects, &self.snapshot.people);
        for refused in &criteria.unresolved {
            let (reason, detail) = (refused.reason, refused.detail.clone());
            self.refuse(facts, None, reason, &detail);
        }
        let criteria = Rc::new(criteria);
        self.criteria.insert(name, Rc::clone(&criteria));
        criteria
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
            (facts.no_budget.is_some(), Reason::BudgetDay),
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
        let is_rework = open.occurrence.is_rework();
        let ends =
            matches!(reason, Reason::RunsPerDay | Reason::BudgetDay | Reason::ReviewQueueFull);
        if ends && !is_rework {
            let detail = match &facts.no_budget {
                Some(why) if reason == Reason::BudgetDay => why.as_str(),
                _ => reason.text(),
            };
            self.refuse(facts, None, reason, detail);
            return self.close(open, reason);
        }
        self.plan.actions.push(Action::Wait { occurrence: open.occurrence.id.clone(), reason });
    }

    fn close(&mut self, open: &OpenOccurrence, reason: Reason) {
        let occurrence = open.occurrence.id.clone();
        let started = open.started > 0 || self.begun.contains(&occurrence);
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
        self.begun.insert(occurrence.clone());
        let playbook = playbook.clone();
        self.plan.actions.push(Action::Start { occurrence, playbook, task, attempt });
    }

    fn refuse(
        &mut self,
        facts: &'a PlaybookFacts,
        task: Option<TaskId>,
        reason: Reason,
        detail: &str,
    ) {
        if task.is_some() {
            let told = self.told.entry(&facts.playbook.name).or_default();
            if told.count >= REFUSALS_MAX {
                *told.untold.entry(reason).or_default() += 1;
                return;
            }
            told.count += 1;
        }
        if task.is_none() {
            let told = self.told_whole.entry(&facts.playbook.name).or_default();
            if told.iter().any(|(known, text)| *known == reason && text == detail) {
                return;
            }
            told.push((reason, detail.to_owned()));
        }
        let (playbook, detail) = (facts.playbook.name.clone(), detail.to_owned());
        self.plan.refusals.push(Refusal { playbook, task, reason, detail });
    }
}
