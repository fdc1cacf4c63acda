//! Pages of tasks: the place of a task in an order, cursors, and which tasks a question means.
//!
//! A cursor carries the row of activity that was the latest when the first page was asked for.
//! While the pages are followed, a task whose place moves is held at the place that it had then
//! ([`Frozen`]): so each task that matches throughout is met exactly once, in every order.

use super::check::{self, fold, fold_tag, malformed};
use super::{BoardError, Result};
use crate::domain::{
    Activity, AssigneeFilter, Cursor, Entity, StatusKind, Task, TaskId, TaskOrder, TaskQuery, Value,
};
use chrono::DateTime;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Rows of activity that may come between two pages; after more, a reader starts again.
pub(super) const ROWS_BETWEEN_MAX: usize = 20_000;
/// Where tasks without the value stand: after all others.
pub(super) const LAST: i64 = i64::MAX;
/// Where tasks without a priority stand: after 5, the lowest.
pub(super) const NO_PRIORITY: i64 = 9;

/// Where a page ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The latest row of activity when the first page was asked for.
    pub(super) since: i64,
    /// The last task's place in the order.
    pub(super) key: i64,
    /// The last task.
    pub(super) id: i64,
    /// What an adapter over another board keeps of that one.
    pub(super) below: String,
}

/// A task's place in an order; smaller comes first, ties are broken by id.
pub(super) fn key(order: TaskOrder, task: &Task) -> i64 {
    match order {
        TaskOrder::Id => task.id.0,
        TaskOrder::Priority => task.priority.map_or(NO_PRIORITY, i64::from),
        TaskOrder::Due => task.due.map_or(LAST, |at| at.timestamp_millis()),
        TaskOrder::Modified => -task.modified.timestamp_millis(),
    }
}

/// The field whose change moves a task in an order; `None`: any change, or none at all.
pub(super) fn field(order: TaskOrder) -> Option<&'static str> {
    match order {
        TaskOrder::Priority => Some("priority"),
        TaskOrder::Due => Some("due"),
        TaskOrder::Id | TaskOrder::Modified => None,
    }
}

fn key_of_value(order: TaskOrder, value: &Value) -> i64 {
    match order {
        TaskOrder::Priority => value.as_int().unwrap_or(NO_PRIORITY),
        _ => value
            .as_text()
            .and_then(|text| DateTime::parse_from_rfc3339(text).ok())
            .map_or(LAST, |at| at.timestamp_millis()),
    }
}

/// The places of tasks that moved since the first page.
#[derive(Clone, Debug, Default)]
pub(super) struct Frozen {
    /// By task. For [`TaskOrder::Modified`] of tasks that were there: to be asked for.
    pub(super) keys: BTreeMap<TaskId, Option<i64>>,
}

impl Frozen {
    /// From the rows since the first page, earliest first.
    pub(super) fn from_rows(order: TaskOrder, rows: &[Activity]) -> Self {
        let mut keys = BTreeMap::new();
        for row in rows {
            let Some(task) = row.task else { continue };
            match order {
                TaskOrder::Id => {}
                TaskOrder::Modified => {
                    let added = row.entity == Entity::Task(task) && row.field == "created";
                    keys.entry(task).or_insert(added.then(|| -row.at.timestamp_millis()));
                }
                TaskOrder::Priority | TaskOrder::Due => {
                    if Some(row.field.as_str()) == field(order) {
                        keys.entry(task).or_insert(Some(key_of_value(order, &row.before)));
                    }
                }
            }
        }
        Self { keys }
    }

    /// Where a task stands.
    pub(super) fn key(&self, order: TaskOrder, task: &Task) -> i64 {
        self.keys.get(&task.id).copied().flatten().unwrap_or_else(|| key(order, task))
    }
}

/// What a reader hears whose cursor is too old.
pub(super) fn too_old() -> BoardError {
    BoardError::Conflict("too much has changed since the first page: start again".to_owned())
}

/// Writes a place down. `scope`: the adapter and its board; the cursor is good there only, and
/// only for the same question.
pub(super) fn seal(scope: &str, query: &TaskQuery, place: &Place) -> Cursor {
    let payload = format!("{}.{}.{}.{}", place.since, place.key, place.id, place.below);
    Cursor(format!("{}.{payload}", checksum(scope, query, &payload)))
}

