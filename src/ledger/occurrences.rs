//! Occurrences: every planned instant is recorded in the commit that moves the playbook's watermark
//! past it, so there are no holes; and what has settled never changes.

use super::records::{self, Found, Record, contended};
use super::{InRow, Ledger, LedgerError, Result, TRIES_MAX, keys};
use crate::domain::{
    Cursor, Notice, Occurrence, OccurrenceId, OccurrenceState, PlaybookName, Timestamp,
};
use crate::store::Batch;
use chrono::TimeDelta;
use std::collections::BTreeSet;

/// So many are recorded with one step of a watermark.
pub(super) const OCCURRENCES_MAX: usize = 1_000;
/// A watermark further ahead than this came from a clock that was wrong: it may go back.
const AHEAD_MAX: TimeDelta = TimeDelta::days(1);
/// So many are looked at when the open ones are asked for.
pub const OPEN_MAX: usize = 10_000;

impl Ledger {
    /// Up to when (inclusive) the playbook's instants have been recorded; `None`: never.
    pub async fn watermark(&self, playbook: &PlaybookName) -> Result<Option<Timestamp>> {
        Ok(self.read(&keys::watermark(playbook)).await?.map(|record| record.value))
    }

    /// The same of several playbooks, in their order: asked for together.
    pub async fn watermarks(&self, playbooks: &[PlaybookName]) -> Result<Vec<Option<Timestamp>>> {
        let names: Vec<String> = playbooks.iter().map(keys::watermark).collect();
        let found = records::get_all::<Timestamp>(self.store.as_ref(), &names).await?;
        Ok(found.into_iter().map(|record| record.map(|record| record.value)).collect())
    }

    /// When the ledger was last restored from an older export: what fell due between that export's
    /// watermarks and this instant may have run, and nobody knows. `None`: it never was.
    pub async fn lost_until(&self) -> Result<Option<Timestamp>> {
        Ok(self.read(keys::LOST_UNTIL).await?.map(|record| record.value))
    }

    /// Records instants and moves the watermark past them, together. Done again after the answer
    /// was lost, it changes nothing. At most 1,000 at once: move the watermark in steps. It goes back
    /// only where it lies more than a day ahead, because the clock was wrong.
    ///
    /// # Errors
    /// [`LedgerError::Conflict`] when the watermark is not `expected`, would go back, or one of the
    /// ids stands for something else.
    pub async fn record_occurrences(
        &self,
        playbook: &PlaybookName,
        new_watermark: Timestamp,
        expected: Option<Timestamp>,
        occurrences: Vec<Occurrence>,
    ) -> Result<()> {
        let (size, max) = (occurrences.len(), OCCURRENCES_MAX);
        if size > max {
            let what = format!("occurrences of {playbook}");
            return Err(LedgerError::TooLarge { what, size, max });
        }
        let key = keys::watermark(playbook);
        let conflict = |why: String| LedgerError::Conflict { what: format!("{playbook}"), why };
        for _ in 0..TRIES_MAX {
            let found: Option<Record<Timestamp>> = self.read(&key).await?;
            let current = found.as_ref().map(|record| record.value);
            if current != expected {
                if current == Some(new_watermark) && self.all_recorded(&occurrences).await? {
                    return Ok(());
                }
                return Err(conflict("its watermark was moved by somebody else".to_owned()));
            }
            let ahead = |mark: Timestamp| mark - self.clock.wall() > AHEAD_MAX;
            if current.is_some_and(|current| new_watermark < current && !ahead(current)) {
                return Err(conflict("a watermark does not go back".to_owned()));
            }
            let mut batch = records::replace(Batch::new(), &key, &new_watermark, found.as_ref())?;
            let mut new = Vec::new();
            for occurrence in &occurrences {
                if !self.is_recorded(occurrence).await? {
                    batch = create(batch, occurrence)?;
                    new.push(occurrence);
                }
            }
            if self.try_commit(batch).await? {
                self.count_settled(new);
                return Ok(());
            }
        }
        Err(contended(key))
    }

