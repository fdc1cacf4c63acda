//! Whether a playbook takes a task, and if not, why not.
//!
//! # The order
//! `[select]`: project, status, type, tags that are asked for, tags that keep agents off, assignee, due date,
//! `unchanged_for`. Then the gates: the stop tag, the claim, words that its project
//! lacks, the reviewer's independence, attempts, `[suitability] require` in the order written, and what
//! its rubric came to. Then how far agents go by themselves: tasks that changed hands too often between
//! them, or are too deep. Last, because it costs most, `select.where`. The first that does not hold is the
//! reason. A task that an occurrence names skips `[select]` (and the last two), never the gates.

use super::candidates::{Entry, folded};
use super::{Attempts, Blocker, Criteria, Guarded, Objection, STOP_TAG, Snapshot, TakenBy};
use crate::domain::{
    AssigneeSelector, DueSelector, Exchange, Gate, OrderKey, Person, PersonKind, Project,
    ProjectId, Reason, Select, StatusId, StatusKind, Task, TaskId, Timestamp, same_agent,
    show_duration, to_delta,
};
use chrono::Days;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// `select.where`, compiled by whoever knows the language.
pub trait Condition: Send + Sync + fmt::Debug {
    /// Whether it holds for a task.
    ///
    /// # Errors
    /// What went wrong, for people.
    fn holds(&self, subject: &Subject<'_>) -> Result<bool, String>;
}

/// What a condition is about.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The task.
    pub task: &'a Task,
    /// Its project, if it is known.
    pub project: Option<&'a Project>,
    /// The present.
    pub now: Timestamp,
    /// The name of the board user the playbook acts as.
    pub agent: &'a str,
}

/// Why a task is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The stable code.
    pub reason: Reason,
    /// The particulars: which tag, which blocker, who.
    pub detail: String,
}

impl Refused {
    pub(super) fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into() }
    }
}

/// What else is known about a task and the moment.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    /// The present.
    pub now: Timestamp,
    /// The board's projects.
    pub projects: &'a [Project],
    /// Who is on the board.
    pub people: &'a [Person],
    /// Who has the task.
    pub claim: Option<&'a TakenBy>,
    /// Failed attempts at it.
    pub attempts: Option<Attempts>,
    /// What is remembered against it.
    pub objection: Option<&'a Objection>,
    /// The compiled `select.where`.
    pub condition: Option<&'a Arc<dyn Condition>>,
    /// How far agents went with it.
    pub guarded: Option<&'a Guarded>,
    /// Tasks that block others.
    pub blockers: &'a BTreeMap<TaskId, Blocker>,
    /// Other tasks, for blockers among them.
    pub tasks: &'a super::Candidates,
}

impl Snapshot {
    /// What is known about one task for one playbook.
    pub fn situation<'a>(&'a self, facts: &'a super::PlaybookFacts, task: TaskId) -> Situation<'a> {
        // A key of owned parts: only looked up for tasks that passed `[select]`.
        let (attempts, objection) = if self.attempts.is_empty() && self.objections.is_empty() {
            (None, None)
        } else {
            let key = (facts.playbook.name.clone(), task);
            (self.attempts.get(&key).copied(), self.objections.get(&key))
        };
        Situation {
            now: self.now,
            projects: &self.projects,
            people: &self.people,
            claim: self.claims.get(&task),
            attempts,
            objection,
            condition: facts.condition.as_ref(),
            guarded: self.guarded.get(&task),
            blockers: &self.blockers,
            tasks: &self.tasks,
        }
    }
}

/// Judges one task: `[select]` (unless the occurrence names the task), gates, `where`.
///
/// # Errors
/// The first thing that does not hold.
pub fn judge(
    criteria: &Criteria<'_>,
    task: &Arc<Task>,
    named: bool,
    situation: &Situation<'_>,
) -> Result<(), Refused> {
    let entry = Entry::new(Arc::clone(task));
    if !named {
        let (now, people) = (situation.now, situation.people);
        selected(criteria, &entry, now, people)
            .map_err(|miss| miss.told(criteria, task, now, situation.projects, people))?;
    }
    gated(criteria, &entry, situation)?;
    if named { Ok(()) } else { taken_by_itself(criteria, task, situation) }
}

