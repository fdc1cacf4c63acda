//! The courier: takes notices from the outbox to their channels, again and again until they arrive.

use super::parts::Parts;
use crate::crash;
use crate::domain::{Delivery, Notice, to_delta};
use crate::notify::{ATTEMPTS_MAX, next_try};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// At most so many notices are taken at a time.
const BATCH: usize = 50;
/// How often the outbox is looked at when nothing was announced.
const EVERY: Duration = Duration::from_secs(5);

/// Delivers until told to stop.
pub(super) async fn run(parts: Arc<Parts>, wake: Arc<Notify>, stop: CancellationToken) {
    loop {
        deliver_due(&parts).await;
        tokio::select! {
            () = stop.cancelled() => break,
            () = wake.notified() => {}
            () = tokio::time::sleep(EVERY) => {}
        }
    }
    // What the last runs had to tell is tried once more before the end.
    deliver_due(&parts).await;
}

/// Delivers what is due now; true when all of it arrived.
pub(super) async fn deliver_due(parts: &Parts) -> bool {
    let _alone = parts.ledger.courier().await;
    let mut all = true;
    loop {
        let now = parts.clock.wall();
        let due = match parts.ledger.due_notices(now, BATCH).await {
            Ok(due) => due,
            Err(error) => {
                tracing::warn!(%error, "the outbox could not be read");
                return false;
            }
        };
        let full = due.len() == BATCH;
        for notice in due {
            all &= deliver(parts, &notice).await;
        }
        if !full {
            return all;
        }
    }
}

async fn deliver(parts: &Parts, notice: &Notice) -> bool {
    let Some(notifier) = parts.notifiers.get(&notice.to) else {
        let error = format!("rota.toml defines no channel {}", notice.to);
        fail(parts, notice, &error, false, None).await;
        return false;
    };
    // A message of several parts begins anew: better a part twice than one lost.
    match notifier.deliver(&notice.key, &notice.body, 0).await {
        Ok(()) => {
            crash::reached("notice.delivered");
            let at = parts.clock.wall();
            if let Err(error) = parts.ledger.notice_delivered(&notice.key, at).await {
                tracing::warn!(key = %notice.key, %error, "a delivery could not be recorded");
                return false;
            }
            true
        }
        Err(error) => {
            tracing::warn!(key = %notice.key, to = %notice.to, %error, "a notice was not taken");
            fail(parts, notice, &error.what, error.is_transient, error.retry_after).await;
            false
        }
    }
}

async fn fail(
    parts: &Parts,
    notice: &Notice,
    error: &str,
    is_transient: bool,
    retry_after: Option<Duration>,
) {
    let attempts = match &notice.delivery {
        Delivery::Pending { attempts, .. } => attempts.saturating_add(1),
        _ => 1,
    };
    let wait = next_try(attempts, retry_after);
    let not_before = parts.clock.wall() + to_delta(wait);
    let again = is_transient && attempts < ATTEMPTS_MAX;
    let recorded = parts.ledger.notice_failed(&notice.key, error, not_before, again).await;
    if let Err(error) = recorded {
        tracing::warn!(key = %notice.key, %error, "a failed delivery could not be recorded");
    }
}
