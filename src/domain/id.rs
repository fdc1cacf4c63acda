//! Names of things: small newtypes, so that a task's number is never taken for a project's.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

macro_rules! number_id {
    ($(#[doc = $doc:literal] $name:ident)*) => { $(
        #[doc = $doc]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = std::num::ParseIntError;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.trim().parse().map(Self)
            }
        }
    )* };
}

macro_rules! text_id {
    ($(#[doc = $doc:literal] $name:ident)*) => { $(
        #[doc = $doc]
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl $name {
            /// The name from any text.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )* };
}

number_id! {
    /// A task on the board.
    TaskId
    /// A project on the board.
    ProjectId
    /// A person or agent on the board.
    PersonId
    /// A milestone on the board.
    MilestoneId
    /// A sprint on the board.
    SprintId
    /// A comment on a task, project or goal.
    CommentId
    /// A set of goals of a project.
    GoalBoardId
    /// A goal.
    GoalId
    /// An event in somebody's calendar.
    EventId
    /// The time somebody spent on a task on a day.
    TimeEntryId
    /// A timer that runs.
    TimerId
    /// One of a project's own status labels; unique within the project only.
    StatusId
    /// One row of the board's activity; rows are numbered in the order they happened.
    ActivityId
}

text_id! {
    /// One attempt at one task by one playbook, `r-` and twelve characters.
    RunId
    /// A playbook's name, unique in the daemon.
    PlaybookName
    /// One planned or asked-for wake of a playbook.
    OccurrenceId
    /// The board a claim belongs to (`[board] name`, default `main`).
    BoardName
    /// This daemon, across restarts (`[daemon] id`, default from the host's name).
    DaemonId
    /// One life of a daemon, from start to stop.
    LifeId
    /// A token, without its secret.
    TokenId
}

/// What stands between a daemon's name and what tells a command from all others.
const BY_HAND: &str = "/by-hand-";

impl DaemonId {
    /// The name under which a command works that somebody typed where this daemon does not run: it is
    /// never waited for, and pushes nobody out.
    #[must_use]
    pub fn by_hand(&self, which: &str) -> Self {
        Self(format!("{}{BY_HAND}{which}", self.configured()))
    }

    /// Whether it is such a name.
    pub fn is_by_hand(&self) -> bool {
        self.0.contains(BY_HAND)
    }

    /// The daemon whose configuration and files are used.
    pub fn configured(&self) -> &str {
        self.0.split_once(BY_HAND).map_or(self.0.as_str(), |(daemon, _)| daemon)
    }
}

/// A number that grows with every claim of a task and never repeats (fencing token).
///
/// The high 32 bits are the store's epoch, so a store restored from an old export never
/// hands out a fence that was used before.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Fence(pub u64);

impl fmt::Display for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