/// What holds only where nobody named the task: how far agents may go by themselves, and `where`.
pub(super) fn taken_by_itself(
    criteria: &Criteria<'_>,
    task: &Task,
    situation: &Situation<'_>,
) -> Result<(), Refused> {
    if let Some(guarded) = situation.guarded {
        let agent = &criteria.playbook.agent;
        if let Some(exchange) = guarded.exchange.as_ref().filter(|e| !same_agent(&e.agent, agent)) {
            return Err(Refused::new(Reason::PingPong, told_of(exchange)));
        }
        if let Some(depth) = guarded.depth {
            return Err(Refused::new(Reason::DelegationDepth, told_deep(depth)));
        }
    }
    conditioned(criteria, task, situation)
}

/// What people are told of agents that answer each other.
pub fn told_of(exchange: &Exchange) -> String {
    let Exchange { agent, playbook, count, .. } = exchange;
    if *count == u32::MAX {
        return "how often it changed hands between agents, only a newer Rota can read".to_owned();
    }
    let who = if playbook.as_str().is_empty() { String::new() } else { format!(" ({playbook})") };
    format!(
        "it changed hands {count} times between agents, {agent}{who} wrote last, and no person acted on \
         it since"
    )
}

/// What people are told of a task that is too deep.
pub fn told_deep(depth: u32) -> String {
    if depth == u32::MAX {
        return "a run at a task that agents made, made it: how deep, only a newer Rota can read"
            .to_owned();
    }
    format!("a run at a task that agents made, made it: {depth} deep")
}

/// What of `[select]` does not hold; told in words only when somebody wants to read them.
#[derive(Clone, Copy, Debug)]
pub(super) enum Miss<'a> {
    Place,
    Kind,
    AllTags(&'a str),
    AnyTag,
    NoTag(&'a str),
    Assignee,
    Due,
    Changed,
}

/// `[select]` without `where`.
pub(super) fn selected<'c>(
    criteria: &'c Criteria<'_>,
    entry: &Entry,
    now: Timestamp,
    people: &[Person],
) -> Result<(), Miss<'c>> {
    let Some(select) = criteria.select else { return Ok(()) };
    let task = &entry.task;
    let fits = |places: &[(ProjectId, Option<StatusId>)]| {
        places.binary_search(&(task.project, Some(task.status))).is_ok()
            || places.binary_search(&(task.project, None)).is_ok()
    };
    if !criteria.places.as_deref().is_none_or(fits) {
        return Err(Miss::Place);
    }
    if !select.kinds.is_empty() && !select.kinds.contains(&task.kind) {
        return Err(Miss::Kind);
    }
    if let Some(tag) = criteria.tags_all.iter().find(|tag| !entry.has_tag(tag)) {
        return Err(Miss::AllTags(tag));
    }
    if !criteria.tags_any.is_empty() && !criteria.tags_any.iter().any(|tag| entry.has_tag(tag)) {
        return Err(Miss::AnyTag);
    }
    if let Some(tag) = criteria.tags_none.iter().find(|tag| entry.has_tag(tag)) {
        return Err(Miss::NoTag(tag));
    }
    if !assigned(criteria, select, task, people) {
        return Err(Miss::Assignee);
    }
    if !due(criteria, select, task, now) {
        return Err(Miss::Due);
    }
    let unchanged = (now - task.modified).to_std().unwrap_or_default();
    if select.unchanged_for.is_some_and(|span| unchanged < span) {
        return Err(Miss::Changed);
    }
    Ok(())
}

fn assigned(criteria: &Criteria<'_>, select: &Select, task: &Task, people: &[Person]) -> bool {
    let kind_is = |wanted| {
        let found = task.assignee.and_then(|id| people.iter().find(|person| person.id == id));
        found.is_some_and(|person| person.kind == wanted)
    };
    match &select.assignee {
        AssigneeSelector::Any => true,
        AssigneeSelector::Nobody => task.assignee.is_none(),
        AssigneeSelector::Me => task.assignee.is_some() && task.assignee == criteria.agent,
        AssigneeSelector::Agent => kind_is(PersonKind::Agent),
        AssigneeSelector::Person => kind_is(PersonKind::Person),
        AssigneeSelector::Named(_) => task.assignee.is_some() && task.assignee == criteria.named,
    }
}

