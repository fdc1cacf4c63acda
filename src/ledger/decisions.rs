//! Decisions: why a task or playbook was, or was not, acted upon. What is decided again in the same
//! way is not written again, so a playbook that looks every minute leaves one line, not a thousand.

use super::records::{self, Found, Record, contended};
use super::{Ledger, Result, TRIES_MAX, keys};
use crate::domain::{Decision, PlaybookName, TaskId, Timestamp};
use crate::store::Batch;

/// So many are kept about a task, and about a playbook as a whole.
const DECISIONS_MAX: usize = 50;
/// More of a decision's particulars is not kept.
const DETAIL_CHARS_MAX: usize = 1_000;

impl Ledger {
    /// Records a decision, unless the playbook's last one about the same subject has the same
    /// reason and detail. The oldest beyond 50 a subject are forgotten.
    pub async fn decide(&self, mut decision: Decision) -> Result<()> {
        if decision.detail.chars().count() > DETAIL_CHARS_MAX {
            decision.detail = decision.detail.chars().take(DETAIL_CHARS_MAX).collect();
        }
        let subject = match decision.task {
            Some(task) => keys::decisions_task(&self.options.board, task),
            None => keys::decisions_playbook(&decision.playbook),
        };
        for _ in 0..TRIES_MAX {
            let all: Vec<(String, Found<Decision>)> =
                records::scan_found(self.store.as_ref(), &subject, None, DECISIONS_MAX * 2).await?;
            let end = all.last().and_then(|(key, _)| key[subject.len()..].parse::<u64>().ok());
            let known: Vec<_> =
                all.into_iter().filter_map(|(key, found)| Some((key, found.known()?))).collect();
            let last =
                known.iter().rev().find(|(_, record)| record.value.playbook == decision.playbook);
            if last.is_some_and(|(_, last)| says_the_same(&last.value, &decision)) {
                return Ok(());
            }
            let key = format!("{subject}{}", keys::number(end.unwrap_or(0) + 1));
            let mut batch = records::create(Batch::new(), &key, &decision)?;
            let excess = (known.len() + 1).saturating_sub(DECISIONS_MAX);
            for (key, record) in known.iter().take(excess) {
                batch = records::remove(batch, key, record);
            }
            if self.try_commit(batch).await? {
                return Ok(());
            }
        }
        Err(contended(subject))
    }

    /// About a task, newest first; with `at`, those that were there at that instant.
    pub async fn decisions_about_task(
        &self,
        task: TaskId,
        at: Option<Timestamp>,
    ) -> Result<Vec<Decision>> {
        self.newest_first(&keys::decisions_task(&self.options.board, task), at).await
    }

    /// About a playbook as a whole, newest first; with `at`, those that were there at that instant.
    pub async fn decisions_about_playbook(
        &self,
        playbook: &PlaybookName,
        at: Option<Timestamp>,
    ) -> Result<Vec<Decision>> {
        self.newest_first(&keys::decisions_playbook(playbook), at).await
    }

    async fn known(&self, subject: &str) -> Result<Vec<(String, Record<Decision>)>> {
        Ok(records::scan(self.store.as_ref(), subject, None, DECISIONS_MAX * 2).await?)
    }

    async fn newest_first(&self, subject: &str, at: Option<Timestamp>) -> Result<Vec<Decision>> {
        let known = self.known(subject).await?;
        let decisions = known.into_iter().rev().map(|(_, record)| record.value);
        Ok(decisions.filter(|decision| at.is_none_or(|at| decision.at <= at)).collect())
    }
}

fn says_the_same(one: &Decision, other: &Decision) -> bool {
    one.playbook == other.playbook
        && one.task == other.task
        && one.reason == other.reason
        && one.detail == other.detail
        && one.run == other.run
}
