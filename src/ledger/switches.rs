//! What people switch: armed, paused, everything stopped.
use super::stop::Stopped;
use super::{Ledger, Result};
use crate::domain::{PlaybookName, Timestamp};
use serde::{Deserialize, Serialize};

/// A playbook's switches and counters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PlaybookSwitch {
    /// The hash of the triggers and rights that a person armed; `None`: never armed.
    pub armed: Option<String>,
    /// Set while it is paused.
    pub paused: Option<Paused>,
    /// Runs that failed, since the last success.
    pub failures_in_row: u32,
    /// Reports that had nothing to say or could not be sent, since the last one that was.
    pub silent_in_row: u32,
}

/// Who paused a playbook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paused {
    /// Who.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
}

impl Ledger {
    /// A playbook's switches; those of one never heard of are all off.
    pub async fn playbook_switch(&self, _playbook: &PlaybookName) -> Result<PlaybookSwitch> {
        todo!()
    }
    /// Arms it for these triggers and rights.
    pub async fn arm(
        &self,
        _playbook: &PlaybookName,
        _rights: &str,
        _by: &str,
    ) -> Result<PlaybookSwitch> {
        todo!()
    }
    /// Disarms it.
    pub async fn disarm(&self, _playbook: &PlaybookName, _by: &str) -> Result<PlaybookSwitch> {
        todo!()
    }
    /// Pauses it; one already paused stays as it was.
    pub async fn pause(
        &self,
        _playbook: &PlaybookName,
        _by: &str,
        _reason: &str,
    ) -> Result<PlaybookSwitch> {
        todo!()
    }
    /// Ends a pause and forgets the failures before it.
    pub async fn resume(&self, _playbook: &PlaybookName, _by: &str) -> Result<PlaybookSwitch> {
        todo!()
    }
    /// One more failure in a row.
    pub async fn record_failure(&self, _playbook: &PlaybookName) -> Result<PlaybookSwitch> {
        todo!()
    }
    /// A success: no failures in a row.
    pub async fn record_success(&self, _playbook: &PlaybookName) -> Result<PlaybookSwitch> {
        todo!()
    }
    /// One more silent report in a row (`true`), or none (`false`).
    pub async fn record_silence(
        &self,
        _playbook: &PlaybookName,
        _silent: bool,
    ) -> Result<PlaybookSwitch> {
        todo!()
    }
    /// Whether everything is stopped, as the store says; the file of [`super::stop`] counts too.
    pub async fn stopped(&self) -> Result<Option<Stopped>> {
        todo!()
    }
    /// Stops everything (`Some`) or starts it again (`None`), in the store.
    pub async fn set_stopped(&self, _stopped: Option<Stopped>, _by: &str) -> Result<()> {
        todo!()
    }
}
