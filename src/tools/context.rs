//! Who asks, and what that actor may do: every call of a tool comes with a [`Context`].

use super::Code;
use crate::clock::Clock;
use crate::domain::{
    EffectActor, Fence, Finding, Mode, NewMarker, Playbook, Principal, ProjectId, RunId, TaskId,
    Value,
};
use crate::ledger::TrustWindow;
use chrono_tz::Tz;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc;
use tracing::Span;

/// Who asks, where the days begin, and inside which run.
#[derive(Clone, Debug)]
pub struct Context {
    /// The board user whose rights hold and whose name is written.
    pub principal: Principal,
    /// The zone in which a bare date is a day.
    pub zone: Tz,
    /// The run on whose behalf it is asked; `None` for people.
    pub run: Option<RunContext>,
    /// The only projects that there are for whoever asks; empty: all.
    pub only_projects: Vec<ProjectId>,
    /// Who is told of what a long call has done so far.
    pub progress: Progress,
    /// Whether a person asks at their own terminal: no assistant of theirs, so no claim stands in
    /// their way, and none is kept alive by it.
    pub is_by_hand: bool,
    /// Whether the daemon speaks for its agent: where it does, it does whoever the members are.
    pub is_of_daemon: bool,
}

impl Context {
    /// A person, or a person's assistant, outside any run.
    pub fn person(principal: Principal, zone: Tz) -> Self {
        let (only_projects, progress) = (Vec::new(), Progress::default());
        Self {
            principal,
            zone,
            run: None,
            only_projects,
            progress,
            is_by_hand: false,
            is_of_daemon: false,
        }
    }

    /// The same of a person at their own terminal.
    #[must_use]
    pub fn by_hand(self) -> Self {
        Self { is_by_hand: true, ..self }
    }

    /// The same of the daemon, which answers on a task as its agent.
    #[must_use]
    pub fn of_daemon(self) -> Self {
        Self { is_of_daemon: true, ..self }
    }

    /// The same with a token that is for some projects only; for all when there are none.
    #[must_use]
    pub fn limited_to(self, only_projects: Vec<ProjectId>) -> Self {
        Self { only_projects, ..self }
    }
}

/// Whoever waits for a long call: told a line for each piece, and gone when it was cancelled.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    lines: Option<mpsc::Sender<String>>,
    runs: Option<mpsc::Sender<RunId>>,
}

impl Progress {
    /// Lines go here; what does not fit is dropped. When the other end is gone, nobody waits.
    pub fn to(told: mpsc::Sender<String>) -> Self {
        Self { lines: Some(told), runs: None }
    }

    /// For whoever waits for no more than which run has begun; of several those that fit.
    pub fn of_runs(begun: mpsc::Sender<RunId>) -> Self {
        Self { lines: None, runs: Some(begun) }
    }

    pub(crate) fn tell(&self, line: String) {
        if let Some(lines) = &self.lines {
            let _ = lines.try_send(line);
        }
    }

    /// A run has begun, which the line says in words.
    pub(crate) fn begun(&self, run: &RunId, line: String) {
        self.tell(line);
        if let Some(runs) = &self.runs {
            let _ = runs.try_send(run.clone());
        }
    }

    /// Whether the call was cancelled.
    pub(super) fn is_over(&self) -> bool {
        self.lines.as_ref().is_some_and(mpsc::Sender::is_closed)
    }
}

/// The run on whose behalf tools are called. Clones share the counters and the ending.
#[derive(Clone, Debug)]
pub struct RunContext {
    /// The run.
    pub run: RunId,
    /// Its playbook: what is listed, how far it reaches, how often.
    pub playbook: Arc<Playbook>,
    /// The task the run is about, claimed or not; `None` for reports.
    pub task: Option<TaskId>,
    /// The claim, where the playbook claims.
    pub claim: Option<(TaskId, Fence)>,
    /// The projects that `[select]` names, resolved; empty: the task's own project.
    pub projects: Vec<ProjectId>,
    /// Whether the run may still believe its own lease.
    pub trust: Trust,
    /// For whom: the agent's own work, or the daemon's announce, hand-back and settle.
    pub actor: EffectActor,
    /// Whether writes happen.
    pub mode: Mode,
    /// The revision of the claimed task that the writer has seen: then a task edited since is a
    /// conflict. `None`: the tools read the task themselves just before they write.
    pub revision: Option<u64>,
    /// What the daemon's own comment is to say of the claim, on boards that have markers.
    pub marker: Option<NewMarker>,
    /// Never twice for the same key, across restarts; set by steps.
    pub once: Option<String>,
    /// A proposal is applied: the fields that it changes, as it found them. Somebody's later change
    /// of one of them stays.
    pub applies: Option<Value>,
    /// Its workspace, where it has one: what the work may look at there.
    pub workspace: Option<Arc<dyn Code>>,
    /// What the run counts and how it ends, shared by all its contexts.
    pub tally: Arc<Tally>,
    /// Its span: whoever calls from outside the house is in none.
    pub span: Span,
}

