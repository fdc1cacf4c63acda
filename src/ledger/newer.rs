//! What a newer Rota wrote on the same store: it stays as it is, and whoever meets it here goes on with
//! everything else. What it is about counts as taken, as paused or as stopped, whichever does no harm.

use super::claims::lost;
use super::records::{self, Found};
use super::{ClaimError, Held, Ledger, LedgerError, Result, keys};
use crate::domain::{Claim, Fence, Occurrence, OccurrenceId, Phase, Reason, TaskId};
use crate::store::{Row, StoreError, Versioned};
use serde::Deserialize;

/// Who did what only a newer Rota can read.
pub const NEWER: &str = "a newer Rota";

/// What of a claim's record is understood, whatever else it says.
#[derive(Deserialize)]
struct Glimpse {
    fence: Option<Fence>,
}

impl LedgerError {
    /// Whether it is about what only a newer Rota can read.
    pub fn is_of_newer(&self) -> bool {
        matches!(self, Self::Store(error) if records::is_newer(error))
    }
}

impl ClaimError {
    /// Whether it is about what only a newer Rota can read.
    pub fn is_of_newer(&self) -> bool {
        matches!(self, Self::Store(error) if records::is_newer(error))
    }
}

impl Ledger {
    /// Every claim that is not free, parked ones and those with an ended lease included; without those
    /// that only a newer Rota can read.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn claims(&self) -> std::result::Result<Vec<Claim>, ClaimError> {
        Ok(self.claims_and_newer().await?.0)
    }

    /// The same, and the tasks whose claims only a newer Rota can read: they are held or free by its rules,
    /// and nobody else takes them.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn claims_and_newer(
        &self,
    ) -> std::result::Result<(Vec<Claim>, Vec<TaskId>), ClaimError> {
        let board = &self.options.board;
        let tasks = self.tasks_under(&keys::held_prefix(board)).await?;
        let names: Vec<String> = tasks.iter().map(|task| keys::claim(board, *task)).collect();
        let found = records::find_all::<Claim>(self.store.as_ref(), &names).await?;
        let (mut claims, mut newer) = (Vec::new(), Vec::new());
        for (task, found) in tasks.into_iter().zip(found) {
            match found {
                Found::Known(record) if record.value.phase != Phase::Free => {
                    claims.push(record.value);
                }
                Found::Known(_) | Found::Nothing => {}
                Found::Newer => newer.push(task),
            }
        }
        Ok((claims, newer))
    }

    /// The fence that a claim's record says, where only a newer Rota can read the rest of it; `None`: it says
    /// none that is understood.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn fence_glimpsed(&self, task: TaskId) -> Result<Option<Fence>> {
        let row = self.store.get(&keys::claim(&self.options.board, task)).await?;
        let glimpse = row.and_then(|row| serde_json::from_slice::<Glimpse>(&row.value).ok());
        Ok(glimpse.and_then(|glimpse| glimpse.fence))
    }

    /// How much was found since this began that only a newer Rota can read.
    pub fn left_alone(&self) -> usize {
        self.watched.left_alone()
    }

    /// The tasks that an index of claims names.
    pub(super) async fn tasks_under(
        &self,
        prefix: &str,
    ) -> std::result::Result<Vec<TaskId>, StoreError> {
        let mut tasks = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let rows = self.store.scan(prefix, after.as_deref(), records::PAGE).await?;
            let Some(last) = rows.last() else { return Ok(tasks) };
            after = Some(last.key.clone());
            let ids = rows.iter().map(|row| row.key[prefix.len()..].parse::<TaskId>());
            tasks.extend(ids.filter_map(std::result::Result::ok));
        }
    }

    /// Whether what stands under a key says that it is a newer program's, whatever it is about.
    pub(super) async fn is_newers(&self, key: &str) -> Result<bool> {
        let Some(Versioned { version, value }) = self.store.get(key).await? else {
            return Ok(false);
        };
        let row = Row { key: key.to_owned(), version, value };
        Ok(records::is_marked(self.store.as_ref(), &row).await?)
    }

    /// Whether an occurrence is recorded, by whatever version of the program.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn knows_occurrence(&self, id: &OccurrenceId) -> Result<bool> {
        let found = self.find::<Occurrence>(&keys::occurrence(id)).await?;
        Ok(!matches!(found, Found::Nothing))
    }
}

/// Why a claim that is held could not be read; one that a newer Rota has written since is lost.
pub(super) fn lost_to_newer(held: &Held, error: StoreError) -> ClaimError {
    if records::is_newer(&error) {
        held.trust.lose();
    }
    held_by_newer(held.claim.task, error)
}

/// Why a claim whose record could not be read is nobody's here.
pub(super) fn held_by_newer(task: TaskId, error: StoreError) -> ClaimError {
    if records::is_newer(&error) {
        let detail = format!("the claim of task {task} was written by a newer Rota");
        return lost(Reason::AlreadyClaimed, detail);
    }
    error.into()
}
