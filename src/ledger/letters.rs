//! What the outbox does when telling does not work: notices that were given up are kept and can be
//! tried again, and what waited long is told together.

use super::outbox::{NOTICES_MAX, listed};
use super::records::{self, Record};
use super::{Ledger, LedgerError, Result, keys};
use crate::domain::{Delivery, Notice};
use crate::store::Batch;

impl Ledger {
    /// Notices that were given up, at most `limit`, the latest first.
    pub async fn dead_letters(&self, limit: usize) -> Result<Vec<Notice>> {
        let rows = records::scan_all(self.store.as_ref(), keys::DEAD, limit).await?;
        let mut letters = self.notices_by_key(rows.into_iter()).await?;
        letters.sort_by_key(|notice| std::cmp::Reverse((died(notice), notice.place)));
        Ok(letters)
    }

    /// How many were given up, at most `limit`.
    pub async fn count_dead_letters(&self, limit: usize) -> Result<usize> {
        Ok(self.store.scan(keys::DEAD, None, limit).await?.len())
    }

    /// Puts one that was given up into its queue again, as the last; parts that were taken are not
    /// told again. False when it was not given up.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`].
    pub async fn retry_letter(&self, key: &str) -> Result<bool> {
        let Some(before) = self.notice(key).await? else {
            return Err(LedgerError::NotFound { what: format!("message {key:?}") });
        };
        if died(&before).is_none() {
            return Ok(false);
        }
        let (place, now) = (self.next_place().await?, self.clock.wall());
        self.change_notice(key, |notice| {
            let Delivery::Undeliverable { error, .. } = &notice.delivery else { return None };
            let last_error = Some(error.clone());
            let delivery = Delivery::Pending { attempts: 0, not_before: now, last_error };
            Some(Notice { delivery, place, ..notice })
        })
        .await?;
        Ok(true)
    }

    /// Notices of one queue become one, which takes the place of the first, all in one commit. False,
    /// and nothing happens, when one of them changed meanwhile or was begun to be told.
    pub async fn merge_notices(&self, members: &[Notice], merged: &Notice) -> Result<bool> {
        let Some(first) = members.first() else { return Ok(false) };
        if members.len() > NOTICES_MAX {
            let (size, max) = (members.len(), NOTICES_MAX);
            return Err(LedgerError::TooLarge { what: "notices told together".into(), size, max });
        }
        let merged = Notice { place: first.place, to: first.to.clone(), ..merged.clone() };
        let mut batch = records::create(Batch::new(), &keys::notice(&merged.key), &merged)?;
        batch = listed(batch, None, Some(&merged))?;
        let list = keys::notice_in(&keys::notices_all(), merged.created, &merged.key);
        batch = records::put::<_, ()>(batch, &list, &merged.key, None)?;
        for member in members {
            let row = keys::notice(&member.key);
            let found: Option<Record<Notice>> = self.read(&row).await?;
            let Some(found) = found.filter(|found| {
                found.value == *member && matches!(member.delivery, Delivery::Pending { .. })
            }) else {
                return Ok(false);
            };
            let delivery = Delivery::Merged { at: merged.created, into: merged.key.clone() };
            let told = Notice { delivery, ..member.clone() };
            batch = records::replace(batch, &row, &told, Some(&found))?;
            batch = listed(batch, Some(member), Some(&told))?;
        }
        Ok(self.try_commit(batch).await?)
    }
}

fn died(notice: &Notice) -> Option<crate::domain::Timestamp> {
    match notice.delivery {
        Delivery::Undeliverable { at, .. } => Some(at),
        _ => None,
    }
}
