//! How values stand in columns.

use super::super::{BoardError, Result};
use crate::domain::{StatusKind, Timestamp};
use serde::de::DeserializeOwned;

/// A list or object that is kept as JSON.
pub(super) fn from_json<T: DeserializeOwned>(text: &str) -> sqlx::Result<T> {
    serde_json::from_str(text).map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

/// A list or object as JSON.
pub(super) fn to_json<T: serde::Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|error| BoardError::Malformed(error.to_string()))
}

/// What a status means, as a column.
pub(super) fn kind_number(kind: StatusKind) -> i64 {
    match kind {
        StatusKind::New => 0,
        StatusKind::InProgress => 1,
        StatusKind::Blocked => 2,
        StatusKind::Waiting => 3,
        StatusKind::Done => 4,
    }
}

/// The first whole millisecond at or after an instant.
pub(super) fn at_or_after(at: Timestamp) -> i64 {
    let ms = at.timestamp_millis();
    if at.timestamp_subsec_nanos().is_multiple_of(1_000_000) { ms } else { ms.saturating_add(1) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::from_millis;

    #[test]
    fn an_instant_between_milliseconds_is_rounded_up() {
        assert_eq!(at_or_after(from_millis(7)), 7);
        assert_eq!(at_or_after(from_millis(7) + chrono::TimeDelta::nanoseconds(1)), 8);
        assert_eq!(at_or_after(from_millis(-7) + chrono::TimeDelta::nanoseconds(1)), -6);
    }
}