/// Reads the place that the question goes on from.
pub(super) fn unseal(scope: &str, query: &TaskQuery) -> Result<Option<Place>> {
    let Some(Cursor(text)) = &query.after else { return Ok(None) };
    let place = text
        .split_once('.')
        .filter(|(sum, payload)| *sum == checksum(scope, query, payload))
        .and_then(|(_, payload)| read_place(payload));
    match place {
        Some(place) => Ok(Some(place)),
        None => malformed(
            "the cursor is damaged or of another question or board: expected the next of a page \
             of the same question",
        ),
    }
}

fn read_place(payload: &str) -> Option<Place> {
    let mut parts = payload.splitn(4, '.');
    Some(Place {
        since: parts.next()?.parse().ok()?,
        key: parts.next()?.parse().ok()?,
        id: parts.next()?.parse().ok()?,
        below: parts.next()?.to_owned(),
    })
}

fn checksum(scope: &str, query: &TaskQuery, payload: &str) -> String {
    let question = TaskQuery { limit: 0, after: None, ..query.clone() };
    let mut hash = Sha256::new();
    for part in [scope, payload, &serde_json::to_string(&question).unwrap_or_default()] {
        hash.update(part.len().to_le_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().iter().take(8).fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

/// Whether a question means a task; `kind`: what its status means.
pub(super) fn matches(query: &TaskQuery, task: &Task, kind: StatusKind) -> bool {
    fn one_of<T: PartialEq>(list: &[T], item: &T) -> bool {
        list.is_empty() || list.contains(item)
    }
    let assigned = match &query.assignee {
        AssigneeFilter::Any => true,
        AssigneeFilter::Nobody => task.assignee.is_none(),
        AssigneeFilter::OneOf(people) if people.is_empty() => true,
        AssigneeFilter::OneOf(people) => task.assignee.is_some_and(|who| people.contains(&who)),
    };
    assigned
        && one_of(&query.ids, &task.id)
        && one_of(&query.projects, &task.project)
        && one_of(&query.statuses, &task.status)
        && one_of(&query.kinds_of_status, &kind)
        && one_of(&query.kinds, &task.kind)
        && query.milestone.is_none_or(|milestone| task.milestone == Some(milestone))
        && query.sprint.is_none_or(|sprint| task.sprint == Some(sprint))
        && query.parent.is_none_or(|parent| task.parent == Some(parent))
        && query.blocked_by.is_none_or(|blocker| task.blocked_by.contains(&blocker))
        && matches_tags(query, task)
        && matches_times(query, task)
        && query.text.as_deref().is_none_or(|text| {
            let text = fold(text);
            fold(&task.headline).contains(&text) || fold(&task.description).contains(&text)
        })
}

fn matches_tags(query: &TaskQuery, task: &Task) -> bool {
    let tags: Vec<String> = task.tags.iter().map(|tag| fold_tag(tag)).collect();
    let has = |tag: &String| tags.contains(&fold_tag(tag));
    query.tags_all.iter().all(has)
        && (query.tags_any.is_empty() || query.tags_any.iter().any(has))
        && !query.tags_none.iter().any(has)
}

fn matches_times(query: &TaskQuery, task: &Task) -> bool {
    query.due_from.is_none_or(|from| task.due.is_some_and(|due| due >= from))
        && query.due_to.is_none_or(|to| task.due.is_some_and(|due| due < to))
        && query.has_due.is_none_or(|has| task.due.is_some() == has)
        && query.unchanged_since.is_none_or(|since| task.modified < since)
        && query.modified_from.is_none_or(|from| task.modified >= from)
}

/// A question about one page of tasks is within bounds; its place to go on from.
pub(super) fn begin(scope: &str, query: &TaskQuery) -> Result<Option<Place>> {
    check::task_query(query)?;
    unseal(scope, query)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_good_for_its_question_and_board_only() {
        let query = TaskQuery { text: Some("x".into()), ..TaskQuery::default() };
        let place = Place { since: 7, key: -5, id: 3, below: "a.b".into() };
        let cursor = seal("sql main", &query, &place);
        let follow = |query: &TaskQuery, cursor: &Cursor, scope: &str| {
            unseal(scope, &TaskQuery { after: Some(cursor.clone()), limit: 9, ..query.clone() })
        };
        assert_eq!(follow(&query, &cursor, "sql main").unwrap(), Some(place));
        assert!(follow(&query, &cursor, "sql other").is_err());
        assert!(follow(&TaskQuery::default(), &cursor, "sql main").is_err());
        let damaged = Cursor(cursor.0.replace(".7.", ".8."));
        assert!(follow(&query, &damaged, "sql main").is_err());
        for text in ["", ".", "....", "0", "\u{0}"] {
            assert!(follow(&query, &Cursor(text.into()), "sql main").is_err(), "{text:?}");
        }
    }
}
