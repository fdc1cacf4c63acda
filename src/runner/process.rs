//! Children: the only file that starts processes.

use crate::domain::RunId;

/// Makes this process the one that inherits orphans of its children, so that they can be ended and
/// reaped. Once, at start; on systems without it nothing happens.
pub fn adopt_orphans() {
    todo!()
}

/// Ends every process that carries the tag of one of these runs: what an earlier life of the daemon
/// left over. Returns how many were ended.
pub async fn sweep_left_over(_runs: &[RunId]) -> usize {
    todo!()
}
