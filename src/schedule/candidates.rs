//! Tasks that may be taken, indexed so that a plan looks only at those that come into question.

use crate::domain::{ProjectId, StatusId, Task, TaskId};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A shared list of tasks. Made once per change of the board, used by many plans.
#[derive(Clone, Debug, Default)]
pub struct Candidates {
    entries: Vec<Entry>,
    by_id: BTreeMap<TaskId, usize>,
    by_place: BTreeMap<ProjectId, BTreeMap<StatusId, Vec<usize>>>,
    by_tag: BTreeMap<String, Vec<usize>>,
}

/// A task, with its tags as they are compared.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) task: Arc<Task>,
    pub(super) tags: Vec<String>,
}

impl Entry {
    pub(super) fn new(task: Arc<Task>) -> Self {
        let tags = task.tags.iter().map(|tag| folded(tag)).filter(|t| !t.is_empty()).collect();
        Self { task, tags }
    }

    pub(super) fn has_tag(&self, folded: &str) -> bool {
        self.tags.iter().any(|tag| tag == folded)
    }
}

/// A word as words are compared: without regard to case or surrounding blanks.
pub(super) fn folded(text: &str) -> String {
    text.trim().to_lowercase()
}

impl Candidates {
    /// From tasks in any order; of two with one id the later counts.
    pub fn new(tasks: impl IntoIterator<Item = Arc<Task>>) -> Self {
        let mut tasks: Vec<_> = tasks.into_iter().collect();
        tasks.sort_by_key(|task| task.id);
        let mut index = Self::default();
        for task in tasks {
            if index.entries.last().is_some_and(|last| last.task.id == task.id) {
                index.entries.pop();
            }
            index.entries.push(Entry::new(task));
        }
        for (place, entry) in index.entries.iter().enumerate() {
            let task = &entry.task;
            index.by_id.insert(task.id, place);
            let statuses = index.by_place.entry(task.project).or_default();
            statuses.entry(task.status).or_default().push(place);
            for tag in &entry.tags {
                index.by_tag.entry(tag.clone()).or_default().push(place);
            }
        }
        index
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// All of them, by id.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Task>> {
        self.entries.iter().map(|entry| &entry.task)
    }

    /// One of them.
    pub fn get(&self, id: TaskId) -> Option<&Arc<Task>> {
        self.entry(id).map(|entry| &entry.task)
    }

    pub(super) fn entry(&self, id: TaskId) -> Option<&Entry> {
        self.by_id.get(&id).and_then(|place| self.entries.get(*place))
    }

    /// The tasks in these places (all places for `None`), or those with one of these tags if they are fewer.
    pub(super) fn narrowed(
        &self,
        places: Option<&[(ProjectId, Option<StatusId>)]>,
        tags: Option<&[String]>,
    ) -> Vec<&Entry> {
        let tagged: Option<Vec<usize>> = tags.map(|tags| {
            let lists = tags.iter().filter_map(|tag| self.by_tag.get(tag));
            let mut found: Vec<usize> = lists.flatten().copied().collect();
            found.sort_unstable();
            found.dedup();
            found
        });
        let lists: Option<Vec<&Vec<usize>>> = places.map(|places| {
            places
                .iter()
                .filter_map(|(project, status)| Some((self.by_place.get(project)?, status)))
                .flat_map(|(statuses, status)| match status {
                    Some(status) => statuses.get(status).into_iter().collect::<Vec<_>>(),
                    None => statuses.values().collect(),
                })
                .collect()
        });
        let count = lists.as_ref().map(|lists| lists.iter().map(|list| list.len()).sum::<usize>());
        let by_tag = match (&tagged, count) {
            (Some(tagged), Some(count)) => tagged.len() < count,
            (Some(_), None) => true,
            (None, _) => false,
        };
        let chosen: Vec<usize> = match (tagged, lists) {
            (Some(tagged), _) if by_tag => tagged,
            (_, Some(lists)) => lists.into_iter().flatten().copied().collect(),
            _ => return self.entries.iter().collect(),
        };
        chosen.into_iter().filter_map(|place| self.entries.get(place)).collect()
    }
}
