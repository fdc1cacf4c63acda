//! Where daemons share a store, each says again and again that it is there. Two of one name are not: the
//! second does not start. One that could not say so for a lease is gone for the others, who take over
//! what it had begun; it knows that by its own clock, and does no more of that.

use super::StartError;
use super::brief::text_of;
use super::parts::Parts;
use crate::domain::{PlaybookName, show_duration};
use crate::ledger::{self, DaemonRecord, Enrolment};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How often it is looked whether another life of this daemon is there.
const LOOK: Duration = Duration::from_secs(1);

/// That this daemon is there, for others.
#[derive(Debug)]
pub(super) struct Presence {
    parts: Arc<Parts>,
    ask: Enrolment,
    /// When it is to be said again, on the boot-time clock.
    next: Mutex<Duration>,
    /// Which reading of the playbooks was told last.
    told: Mutex<Option<u64>>,
}

impl Presence {
    /// This life is there from now on. One that was killed may have its name: that is waited out. One
    /// that goes on saying that it is there keeps it.
    pub(super) async fn begin(parts: &Arc<Parts>) -> Result<Arc<Self>, StartError> {
        let (settings, margin) = (&parts.settings, parts.ledger.options().margin);
        let ask = Enrolment {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            labels: settings.labels.clone(),
            slots: settings.slots,
            since: parts.clock.wall(),
            lease: (settings.renew * 3).max(margin * 5),
        };
        let mut found: Option<Box<DaemonRecord>> = None;
        while let ledger::Presence::Taken(other) = parts.ledger.enroll(&ask).await? {
            match &found {
                None => tracing::warn!(
                    daemon = %other.id, since = %other.since, lease = %show_duration(ask.lease),
                    "another life of this daemon was there a moment ago: its lease is waited for"
                ),
                Some(first) if first.seen != other.seen => return Err(same_name(&other)),
                Some(_) => {}
            }
            found.get_or_insert(other);
            tokio::time::sleep(LOOK).await;
        }
        let next = Mutex::new(parts.clock.boot() + settings.renew);
        let own = Self { parts: Arc::clone(parts), ask, next, told: Mutex::default() };
        own.tell_playbooks().await;
        Ok(Arc::new(own))
    }

    /// Lets others know which playbooks this daemon has, where they are not those that it told last.
    /// What is done by hand is done with those of its daemon.
    async fn tell_playbooks(&self) {
        let loads = self.parts.loads();
        let is_told = *self.told.lock().unwrap_or_else(PoisonError::into_inner) == Some(loads);
        if is_told || self.parts.settings.daemon.is_by_hand() {
            return;
        }
        match self.parts.ledger.tell_playbooks(hashes(&self.parts)).await {
            Ok(()) => {
                *self.told.lock().unwrap_or_else(PoisonError::into_inner) = Some(loads);
            }
            Err(error) => tracing::warn!(%error, "others do not know which playbooks are here"),
        }
    }

    /// Says it until it is dropped.
    pub(super) async fn keep(self: Arc<Self>) {
        // More often than needed: what fails is tried again well before the lease ends.
        let mut timer = super::upkeep::timer(self.parts.settings.renew / 4);
        loop {
            timer.tick().await;
            self.renew().await;
        }
    }

    /// Says it, if it is time to.
    pub(super) async fn renew(&self) {
        let (boot, every) = (self.parts.clock.boot(), self.parts.settings.renew);
        {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            if boot < *next {
                return;
            }
            *next = boot + every;
        }
        self.tell_playbooks().await;
        match self.parts.ledger.stay(&self.ask).await {
            Ok(ledger::Presence::There) => return,
            Ok(ledger::Presence::Back) => {
                return tracing::warn!("this daemon was gone for the others, and is there again");
            }
            Ok(ledger::Presence::Taken(other)) => {
                let why = format!(
                    "another life of daemon {} has begun at {}, and this one ends",
                    other.id,
                    text_of(other.since)
                );
                return self.parts.ledger.give_up(&why);
            }
            Err(error) => tracing::warn!(%error, "this daemon could not say that it is there"),
        }
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) = boot;
    }

    /// Whether what this daemon had begun may be others' by now.
    pub(super) fn was_gone(&self) -> bool {
        !self.parts.ledger.is_there()
    }

    /// Nothing of that is done here any more.
    pub(super) fn come_back(&self) {
        self.parts.ledger.come_back();
    }

    /// This life ends in good order.
    pub(super) async fn end(&self) {
        let left = if self.parts.settings.daemon.is_by_hand() {
            self.parts.ledger.leave_no_trace().await
        } else {
            self.parts.ledger.leave().await
        };
        if let Err(error) = left {
            tracing::warn!(%error, "others wait for this daemon's lease before they see that it is gone");
        }
    }
}

/// The playbooks that are here, each with the hash of its text.
pub(super) fn hashes(parts: &Parts) -> BTreeMap<PlaybookName, String> {
    let all = parts.playbooks().into_iter();
    all.map(|playbook| (playbook.name.clone(), playbook.hash.clone())).collect()
}

fn same_name(other: &DaemonRecord) -> StartError {
    StartError::SameName {
        daemon: other.id.clone(),
        since: text_of(other.since),
        version: other.version.clone(),
    }
}
