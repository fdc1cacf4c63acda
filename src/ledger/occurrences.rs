//! Occurrences and watermarks.
use super::{Ledger, Result};
use crate::domain::{Cursor, Occurrence, OccurrenceId, OccurrenceState, PlaybookName, Timestamp};

impl Ledger {
    /// Up to when the playbook's instants have been recorded.
    pub async fn watermark(&self, _playbook: &PlaybookName) -> Result<Option<Timestamp>> {
        todo!()
    }
    /// Records instants and moves the watermark, together; `Conflict` when it is not `expected`.
    pub async fn record_occurrences(
        &self,
        _playbook: &PlaybookName,
        _new_watermark: Timestamp,
        _expected: Option<Timestamp>,
        _occurrences: Vec<Occurrence>,
    ) -> Result<()> {
        todo!()
    }
    /// Records one that no watermark counts: by hand, by an event, rework.
    pub async fn put_occurrence(&self, _occurrence: &Occurrence) -> Result<()> {
        todo!()
    }
    /// One occurrence.
    pub async fn occurrence(&self, _id: &OccurrenceId) -> Result<Option<Occurrence>> {
        todo!()
    }
    /// What became of one; a settled one never changes (`Conflict`).
    pub async fn set_occurrence_state(
        &self,
        _id: &OccurrenceId,
        _state: OccurrenceState,
    ) -> Result<()> {
        todo!()
    }
    /// Those that are not settled, earliest first.
    pub async fn open_occurrences(&self) -> Result<Vec<Occurrence>> {
        todo!()
    }
    /// The latest of a playbook, newest first.
    pub async fn occurrences(
        &self,
        _playbook: &PlaybookName,
        _limit: usize,
    ) -> Result<Vec<Occurrence>> {
        todo!()
    }
    /// Up to where the board's activity has been looked at.
    pub async fn board_cursor(&self) -> Result<Option<Cursor>> {
        todo!()
    }
    /// Moves it.
    pub async fn set_board_cursor(&self, _cursor: &Cursor) -> Result<()> {
        todo!()
    }
}
