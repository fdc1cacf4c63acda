//! The end of a daemon: nothing of it stays.

use crate::support::daemon::Team;
use std::sync::Arc;

#[tokio::test]
async fn a_daemon_that_has_drained_leaves_nothing_in_memory() {
    let team = Team::new().await;
    let life = team.start().await;
    life.work().await;
    life.daemon.drain().await;
    let (daemon, ledger) = (Arc::downgrade(&life.daemon), Arc::downgrade(&life.ledger));
    drop(life);
    assert_eq!(daemon.strong_count(), 0, "somebody still holds the daemon");
    assert_eq!(ledger.strong_count(), 0, "somebody still holds the ledger");
}
