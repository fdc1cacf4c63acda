//! Before something is told: whether whoever reads that channel wants to be told now (`[recipient.NAME]`).
//! What has to wait keeps its place; only an alarm goes past it.

use super::merging::{self, Together};
use super::parts::Parts;
use crate::domain::{Channel, Delivery, Notice, Recipient, Timestamp};
use crate::ledger::LedgerError;
use crate::schedule::considerate::{Telling, day_began, waits_until};
use chrono::TimeDelta;

/// So many are looked at for an alarm, and for what was told today.
const LOOK: usize = 1_000;

/// What a channel's way knows of its reader.
#[derive(Debug, Default)]
pub(super) struct Manners {
    /// They were told as much as they want until then.
    full_until: Option<Timestamp>,
}

impl Manners {
    /// What may be told now: the first of a queue, or an alarm behind it.
    pub(super) async fn next(
        &mut self,
        parts: &Parts,
        head: Notice,
        now: Timestamp,
    ) -> Result<Option<Notice>, LedgerError> {
        let channel = head.to.clone();
        let recipients = &parts.settings.recipients;
        let Some(to) = recipients.iter().find(|to| to.channels.contains(&channel)) else {
            return Ok(Some(head));
        };
        // What is begun is told to its end.
        if head.parts > 0 || !self.waits(parts, to, &head, now).await? {
            return together(parts, to, head, now).await;
        }
        let queue = parts.ledger.queue(&channel, LOOK).await?;
        for notice in queue.into_iter().filter(|notice| notice.is_alarm) {
            let is_due = matches!(notice.delivery, Delivery::Pending { not_before, .. } if not_before <= now);
            if is_due && !self.waits(parts, to, &notice, now).await? {
                return Ok(Some(notice));
            }
        }
        Ok(None)
    }

    async fn waits(
        &mut self,
        parts: &Parts,
        to: &Recipient,
        notice: &Notice,
        now: Timestamp,
    ) -> Result<bool, LedgerError> {
        let is_together = merging::is_merged(notice);
        // Those that it was made of have waited for each other.
        let created = if is_together { Timestamp::default() } else { notice.created };
        let telling = Telling { created, is_alarm: notice.is_alarm };
        if waits_until(to, telling, 0, now).is_some() {
            return Ok(true);
        }
        if to.per_day.is_none() || notice.is_alarm && to.alarms_always {
            return Ok(false);
        }
        if self.full_until.is_some_and(|until| now < until) {
            return Ok(true);
        }
        let told = told_today(parts, to, now).await?;
        self.full_until = waits_until(to, telling, told, now);
        Ok(self.full_until.is_some())
    }
}

/// What waited for each other is one message.
async fn together(
    parts: &Parts,
    to: &Recipient,
    head: Notice,
    now: Timestamp,
) -> Result<Option<Notice>, LedgerError> {
    let what = Together { waited: TimeDelta::zero(), members_min: 2 };
    let waits = !to.merge.is_zero() && head.parts == 0 && !head.is_alarm;
    if waits && merging::merge(parts, &head.to, now, what).await {
        return Ok(parts.ledger.queue(&head.to, 1).await?.into_iter().next());
    }
    Ok(Some(head))
}

/// How many they were told on their civil day, by all their channels; alarms do not count.
async fn told_today(parts: &Parts, to: &Recipient, now: Timestamp) -> Result<u32, LedgerError> {
    let began = day_began(to, now);
    let is_theirs = |channel: &Channel| to.channels.contains(channel);
    let latest = parts.ledger.notices(LOOK, None).await?;
    let told = latest.iter().filter(|notice| {
        let Delivery::Delivered { at } = notice.delivery else { return false };
        is_theirs(&notice.to) && at >= began && !notice.is_alarm
    });
    Ok(u32::try_from(told.count()).unwrap_or(u32::MAX))
}
