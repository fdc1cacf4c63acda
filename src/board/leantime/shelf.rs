//! What is remembered of each thing: its row as it was last seen, and what it means.
//!
//! The server keeps less than the board: seconds where there were milliseconds, HTML where there was
//! Markdown. As long as a column is as it was when it was last written or read, the thing has there
//! what was remembered; once somebody else changed it, it is read anew. So what was written comes
//! back to the byte, and only what changed is a change.

use super::book::{Book, from_bytes, to_bytes};
use super::notebook::Line;
use super::wire::{Columns, Row};
use crate::board::Result;
use crate::board::record::Rows;
use crate::domain::{Activity, PersonId, Project, ProjectId, Stamp, StatusKind, TaskId, Timestamp};
use chrono_tz::Tz;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Rows of a notebook read at a time.
const READ: usize = 500;
/// Things that are written down in one step.
const WRITE: usize = 100;
/// How often a row is looked at again because another process wrote it down first.
const TRIES_MAX: usize = 5;

/// What it takes to understand a row.
#[derive(Clone, Debug)]
pub(super) struct Context {
    pub(super) zone: Tz,
    pub(super) now: Timestamp,
    pub(super) projects: Arc<Vec<Project>>,
    /// Projects of tasks, for what hangs on them.
    pub(super) homes: BTreeMap<TaskId, ProjectId>,
}

impl Context {
    pub(super) fn project(&self, id: ProjectId) -> Option<&Project> {
        self.projects.iter().find(|project| project.id == id)
    }

    pub(super) fn kind_of(&self, id: ProjectId, status: i64) -> StatusKind {
        let status = crate::domain::StatusId(status);
        self.project(id).map_or(StatusKind::New, |project| project.kind_of(status))
    }
}

/// What is known of a thing: as it was, and which columns are still as they were.
#[derive(Debug)]
pub(super) struct Known<'a, T> {
    pub(super) thing: Option<&'a T>,
    columns: Option<&'a Columns>,
    now: &'a Columns,
}

impl<T> Known<'_, T> {
    /// The remembered value while its column is as it was, what the row says otherwise.
    pub(super) fn or<V>(
        &self,
        column: &str,
        kept: impl Fn(&T) -> V,
        read: impl FnOnce() -> V,
    ) -> V {
        let is_same = self
            .now
            .get(column)
            .is_none_or(|now| self.columns.and_then(|columns| columns.get(column)) == Some(now));
        match self.thing.filter(|_| is_same) {
            Some(thing) => kept(thing),
            None => read(),
        }
    }
}