    /// Counts those among new ones that are skipped at once: they have settled by that.
    pub(super) fn count_settled<'a>(&self, new: impl IntoIterator<Item = &'a Occurrence>) {
        if let Some(house) = self.counts() {
            new.into_iter().for_each(|occurrence| house.settled(occurrence));
        }
    }

    /// Which of these have their record, of whatever playbooks they are: asked for together. After the
    /// clock was set back, instants come again that have one; they are accounted already. One whose id
    /// stands for something else has none: whoever records it hears of that.
    pub async fn recorded(&self, planned: &[&Occurrence]) -> Result<BTreeSet<OccurrenceId>> {
        let names: Vec<String> = planned.iter().map(|it| keys::occurrence(&it.id)).collect();
        let found = records::find_all::<Occurrence>(self.store.as_ref(), &names).await?;
        let mut recorded = BTreeSet::new();
        for (planned, found) in planned.iter().zip(found) {
            let is_recorded = match found {
                Found::Nothing => false,
                Found::Newer => true,
                Found::Known(found) => is_the_same(&found.value, planned),
            };
            if is_recorded {
                recorded.insert(planned.id.clone());
            }
        }
        Ok(recorded)
    }

    /// Records one that no watermark counts: asked for by hand, caused by an event, rework.
    ///
    /// # Errors
    /// [`LedgerError::Conflict`] when its id stands for something else.
    pub async fn put_occurrence(&self, occurrence: &Occurrence) -> Result<()> {
        for _ in 0..TRIES_MAX {
            if self.is_recorded(occurrence).await? {
                return Ok(());
            }
            let batch = self.new_here(create(Batch::new(), occurrence)?, occurrence)?;
            if self.try_commit(batch).await? {
                self.count_settled([occurrence]);
                return Ok(());
            }
        }
        Err(contended(occurrence.id.as_str()))
    }

    /// One occurrence.
    pub async fn occurrence(&self, id: &OccurrenceId) -> Result<Option<Occurrence>> {
        Ok(self.read(&keys::occurrence(id)).await?.map(|record| record.value))
    }

    /// One that waits is under way from now on, and at this daemon, in one step: of several that begin
    /// it, one finds that it waited. Returns the state it had; any other than `Queued` stays.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`]; [`LedgerError::Conflict`]: somebody waits for it at another daemon.
    pub async fn begin_occurrence(&self, id: &OccurrenceId) -> Result<OccurrenceState> {
        let key = keys::occurrence(id);
        for _ in 0..TRIES_MAX {
            let Some(found) = self.read::<Occurrence>(&key).await? else {
                return Err(LedgerError::NotFound { what: format!("occurrence {id}") });
            };
            if found.value.state != OccurrenceState::Queued {
                return Ok(found.value.state);
            }
            let begun = Occurrence { state: OccurrenceState::Running, ..found.value.clone() };
            let batch = records::replace(Batch::new(), &key, &begun, Some(&found))?;
            let batch = self.unless_elsewhere(batch, id).await?;
            let batch = self.begun_here(batch, id)?;
            if self.try_commit(batch).await? {
                if let Some(house) = self.counts() {
                    house.begins(&begun, self.clock.wall());
                }
                return Ok(OccurrenceState::Queued);
            }
        }
        Err(contended(key))
    }

    /// What became of one; saying the same again is no error.
    ///
    /// # Errors
    /// [`LedgerError::Conflict`]: it has settled otherwise, or is at another daemon;
    /// [`LedgerError::NotFound`].
    pub async fn set_occurrence_state(
        &self,
        id: &OccurrenceId,
        state: OccurrenceState,
    ) -> Result<()> {
        self.settle_occurrence(id, state, &[], None).await
    }

    /// The same, with what people are told of it and what it is in its playbook's row of failures, in one
    /// commit: however often it is said, it is told and counted once.
    ///
    /// # Errors
    /// As for [`Ledger::set_occurrence_state`].
    pub async fn settle_occurrence(
        &self,
        id: &OccurrenceId,
        state: OccurrenceState,
        notices: &[Notice],
        in_row: Option<InRow>,
    ) -> Result<()> {
        let key = keys::occurrence(id);
        for _ in 0..TRIES_MAX {
            let Some(found) = self.read::<Occurrence>(&key).await? else {
                return Err(LedgerError::NotFound { what: format!("occurrence {id}") });
            };
            if found.value.state == state {
                return Ok(());
            }
            if found.value.state.is_settled() {
                let why = "it has settled".to_owned();
                return Err(LedgerError::Conflict { what: id.to_string(), why });
            }
            let occurrence = Occurrence { state: state.clone(), ..found.value.clone() };
            let batch = records::replace(Batch::new(), &key, &occurrence, Some(&found))?;
            let mut batch = self.unless_elsewhere(batch, id).await?;
            if state.is_settled() {
                batch = batch
                    .delete(keys::occurrence_open(occurrence.planned, id))
                    .delete(keys::occurrence_at(id));
            }
            batch = self.notices_batch(batch, notices, None).await?;
            if let Some(what) = in_row {
                batch = self.count_in_row(batch, &occurrence.playbook, what).await?;
            }
            if self.try_commit(batch).await? {
                if let Some(house) = self.counts() {
                    house.settled(&occurrence);
                }
                return Ok(());
            }
        }
        Err(contended(key))
    }

    /// Those that have not settled, earliest planned first.
    pub async fn open_occurrences(&self) -> Result<Vec<Occurrence>> {
        let ids = records::scan_all(self.store.as_ref(), keys::OCCURRENCE_OPEN, OPEN_MAX).await?;
        self.occurrences_by_id(ids).await
    }

    /// The latest of a playbook by planned instant, newest first.
    pub async fn occurrences(
        &self,
        playbook: &PlaybookName,
        limit: usize,
    ) -> Result<Vec<Occurrence>> {
        let list = keys::occurrences_of(playbook);
        let ids = records::scan_all(self.store.as_ref(), &list, limit).await?;
        self.occurrences_by_id(ids).await
    }

    /// Occurrences of a playbook, newest first, or of all, playbook by playbook, after the one of this id.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`]: that one is not there (any more).
    pub async fn occurrences_after(
        &self,
        playbook: Option<&PlaybookName>,
        after: Option<&OccurrenceId>,
        limit: usize,
    ) -> Result<Vec<Occurrence>> {
        let list = playbook.map_or(keys::OCCURRENCES.to_owned(), keys::occurrences_of);
        let after = match after {
            None => None,
            Some(id) => {
                let gone = || LedgerError::NotFound { what: format!("occurrence {id}") };
                let shown = self.occurrence(id).await?.ok_or_else(gone)?;
                Some(keys::occurrence_of(&shown.playbook, shown.planned, id))
            }
        };
        let ids = records::scan(self.store.as_ref(), &list, after.as_deref(), limit).await?;
        self.occurrences_by_id(ids).await
    }

    /// Up to where the board's activity has been turned into occurrences.
    pub async fn board_cursor(&self) -> Result<Option<Cursor>> {
        Ok(self.read(&keys::cursor(&self.options.board)).await?.map(|record| record.value))
    }

    /// Moves it on from where it was found; the occurrences before it must have been recorded. False:
    /// somebody else has moved it meanwhile, and theirs stays.
    pub async fn move_board_cursor(&self, from: Option<&Cursor>, to: &Cursor) -> Result<bool> {
        let key = keys::cursor(&self.options.board);
        let found: Option<Record<Cursor>> = self.read(&key).await?;
        if found.as_ref().map(|found| &found.value) != from {
            return Ok(false);
        }
        let batch = records::replace(Batch::new(), &key, to, found.as_ref())?;
        Ok(self.try_commit(batch).await?)
    }

    async fn occurrences_by_id(
        &self,
        ids: Vec<(String, Record<OccurrenceId>)>,
    ) -> Result<Vec<Occurrence>> {
        let names: Vec<String> = ids.iter().map(|(_, id)| keys::occurrence(&id.value)).collect();
        let found = records::find_all::<Occurrence>(self.store.as_ref(), &names).await?;
        Ok(found.into_iter().filter_map(Found::known).map(|record| record.value).collect())
    }

    async fn all_recorded(&self, occurrences: &[Occurrence]) -> Result<bool> {
        for occurrence in occurrences {
            if !self.is_recorded(occurrence).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether this occurrence is there, whatever became of it.
    async fn is_recorded(&self, occurrence: &Occurrence) -> Result<bool> {
        match self.find::<Occurrence>(&keys::occurrence(&occurrence.id)).await? {
            Found::Nothing => Ok(false),
            Found::Newer => Ok(true),
            Found::Known(found) if is_the_same(&found.value, occurrence) => Ok(true),
            Found::Known(_) => Err(LedgerError::Conflict {
                what: occurrence.id.to_string(),
                why: "another occurrence has this id".to_owned(),
            }),
        }
    }
}

/// Whether two are about the same instant of the same playbook, whatever became of it.
fn is_the_same(one: &Occurrence, other: &Occurrence) -> bool {
    one.playbook == other.playbook && one.trigger == other.trigger && one.planned == other.planned
}

/// Adds one to a commit, with its places in the lists.
pub(super) fn create(batch: Batch, occurrence: &Occurrence) -> Result<Batch> {
    let (id, planned) = (&occurrence.id, occurrence.planned);
    let batch = records::create(batch, &keys::occurrence(id), occurrence)?;
    let list = keys::occurrence_of(&occurrence.playbook, planned, id);
    let mut batch = records::put::<_, ()>(batch, &list, id, None)?;
    if !occurrence.state.is_settled() {
        batch = records::put::<_, ()>(batch, &keys::occurrence_open(planned, id), id, None)?;
    }
    Ok(batch)
}
