//! At which daemon an occurrence is: noted in the commit that begins it, or with whoever waits for it
//! there. That daemon alone says what becomes of it. When it is gone another takes the occurrence over,
//! and of several that want to one does.

use super::records::{self, Found, Record, contended};
use super::{Ledger, LedgerError, Result, TRIES_MAX, keys};
use crate::domain::{
    DaemonId, LifeId, Occurrence, OccurrenceId, OccurrenceState, PlaybookName, Run, RunId, Trigger,
};
use crate::store::Batch;
use serde::{Deserialize, Serialize};

/// At most so many pages of a playbook's runs are looked at.
const RUN_PAGES_MAX: usize = 200;

/// A life of a daemon.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LifeOf {
    /// The daemon.
    pub daemon: DaemonId,
    /// Which of its lives.
    pub life: LifeId,
}

impl Ledger {
    /// This life.
    pub fn own_life(&self) -> LifeOf {
        LifeOf { daemon: self.options.daemon.clone(), life: self.options.life.clone() }
    }

    /// At which life of a daemon an occurrence is; `None`: at none, or earlier versions did not say.
    ///
    /// # Errors
    /// When the store fails, or a newer Rota says it otherwise.
    pub async fn occurrence_at(&self, id: &OccurrenceId) -> Result<Option<LifeOf>> {
        Ok(self.read(&keys::occurrence_at(id)).await?.map(|found| found.value))
    }

    /// An occurrence is at this life from now on, if it was at that one and has not settled; false: it
    /// was not, or somebody else was quicker.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn take_over_occurrence(&self, id: &OccurrenceId, from: &LifeOf) -> Result<bool> {
        let (key, row) = (keys::occurrence_at(id), keys::occurrence(id));
        for _ in 0..TRIES_MAX {
            let Some(found) = self.read::<LifeOf>(&key).await? else { return Ok(false) };
            // Where the answer to an earlier try was lost, it is here already.
            if found.value == self.own_life() {
                return Ok(true);
            }
            let Some(occurrence) = self.read::<Occurrence>(&row).await? else { return Ok(false) };
            if found.value != *from || occurrence.value.state.is_settled() {
                return Ok(false);
            }
            let batch = Batch::new().check(row.as_str(), Some(occurrence.version));
            let batch = records::replace(batch, &key, &self.own_life(), Some(&found))?;
            if self.try_commit(batch).await? {
                return Ok(true);
            }
        }
        Err(contended(key))
    }

    /// The same of one that is under way and of which nothing says where, as earlier versions began it.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn take_over_unsaid(&self, id: &OccurrenceId) -> Result<bool> {
        let (key, row) = (keys::occurrence_at(id), keys::occurrence(id));
        for _ in 0..TRIES_MAX {
            if let Some(found) = self.read::<LifeOf>(&key).await? {
                return Ok(found.value == self.own_life());
            }
            let found = self.read::<Occurrence>(&row).await?;
            let is_under_way = |it: &Record<Occurrence>| it.value.state == OccurrenceState::Running;
            let Some(occurrence) = found.filter(is_under_way) else { return Ok(false) };
            let batch = Batch::new().check(row.as_str(), Some(occurrence.version));
            let batch = records::create(batch, &key, &self.own_life())?;
            if self.try_commit(batch).await? {
                return Ok(true);
            }
        }
        Err(contended(key))
    }

    /// Whether a run of an occurrence was recorded, under way or ended, or may have been: a run of its
    /// playbook is a newer Rota's to read, or there are more of them than are looked at. When they began is
    /// not asked: a clock may have been set back.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn may_have_run(&self, id: &OccurrenceId, playbook: &PlaybookName) -> Result<bool> {
        let (store, index) = (self.store.as_ref(), keys::runs_of_playbook(playbook));
        let mut after: Option<String> = None;
        for _ in 0..RUN_PAGES_MAX {
            let page: Vec<(String, Found<RunId>)> =
                records::scan_found(store, &index, after.as_deref(), records::PAGE).await?;
            let Some((last, _)) = page.last() else { return Ok(false) };
            after = Some(last.clone());
            let mut runs = Vec::with_capacity(page.len());
            for (_, found) in page {
                match found {
                    Found::Known(run) => runs.push(keys::run(&run.value)),
                    Found::Nothing => {}
                    Found::Newer => return Ok(true),
                }
            }
            let is_or_may_be = |found: &Found<Run>| match found {
                Found::Known(run) => run.value.occurrence == *id,
                Found::Nothing => false,
                Found::Newer => true,
            };
            if records::find_all::<Run>(store, &runs).await?.iter().any(is_or_may_be) {
                return Ok(true);
            }
        }
        Ok(true)
    }

    /// Adds to a commit that an occurrence is at this life.
    pub(super) fn begun_here(&self, batch: Batch, id: &OccurrenceId) -> Result<Batch> {
        let key = keys::occurrence_at(id);
        Ok(records::put::<_, ()>(batch, &key, &self.own_life(), None)?)
    }

    /// The same for a new one, where it is under way at once, or somebody waits for it here.
    pub(super) fn new_here(&self, batch: Batch, occurrence: &Occurrence) -> Result<Batch> {
        let waits_here =
            occurrence.trigger == Trigger::Manual && occurrence.state == OccurrenceState::Queued;
        if waits_here || occurrence.state == OccurrenceState::Running {
            return self.begun_here(batch, &occurrence.id);
        }
        Ok(batch)
    }

    /// Lets a commit about an occurrence pass only while it is at no other life than this.
    ///
    /// # Errors
    /// [`LedgerError::Conflict`]: it is.
    pub(super) async fn unless_elsewhere(&self, batch: Batch, id: &OccurrenceId) -> Result<Batch> {
        let key = keys::occurrence_at(id);
        let why = match self.find::<LifeOf>(&key).await? {
            Found::Nothing => return Ok(batch.check(key, None)),
            Found::Known(found) if found.value == self.own_life() => {
                return Ok(batch.check(key, Some(found.version)));
            }
            Found::Known(found) => format!("it is under way at daemon {}", found.value.daemon),
            Found::Newer => "it is under way at a newer Rota".to_owned(),
        };
        Err(LedgerError::Conflict { what: id.to_string(), why })
    }
}
