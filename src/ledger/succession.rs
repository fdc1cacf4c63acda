//! From one attempt to the next: the claim passes to the next run in one commit, so that no crash in
//! between leaves a task that shows a claim which nobody has.

use super::claims::{Acquire, Held, contended};
use super::newer::lost_to_newer;
use super::records;
use super::{ClaimError, Ledger, TRIES_MAX, keys};
use crate::store::Batch;

impl Ledger {
    /// Passes a claim that is held to the run that asks, with the next fence; what was found and
    /// written stays in the record. The old trust window closes. Repeated with the same nonce it
    /// returns the same fence (C6).
    ///
    /// # Errors
    /// [`ClaimError::Lost`]: it is not held any more.
    pub async fn succeed(&self, held: &Held, ask: Acquire) -> Result<Held, ClaimError> {
        let board = &self.options.board;
        let key = keys::claim(board, ask.task);
        let ask = Acquire { resume: Some(held.claim.fence), ..ask };
        for _ in 0..TRIES_MAX {
            let started = self.clock.boot();
            let looked = self.claim_look(held.claim.task).await;
            let (now, found) = looked.map_err(|error| lost_to_newer(held, error))?;
            let record = found.as_ref().map(|record| &record.value);
            let granted = record.filter(|c| c.nonce == ask.nonce && c.run == ask.run);
            if let Some(claim) = granted {
                // It was done, but the answer was lost: the old window closes only now.
                held.trust.lose();
                let claim = self.mine(record, claim.fence, &ask.run, &now)?.clone();
                return Ok(self.held(claim, started, &now, ask.lease));
            }
            if let Err(error) = self.mine(record, held.claim.fence, &held.claim.run, &now) {
                held.trust.lose();
                return Err(error);
            }
            let claim = self.next_claim(&ask, record, &now);
            let batch = Batch::new().put(keys::held(board, ask.task), "{}");
            let batch = records::replace(batch, &key, &claim, found.as_ref())?;
            // Whether a commit that failed happened is unknown: under the old fence nobody acts then.
            let committed = self.try_commit(batch).await.inspect_err(|_| held.trust.lose())?;
            if committed {
                held.trust.lose();
                return Ok(self.held(claim, started, &now, ask.lease));
            }
        }
        Err(contended(&key))
    }
}
