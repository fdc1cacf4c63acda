//! What is to happen and when, decided by pure functions: no I/O, no clock, no chance.
//!
//! The daemon collects what is true (a [`WakeInput`], a [`Snapshot`], a [`HeldView`]), asks, and carries
//! out the answer. The same question always gets the same answer, so everything here can be told by
//! tables, simulated for a year in a second, and asked *why*.
//!
//! - [`Timetable`]: the planned instants of a playbook.
//! - [`wakes`]: what becomes of each of them; every one is accounted, there are no holes.
//! - [`account`]: whether the record of what was planned has a hole or a double.
//! - [`forecast`]: the coming ones, as `rota next` shows them.
//! - [`judge`]: whether a task is taken, and why not.
//! - [`plan`]: which runs start now.
//! - [`reconcile`] and [`put_back`]: whether a person took over a claimed task, and what is undone then.
//! - [`considerate::waits_until`]: when people may be told something.
//! - [`command::told`]: what a comment tells an agent.
//! - [`after_failure`]: whether there is another attempt, and when.

mod account;
mod board_words;
mod candidates;
pub mod command;
pub mod considerate;
mod criteria;
mod dispatch;
mod eligibility;
mod forecast;
mod occurrence;
mod plan;
mod reconcile;
mod retry;
mod snapshot;
mod timetable;

pub use account::{Account, Discrepancy, account};
pub use board_words::{find_person, find_status, outcome_of, outcome_status};
pub use candidates::Candidates;
pub use criteria::Criteria;
pub use eligibility::{Condition, Refused, Situation, Subject, judge, told_deep, told_of};
pub use forecast::{Forecast, forecast};
pub use occurrence::{AHEAD_MAX, GRACE, WakeDecision, WakeInput, Wakes, wakes};
pub use plan::{Action, Plan, Refusal, plan};
pub use reconcile::{Finding, HeldView, STOP_TAG, Verdict, is_stop_command, put_back, reconcile};
pub use retry::{Retry, after_failure, backoff, is_worth_another};
pub use snapshot::{
    Attempts, Blocker, DaemonFacts, Fits, Guarded, Objection, OpenOccurrence, PlaybookFacts,
    Snapshot, TakenBy,
};
pub use timetable::{Timetable, TimetableError};
