//! The journal of effects: the intent is durable before the act, the result after it, with what
//! people are told of it. An intent without a result is an effect of which nobody knows (C3).

use super::records::{self, Found, Record, contended};
use super::{Ledger, LedgerError, Result, TRIES_MAX, keys};
use crate::domain::{Effect, EffectResult, Mark, Notice, PlaybookName, RunId};
use crate::store::Batch;
use serde::{Deserialize, Serialize};

/// A run's journal holds no more.
const EFFECTS_MAX: usize = 100_000;
/// So many are read at a time by whoever walks through them: each may be large.
const READ_AT_ONCE: usize = 64;

/// A line of the journal.
#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    effect: Effect,
    /// The row of its `once` key.
    once: Option<String>,
}

impl Ledger {
    /// Records an effect before it is done. With `once`, the effect is done only if no earlier one
    /// of the playbook had this key; one that failed or was only recorded does not count.
    ///
    /// # Errors
    /// [`LedgerError::AlreadyDone`] names the earlier effect; [`LedgerError::Conflict`]: another
    /// effect has this mark, or this one under another claim or with a result: whoever took a run
    /// over never acts on what the holder before it wrote down.
    pub async fn intend(
        &self,
        effect: &Effect,
        once: Option<(PlaybookName, String)>,
    ) -> Result<()> {
        let key = keys::effect(&effect.mark);
        let once = once.map(|(playbook, key)| keys::once(&playbook, &key));
        for _ in 0..TRIES_MAX {
            if let Some(found) = self.read::<Entry>(&key).await? {
                let Entry { effect: known, once: known_once } = found.value;
                let is_same = known.tool == effect.tool
                    && known.args == effect.args
                    && known.actor == effect.actor
                    && known.fence == effect.fence
                    && known.result.is_none()
                    && known_once == once;
                return if is_same { Ok(()) } else { Err(conflict(&effect.mark, "it is taken")) };
            }
            let entry = Entry { effect: effect.clone(), once: once.clone() };
            let mut batch = records::create(Batch::new(), &key, &entry)?;
            let open = keys::intent_open(&effect.mark);
            batch = records::put::<_, ()>(batch, &open, &effect.mark, None)?;
            if let Some(once) = &once {
                if let Some(earlier) = self.read::<Mark>(once).await? {
                    return Err(LedgerError::AlreadyDone { mark: earlier.value });
                }
                batch = records::create(batch, once, &effect.mark)?;
                let taken = keys::once_taken(effect.intended, once);
                batch = records::put::<_, ()>(batch, &taken, &(once, &effect.mark), None)?;
            }
            if self.try_commit(batch).await? {
                return Ok(());
            }
        }
        Err(contended(key))
    }

    /// Records what came of an effect and, in the same commit, what people are told of it. An
    /// unknown result may become known later; any other stays.
    ///
    /// # Errors
    /// [`LedgerError::Conflict`]: another result is known; [`LedgerError::NotFound`]: there was no
    /// intent.
    pub async fn conclude(
        &self,
        mark: &Mark,
        result: EffectResult,
        notices: Vec<Notice>,
    ) -> Result<()> {
        let key = keys::effect(mark);
        for _ in 0..TRIES_MAX {
            let Some(found) = self.read::<Entry>(&key).await? else {
                return Err(LedgerError::NotFound { what: format!("intent {mark}") });
            };
            match &found.value.effect.result {
                Some(known) if *known == result => return Ok(()),
                None | Some(EffectResult::Unknown) => {}
                Some(_) => return Err(conflict(mark, "another result is known")),
            }
            let mut effect = found.value.effect.clone();
            effect.result = Some(result.clone());
            let entry = Entry { effect, once: found.value.once.clone() };
            let mut batch = records::replace(Batch::new(), &key, &entry, Some(&found))?;
            batch = batch.delete(keys::intent_open(mark));
            let is_undone = matches!(result, EffectResult::Failed { .. } | EffectResult::Recorded);
            if let Some(once) = found.value.once.as_ref().filter(|_| is_undone) {
                let holder: Option<Record<Mark>> = self.read(once).await?;
                if let Some(holder) = holder.filter(|holder| holder.value == *mark) {
                    batch = records::remove(batch, once, &holder);
                }
            }
            let batch = self.deepen(batch, &found.value.effect, &result).await?;
            let batch = self.notices_batch(batch, &notices, Some(&mark.run)).await?;
            if self.try_commit(batch).await? {
                return Ok(());
            }
        }
        Err(contended(key))
    }

