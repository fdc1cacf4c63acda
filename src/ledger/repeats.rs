//! Calls that their callers may repeat: each key is one intent, for a day.
//!
//! A key is somebody's own. What was called under it is written down before it is done, and what came
//! of it after; so whoever repeats it is given the first answer, or told that nobody knows.

use super::records::{self, Found, Record, contended};
use super::{Ledger, Result, TRIES_MAX, keys};
use crate::domain::{Timestamp, Value};
use crate::store::Batch;
use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

/// For so long a key stands for its call.
pub const REPEATABLE: TimeDelta = TimeDelta::hours(24);
/// So many are kept of one caller; the oldest whose outcome is known make room.
const OF_ONE_MAX: usize = 1_000;
/// So many are forgotten at once.
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
    /// SHA-256 of whose it is; records of earlier versions do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    of: Option<String>,
}

/// What the place of a call among its caller's says.
const IS_OPEN: &str = "open";
const IS_KNOWN: &str = "known";

impl Kept {
    /// Takes the places of a call out of the lists.
    fn without_places(&self, batch: Batch, row: &str) -> Batch {
        let batch = batch.delete(keys::repeat_at(self.at, row));
        match &self.of {
            Some(caller) => batch.delete(keys::repeat_of(caller, self.at, row)),
            None => batch,
        }
    }
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
    /// So many calls of theirs are open that no other is begun.
    Full(usize),
}

impl Ledger {
    /// Somebody is about to make a call under a key of theirs.
    pub async fn begin_repeatable(&self, who: &str, key: &str, call: &str) -> Result<Repeat> {
        let (row, call) = (keys::repeat(who, key), keys::sha256(call.as_bytes()));
        let caller = keys::sha256(who.as_bytes());
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
            let Some(surplus) = self.surplus_of(&caller, now).await? else {
                return Ok(Repeat::Full(OF_ONE_MAX));
            };
            let of = Some(caller.clone());
            let kept = Kept { call: call.clone(), at: now, answer: Kind::Open, of };
            let mut batch = Batch::new();
            if let Some(old) = &found {
                batch = old.value.without_places(batch, &row);
            }
            let batch = records::replace(batch, &row, &kept, found.as_ref())?
                .put(keys::repeat_at(now, &row), "{}")
                .put(keys::repeat_of(&caller, now, &row), IS_OPEN);
            if self.try_commit(batch).await? {
                // It is begun: what could not be forgotten is no reason not to go on.
                if let Err(error) = self.forget_repeatable(now, surplus).await {
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
                let batch = records::replace(Batch::new(), &row, &kept, Some(&found))?;
                match &kept.of {
                    Some(caller) => batch.put(keys::repeat_of(caller, kept.at, &row), IS_KNOWN),
                    None => batch,
                }
            } else {
                let batch = records::remove(Batch::new(), &row, &found);
                found.value.without_places(batch, &row)
            };
            if self.try_commit(batch).await? {
                return Ok(());
            }
        }
        Err(contended("the keys of calls"))
    }

    /// Which of a caller's calls have to make room for another; `None`: there is no room, because
    /// nobody knows what came of any of them.
    async fn surplus_of(&self, caller: &str, now: Timestamp) -> Result<Option<Vec<String>>> {
        let list = keys::repeats_of(caller);
        let rows = self.store.scan(&list, None, OF_ONE_MAX + FORGOTTEN_MAX).await?;
        let surplus = (rows.len() + 1).saturating_sub(OF_ONE_MAX);
        let old = past(&list, now);
        let over = |key: &str, value: &[u8]| value != IS_OPEN.as_bytes() || key < old.as_str();
        let gone = rows.into_iter().filter(|row| over(&row.key, &row.value)).take(surplus);
        let gone: Vec<String> = gone.map(|row| row.key).collect();
        Ok((surplus == 0 || !gone.is_empty()).then_some(gone))
    }

    /// Forgets these, and what is too old.
    async fn forget_repeatable(&self, now: Timestamp, surplus: Vec<String>) -> Result<()> {
        let rows = self.store.scan(keys::REPEAT_AT, None, FORGOTTEN_MAX).await?;
        let old = past(keys::REPEAT_AT, now);
        let old = rows.into_iter().map(|row| row.key).take_while(move |key| *key < old);
        for place in surplus.into_iter().chain(old) {
            let Some((_, hash)) = place.rsplit_once('/') else { continue };
            if self.is_newers(&place).await? {
                continue;
            }
            let row = keys::repeat_of_hash(hash);
            let mut batch = Batch::new().delete(place.as_str());
            // It may stand for a later call by now.
            let found = self.find::<Kept>(&row).await?;
            if matches!(found, Found::Newer) {
                continue;
            }
            let is_of = |kept: &Kept| {
                let of = kept.of.as_ref().map(|caller| keys::repeat_of(caller, kept.at, &row));
                keys::repeat_at(kept.at, &row) == place || of.as_ref() == Some(&place)
            };
            if let Some(found) = found.known().filter(|found| is_of(&found.value)) {
                let gone = records::remove(Batch::new(), &row, &found);
                batch = found.value.without_places(gone, &row);
            }
            self.try_commit(batch).await?;
        }
        Ok(())
    }
}

/// What stands in a list of places before this is too old.
fn past(list: &str, now: Timestamp) -> String {
    // `0` is what comes after `/`.
    format!("{list}{}0", keys::ascending(now - REPEATABLE))
}
