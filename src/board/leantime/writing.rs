//! What a write has in its hands: looks leave it alone until the write ends.
//!
//! What a write keeps is remembered at once, for its own later steps, and written down together with
//! its mark and its rows of the record. If it ends before that, what it kept is forgotten again, and
//! the next look tells what the server has.

use super::book::to_bytes;
use super::notebook::Line;
use super::shelf::{Kept, Note, Noted, Shelf, key};
use crate::board::Result;

/// What is being written.
#[derive(Clone, Debug)]
enum What {
    Number(i64),
    /// Something new, whose number is not known yet.
    New(String),
}

/// A part of a write. Dropped, it is over.
pub(super) trait Part: Send + Sync + std::fmt::Debug {
    /// It was recorded: what it kept holds.
    fn recorded(&mut self);
}

/// What is remembered again if a write is not recorded.
#[derive(Debug, Default)]
enum Before<T> {
    /// What is remembered now.
    #[default]
    Same,
    Nothing,
    Known(Kept<T>),
}

#[derive(Debug)]
pub(super) struct Writing<'a, T: Noted> {
    shelf: &'a Shelf<T>,
    what: What,
    before: Before<T>,
}

impl<T: Noted> Part for Writing<'_, T> {
    fn recorded(&mut self) {
        self.before = Before::Same;
    }
}

impl<T: Noted> Drop for Writing<'_, T> {
    fn drop(&mut self) {
        let mut state = self.shelf.lock();
        match &self.what {
            What::Number(number) => {
                match std::mem::take(&mut self.before) {
                    Before::Known(before) => drop(state.put(*number, before)),
                    Before::Nothing => drop(state.take_out(*number)),
                    Before::Same => {}
                }
                lower(&mut state.busy, number);
            }
            What::New(place) => lower(&mut state.adding, place),
        }
    }
}

fn lower<K: Ord>(counts: &mut std::collections::BTreeMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

impl<T: Noted> Shelf<T> {
    /// One is about to be written.
    pub(super) fn writing(&self, number: i64) -> Writing<'_, T> {
        self.touch(number);
        *self.lock().busy.entry(number).or_default() += 1;
        Writing { shelf: self, what: What::Number(number), before: Before::Same }
    }

    /// A new one is about to be added in a place: what is not known there may be ours.
    pub(super) fn adding(&self, place: String) -> Writing<'_, T> {
        *self.lock().adding.entry(place.clone()).or_default() += 1;
        Writing { shelf: self, what: What::New(place), before: Before::Same }
    }

    /// Whether it is being written just now.
    pub(super) fn is_busy(&self, number: i64) -> bool {
        self.lock().busy.contains_key(&number)
    }

    /// Remembers what was written, or, with `None`, that it is gone; the line is to be written down.
    pub(super) fn hold(
        &self,
        number: i64,
        note: Option<Note<T>>,
    ) -> Result<(Line, Writing<'_, T>)> {
        let bytes = note.as_ref().map(to_bytes).transpose()?;
        let mut writing = self.writing(number);
        let mut state = self.lock();
        let before = match note.zip(bytes.clone()) {
            Some((note, bytes)) => state.put(number, Kept { note, bytes }),
            None => state.take_out(number),
        };
        writing.before = before.map_or(Before::Nothing, Before::Known);
        drop(state);
        Ok(((key(T::SHELF, number), bytes), writing))
    }
}
