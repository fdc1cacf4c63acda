//! The ledger's records, as tools see them.

use crate::domain::{Claim, Run, RunId};
use crate::ledger::{Ledger, LedgerError, RunFilter};
use crate::tools::desk::{DeskError, Records, RunQuery, RunRecord};
use async_trait::async_trait;
use std::sync::Arc;

/// At most so many lines of a transcript are shown.
const TRANSCRIPT_MAX: usize = 5_000;

/// The records of one ledger.
#[derive(Debug)]
pub struct LedgerRecords {
    ledger: Arc<Ledger>,
}

impl LedgerRecords {
    /// Of this ledger.
    pub fn new(ledger: Arc<Ledger>) -> Self {
        Self { ledger }
    }
}

fn failed(error: LedgerError) -> DeskError {
    match error {
        LedgerError::Ambiguous { .. } | LedgerError::NotFound { .. } => {
            DeskError::NotFound(error.to_string())
        }
        other => super::dispatcher::failed(other),
    }
}

#[async_trait]
impl Records for LedgerRecords {
    async fn claims(&self) -> Result<Vec<Claim>, DeskError> {
        self.ledger.claims().await.map_err(|error| DeskError::Failed {
            what: "the claims could not be read".to_owned(),
            source: Some(Box::new(error)),
        })
    }

    async fn runs(&self, query: &RunQuery) -> Result<Vec<Run>, DeskError> {
        let filter = RunFilter {
            playbook: query.playbook.clone(),
            task: query.task,
            state: query.state,
            since: None,
        };
        self.ledger.runs(&filter, query.limit).await.map_err(failed)
    }

    async fn run(&self, run: &RunId) -> Result<Option<RunRecord>, DeskError> {
        let ledger = &self.ledger;
        let Some(record) = ledger.run(run.as_str()).await.map_err(failed)? else {
            return Ok(None);
        };
        let lines = ledger.transcript(&record.id, 0, TRANSCRIPT_MAX).await.map_err(failed)?;
        let prompt = lines.iter().rev().find(|line| line.line.kind == "prompt");
        Ok(Some(RunRecord {
            occurrence: ledger.occurrence(&record.occurrence).await.map_err(failed)?,
            effects: ledger.effects(&record.id).await.map_err(failed)?,
            prompt: prompt.map(|line| line.line.text.clone()).unwrap_or_default(),
            transcript: lines
                .iter()
                .filter(|line| line.line.kind != "prompt")
                .map(|line| format!("{} {}", super::brief::text_of(line.line.at), line.line.text))
                .collect(),
            definition: ledger.definition(&record.definition).await.map_err(failed)?.unwrap_or_default(),
            run: record,
        }))
    }
}
