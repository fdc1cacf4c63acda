//! What the outbox does when telling does not work: notices that were given up are kept and can be
//! tried again, and what waited long is told together.

use super::outbox::{NOTICES_MAX, Sent, added, after_sending, listed, shortened};
use super::records::{self, Record, contended};
use super::{Ledger, LedgerError, Result, TRIES_MAX, keys};
use crate::domain::{Delivery, Missed, Notice, Receipt};
use crate::instruments::Told;
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
        self.change_notice(key, &[], |notice| {
            let Delivery::Undeliverable { error, .. } = &notice.delivery else { return None };
            let last_error = Some(error.clone());
            let delivery = Delivery::Pending { attempts: 0, not_before: now, last_error };
            Some(Notice { delivery, place, ..notice })
        })
        .await?;
        Ok(true)
    }

    /// A part was taken, and not by every reader: for the others the message goes on as a letter of
    /// its own, which was given up.
    pub(super) async fn notice_sent_to_some(
        &self,
        key: &str,
        sent: &Sent,
        alarm: &[Notice],
    ) -> Result<()> {
        let row = keys::notice(key);
        for _ in 0..TRIES_MAX {
            let Some(found) = self.read::<Notice>(&row).await? else {
                return Err(LedgerError::NotFound { what: format!("notice {key:?}") });
            };
            let Some(notice) = after_sending(found.value.clone(), sent) else { return Ok(()) };
            let batch = records::replace(Batch::new(), &row, &notice, Some(&found))?;
            let mut batch = listed(batch, Some(&found.value), Some(&notice))?;
            let letter = missing(&found.value, sent, self.next_place().await?);
            if self.notice(&letter.key).await?.is_none() {
                batch = added(batch, &letter)?;
            }
            batch = self.notices_batch(batch, alarm, None).await?;
            if self.try_commit(batch).await? {
                self.count_part(Some(&notice), Told::Delivered);
                self.count_part(Some(&letter), Told::GivenUp);
                return Ok(());
            }
        }
        Err(contended(row))
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
        let mut batch = added(Batch::new(), &merged)?;
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

/// What readers who were missed do not have of a message.
fn missing(notice: &Notice, sent: &Sent, place: u64) -> Notice {
    let missed = |of: fn(&Missed) -> String| sent.missed.iter().map(of).collect::<Vec<_>>();
    let error = shortened(&missed(Missed::to_string).join("; "));
    let readers = missed(|missed| missed.reader.clone());
    Notice {
        key: format!("{}:missed:{}.{}", notice.key, sent.revision, sent.part),
        delivery: Delivery::Undeliverable { at: sent.at, error },
        // What was told in this letter's place is not changed any more.
        replaces: false,
        place,
        parts: sent.part,
        receipt: Receipt { readers, ..Receipt::default() },
        ..notice.clone()
    }
}

fn died(notice: &Notice) -> Option<crate::domain::Timestamp> {
    match notice.delivery {
        Delivery::Undeliverable { at, .. } => Some(at),
        _ => None,
    }
}
