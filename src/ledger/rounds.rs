//! How far reviews have come: written with the end of the run that looked, one record a task.

use super::records::{self, Found, Record, contended};
use super::{Ledger, Result, TRIES_MAX, keys};
use crate::domain::{HandOver, Rounds, RunId, TaskId};
use crate::store::Batch;

impl Ledger {
    /// How far the review of a task has come; `None`: nobody has looked, or it was long ago.
    ///
    /// # Errors
    /// Also where only a newer Rota can read it: somebody has looked, and no look here can be written down.
    pub async fn rounds(&self, task: TaskId) -> Result<Option<Rounds>> {
        Ok(self.read(&self.rounds_key(task)).await?.map(|found| found.value))
    }

    /// Whether only a newer Rota can read how far a task's review has come, or what was handed over of it:
    /// what a run here comes to could not be written down.
    pub async fn is_review_of_newer(&self, task: TaskId) -> Result<bool> {
        let handed = self.find::<HandOver>(&keys::review(&self.options.board, task)).await?;
        let rounds = self.find::<Rounds>(&self.rounds_key(task)).await?;
        Ok(matches!(handed, Found::Newer) || matches!(rounds, Found::Newer))
    }

    /// The reviews that a person is to answer, by task.
    pub async fn open_rounds(&self) -> Result<Vec<Rounds>> {
        let mut all = Vec::new();
        for task in self.tasks_under(&keys::rounds_open_prefix(&self.options.board)).await? {
            let known: Option<Record<Rounds>> = self.read_known(&self.rounds_key(task)).await?;
            let known = known.map(|found| found.value);
            all.extend(known.filter(Rounds::waits_for_a_person));
        }
        Ok(all)
    }

    /// Nobody is to answer the review that this run wrote any more: the task is gone.
    pub async fn forget_rounds(&self, task: TaskId, run: &RunId) -> Result<()> {
        let key = self.rounds_key(task);
        for _ in 0..TRIES_MAX {
            let found: Option<Record<Rounds>> = self.read(&key).await?;
            let Some(found) = found.filter(|found| found.value.run == *run) else { return Ok(()) };
            let batch = records::remove(Batch::new(), &key, &found)
                .delete(keys::rounds_open(&self.options.board, task));
            if self.try_commit(batch).await? {
                return Ok(());
            }
        }
        Err(contended(key))
    }

    /// Adds how far a review has come to the commit that ends its run.
    pub(super) async fn rounds_batch(&self, batch: Batch, new: &Rounds) -> Result<Batch> {
        let key = self.rounds_key(new.task);
        let found = self.read::<Rounds>(&key).await?;
        let batch = records::replace(batch, &key, new, found.as_ref())?;
        let open = keys::rounds_open(&self.options.board, new.task);
        Ok(if new.waits_for_a_person() { batch.put(open, "{}") } else { batch.delete(open) })
    }

    fn rounds_key(&self, task: TaskId) -> String {
        keys::rounds(&self.options.board, task)
    }
}
