//! Daemons whose board is a Leantime, played by the fake.

mod assistants;
mod day;
mod markers;
mod race;
mod slow;
mod staged;

use crate::support::office::{Office, unlimited};
use crate::support::playbooks::WORKER;

/// What a Leantime just installed has instead.
const LABELS: &[(&str, &str)] = &[("Ready for Review", "Waiting for Approval")];

/// An office whose ai-worker works when it is told to.
async fn office() -> Office {
    let office = Office::new(unlimited()).await;
    office.playbook("ai-worker", WORKER, LABELS);
    office
}
