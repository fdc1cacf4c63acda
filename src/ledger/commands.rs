//! Commands that people gave in comments and that are still to be carried out: written down before the
//! board's news count as heard, removed when they were answered.

use super::records::{self, Found, Record};
use super::{Ledger, Result, keys};
use crate::domain::{CommentId, Fence, PersonId, RunId, TaskId, Timestamp};
use crate::store::Batch;
use serde::{Deserialize, Serialize};

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

    /// Takes one to carry it out: of several daemons one does, and after a crash nobody does it again.
    pub async fn take_command(&self, comment: CommentId) -> Result<bool> {
        let key = keys::command_taken(&self.options.board, comment);
        let batch = records::create(Batch::new(), &key, &self.clock.wall())?;
        Ok(self.try_commit(batch).await?)
    }

    /// It could not be carried out now, and nothing of it happened.
    pub async fn leave_command(&self, comment: CommentId) -> Result<()> {
        let key = keys::command_taken(&self.options.board, comment);
        self.store.commit(Batch::new().delete(key)).await?;
        Ok(())
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
        self.store.commit(Batch::new().delete(key)).await?;
        Ok(())
    }
}
