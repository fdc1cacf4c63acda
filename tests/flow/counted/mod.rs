//! What the instruments tell, driven to values by real work of a daemon in process.

mod claims;
mod occurrences;
mod outbox;
mod pools;
mod reviews;
mod spending;
mod tools;

use crate::support::daemon::{Life, Team};

/// Starts the daemon, and counts from then on what it writes down, as `rota serve` does.
async fn counting(team: &Team) -> Life {
    let life = team.start().await;
    life.ledger.count();
    life
}
