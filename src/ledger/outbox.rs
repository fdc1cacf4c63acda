//! The outbox: a notice is stored with the fact that caused it, delivered at least once, and known
//! by its key, so that the same fact is not told twice.

use super::records::{self, Record, contended};
use super::{Ledger, LedgerError, Result, TRIES_MAX, keys};
use crate::domain::{Delivery, Notice, RunId, Timestamp};
use crate::store::Batch;

/// So many notices are stored in one commit.
const NOTICES_MAX: usize = 100;
/// More of an error is not kept.
const ERROR_CHARS_MAX: usize = 500;

impl Ledger {
    /// Stores notices; one whose key is known is ignored, whatever became of it.
    pub async fn enqueue(&self, notices: Vec<Notice>) -> Result<()> {
        for notices in notices.chunks(NOTICES_MAX) {
            self.enqueue_some(notices).await?;
        }
        Ok(())
    }

    /// The outbox, for one courier at a time: two at once would deliver what is due twice.
    pub async fn courier(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.courier.lock().await
    }

    /// Those to be tried now, longest waiting first, at most `limit`.
    pub async fn due_notices(&self, now: Timestamp, limit: usize) -> Result<Vec<Notice>> {
        let latest = format!("{}{}", keys::DUE, keys::ascending(now));
        let due: Vec<(String, Record<String>)> =
            records::scan_all(self.store.as_ref(), keys::DUE, limit).await?;
        let due = due.into_iter().take_while(|(key, _)| key[..latest.len()] <= *latest);
        self.notices_by_key(due).await
    }

    /// It was delivered.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`].
    pub async fn notice_delivered(&self, key: &str, at: Timestamp) -> Result<()> {
        self.change_notice(key, |_| Some(Delivery::Delivered { at })).await
    }

    /// It was not delivered: tried again from `not_before` on if the trouble may pass, else given
    /// up. A delivered one stays so.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`].
    pub async fn notice_failed(
        &self,
        key: &str,
        error: &str,
        not_before: Timestamp,
        is_transient: bool,
    ) -> Result<()> {
        let error: String = error.chars().take(ERROR_CHARS_MAX).collect();
        let at = self.clock.wall();
        self.change_notice(key, |delivery| match delivery {
            Delivery::Pending { attempts, .. } if is_transient => Some(Delivery::Pending {
                attempts: attempts.saturating_add(1),
                not_before,
                last_error: Some(error.clone()),
            }),
            Delivery::Pending { .. } => Some(Delivery::Undeliverable { at, error: error.clone() }),
            Delivery::Delivered { .. } | Delivery::Undeliverable { .. } => None,
        })
        .await
    }

    /// The latest notices, newest first; of one run, if asked.
    pub async fn notices(&self, limit: usize, run: Option<&RunId>) -> Result<Vec<Notice>> {
        let list = run.map_or_else(keys::notices_all, keys::notices_of);
        let listed = records::scan_all(self.store.as_ref(), &list, limit).await?;
        self.notices_by_key(listed.into_iter()).await
    }

    /// Adds those of these notices that are not known to a commit.
    pub(super) async fn notices_batch(
        &self,
        batch: Batch,
        notices: &[Notice],
        run: Option<&RunId>,
    ) -> Result<Batch> {
        if notices.len() > NOTICES_MAX {
            let (size, max) = (notices.len(), NOTICES_MAX);
            return Err(LedgerError::TooLarge { what: "notices of one fact".into(), size, max });
        }
        let mut batch = batch;
        for (place, notice) in notices.iter().enumerate() {
            let is_repeated = notices[..place].iter().any(|earlier| earlier.key == notice.key);
            let key = keys::notice(&notice.key);
            if is_repeated || self.read::<Notice>(&key).await?.is_some() {
                continue;
            }
            batch = records::create(batch, &key, notice)?;
            if let Delivery::Pending { not_before, .. } = notice.delivery {
                let due = keys::notice_due(not_before, &notice.key);
                batch = records::put::<_, ()>(batch, &due, &notice.key, None)?;
            }
            for list in [Some(keys::notices_all()), run.map(keys::notices_of)].iter().flatten() {
                let key = keys::notice_in(list, notice.created, &notice.key);
                batch = records::put::<_, ()>(batch, &key, &notice.key, None)?;
            }
        }
        Ok(batch)
    }

    async fn enqueue_some(&self, notices: &[Notice]) -> Result<()> {
        for _ in 0..TRIES_MAX {
            let batch = self.notices_batch(Batch::new(), notices, None).await?;
            if batch == Batch::new() || self.try_commit(batch).await? {
                return Ok(());
            }
        }
        Err(contended("the outbox"))
    }

    async fn change_notice(
        &self,
        key: &str,
        what: impl Fn(&Delivery) -> Option<Delivery>,
    ) -> Result<()> {
        let row = keys::notice(key);
        for _ in 0..TRIES_MAX {
            let Some(found) = self.read::<Notice>(&row).await? else {
                return Err(LedgerError::NotFound { what: format!("notice {key:?}") });
            };
            let Some(delivery) = what(&found.value.delivery) else { return Ok(()) };
            let mut batch = Batch::new();
            if let Delivery::Pending { not_before, .. } = found.value.delivery {
                batch = batch.delete(keys::notice_due(not_before, key));
            }
            if let Delivery::Pending { not_before, .. } = delivery {
                let due = keys::notice_due(not_before, key);
                // The same row again would be put and deleted in one commit.
                batch.deletes.retain(|deleted| *deleted != due);
                batch = records::put::<_, ()>(batch, &due, &key, None)?;
            }
            let notice = Notice { delivery, ..found.value.clone() };
            let batch = records::replace(batch, &row, &notice, Some(&found))?;
            if self.try_commit(batch).await? {
                return Ok(());
            }
        }
        Err(contended(row))
    }

    async fn notices_by_key(
        &self,
        listed: impl Iterator<Item = (String, Record<String>)>,
    ) -> Result<Vec<Notice>> {
        let mut notices = Vec::new();
        for (_, key) in listed {
            let found: Option<Record<Notice>> = self.read(&keys::notice(&key.value)).await?;
            notices.extend(found.map(|record| record.value));
        }
        Ok(notices)
    }
}
