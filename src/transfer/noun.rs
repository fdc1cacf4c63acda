//! What the copying needs of each noun: how it is called, what of it can change, and how it is written
//! on the other board. How an item is copied once, and only once, is in `engine`.

use super::way::Way;
use crate::board::Result;
use crate::domain::{Stamp, Value};
use async_trait::async_trait;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

/// The nouns, in the order in which they are copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// People and agents.
    Person,
    /// Projects.
    Project,
    /// Who belongs to a project.
    Member,
    /// Sprints.
    Sprint,
    /// Milestones.
    Milestone,
    /// Tasks and subtasks.
    Task,
    /// Goal boards.
    GoalBoard,
    /// Goals.
    Goal,
    /// Comments and status updates.
    Comment,
    /// Time that was spent.
    Time,
    /// Events in calendars.
    Event,
}

impl Kind {
    /// As it is written in keys and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Project => "project",
            Self::Member => "member",
            Self::Sprint => "sprint",
            Self::Milestone => "milestone",
            Self::Task => "task",
            Self::GoalBoard => "goal_board",
            Self::Goal => "goal",
            Self::Comment => "comment",
            Self::Time => "time",
            Self::Event => "event",
        }
    }

    /// What people call many of them.
    pub fn plural(self) -> &'static str {
        match self {
            Self::Person => "people",
            Self::Project => "projects",
            Self::Member => "members",
            Self::Sprint => "sprints",
            Self::Milestone => "milestones",
            Self::Task => "tasks",
            Self::GoalBoard => "goal boards",
            Self::Goal => "goals",
            Self::Comment => "comments",
            Self::Time => "time entries",
            Self::Event => "events",
        }
    }
}

/// What an item is known by on its board: its id, or for a member the project and the person.
pub(super) type Key = (i64, i64);

/// The fields of an item that can change, with their values as one board tells them.
pub(super) type Card = Vec<(&'static str, Value)>;

/// A short digest of each field.
pub(super) type Digests = BTreeMap<String, String>;

/// The digests of a card.
pub(super) fn digests(card: &Card) -> Digests {
    card.iter().map(|(field, value)| ((*field).to_owned(), digest(value))).collect()
}

/// The digest of a value.
pub(super) fn digest(value: &Value) -> String {
    // Whatever cannot be written is never the same.
    short(&serde_json::to_vec(value).unwrap_or_default())
}

/// The first characters of a digest.
pub(super) fn short(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().take(8).fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

/// Whether a new item has this value by itself.
pub(super) fn is_blank(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Text(text) => text.is_empty(),
        Value::List(items) => items.is_empty(),
        Value::Map(items) => items.is_empty(),
        Value::Bool(true) | Value::Int(_) | Value::Float(_) => false,
    }
}

/// One noun of the source, and the same on the target.
#[async_trait]
pub(super) trait Noun: Clone + Send + Sync + 'static {
    /// A change of one field.
    type Edit: Clone + Send + Sync;
    /// Which it is.
    const KIND: Kind;
    /// Fields that name others of the same noun, or close it: written once all of them are there.
    const LATE: &'static [&'static str] = &[];

    /// What it is known by.
    fn key(&self) -> Key;
    /// What people call it.
    fn title(&self) -> String;
    /// What of it can change.
    fn card(&self) -> Card;
    /// The edits that make a field of `was`, or of a new one, as it is here; or why it cannot be.
    fn wish(
        &self,
        field: &str,
        was: Option<&Self>,
        way: &Way,
    ) -> std::result::Result<Vec<Self::Edit>, String>;
    /// Makes an edit.
    fn apply(edit: &Self::Edit, to: &mut Self);
    /// The one on the target that is the same by its nature, although nobody copied it.
    async fn twin(&self, _: &Way) -> Result<Option<Self>> {
        Ok(None)
    }
    /// Why a twin is not the same.
    fn differs(&self, _: &Self) -> Option<String> {
        None
    }
    /// Why it cannot be made on the target at all, as far as that is known before.
    fn refusal(&self, _: &Way) -> Option<String> {
        None
    }
    /// Those on the target that a write of this one, of which no answer came, may have made.
    async fn alike(&self, way: &Way) -> Result<Vec<Self>>;
    /// One on the target as it is now.
    async fn get(&self, way: &Way, key: Key) -> Result<Option<Self>>;
    /// Makes it on the target, with these edits.
    async fn add(&self, way: &Way, stamp: &Stamp, edits: &[Self::Edit]) -> Result<Self>;
    /// Changes one on the target.
    async fn edit(
        &self,
        way: &Way,
        stamp: &Stamp,
        was: &Self,
        edits: &[Self::Edit],
    ) -> Result<Self>;
}

/// `None` for what is not there.
pub(super) fn there<T>(answer: Result<T>) -> Result<Option<T>> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(crate::board::BoardError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
