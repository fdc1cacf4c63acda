//! Everything else that is forgotten: notices, occurrences, decisions, `once` keys, definitions.

use super::super::guards::At;
use super::super::outbox::listed;
use super::super::records::{self, Found, Record};
use super::super::{Ledger, Result, keys};
use super::{ONCE, PAGE, Step, further, older_than, rows_of};
use crate::domain::{
    Arrival, Decision, Delivery, Fitness, Mark, Notice, Occurrence, OccurrenceId, Rounds,
    Timestamp, Trigger,
};
use crate::store::Batch;
use chrono::TimeDelta;

/// So many of a playbook's occurrences are kept, however old: what was missed is judged by them.
const LATEST_KEPT: usize = 10;

impl Ledger {
    /// Notices that were told or given up.
    pub(super) async fn prune_notices(
        &self,
        step: &mut Step,
        after: Option<String>,
    ) -> Result<Option<String>> {
        let list = keys::notices_all();
        let after = further(after, older_than(&list, step.before));
        let page: Vec<(String, Record<String>)> =
            records::scan(self.store.as_ref(), &list, Some(&after), PAGE.min(step.left)).await?;
        let mut end = None;
        for (place, key) in page {
            let row = keys::notice(&key.value);
            match self.find::<Notice>(&row).await? {
                Found::Known(notice) if is_told(&notice.value, step.before) => {
                    let batch = records::remove(Batch::new(), &row, &notice).delete(place.as_str());
                    let batch = listed(batch, Some(&notice.value), None)?;
                    self.take_away(step, batch, 2).await?;
                }
                Found::Known(_) | Found::Newer => step.spend(1),
                Found::Nothing => self.drop_row(step, &place).await?,
            }
            end = Some(place);
        }
        Ok(end)
    }

    /// Settled occurrences, playbook by playbook, but for each one's latest.
    pub(super) async fn prune_occurrences(
        &self,
        step: &mut Step,
        after: Option<String>,
    ) -> Result<Option<String>> {
        let next = self.store.scan(keys::OCCURRENCES, after.as_deref(), 1).await?;
        let Some(next) = next.first() else { return Ok(None) };
        let name_length =
            next.key[keys::OCCURRENCES.len()..].find('/').unwrap_or(0) + keys::OCCURRENCES.len();
        let (name, list) = (&next.key[..name_length], &next.key[..=name_length]);
        step.spend(1);
        let after = if let Some(after) = after.filter(|after| after.starts_with(list)) {
            after
        } else {
            let latest = self.store.scan(list, None, LATEST_KEPT).await?;
            let latest = latest.last().map(|row| row.key.clone());
            further(latest, older_than(list, step.before))
        };
        let page: Vec<(String, Record<OccurrenceId>)> =
            records::scan(self.store.as_ref(), list, Some(&after), PAGE.min(step.left.max(1)))
                .await?;
        // Past this playbook: `0` is what comes after `/`.
        let mut end = format!("{name}0");
        for (place, id) in page {
            let row = keys::occurrence(&id.value);
            match self.find::<Occurrence>(&row).await? {
                Found::Known(found) if is_settled(&found.value, step.before) => {
                    let batch = records::remove(Batch::new(), &row, &found).delete(place.as_str());
                    let batch = self.with_arrival(batch, &found.value).await?;
                    self.take_away(step, batch, 1).await?;
                }
                Found::Known(_) | Found::Newer => step.spend(1),
                Found::Nothing => self.drop_row(step, &place).await?,
            }
            end = place;
        }
        Ok(Some(end))
    }

    /// What woke an occurrence goes with it.
    async fn with_arrival(&self, batch: Batch, occurrence: &Occurrence) -> Result<Batch> {
        if occurrence.trigger != Trigger::Webhook {
            return Ok(batch);
        }
        let key = keys::arrival(&occurrence.id);
        let arrival: Option<Record<Arrival>> = self.read_known(&key).await?;
        Ok(match arrival {
            Some(arrival) => batch.and(records::remove(Batch::new(), &key, &arrival)),
            None => batch,
        })
    }

    /// Decisions about tasks; those about playbooks are few.
    pub(super) async fn prune_decisions(
        &self,
        step: &mut Step,
        after: Option<String>,
    ) -> Result<Option<String>> {
        let (prefix, rows) = (keys::DECISIONS_TASK, PAGE.min(step.left));
        let page: Vec<(String, Record<Decision>)> =
            records::scan(self.store.as_ref(), prefix, after.as_deref(), rows).await?;
        let mut end = None;
        for (key, decision) in page {
            if decision.value.at < step.before {
                self.take_away(step, records::remove(Batch::new(), &key, &decision), 0).await?;
            } else {
                step.spend(1);
            }
            end = Some(key);
        }
        Ok(end)
    }

