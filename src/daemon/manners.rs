//! Before something is told: whether whoever reads that channel wants to be told now (`[recipient.NAME]`).
//! What has to wait keeps its place; only an alarm goes past it.

use super::merging::{self, Together};
use super::parts::Parts;
use crate::domain::{Delivery, Notice, Recipient, Timestamp};
use crate::ledger::LedgerError;
use crate::schedule::considerate::{Telling, day_began, waits_until};
use chrono::TimeDelta;

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
        let recipients = &parts.settings.recipients;
        let Some(to) = recipients.iter().find(|to| to.channels.contains(&head.to)) else {
            return together(parts, None, head, now).await;
        };
        // What is begun is told to its end.
        if head.parts > 0 || !self.waits(parts, to, &head, now).await? {
            return together(parts, Some(to), head, now).await;
        }
        if !to.alarms_always || head.is_alarm {
            return Ok(None);
        }
        // Alarms keep their order, too: where the first one cannot be told yet, no other can.
        let alarm = parts.ledger.first_alarm(&head.to).await?;
        Ok(alarm.filter(|alarm| is_due(alarm, now)))
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
        let Some(most) = to.per_day.filter(|_| !(notice.is_alarm && to.alarms_always)) else {
            return Ok(false);
        };
        if self.full_until.is_some_and(|until| now < until) {
            return Ok(true);
        }
        let told = told_today(parts, to, most, now).await?;
        self.full_until = waits_until(to, telling, told, now);
        Ok(self.full_until.is_some())
    }
}

/// What waited for each other, or waited long, is one message. What was not told because its reader sleeps
/// is not even looked at.
async fn together(
    parts: &Parts,
    to: Option<&Recipient>,
    head: Notice,
    now: Timestamp,
) -> Result<Option<Notice>, LedgerError> {
    let waits_for_others = to.is_some_and(|to| !to.merge.is_zero());
    let what = if waits_for_others && head.parts == 0 && !head.is_alarm {
        Together { waited: TimeDelta::zero(), members_min: 2 }
    } else if merging::waits_long(&head, now) {
        Together::default()
    } else {
        return Ok(Some(head));
    };
    if merging::merge(parts, &head.to, now, what).await {
        let first = parts.ledger.queue(&head.to, 1).await?.into_iter().next();
        return Ok(first.filter(|first| is_due(first, now)));
    }
    Ok(Some(head))
}

/// Whether it may be tried by now. What was never tried may be at once, also where whoever stored it was
/// ahead of the time: nothing else is told there before it.
pub(super) fn is_due(notice: &Notice, now: Timestamp) -> bool {
    matches!(
        notice.delivery,
        Delivery::Pending { attempts, not_before, .. } if attempts == 0 || not_before <= now
    )
}

/// How many they were told on their civil day, by all their channels, as far as it matters; alarms do not
/// count.
async fn told_today(
    parts: &Parts,
    to: &Recipient,
    most: u32,
    now: Timestamp,
) -> Result<u32, LedgerError> {
    let (began, mut left) = (day_began(to, now), usize::try_from(most).unwrap_or(usize::MAX));
    for channel in &to.channels {
        left -= parts.ledger.count_told(channel, began, left).await?;
    }
    Ok(most - u32::try_from(left).unwrap_or(most))
}
