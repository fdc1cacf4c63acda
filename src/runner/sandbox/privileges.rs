//! Capabilities: a program has none, also where the daemon runs as root. Some of them reach around
//! Landlock: with `CAP_PERFMON`, the environment of the daemon can be read.

use caps::CapSet;

/// Drops every capability of this process and whatever it becomes; that none is gained again is
/// seen to by `no_new_privs`, which Landlock sets.
pub(super) fn drop_all() -> Result<(), String> {
    for set in [CapSet::Ambient, CapSet::Inheritable, CapSet::Effective, CapSet::Permitted] {
        caps::clear(None, set).map_err(|error| format!("capabilities: {error}"))?;
    }
    Ok(())
}
