//! Claims whose holders are gone, or have to go: earlier lives, ended leases, revocations.
//!
//! An ended claim that may still show on the board is an *orphan* until somebody resumes the task,
//! claims it anew, or says that it was seen to; so a crash during recovery loses none of them.

use super::claims::{contended, lost};
use super::records::{self, Record};
use super::{ClaimError, Ledger, TRIES_MAX, keys};
use crate::domain::{
    Claim, ClaimEnd, EndKind, Fence, Phase, Reason, Revoked, StoreTime, TaskId, Timestamp, Wrote,
};
use crate::store::{Batch, StoreError};
use serde::{Deserialize, Serialize};

/// So much of an operator's reason is told to whoever lost a claim by it.
const SAID_CHARS_MAX: usize = 300;

/// An ended claim that may still show on the board.
#[derive(Debug, Serialize, Deserialize)]
struct Orphan {
    fence: Fence,
    phase: Phase,
}

impl Ledger {
    /// To be called once, first: ends the lease of every claim of an earlier life of this daemon,
    /// but for those of people's assistants, who go on in this one.
    /// Claims of other daemons on the store end with their lease ([`Ledger::expire`]). Returns what
    /// recovery has to look at, with the phase it had: those claims, and the orphans that nobody has
    /// seen to. Parked claims stay as they are and are left out.
    pub async fn begin_life(&self) -> Result<Vec<Claim>, ClaimError> {
        let (daemon, life) = (&self.options.daemon, &self.options.life);
        let mut ended = self.orphans().await?;
        // Another daemon's run that an operator stopped may still be at a write.
        let now = self.store.now().await?;
        ended.retain(|claim| {
            let revoked = claim.revoked.as_ref();
            !revoked.is_some_and(|r| r.holder.daemon != *daemon && !r.until.is_past(&now))
        });
        for task in self.tasks_under(&keys::held_prefix(&self.options.board)).await? {
            let is_over = |claim: &Claim, now: &StoreTime| {
                let holder = claim.holder.as_ref();
                let is_earlier = holder.is_some_and(|h| h.daemon == *daemon && h.life != *life);
                // The end of a daemon ends its workers, and nobody who only calls it.
                let goes_on = claim.assistant.is_some() && claim.phase == Phase::Working;
                is_earlier && !(goes_on && claim.is_live(now))
            };
            ended.extend(self.expire_one(task, Reason::Interrupted, is_over).await?);
        }
        Ok(ended)
    }

    /// Ends an assistant's claim whose lease has ended in the store's time; returns it with the
    /// phase it had. Where no daemon sweeps, whoever comes next to the task does.
    pub async fn expire_assistant(&self, task: TaskId) -> Result<Option<Claim>, ClaimError> {
        self.expire_one(task, Reason::LeaseExpired, |claim, now| {
            claim.assistant.is_some() && claim.holder.is_some() && !claim.is_live(now)
        })
        .await
    }

    /// Ends the claims whose lease has ended in the store's time, never a live one (C8). Returns
    /// them with the phase they had; of several sweepers one gets each.
    pub async fn expire(&self) -> Result<Vec<Claim>, ClaimError> {
        let mut ended = Vec::new();
        for task in self.tasks_under(&keys::held_prefix(&self.options.board)).await? {
            let claim = self
                .expire_one(task, Reason::LeaseExpired, |claim, now| {
                    claim.holder.is_some() && !claim.is_live(now)
                })
                .await?;
            ended.extend(claim);
        }
        Ok(ended)
    }

    /// Ended claims, with the phase they had, that may still show on the board and that nobody has
    /// resumed, claimed anew or seen to.
    pub async fn orphans(&self) -> Result<Vec<Claim>, ClaimError> {
        let mut orphans = Vec::new();
        for task in self.tasks_under(&keys::orphan_prefix(&self.options.board)).await? {
            let Some(orphan) = records::known(self.orphan(task).await)? else { continue };
            let found = records::known(self.claim_record(task).await)?.map(|record| record.value);
            if let Some(mut claim) = found.filter(|claim| claim.fence == orphan.value.fence) {
                claim.phase = orphan.value.phase;
                orphans.push(claim);
            }
        }
        Ok(orphans)
    }

    /// Somebody has seen to an orphan without resuming it: nothing of it shows any more.
    pub async fn forget_orphan(&self, task: TaskId, fence: Fence) -> Result<(), ClaimError> {
        let key = keys::orphan(&self.options.board, task);
        for _ in 0..TRIES_MAX {
            match self.orphan(task).await? {
                Some(orphan) if orphan.value.fence == fence => {
                    let batch = self.without_conversation(Batch::new(), task).await?;
                    if self.try_commit(records::remove(batch, &key, &orphan)).await? {
                        return Ok(());
                    }
                }
                _ => return Ok(()),
            }
        }
        Err(contended(&key))
    }

    /// Parked claims whose time for an answer is over at this instant of the wall clock.
    pub async fn overdue_parked(&self, now: Timestamp) -> Result<Vec<Claim>, ClaimError> {
        let mut claims = self.claims().await?;
        claims.retain(|claim| claim.parked.as_ref().is_some_and(|parked| parked.until <= now));
        Ok(claims)
    }

