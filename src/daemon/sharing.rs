//! What several daemons on one store know of each other's work: what waits is taken up by whichever has
//! room for it and fits it, what another has begun or ended is let go, and what is under way elsewhere
//! counts as under way.

use super::beliefs::{Beliefs, Open};
use super::dispatcher::Dispatcher;
use super::parts::Parts;
use crate::domain::{
    Claim, Occurrence, OccurrenceId, OccurrenceState, Playbook, PlaybookName, Reason, RunState,
    Trigger, to_delta,
};
use crate::ledger::{KnownDaemon, LedgerError, LifeOf, OPEN_MAX};
use crate::schedule::Fits;
use crate::tools::desk::DeskError;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// So long an occurrence waits of a playbook that is not known here: others may know it.
const UNKNOWN_MAX: Duration = Duration::from_mins(10);

/// Whether labels hold one of those that a playbook asks for.
fn has_one(labels: &[String], playbook: &Playbook) -> bool {
    let wanted = &playbook.runs_on;
    wanted.is_empty() || wanted.iter().any(|label| labels.contains(label))
}

/// Whether another one is there for whatever waits: a command that somebody typed does what it was typed
/// for, and nothing else.
pub(super) fn takes_work(other: &KnownDaemon) -> bool {
    other.is_there && !other.record.id.is_by_hand()
}

/// Where a playbook may run, as far as is known of others.
pub(super) fn fits(parts: &Parts, others: &[KnownDaemon], playbook: &Playbook) -> Fits {
    let is_there =
        |other: &KnownDaemon| takes_work(other) && has_one(&other.record.labels, playbook);
    if has_one(&parts.settings.labels, playbook) {
        Fits::Here
    } else if others.iter().any(is_there) {
        Fits::Elsewhere
    } else {
        Fits::Nowhere
    }
}

/// The other daemons that share the store.
pub(super) async fn others(parts: &Parts) -> Result<Vec<KnownDaemon>, LedgerError> {
    if !parts.ledger.is_shared() {
        return Ok(Vec::new());
    }
    let mut all = parts.ledger.daemons().await?;
    all.retain(|known| known.record.id != parts.settings.daemon);
    Ok(all)
}

impl Beliefs {
    /// Whether that life of another daemon is there.
    pub(super) fn is_there(&self, whose: &LifeOf) -> bool {
        self.others.iter().any(|other| {
            let record = &other.record;
            // In which life a newer one is, may not be understood.
            let is_its_life = other.is_newer || record.life == whose.life;
            other.is_there && record.id == whose.daemon && is_its_life
        })
    }
}

impl Dispatcher {
    /// Looks which other daemons are there, and whether this one takes new work.
    pub(super) async fn know_others(&mut self) -> Result<(), LedgerError> {
        self.beliefs.others = others(&self.parts).await?;
        self.beliefs.drained = self.parts.ledger.drained().await?.is_some();
        Ok(())
    }

    /// Where a playbook may run.
    pub(super) fn fits(&self, playbook: &Playbook) -> Fits {
        fits(&self.parts, &self.beliefs.others, playbook)
    }

    /// The same by its name; one that is not known here is nobody else's.
    pub(super) fn fits_named(&self, name: &PlaybookName) -> Fits {
        self.parts.playbook(name).map_or(Fits::Here, |playbook| self.fits(&playbook))
    }

    /// What is asked for here begins here, or is refused.
    pub(super) fn may_run_here(&self, playbook: &Playbook) -> Result<(), DeskError> {
        let refused = |reason: Reason, message: String| Err(DeskError::Refused { reason, message });
        if self.beliefs.drained {
            let daemon = self.parts.settings.daemon.configured();
            return refused(
                Reason::Draining,
                format!(
                    "{daemon} takes no new work; `rota daemons drain {daemon} --undo` ends that"
                ),
            );
        }
        if self.fits(playbook) == Fits::Here {
            return Ok(());
        }
        let fitting = |other: &&KnownDaemon| has_one(&other.record.labels, playbook);
        let there = self.beliefs.others.iter().filter(|it| takes_work(it)).filter(fitting);
        let there: Vec<&str> = there.map(|other| other.record.id.as_str()).collect();
        let wanted = playbook.runs_on.join(", ");
        let who = if there.is_empty() { "none that is there".to_owned() } else { there.join(", ") };
        refused(
            Reason::NotThisDaemon,
            format!("{} runs on daemons with one of the labels {wanted}: {who}", playbook.name),
        )
    }

    /// A daemon that was gone for the others does no more of what no claim of its own covers: they may
    /// be doing it by now.
    pub(super) async fn be_there(&self) {
        let Some(presence) = &self.presence else { return };
        presence.renew().await;
        if presence.was_gone() {
            let detail =
                "this daemon could not say that it is there for as long as its lease lasts";
            for worker in self.beliefs.workers.values().filter(|worker| !worker.claims) {
                worker.halt.halt(RunState::ClaimLost, Reason::LeaseExpired, detail);
            }
            // Only now: until here whoever still worked for them could not act.
            presence.come_back();
        }
    }

