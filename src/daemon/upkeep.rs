//! Upkeep of local state, beside the loop that decides: what is old is forgotten in small steps, and so are
//! daemons that are long gone; what changed is exported, and workspaces of tasks that are done go. None of
//! it keeps the dispatcher waiting.

use super::parts::Parts;
use crate::domain::to_delta;
use crate::ledger::export::ExportError;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Interval, MissedTickBehavior};

/// How often.
const EVERY: Duration = Duration::from_mins(1);
/// How often daemons that are long gone are forgotten.
const FORGETS: Duration = Duration::from_hours(1);
/// So many rows are looked at or removed each time.
const ROWS_MAX: usize = 1_000;

/// Works until it is dropped.
pub(super) async fn keep(parts: Arc<Parts>) {
    tokio::join!(keep_state(&parts), keep_rooms(&parts), keep_daemons(&parts));
}

/// For looks that come again and again: what was missed while the machine slept or was busy is one look, not many.
pub(super) fn timer(every: Duration) -> Interval {
    let mut timer = tokio::time::interval(every);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    timer
}

/// A team's hooks may take their time: nothing else waits for them.
async fn keep_rooms(parts: &Parts) {
    let (mut timer, mut turn) = (timer(EVERY), 0);
    loop {
        timer.tick().await;
        super::rooms::tend(parts, &mut turn).await;
    }
}

async fn keep_state(parts: &Parts) {
    let mut timer = timer(EVERY);
    loop {
        timer.tick().await;
        prune(parts).await;
        if let Err(error) = export(parts).await {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "local state could not be exported"
            );
        }
    }
}

/// Where daemons share a store, those that do not come back are forgotten.
async fn keep_daemons(parts: &Parts) {
    if !parts.ledger.is_shared() {
        return;
    }
    let mut timer = timer(FORGETS);
    loop {
        timer.tick().await;
        if let Err(error) = parts.ledger.forget_daemons().await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "daemons that are long gone could not be forgotten"
            );
        }
    }
}

/// Forgets some of what is older than `[store] keep`.
async fn prune(parts: &Parts) {
    let before = parts.clock.wall() - to_delta(parts.settings.keep);
    match parts.ledger.prune(before, ROWS_MAX).await {
        Ok(pruned) if pruned.rows > 0 => {
            tracing::debug!(rows = pruned.rows, "old records are gone");
        }
        Ok(_) => {}
        Err(error) => tracing::warn!(
            error = &error as &dyn std::error::Error,
            "old records could not be removed"
        ),
    }
}

/// Writes the export of a house that has a state folder, if anything has changed.
pub(super) async fn export(parts: &Parts) -> Result<(), ExportError> {
    let Some(state) = &parts.settings.state else { return Ok(()) };
    parts.ledger.export(state).await.map(|_| ())
}