    /// Takes a claim away by force, for a reason, and says so in the audit log (C8). The fence is
    /// raised at once; nobody acquires until the old holder has acknowledged ([`Ledger::end`]) or
    /// its lease and margin have ended. Returns the record as written.
    ///
    /// # Errors
    /// [`ClaimError::NoReason`]; [`ClaimError::Lost`] when nobody holds it.
    pub async fn revoke(&self, task: TaskId, reason: &str, by: &str) -> Result<Claim, ClaimError> {
        self.revoke_if(task, None, (reason, by)).await
    }

    /// The same, of the claim with this fence and no other.
    ///
    /// # Errors
    /// The same; [`ClaimError::Lost`] also when somebody else holds it by now.
    pub async fn revoke_if(
        &self,
        task: TaskId,
        fence: Option<Fence>,
        (reason, by): (&str, &str),
    ) -> Result<Claim, ClaimError> {
        if reason.trim().is_empty() {
            return Err(ClaimError::NoReason);
        }
        let key = keys::claim(&self.options.board, task);
        for _ in 0..TRIES_MAX {
            let (now, found) = self.claim_look(task).await?;
            let Some(record) = found.filter(|record| record.value.phase != Phase::Free) else {
                return Err(lost(Reason::NotFound, format!("nobody holds task {task}")));
            };
            if fence.is_some_and(|fence| fence != record.value.fence) {
                return Err(lost(Reason::ClaimLost, format!("the claim of task {task} has ended")));
            }
            let mut claim = record.value.clone();
            let lease_ends = claim.lease_ends.take().filter(|end| !end.is_past(&now));
            claim.revoked = claim
                .holder
                .take()
                .zip(lease_ends)
                // Nobody works under an assistant's claim but by calls, each of which looks.
                .filter(|_| claim.assistant.is_none())
                .map(|(holder, end)| Revoked { holder, until: end.plus(self.options.margin) });
            claim.fence = self.next_fence(Some(claim.fence));
            claim.phase = Phase::Free;
            claim.parked = None;
            let at = self.clock.wall();
            claim.ended =
                Some(ClaimEnd { how: EndKind::Revoked, reason: Reason::ForceReleased, at });
            let said: String = reason.chars().take(SAID_CHARS_MAX).collect();
            claim.remember_loser(record.value.phase, &format!("{by} took it away: {said}"));
            let detail = format!(
                "task {task}, run {}, fence {} to {}: {reason}",
                claim.run, record.value.fence, claim.fence
            );
            let (audited, _) = self.audit_batch(by, "revoke", &detail).await?;
            let batch = self.ended_batch(&record, &claim)?.and(audited);
            let batch = self.without_conversation(batch, task).await?;
            if self.try_commit(batch).await? {
                self.count_end(&claim);
                return Ok(claim);
            }
        }
        Err(contended(&key))
    }

    async fn orphan(&self, task: TaskId) -> Result<Option<Record<Orphan>>, StoreError> {
        records::get(self.store.as_ref(), &keys::orphan(&self.options.board, task)).await
    }

    /// Ends one claim if it is as `is_over` says, by the store's time; returns it with the phase it had. The
    /// time may be later than the record: what is written stands only if nobody renewed it meanwhile.
    async fn expire_one(
        &self,
        task: TaskId,
        reason: Reason,
        is_over: impl Fn(&Claim, &StoreTime) -> bool,
    ) -> Result<Option<Claim>, ClaimError> {
        for _ in 0..TRIES_MAX {
            let (now, found) = match self.claim_look(task).await {
                Err(error) if records::is_newer(&error) => return Ok(None),
                looked => looked?,
            };
            let Some(record) = found.filter(|record| is_over(&record.value, &now)) else {
                return Ok(None);
            };
            if let Some(claim) = self.try_expire(&record, reason).await? {
                return Ok(Some(claim));
            }
        }
        Err(contended(&keys::claim(&self.options.board, task)))
    }

    /// Writes that a claim has expired, unless it was changed meanwhile (`None`); returns it with
    /// the phase it had.
    pub(super) async fn try_expire(
        &self,
        record: &Record<Claim>,
        reason: Reason,
    ) -> Result<Option<Claim>, StoreError> {
        let mut claim = record.value.clone();
        claim.phase = Phase::Free;
        claim.holder = None;
        claim.lease_ends = None;
        claim.ended = Some(ClaimEnd { how: EndKind::Expired, reason, at: self.clock.wall() });
        claim.remember_loser(record.value.phase, "");
        if !self.try_commit(self.ended_batch(record, &claim)?).await? {
            return Ok(None);
        }
        self.count_end(&claim);
        claim.phase = record.value.phase;
        Ok(Some(claim))
    }

    /// The commit that ends a claim which its holder did not end.
    pub(super) fn ended_batch(
        &self,
        old: &Record<Claim>,
        new: &Claim,
    ) -> Result<Batch, StoreError> {
        let (board, task) = (&self.options.board, new.task);
        let mut batch = Batch::new().delete(keys::held(board, task));
        if old.value.phase > Phase::Reserved || old.value.wrote != Wrote::default() {
            let orphan = Orphan { fence: new.fence, phase: old.value.phase };
            batch = records::put::<_, ()>(batch, &keys::orphan(board, task), &orphan, None)?;
        }
        records::replace(batch, &keys::claim(board, task), new, Some(old))
    }
}
