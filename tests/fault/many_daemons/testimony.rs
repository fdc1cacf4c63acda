//! What board and ledger tell of many daemons once they have ended: what they tell of one, and the audit
//! chain of the runs' ends and the words on the board.

use crate::fault::evidence::{Evidence, Known, records};
use rota::board::Board;
use rota::clock::{SystemClock, SystemEntropy};
use rota::domain::{
    BoardName, Comment, CommentQuery, DaemonId, Fence, LifeId, Run, RunId, RunState, TaskId,
};
use rota::ledger::{AuditEntry, AuditVerdict, Ledger, LedgerOptions};
use rota::store::Store;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Which runs worked under each claim, by its task and fence.
pub type Winners<'a> = BTreeMap<(TaskId, Fence), BTreeSet<&'a RunId>>;

/// All of it.
#[derive(Clone, Debug)]
pub struct Testimony {
    pub evidence: Evidence,
    /// The chain's entries about runs that ended, in its order.
    pub endings: Vec<AuditEntry>,
    /// What the ledger finds when it walks its chains.
    pub verdict: AuditVerdict,
    /// Every comment, in the board's order.
    pub comments: Vec<Comment>,
}

impl Testimony {
    /// Reads a store and a board at which nobody works.
    pub async fn read(store: &Arc<dyn Store>, board: &dyn Board, known: Known) -> Self {
        let evidence = Evidence::of(store.as_ref(), board, known).await;
        let endings = records::<AuditEntry>(store.as_ref(), "ending/").await;
        let options = LedgerOptions {
            board: BoardName::new("main"),
            daemon: DaemonId::new("looking"),
            life: LifeId::new("a look"),
            margin: Duration::from_secs(1),
            epoch: 0,
        };
        let (clock, entropy) = (SystemClock::shared(), Arc::new(SystemEntropy));
        let ledger = Ledger::new(Arc::clone(store), clock, entropy, options);
        Self {
            evidence,
            endings: endings.into_iter().map(|(_, entry)| entry).collect(),
            verdict: ledger.verify().await.unwrap(),
            comments: comments(board).await,
        }
    }

    /// By the records of runs and by their journals: a run that another daemon finishes has several.
    pub fn winners(&self) -> Winners<'_> {
        let mut winners = Winners::new();
        for run in self.evidence.runs.values() {
            if let (Some(task), Some(fence)) = (run.task, run.fence) {
                winners.entry((task, fence)).or_default().insert(&run.id);
            }
        }
        for effect in self.evidence.effects.values().flatten() {
            if let (Some(task), Some(fence)) = (effect.claimed, effect.fence) {
                winners.entry((task, fence)).or_default().insert(&effect.mark.run);
            }
        }
        winners
    }

    /// How many runs were broken off and followed by one of another daemon.
    pub fn taken_over(&self) -> usize {
        let mut at: BTreeMap<TaskId, Vec<&Run>> = BTreeMap::new();
        for run in self.evidence.runs.values().filter(|run| run.fence.is_some()) {
            at.entry(run.task.expect("a fence without a task")).or_default().push(run);
        }
        let taken_over = |mut runs: Vec<&Run>| {
            runs.sort_by_key(|run| run.fence);
            runs.windows(2).filter(|two| is_taken_over(two[0], two[1])).count()
        };
        at.into_values().map(taken_over).sum()
    }
}

fn is_taken_over(run: &Run, next: &Run) -> bool {
    run.state == RunState::Interrupted && run.daemon != next.daemon
}

async fn comments(board: &dyn Board) -> Vec<Comment> {
    let mut query = CommentQuery { limit: 1_000, ..CommentQuery::default() };
    let mut all = Vec::new();
    loop {
        let page = board.comments(&query).await.unwrap().items;
        let Some(last) = page.last() else { return all };
        query.after = Some(last.id);
        all.extend(page);
    }
}
