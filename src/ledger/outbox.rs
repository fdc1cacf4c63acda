//! The outbox: a notice is stored with the fact that caused it, delivered at least once, and known
//! by its key, so that the same fact is not told twice. Each channel has a queue: what is told there
//! is told in the order in which it was stored, and no channel waits for another.

use super::records::{self, Found, PAGE, Record, contended};
use super::{Ledger, LedgerError, Result, TRIES_MAX, keys};
use crate::domain::{Channel, Delivery, Missed, Notice, RunId, Timestamp};
use crate::instruments::Told;
use crate::store::Batch;

/// So many notices are stored in one commit.
pub(super) const NOTICES_MAX: usize = 100;
/// More of an error is not kept.
const ERROR_CHARS_MAX: usize = 500;

/// A part of a notice that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Of which body.
    pub revision: u32,
    /// Which part.
    pub part: usize,
    /// Whether it was the last one.
    pub is_last: bool,
    /// The conversation and the part's name there, where the channel says; an empty name: the part is
    /// gone.
    pub stands: Option<(String, String)>,
    /// Readers who got it just now, where others did not.
    pub took: Vec<String>,
    /// Those others: for them it is given up.
    pub missed: Vec<Missed>,
    /// When.
    pub at: Timestamp,
}

/// What becomes of one that was not taken.
#[derive(Clone, Copy, Debug)]
pub enum Again<'a> {
    /// It is tried again from this instant on.
    From(Timestamp),
    /// It is given up.
    Never {
        /// Who is told of that.
        alarm: &'a [Notice],
    },
}

/// How a queue stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueState {
    /// Whose.
    pub channel: Channel,
    /// How many wait, as far as they were counted.
    pub waiting: usize,
    /// The first of them.
    pub head: Notice,
}

impl Ledger {
    /// Stores notices; one whose key is known is ignored, whatever became of it, unless it takes the
    /// place of what was told.
    pub async fn enqueue(&self, notices: Vec<Notice>) -> Result<()> {
        for notices in notices.chunks(NOTICES_MAX) {
            self.enqueue_some(notices).await?;
        }
        Ok(())
    }

    /// A part of it was taken; with the last one it is delivered.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`].
    pub async fn notice_sent(&self, key: &str, sent: &Sent) -> Result<()> {
        self.notice_sent_telling(key, sent, &[]).await
    }

    /// The same; where it did not reach every reader, whoever is to hear of that does, in the same commit.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`].
    pub async fn notice_sent_telling(
        &self,
        key: &str,
        sent: &Sent,
        alarm: &[Notice],
    ) -> Result<()> {
        if sent.missed.is_empty() {
            let changed =
                self.change_notice(key, &[], |notice| after_sending(notice, sent)).await?;
            self.count_part(changed.as_ref(), Told::Delivered);
            return Ok(());
        }
        self.notice_sent_to_some(key, sent, alarm).await
    }

    /// Something came of a part of a notice.
    pub(super) fn count_part(&self, notice: Option<&Notice>, what: Told) {
        if let Some((house, notice)) = self.counts().zip(notice) {
            house.told(&notice.to, what);
        }
    }

    /// It was not taken: tried again from `not_before` on if the trouble may pass, else given up, and the
    /// alarm about that is stored with it. A delivered one stays so, and so does one that has another
    /// body by now.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`].
    pub async fn notice_failed(
        &self,
        key: &str,
        revision: u32,
        error: &str,
        again: Again<'_>,
    ) -> Result<()> {
        let (error, at) = (shortened(error), self.clock.wall());
        let alarm = if let Again::Never { alarm } = again { alarm } else { &[] };
        let changed = self.change_notice(key, alarm, |mut notice| {
            let Delivery::Pending { attempts, .. } = notice.delivery else { return None };
            if notice.revision != revision {
                return None;
            }
            let attempts = attempts.saturating_add(1);
            notice.delivery = match again {
                Again::From(not_before) => {
                    Delivery::Pending { attempts, not_before, last_error: Some(error.clone()) }
                }
                Again::Never { .. } => Delivery::Undeliverable { at, error: error.clone() },
            };
            Some(notice)
        });
        let what = match again {
            Again::From(_) => Told::Failed,
            Again::Never { .. } => Told::GivenUp,
        };
        self.count_part(changed.await?.as_ref(), what);
        Ok(())
    }

