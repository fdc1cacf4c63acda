//! A store with somebody at its door who sees which commits pass: so one can tell whether anything
//! changed, and copy the whole as one instant had it, page by page, while commits go on.
//!
//! It sees the commits that pass through it. An embedded store is open in one process only, so
//! these are all; where several processes share a store, each sees its own, and knows of the others'
//! that there were some ([`Store::changes`]). A copy is as one instant had it only where nobody shares.
//!
//! What only a newer program can read passes nobody's commit here: it stays as that program wrote it.

use super::{Batch, Result, Row, Store, StoreError, Versioned};
use crate::domain::StoreTime;
use async_trait::async_trait;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard, watch};

/// Rows handed out at a time.
const PAGE: usize = 500;
/// Commits are held up while so many rows are read again, not for more.
const HELD_UP_MAX: usize = 500;
/// So often the rest is copied without holding anybody up.
const ROUNDS_MAX: u32 = 400;
/// More keys than this that change under a copy are not kept in mind.
const TOUCHED_MAX: usize = 200_000;
/// So many keys of newer programs are kept in mind.
const ALONE_MAX: usize = 100_000;

/// A store whose commits are seen.
#[derive(Debug)]
pub struct WatchedStore {
    inner: Arc<dyn Store>,
    /// Held by each commit; taken whole at the end of a copy.
    gate: RwLock<()>,
    seen: Mutex<Seen>,
    /// One copy at a time.
    copying: tokio::sync::Mutex<()>,
    /// Why the store is of no use any more, from when it is not.
    closed: watch::Sender<Option<String>>,
    alone: Mutex<Alone>,
}

/// What only newer programs can read.
#[derive(Debug, Default)]
struct Alone {
    /// The keys, each with the version that was found.
    keys: BTreeMap<String, u64>,
    /// People were told that there is such a thing.
    is_told: bool,
}

#[derive(Debug, Default)]
struct Seen {
    commits: u64,
    /// Keys that were changed since a copy began; `None`: none is under way.
    touched: Option<BTreeSet<String>>,
}

/// A key as it is now: its value, or that it is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The key.
    pub key: String,
    /// Its value; `None`: it is gone.
    pub value: Option<Vec<u8>>,
}

impl WatchedStore {
    /// Stands before this store.
    pub fn new(inner: Arc<dyn Store>) -> Self {
        Self {
            inner,
            gate: RwLock::default(),
            seen: Mutex::default(),
            copying: tokio::sync::Mutex::default(),
            closed: watch::Sender::default(),
            alone: Mutex::default(),
        }
    }

    /// Returns when the store takes no more, or somebody has given it up; says why.
    pub async fn closed(&self) -> String {
        let mut closed = self.closed.subscribe();
        let why = closed.wait_for(Option::is_some).await;
        why.ok().and_then(|why| why.clone()).unwrap_or_default()
    }

    /// Somebody finds that the store is of no use any more. The first reason stands.
    pub fn give_up(&self, why: &str) {
        self.closed.send_if_modified(|closed| {
            let is_first = closed.is_none();
            if is_first {
                *closed = Some(why.to_owned());
            }
            is_first
        });
    }

    /// An answer that says that there will be no more is the end.
    fn heeded<T>(&self, answer: Result<T>) -> Result<T> {
        if let Err(error @ StoreError::Closed(_)) = &answer {
            self.give_up(&with_causes(error));
        }
        answer
    }

    /// How many commits have, or may have, changed something since it was opened; of others' commits
    /// it counts how often there were some.
    pub fn commits(&self) -> u64 {
        let others = self.inner.changes().map_or(0, |changes| *changes.borrow());
        self.seen().commits.saturating_add(others)
    }

    /// How many keys were found that only a newer program can read.
    pub fn left_alone(&self) -> usize {
        self.alone().keys.len()
    }

    /// Begins a copy of everything; waits for the one under way.
    pub async fn copy(&self) -> Copying<'_> {
        let alone = self.copying.lock().await;
        self.seen().touched = Some(BTreeSet::new());
        Copying { store: self, _alone: alone, stage: Stage::Pages(None), still: None }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn alone(&self) -> MutexGuard<'_, Alone> {
        self.alone.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a commit pass that changes nothing which only a newer program can read.
    async fn spare(&self, batch: &Batch) -> Result<()> {
        let touched: Vec<(String, u64)> = {
            let alone = self.alone();
            if alone.keys.is_empty() {
                return Ok(());
            }
            let keys = batch.puts.iter().map(|(key, _)| key).chain(&batch.deletes);
            let known = |key: &String| Some((key.clone(), *alone.keys.get(key)?));
            keys.filter_map(known).collect()
        };
        for (key, version) in touched {
            let found = self.inner.get(&key).await?;
            if found.is_some_and(|found| found.version == version) {
                let source = "nothing is written in its place".into();
                return Err(StoreError::Newer { key, source });
            }
            // It was written anew since, or is gone: whoever reads it judges again.
            self.alone().keys.remove(&key);
        }
        Ok(())
    }