fn due(criteria: &Criteria<'_>, select: &Select, task: &Task, now: Timestamp) -> bool {
    let zone = criteria.playbook.on.zone;
    let day = |at: Timestamp| at.with_timezone(&zone).date_naive();
    match select.due {
        DueSelector::Any => true,
        DueSelector::Absent => task.due.is_none(),
        DueSelector::Overdue => task.due.is_some_and(|due| due < now),
        DueSelector::Today => task.due.is_some_and(|due| day(due) == day(now)),
        DueSelector::Within(span) => task.due.is_some_and(|due| {
            due >= now && now.checked_add_signed(to_delta(span)).is_none_or(|end| due <= end)
        }),
        DueSelector::WithinDays(days) => task.due.is_some_and(|due| {
            let last = day(now).checked_add_days(Days::new(u64::from(days)));
            due >= now && last.is_none_or(|last| day(due) <= last)
        }),
    }
}

impl Miss<'_> {
    /// The code alone.
    pub(super) fn reason(self, criteria: &Criteria<'_>, task: &Task) -> Reason {
        match self {
            Self::Place if criteria.projects.contains(&task.project) => Reason::OtherStatus,
            Self::Place => Reason::OtherProject,
            Self::Kind => Reason::OtherKind,
            Self::AllTags(_) | Self::AnyTag => Reason::MissingTag,
            Self::NoTag(_) => Reason::ExcludedTag,
            Self::Assignee => match criteria.select.map(|select| &select.assignee) {
                Some(AssigneeSelector::Nobody) => Reason::Assigned,
                _ => Reason::OtherAssignee,
            },
            Self::Due => Reason::OtherDue,
            Self::Changed => Reason::ChangedRecently,
        }
    }

    /// The same in words.
    pub(super) fn told(
        self,
        criteria: &Criteria<'_>,
        task: &Task,
        now: Timestamp,
        projects: &[Project],
        people: &[Person],
    ) -> Refused {
        let project = projects.iter().find(|project| project.id == task.project);
        let detail = match self {
            Self::Place if criteria.projects.contains(&task.project) => {
                format!("its status is {}", status_text(project, task))
            }
            Self::Place => {
                let id = || task.project.to_string();
                let name = project.map_or_else(id, |project| format!("{:?}", project.name));
                format!("it is in project {name}")
            }
            Self::Kind => format!("it is a {}", task.kind),
            Self::AllTags(tag) => format!("it has no tag {tag:?}"),
            Self::AnyTag => format!("it has none of the tags {}", criteria.tags_any.join(", ")),
            Self::NoTag(tag) => format!("it has the tag {tag:?}"),
            Self::Assignee => assignee_text(task, people),
            Self::Due => {
                let zone = criteria.playbook.on.zone;
                let none = || "it has no due date".to_owned();
                task.due.map_or_else(none, |due| {
                    format!("it is due {}", due.with_timezone(&zone).format("%Y-%m-%d %H:%M %Z"))
                })
            }
            Self::Changed => {
                let seconds = (now - task.modified).num_seconds().max(0).unsigned_abs();
                let ago = show_duration(std::time::Duration::from_secs(seconds));
                format!("it changed {ago} ago")
            }
        };
        let reason = self.reason(criteria, task);
        Refused { reason, detail }
    }
}

fn assignee_text(task: &Task, people: &[Person]) -> String {
    let Some(id) = task.assignee else { return "it is assigned to nobody".to_owned() };
    match people.iter().find(|person| person.id == id) {
        Some(person) => format!("it is assigned to {}", person.name),
        None => format!("it is assigned to user {id}"),
    }
}

fn status_text(project: Option<&Project>, task: &Task) -> String {
    let label = project.and_then(|project| project.status(task.status));
    label.map_or_else(|| task.status.to_string(), |status| format!("{:?}", status.label))
}

/// The gates: they hold for tasks that an occurrence names, too.
pub(super) fn gated(
    criteria: &Criteria<'_>,
    entry: &Entry,
    situation: &Situation<'_>,
) -> Result<(), Refused> {
    let task = &entry.task;
    let claims = criteria.playbook.claim.is_some();
    if claims && entry.has_tag(&folded(STOP_TAG)) {
        return Err(Refused::new(Reason::StopTag, format!("it has the tag {STOP_TAG:?}")));
    }
    if let Some(taken) = situation.claim.filter(|_| claims) {
        let how = if taken.parked { "waits for a person" } else { "holds it" };
        let detail = if taken.by_newer {
            "its claim was written by a newer Rota".to_owned()
        } else {
            format!("run {} of {} {how}", taken.run, taken.playbook)
        };
        return Err(Refused::new(Reason::AlreadyClaimed, detail));
    }
    if let Some((_, lacking)) = criteria.lacking.iter().find(|(id, _)| *id == task.project) {
        return Err(lacking.clone());
    }
    let object = |found: &Objection| Refused::new(found.reason, found.detail.as_str());
    let (by_whom, by_what) = match situation.objection {
        Some(found) if found.reason == Reason::NotIndependent => (Some(found), None),
        found => (None, found),
    };
    if let Some(found) = by_whom {
        return Err(object(found));
    }
    if let Some(attempts) = situation.attempts {
        let most = criteria.playbook.limits.attempts;
        if attempts.failed >= most {
            let detail = format!("{} of {most} attempts failed", attempts.failed);
            return Err(Refused::new(Reason::AttemptsUsedUp, detail));
        }
        if attempts.not_before > situation.now {
            let wait = (attempts.not_before - situation.now).to_std().unwrap_or_default();
            let detail =
                format!("attempt {} in {}", attempts.failed.saturating_add(1), show_duration(wait));
            return Err(Refused::new(Reason::BackingOff, detail));
        }
    }
    let require = &criteria.playbook.suitability.require;
    require.iter().try_for_each(|gate| gate_holds(*gate, task, situation))?;
    by_what.map_or(Ok(()), |found| Err(object(found)))
}