    /// Some readers of a part have it, and the others will be tried again from `not_before` on. Attempts
    /// count anew whenever one more has it.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`].
    pub async fn notice_partly_sent(
        &self,
        key: &str,
        revision: u32,
        took: &[String],
        error: &str,
        not_before: Timestamp,
    ) -> Result<()> {
        let error = shortened(error);
        let changed = self.change_notice(key, &[], |mut notice| {
            let Delivery::Pending { attempts, .. } = notice.delivery else { return None };
            if notice.revision != revision {
                return None;
            }
            let attempts = if took.is_empty() { attempts.saturating_add(1) } else { 1 };
            notice.delivery =
                Delivery::Pending { attempts, not_before, last_error: Some(error.clone()) };
            notice.receipt.have.extend_from_slice(took);
            Some(notice)
        });
        self.count_part(changed.await?.as_ref(), Told::Failed);
        Ok(())
    }

    /// One notice, if its key is known.
    pub async fn notice(&self, key: &str) -> Result<Option<Notice>> {
        let found: Option<Record<Notice>> = self.read(&keys::notice(key)).await?;
        Ok(found.map(|record| record.value))
    }

    /// The latest notices, newest first; of one run, if asked.
    pub async fn notices(&self, limit: usize, run: Option<&RunId>) -> Result<Vec<Notice>> {
        let list = run.map_or_else(keys::notices_all, keys::notices_of);
        let listed = records::scan_all(self.store.as_ref(), &list, limit).await?;
        self.notices_by_key(listed.into_iter()).await
    }

