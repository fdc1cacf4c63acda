//! Calls that their callers may repeat: each key is one intent, for a day.
//!
//! A key is somebody's own. What was called under it is written down before it is done, and what came
//! of it after; so whoever repeats it is given the first answer, or told that nobody knows.

use super::records::{self, Record, contended};
use super::{Ledger, Result, TRIES_MAX, keys};
use crate::domain::{Timestamp, Value};
use crate::store::Batch;
use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

/// For so long a key stands for its call.
pub const REPEATABLE: TimeDelta = TimeDelta::hours(24);
/// At most so many are kept; the oldest make room.
const KEPT_MAX: usize = 10_000;
/// So many make room at once.
const FORGOTTEN_MAX: usize = 100;
/// A longer answer is not kept: that it was done is.
const ANSWER_BYTES_MAX: usize = 256 * 1024;

/// A call as it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Kept {
    /// SHA-256 of what was called.
    call: String,
    at: Timestamp,
    answer: Kind,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    /// Not known, or not yet.
    Open,
    /// The answer was too long to be kept.
    Long,
    Is(Value),
}

/// What is known of a key.
#[derive(Clone, Debug, PartialEq)]
pub enum Repeat {
    /// It is new: the call may be made, and is written down.
    New,
    /// The same call was made, and this was its answer; `None`: too long to be kept.
    Answered(Option<Value>, Timestamp),
    /// The same call was begun, and it is not known what came of it.
    Open(Timestamp),
    /// Another call was made under it.
    Other(Timestamp),
}

impl Ledger {
    /// Somebody is about to make a call under a key of theirs.
    pub async fn begin_repeatable(&self, who: &str, key: &str, call: &str) -> Result<Repeat> {
        let (row, call) = (keys::repeat(who, key), keys::sha256(call.as_bytes()));
        for _ in 0..TRIES_MAX {
            let now = self.clock.wall();
            let found: Option<Record<Kept>> = self.read(&row).await?;
            if let Some(Record { value: known, .. }) =
                found.as_ref().filter(|found| now - found.value.at < REPEATABLE)
            {
                let at = known.at;
                return Ok(match &known.answer {
                    _ if known.call != call => Repeat::Other(at),
                    Kind::Open => Repeat::Open(at),
                    Kind::Long => Repeat::Answered(None, at),
                    Kind::Is(answer) => Repeat::Answered(Some(answer.clone()), at),
                });
            }
            let kept = Kept { call: call.clone(), at: now, answer: Kind::Open };
            let mut batch = records::replace(Batch::new(), &row, &kept, found.as_ref())?
                .put(keys::repeat_at(now, &row), "{}");
            if let Some(old) = found.as_ref().filter(|old| old.value.at != now) {
                batch = batch.delete(keys::repeat_at(old.value.at, &row));
            }
            if self.try_commit(batch).await? {
                // It is begun: what could not be forgotten is no reason not to go on.
                if let Err(error) = self.forget_repeatable(now).await {
                    tracing::warn!(%error, "old keys of calls were not forgotten");
                }
                return Ok(Repeat::New);
            }
        }
        Err(contended("the keys of calls"))
    }

    /// What came of it; `None`: nothing was done, and the key is free again.
    pub async fn end_repeatable(&self, who: &str, key: &str, answer: Option<Value>) -> Result<()> {
        let row = keys::repeat(who, key);
        for _ in 0..TRIES_MAX {
            let Some(found) = self.read::<Kept>(&row).await? else { return Ok(()) };
            let batch = if let Some(answer) = &answer {
                let bytes = serde_json::to_string(answer).map_or(usize::MAX, |text| text.len());
                let is_long = bytes > ANSWER_BYTES_MAX;
                let answer = if is_long { Kind::Long } else { Kind::Is(answer.clone()) };
                let kept = Kept { answer, ..found.value.clone() };
                records::replace(Batch::new(), &row, &kept, Some(&found))?
            } else {
                let batch = records::remove(Batch::new(), &row, &found);
                batch.delete(keys::repeat_at(found.value.at, &row))
            };
            if self.try_commit(batch).await? {
                return Ok(());
            }
        }
        Err(contended("the keys of calls"))
    }

    /// Forgets what is too old, and the oldest of what is too much.
    async fn forget_repeatable(&self, now: Timestamp) -> Result<()> {
        let rows = self.store.scan(keys::REPEAT_AT, None, KEPT_MAX + FORGOTTEN_MAX).await?;
        let surplus = rows.len().saturating_sub(KEPT_MAX);
        let old = format!("{}{}", keys::REPEAT_AT, keys::ascending(now - REPEATABLE));
        let gone =
            rows.into_iter().enumerate().take_while(|(n, row)| *n < surplus || row.key < old);
        for (_, place) in gone.take(FORGOTTEN_MAX) {
            let Some((_, hash)) = place.key.rsplit_once('/') else { continue };
            let row = keys::repeat_of_hash(hash);
            let mut batch = Batch::new().delete(place.key.as_str());
            // It may stand for a later call by now.
            let found: Option<Record<Kept>> = self.read(&row).await?;
            if let Some(found) =
                found.filter(|found| keys::repeat_at(found.value.at, &row) == place.key)
            {
                batch = batch.and(records::remove(Batch::new(), &row, &found));
            }
            self.try_commit(batch).await?;
        }
        Ok(())
    }
}
