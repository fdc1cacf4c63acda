//! What people decided about work that was handed over: of several who decide at once one does.

use super::records::{self, Record, contended};
use super::{Ledger, Result, TRIES_MAX, keys};
use crate::domain::{Decided, RunId, TaskId, Verdict};
use crate::store::Batch;

impl Ledger {
    /// The last decision about a task; `None`: nobody has decided about it yet.
    pub async fn reviewed(&self, task: TaskId) -> Result<Option<Decided>> {
        let found: Option<Record<Decided>> =
            self.read(&keys::review(&self.options.board, task)).await?;
        Ok(found.map(|found| found.value))
    }

    /// Writes a decision down, also in the audit log, unless there is one about the same run: the one
    /// that stands.
    pub async fn review(&self, new: Decided) -> Result<Decided> {
        let key = keys::review(&self.options.board, new.task);
        for _ in 0..TRIES_MAX {
            let found: Option<Record<Decided>> = self.read(&key).await?;
            if let Some(first) = found.as_ref().filter(|found| found.value.run == new.run) {
                return Ok(first.value.clone());
            }
            let batch = records::replace(Batch::new(), &key, &new, found.as_ref())?;
            let what = match new.verdict {
                Verdict::Approved => "approve",
                Verdict::ChangesRequested => "request-changes",
            };
            let detail = format!("task {}, run {}: {}", new.task, new.run, new.comment);
            let (audited, _) = self.audit_batch(&new.name, what, &detail).await?;
            if self.try_commit(batch.and(audited)).await? {
                return Ok(new);
            }
        }
        Err(contended(key))
    }

    /// The board shows a decision now.
    pub async fn review_written(&self, task: TaskId, run: &RunId) -> Result<()> {
        let key = keys::review(&self.options.board, task);
        for _ in 0..TRIES_MAX {
            let Some(found) = self.read::<Decided>(&key).await? else { return Ok(()) };
            if found.value.run != *run || found.value.written {
                return Ok(());
            }
            let written = Decided { written: true, ..found.value.clone() };
            let batch = records::replace(Batch::new(), &key, &written, Some(&found))?;
            if self.try_commit(batch).await? {
                return Ok(());
            }
        }
        Err(contended(key))
    }
}
