//! The first claim of a task, taken without a look: one question for the store.
//!
//! Most tasks that are claimed were never claimed before. Then there is no record, and nothing hangs on one:
//! a claim's record is never removed, and what was said under a claim, or that it is an orphan, is written
//! with it or after it. So there is nothing to judge, and no time to judge it by: a commit that stands only
//! where there is no record decides all of it. Its lease counts from a time than which the store's is not
//! later ([`Store::now_at_most`](crate::store::Store::now_at_most)), and is so much longer at most; its trust
//! window counts from before, and ends earlier where the commit's answer says that the store's clock is ahead of
//! what it said before: it was set, or another host has taken over.

use super::claims::{Acquire, Held, begun};
use super::{ClaimError, Ledger, keys, records};
use crate::domain::{Assistant, Claim};
use crate::store::Batch;

impl Ledger {
    /// Takes a task that nobody ever claimed; `None`: it has to be looked at first.
    pub(super) async fn take_first(
        &self,
        ask: &Acquire,
        assistant: Option<&Assistant>,
    ) -> Result<Option<Held>, ClaimError> {
        // A guess that is wrong costs a question; a later attempt had a claim before it.
        if ask.resume.is_some() || ask.attempt > 1 {
            return Ok(None);
        }
        let started = self.clock.boot();
        let Some(now) = self.store.now_at_most() else { return Ok(None) };
        let claim = Claim { assistant: assistant.cloned(), ..self.next_claim(ask, None, &now) };
        let claim = begun(claim, None);
        let board = &self.options.board;
        let batch = Batch::new().put(keys::held(board, ask.task), "{}");
        let batch = records::create(batch, &keys::claim(board, ask.task), &claim)?;
        match self.try_commit(batch).await {
            Ok(true) => {}
            Ok(false) => return Ok(None),
            // Whoever looks says whose it is.
            Err(error) if records::is_newer(&error) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        // What was heard meanwhile: where the server's clock was set on, less is left of the lease.
        let now = self.store.now_at_most().filter(|after| after.ms > now.ms).unwrap_or(now);
        Ok(Some(self.taken(claim, started, &now, ask.lease)))
    }
}
