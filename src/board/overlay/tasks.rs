//! Tasks: pages of the board below and of what was written here, merged.
//!
//! What was written here hides the same task below, and comes from a stream of its own. Each of the
//! two streams has its own place in the cursor, so that a task is met once although it changes from
//! one stream to the other.

use super::super::page::{self, Frozen, Place, ROWS_BETWEEN_MAX};
use super::super::{BoardError, Result, Tasks, write};
use super::{Overlay, lists};
use crate::domain::{
    Cursor, Entity, NewTask, Page, Project, ProjectId, Stamp, Task, TaskEdit, TaskId, TaskOrder,
    TaskQuery, Written,
};
use async_trait::async_trait;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// How often a page below is asked for again because it changed meanwhile.
const TRIES_MAX: usize = 8;

/// How far the board below has been read.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Below {
    Begin,
    After(Cursor),
    End,
}

impl Below {
    fn read(text: &str) -> Self {
        match text.split_at_checked(1) {
            Some(("a", cursor)) => Self::After(Cursor(cursor.to_owned())),
            Some(("e", _)) => Self::End,
            _ => Self::Begin,
        }
    }

    fn written(&self) -> String {
        match self {
            Self::Begin => "b".to_owned(),
            Self::After(cursor) => format!("a{}", cursor.0),
            Self::End => "e".to_owned(),
        }
    }

    fn next(next: Option<Cursor>) -> Self {
        next.map_or(Self::End, Self::After)
    }
}

/// A task with its place.
type Placed = (i64, Task);

/// One page in the making.
struct Merge {
    own: VecDeque<Placed>,
    hidden: BTreeSet<TaskId>,
    /// Projects whose labels may mean something else here than below.
    relabelled: Option<BTreeMap<ProjectId, Project>>,
    items: Vec<Placed>,
    below: Below,
}

impl Overlay {
    pub(super) async fn page(&self, query: &TaskQuery) -> Result<Page<Task>> {
        let scope = format!("overlay {}", self.name);
        let place = page::begin(&scope, query)?;
        let size = query.page_size();
        let since = place.as_ref().map_or_else(|| self.layer().last.activity, |place| place.since);
        let after = place.as_ref().map(|place| (place.key, place.id));
        let below = match (&self.below, &place) {
            (None, _) => Below::End,
            (_, None) => Below::Begin,
            (_, Some(place)) => Below::read(&place.below),
        };
        let (own, hidden) = self.own(query, since, after).await?;
        let relabelled = self.relabelled(query).await?;
        let mut merge = Merge { own, hidden, relabelled, items: Vec::new(), below };
        while merge.items.len() < size && merge.below != Below::End {
            self.read_below(query, &mut merge, size).await?;
        }
        while merge.items.len() < size {
            let Some(next) = merge.own.pop_front() else { break };
            merge.items.push(next);
        }
        let more = !merge.own.is_empty() || merge.below != Below::End;
        // Never backwards: what stands before the place has been met.
        let reached = merge.items.iter().map(|(key, task)| (*key, task.id.0)).chain(after).max();
        let next = reached.filter(|_| more).map(|(key, id)| {
            page::seal(&scope, query, &Place { since, key, id, below: merge.below.written() })
        });
        Ok(Page { items: merge.items.into_iter().map(|(_, task)| task).collect(), next })
    }

    /// What was written here and matches, after a place, in order; and what it hides below.
    async fn own(
        &self,
        query: &TaskQuery,
        since: i64,
        after: Option<(i64, i64)>,
    ) -> Result<(VecDeque<Placed>, BTreeSet<TaskId>)> {
        let (written, frozen, earlier) = {
            let layer = self.layer();
            let rows = if after.is_some() { layer.rows_since(since) } else { &[] };
            if query.order != TaskOrder::Id && rows.len() > ROWS_BETWEEN_MAX {
                return Err(page::too_old());
            }
            let frozen = Frozen::from_rows(query.order, rows);
            let unknown = frozen.keys.iter().filter(|(_, key)| key.is_none()).map(|(id, _)| *id);
            let earlier: BTreeMap<TaskId, Option<i64>> =
                unknown.map(|id| (id, layer.modified_by(id, since))).collect();
            (layer.tasks.clone(), frozen, earlier)
        };
        let hidden = written.keys().copied().collect();
        let projects =
            if written.is_empty() { BTreeMap::new() } else { lists::projects(self).await? };
        let mut own = Vec::new();
        for task in written.into_values().flatten() {
            let Some(home) = projects.get(&task.project) else { continue };
            if !page::matches(query, &task, home.kind_of(task.status)) {
                continue;
            }
            let key = match earlier.get(&task.id) {
                Some(Some(ms)) => -ms,
                Some(None) => self.key_below(query.order, &task).await?,
                None => frozen.key(query.order, &task),
            };
            if after.is_none_or(|after| (key, task.id.0) > after) {
                own.push((key, task));
            }
        }
        own.sort_by_key(|(key, task)| (*key, task.id));
        Ok((own.into(), hidden))
    }

