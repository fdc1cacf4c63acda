//! What an answer was understood as, for as long as the same answer is given again.
//!
//! Lists are large, are asked for often, and are mostly the answer of a moment ago.

use super::call::Reply;
use std::sync::{Arc, Mutex, PoisonError};

#[derive(Debug)]
struct Understood<T> {
    answers: Vec<Arc<Vec<Reply>>>,
    version: u64,
    meaning: Arc<T>,
}

/// The last meaning of one question.
#[derive(Debug)]
pub(super) struct Memo<T> {
    last: Mutex<Option<Understood<T>>>,
}

impl<T> Default for Memo<T> {
    fn default() -> Self {
        Self { last: Mutex::default() }
    }
}

impl<T> Memo<T> {
    /// What these very answers meant, if what is remembered of things is as it was then.
    pub(super) fn get(&self, answers: &[Arc<Vec<Reply>>], version: u64) -> Option<Arc<T>> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let last = last.as_ref().filter(|last| {
            last.version == version
                && last.answers.len() == answers.len()
                && last.answers.iter().zip(answers).all(|(one, other)| Arc::ptr_eq(one, other))
        });
        last.map(|last| Arc::clone(&last.meaning))
    }

    pub(super) fn put(&self, answers: Vec<Arc<Vec<Reply>>>, version: u64, meaning: &Arc<T>) {
        let meaning = Arc::clone(meaning);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some(Understood { answers, version, meaning });
    }
}
