//! Proposals that wait for a person, and what was decided about them: of several who decide at once
//! one does, and each proposal has one end.

use super::records::{self, Record, contended};
use super::{Ledger, LedgerError, Result, TRIES_MAX, keys};
use crate::domain::{Mark, ProposalState, RunId, Sentence, Staging, TaskId, Verdict};
use crate::store::Batch;

impl Ledger {
    /// The last proposals about a task; `None`: there never were any.
    ///
    /// # Errors
    /// Also where only a newer Rota can read them: they are there, and whoever staged them sees to them.
    pub async fn staging(&self, task: TaskId) -> Result<Option<Staging>> {
        let found: Option<Record<Staging>> = self.read(&self.staging_key(task)).await?;
        Ok(found.map(|found| found.value))
    }

    /// Those of which something is still to become.
    pub async fn open_stagings(&self) -> Result<Vec<Staging>> {
        let mut all = Vec::new();
        for task in self.tasks_under(&keys::staging_open_prefix(&self.options.board)).await? {
            let known = self.read_known::<Staging>(&self.staging_key(task)).await?;
            let known = known.map(|staging| staging.value);
            all.extend(known.filter(|staging| staging.closed.is_none()));
        }
        Ok(all)
    }

    /// Writes proposals down. Doing so again for the same run changes nothing.
    pub async fn put_staging(&self, new: &Staging) -> Result<()> {
        let key = self.staging_key(new.task);
        for _ in 0..TRIES_MAX {
            let found = self.read::<Staging>(&key).await?;
            if found.as_ref().is_some_and(|found| found.value.run == new.run) {
                return Ok(());
            }
            let batch = records::replace(Batch::new(), &key, new, found.as_ref())?
                .put(keys::staging_open(&self.options.board, new.task), "{}");
            if self.try_commit(batch).await? {
                return Ok(());
            }
        }
        Err(contended(key))
    }

    /// Writes a decision down, also in the audit log, unless there is one or the time is over: the
    /// proposals with what stands.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`]: this run's proposals wait no more.
    pub async fn decide_staging(
        &self,
        task: TaskId,
        run: &RunId,
        sentence: Sentence,
    ) -> Result<Staging> {
        let who = sentence.decided.name.clone();
        let numbers: Vec<String> = sentence.applies.iter().map(ToString::to_string).collect();
        let edited: Vec<String> = sentence.edits.keys().map(ToString::to_string).collect();
        let (what, detail) = match sentence.decided.verdict {
            Verdict::Approved => {
                let edited = match edited.as_slice() {
                    [] => String::new(),
                    edited => format!(", of these edited {}", edited.join(", ")),
                };
                ("apply", format!("proposals {}{edited}", numbers.join(", ")))
            }
            Verdict::ChangesRequested => ("reject", "all proposals".to_owned()),
        };
        let comment = &sentence.decided.comment;
        let detail = format!("task {task}, run {run}: {detail}: {comment}");
        let decide = |staging: &mut Staging| staging.decided = Some(sentence.clone());
        self.judge_staging(task, run, decide, Some((&who, what, &detail))).await
    }

    /// Lets them lapse, unless somebody has decided: the proposals with what stands.
    ///
    /// # Errors
    /// As for [`Ledger::decide_staging`].
    pub async fn expire_staging(&self, task: TaskId, run: &RunId) -> Result<Staging> {
        let detail = format!("task {task}, run {run}: nobody decided about its proposals");
        let lapse = |staging: &mut Staging| staging.expired = true;
        self.judge_staging(task, run, lapse, Some(("rota", "expire", &detail))).await
    }

    async fn judge_staging(
        &self,
        task: TaskId,
        run: &RunId,
        judge: impl Fn(&mut Staging),
        audit: Option<(&str, &str, &str)>,
    ) -> Result<Staging> {
        let key = self.staging_key(task);
        for _ in 0..TRIES_MAX {
            let found = self.read::<Staging>(&key).await?;
            let Some(found) = found.filter(|found| found.value.run == *run) else {
                return Err(LedgerError::NotFound { what: format!("proposal of run {run}") });
            };
            if !found.value.is_open() {
                return Ok(found.value);
            }
            let mut wanted = found.value.clone();
            judge(&mut wanted);
            let mut batch = records::replace(Batch::new(), &key, &wanted, Some(&found))?;
            if let Some((who, what, detail)) = audit {
                let (audited, _) = self.audit_batch(who, what, detail).await?;
                batch = batch.and(audited);
            }
            if self.try_commit(batch).await? {
                return Ok(wanted);
            }
        }
        Err(contended(key))
    }

    /// Notes what became of one of them; what is known of it stays.
    pub async fn note_proposal(
        &self,
        task: TaskId,
        run: &RunId,
        number: u32,
        (state, why): (ProposalState, &str),
    ) -> Result<()> {
        self.change_staging(task, run, |staging| {
            let open = |item: &&mut crate::domain::Proposal| {
                item.number == number && item.state == ProposalState::Open
            };
            let Some(item) = staging.items.iter_mut().find(open) else { return Vec::new() };
            (item.state, item.why) = (state, why.to_owned());
            (!state.is_applied()).then(|| item.mark.clone()).into_iter().collect()
        })
        .await
    }

    /// Nothing more becomes of them: those that are open end so.
    pub async fn close_staging(
        &self,
        task: TaskId,
        run: &RunId,
        (state, why): (ProposalState, &str),
    ) -> Result<()> {
        let now = self.clock.wall();
        self.change_staging(task, run, |staging| {
            staging.closed.get_or_insert(now);
            let mut freed = Vec::new();
            for item in staging.items.iter_mut().filter(|i| i.state == ProposalState::Open) {
                (item.state, item.why) = (state, why.to_owned());
                freed.push(item.mark.clone());
            }
            freed
        })
        .await
    }

    /// Changes it; of the effects that are given back, what they were to do once may be done again.
    async fn change_staging(
        &self,
        task: TaskId,
        run: &RunId,
        mut how: impl FnMut(&mut Staging) -> Vec<Mark>,
    ) -> Result<()> {
        let key = self.staging_key(task);
        for _ in 0..TRIES_MAX {
            let found = self.read::<Staging>(&key).await?;
            let Some(found) = found.filter(|found| found.value.run == *run) else { return Ok(()) };
            let mut wanted = found.value.clone();
            let freed = how(&mut wanted);
            if wanted == found.value {
                return Ok(());
            }
            let mut batch = records::replace(Batch::new(), &key, &wanted, Some(&found))?;
            if wanted.closed.is_some() {
                batch = batch.delete(keys::staging_open(&self.options.board, task));
            }
            for mark in &freed {
                batch = self.freed_once(batch, mark).await?;
            }
            if self.try_commit(batch).await? {
                return Ok(());
            }
        }
        Err(contended(key))
    }

    fn staging_key(&self, task: TaskId) -> String {
        keys::staging(&self.options.board, task)
    }
}
