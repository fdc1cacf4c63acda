//! What the dispatcher believes: which runs are under way, which occurrences are open, who waits for
//! an answer. Only the dispatcher changes it.

use super::halt::Halt;
use crate::domain::{
    Occurrence, OccurrenceId, OccurrenceState, Playbook, PlaybookName, Reason, Run, RunId, TaskId,
    Timestamp,
};
use crate::instruments::spans;
use crate::ledger::{KnownDaemon, LifeOf, PlaybookSwitch};
use crate::schedule::{Candidates, Timetable};
use crate::tools::Progress;
use crate::tools::desk::{DeskError, RunReport};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tracing::Span;

/// What the dispatcher believes.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, each asked by name")]
pub(super) struct Beliefs {
    /// Runs under way, by the name their first attempt was given.
    pub workers: BTreeMap<RunId, Working>,
    /// Occurrences that are not settled.
    pub open: BTreeMap<OccurrenceId, Open>,
    /// What is known about playbooks between two looks.
    pub books: BTreeMap<PlaybookName, Book>,
    /// As of which commit of the ledger, which reading of the playbooks, and which time that is known.
    pub books_seen: Option<(u64, u64, u64)>,
    /// Tasks as they were at the latest look, and the board's state they are from.
    pub candidates: Option<(CandidateKey, Arc<Candidates>)>,
    /// When this life began.
    pub began: Option<Timestamp>,
    /// No new runs.
    pub draining: bool,
    /// A person said that this daemon takes no new work.
    pub drained: bool,
    /// The other daemons that share the store, as they were at the latest look.
    pub others: Vec<KnownDaemon>,
    /// Occurrences of whole playbooks that are under way at others.
    pub elsewhere: BTreeMap<OccurrenceId, Occurrence>,
    /// What was open a moment ago, within one look, and as of which commit of the ledger.
    pub listed: Option<(u64, Vec<Occurrence>)>,
    /// Since when others are known of which nothing says where they are under way, on the boot-time clock.
    pub unsaid: BTreeMap<OccurrenceId, Duration>,
    /// Lives of others that are gone, and of which nothing is left to be seen to.
    pub buried: BTreeSet<LifeOf>,
    /// Ends of runs that could not be recorded yet.
    pub endings: Vec<super::endings::Ending>,
    /// Ends of occurrences that could not be recorded yet.
    pub unrecorded: Vec<super::settle::End>,
    /// Since when decisions are known that others may be writing, on the boot-time clock.
    pub unwritten: BTreeMap<(TaskId, RunId), Duration>,
    /// Everything is stopped.
    pub stopped: bool,
    /// Where daemons share a store: by this daemon's own stop file, and nowhere else.
    pub only_here: bool,
    /// Since when no look could read local state, on the boot-time clock.
    pub blind_since: Option<Duration>,
    /// Who waits for idleness.
    pub idlers: Vec<oneshot::Sender<()>>,
    /// Who waits for a run to stop.
    pub stoppers: Vec<(RunId, oneshot::Sender<Result<(), DeskError>>)>,
    /// What is known of answers to reviews.
    pub heard: super::answers::Heard,
    /// How often an ended claim was taken up in vain, and when last.
    pub tried: BTreeMap<TaskId, (u32, Option<Timestamp>)>,
}

/// What candidates were read for.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct CandidateKey {
    /// The board's latest activity then.
    pub activity: i64,
    /// The playbooks whose `[select]` was asked.
    pub playbooks: Vec<(PlaybookName, String)>,
    /// Tasks that occurrences named.
    pub named: Vec<TaskId>,
}

/// A run under way.
#[derive(Clone, Debug)]
pub(super) struct Working {
    /// Its playbook.
    pub playbook: PlaybookName,
    /// For which occurrence.
    pub occurrence: OccurrenceId,
    /// At which task.
    pub task: Option<TaskId>,
    /// Whether a claim tells it, and others, how long it may work.
    pub claims: bool,
    /// Tells it to stop.
    pub halt: Arc<Halt>,
}

/// An occurrence that is not settled.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, each asked by name")]
pub(super) struct Open {
    /// Its record.
    pub occurrence: Occurrence,
    /// The definition it runs with.
    pub playbook: Option<Arc<Playbook>>,
    /// As if it were this instant.
    pub at: Option<Timestamp>,
    /// Values for templates.
    pub set: BTreeMap<String, String>,
    /// Whoever asked for it is told of each run when it begins.
    pub told: Progress,
    /// Tasks it has taken.
    pub taken: Vec<TaskId>,
    /// How many runs it has started.
    pub started: u32,
    /// It was tried to record that it begins; whether it was recorded may be unknown.
    pub tried: bool,
    /// It takes no more tasks.
    pub closed: bool,
    /// It was begun before: runs of it may be under way that nobody carries out here.
    pub begun_before: bool,
    /// It was begun before, and no run of it was.
    pub unmade: bool,
    /// It only ends what another occurrence began, and that one's failure is counted there.
    pub only_ends: bool,
    /// Its finished runs.
    pub runs: Vec<Run>,
    /// Those of them that went on under another occurrence: it counts what they came to.
    pub gone_on: BTreeSet<RunId>,
    /// Why it was refused, where it was.
    pub refused: Vec<(Option<TaskId>, Reason, String)>,
    /// Who waits for its end.
    pub replies: Vec<oneshot::Sender<Result<RunReport, DeskError>>>,
    /// What its work is part of, once it has some.
    span: Option<Span>,
}

