//! The daemons that share a store, as tools see them: the trait that `daemon` implements.

use super::desk::DeskError;
use crate::domain::{DaemonId, Value};
use async_trait::async_trait;

/// All daemons of a team.
#[async_trait]
pub trait Fleet: Send + Sync {
    /// Which there are, what they run, and which take no new work.
    async fn daemons(&self) -> Result<Value, DeskError>;
    /// Lets one take no new work, or (`false`) take it again.
    async fn drain_daemon(
        &self,
        daemon: &DaemonId,
        drained: bool,
        by: &str,
    ) -> Result<Value, DeskError>;
}