    /// Others have committed something: who is there, what is to stop, and what waits is looked at. The
    /// board is asked only where something may be begun by that; all else is for the next tick.
    pub(super) async fn look_around(&mut self) {
        let before = self.beliefs.prospects();
        self.be_there().await;
        self.read_stop().await;
        if let Err(error) = self.read_state().await {
            return tracing::error!(%error, "local state could not be read");
        }
        self.record_endings().await;
        self.see_to_stops().await;
        if !self.scheduling {
            return;
        }
        self.share().await;
        if self.beliefs.prospects() != before {
            self.dispatch().await;
        }
    }

    /// Takes up what waits, lets go what is others' by now, and sees to what daemons left that are gone.
    pub(super) async fn share(&mut self) {
        if let Err(error) = self.try_to_share().await {
            tracing::warn!(%error, "open occurrences could not be read");
        }
    }

    /// What has ended elsewhere since the last look stands in the way of nothing.
    pub(super) async fn forget_what_ended_elsewhere(&mut self) {
        if self.beliefs.elsewhere.is_empty() {
            return;
        }
        match self.list_open().await {
            Ok((commits, listed)) => {
                let open: BTreeSet<&OccurrenceId> = listed.iter().map(|it| &it.id).collect();
                self.beliefs.elsewhere.retain(|id, _| open.contains(id));
                self.beliefs.listed = Some((commits, listed));
            }
            Err(error) => tracing::warn!(%error, "open occurrences could not be read"),
        }
    }

    /// What is open, and as of which commit: read again only where something was committed since a moment
    /// ago.
    async fn list_open(&mut self) -> Result<(u64, Vec<Occurrence>), LedgerError> {
        // Before it is read: what is committed meanwhile is read the next time.
        let commits = self.parts.ledger.commits();
        match self.beliefs.listed.take() {
            Some((then, listed)) if then == commits => Ok((commits, listed)),
            _ => Ok((commits, self.parts.ledger.open_occurrences().await?)),
        }
    }

    async fn try_to_share(&mut self) -> Result<(), LedgerError> {
        let (_, listed) = self.list_open().await?;
        self.let_go(&listed);
        self.beliefs.elsewhere.clear();
        self.beliefs.unsaid.retain(|id, _| listed.iter().any(|it| it.id == *id));
        for occurrence in listed {
            let id = &occurrence.id;
            // What has ended here is only not written down yet.
            let is_over = self.beliefs.unrecorded.iter().any(|end| end.id == *id);
            if is_over || self.beliefs.open.contains_key(id) {
                continue;
            }
            let seen_to = match occurrence.state {
                OccurrenceState::Queued => self.take_up(occurrence).await,
                OccurrenceState::Running => self.look_elsewhere(occurrence).await,
                OccurrenceState::Ran { .. } | OccurrenceState::Skipped { .. } => Ok(()),
            };
            match seen_to {
                // What a newer Rota wrote about it is that one's to go on with.
                Err(error) if error.is_of_newer() => {}
                seen_to => seen_to?,
            }
        }
        self.bury().await
    }

    /// What was to be begun here and was begun, or has ended, elsewhere; and all that waits, where
    /// nothing new is begun. What somebody waits for here is nobody else's.
    fn let_go(&mut self, listed: &[Occurrence]) {
        let is_whole = listed.len() < OPEN_MAX;
        let states: BTreeMap<&OccurrenceId, &OccurrenceState> =
            listed.iter().map(|occurrence| (&occurrence.id, &occurrence.state)).collect();
        let takes_none = self.beliefs.drained || self.beliefs.only_here;
        self.beliefs.open.retain(|id, open| {
            let waits = open.occurrence.state == OccurrenceState::Queued;
            if !waits || open.tried || !open.replies.is_empty() {
                return true;
            }
            let still_waits = match states.get(id) {
                Some(state) => **state == OccurrenceState::Queued,
                None => !is_whole,
            };
            still_waits && !takes_none
        });
    }

    /// An occurrence that waits and is not known here yet.
    async fn take_up(&mut self, occurrence: Occurrence) -> Result<(), LedgerError> {
        if !self.scheduling {
            return Ok(());
        }
        if occurrence.trigger == Trigger::Manual {
            return self.end_forsaken_wish(&occurrence).await;
        }
        if self.beliefs.takes_nothing_new() {
            return Ok(());
        }
        let playbook = self.parts.playbook(&occurrence.playbook);
        let is_left = if let Some(playbook) = &playbook {
            self.fits(playbook) == Fits::Elsewhere
        } else {
            let age = self.parts.clock.wall() - occurrence.decided;
            self.parts.ledger.is_shared() && age < to_delta(UNKNOWN_MAX)
        };
        if !is_left {
            self.beliefs.open.insert(occurrence.id.clone(), Open::new(occurrence, playbook));
        }
        Ok(())
    }

    /// Whether a claim that waits is better taken up by the daemon whose run asked: the files of its task
    /// are there. Only as long as it is there and takes work.
    pub(super) async fn is_left_to_its_files(&self, claim: &Claim) -> bool {
        let playbook = self.parts.playbook(&claim.playbook);
        if playbook.is_none_or(|playbook| playbook.workspace.is_none()) {
            return false;
        }
        let run = self.parts.ledger.run(claim.run.as_str()).await.ok().flatten();
        let Some(daemon) = run.and_then(|run| run.daemon) else { return false };
        let mut others = self.beliefs.others.iter();
        let files = daemon.configured();
        if files == self.parts.settings.daemon.configured() {
            return false;
        }
        others.any(|it| it.record.id.as_str() == files && it.is_there && it.drained.is_none())
    }
}
