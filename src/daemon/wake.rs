//! Accounts for every instant at which a playbook falls due.

use super::beliefs::{Book, Open, Whole};
use super::dispatcher::Dispatcher;
use super::look::civil_midnight;
use crate::domain::{Occurrence, OccurrenceState, Playbook, PlaybookName, Timestamp, to_delta};
use crate::ledger::LedgerError;
use crate::schedule::{Fits, GRACE, WakeInput, wakes};
use crate::store::StoreError;
use std::collections::BTreeMap;
use std::sync::Arc;

/// So many playbooks are accounted for together.
const TOGETHER_MAX: usize = 128;

/// What has to be known for all playbooks that fall due.
struct Known {
    /// What is open of each.
    whole: BTreeMap<PlaybookName, Whole>,
    /// Up to here the ledger was lost.
    lost_until: Option<Timestamp>,
}

/// What falls due of a playbook.
struct Due {
    name: PlaybookName,
    playbook: Arc<Playbook>,
    /// Up to where its instants are recorded.
    watermark: Option<Timestamp>,
    /// And up to where they will be.
    mark: Option<Timestamp>,
    /// What is to be recorded.
    occurrences: Vec<Occurrence>,
    /// When it wakes next.
    next: Option<Timestamp>,
}

/// Where among so many a daemon of this name begins.
fn first_of(daemon: &str, count: usize) -> usize {
    let hash = |sum: usize, byte: u8| sum.wrapping_mul(31).wrapping_add(usize::from(byte));
    daemon.bytes().fold(7, hash) % count.max(1)
}

impl Dispatcher {
    /// Accounts for every planned instant that has come, and sets the alarm for the next.
    pub(super) async fn wake(&mut self) {
        if self.beliefs.only_here {
            // What this daemon does not do, others do.
            return;
        }
        let now = self.parts.clock.wall();
        // Nothing falls due before the instant that the alarm is set to.
        let may_be_due =
            |book: &Book| book.timetable.is_some() && book.next.is_none_or(|next| next <= now);
        let books = self.beliefs.books.iter().filter(|(_, book)| may_be_due(book));
        let mut names: Vec<PlaybookName> = books.map(|(name, _)| name.clone()).collect();
        if names.is_empty() {
            return;
        }
        let lost_until = match self.parts.ledger.lost_until().await {
            Ok(lost_until) => lost_until,
            // Only a newer Rota can read up to where; it was before this life began.
            Err(error) if error.is_of_newer() => Some(self.beliefs.began.unwrap_or(now)),
            Err(error) => return tracing::error!(%error, "no instants could be recorded"),
        };
        if self.parts.ledger.is_shared() {
            // Others are at the same: each begins elsewhere, and finds done what they did.
            let begin = first_of(self.parts.settings.daemon.as_str(), names.len());
            names.rotate_left(begin);
        }
        let known = Known { whole: self.beliefs.whole(), lost_until };
        for names in names.chunks(TOGETHER_MAX) {
            match self.wake_some(names, &known).await {
                // What others recorded in that moment is only looked at.
                Ok(late) if !late.is_empty() => self.wake_each(&late, &known).await,
                Ok(_) => {}
                Err(error @ LedgerError::Store(StoreError::Failed(_) | StoreError::Closed(_))) => {
                    tracing::error!(%error, playbooks = names.len(), "instants could not be recorded");
                }
                // One of them may be what cannot be read: the others are not to suffer for it.
                Err(_) => self.wake_each(names, &known).await,
            }
        }
    }

    /// Each by itself.
    async fn wake_each(&mut self, names: &[PlaybookName], known: &Known) {
        for name in names {
            match self.wake_some(std::slice::from_ref(name), known).await {
                Ok(late) if late.is_empty() => {}
                Ok(_) => {
                    tracing::debug!(playbook = %name, "another daemon recorded its instants");
                }
                Err(error) => {
                    tracing::error!(playbook = %name, %error, "its instants could not be recorded");
                }
            }
        }
    }

    /// Accounts for some playbooks: what has to be known of them is asked together, and what is recorded
    /// shares flushes. Returns those whose instants another daemon recorded meanwhile.
    async fn wake_some(
        &mut self,
        names: &[PlaybookName],
        known: &Known,
    ) -> Result<Vec<PlaybookName>, LedgerError> {
        let all = self.fall_due(names, known).await?;
        let this = &*self;
        let recorded = futures::future::join_all(all.iter().map(|due| this.record(due))).await;
        let mut late = Vec::new();
        for (due, recorded) in all.into_iter().zip(recorded) {
            match recorded {
                Ok(()) => self.account_for(due).await,
                Err(LedgerError::Conflict { .. }) if self.parts.ledger.is_shared() => {
                    late.push(due.name);
                }
                Err(error) => {
                    tracing::error!(playbook = %due.name, %error, "its instants could not be recorded");
                }
            }
        }
        Ok(late)
    }

