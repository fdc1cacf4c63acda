//! The emergency stop.
use crate::domain::Timestamp;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::Path;

/// Who stopped everything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stopped {
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When; `None` where the file does not say.
    pub at: Option<Timestamp>,
}

/// Stops everything; durable when it returns.
pub fn set(_state: &Path, _by: &str, _reason: &str, _at: Timestamp) -> io::Result<()> {
    todo!()
}
/// Ends the stop; no error if there was none.
pub fn clear(_state: &Path) -> io::Result<()> {
    todo!()
}
/// Whether everything is stopped. A file that cannot be read or understood counts as a stop.
pub fn read(_state: &Path) -> Option<Stopped> {
    todo!()
}