    /// Returns when every commit that was handed to the store before has been decided, also one
    /// whose caller no longer waits: they are decided in order, and a check that never holds
    /// writes nothing.
    async fn settled(&self) -> Result<()> {
        match self.inner.commit(Batch::new().check("never", Some(u64::MAX))).await {
            Ok(()) | Err(StoreError::Conflict { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn take_touched(&self, at_most: usize) -> Result<Vec<String>> {
        let mut seen = self.seen();
        let Some(touched) = &mut seen.touched else { return Ok(Vec::new()) };
        if touched.len() > TOUCHED_MAX {
            let why = "the store changes faster than it can be copied";
            return Err(StoreError::Failed(why.into()));
        }
        let mut keys = Vec::new();
        while keys.len() < at_most {
            let Some(key) = touched.pop_first() else { break };
            keys.push(key);
        }
        Ok(keys)
    }

    fn touched(&self) -> usize {
        self.seen().touched.as_ref().map_or(0, BTreeSet::len)
    }
}

/// Notes a commit when it is over, however it ended: one whose caller went away may still happen.
struct Passing<'a> {
    store: &'a WatchedStore,
    keys: Vec<String>,
    changed: bool,
    _gate: RwLockReadGuard<'a, ()>,
}

impl Drop for Passing<'_> {
    fn drop(&mut self) {
        if !self.changed {
            return;
        }
        let mut seen = self.store.seen();
        seen.commits += 1;
        if let Some(touched) = seen.touched.as_mut().filter(|keys| keys.len() <= TOUCHED_MAX) {
            touched.extend(std::mem::take(&mut self.keys));
        }
    }
}

#[async_trait]
impl Store for WatchedStore {
    async fn get(&self, key: &str) -> Result<Option<Versioned>> {
        self.heeded(self.inner.get(key).await)
    }

    async fn get_all(&self, keys: &[&str]) -> Result<Vec<Option<Versioned>>> {
        self.heeded(self.inner.get_all(keys).await)
    }

    async fn look(&self, keys: &[&str]) -> Result<(StoreTime, Vec<Option<Versioned>>)> {
        self.heeded(self.inner.look(keys).await)
    }

    async fn commit(&self, batch: Batch) -> Result<()> {
        let gate = self.gate.read().await;
        self.spare(&batch).await?;
        let keys = batch.puts.iter().map(|(key, _)| key).chain(&batch.deletes).cloned().collect();
        let mut passing = Passing { store: self, keys, changed: true, _gate: gate };
        let answer = self.inner.commit(batch).await;
        let answer = self.heeded(answer);
        passing.changed =
            !matches!(answer, Err(StoreError::Conflict { .. } | StoreError::TooLarge { .. }));
        answer
    }

    async fn scan(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<Row>> {
        self.heeded(self.inner.scan(prefix, after, limit).await)
    }

    async fn now(&self) -> Result<StoreTime> {
        self.inner.now().await
    }

    fn now_at_most(&self) -> Option<StoreTime> {
        self.inner.now_at_most()
    }

    fn changes(&self) -> Option<watch::Receiver<u64>> {
        self.inner.changes()
    }

    fn leave_alone(&self, key: &str, version: u64) {
        let mut alone = self.alone();
        if alone.keys.get(key) == Some(&version) {
            return;
        }
        if !std::mem::replace(&mut alone.is_told, true) {
            tracing::warn!(
                key,
                "a newer Rota has written what this one cannot read: it is left alone, and so is all \
                 else of that sort"
            );
        }
        if alone.keys.len() < ALONE_MAX {
            alone.keys.insert(key.to_owned(), version);
        }
    }

    fn measure(&self) {
        self.inner.measure();
    }
}

/// An error and what caused it, in one line.
fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// A copy under way. What it hands out, laid one over the other, is the store as it was at one
/// instant: all rows first, page by page; then those that were changed meanwhile, again and again
/// until few are left; these with the commits held up for that moment.
#[derive(Debug)]
pub struct Copying<'a> {
    store: &'a WatchedStore,
    _alone: tokio::sync::MutexGuard<'a, ()>,
    stage: Stage,
    still: Option<RwLockWriteGuard<'a, ()>>,
}

#[derive(Debug)]
enum Stage {
    Pages(Option<String>),
    Rounds(u32),
    Still,
    Over(u64),
}

impl Copying<'_> {
    /// What comes next; empty: that was all.
    pub async fn next(&mut self) -> Result<Vec<Change>> {
        loop {
            match &self.stage {
                Stage::Pages(after) => {
                    let rows = self.store.inner.scan("", after.as_deref(), PAGE).await?;
                    let Some(last) = rows.last() else {
                        self.stage = Stage::Rounds(0);
                        continue;
                    };
                    self.stage = Stage::Pages(Some(last.key.clone()));
                    let change = |row: Row| Change { key: row.key, value: Some(row.value) };
                    return Ok(rows.into_iter().map(change).collect());
                }
                Stage::Rounds(round) => {
                    if self.store.touched() <= HELD_UP_MAX || *round >= ROUNDS_MAX {
                        self.still = Some(self.store.gate.write().await);
                        self.store.settled().await?;
                        self.stage = Stage::Still;
                        continue;
                    }
                    self.stage = Stage::Rounds(round + 1);
                    let keys = self.store.take_touched(PAGE)?;
                    self.store.settled().await?;
                    return self.read(keys).await;
                }
                Stage::Still => {
                    let keys = self.store.take_touched(PAGE)?;
                    if !keys.is_empty() {
                        return self.read(keys).await;
                    }
                    self.stage = Stage::Over(self.store.commits());
                    self.still = None;
                }
                Stage::Over(_) => return Ok(Vec::new()),
            }
        }
    }

    /// [`WatchedStore::commits`] at the instant that was copied; `None` before the end.
    pub fn commits(&self) -> Option<u64> {
        match self.stage {
            Stage::Over(commits) => Some(commits),
            _ => None,
        }
    }

    async fn read(&self, keys: Vec<String>) -> Result<Vec<Change>> {
        let mut changes = Vec::with_capacity(keys.len());
        for key in keys {
            let value = self.store.inner.get(&key).await?.map(|found| found.value);
            changes.push(Change { key, value });
        }
        Ok(changes)
    }
}

impl Drop for Copying<'_> {
    fn drop(&mut self) {
        self.store.seen().touched = None;
    }
}
