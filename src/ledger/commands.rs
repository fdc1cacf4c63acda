//! Commands that people gave in comments and that are still to be carried out: written down before the
//! board's news count as heard, removed when they were answered.

use super::begun::LifeOf;
use super::daemons::KnownDaemon;
use super::records::{self, Found, Record};
use super::{Ledger, Result, keys};
use crate::domain::{CommentId, Fence, PersonId, RunId, TaskId, Timestamp};
use crate::store::Batch;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::{MutexGuard, PoisonError};

/// A comment by which a person told an agent something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandGiven {
    /// The comment.
    pub comment: CommentId,
    /// On which task.
    pub task: TaskId,
    /// Who wrote it, as the board says.
    pub author: PersonId,
    /// The agent that was named; `None`: whichever it is.
    pub agent: Option<String>,
    /// What it is told.
    pub word: String,
    /// When it was written, as the board says.
    pub at: Timestamp,
    /// The claim that was there then.
    #[serde(default)]
    pub fence: Option<Fence>,
    /// The run whose work waited then.
    #[serde(default)]
    pub handed: Option<RunId>,
}

impl Ledger {
    /// A command is to be carried out; one that was taken is not heard again.
    pub async fn put_command(&self, given: &CommandGiven) -> Result<()> {
        let board = &self.options.board;
        let (key, taken) =
            (keys::command(board, given.comment), keys::command_taken(board, given.comment));
        if !matches!(self.find::<Timestamp>(&taken).await?, Found::Nothing) {
            return Ok(());
        }
        let batch = records::create(Batch::new(), &key, given)?;
        // It is known already, or will be: either is what was wanted.
        self.try_commit(batch).await?;
        Ok(())
    }

    /// Takes one to carry it out: of several daemons one does, and after a crash nobody does it again. Where
    /// it was not said whether this life has taken it, or left it, it may ask again.
    pub async fn take_command(&self, comment: CommentId) -> Result<bool> {
        let (key, taker) = self.taken_keys(comment);
        if self.is_newers(&taker).await? {
            return Ok(false);
        }
        let batch = records::create(Batch::new(), &key, &self.clock.wall())?;
        let batch = records::put::<_, ()>(batch, &taker, &self.own_life(), None)?;
        let is_taken = self.try_commit(batch).await;
        if is_taken.is_err() {
            self.doubtful().insert(comment);
        }
        if is_taken? {
            self.doubtful().remove(&comment);
            return Ok(true);
        }
        if !self.doubtful().contains(&comment) {
            return Ok(false);
        }
        let found: Option<Record<LifeOf>> = self.read(&taker).await?;
        self.doubtful().remove(&comment);
        Ok(found.is_some_and(|found| found.value == self.own_life()))
    }

    /// It could not be carried out now, and nothing of it happened.
    pub async fn leave_command(&self, comment: CommentId) -> Result<()> {
        let (key, taker) = self.taken_keys(comment);
        let left = self.store.commit(Batch::new().delete(key).delete(taker)).await;
        if left.is_err() {
            self.doubtful().insert(comment);
        }
        left?;
        Ok(())
    }

    /// Whether another daemon is there that has taken one, and says itself when it is done.
    pub async fn is_command_elsewhere(&self, comment: CommentId) -> Result<bool> {
        let (_, taker) = self.taken_keys(comment);
        let found: Option<Record<LifeOf>> = match self.read(&taker).await {
            Err(error) if error.is_of_newer() => return Ok(true),
            found => found?,
        };
        let own = self.own_life();
        let Some(whose) = found.map(|found| found.value).filter(|whose| *whose != own) else {
            return Ok(false);
        };
        let is_whose = |known: &KnownDaemon| {
            let is_its_life = known.is_newer || known.record.life == whose.life;
            known.record.id == whose.daemon && is_its_life
        };
        Ok(self.daemons().await?.iter().any(|known| known.is_there && is_whose(known)))
    }

    /// Commands that are to be carried out, by their comments; the first of them.
    pub async fn commands(&self) -> Result<Vec<CommandGiven>> {
        let prefix = keys::command_prefix(&self.options.board);
        let rows: Vec<(String, Record<CommandGiven>)> =
            records::scan(self.store.as_ref(), &prefix, None, records::PAGE).await?;
        Ok(rows.into_iter().map(|(_, row)| row.value).collect())
    }

    /// One was carried out.
    pub async fn command_done(&self, comment: CommentId) -> Result<()> {
        let key = keys::command(&self.options.board, comment);
        let (_, taker) = self.taken_keys(comment);
        self.store.commit(Batch::new().delete(key).delete(taker)).await?;
        Ok(())
    }

    /// That it was taken, and by whom.
    fn taken_keys(&self, comment: CommentId) -> (String, String) {
        let board = &self.options.board;
        (keys::command_taken(board, comment), keys::command_taker(board, comment))
    }

    /// Those of which it is not known whether this life has taken them.
    fn doubtful(&self) -> MutexGuard<'_, BTreeSet<CommentId>> {
        self.doubtful.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
