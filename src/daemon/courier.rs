//! The courier: takes notices from the outbox to their channels, again and again until they arrive.

use super::parts::Parts;
use crate::crash;
use crate::domain::{Delivery, Notice, to_delta};
use crate::notify::{ATTEMPTS_MAX, next_try};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, Notify};
use tokio_util::sync::CancellationToken;

/// At most so many notices are taken at a time.
const BATCH: usize = 50;
/// How often the outbox is looked at when nothing was announced.
const EVERY: Duration = Duration::from_secs(5);

/// Carries notices. However many ask it to, it goes one round at a time: two rounds at once would
/// tell the same thing twice.
#[derive(Debug)]
pub(super) struct Courier {
    parts: Arc<Parts>,
    /// Keys of what arrived and could not be recorded; they are recorded later, not told again.
    told: Mutex<BTreeSet<String>>,
}

/// The local state could not be read or written: to go on would be to tell things again and again.
struct Broken;

impl Courier {
    pub(super) fn new(parts: Arc<Parts>) -> Self {
        Self { parts, told: Mutex::default() }
    }

    /// Delivers until told to stop.
    pub(super) async fn run(self: Arc<Self>, wake: Arc<Notify>, stop: CancellationToken) {
        loop {
            self.deliver_due().await;
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = wake.notified() => {}
                () = tokio::time::sleep(EVERY) => {}
            }
        }
        // What the last runs had to tell is tried once more before the end.
        self.deliver_due().await;
    }

    /// Delivers what is due now; true when all of it arrived.
    pub(super) async fn deliver_due(&self) -> bool {
        let mut told = self.told.lock().await;
        let mut all = true;
        loop {
            let now = self.parts.clock.wall();
            let due = match self.parts.ledger.due_notices(now, BATCH).await {
                Ok(due) => due,
                Err(error) => {
                    tracing::warn!(%error, "the outbox could not be read");
                    return false;
                }
            };
            let full = due.len() == BATCH;
            for notice in due {
                match deliver(&self.parts, &notice, &mut told).await {
                    Ok(arrived) => all &= arrived,
                    Err(Broken) => return false,
                }
            }
            if !full {
                return all;
            }
        }
    }
}

async fn deliver(
    parts: &Parts,
    notice: &Notice,
    told: &mut BTreeSet<String>,
) -> Result<bool, Broken> {
    if !told.contains(&notice.key) {
        let Some(notifier) = parts.notifiers.get(&notice.to) else {
            let error = format!("rota.toml defines no channel {}", notice.to);
            fail(parts, notice, &error, false, None).await?;
            return Ok(false);
        };
        // A message of several parts begins anew: better a part twice than one lost.
        if let Err(error) = notifier.deliver(&notice.key, &notice.body, 0).await {
            tracing::warn!(key = %notice.key, to = %notice.to, %error, "a notice was not taken");
            fail(parts, notice, &error.what, error.is_transient, error.retry_after).await?;
            return Ok(false);
        }
        crash::reached("notice.delivered");
    }
    let at = parts.clock.wall();
    if let Err(error) = parts.ledger.notice_delivered(&notice.key, at).await {
        tracing::warn!(key = %notice.key, %error, "a delivery could not be recorded");
        told.insert(notice.key.clone());
        return Err(Broken);
    }
    told.remove(&notice.key);
    Ok(true)
}

async fn fail(
    parts: &Parts,
    notice: &Notice,
    error: &str,
    is_transient: bool,
    retry_after: Option<Duration>,
) -> Result<(), Broken> {
    let attempts = match &notice.delivery {
        Delivery::Pending { attempts, .. } => attempts.saturating_add(1),
        _ => 1,
    };
    let wait = next_try(attempts, retry_after);
    let not_before = parts.clock.wall() + to_delta(wait);
    let again = is_transient && attempts < ATTEMPTS_MAX;
    let recorded = parts.ledger.notice_failed(&notice.key, error, not_before, again).await;
    recorded.map_err(|error| {
        tracing::warn!(key = %notice.key, %error, "a failed delivery could not be recorded");
        Broken
    })
}
