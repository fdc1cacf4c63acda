//! People and projects, kept between two questions: few, asked for all the time, seldom changed.
//!
//! Each question looks at the rows of activity since the last one. A person or project never changes
//! without such a row in the same transaction, so the answer is as new as one that reads everything,
//! also when another process has written; what somebody writes past the board, into the tables themselves,
//! is seen with the next change of a person or project. Rows are numbered in the order in which they are
//! committed, so none appears behind the last one that was seen; if that one is gone, the board is an older
//! copy, and everything is read again.

use super::super::Result;
use super::memo::Question;
use super::{SqlBoard, history, people, projects};
use crate::domain::{Person, Project, ProjectId};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What was read last.
#[derive(Debug, Default)]
pub(super) struct Directory(Mutex<Option<Kept>>);

/// Everybody and all projects, as no row of activity up to this one has left them otherwise.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    row: i64,
    pub(super) people: Arc<[Person]>,
    pub(super) projects: Arc<BTreeMap<ProjectId, Project>>,
}

impl Directory {
    fn lock(&self) -> MutexGuard<'_, Option<Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what was read, unless somebody has read later rows meanwhile.
    fn keep(&self, new: &Kept) {
        let mut kept = self.lock();
        if kept.as_ref().is_none_or(|kept| kept.row <= new.row) {
            *kept = Some(new.clone());
        }
    }
}

impl SqlBoard {
    /// People and projects as they are now.
    pub(super) async fn kept(&self) -> Result<Kept> {
        self.memo.recall(Question::Directory, self.looked_up()).await
    }

    async fn looked_up(&self) -> Result<Kept> {
        let mut reader = self.reader().await?;
        let kept = self.directory.lock().clone();
        if let Some(kept) = kept {
            let news = history::news_of_directory(&mut reader, kept.row).await?;
            if let (Some(latest), false) = (news.latest, news.changed) {
                let kept = Kept { row: latest, ..kept };
                self.directory.keep(&kept);
                return Ok(kept);
            }
            if news.latest.is_none() {
                *self.directory.lock() = None;
            }
        }
        // The row first: what is read after it is never older.
        let row = history::latest(&mut reader).await?;
        let all = projects::select(&mut reader, &[]).await?;
        let new = Kept {
            row,
            people: people::all(&mut reader).await?.into(),
            projects: Arc::new(all.into_iter().map(|project| (project.id, project)).collect()),
        };
        self.directory.keep(&new);
        Ok(new)
    }
}
