//! The adapter's side of its notebook: the record of changes, marks and fences.

use super::notebook::{Line, Notebook};
use crate::board::write::{Seen, Trace};
use crate::board::{BoardError, Result};
use crate::clock::Clock;
use crate::domain::{
    Activity, ActivityId, ActivityQuery, Cursor, EffectState, Entity, Fence, Mark, Page, Stamp,
    TaskId, Timestamp, from_millis,
};
use chrono::TimeDelta;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tokio::sync::Mutex;

/// Rows of the record that are kept.
const ROWS_MAX: i64 = 200_000;
/// Rows read at a time.
const READ: usize = 1_000;
/// How often a commit is tried that another process came before.
const TRIES_MAX: usize = 20;

const LAST: &str = "activity-last";

/// What is kept of a write under a mark.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Marked {
    /// It went out; what became of it is not known.
    Begun,
    /// It was done.
    Done { entity: Entity, was: Option<String> },
}

#[derive(Debug)]
pub(super) struct Book {
    pub(super) notes: Arc<dyn Notebook>,
    clock: Arc<dyn Clock>,
    /// Held while rows are numbered.
    numbering: Mutex<()>,
    tidying: Mutex<Tidying>,
}

/// How long marks and fences are kept: much longer than any run asks for them.
const KEPT: TimeDelta = TimeDelta::days(90);
/// How often they are gone through.
const TIDY: TimeDelta = TimeDelta::days(1);
/// Rows that are looked at together, and at most at a time.
const TIDY_ROWS: usize = 100;
const TIDY_PAGES: usize = 20;

/// Rows of writes that are forgotten in time.
const OLD: [&str; 2] = ["mark/", "fence/"];

/// How far the old rows were gone through.
#[derive(Debug, Default)]
struct Tidying {
    /// Not again before this.
    due: Option<Timestamp>,
    /// Where to go on: which rows, and after which one.
    place: (usize, Option<String>),
}

/// A row with the time at which it was written, in milliseconds; rows of earlier versions have none.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Dated<T> {
    Now { at: i64, what: T },
    Bare(T),
}

impl<T> Dated<T> {
    fn what(self) -> T {
        match self {
            Self::Now { what, .. } | Self::Bare(what) => what,
        }
    }
}

fn mark_key(mark: &Mark) -> String {
    // A run's name may have any characters; its digest is as good.
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(mark.run.as_str().as_bytes());
    let name = digest.iter().take(16).fold(String::new(), |all, byte| format!("{all}{byte:02x}"));
    format!("mark/{name}/{:010}", mark.seq)
}

fn row_key(id: i64) -> String {
    format!("activity/{id:020}")
}

pub(super) fn to_bytes<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|error| broken("cannot be written", error))
}

pub(super) fn from_bytes<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|error| broken("cannot be read", error))
}

fn broken(what: &str, error: serde_json::Error) -> BoardError {
    BoardError::Unusable {
        what: format!("a row of the Leantime board's notebook {what}"),
        source: Some(Box::new(error)),
    }
}

fn busy() -> BoardError {
    let what = "its notebook changes too fast to be written".to_owned();
    BoardError::Unavailable { what, source: None }
}

impl Book {
    pub(super) fn new(notes: Arc<dyn Notebook>, clock: Arc<dyn Clock>) -> Self {
        Self { notes, clock, numbering: Mutex::default(), tidying: Mutex::default() }
    }

    fn dated<T: Serialize>(&self, what: T) -> Result<Vec<u8>> {
        to_bytes(&Dated::Now { at: self.clock.wall().timestamp_millis(), what })
    }

