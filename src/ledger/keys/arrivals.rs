//! The names of what other programs told.

use super::segment;
use crate::domain::OccurrenceId;

/// What woke an occurrence.
pub(in crate::ledger) fn arrival(occurrence: &OccurrenceId) -> String {
    format!("arrival/{}", segment(occurrence.as_str()))
}