    /// Adds to a commit that what an effect was to do once may be done again.
    pub(super) async fn freed_once(&self, batch: Batch, mark: &Mark) -> Result<Batch> {
        let Some(found) = self.read::<Entry>(&keys::effect(mark)).await? else { return Ok(batch) };
        let Some(once) = found.value.once else { return Ok(batch) };
        let holder: Option<Record<Mark>> = self.read(&once).await?;
        Ok(match holder.filter(|holder| holder.value == *mark) {
            Some(holder) => records::remove(batch, &once, &holder),
            None => batch,
        })
    }

    /// A run's effects, in order.
    pub async fn effects(&self, run: &RunId) -> Result<Vec<Effect>> {
        let entries: Vec<(String, Record<Entry>)> =
            records::scan_all(self.store.as_ref(), &keys::effects(run), EFFECTS_MAX).await?;
        Ok(entries.into_iter().map(|(_, entry)| entry.value.effect).collect())
    }

    /// The same, and whether there are some that can be read by a newer Rota only.
    pub async fn effects_and_newer(&self, run: &RunId) -> Result<(Vec<Effect>, bool)> {
        let mut effects = Vec::new();
        let has_newer = self.walk_effects(run, |effect| effects.push(effect)).await?;
        Ok((effects, has_newer))
    }

    /// Tells them one by one, in order, and at last whether there are some that can be read by a newer Rota
    /// only. Each is read once, page by page; a page on which none can be read is not the end.
    pub async fn walk_effects(
        &self,
        run: &RunId,
        mut tell: impl FnMut(Effect) + Send,
    ) -> Result<bool> {
        let (store, prefix) = (self.store.as_ref(), keys::effects(run));
        let (mut after, mut has_newer) = (None::<String>, false);
        loop {
            let page: Vec<(String, Found<Entry>)> =
                records::scan_found(store, &prefix, after.as_deref(), READ_AT_ONCE).await?;
            let is_last = page.len() < READ_AT_ONCE;
            for (key, found) in page {
                match found {
                    Found::Known(entry) => tell(entry.value.effect),
                    Found::Newer => has_newer = true,
                    Found::Nothing => {}
                }
                after = Some(key);
            }
            if is_last {
                return Ok(has_newer);
            }
        }
    }

    /// Effects of whatever run without a result, at most `limit`.
    pub async fn unconcluded(&self, limit: usize) -> Result<Vec<Mark>> {
        let rows: Vec<(String, Record<Mark>)> =
            records::scan(self.store.as_ref(), keys::INTENT_OPEN, None, limit).await?;
        Ok(rows.into_iter().map(|(_, row)| row.value).collect())
    }

    /// A run's effects without a result, in order: they may or may not have happened.
    pub async fn open_intents(&self, run: &RunId) -> Result<Vec<Effect>> {
        let open: Vec<(String, Record<Mark>)> =
            records::scan_all(self.store.as_ref(), &keys::intents_open(run), EFFECTS_MAX).await?;
        let mut effects = Vec::with_capacity(open.len());
        for (_, mark) in open {
            let found: Option<Record<Entry>> = self.read_known(&keys::effect(&mark.value)).await?;
            let effect = found.map(|record| record.value.effect);
            effects.extend(effect.filter(|effect| effect.result.is_none()));
        }
        Ok(effects)
    }
}

fn conflict(mark: &Mark, why: &str) -> LedgerError {
    LedgerError::Conflict { what: format!("effect {mark}"), why: why.to_owned() }
}
