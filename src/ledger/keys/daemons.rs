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

/// The name of a daemon whose record stands under this key; of a long one only what stands for it there.
pub(in crate::ledger) fn daemon_of(key: &str) -> DaemonId {
    let mut parts = key.strip_prefix(DAEMON).unwrap_or(key).split('%');
    let mut name = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let escaped = part
            .split_at_checked(2)
            .and_then(|(hex, rest)| Some((u8::from_str_radix(hex, 16).ok()?, rest)));
        let (byte, rest) = escaped.unwrap_or((b'%', part));
        name.push(byte);
        name.extend_from_slice(rest.as_bytes());
    }
    DaemonId::new(String::from_utf8_lossy(&name))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daemons_name_is_read_back_from_its_key() {
        for name in ["one", "one/by-hand-x7", "a%2fb", "Büro 2", "%", ""] {
            let id = DaemonId::new(name);
            assert_eq!(daemon_of(&daemon(&id)), id);
        }
        assert_eq!(daemon_of("daemon/%zz%2").as_str(), "%zz%2", "what was never escaped");
    }
}
