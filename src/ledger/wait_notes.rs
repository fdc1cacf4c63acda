//! Notes at what waits for a person: put off, seen, passed on, decided, how often it was escalated. They
//! hold for what waits since that instant, and for nothing that comes to wait there later.

use super::records::{self, Record, contended};
use super::{Ledger, Result, TRIES_MAX, keys};
use crate::domain::{Fence, PersonId, PlaybookName, TaskId, Timestamp, WaitItem};
use crate::store::Batch;
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

/// What people noted at something that waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueNote {
    /// Since when what is meant has waited.
    pub since: Timestamp,
    /// Out of the way until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snoozed: Option<Timestamp>,
    /// Who has seen it: it is not escalated any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen_by: Option<String>,
    /// Whose turn it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<PersonId>,
    /// So often somebody else was told.
    #[serde(default)]
    pub escalated: u32,
    /// What was decided, where that is not written down elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided: Option<Settled>,
}

/// A decision about something that is no work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// Whether it was granted.
    pub approved: bool,
    /// Who decided, for people.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// What was said with it.
    pub comment: String,
}

/// Somebody asked that a claim be taken away from its holder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseAsked {
    /// The claimed task.
    pub task: TaskId,
    /// The claim that is meant.
    pub fence: Fence,
    /// Why.
    pub reason: String,
    /// Who asked, for people.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

impl QueueNote {
    /// Nothing noted yet.
    pub fn of(since: Timestamp) -> Self {
        Self { since, snoozed: None, seen_by: None, owner: None, escalated: 0, decided: None }
    }
}

impl Ledger {
    /// What was noted at something that has waited since then.
    pub async fn queue_note(&self, item: &WaitItem, since: Timestamp) -> Result<QueueNote> {
        let found: Option<Record<QueueNote>> = self.read(&self.wait_note_key(item)).await?;
        let found = found.map(|record| record.value).filter(|note| note.since == since);
        Ok(found.unwrap_or_else(|| QueueNote::of(since)))
    }

    /// What was noted last, whatever it was about.
    pub async fn last_queue_note(&self, item: &WaitItem) -> Result<Option<QueueNote>> {
        let found: Option<Record<QueueNote>> = self.read(&self.wait_note_key(item)).await?;
        Ok(found.map(|record| record.value))
    }

    /// Changes what is noted; the note as it stands then.
    pub async fn note_queue(
        &self,
        item: &WaitItem,
        since: Timestamp,
        change: impl Fn(&mut QueueNote),
    ) -> Result<QueueNote> {
        let key = self.wait_note_key(item);
        for _ in 0..TRIES_MAX {
            let found: Option<Record<QueueNote>> = self.read(&key).await?;
            let known = found.as_ref().map(|record| record.value.clone());
            let known = known.filter(|note| note.since == since);
            let mut note = known.unwrap_or_else(|| QueueNote::of(since));
            change(&mut note);
            let batch = records::replace(Batch::new(), &key, &note, found.as_ref())?;
            if self.try_commit(batch).await? {
                return Ok(note);
            }
        }
        Err(contended(key))
    }

    /// Asks that a claim be taken away; of several who ask for the same one the first counts, and the
    /// others are told of it.
    pub async fn ask_release(&self, asked: &ReleaseAsked) -> Result<Option<ReleaseAsked>> {
        let key = keys::release_asked(&self.options.board, asked.task);
        for _ in 0..TRIES_MAX {
            let found: Option<Record<ReleaseAsked>> = self.read(&key).await?;
            let same = found.as_ref().filter(|found| found.value.fence == asked.fence);
            if let Some(first) = same {
                return Ok(Some(first.value.clone()));
            }
            let batch = records::replace(Batch::new(), &key, asked, found.as_ref())?;
            if self.try_commit(batch).await? {
                return Ok(None);
            }
        }
        Err(contended(key))
    }

    /// Claims that somebody asked to be taken away. Those that have ended since are forgotten.
    pub async fn releases_asked(&self) -> Result<Vec<ReleaseAsked>> {
        let prefix = keys::release_asked_prefix(&self.options.board);
        let rows: Vec<(String, Record<ReleaseAsked>)> =
            records::scan(self.store.as_ref(), &prefix, None, records::PAGE).await?;
        Ok(rows.into_iter().map(|(_, row)| row.value).collect())
    }

    /// Such a wish is settled.
    pub async fn forget_release(&self, task: TaskId) -> Result<()> {
        let key = keys::release_asked(&self.options.board, task);
        self.store.commit(Batch::new().delete(key)).await?;
        Ok(())
    }

    /// How often a day's budget was granted once more: to this playbook, or to all together.
    pub async fn budget_granted(
        &self,
        day: NaiveDate,
        playbook: Option<&PlaybookName>,
    ) -> Result<u32> {
        let found: Option<Record<u32>> = self.read(&keys::budget_more(day, playbook)).await?;
        Ok(found.map_or(0, |record| record.value))
    }

    /// Grants a day's budget once more.
    pub async fn grant_budget(
        &self,
        day: NaiveDate,
        playbook: Option<&PlaybookName>,
        by: &str,
    ) -> Result<u32> {
        let key = keys::budget_more(day, playbook);
        for _ in 0..TRIES_MAX {
            let found: Option<Record<u32>> = self.read(&key).await?;
            let times = found.as_ref().map_or(0, |record| record.value).saturating_add(1);
            let whose = playbook.map_or("all playbooks", PlaybookName::as_str);
            let detail = format!("the budget of {day} for {whose}, {times} times more");
            let (audited, _) = self.audit_batch(by, "grant-budget", &detail).await?;
            let batch = records::replace(Batch::new(), &key, &times, found.as_ref())?;
            if self.try_commit(batch.and(audited)).await? {
                return Ok(times);
            }
        }
        Err(contended(key))
    }

    /// Since when a playbook of this text waits to be armed: since this is asked for the first time.
    pub async fn unarmed_since(&self, hash: &str) -> Result<Timestamp> {
        let key = keys::unarmed(hash);
        for _ in 0..TRIES_MAX {
            if let Some(found) = self.read::<Timestamp>(&key).await? {
                return Ok(found.value);
            }
            let now = self.clock.wall();
            if self.try_commit(records::create(Batch::new(), &key, &now)?).await? {
                return Ok(now);
            }
        }
        Err(contended(key))
    }

    fn wait_note_key(&self, item: &WaitItem) -> String {
        keys::wait_note(&self.options.board, item)
    }
}
