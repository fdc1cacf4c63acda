//! Goes through items, many at once, and counts what became of them; stops between two of them.

use super::item::kept;
use super::links::Links;
use super::noun::{Key, Kind, Noun};
use super::patience::{Halt, Patience};
use super::report::{Count, Left, Report};
use super::way::Way;
use super::{Options, Step};
use crate::board::BoardError;
use futures::StreamExt as _;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// Items that fail in a row before the board counts as gone.
const FAILED_MAX: u32 = 5;

/// Which fields are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pass {
    /// All that can be.
    First,
    /// Those that had to wait.
    Late,
}

/// What an item came to.
#[derive(Debug)]
pub(super) enum Outcome {
    New,
    Met,
    Changed,
    Same,
    Kept(Vec<&'static str>),
    Left(String),
}

pub(super) struct Engine {
    pub(super) way: Way,
    pub(super) options: Options,
    pub(super) tell: watch::Sender<Step>,
    pub(super) patience: Patience,
    report: Mutex<Report>,
    halted: Mutex<Option<Halt>>,
    /// Made by this run.
    pub(super) fresh: Mutex<BTreeSet<(Kind, Key)>>,
    /// Held while one looks for what it may have written.
    pub(super) looking: tokio::sync::Mutex<()>,
    pub(super) failed: AtomicU32,
}

pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Engine {
    pub(super) fn new(
        way: Way,
        options: Options,
        report: Report,
        tell: watch::Sender<Step>,
        patience: Patience,
    ) -> Self {
        Self {
            way,
            options,
            tell,
            patience,
            report: Mutex::new(report),
            halted: Mutex::default(),
            fresh: Mutex::default(),
            looking: tokio::sync::Mutex::default(),
            failed: AtomicU32::new(0),
        }
    }

    pub(super) fn links(&self) -> &Links {
        &self.way.links
    }

    pub(super) fn report(&self) -> MutexGuard<'_, Report> {
        locked(&self.report)
    }

    pub(super) fn is_halted(&self) -> bool {
        self.patience.stop.is_cancelled() || locked(&self.halted).is_some()
    }

    pub(super) fn halted(&self) -> Option<Halt> {
        let halt = locked(&self.halted).take();
        halt.or_else(|| self.patience.stop.is_cancelled().then_some(Halt::Stopped))
    }

    pub(super) fn halt(&self, halt: Halt) {
        locked(&self.halted).get_or_insert(halt);
    }

    /// Chains of items: one after the other within a chain, several chains at once, so that what is
    /// asked of the target at the same time goes in one request. Nothing that was begun is dropped.
    pub(super) async fn run<N: Noun>(&self, chains: Vec<Vec<N>>, pass: Pass) {
        let of: usize = chains.iter().map(Vec::len).sum();
        if pass == Pass::First {
            let mut report = self.report();
            match report.count(N::KIND) {
                Some(count) => count.found += of,
                None => report.counts.push(Count::of(N::KIND, of)),
            }
        }
        let begun = Step { noun: Some(N::KIND), done: 0, of, is_late: pass == Pass::Late };
        self.tell.send_replace(begun);
        let at_once = self.options.at_once.max(1);
        futures::stream::iter(chains)
            .for_each_concurrent(at_once, |chain| async move {
                for item in chain {
                    if self.is_halted() {
                        return;
                    }
                    match self.one(&item, pass).await {
                        Ok(outcome) => self.tally(&item, &outcome, pass),
                        Err(halt) => self.halt(halt),
                    }
                    self.tell.send_modify(|step| step.done += 1);
                }
            })
            .await;
    }

    fn tally<N: Noun>(&self, item: &N, outcome: &Outcome, pass: Pass) {
        let (kind, key) = (N::KIND, item.key());
        if let Outcome::Kept(fields) = outcome {
            self.leave(item, kept(fields));
        }
        if let Outcome::Left(why) = outcome {
            self.leave(item, why.clone());
        }
        let is_fresh = locked(&self.fresh).contains(&(kind, key));
        let mut report = self.report();
        let Some(count) = report.count(kind) else { return };
        if matches!(outcome, Outcome::New | Outcome::Changed) {
            count.meet(key, || item.title());
        }
        if pass == Pass::Late {
            // It was counted; only that it changed is new.
            if matches!(outcome, Outcome::Changed) && !is_fresh {
                count.changed += 1;
                count.same = count.same.saturating_sub(1);
            }
            return;
        }
        match outcome {
            Outcome::New => count.new += 1,
            Outcome::Met => count.met += 1,
            Outcome::Changed => count.changed += 1,
            Outcome::Same => count.same += 1,
            Outcome::Kept(_) => count.kept += 1,
            Outcome::Left(_) => count.left += 1,
        }
    }

    pub(super) fn leave<N: Noun>(&self, item: &N, what: String) {
        let (id, name) = (item.key().0, item.title());
        self.report().leave(Left { noun: N::KIND, id, name, what });
    }

    async fn one<N: Noun>(&self, item: &N, pass: Pass) -> std::result::Result<Outcome, Halt> {
        match self.links().get(N::KIND, item.key()) {
            Some(link) => self.renew(item, link, pass).await,
            None if pass == Pass::Late => Ok(Outcome::Same),
            None => self.make(item).await,
        }
    }

    /// Waits before the next try; false when there is none.
    pub(super) async fn breathe(&self, tries: u32, error: &BoardError) -> bool {
        self.patience.breathe(tries, error).await
    }

    /// An item that failed to the last; after several in a row nothing more is tried.
    pub(super) fn gave_up(&self, error: BoardError) -> std::result::Result<Outcome, Halt> {
        if self.patience.stop.is_cancelled() {
            return Err(Halt::Stopped);
        }
        let is_hopeless = matches!(error, BoardError::Unusable { .. });
        if is_hopeless || self.failed.fetch_add(1, Ordering::Relaxed) + 1 >= FAILED_MAX {
            return Err(Halt::Board(error));
        }
        Ok(Outcome::Left(error.to_string()))
    }
}