    /// Adds those of these notices that are not known, or take the place of what was told, to a commit.
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
        for (nth, notice) in notices.iter().enumerate() {
            let is_repeated = notices[..nth].iter().any(|earlier| earlier.key == notice.key);
            let row = keys::notice(&notice.key);
            if is_repeated {
                continue;
            }
            match self.find::<Notice>(&row).await? {
                Found::Nothing => {}
                Found::Newer => continue,
                Found::Known(known) => {
                    if let Some(edited) = self.edited(&known.value, notice).await? {
                        batch = records::replace(batch, &row, &edited, Some(&known))?;
                        batch = listed(batch, Some(&known.value), Some(&edited))?;
                    }
                    continue;
                }
            }
            let place = self.next_place().await?;
            let notice = Notice { place, ..notice.clone() };
            batch = added(batch, &notice)?;
            if let Some(run) = run {
                let key = keys::notice_in(&keys::notices_of(run), notice.created, &notice.key);
                batch = records::put::<_, ()>(batch, &key, &notice.key, None)?;
            }
        }
        Ok(batch)
    }

    /// What becomes of a known notice that is told again: another body takes the place of one that
    /// still waits whole, or that the channel can change. `None`: nothing.
    async fn edited(&self, known: &Notice, again: &Notice) -> Result<Option<Notice>> {
        if !again.replaces || known.body == again.body {
            return Ok(None);
        }
        let place = match known.delivery {
            Delivery::Pending { .. } if known.parts == 0 && known.receipt.have.is_empty() => {
                known.place
            }
            Delivery::Pending { .. } if !known.receipt.parts.is_empty() => known.place,
            Delivery::Delivered { .. } if !known.receipt.parts.is_empty() => {
                self.next_place().await?
            }
            // Nobody was told.
            Delivery::Undeliverable { .. } => self.next_place().await?,
            _ => return Ok(None),
        };
        let (attempts, last_error) = match &known.delivery {
            Delivery::Pending { attempts, last_error, .. } => (*attempts, last_error.clone()),
            _ => (0, None),
        };
        let not_before = match known.delivery {
            Delivery::Pending { not_before, .. } => not_before,
            _ => again.created,
        };
        let delivery = Delivery::Pending { attempts, not_before, last_error };
        let (body, revision) = (again.body.clone(), known.revision.saturating_add(1));
        Ok(Some(Notice { body, revision, place, delivery, parts: 0, ..known.clone() }))
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

    /// Changes a notice and where it is listed, and stores others with it; the notice as it is then, if
    /// it was changed.
    pub(super) async fn change_notice(
        &self,
        key: &str,
        others: &[Notice],
        what: impl Fn(Notice) -> Option<Notice>,
    ) -> Result<Option<Notice>> {
        let row = keys::notice(key);
        for _ in 0..TRIES_MAX {
            let Some(found) = self.read::<Notice>(&row).await? else {
                return Err(LedgerError::NotFound { what: format!("notice {key:?}") });
            };
            let Some(notice) = what(found.value.clone()) else { return Ok(None) };
            let batch = records::replace(Batch::new(), &row, &notice, Some(&found))?;
            let batch = listed(batch, Some(&found.value), Some(&notice))?;
            let batch = self.notices_batch(batch, others, None).await?;
            if self.try_commit(batch).await? {
                return Ok(Some(notice));
            }
        }
        Err(contended(row))
    }

    pub(super) async fn notices_by_key(
        &self,
        listed: impl Iterator<Item = (String, Record<String>)>,
    ) -> Result<Vec<Notice>> {
        let names: Vec<String> = listed.map(|(_, key)| keys::notice(&key.value)).collect();
        let found = records::find_all::<Notice>(self.store.as_ref(), &names).await?;
        Ok(found.into_iter().filter_map(|found| Some(found.known()?.value)).collect())
    }

    /// The next place in the queues: after all others, also when the clock was set back.
    pub(super) async fn next_place(&self) -> Result<u64> {
        let before = self.know_last_place().await?;
        let now = u64::try_from(self.clock.wall().timestamp_micros()).unwrap_or_default();
        let mut last = self.last_place.lock().await;
        let place = now.max(last.unwrap_or(before).saturating_add(1));
        *last = Some(place);
        Ok(place)
    }

    /// Looks once which place is the last one. What an earlier version of ours listed by its next
    /// attempt gets its place then.
    pub(super) async fn know_last_place(&self) -> Result<u64> {
        let mut last = self.last_place.lock().await;
        if let Some(last) = *last {
            return Ok(last);
        }
        let mut found = 0;
        let mut after: Option<String> = None;
        loop {
            let page = self.store.scan(keys::QUEUE, after.as_deref(), PAGE).await?;
            let Some(end) = page.last() else { break };
            let places = page.iter().filter_map(|row| keys::place_in_queue(&row.key));
            found = found.max(places.max().unwrap_or_default());
            after = Some(end.key.clone());
        }
        found = self.adopt_due(found).await?;
        *last = Some(found);
        Ok(found)
    }

    async fn adopt_due(&self, mut last: u64) -> Result<u64> {
        let mut after: Option<String> = None;
        loop {
            let page: Vec<(String, Record<String>)> =
                records::scan(self.store.as_ref(), keys::DUE, after.as_deref(), NOTICES_MAX)
                    .await?;
            let Some((end, _)) = page.last() else { return Ok(last) };
            after = Some(end.clone());
            let (mut notices, mut batch) = (Vec::new(), Batch::new());
            for (row, key) in &page {
                match self.find::<Notice>(&keys::notice(&key.value)).await? {
                    Found::Newer => continue,
                    Found::Nothing => {}
                    Found::Known(notice) => notices.push(notice),
                }
                batch = batch.delete(row);
            }
            notices.sort_by_key(|notice: &Record<Notice>| notice.value.created);
            for found in notices {
                last += 1;
                let notice = Notice { place: last, ..found.value.clone() };
                let row = keys::notice(&notice.key);
                batch = records::replace(batch, &row, &notice, Some(&found))?;
                batch = listed(batch, None, Some(&notice))?;
            }
            // Of two lives the other one may have done it; then nothing is left.
            if batch != Batch::new() && !self.try_commit(batch).await? {
                after = None;
            }
        }
    }
}