    /// What falls due of these playbooks and has no record yet.
    async fn fall_due(
        &self,
        names: &[PlaybookName],
        known: &Known,
    ) -> Result<Vec<Due>, LedgerError> {
        let ledger = &self.parts.ledger;
        let marks = ledger.watermarks(names).await?;
        let now = self.parts.clock.wall();
        let mut all = Vec::new();
        for (name, watermark) in names.iter().zip(marks) {
            let Some(book) = self.beliefs.books.get(name) else { continue };
            let Some(timetable) = &book.timetable else { continue };
            let fits = self.fits(&book.playbook);
            // A daemon with its labels may come yet: until then its instants are nobody's to skip.
            let wait = match fits {
                Fits::Elsewhere => continue,
                Fits::Nowhere if ledger.is_shared() => to_delta(GRACE),
                Fits::Nowhere | Fits::Here => chrono::TimeDelta::zero(),
            };
            let of_book = (known, watermark, fits);
            let input = self.wake_input(book, timetable, of_book, now - wait).await?;
            let wakes = wakes(&input);
            let trigger = timetable.trigger();
            let decided = wakes.decisions.iter().map(|d| d.occurrence(name, trigger, now));
            all.push(Due {
                name: name.clone(),
                playbook: Arc::clone(&book.playbook),
                watermark,
                mark: wakes.watermark,
                occurrences: decided.collect(),
                next: wakes.next.map(|next| next + wait),
            });
        }
        let planned: Vec<&Occurrence> = all.iter().flat_map(|due| &due.occurrences).collect();
        let recorded = ledger.recorded(&planned).await?;
        for due in &mut all {
            due.occurrences.retain(|occurrence| !recorded.contains(&occurrence.id));
        }
        Ok(all)
    }

    /// Records instants. The store may say that it failed and have written all the same: then they
    /// would wait for a restart, so it is told again, which changes nothing where it was written.
    async fn record(&self, due: &Due) -> Result<(), LedgerError> {
        let Due { name, watermark, occurrences, .. } = due;
        let is_new = |mark: &Timestamp| Some(*mark) != *watermark || !occurrences.is_empty();
        let Some(mark) = due.mark.filter(is_new) else { return Ok(()) };
        let ledger = &self.parts.ledger;
        let record = || ledger.record_occurrences(name, mark, *watermark, occurrences.clone());
        match record().await {
            Err(LedgerError::Store(error)) => {
                tracing::warn!(playbook = %name, %error, "its instants are recorded once more");
                record().await
            }
            answer => answer,
        }
    }

    /// What was recorded is known from now on, and the alarm is set.
    async fn account_for(&mut self, due: Due) {
        for occurrence in due.occurrences {
            self.note_occurrence(&occurrence).await;
            if occurrence.state == OccurrenceState::Queued {
                let open = Open::new(occurrence.clone(), Some(Arc::clone(&due.playbook)));
                self.beliefs.open.insert(occurrence.id, open);
            }
        }
        self.set_alarm(&due.name, due.next).await;
    }

    async fn wake_input<'a>(
        &self,
        book: &'a Book,
        timetable: &'a crate::schedule::Timetable,
        (known, watermark, fits): (&Known, Option<Timestamp>, Fits),
        now: Timestamp,
    ) -> Result<WakeInput<'a>, LedgerError> {
        let playbook = &book.playbook;
        let whole = known.whole.get(&playbook.name).copied().unwrap_or_default();
        let today = civil_midnight(now, playbook.on.zone);
        let runs_today = match playbook.limits.runs_per_day {
            Some(_) => self.parts.ledger.runs_started_since(&playbook.name, today).await?,
            None => 0,
        };
        Ok(WakeInput {
            playbook: &playbook.name,
            on: &playbook.on,
            timetable,
            watermark,
            since: book.since,
            armed: book.armed,
            paused: book.switch.paused.is_some(),
            lost_until: known.lost_until,
            stopped: self.beliefs.stopped,
            not_this_daemon: fits != Fits::Here,
            running: whole.running,
            queued: whole.queued,
            runs_today,
            runs_per_day: playbook.limits.runs_per_day,
            now,
        })
    }

    /// A skipped instant is a decision about the playbook.
    async fn note_occurrence(&self, occurrence: &Occurrence) {
        let OccurrenceState::Skipped { reason } = &occurrence.state else { return };
        let planned = super::brief::text_of(occurrence.planned);
        let detail = match occurrence.covers {
            Some(covers) => format!(
                "{} instants from {planned} to {}",
                covers.count,
                super::brief::text_of(covers.last)
            ),
            None => format!("the instant {planned}"),
        };
        tracing::info!("{}: skipped ({reason}), {detail}", occurrence.playbook);
        self.decide(&occurrence.playbook, None, *reason, &detail).await;
    }

    async fn set_alarm(&mut self, name: &PlaybookName, next: Option<Timestamp>) {
        if let Some(book) = self.beliefs.books.get_mut(name) {
            book.next = next;
        }
        if let Some(alarm) = &self.alarm
            && let Err(error) = alarm.set(name.as_str(), next).await
        {
            tracing::error!(playbook = %name, %error, "the alarm could not be set; the tick still looks");
        }
    }
}
