//! Which runs start now: the one table of the house. A snapshot goes in, actions and refusals come out.
//!
//! Occurrences are served oldest first; within one, tasks in the playbook's order. No task is started
//! twice in one plan, and the same snapshot always gives the same plan.
//!
//! An occurrence ends its life in one of these ways: it starts what it takes and is closed
//! ([`Action::Close`]), it finds nothing ([`Action::Finish`]), or it is skipped ([`Action::Skip`]). Until then
//! each plan looks at it again ([`Action::Wait`]).

use super::dispatch::Planner;
use super::{OpenOccurrence, Snapshot};
use crate::domain::{Occurrence, OccurrenceId, PlaybookName, Reason, TaskId, Timestamp, Trigger};

/// So many refusals of one playbook are told in words; further ones are only counted.
pub const REFUSALS_MAX: usize = 100;

/// What is to be done, and what was not, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// What is to be done, in this order.
    pub actions: Vec<Action>,
    /// What was not done, and why.
    pub refusals: Vec<Refusal>,
    /// Refusals beyond `REFUSALS_MAX` per playbook, by reason.
    pub untold: Vec<(PlaybookName, Reason, usize)>,
    /// When to plan again though nothing happens: the first backoff that ends.
    pub again_at: Option<Timestamp>,
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
    /// It takes no further tasks, and what it might have tried again and did not start is given up; it is
    /// settled when its runs have ended.
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
        snapshot.occurrences.iter().filter(|open| is_open(open)).collect();
    open.sort_by_key(|open| (open.occurrence.planned, &open.occurrence.id));
    let mut planner = Planner::new(snapshot);
    for (place, open_one) in open.iter().enumerate() {
        planner.occurrence(open_one, open.get(place + 1..).unwrap_or_default());
    }
    planner.finished()
}

fn is_open(open: &OpenOccurrence) -> bool {
    !open.occurrence.state.is_settled() && (!open.closed || !open.retry.is_empty())
}

/// Whether it comes from the clock, an event or another program, so that `overlap` and pauses apply to it.
pub(super) fn is_by_itself(occurrence: &Occurrence) -> bool {
    let by_the_clock = matches!(occurrence.trigger, Trigger::Cron | Trigger::Every);
    by_the_clock || matches!(occurrence.trigger, Trigger::Event | Trigger::Webhook)
}

/// Whether a person or a reviewer named the task. An event names one, too, but anybody can cause it:
/// its task has to pass `[select]` like any other.
pub(super) fn is_asked_for(occurrence: &Occurrence) -> bool {
    occurrence.task.is_some() && !is_by_itself(occurrence)
}

/// Whether it is about the playbook as a whole, not about a task.
pub(super) fn is_whole(occurrence: &Occurrence) -> bool {
    occurrence.task.is_none()
}