/// What is kept of an error.
pub(super) fn shortened(error: &str) -> String {
    error.chars().take(ERROR_CHARS_MAX).collect()
}

/// Adds a notice that is not known to a commit.
pub(super) fn added(batch: Batch, notice: &Notice) -> Result<Batch> {
    let batch = records::create(batch, &keys::notice(&notice.key), notice)?;
    let batch = listed(batch, None, Some(notice))?;
    let list = keys::notice_in(&keys::notices_all(), notice.created, &notice.key);
    Ok(records::put::<_, ()>(batch, &list, &notice.key, None)?)
}

/// A notice after one of its parts was taken.
pub(super) fn after_sending(mut notice: Notice, sent: &Sent) -> Option<Notice> {
    let Delivery::Pending { not_before, .. } = notice.delivery else { return None };
    let mut have = std::mem::take(&mut notice.receipt.have);
    let delivered = Delivery::Delivered { at: sent.at };
    if let Some((room, name)) = &sent.stands {
        room.clone_into(&mut notice.receipt.room);
        let parts = &mut notice.receipt.parts;
        if sent.part < parts.len() {
            name.clone_into(&mut parts[sent.part]);
        } else {
            parts.push(name.clone());
        }
        while parts.last().is_some_and(String::is_empty) {
            parts.pop();
        }
    }
    if notice.revision == sent.revision {
        notice.parts = sent.part + 1;
        if !sent.missed.is_empty() {
            // Later parts are for those who have this one.
            have.extend_from_slice(&sent.took);
            notice.receipt.readers = have;
        }
        notice.delivery = if sent.is_last {
            delivered
        } else {
            Delivery::Pending { attempts: 0, not_before, last_error: None }
        };
    } else if sent.stands.is_none() && sent.is_last {
        // It got another body meanwhile, and the channel does not change what was told.
        notice.delivery = delivered;
    }
    Some(notice)
}

/// The rows by which a notice is found; they change with it, in the same commit.
pub(super) fn listed(batch: Batch, old: Option<&Notice>, new: Option<&Notice>) -> Result<Batch> {
    let mut batch = batch;
    for place in [queued, alarm, dead, told] {
        let (before, after) = (old.and_then(place), new.and_then(place));
        if before == after {
            continue;
        }
        batch = before.into_iter().fold(batch, Batch::delete);
        if let (Some(row), Some(notice)) = (after, new) {
            batch = records::put::<_, ()>(batch, &row, &notice.key, None)?;
        }
    }
    Ok(batch)
}

/// In its channel's queue, while it waits.
fn queued(notice: &Notice) -> Option<String> {
    let waits = matches!(notice.delivery, Delivery::Pending { .. });
    waits.then(|| keys::queued(&notice.to, notice.place, &notice.key))
}

/// Among the alarms of that queue.
fn alarm(notice: &Notice) -> Option<String> {
    let waits = notice.is_alarm && matches!(notice.delivery, Delivery::Pending { .. });
    waits.then(|| keys::alarm(&notice.to, notice.place, &notice.key))
}

/// Among those that were given up.
fn dead(notice: &Notice) -> Option<String> {
    let is_dead = matches!(notice.delivery, Delivery::Undeliverable { .. });
    is_dead.then(|| keys::dead(&notice.key))
}

/// Among what its channel was told, by when.
fn told(notice: &Notice) -> Option<String> {
    match notice.delivery {
        Delivery::Delivered { at } if !notice.is_alarm => {
            Some(keys::told_at(&notice.to, at, &notice.key))
        }
        _ => None,
    }
}
