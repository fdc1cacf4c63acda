//! How a claim is given up: by whoever holds it, or by one who finds that they lost it.

use super::claims::{Held, contended};
use super::conversations::Left;
use super::newer::lost_to_newer;
use super::records::{self, Record};
use super::{ClaimError, Ledger, TRIES_MAX, keys};
use crate::domain::{Claim, EndKind, Phase, Reason, StoreTime};
use crate::store::{Batch, StoreError};

impl Ledger {
    /// Gives a claim up. One whose lease has ended already becomes expired instead: whatever the
    /// holder still meant to do on the board was refused.
    pub(super) async fn give_back(
        &self,
        held: &mut Held,
        what: impl Fn(&mut Claim),
    ) -> Result<(), ClaimError> {
        let (task, fence) = (held.claim.task, held.claim.fence);
        let key = keys::claim(&self.options.board, task);
        for _ in 0..TRIES_MAX {
            let left = self.left_of(task).await.map_err(|error| lost_to_newer(held, error))?;
            let Left { now, found, has_conversation, .. } = left;
            let record = found.as_ref().map(|record| &record.value);
            let mine = self.mine(record, fence, &held.claim.run, &now);
            let mut wanted = record.cloned().unwrap_or_else(|| held.claim.clone());
            wanted.holder = None;
            wanted.lease_ends = None;
            what(&mut wanted);
            wanted.remember_loser(record.map_or(Phase::Free, |record| record.phase), "");
            match mine {
                Ok(_) => {
                    let mut batch = self.given_back(found.as_ref(), &wanted)?;
                    if has_conversation {
                        batch = self.unless_it_goes_on(batch, &wanted).await?;
                    }
                    if self.try_commit(batch).await? {
                        self.count_end(&wanted);
                        held.claim = wanted;
                        return Ok(());
                    }
                }
                Err(error) => {
                    let Some(record) = found else { return Err(error) };
                    if record.value.fence == fence && is_same_end(&record.value, &wanted) {
                        held.claim = record.value;
                        return Ok(());
                    }
                    if self.acknowledge(held, &record, &now).await? {
                        return Err(error);
                    }
                }
            }
        }
        Err(contended(&key))
    }

    /// A claim has ended, unless it is parked.
    pub(super) fn count_end(&self, claim: &Claim) {
        let how = claim.ended.as_ref().filter(|_| claim.phase == Phase::Free).map(|end| end.how);
        if let Some((house, how)) = self.counts().zip(how) {
            house.claim_ended(how);
        }
    }

    /// The commit of a claim that its holder gives up. One that it leaves unfinished is an orphan:
    /// the board still shows it.
    fn given_back(
        &self,
        found: Option<&Record<Claim>>,
        wanted: &Claim,
    ) -> Result<Batch, StoreError> {
        let board = &self.options.board;
        let (key, index) = (keys::claim(board, wanted.task), keys::held(board, wanted.task));
        let is_unfinished = wanted.ended.as_ref().is_some_and(|end| end.how == EndKind::Expired);
        match found {
            Some(record) if is_unfinished => self.ended_batch(record, wanted),
            _ if wanted.phase == Phase::Free => {
                records::replace(Batch::new().delete(index), &key, wanted, found)
            }
            _ => records::replace(Batch::new().put(index, "{}"), &key, wanted, found),
        }
    }

    /// Writes down that the holder of an ended claim knows; `false`: to be looked at again.
    async fn acknowledge(
        &self,
        held: &Held,
        record: &Record<Claim>,
        now: &StoreTime,
    ) -> Result<bool, ClaimError> {
        let me = self.me(&held.claim.run);
        let mut claim = record.value.clone();
        if claim.revoked.as_ref().is_some_and(|revoked| revoked.holder == me) {
            claim.revoked = None;
            let key = keys::claim(&self.options.board, claim.task);
            let batch = records::replace(Batch::new(), &key, &claim, Some(record))?;
            return Ok(self.try_commit(batch).await?);
        }
        if claim.fence == held.claim.fence && claim.holder == Some(me) && !claim.is_live(now) {
            return Ok(self.try_expire(record, Reason::LeaseExpired).await?.is_some());
        }
        Ok(true)
    }
}

/// Whether a record already says what a holder wants it to say: the answer to its first try was
/// lost on the way.
fn is_same_end(found: &Claim, wanted: &Claim) -> bool {
    let how = |claim: &Claim| claim.ended.as_ref().map(|end| (end.how, end.reason));
    let question = |claim: &Claim| claim.parked.as_ref().map(|parked| parked.question.clone());
    found.holder.is_none()
        && found.run == wanted.run
        && found.phase == wanted.phase
        && how(found) == how(wanted)
        && question(found) == question(wanted)
}