    /// Where a task stood before it was changed here.
    async fn key_below(&self, order: TaskOrder, task: &Task) -> Result<i64> {
        let below = match &self.below {
            Some(below) => super::there(below.task(task.id).await)?,
            None => None,
        };
        Ok(page::key(order, &below.unwrap_or_else(|| task.clone())))
    }

    /// All projects, if one was edited here and the question asks for what labels mean.
    async fn relabelled(&self, query: &TaskQuery) -> Result<Option<BTreeMap<ProjectId, Project>>> {
        let edited = self.layer().projects.keys().any(|id| id.0 <= super::BASE);
        if query.kinds_of_status.is_empty() || !edited || self.below.is_none() {
            return Ok(None);
        }
        lists::projects(self).await.map(Some)
    }

    /// Reads on below until the page is full, and keeps the place right behind what was taken.
    async fn read_below(&self, query: &TaskQuery, merge: &mut Merge, size: usize) -> Result<()> {
        let Some(below) = &self.below else { return Ok(()) };
        let mut ask = TaskQuery { limit: size - merge.items.len(), ..query.clone() };
        ask.after = match &merge.below {
            Below::After(cursor) => Some(cursor.clone()),
            Below::Begin | Below::End => None,
        };
        if merge.relabelled.is_some() {
            ask.kinds_of_status.clear();
        }
        for _ in 0..TRIES_MAX {
            let answer = below.tasks(&ask).await?;
            let fetched = answer.items.len();
            let (taken, items, own_taken) = merge.take(query, answer.items, size);
            if taken < fetched && taken > 0 {
                // The place behind the last one taken is known only to the board below.
                ask.limit = taken;
                continue;
            }
            if taken == fetched {
                merge.below = Below::next(answer.next);
            }
            merge.own.drain(..own_taken);
            merge.items.extend(items);
            return Ok(());
        }
        Err(BoardError::Conflict("the board changes too fast to be read: try again".to_owned()))
    }
}

impl Merge {
    /// Merges until the page is full: how many were taken from below, the items, and how many of
    /// them are own.
    fn take(
        &self,
        query: &TaskQuery,
        below: Vec<Task>,
        size: usize,
    ) -> (usize, Vec<Placed>, usize) {
        let (mut taken, mut items, mut own) = (0, Vec::new(), 0);
        let room = size - self.items.len();
        for task in below {
            if !self.shows(query, &task) {
                taken += 1;
                continue;
            }
            let key = page::key(query.order, &task);
            while let Some((place, earlier)) = self.own.get(own).filter(|_| items.len() < room) {
                if (*place, earlier.id) > (key, task.id) {
                    break;
                }
                items.push((*place, earlier.clone()));
                own += 1;
            }
            if items.len() == room {
                break;
            }
            items.push((key, task));
            taken += 1;
        }
        (taken, items, own)
    }

    fn shows(&self, query: &TaskQuery, task: &Task) -> bool {
        if self.hidden.contains(&task.id) {
            return false;
        }
        self.relabelled.as_ref().is_none_or(|projects| {
            projects
                .get(&task.project)
                .is_some_and(|home| page::matches(query, task, home.kind_of(task.status)))
        })
    }
}

#[async_trait]
impl Tasks for Overlay {
    async fn task(&self, id: TaskId) -> Result<Task> {
        let found = self.find_task(id).await?;
        found.ok_or_else(|| BoardError::NotFound { what: Entity::Task(id).to_string() })
    }

    async fn tasks(&self, query: &TaskQuery) -> Result<Page<Task>> {
        self.page(query).await
    }

    async fn add_task(&self, stamp: &Stamp, new: NewTask) -> Result<Written<Task>> {
        let mut session = self.session().await;
        let written = write::add_task(&mut session, self.now(), stamp, new).await?;
        session.commit();
        Ok(written)
    }

    async fn edit_task(
        &self,
        stamp: &Stamp,
        id: TaskId,
        edits: &[TaskEdit],
    ) -> Result<Written<Task>> {
        let mut session = self.session().await;
        let written = write::edit_task(&mut session, self.now(), stamp, id, edits).await?;
        session.commit();
        Ok(written)
    }

    async fn delete_task(&self, stamp: &Stamp, id: TaskId) -> Result<Written<Task>> {
        let mut session = self.session().await;
        let written = write::delete_task(&mut session, self.now(), stamp, id).await?;
        session.commit();
        Ok(written)
    }
}