fn gate_holds(gate: Gate, task: &Task, situation: &Situation<'_>) -> Result<(), Refused> {
    let blank = |text: &str| text.trim().is_empty();
    let some = |number: Option<f64>| number.is_some_and(|number| number > 0.0);
    match gate {
        Gate::AcceptanceCriteria if blank(&task.acceptance_criteria) => {
            Err(Refused::new(Reason::NoAcceptanceCriteria, "its acceptance criteria are empty"))
        }
        Gate::Estimate if !some(task.storypoints) && !some(task.plan_hours) => {
            Err(Refused::new(Reason::NoEstimate, "neither points nor planned hours are set"))
        }
        Gate::Description if blank(&task.description) => {
            Err(Refused::new(Reason::NoDescription, "its description is empty"))
        }
        Gate::NoOpenBlockers => {
            let mut open = task.blocked_by.iter().filter_map(|id| open_blocker(*id, situation));
            open.next().map_or(Ok(()), |detail| Err(Refused::new(Reason::OpenBlockers, detail)))
        }
        _ => Ok(()),
    }
}

/// What is open about a blocker; one of which nothing is known counts as open.
fn open_blocker(id: TaskId, situation: &Situation<'_>) -> Option<String> {
    if let Some(task) = situation.tasks.get(id) {
        let project = situation.projects.iter().find(|project| project.id == task.project);
        let done = project.is_some_and(|project| project.kind_of(task.status) == StatusKind::Done);
        let status = status_text(project, task);
        return (!done).then(|| format!("task {id} blocks it, its status is {status}"));
    }
    match situation.blockers.get(&id) {
        Some(Blocker::Done | Blocker::Gone) => None,
        Some(Blocker::Open(status)) => {
            Some(format!("task {id} blocks it, its status is {status:?}"))
        }
        None => Some(format!("task {id} blocks it and could not be read")),
    }
}

/// `select.where`.
fn conditioned(
    criteria: &Criteria<'_>,
    task: &Task,
    situation: &Situation<'_>,
) -> Result<(), Refused> {
    let Some(condition) = situation.condition else { return Ok(()) };
    let subject = Subject {
        task,
        project: situation.projects.iter().find(|project| project.id == task.project),
        now: situation.now,
        agent: &criteria.playbook.agent,
    };
    let text = criteria.select.and_then(|select| select.condition.as_deref()).unwrap_or_default();
    match condition.holds(&subject) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Refused::new(Reason::ConditionFalse, format!("`{text}` is false"))),
        Err(error) => Err(Refused::new(Reason::ConditionFailed, error)),
    }
}

/// Which of two tasks comes first; a task without the value comes last, ties go to the smaller id.
pub(super) fn in_order(order: &[OrderKey], a: &Task, b: &Task) -> Ordering {
    let by = |key: &OrderKey| match key {
        OrderKey::Priority => last_if_none(a.priority, b.priority),
        OrderKey::Due => last_if_none(a.due, b.due),
        OrderKey::Created => a.created.cmp(&b.created),
        OrderKey::Modified => a.modified.cmp(&b.modified),
    };
    let first = order.iter().map(by).find(|found| found.is_ne());
    first.unwrap_or(Ordering::Equal).then(a.id.cmp(&b.id))
}

fn last_if_none<T: Ord>(a: Option<T>, b: Option<T>) -> Ordering {
    (a.is_none(), a).cmp(&(b.is_none(), b))
}
