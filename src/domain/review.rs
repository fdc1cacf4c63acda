//! What waits for a person, and what they decided.

use super::{
    Assistant, Channel, CommentId, PersonId, PlaybookName, RunId, StatusId, Task, TaskId, Timestamp,
};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Work that was handed over to a person. There is one record a task, of the last time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandOver {
    /// The task.
    pub task: TaskId,
    /// The run that handed it over.
    pub run: RunId,
    /// Who did, for people.
    pub from: String,
    /// Which playbook works at it again when changes are asked for; `None`: an assistant may.
    pub rework: Option<PlaybookName>,
    /// The assistant that handed it over, if one did: it does not decide itself.
    pub assistant: Option<Assistant>,
    /// The status in which it was left: as long as it has that, it waits.
    pub status: StatusId,
    /// Since when.
    pub since: Timestamp,
    /// What was done.
    pub summary: String,
    /// What the run's journal does not show of what it says, where it came back for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unverified: Option<String>,
    /// What was decided, once somebody has.
    pub decided: Option<Decided>,
}

/// What a person decides about work that was handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is done.
    Approved,
    /// Somebody has to work at it again.
    ChangesRequested,
}

/// A decision. The first one stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// What was decided.
    pub verdict: Verdict,
    /// What was said with it.
    pub comment: String,
    /// Who decided.
    pub by: PersonId,
    /// Their name, for people.
    pub name: String,
    /// When.
    pub at: Timestamp,
    /// The last comment on the task before: the one that tells of the decision is a later one.
    pub after: CommentId,
    /// Whether the board shows it: what broke off in between is finished later.
    pub written: bool,
}

/// Why a task waits for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitKind {
    /// Work was handed over.
    HandOver,
    /// A question is open.
    Question,
    /// Writes are proposed.
    Proposals,
    /// Work was said to be done, and its journal does not show it.
    Unverified,
    /// A playbook may not start by itself before somebody arms it.
    Arming,
    /// Somebody asked that a claim be taken away.
    Release,
    /// A playbook has used up the budget of the day.
    Budget,
}

/// What becomes of what waits too long for a person.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReviewRules {
    /// After so long the first of `escalate` is told, after twice as long the second, and so on.
    pub decide_within: Option<Duration>,
    /// Who is told.
    pub escalate: Vec<Channel>,
    /// Work that nobody decided about for so long leaves the list.
    pub expire_after: Option<Duration>,
}

/// What waits, by name: `7` (a task), `arming:NAME`, `budget:NAME` (a playbook), `release:7` (a claim).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WaitItem {
    /// What a run or an assistant left to a person at a task.
    Task(TaskId),
    /// A playbook that is not armed.
    Arming(PlaybookName),
    /// A playbook without budget.
    Budget(PlaybookName),
    /// A claim that is to be taken away.
    Release(TaskId),
}

impl fmt::Display for WaitItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Task(task) => write!(f, "{task}"),
            Self::Arming(name) => write!(f, "arming:{name}"),
            Self::Budget(name) => write!(f, "budget:{name}"),
            Self::Release(task) => write!(f, "release:{task}"),
        }
    }
}

impl FromStr for WaitItem {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let expected = || {
            format!(
                "expected a task's id, arming:PLAYBOOK, budget:PLAYBOOK or release:ID, not {text:?}"
            )
        };
        let task = |id: &str| id.trim().parse().map(TaskId).map_err(|_| expected());
        match text.split_once(':') {
            None => task(text).map(Self::Task),
            Some(("release", id)) => task(id).map(Self::Release),
            Some((_, name)) if !is_name(name) => Err(expected()),
            Some(("arming", name)) => Ok(Self::Arming(PlaybookName::new(name))),
            Some(("budget", name)) => Ok(Self::Budget(PlaybookName::new(name))),
            Some(_) => Err(expected()),
        }
    }
}

/// Whether a playbook may be called so.
fn is_name(text: &str) -> bool {
    let is_fit = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
    (1..=63).contains(&text.len()) && text.bytes().all(is_fit)
}

/// Something that waits for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Its name.
    pub item: WaitItem,
    /// The task it is about, if it is about one.
    pub task: Option<TaskId>,
    /// One line: the task's, or the playbook's name.
    pub headline: String,
    /// Why it waits.
    pub kind: WaitKind,
    /// Who handed it over or asks, for people.
    pub from: String,
    /// The run that did, where one did: what was done is recorded there.
    pub run: Option<RunId>,
    /// Whose turn it is: the task's assignee, or whoever it was passed on to.
    pub owner: Option<PersonId>,
    /// Since when.
    pub since: Timestamp,
    /// Until when an answer is waited for; hand-overs wait for ever.
    pub until: Option<Timestamp>,
    /// What was done, or what is asked.
    pub text: String,
    /// Put off until then.
    pub snoozed: Option<Timestamp>,
    /// It was put off until then, and waits again.
    pub was_snoozed: Option<Timestamp>,
    /// Who has seen it.
    pub seen_by: Option<String>,
}

impl Waiting {
    /// Something that has waited since then.
    pub fn new(item: WaitItem, kind: WaitKind, since: Timestamp) -> Self {
        Self {
            item,
            task: None,
            headline: String::new(),
            kind,
            from: String::new(),
            run: None,
            owner: None,
            since,
            until: None,
            text: String::new(),
            snoozed: None,
            was_snoozed: None,
            seen_by: None,
        }
    }

    /// It is about this task.
    #[must_use]
    pub fn about(self, task: &Task) -> Self {
        let headline = task.headline.clone();
        Self { task: Some(task.id), headline, owner: task.assignee, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_named_as_it_is_read() {
        let name = PlaybookName::new("ai-worker");
        for (text, item) in [
            ("7", WaitItem::Task(TaskId(7))),
            ("release:7", WaitItem::Release(TaskId(7))),
            ("arming:ai-worker", WaitItem::Arming(name.clone())),
            ("budget:ai-worker", WaitItem::Budget(name)),
        ] {
            assert_eq!(text.parse(), Ok(item.clone()));
            assert_eq!(item.to_string(), text);
        }
        for text in ["", "x", "7:7", "arming:", "arming:a b", "release:x", "other:x"] {
            assert!(text.parse::<WaitItem>().is_err(), "{text:?}");
        }
    }
}