    /// Forgets marks and fences that are older than anybody asks for; some at a time.
    pub(super) async fn tidy(&self) -> Result<()> {
        let mut tidying = self.tidying.lock().await;
        let now = self.clock.wall();
        if tidying.due.is_some_and(|due| now < due) {
            return Ok(());
        }
        for _ in 0..TIDY_PAGES {
            let (which, after) = tidying.place.clone();
            let Some(prefix) = OLD.get(which) else {
                *tidying = Tidying { due: Some(now + TIDY), ..Tidying::default() };
                return Ok(());
            };
            let rows = self.notes.scan(prefix, after.as_deref(), TIDY_ROWS).await?;
            let last = rows.last().map(|(key, _)| key.clone());
            tidying.place = match last.filter(|_| rows.len() == TIDY_ROWS) {
                Some(last) => (which, Some(last)),
                None => (which + 1, None),
            };
            let (mut expected, mut lines) = (Vec::new(), Vec::new());
            for (key, bytes) in rows {
                let after = match from_bytes::<Dated<serde_json::Value>>(&bytes)? {
                    Dated::Now { at, .. } if from_millis(at) + KEPT > now => continue,
                    Dated::Now { .. } => None,
                    // From now on its age is known.
                    Dated::Bare(what) => Some(self.dated(what)?),
                };
                expected.push((key.clone(), Some(bytes)));
                lines.push((key, after));
            }
            if !lines.is_empty() {
                // One that was written meanwhile is for the next time.
                self.notes.commit(&expected, lines).await?;
            }
        }
        Ok(())
    }

