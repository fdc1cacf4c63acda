//! What models said of tasks before they were claimed, by playbook and task.

use super::records::{self, Record, contended};
use super::{Ledger, Result, TRIES_MAX, keys};
use crate::domain::{Fitness, PlaybookName, TaskId};
use crate::store::Batch;

impl Ledger {
    /// What was said of a task last; `None`: nobody was asked, or it was long ago.
    ///
    /// # Errors
    /// Also where only a newer Rota can read it: it was said, and whoever asks once more cannot write it down.
    pub async fn fitness(&self, playbook: &PlaybookName, task: TaskId) -> Result<Option<Fitness>> {
        let key = keys::fitness(playbook, &self.options.board, task);
        Ok(self.read(&key).await?.map(|found| found.value))
    }

    /// Remembers what was said of a task.
    pub async fn note_fitness(&self, playbook: &PlaybookName, said: &Fitness) -> Result<()> {
        let key = keys::fitness(playbook, &self.options.board, said.task);
        for _ in 0..TRIES_MAX {
            let found: Option<Record<Fitness>> = self.read(&key).await?;
            let batch = records::replace(Batch::new(), &key, said, found.as_ref())?;
            if self.try_commit(batch).await? {
                return Ok(());
            }
        }
        Err(contended(key))
    }
}