/// The counters of one run, and the ending it named.
#[derive(Debug, Default)]
pub struct Tally {
    last_seq: AtomicU32,
    proposed: AtomicU32,
    counts: Mutex<BTreeMap<String, u32>>,
    finished: Mutex<Option<Finished>>,
    findings: Mutex<Vec<Finding>>,
}

impl Tally {
    /// Starts after the run's highest journaled write (0 for a new run), with the effects that
    /// earlier attempts at the task had, tool by tool: they count against `scope.max`.
    pub fn new(last_seq: u32, earlier: BTreeMap<String, u32>) -> Self {
        Self {
            last_seq: AtomicU32::new(last_seq),
            proposed: AtomicU32::new(0),
            counts: Mutex::new(earlier),
            finished: Mutex::new(None),
            findings: Mutex::default(),
        }
    }

    /// The number of the run's next write.
    pub fn next_seq(&self) -> u32 {
        self.last_seq.fetch_add(1, Ordering::SeqCst).saturating_add(1)
    }

    /// The number of the run's last write.
    pub fn last_seq(&self) -> u32 {
        self.last_seq.load(Ordering::SeqCst)
    }

    /// So much was proposed before, to be decided together with what this run proposes.
    pub fn begin_proposals(&self, before: u32) {
        self.proposed.store(before, Ordering::SeqCst);
    }

    /// How much is proposed.
    pub(super) fn proposals(&self) -> u32 {
        self.proposed.load(Ordering::SeqCst)
    }

    /// The number of the next proposal.
    pub(super) fn next_proposal(&self) -> u32 {
        self.proposed.fetch_add(1, Ordering::SeqCst).saturating_add(1)
    }

    /// Counts one call of a tool, unless it was called `max` times already.
    pub(super) fn take(&self, tool: &str, max: Option<u32>) -> bool {
        let mut counts = lock(&self.counts);
        let count = counts.entry(tool.to_owned()).or_default();
        if max.is_some_and(|max| *count >= max) {
            return false;
        }
        *count = count.saturating_add(1);
        true
    }

    /// The call did not come to an effect after all.
    pub(super) fn give_back(&self, tool: &str) {
        if let Some(count) = lock(&self.counts).get_mut(tool) {
            *count = count.saturating_sub(1);
        }
    }

    /// How often each tool had an effect, earlier attempts included.
    pub fn counts(&self) -> BTreeMap<String, u32> {
        lock(&self.counts).clone()
    }

    /// These findings were there before: their numbers are taken, and they may be settled.
    pub fn begin_findings(&self, before: Vec<Finding>) {
        *lock(&self.findings) = before;
    }

    /// All findings that are known, those from before included; one that was settled says so.
    pub fn findings(&self) -> Vec<Finding> {
        lock(&self.findings).clone()
    }

    /// Notes a finding, or that one is settled.
    pub(super) fn note_finding(&self, finding: Finding) {
        let mut findings = lock(&self.findings);
        match findings.iter_mut().find(|known| known.number == finding.number) {
            Some(known) => *known = finding,
            None => findings.push(finding),
        }
    }

    /// The ending that the work named, once it has.
    pub fn finished(&self) -> Option<Finished> {
        lock(&self.finished).clone()
    }

    /// Notes the ending; false when the run had ended before.
    pub(super) fn finish(&self, ending: Finished) -> bool {
        let mut finished = lock(&self.finished);
        if finished.is_some() {
            return false;
        }
        *finished = Some(ending);
        true
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How the work says that it ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Finished {
    /// One of the playbook's outcomes.
    pub outcome: String,
    /// What was done, for people.
    pub summary: String,
    /// What shows it: anything the work wants to point at.
    pub evidence: Vec<String>,
    /// Further values for the outcome's templates.
    pub details: Value,
}

/// Whether a run may still believe its own lease: the trust window, seen from here.
#[derive(Clone)]
pub struct Trust(Arc<dyn Fn() -> bool + Send + Sync>);

impl Trust {
    /// There is no lease to lose: the playbook does not claim.
    pub fn without_lease() -> Self {
        Self(Arc::new(|| true))
    }

    /// The window of a claim, on this clock.
    pub fn window(window: TrustWindow, clock: Arc<dyn Clock>) -> Self {
        Self::when(move || window.is_open(clock.boot()))
    }

    /// Asks each time.
    pub fn when(open: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(open))
    }

    /// Whether the window is open now.
    pub fn is_open(&self) -> bool {
        (self.0)()
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trust").finish_non_exhaustive()
    }
}
