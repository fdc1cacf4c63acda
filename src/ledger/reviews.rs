//! Work that was handed over, and what people decided about it: of several who decide at once one does.

use super::records::{self, Record, contended};
use super::{Ledger, LedgerError, Result, TRIES_MAX, keys};
use crate::domain::{Decided, HandOver, RunId, TaskId, Verdict};
use crate::store::Batch;
use std::collections::{BTreeMap, BTreeSet};

/// The hand-overs of so many tasks are read one by one.
const ONE_BY_ONE_MAX: usize = 20;

impl Ledger {
    /// The last hand-over of a task; `None`: it was never handed over.
    pub async fn hand_over(&self, task: TaskId) -> Result<Option<HandOver>> {
        let found: Option<Record<HandOver>> = self.read_known(&self.review_key(task)).await?;
        Ok(found.map(|found| found.value))
    }

    /// The last hand-overs of these tasks; of many, by reading all that there are, page by page.
    pub async fn hand_overs(&self, tasks: &BTreeSet<TaskId>) -> Result<BTreeMap<TaskId, HandOver>> {
        let mut found = BTreeMap::new();
        if tasks.len() <= ONE_BY_ONE_MAX {
            for task in tasks {
                let known = self.read_known::<HandOver>(&self.review_key(*task)).await?;
                found.extend(known.map(|hand_over| (*task, hand_over.value)));
            }
            return Ok(found);
        }
        let prefix = keys::review_prefix(&self.options.board);
        let mut after: Option<String> = None;
        loop {
            let page: Vec<(String, Record<HandOver>)> =
                records::scan(self.store.as_ref(), &prefix, after.as_deref(), records::PAGE)
                    .await?;
            let Some((end, _)) = page.last() else { return Ok(found) };
            after = Some(end.clone());
            for (key, hand_over) in page {
                let task = key[prefix.len()..].parse::<TaskId>().ok();
                let task = task.filter(|task| tasks.contains(task));
                found.extend(task.map(|task| (task, hand_over.value)));
            }
        }
    }

    /// Hand-overs that nobody has decided about, or whose decision the board does not show yet.
    pub async fn open_hand_overs(&self) -> Result<Vec<HandOver>> {
        self.listed(&keys::review_open_prefix(&self.options.board)).await
    }

    /// Hand-overs whose decision the board does not show yet.
    pub async fn unwritten_reviews(&self) -> Result<Vec<HandOver>> {
        self.listed(&keys::review_unwritten_prefix(&self.options.board)).await
    }

    /// Writes a decision down, also in the audit log, unless there is one: the hand-over with the one
    /// that stands.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`]: the task was handed over anew, or never.
    pub async fn decide_review(
        &self,
        task: TaskId,
        run: &RunId,
        decided: Decided,
    ) -> Result<HandOver> {
        let key = self.review_key(task);
        for _ in 0..TRIES_MAX {
            let found = self.read::<HandOver>(&key).await?;
            let Some(found) = found.filter(|found| found.value.run == *run) else {
                return Err(LedgerError::NotFound { what: format!("what run {run} handed over") });
            };
            if found.value.decided.is_some() {
                return Ok(found.value);
            }
            let wanted = HandOver { decided: Some(decided.clone()), ..found.value.clone() };
            let what = match decided.verdict {
                Verdict::Approved => "approve",
                Verdict::ChangesRequested => "request-changes",
            };
            let detail = format!("task {task}, run {run}: {}", decided.comment);
            let (audited, _) = self.audit_batch(&decided.name, what, &detail).await?;
            let batch = records::replace(Batch::new(), &key, &wanted, Some(&found))?
                .put(keys::review_unwritten(&self.options.board, task), "{}");
            if self.try_commit(batch.and(audited)).await? {
                return Ok(wanted);
            }
        }
        Err(contended(key))
    }

    /// The board shows a decision now.
    pub async fn review_written(&self, task: TaskId, run: &RunId) -> Result<()> {
        self.close(task, run, |hand_over| {
            if let Some(decided) = &mut hand_over.decided {
                decided.written = true;
            }
        })
        .await
    }

    /// A hand-over waits for nobody any more: the task is gone.
    pub async fn forget_hand_over(&self, task: TaskId, run: &RunId) -> Result<()> {
        self.close(task, run, |_| {}).await
    }

    async fn close(&self, task: TaskId, run: &RunId, how: impl Fn(&mut HandOver)) -> Result<()> {
        let (key, board) = (self.review_key(task), &self.options.board);
        for _ in 0..TRIES_MAX {
            let found = self.read::<HandOver>(&key).await?;
            let Some(found) = found.filter(|found| found.value.run == *run) else { return Ok(()) };
            let mut wanted = found.value.clone();
            how(&mut wanted);
            let batch = records::replace(Batch::new(), &key, &wanted, Some(&found))?
                .delete(keys::review_open(board, task))
                .delete(keys::review_unwritten(board, task));
            if self.try_commit(batch).await? {
                return Ok(());
            }
        }
        Err(contended(key))
    }

    /// Adds a hand-over to the commit that ends its run.
    pub(super) async fn hand_over_batch(&self, batch: Batch, new: &HandOver) -> Result<Batch> {
        let (key, board) = (self.review_key(new.task), &self.options.board);
        let found = self.read::<HandOver>(&key).await?;
        let mut batch = records::replace(batch, &key, new, found.as_ref())?;
        let is_unsaid = |decided: &Decided| !decided.written;
        if let Some(found) = found
            .map(|found| found.value)
            .filter(|found| found.run != new.run && found.decided.as_ref().is_some_and(is_unsaid))
        {
            // What a person said is still to be shown to those who work at it.
            let key = keys::review_overtaken(board, new.task, &found.run);
            batch = records::put::<_, ()>(batch, &key, &found, None)?;
        }
        Ok(batch
            .put(keys::review_open(board, new.task), "{}")
            .delete(keys::review_unwritten(board, new.task)))
    }

    /// Decisions about what was handed over before, which the board does not show though the task was
    /// handed over anew.
    pub async fn overtaken_reviews(&self) -> Result<Vec<HandOver>> {
        let list = keys::review_overtaken_prefix(&self.options.board);
        let rows: Vec<(String, Record<HandOver>)> =
            records::scan(self.store.as_ref(), &list, None, records::PAGE).await?;
        Ok(rows.into_iter().map(|(_, row)| row.value).collect())
    }

    /// The board shows such a decision now.
    pub async fn overtaken_written(&self, task: TaskId, run: &RunId) -> Result<()> {
        let key = keys::review_overtaken(&self.options.board, task, run);
        self.store.commit(Batch::new().delete(key)).await?;
        Ok(())
    }

    async fn listed(&self, prefix: &str) -> Result<Vec<HandOver>> {
        let mut all = Vec::new();
        for task in self.tasks_under(prefix).await? {
            let known = self.read_known::<HandOver>(&self.review_key(task)).await?;
            all.extend(known.map(|hand_over| hand_over.value));
        }
        Ok(all)
    }

    fn review_key(&self, task: TaskId) -> String {
        keys::review(&self.options.board, task)
    }
}
