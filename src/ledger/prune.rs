//! What is forgotten in time: ended runs with their transcripts and effects, notices that were told,
//! settled occurrences, decisions about tasks, how far agents went at tasks, definitions that no run has
//! used, `once` keys, reviews.
//!
//! It is done in small steps from time to time, so that nobody waits for it. Never touched: claims
//! and their fences, runs of held and orphaned claims and of open occurrences, what is not settled
//! or not told, the latest occurrences of each playbook, switches and watermarks, the audit log,
//! whose chain would not hold without its beginning (people's acts are few), and what only a newer Rota
//! can read.

mod past;
mod run;

use super::records::{self, Record};
use super::{Ledger, OPEN_MAX, Result, keys};
use crate::domain::{OccurrenceId, Run, TaskId, Timestamp};
use chrono::TimeDelta;
use std::collections::BTreeSet;
use std::sync::PoisonError;

/// "Never twice for the same key" holds for so long at least.
pub(super) const ONCE: TimeDelta = TimeDelta::days(730);
/// Records looked at together.
const PAGE: usize = 100;

/// What a step of pruning did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Rows that were removed.
    pub rows: usize,
    /// Whether it has come through everything; the next step begins anew.
    pub is_through: bool,
}

/// The sorts of records, in the order in which they are gone through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Sort {
    #[default]
    Forgotten,
    Runs,
    Notices,
    Occurrences,
    Decisions,
    Guards,
    Once,
    Rounds,
    Fitness,
    Definitions,
    Endings,
}

/// How far pruning has come. Kept in memory: after a restart it begins anew.
#[derive(Clone, Debug, Default)]
pub(super) struct Progress {
    sort: Sort,
    after: Option<String>,
}

/// A step: what bounds it and what it has done.
struct Step {
    /// What ended before this is forgotten.
    before: Timestamp,
    /// Rows that may still be looked at or removed.
    left: usize,
    removed: usize,
    spared: Spared,
}

/// What is not forgotten, however old.
#[derive(Default)]
struct Spared {
    tasks: BTreeSet<TaskId>,
    occurrences: BTreeSet<OccurrenceId>,
    /// As segments of keys.
    definitions: BTreeSet<String>,
}

impl Step {
    fn spend(&mut self, rows: usize) {
        self.left = self.left.saturating_sub(rows);
    }

    fn remove(&mut self, rows: usize) {
        self.removed += rows;
        self.spend(rows);
    }
}

impl Ledger {
    /// Forgets some of what ended before this instant; looks at about `rows` rows at most, or a
    /// little more to finish with a record.
    pub async fn prune(&self, before: Timestamp, rows: usize) -> Result<Pruned> {
        let mut progress = self.progress().clone();
        let spared = self.spared().await?;
        let mut step = Step { before, left: rows.max(1), removed: 0, spared };
        let mut is_through = false;
        while step.left > 0 && !is_through {
            let after = progress.after.take();
            progress.after = match progress.sort {
                Sort::Forgotten => self.prune_forgotten(&mut step).await?,
                Sort::Runs => self.prune_runs(&mut step, after).await?,
                Sort::Notices => self.prune_notices(&mut step, after).await?,
                Sort::Occurrences => self.prune_occurrences(&mut step, after).await?,
                Sort::Decisions => self.prune_decisions(&mut step, after).await?,
                Sort::Guards => self.prune_guards(&mut step, after).await?,
                Sort::Once => self.prune_once(&mut step, after).await?,
                Sort::Rounds => self.prune_rounds(&mut step, after).await?,
                Sort::Fitness => self.prune_fitness(&mut step, after).await?,
                Sort::Definitions => self.prune_definitions(&mut step, after).await?,
                Sort::Endings => self.prune_endings(&mut step).await?,
            };
            if progress.after.is_none() {
                // What was forgotten in this round is cleared away in the next.
                is_through = progress.sort == Sort::Endings;
                progress.sort = progress.sort.next();
            }
        }
        *self.progress() = progress;
        Ok(Pruned { rows: step.removed, is_through })
    }

    /// Entries of the chain of runs, from its beginning on.
    async fn prune_endings(&self, step: &mut Step) -> Result<Option<String>> {
        let removed = self.forget_endings(step.before, PAGE.min(step.left.max(1))).await?;
        step.remove(removed);
        // From its beginning again, as long as there is something to forget.
        Ok((removed > 0).then(String::new))
    }

    fn progress(&self) -> std::sync::MutexGuard<'_, Progress> {
        self.pruning.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn spared(&self) -> Result<Spared> {
        let mut spared = Spared::default();
        let board = &self.options.board;
        for prefix in [keys::held_prefix(board), keys::orphan_prefix(board)] {
            spared.tasks.extend(self.tasks_under(&prefix).await?);
        }
        for task in &spared.tasks {
            let claim = records::known(self.claim_record(*task).await)?;
            let Some(claim) = claim else { continue };
            let run: Option<Record<Run>> = self.read_known(&keys::run(&claim.value.run)).await?;
            spared.definitions.extend(run.map(|run| keys::segment(&run.value.definition)));
        }
        // By their list: also those that only a newer Rota can read.
        let open: Vec<(String, Record<OccurrenceId>)> =
            records::scan_all(self.store.as_ref(), keys::OCCURRENCE_OPEN, OPEN_MAX).await?;
        spared.occurrences.extend(open.into_iter().map(|(_, id)| id.value));
        Ok(spared)
    }

    /// Removes a row that only pointed to a record which is gone.
    async fn drop_row(&self, step: &mut Step, key: &str) -> Result<()> {
        self.store.commit(crate::store::Batch::new().delete(key)).await?;
        step.remove(1);
        Ok(())
    }
}

impl Sort {
    fn next(self) -> Self {
        match self {
            Self::Forgotten => Self::Runs,
            Self::Runs => Self::Notices,
            Self::Notices => Self::Occurrences,
            Self::Occurrences => Self::Decisions,
            Self::Decisions => Self::Guards,
            Self::Guards => Self::Once,
            Self::Once => Self::Rounds,
            Self::Rounds => Self::Fitness,
            Self::Fitness => Self::Definitions,
            Self::Definitions => Self::Endings,
            Self::Endings => Self::Forgotten,
        }
    }
}

/// Where a list that is newest first has only what is older than an instant.
fn older_than(list: &str, before: Timestamp) -> String {
    format!("{list}{}", keys::descending(before))
}

/// The further of two places.
fn further(one: Option<String>, other: String) -> String {
    one.map_or(other.clone(), |one| one.max(other))
}

/// How many rows a record takes when it is removed with this many places in lists.
fn rows_of(places: usize) -> usize {
    places + 1
}

const _: () = assert!(PAGE <= records::PAGE);
