//! The names of what daemons that share a store know of each other.

use super::segment;
use crate::domain::{Channel, DaemonId, OccurrenceId, RunId};

/// What daemons say of themselves.
pub(in crate::ledger) const DAEMON: &str = "daemon/";
/// Daemons that take no new work.
pub(in crate::ledger) const DRAINED: &str = "daemon-drained/";
/// Which playbooks daemons have.
pub(in crate::ledger) const DAEMON_PLAYBOOKS: &str = "daemon-playbooks/";
/// Runs that somebody asked to stop, wherever they are.
pub(in crate::ledger) const STOP_ASKED: &str = "stop-asked/";

/// What a daemon says of itself.
pub(in crate::ledger) fn daemon(id: &DaemonId) -> String {
    format!("{DAEMON}{}", segment(id.as_str()))
}

/// Which playbooks a daemon has.
pub(in crate::ledger) fn daemon_playbooks(id: &DaemonId) -> String {
    format!("{DAEMON_PLAYBOOKS}{}", segment(id.as_str()))
}

/// Present while a daemon takes no new work.
pub(in crate::ledger) fn drained(id: &DaemonId) -> String {
    format!("{DRAINED}{}", segment(id.as_str()))
}

/// At which daemon an occurrence is.
pub(in crate::ledger) fn occurrence_at(id: &OccurrenceId) -> String {
    format!("occurrence-at/{}", segment(id.as_str()))
}

/// Who tells what waits for a channel.
pub(in crate::ledger) fn lane(channel: &Channel) -> String {
    format!("notice-lane/{}", segment(&channel.to_string()))
}

/// Present while a run that somebody asked to stop has not ended.
pub(in crate::ledger) fn stop_asked(run: &RunId) -> String {
    format!("{STOP_ASKED}{}", segment(run.as_str()))
}
