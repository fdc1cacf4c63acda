//! Commands that people gave in comments and that are still to be carried out: written down before the
//! board's news count as heard, removed when they were answered.

use super::records::{self, Record};
use super::{Ledger, Result, keys};
use crate::domain::{CommentId, PersonId, TaskId, Timestamp};
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
}

impl Ledger {
    /// A command is to be carried out, once.
    pub async fn put_command(&self, given: &CommandGiven) -> Result<()> {
        let key = keys::command(&self.options.board, given.comment);
        let batch = records::put(Batch::new(), &key, given, None::<&Record<CommandGiven>>)?;
        self.store.commit(batch).await?;
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
