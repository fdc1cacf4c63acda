//! What keeps agents from keeping each other busy: how often a task changed hands between them since a
//! person acted, and how deep what they delegated goes.

use super::{ActivityId, PlaybookName, Timestamp};
use serde::{Deserialize, Serialize};

/// The tools that make tasks: what a run makes is one deeper than what it works at.
pub const MAKES_TASKS: &[&str] = &["addTask", "addSubtask"];

/// How far agents go without a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guards {
    /// So often a task may change hands between agents before a person has to act on it.
    pub exchanges_max: u32,
    /// A task that agents made for agents is not taken when it is deeper than this.
    pub delegation_depth_max: u32,
}

impl Default for Guards {
    fn default() -> Self {
        Self { exchanges_max: 6, delegation_depth_max: 3 }
    }
}

/// Agents' writes on one task since a person acted on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchange {
    /// The agent who wrote last.
    pub agent: String,
    /// By this playbook.
    pub playbook: PlaybookName,
    /// How often another agent wrote than the one before it.
    pub count: u32,
    /// The change that it began with.
    pub first: ActivityId,
    /// The last change that was looked at.
    pub row: ActivityId,
    /// When that happened.
    pub at: Timestamp,
    /// People were told that it was stopped.
    #[serde(default)]
    pub told: bool,
}

/// An agent's write on a task.
#[derive(Clone, Copy, Debug)]
pub struct Turn<'a> {
    /// The board user whom the playbook acts as.
    pub agent: &'a str,
    /// The playbook.
    pub playbook: &'a PlaybookName,
    /// It was asked for by a reviewer, or reviews what was written before it: `review.rounds` bounds
    /// both.
    pub is_review: bool,
    /// The change.
    pub row: ActivityId,
    /// When.
    pub at: Timestamp,
}

impl Exchange {
    /// What it is after another write; one that was looked at before changes nothing.
    #[must_use]
    pub fn after(before: Option<&Self>, turn: &Turn<'_>) -> Self {
        let next = |count, first| Self {
            agent: turn.agent.to_owned(),
            playbook: turn.playbook.clone(),
            count,
            first,
            row: turn.row,
            at: turn.at,
            told: before.is_some_and(|before| before.told),
        };
        match before {
            None => next(0, turn.row),
            Some(before) if before.row >= turn.row => before.clone(),
            Some(before) => {
                let passes = !same_agent(&before.agent, turn.agent) && !turn.is_review;
                next(before.count.saturating_add(u32::from(passes)), before.first)
            }
        }
    }

    /// Whether it is another agent's turn that would come next, and there were enough of them.
    pub fn stops(&self, agent: &str, guards: Guards) -> bool {
        self.count >= guards.exchanges_max && !same_agent(&self.agent, agent)
    }
}

/// Whether two names are one board user's.
pub fn same_agent(one: &str, other: &str) -> bool {
    one.trim().to_lowercase() == other.trim().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::from_millis;

    fn told(turns: &[(&str, bool)]) -> Exchange {
        let mut exchange = None;
        for (row, (agent, is_review)) in (1..).zip(turns) {
            let turn = Turn {
                agent,
                playbook: &PlaybookName::new(agent.to_lowercase()),
                is_review: *is_review,
                row: ActivityId(row),
                at: from_millis(row),
            };
            exchange = Some(Exchange::after(exchange.as_ref(), &turn));
        }
        exchange.unwrap()
    }

    #[test]
    fn only_another_agents_write_is_an_exchange_however_often_one_writes() {
        assert_eq!(told(&[("A", false), ("A", false), (" a ", false)]).count, 0);
        assert_eq!(told(&[("A", false), ("B", false), ("B", false), ("A", false)]).count, 2);
    }

    #[test]
    fn a_review_and_the_work_that_it_asked_for_are_no_exchange() {
        let rounds = [("A", false), ("B", true), ("A", true), ("B", true), ("A", true)];
        assert_eq!(told(&rounds).count, 0);
        assert_eq!(told(&[rounds.as_slice(), &[("C", false)]].concat()).count, 1);
    }

    #[test]
    fn a_change_that_was_looked_at_before_counts_once_and_the_other_is_stopped() {
        let six = [("A", false), ("B", false)].repeat(3);
        let exchange = told(&[six.as_slice(), &[("A", false)]].concat());
        assert_eq!(
            (exchange.count, exchange.first, exchange.row),
            (6, ActivityId(1), ActivityId(7))
        );
        let again = Turn {
            agent: "B",
            playbook: &PlaybookName::new("b"),
            is_review: false,
            row: ActivityId(7),
            at: from_millis(9),
        };
        assert_eq!(Exchange::after(Some(&exchange), &again), exchange);
        let guards = Guards::default();
        assert!(exchange.stops("B", guards) && !exchange.stops("A", guards));
        assert!(!told(&six).stops("A", guards), "five are one fewer");
    }
}