impl Open {
    /// As it was recorded.
    pub(super) fn new(occurrence: Occurrence, playbook: Option<Arc<Playbook>>) -> Self {
        Self {
            occurrence,
            playbook,
            at: None,
            set: BTreeMap::new(),
            told: Progress::default(),
            taken: Vec::new(),
            started: 0,
            tried: false,
            closed: false,
            begun_before: false,
            unmade: false,
            only_ends: false,
            runs: Vec::new(),
            gone_on: BTreeSet::new(),
            refused: Vec::new(),
            replies: Vec::new(),
            span: None,
        }
    }

    /// What its work is part of.
    pub(super) fn span(&mut self) -> Span {
        self.span.get_or_insert_with(|| spans::occurrence(&self.occurrence)).clone()
    }

    /// Remembers a refusal for whoever waits; the same one twice counts once.
    pub(super) fn refuse(&mut self, task: Option<TaskId>, reason: Reason, detail: &str) {
        let refused = (task, reason, detail.to_owned());
        if self.refused.len() < REFUSED_MAX && !self.refused.contains(&refused) {
            self.refused.push(refused);
        }
    }
}

/// At most so many refusals are told to whoever waits for an occurrence.
const REFUSED_MAX: usize = 100;

/// What is known about a playbook between two looks.
#[derive(Clone, Debug)]
pub(super) struct Book {
    /// The definition this is about.
    pub playbook: Arc<Playbook>,
    /// Its planned instants; `None` if it does not wake by the clock.
    pub timetable: Option<Arc<Timetable>>,
    /// Since when the timetable holds.
    pub since: Timestamp,
    /// Its rights may be used.
    pub armed: bool,
    /// Its switches.
    pub switch: PlaybookSwitch,
    /// Its `select.where`, compiled.
    pub condition: Option<Arc<dyn crate::schedule::Condition>>,
    /// When it wakes next, jitter included.
    pub next: Option<Timestamp>,
}

/// What is open of a playbook as a whole.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Whole {
    /// An occurrence runs.
    pub running: bool,
    /// An occurrence waits to begin.
    pub queued: bool,
}

/// What others can change so that something may be begun here.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Prospects {
    open: Vec<OccurrenceId>,
    elsewhere: Vec<OccurrenceId>,
    stopped: bool,
    takes_none: bool,
}

impl Beliefs {
    /// Whether nothing new is begun here.
    pub(super) fn takes_nothing_new(&self) -> bool {
        self.draining || self.drained || self.only_here
    }

    /// Whether nothing runs, and nothing is left that could be started now. What was begun before waits for
    /// runs that nobody carries out here.
    pub(super) fn is_idle_but_for_waiting(&self) -> bool {
        let is_left = |open: &Open| !open.begun_before;
        self.workers.is_empty() && (self.draining || !self.open.values().any(is_left))
    }

    /// Runs of a playbook under way here.
    pub(super) fn running(&self, playbook: &PlaybookName) -> u32 {
        let count = self.workers.values().filter(|w| w.playbook == *playbook).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// The open occurrences of whole playbooks, by playbook: asked once for all that are due.
    pub(super) fn whole(&self) -> BTreeMap<PlaybookName, Whole> {
        let mut all: BTreeMap<PlaybookName, Whole> = BTreeMap::new();
        let here = self.open.values().map(|open| &open.occurrence);
        for occurrence in here.chain(self.elsewhere.values()).filter(|it| it.task.is_none()) {
            let whole = all.entry(occurrence.playbook.clone()).or_default();
            whole.running |= occurrence.state == OccurrenceState::Running;
            whole.queued |= occurrence.state == OccurrenceState::Queued;
        }
        all
    }

    /// What others can change so that something may be begun here.
    pub(super) fn prospects(&self) -> Prospects {
        Prospects {
            open: self.open.keys().cloned().collect(),
            elsewhere: self.elsewhere.keys().cloned().collect(),
            stopped: self.stopped,
            takes_none: self.takes_nothing_new(),
        }
    }

    /// Whether runs of an occurrence are under way.
    pub(super) fn has_workers(&self, occurrence: &OccurrenceId) -> bool {
        self.workers.values().any(|worker| worker.occurrence == *occurrence)
    }
}
