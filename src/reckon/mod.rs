//! What the facts of a board come to: who is to say what in the morning, how a week can be planned,
//! how a project, a goal, a team is doing. Pure: no board, no clock, no chance; whoever reads the board
//! (`tools`) hands the facts in, so that a playbook and an assistant get the same answer.

mod days;
mod effort;
mod focus;
mod gaps;
mod goals;
mod health;
mod kickoff;
mod ready;
mod standup;
mod week;
mod workload;

pub use days::{Hours, free, instant, is_workday, last_workday, midnight, workdays_before};
pub use effort::{Basis, HOURS_PER_POINT, estimate, hours, hours_text, minutes_of};
pub use focus::{FOCUS_MIN, focus};
pub use gaps::{Gap, Worked, gaps};
pub use goals::{Pace, pace};
pub use health::{Facts as HealthFacts, Light, MilestoneFacts, RULES, Ruling, health};
pub use kickoff::{Laid, MilestonePlan, Phase, PhaseFault, lay_out};
pub use ready::{Readiness, readiness};
pub use standup::{Standup, Stuck, standup};
pub use week::{Block, LARGE, Piece, Plan, Week, plan_lane, plan_week, worked};
pub use workload::{Load, Offer, loads, offers};

use crate::domain::{StatusKind, Task, Timestamp};

/// A task, and what its status means in its project.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// The task.
    pub task: Task,
    /// What its status means.
    pub kind: StatusKind,
}

impl Seen {
    /// Whether somebody still has to do something.
    pub fn is_open(&self) -> bool {
        self.kind != StatusKind::Done
    }

    /// Whether it is open and was due before an instant.
    pub fn is_overdue(&self, at: Timestamp) -> bool {
        self.is_open() && self.task.due.is_some_and(|due| due < at)
    }
}