/// A thing with a shelf.
pub(super) trait Noted:
    Clone + PartialEq + Send + Sync + Serialize + DeserializeOwned + std::fmt::Debug + 'static
{
    /// The shelf's name in the notebook.
    const SHELF: &'static str;
    /// The columns that are compared.
    const COLUMNS: &'static [&'static str];

    fn number(&self) -> i64;
    /// Among what a new one is to be looked for.
    fn place_of(_: &Row) -> String {
        String::new()
    }
    /// `None`: the row is something else, or makes no sense.
    fn read(row: &Row, known: &Known<'_, Self>, context: &Context) -> Option<Self>;
    /// What changed between two sights of it; for `None`, it is new.
    fn tell(before: Option<&Self>, after: &Self, rows: &mut Rows<'_>, context: &Context);
    /// Somebody else changed it.
    fn grow(&mut self, at: Timestamp);
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Note<T> {
    pub(super) columns: Columns,
    pub(super) thing: T,
    /// Columns that lists leave out were read after the last change that a list showed.
    #[serde(default)]
    pub(super) is_whole: bool,
}

#[derive(Debug)]
pub(super) struct Kept<T> {
    pub(super) note: Note<T>,
    pub(super) bytes: Vec<u8>,
}

#[derive(Debug)]
pub(super) struct State<T> {
    notes: BTreeMap<i64, Kept<T>>,
    is_loaded: bool,
    /// All that were there at the first full look have been written down.
    is_primed: bool,
    /// When each was last written by us; rows that were asked for earlier say nothing.
    written: BTreeMap<i64, u64>,
    /// Those that are being written, and how often.
    pub(super) busy: BTreeMap<i64, usize>,
    /// Places to which something is being added.
    pub(super) adding: BTreeMap<String, usize>,
    generation: u64,
    /// Grows whenever something else is remembered.
    version: u64,
}

impl<T> State<T> {
    pub(super) fn put(&mut self, number: i64, kept: Kept<T>) -> Option<Kept<T>> {
        self.version += 1;
        self.notes.insert(number, kept)
    }

    pub(super) fn take_out(&mut self, number: i64) -> Option<Kept<T>> {
        self.version += 1;
        self.notes.remove(&number)
    }
}

/// Everything of one kind.
#[derive(Debug)]
pub(super) struct Shelf<T> {
    state: Mutex<State<T>>,
    loading: tokio::sync::Mutex<()>,
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        let state = State {
            notes: BTreeMap::new(),
            is_loaded: false,
            is_primed: false,
            written: BTreeMap::new(),
            busy: BTreeMap::new(),
            adding: BTreeMap::new(),
            generation: 0,
            version: 0,
        };
        Self { state: Mutex::new(state), loading: tokio::sync::Mutex::default() }
    }
}

pub(super) fn key(name: &str, number: i64) -> String {
    format!("{name}/{number:020}")
}

impl<T: Noted> Shelf<T> {
    pub(super) fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads what earlier lives wrote down, once.
    pub(super) async fn load(&self, book: &Book) -> Result<()> {
        if self.lock().is_loaded {
            return Ok(());
        }
        let _held = self.loading.lock().await;
        if self.lock().is_loaded {
            return Ok(());
        }
        let prefix = format!("{}/", T::SHELF);
        let mut found = BTreeMap::new();
        let mut after: Option<String> = None;
        loop {
            let rows = book.notes.scan(&prefix, after.as_deref(), READ).await?;
            after = rows.last().map(|(key, _)| key.clone());
            let is_end = rows.len() < READ;
            for (_, bytes) in rows {
                // One that a later version wrote is read anew.
                let Ok(note) = from_bytes::<Note<T>>(&bytes) else { continue };
                found.insert(note.thing.number(), Kept { note, bytes });
            }
            if is_end {
                break;
            }
        }
        let primed = book.notes.get(&format!("primed-{}", T::SHELF)).await?.is_some();
        let mut state = self.lock();
        state.notes.extend(found);
        state.is_loaded = true;
        state.is_primed = primed;
        Ok(())
    }

    /// Everything that is there was seen once: what is new from now on is news.
    pub(super) async fn prime(&self, book: &Book) -> Result<()> {
        if self.lock().is_primed {
            return Ok(());
        }
        book.put(vec![(format!("primed-{}", T::SHELF), Some(b"1".to_vec()))]).await?;
        self.lock().is_primed = true;
        Ok(())
    }

    /// Whether there was such a look.
    pub(super) fn is_primed(&self) -> bool {
        self.lock().is_primed
    }

    /// To be taken before a question is asked, and given with its rows.
    pub(super) fn generation(&self) -> u64 {
        self.lock().generation
    }

    /// The same as long as the same is remembered.
    pub(super) fn version(&self) -> u64 {
        self.lock().version
    }

    /// One was, or is about to be, written by us.
    pub(super) fn touch(&self, number: i64) {
        let mut state = self.lock();
        state.generation += 1;
        let generation = state.generation;
        state.written.insert(number, generation);
    }

    pub(super) fn note(&self, number: i64) -> Option<Note<T>> {
        self.lock().notes.get(&number).map(|kept| kept.note.clone())
    }

    /// All that are known.
    pub(super) fn things(&self) -> Vec<T> {
        self.lock().notes.values().map(|kept| kept.note.thing.clone()).collect()
    }

    /// Whether it was there and is not any more.
    pub(super) fn is_gone(&self, number: i64) -> bool {
        let state = self.lock();
        state.written.contains_key(&number) && !state.notes.contains_key(&number)
    }

    /// Those that were not written by us since.
    pub(super) fn is_settled(&self, number: i64, since: u64) -> bool {
        self.lock().written.get(&number).is_none_or(|written| *written <= since)
    }

    /// What rows mean, in their order; what changed since the last sight is recorded as somebody
    /// else's. `since`: the generation before the question was asked.
    pub(super) async fn observe(
        &self,
        book: &Book,
        rows: &[Row],
        since: u64,
        is_whole: bool,
        context: &Context,
    ) -> Result<Vec<T>> {
        self.load(book).await?;
        let mut things = Vec::with_capacity(rows.len());
        let mut open = News::default();
        for row in rows {
            let mut sight = self.look(row, since, is_whole, context);
            if let Sight::News { note, before, told } = &mut sight {
                open.add(T::SHELF, note, before.take(), std::mem::take(told))?;
            }
            things.extend(sight.thing());
            if open.len() >= WRITE {
                self.write_down(book, std::mem::take(&mut open)).await?;
            }
        }
        self.write_down(book, open).await?;
        Ok(things)
    }

    fn look(&self, row: &Row, since: u64, is_whole: bool, context: &Context) -> Sight<T> {
        let mut columns = row.columns(T::COLUMNS);
        let state = self.lock();
        let number = row.int("id");
        let kept = state.notes.get(&number);
        // What is being written just now is for the next look.
        let is_busy = state.busy.contains_key(&number);
        if is_busy || state.written.get(&number).is_some_and(|written| *written > since) {
            return kept.map_or(Sight::Nothing, |kept| Sight::Same(kept.note.thing.clone()));
        }
        let known = kept.map(|kept| &kept.note);
        let known_is_whole = known.is_some_and(|note| note.is_whole);
        let is_same = known.is_some_and(|note| {
            columns.iter().all(|(name, now)| note.columns.get(name).is_none_or(|was| was == now))
        });
        if let Some(note) = known.filter(|_| is_same && (known_is_whole || !is_whole)) {
            return Sight::Same(note.thing.clone());
        }
        let now = columns.clone();
        let understood = Known {
            thing: known.map(|note| &note.thing),
            columns: known.map(|note| &note.columns),
            now: &now,
        };
        let Some(mut thing) = T::read(row, &understood, context) else { return Sight::Nothing };
        let stamp = Stamp::by(PersonId(0));
        let mut told = Rows::new(&stamp, context.now);
        let is_new_to_us = known.is_none();
        if is_new_to_us && state.is_primed && state.adding.contains_key(&T::place_of(row)) {
            // It may be the one that is being added: who it is of shows when that is over.
            return Sight::Same(thing);
        }
        let has_more = known.is_some_and(|n| columns.keys().any(|k| !n.columns.contains_key(k)));
        let first_whole = is_whole && has_more && is_same;
        if state.is_primed || !is_new_to_us {
            T::tell(known.map(|note| &note.thing), &thing, &mut told, context);
        }
        // What a list could not show is no news when it is first read.
        let told = if first_whole { Vec::new() } else { told.into_vec() };
        if !is_new_to_us && !told.is_empty() {
            thing.grow(context.now);
        }
        if let Some(note) = known {
            for (name, value) in &note.columns {
                columns.entry(name.clone()).or_insert_with(|| value.clone());
            }
        }
        let before = kept.map(|kept| kept.bytes.clone());
        let told =
            told.into_iter().map(|row| Activity { actor: None, mark: None, ..row }).collect();
        Sight::News { note: Note { columns, thing, is_whole }, before, told }
    }

    async fn write_down(&self, book: &Book, news: News<T>) -> Result<()> {
        if news.notes.is_empty() {
            return Ok(());
        }
        let News { notes, expected, lines, told } = news;
        if book.record(told, None, expected.clone(), lines.clone()).await? {
            let mut state = self.lock();
            for ((note, (_, bytes)), (_, before)) in notes.into_iter().zip(lines).zip(expected) {
                let number = note.thing.number();
                let is_as_expected =
                    state.notes.get(&number).map(|kept| &kept.bytes) == before.as_ref();
                if is_as_expected {
                    state.put(number, Kept { note, bytes: bytes.unwrap_or_default() });
                }
            }
            return Ok(());
        }
        // Another process wrote one of them down: what it wrote holds, the next look compares again.
        for (key, _) in &expected {
            let Some(bytes) = book.notes.get(key).await? else { continue };
            let Ok(note) = from_bytes::<Note<T>>(&bytes) else { continue };
            self.lock().put(note.thing.number(), Kept { note, bytes });
        }
        Ok(())
    }

    /// What is gone, if it is still known: told, and forgotten.
    pub(super) async fn lose(&self, book: &Book, number: i64, told: Vec<Activity>) -> Result<()> {
        let key = key(T::SHELF, number);
        for _ in 0..TRIES_MAX {
            let Some(before) = book.notes.get(&key).await? else { break };
            let expected = vec![(key.clone(), Some(before))];
            if book.record(told.clone(), None, expected, vec![(key.clone(), None)]).await? {
                break;
            }
        }
        self.lock().take_out(number);
        self.touch(number);
        Ok(())
    }
}

enum Sight<T> {
    Nothing,
    Same(T),
    News { note: Note<T>, before: Option<Vec<u8>>, told: Vec<Activity> },
}

impl<T> Sight<T> {
    fn thing(self) -> Option<T> {
        match self {
            Self::Nothing => None,
            Self::Same(thing) => Some(thing),
            Self::News { note, .. } => Some(note.thing),
        }
    }
}

struct News<T> {
    notes: Vec<Note<T>>,
    expected: Vec<Line>,
    lines: Vec<Line>,
    told: Vec<Activity>,
}

impl<T> Default for News<T> {
    fn default() -> Self {
        Self { notes: Vec::new(), expected: Vec::new(), lines: Vec::new(), told: Vec::new() }
    }
}

impl<T: Noted> News<T> {
    fn len(&self) -> usize {
        self.notes.len()
    }

    fn add(
        &mut self,
        name: &str,
        note: &Note<T>,
        before: Option<Vec<u8>>,
        told: Vec<Activity>,
    ) -> Result<()> {
        let key = key(name, note.thing.number());
        self.expected.push((key.clone(), before));
        self.lines.push((key, Some(to_bytes(note)?)));
        self.notes.push(note.clone());
        self.told.extend(told);
        Ok(())
    }
}