    async fn read<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        self.notes.get(key).await?.map(|bytes| from_bytes(&bytes)).transpose()
    }

    pub(super) async fn seen(&self, stamp: &Stamp) -> Result<Seen> {
        let fence = match stamp.claim {
            Some((task, _)) => self.fence(task).await?,
            None => Fence::default(),
        };
        let trace = match &stamp.mark {
            None => None,
            Some(mark) => match self.marked(mark).await? {
                None => None,
                Some(Marked::Done { entity, was }) => Some(Trace { entity, was }),
                Some(Marked::Begun) => {
                    // Nobody is to take this for a write that did not happen.
                    let what = format!(
                        "write {mark} was begun before and it is not known whether it happened: \
                         look at the board"
                    );
                    return Err(BoardError::Unavailable { what, source: None });
                }
            },
        };
        Ok(Seen { trace, fence })
    }

    async fn marked(&self, mark: &Mark) -> Result<Option<Marked>> {
        Ok(self.read::<Dated<Marked>>(&mark_key(mark)).await?.map(Dated::what))
    }

    pub(super) async fn effect_of(&self, mark: &Mark) -> Result<EffectState> {
        Ok(match self.marked(mark).await? {
            None => EffectState::Absent,
            Some(Marked::Begun) => EffectState::Unknown,
            Some(Marked::Done { entity, .. }) => EffectState::Applied(entity),
        })
    }

    /// Before a write under a mark goes out.
    pub(super) async fn begin(&self, mark: &Mark) -> Result<()> {
        let line = (mark_key(mark), Some(self.dated(Marked::Begun)?));
        self.put(vec![line]).await
    }

    /// A write that certainly did not happen.
    pub(super) async fn forget(&self, mark: &Mark) -> Result<()> {
        self.put(vec![(mark_key(mark), None)]).await
    }

    pub(super) async fn put(&self, lines: Vec<Line>) -> Result<()> {
        if self.notes.commit(&[], lines).await? { Ok(()) } else { Err(busy()) }
    }

    async fn fence(&self, task: TaskId) -> Result<Fence> {
        let known = self.read::<Dated<u64>>(&format!("fence/{task}")).await?;
        Ok(known.map(|known| Fence(known.what())).unwrap_or_default())
    }

    pub(super) async fn raise_fence(&self, task: TaskId, fence: Fence) -> Result<()> {
        let key = format!("fence/{task}");
        for _ in 0..TRIES_MAX {
            let known = self.notes.get(&key).await?;
            let seen = known.as_deref().map(from_bytes::<Dated<u64>>).transpose()?;
            if fence.0 <= seen.map_or(0, Dated::what) {
                return Ok(());
            }
            let line = (key.clone(), Some(self.dated(fence.0)?));
            if self.notes.commit(&[(key.clone(), known)], vec![line]).await? {
                return Ok(());
            }
        }
        Err(busy())
    }

    /// Numbers rows and keeps them, with what belongs to them; false if one of those that are
    /// expected is another by now.
    pub(super) async fn record(
        &self,
        rows: Vec<Activity>,
        trace: Option<(&Mark, Trace)>,
        expected: Vec<Line>,
        mut lines: Vec<Line>,
    ) -> Result<bool> {
        if let Some((mark, Trace { entity, was })) = trace {
            lines.push((mark_key(mark), Some(self.dated(Marked::Done { entity, was })?)));
        }
        if rows.is_empty() {
            return Ok(lines.is_empty() || self.notes.commit(&expected, lines).await?);
        }
        let _held = self.numbering.lock().await;
        for _ in 0..TRIES_MAX {
            let known = self.notes.get(LAST).await?;
            let mut last = known.as_deref().map(from_bytes::<i64>).transpose()?.unwrap_or(0);
            let mut all = lines.clone();
            for row in &rows {
                last += 1;
                let row = Activity { id: ActivityId(last), ..row.clone() };
                all.push((row_key(last), Some(to_bytes(&row)?)));
                all.push((row_key(last - ROWS_MAX), None));
            }
            all.push((LAST.to_owned(), Some(to_bytes(&last)?)));
            let mut checks = expected.clone();
            checks.push((LAST.to_owned(), known.clone()));
            if self.notes.commit(&checks, all).await? {
                return Ok(true);
            }
            if self.notes.get(LAST).await? == known {
                return Ok(false);
            }
        }
        Err(busy())
    }

    pub(super) async fn latest(&self) -> Result<ActivityId> {
        Ok(ActivityId(self.read(LAST).await?.unwrap_or(0)))
    }

    /// Rows later than one, in order.
    pub(super) async fn rows_since(&self, row: i64, max: usize) -> Result<Vec<Activity>> {
        let after = row_key(row);
        let found = self.notes.scan("activity/", Some(&after), max).await?;
        found.iter().map(|(_, bytes)| from_bytes(bytes)).collect()
    }

    pub(super) async fn activity(&self, query: &ActivityQuery) -> Result<Page<Activity>> {
        let size = query.page_size();
        let mut items: Vec<Activity> = Vec::new();
        let latest = self.latest().await?.0;
        // The next row to look at, in the direction asked for.
        let mut at = match (query.after, query.latest_first) {
            (Some(after), true) => after.0 - 1,
            (Some(after), false) => after.0,
            (None, true) => latest,
            (None, false) => 0,
        };
        loop {
            let from = if query.latest_first { (at - 1_000).max(0) } else { at };
            let mut rows = self.rows_since(from, READ).await?;
            if query.latest_first {
                rows.retain(|row| row.id.0 <= at);
                rows.reverse();
            }
            let is_end = if query.latest_first { from == 0 } else { rows.len() < READ };
            at = match (query.latest_first, rows.last()) {
                (true, _) => from,
                (false, Some(row)) => row.id.0,
                (false, None) => at,
            };
            items.extend(rows.into_iter().filter(|row| means(query, row)));
            if items.len() > size || is_end {
                break;
            }
        }
        let more = items.len() > size;
        items.truncate(size);
        let next = items.last().filter(|_| more).map(|last| Cursor(last.id.to_string()));
        Ok(Page { items, next })
    }

    /// A number that was never given before.
    pub(super) async fn next_number(&self, of: &str) -> Result<i64> {
        let key = format!("last-{of}");
        for _ in 0..TRIES_MAX {
            let known = self.notes.get(&key).await?;
            let next = known.as_deref().map(from_bytes::<i64>).transpose()?.unwrap_or(0) + 1;
            let line = (key.clone(), Some(to_bytes(&next)?));
            if self.notes.commit(&[(key.clone(), known)], vec![line]).await? {
                return Ok(next);
            }
        }
        Err(busy())
    }
}

fn means(query: &ActivityQuery, row: &Activity) -> bool {
    query.task.is_none_or(|task| row.task == Some(task))
        && (query.projects.is_empty() || row.project.is_some_and(|id| query.projects.contains(&id)))
        && query.field.as_ref().is_none_or(|field| row.field == *field)
        && query.from.is_none_or(|from| row.at >= from)
        && query.to.is_none_or(|to| row.at < to)
}
