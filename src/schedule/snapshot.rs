//! What is true at one moment, as far as it matters for which runs start.

use super::{Candidates, Condition};
use crate::domain::{
    Exchange, Occurrence, Person, PersonKind, Playbook, PlaybookName, Project, ProjectId, Reason,
    RunId, TaskId, Timestamp,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Everything [`super::plan`] looks at. Collected by the daemon's tick, from one read of each source.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The present.
    pub now: Timestamp,
    /// The daemon itself.
    pub daemon: DaemonFacts,
    /// The playbooks, by name.
    pub playbooks: BTreeMap<PlaybookName, PlaybookFacts>,
    /// Occurrences that are not settled, in any order.
    pub occurrences: Vec<OpenOccurrence>,
    /// Tasks that may be taken, and those that occurrences name.
    pub tasks: Arc<Candidates>,
    /// The board's projects.
    pub projects: Arc<Vec<Project>>,
    /// Who is on the board.
    pub people: Arc<Vec<Person>>,
    /// Tasks that are claimed (live, parked, or in the shadow of a revoked claim).
    pub claims: BTreeMap<TaskId, TakenBy>,
    /// Failed attempts since the last success or hand-back.
    pub attempts: BTreeMap<(PlaybookName, TaskId), Attempts>,
    /// What is remembered against a playbook's taking a task.
    pub objections: BTreeMap<(PlaybookName, TaskId), Objection>,
    /// Tasks that block candidates and are not among them.
    pub blockers: BTreeMap<TaskId, Blocker>,
    /// Tasks that agents keep each other busy with.
    pub guarded: BTreeMap<TaskId, Guarded>,
}

/// What is true about the daemon.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DaemonFacts {
    /// Runs it can start now.
    pub slots_free: usize,
    /// Everything is stopped.
    pub stopped: bool,
    /// It is about to end.
    pub draining: bool,
    /// A person said that it takes no new work.
    pub drained: bool,
}

/// Where a playbook may run, by the labels that its `runs_on` asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fits {
    /// On this daemon.
    #[default]
    Here,
    /// Not here, but on another that is there: it is left to that one.
    Elsewhere,
    /// On none that is there.
    Nowhere,
}

/// What is true about a playbook.
#[derive(Clone, Debug)]
pub struct PlaybookFacts {
    /// The playbook.
    pub playbook: Arc<Playbook>,
    /// Its `select.where`, compiled; `None` if there is none.
    pub condition: Option<Arc<dyn Condition>>,
    /// It is paused.
    pub paused: bool,
    /// A person has armed it.
    pub armed: bool,
    /// Its runs under way, on this daemon and others that share the store.
    pub running: u32,
    /// Its runs in the present civil day of its zone.
    pub runs_today: u32,
    /// Tasks it handed over that wait for a person.
    pub waiting_review: u32,
    /// Why the day's budget does not last for another run, where it does not.
    pub no_budget: Option<String>,
    /// Where it may run.
    pub fits: Fits,
}

/// An occurrence that is not settled.
#[derive(Clone, Debug)]
pub struct OpenOccurrence {
    /// Its record: queued or running.
    pub occurrence: Occurrence,
    /// Runs it has started.
    pub started: u32,
    /// Tasks of these runs: it does not take them again.
    pub taken: Vec<TaskId>,
    /// Those of them whose last attempt failed and may be tried again: they are started again once
    /// their backoff is over, past `[select]`, not past the gates.
    pub retry: Vec<TaskId>,
    /// It takes no further tasks ([`super::Action::Close`] was carried out); its runs are waited for.
    pub closed: bool,
}

/// Who has a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakenBy {
    /// The run.
    pub run: RunId,
    /// Its playbook.
    pub playbook: PlaybookName,
    /// The claim is parked: it waits for a person.
    pub parked: bool,
    /// A newer Rota wrote the claim: neither run nor playbook is known here.
    pub by_newer: bool,
}

/// Failed attempts of a playbook at a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempts {
    /// How many.
    pub failed: u32,
    /// No further one before this instant.
    pub not_before: Timestamp,
}

/// What is remembered against a playbook's taking a task: who worked at it, or what a model said of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Objection {
    /// The stable code.
    pub reason: Reason,
    /// The particulars, for people.
    pub detail: String,
}

/// A task that agents went far enough with until a person acts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Guarded {
    /// It changed hands between agents as often as it may.
    pub exchange: Option<Exchange>,
    /// It is deeper than it may be: how deep.
    pub depth: Option<u32>,
}

/// A task that blocks another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Blocker {
    /// It is done.
    Done,
    /// It is not; its status.
    Open(String),
    /// It is no longer on the board: it blocks nothing.
    Gone,
}

impl Snapshot {
    /// A project by its id.
    pub fn project(&self, id: ProjectId) -> Option<&Project> {
        self.projects.iter().find(|project| project.id == id)
    }

    /// The board user that a playbook acts as.
    pub fn agent(&self, name: &str) -> Option<&Person> {
        let wanted = name.trim().to_lowercase();
        self.people
            .iter()
            .find(|p| p.kind == PersonKind::Agent && p.name.trim().to_lowercase() == wanted)
    }
}
