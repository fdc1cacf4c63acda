//! Everything that may happen: the closed list of events that the dispatcher handles, one after
//! another.

use super::alarm::Woken;
use super::arrivals::Received;
use super::worker::WorkDone;
use crate::domain::{Arrival, OccurrenceId, PlaybookName, RunId, TaskId, Value};
use crate::tools::desk::{DeskError, RunReport, RunRequest, Switch};
use tokio::sync::oneshot;

/// What happened.
#[derive(Debug)]
pub(super) enum Event {
    /// The alarm rang.
    Woken(Woken),
    /// It is time to look at everything; `done` is told when that is over.
    Tick(Option<oneshot::Sender<()>>),
    /// Another daemon has committed something; told when it was looked at.
    Heard(oneshot::Sender<()>),
    /// A worker is done.
    WorkDone {
        /// For which occurrence.
        occurrence: OccurrenceId,
        /// The name its first run was given.
        run: RunId,
        /// At which task.
        task: Option<TaskId>,
        /// What came of it.
        done: WorkDone,
    },
    /// Somebody asks for a run.
    Run {
        /// What is to be run.
        request: RunRequest,
        /// Told when the occurrence has ended.
        reply: oneshot::Sender<Result<RunReport, DeskError>>,
    },
    /// Another program told something.
    Arrived {
        /// What.
        arrival: Box<Arrival>,
        /// Told when it is recorded.
        reply: oneshot::Sender<Result<Received, DeskError>>,
    },
    /// A person has decided about what is proposed for a task.
    Decided {
        /// The task.
        task: TaskId,
        /// Told when it was carried out, or why that has to wait.
        reply: oneshot::Sender<Result<RunReport, DeskError>>,
    },
    /// Somebody asks a run to stop.
    StopRun {
        /// Which.
        run: RunId,
        /// Who asks.
        by: String,
        /// Told when it has stopped.
        reply: oneshot::Sender<Result<(), DeskError>>,
    },
    /// Somebody arms, pauses or resumes a playbook.
    Switch {
        /// Which.
        playbook: PlaybookName,
        /// What.
        switch: Switch,
        /// Who.
        by: String,
        /// Told how it is now.
        reply: oneshot::Sender<Result<Value, DeskError>>,
    },
    /// The emergency stop was set, by whom and why, or lifted (`None`); runs are stopped, nothing
    /// starts.
    Stopped(Option<String>),
    /// Playbooks and templates are to be read again.
    Reload(Option<oneshot::Sender<Value>>),
    /// No new runs; those under way are waited for.
    Drain,
    /// Those under way are stopped.
    StopNow,
    /// Told at once: whoever asks wants to know that events are still handled.
    Alive(oneshot::Sender<()>),
    /// Told when nothing runs and nothing waits to run.
    WhenIdle(oneshot::Sender<()>),
}
