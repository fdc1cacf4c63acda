//! What a copy came to: how many of each noun, and what could not be carried over, by name.

use super::noun::{Key, Kind};
use serde::Serialize;
use std::collections::BTreeMap;

/// So many things that were not carried over are named; all are counted.
const NAMED_MAX: usize = 1_000;

/// What a copy came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// From which board.
    pub from: String,
    /// To which board.
    pub to: String,
    /// Nothing was written.
    pub dry_run: bool,
    /// Why it ended before everything was copied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_early: Option<Early>,
    /// By noun, in the order in which they are copied.
    pub counts: Vec<Count>,
    /// What was not carried over.
    pub left: Vec<Left>,
    /// How many there are of those, also of those that are not named.
    pub left_count: usize,
    /// What is never carried over, if there was any.
    pub notes: Vec<String>,
}

/// Why a copy ended before everything was copied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Early {
    /// Somebody wanted it to stop.
    Stopped,
    /// A board or the local state failed.
    Failed(String),
}

/// How many of one noun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Count {
    /// Of which.
    pub noun: Kind,
    /// That are on the source, as far as they were asked for.
    pub found: usize,
    /// Made on the target.
    pub new: usize,
    /// Found on the target, although nobody had copied them.
    pub met: usize,
    /// Changed on the target.
    pub changed: usize,
    /// The same as at the last copy.
    pub same: usize,
    /// Changed on both sides since the last copy: left as they are.
    pub kept: usize,
    /// Not copied.
    pub left: usize,
    /// The first that is new or changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<String>,
    /// What it is known by.
    #[serde(skip)]
    first_key: Option<Key>,
}

impl Count {
    pub(super) fn of(noun: Kind, found: usize) -> Self {
        let (new, met, changed, same, kept, left) = (0, 0, 0, 0, 0, 0);
        Self { noun, found, new, met, changed, same, kept, left, first: None, first_key: None }
    }

    /// One more that is new or changed; they come in no order.
    pub(super) fn meet(&mut self, key: Key, title: impl FnOnce() -> String) {
        if self.first_key.is_none_or(|first| key < first) {
            (self.first_key, self.first) = (Some(key), Some(title()));
        }
    }
}

/// Something that was not carried over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Left {
    /// What sort of thing.
    pub noun: Kind,
    /// Its id on the source.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// What of it was not carried over, and why.
    pub what: String,
}

impl Report {
    pub(super) fn count(&mut self, noun: Kind) -> Option<&mut Count> {
        self.counts.iter_mut().find(|count| count.noun == noun)
    }

    pub(super) fn leave(&mut self, left: Left) {
        self.left_count += 1;
        if self.left.len() < NAMED_MAX {
            self.left.push(left);
        }
    }

    /// How many were written.
    pub fn written(&self) -> usize {
        self.counts.iter().map(|count| count.new + count.changed).sum()
    }

    /// What was left, by noun and reason, with the names of the things.
    pub fn reasons(&self) -> BTreeMap<(Kind, &str), Vec<&str>> {
        let mut found: BTreeMap<(Kind, &str), Vec<&str>> = BTreeMap::new();
        for left in &self.left {
            found.entry((left.noun, left.what.as_str())).or_default().push(&left.name);
        }
        found
    }
}
