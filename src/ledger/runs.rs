//! Runs, their definitions and their transcripts.
use super::{Ledger, Result};
use crate::domain::{Notice, PlaybookName, Run, RunId, RunState, TaskId, Timestamp};
use serde::{Deserialize, Serialize};

/// Which runs; every part narrows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunFilter {
    /// Of this playbook.
    pub playbook: Option<PlaybookName>,
    /// About this task.
    pub task: Option<TaskId>,
    /// In this state.
    pub state: Option<RunState>,
    /// Started at this instant or later.
    pub since: Option<Timestamp>,
}

/// One line of a transcript.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// When.
    pub at: Timestamp,
    /// What sort: `prompt`, `model`, `tool`, `note`, …
    pub kind: String,
    /// The text.
    pub text: String,
}

/// A line and its number, from 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TranscriptLine {
    /// Its number.
    pub number: u64,
    /// The line.
    #[serde(flatten)]
    pub line: LogLine,
}

impl Ledger {
    /// Records a run that starts, and the definition it runs with.
    pub async fn start_run(&self, _run: &Run, _definition: &str) -> Result<()> {
        todo!()
    }
    /// Changes a run that has not ended.
    pub async fn update_run(&self, _run: &Run) -> Result<()> {
        todo!()
    }
    /// The one outcome of a run, with what people are told of it.
    pub async fn finish_run(&self, _run: &Run, _notices: Vec<Notice>) -> Result<()> {
        todo!()
    }
    /// A run by its name or an unambiguous beginning of it.
    pub async fn run(&self, _id_or_prefix: &str) -> Result<Option<Run>> {
        todo!()
    }
    /// Runs, newest first.
    pub async fn runs(&self, _filter: &RunFilter, _limit: usize) -> Result<Vec<Run>> {
        todo!()
    }
    /// How many runs of a playbook started at this instant or later.
    pub async fn runs_started_since(
        &self,
        _playbook: &PlaybookName,
        _since: Timestamp,
    ) -> Result<u32> {
        todo!()
    }
    /// Runs under way.
    pub async fn running(&self) -> Result<Vec<Run>> {
        todo!()
    }
    /// The definition kept under a hash.
    pub async fn definition(&self, _hash: &str) -> Result<Option<String>> {
        todo!()
    }
    /// Appends to a run's transcript.
    pub async fn log(&self, _run: &RunId, _lines: &[LogLine]) -> Result<()> {
        todo!()
    }
    /// Lines after this number, in order; 0 for the beginning.
    pub async fn transcript(
        &self,
        _run: &RunId,
        _after: u64,
        _limit: usize,
    ) -> Result<Vec<TranscriptLine>> {
        todo!()
    }
}
