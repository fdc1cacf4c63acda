//! What other programs tell: each delivery is one occurrence, recorded before its sender is answered, and
//! a second one of its name is the same.

use super::Daemon;
use super::beliefs::{Book, Open};
use super::books;
use super::dispatcher::{Dispatcher, failed};
use super::event::Event;
use crate::domain::{
    Arrival, Occurrence, OccurrenceId, OccurrenceState, PlaybookName, Reason, Trigger, Webhook,
};
use crate::schedule::Fits;
use crate::tools::desk::DeskError;
use std::sync::Arc;

/// So many of one playbook wait at one time; more are refused, and come again.
const WAITING_MAX: usize = 100;

/// A delivery was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// What came of it is said there.
    pub occurrence: OccurrenceId,
    /// It was recorded before.
    pub is_repeated: bool,
}

impl Daemon {
    /// How other programs wake a playbook, if they may.
    pub fn webhook(&self, playbook: &PlaybookName) -> Option<Webhook> {
        self.parts.playbook(playbook)?.on.webhook.clone()
    }

    /// Records what another program told, whose signature was found to be good.
    ///
    /// # Errors
    /// [`DeskError::NotFound`]: no playbook is woken by that; [`DeskError::Refused`]: not now.
    pub async fn receive(&self, arrival: Arrival) -> Result<Received, DeskError> {
        let arrival = Box::new(arrival);
        self.ask(|reply| Event::Arrived { arrival, reply }).await
    }
}

impl Dispatcher {
    /// Records a delivery, as an occurrence that waits or as one that is skipped.
    pub(super) async fn receive(&mut self, arrival: Arrival) -> Result<Received, DeskError> {
        self.read_stop().await;
        books::refresh(&self.parts, &mut self.beliefs).await.map_err(failed)?;
        self.know_others().await.map_err(failed)?;
        let name = &arrival.playbook;
        let book = self.beliefs.books.get(name).cloned();
        let book = book.filter(|book| book.playbook.on.webhook.is_some());
        let Some(book) = book else {
            return Err(DeskError::NotFound(format!("no playbook {name} is woken by a webhook")));
        };
        let trigger = Trigger::Webhook;
        let id = format!("{name}/{}/{}", trigger.as_str(), arrival.delivery);
        let id = OccurrenceId::new(id);
        if self.parts.ledger.knows_occurrence(&id).await.map_err(failed)? {
            return Ok(Received { occurrence: id, is_repeated: true });
        }
        self.has_room(name)?;
        let hindrance = self.hindrance(&book, &arrival);
        let state = match hindrance {
            Some(reason) => OccurrenceState::Skipped { reason },
            None => OccurrenceState::Queued,
        };
        let occurrence = Occurrence {
            id: id.clone(),
            playbook: name.clone(),
            trigger,
            planned: arrival.at,
            task: None,
            decided: arrival.at,
            state,
            covers: None,
            status: None,
        };
        let kept = hindrance.is_none().then_some(&arrival);
        let is_new = self.parts.ledger.receive(&occurrence, kept).await.map_err(failed)?;
        if let Some(reason) = hindrance {
            let detail = format!("the delivery {}", arrival.delivery);
            tracing::info!(playbook = %name, %reason, %detail, "not woken by a webhook");
            self.decide(name, None, reason, &detail).await;
        } else if is_new {
            let open = Open::new(occurrence, Some(Arc::clone(&book.playbook)));
            self.beliefs.open.insert(id.clone(), open);
        }
        Ok(Received { occurrence: id, is_repeated: !is_new })
    }

    fn has_room(&self, name: &PlaybookName) -> Result<(), DeskError> {
        let refused = |reason: Reason, message: String| Err(DeskError::Refused { reason, message });
        if self.beliefs.draining {
            return refused(Reason::Draining, "the daemon is stopping; send it again".to_owned());
        }
        let waits = |open: &&Open| {
            let occurrence = &open.occurrence;
            occurrence.playbook == *name && occurrence.state == OccurrenceState::Queued
        };
        if self.beliefs.open.values().filter(waits).count() >= WAITING_MAX {
            let message = format!("{WAITING_MAX} deliveries of {name} wait; send it again later");
            return refused(Reason::ConcurrentLimit, message);
        }
        Ok(())
    }

    /// Why it is not woken by that; the first of several, in the order in which the clock has them.
    fn hindrance(&self, book: &Book, arrival: &Arrival) -> Option<Reason> {
        let playbook = &book.playbook;
        let on = &playbook.on;
        let local = arrival.at.with_timezone(&on.zone).naive_local();
        let is_in_hours = on.hours.as_ref().is_none_or(|hours| hours.covers(local));
        let named = on.webhook.as_ref().map(|webhook| &webhook.events);
        let is_named = named.is_none_or(|names| names.is_empty() || names.contains(&arrival.name));
        [
            (!is_named, Reason::OtherEvent),
            (self.fits(playbook) == Fits::Nowhere, Reason::NotThisDaemon),
            (self.beliefs.stopped, Reason::Stopped),
            (!book.armed, Reason::NotArmed),
            (book.switch.paused.is_some(), Reason::Paused),
            (!is_in_hours, Reason::OutsideHours),
        ]
        .into_iter()
        .find_map(|(holds, reason)| holds.then_some(reason))
    }
}
