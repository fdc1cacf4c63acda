//! How things stand, for whoever watches from outside: looked up when somebody asks.

use super::books;
use super::budget;
use super::parts::Parts;
use crate::domain::{Claim, Delivery, Phase, Timestamp};
use crate::instruments::{self, Standing};
use crate::ledger::{ClaimError, LedgerError};
use std::sync::PoisonError;
use std::time::Duration;

/// At most so many of a sort are counted.
const COUNTED_MAX: usize = 10_000;

/// What could not be looked up.
#[derive(Debug, thiserror::Error)]
enum Unknown {
    #[error("local state")]
    Ledger(#[from] LedgerError),
    #[error("the claims")]
    Claims(#[from] ClaimError),
    #[error("the time of the store")]
    Store(#[from] crate::store::StoreError),
}

/// Tells the instruments how things stand.
pub(super) async fn measure(parts: &Parts) {
    parts.board.measure();
    parts.ledger.store().measure();
    match standing(parts).await {
        Ok(standing) => instruments::now(&standing),
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "how things stand could not be measured");
        }
    }
}

async fn standing(parts: &Parts) -> Result<Standing, Unknown> {
    let (ledger, now) = (&parts.ledger, parts.clock.wall());
    let claims = ledger.claims().await?;
    let running = ledger.running().await?;
    let held = |claim: &&Claim| claim.holder.is_some();
    let oldest = claims.iter().filter(held).filter_map(|claim| {
        running.iter().find(|run| run.id == claim.run).map(|run| since(now, run.started))
    });
    let claim_age = oldest.max().unwrap_or_default();
    // A run that waited stays recorded so; what waits now is its claim.
    let waits = |claim: &&Claim| claim.phase == Phase::Parked && claim.assistant.is_none();
    let waiting = claims.iter().filter(waits).count();
    let queues = ledger.queues(COUNTED_MAX).await?.into_iter().filter_map(|queue| {
        let waits = matches!(queue.head.delivery, Delivery::Pending { .. });
        waits.then(|| (queue.channel, queue.waiting, since(now, queue.head.created)))
    });
    let undecided = ledger.open_hand_overs().await?;
    let undecided = undecided.iter().filter(|hand_over| hand_over.decided.is_none());
    let (_, left) = budget::team(parts).await?;
    Ok(Standing {
        lease_left_ms: lease_left(parts, &claims).await?,
        claims: claims.iter().map(|claim| claim.phase).collect(),
        claim_age,
        running: running.len(),
        waiting,
        queues: queues.collect(),
        dead: ledger.count_dead_letters(COUNTED_MAX).await?,
        reviews: undecided.map(|hand_over| since(now, hand_over.since)).collect(),
        tokens_left: left.tokens,
        cost_left: left.cost_micros,
        playbooks: playbooks(parts).await?,
        stopped: parts.stopped().await?.is_some(),
    })
}

fn since(now: Timestamp, then: Timestamp) -> Duration {
    (now - then).to_std().unwrap_or_default()
}

/// The least that is left of a lease, by the store's time.
async fn lease_left(parts: &Parts, claims: &[Claim]) -> Result<Option<i64>, Unknown> {
    let now = parts.ledger.store().now().await?;
    let ends = claims.iter().filter_map(|claim| claim.lease_ends.as_ref());
    // Of another era nothing can be said.
    let ends = ends.filter(|end| end.era == now.era);
    let whole = |ms: u64| i64::try_from(ms).unwrap_or(i64::MAX);
    Ok(ends.map(|end| whole(end.ms).saturating_sub(whole(now.ms))).min())
}

/// Armed playbooks, paused ones, those that are not armed, and faults of files.
async fn playbooks(parts: &Parts) -> Result<[usize; 4], Unknown> {
    let [mut armed, mut paused, mut not_armed] = [0; 3];
    let switches = parts.ledger.playbook_switches().await?;
    for playbook in parts.playbooks() {
        let switch = match switches.of(&playbook.name) {
            Some(switch) => switch,
            None => parts.ledger.playbook_switch(&playbook.name).await?,
        };
        let is_armed =
            parts.settings.arms_itself || books::why_not_armed(&playbook, &switch).is_empty();
        match (switch.paused.is_some(), is_armed) {
            (true, _) => paused += 1,
            (false, true) => armed += 1,
            (false, false) => not_armed += 1,
        }
    }
    let library = parts.library.lock().unwrap_or_else(PoisonError::into_inner);
    Ok([armed, paused, not_armed, library.faults().len()])
}
