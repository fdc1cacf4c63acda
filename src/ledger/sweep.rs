//! Claims whose holders are gone.
use super::{ClaimError, Ledger};
use crate::domain::{Claim, Fence, TaskId, Timestamp};

impl Ledger {
    /// To be called once, first, under an embedded store's exclusive lock: ends the leases of
    /// every earlier life. Returns what recovery has to look at, each with the phase it had.
    pub async fn begin_life(&self) -> Result<Vec<Claim>, ClaimError> {
        todo!()
    }
    /// Ends the claims whose lease has ended in the store's time; never a live one. Returns them with the phase they had.
    pub async fn expire(&self) -> Result<Vec<Claim>, ClaimError> {
        todo!()
    }
    /// Ended claims (phase as it was) that nobody has taken over or called settled: something may still be visible on the board.
    pub async fn orphans(&self) -> Result<Vec<Claim>, ClaimError> {
        todo!()
    }
    /// Recovery has seen to an ended claim without taking it over.
    pub async fn forget_orphan(&self, _task: TaskId, _fence: Fence) -> Result<(), ClaimError> {
        todo!()
    }
    /// Parked claims whose time for an answer is over.
    pub async fn overdue_parked(&self, _now: Timestamp) -> Result<Vec<Claim>, ClaimError> {
        todo!()
    }
}