    /// How often tasks changed hands between agents, and how deep they are.
    pub(super) async fn prune_guards(
        &self,
        step: &mut Step,
        after: Option<String>,
    ) -> Result<Option<String>> {
        let (prefix, rows) = (keys::GUARD, PAGE.min(step.left));
        let page: Vec<(String, Record<At>)> =
            records::scan(self.store.as_ref(), prefix, after.as_deref(), rows).await?;
        let mut end = None;
        for (key, record) in page {
            if record.value.at < step.before {
                self.take_away(step, records::remove(Batch::new(), &key, &record), 0).await?;
            } else {
                step.spend(1);
            }
            end = Some(key);
        }
        Ok(end)
    }

    /// `once` keys, long after everything else.
    pub(super) async fn prune_once(
        &self,
        step: &mut Step,
        after: Option<String>,
    ) -> Result<Option<String>> {
        let before = step.before.min(self.clock.wall() - ONCE);
        let last = format!("{}{}", keys::ONCE_TAKEN, keys::ascending(before));
        let rows = PAGE.min(step.left);
        let page: Vec<(String, Record<(String, Mark)>)> =
            records::scan(self.store.as_ref(), keys::ONCE_TAKEN, after.as_deref(), rows).await?;
        let mut end = None;
        for (place, taken) in page {
            if place >= last {
                return Ok(None);
            }
            let (once, mark) = taken.value;
            // It may have been given back, and taken again since.
            let batch = Batch::new().delete(place.as_str());
            let batch = match self.find::<Mark>(&once).await? {
                Found::Known(held) if held.value == mark => {
                    Some(batch.and(records::remove(Batch::new(), &once, &held)))
                }
                Found::Known(_) | Found::Nothing => Some(batch),
                Found::Newer => None,
            };
            match batch {
                Some(batch) => self.take_away(step, batch, 1).await?,
                None => step.spend(1),
            }
            end = Some(place);
        }
        Ok(end)
    }

    /// How far reviews had come that nobody has gone on with.
    pub(super) async fn prune_rounds(
        &self,
        step: &mut Step,
        after: Option<String>,
    ) -> Result<Option<String>> {
        let (prefix, rows) = (keys::ROUNDS, PAGE.min(step.left));
        let page: Vec<(String, Record<Rounds>)> =
            records::scan(self.store.as_ref(), prefix, after.as_deref(), rows).await?;
        let mut end = None;
        for (key, rounds) in page {
            if rounds.value.at < step.before && !step.spared.tasks.contains(&rounds.value.task) {
                let open = keys::rounds_open(&self.options.board, rounds.value.task);
                let batch = records::remove(Batch::new(), &key, &rounds).delete(open);
                self.take_away(step, batch, 1).await?;
            } else {
                step.spend(1);
            }
            end = Some(key);
        }
        Ok(end)
    }

    /// What models said of tasks.
    pub(super) async fn prune_fitness(
        &self,
        step: &mut Step,
        after: Option<String>,
    ) -> Result<Option<String>> {
        let (prefix, rows) = (keys::FITNESS, PAGE.min(step.left));
        let page: Vec<(String, Record<Fitness>)> =
            records::scan(self.store.as_ref(), prefix, after.as_deref(), rows).await?;
        let mut end = None;
        for (key, said) in page {
            if said.value.at < step.before {
                self.take_away(step, records::remove(Batch::new(), &key, &said), 0).await?;
            } else {
                step.spend(1);
            }
            end = Some(key);
        }
        Ok(end)
    }

    /// Definitions with which no run has started that is remembered.
    pub(super) async fn prune_definitions(
        &self,
        step: &mut Step,
        after: Option<String>,
    ) -> Result<Option<String>> {
        let (prefix, rows) = (keys::DEFINITION_USED, PAGE.min(step.left));
        let page: Vec<(String, Record<Timestamp>)> =
            records::scan(self.store.as_ref(), prefix, after.as_deref(), rows).await?;
        let mut end = None;
        for (place, used) in page {
            let hash = &place[prefix.len()..];
            // Noted to the day; and a run that began with it may have lasted.
            let is_old = used.value < step.before - TimeDelta::days(8);
            if is_old && !step.spared.definitions.contains(hash) {
                let key = keys::definition_of_segment(hash);
                let definition: Option<Record<String>> = self.read_known(&key).await?;
                let batch = records::remove(Batch::new(), &place, &used);
                let batch = match definition {
                    Some(definition) => batch.and(records::remove(Batch::new(), &key, &definition)),
                    None => batch,
                };
                self.take_away(step, batch, 1).await?;
            } else {
                step.spend(1);
            }
            end = Some(place);
        }
        Ok(end)
    }

    /// Commits a removal; one that somebody else was quicker about is left to the next round.
    async fn take_away(&self, step: &mut Step, batch: Batch, places: usize) -> Result<()> {
        if self.try_commit(batch).await? {
            step.remove(rows_of(places));
        }
        Ok(())
    }
}

fn is_told(notice: &Notice, before: Timestamp) -> bool {
    match notice.delivery {
        Delivery::Pending { .. } => false,
        Delivery::Delivered { at }
        | Delivery::Merged { at, .. }
        | Delivery::Undeliverable { at, .. } => at < before,
    }
}

fn is_settled(occurrence: &Occurrence, before: Timestamp) -> bool {
    occurrence.state.is_settled() && occurrence.decided < before
}
