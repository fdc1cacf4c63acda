//! The rows of the outbox: a queue for each channel, and what was given up.

use super::{ascending, segment, sha256};
use crate::domain::{Channel, Timestamp};

pub(in crate::ledger) const QUEUE: &str = "notice-queue/";
pub(in crate::ledger) const DEAD: &str = "notice-dead/";

/// The notices that wait for one channel, in the order in which they are told.
pub(in crate::ledger) fn queue(channel: &Channel) -> String {
    format!("{QUEUE}{}/", segment(&channel.to_string()))
}

/// A notice's place among them.
pub(in crate::ledger) fn queued(channel: &Channel, place: u64, key: &str) -> String {
    format!("{}{place:016x}/{}", queue(channel), sha256(key.as_bytes()))
}

/// The place that a key of a queue names.
pub(in crate::ledger) fn place_in_queue(key: &str) -> Option<u64> {
    let place = key.strip_prefix(QUEUE)?.split('/').nth(1)?;
    u64::from_str_radix(place, 16).ok()
}

/// What comes after all keys of a queue and before those of the next one.
pub(in crate::ledger) fn after_queue(key: &str) -> Option<String> {
    let channel = key.strip_prefix(QUEUE)?.split('/').next()?;
    Some(format!("{QUEUE}{channel}/~"))
}

/// A notice that was given up.
pub(in crate::ledger) fn dead(key: &str) -> String {
    format!("{DEAD}{}", sha256(key.as_bytes()))
}

/// The alarms that wait for one channel, in the order in which they are told.
pub(in crate::ledger) fn alarms(channel: &Channel) -> String {
    format!("notice-alarm/{}/", segment(&channel.to_string()))
}

/// An alarm's place among them.
pub(in crate::ledger) fn alarm(channel: &Channel, place: u64, key: &str) -> String {
    format!("{}{place:016x}/{}", alarms(channel), sha256(key.as_bytes()))
}

/// What one channel was told, alarms aside, in the order in which it was.
pub(in crate::ledger) fn told(channel: &Channel) -> String {
    format!("notice-told/{}/", segment(&channel.to_string()))
}

/// Where those begin that were told at an instant or later.
pub(in crate::ledger) fn told_since(channel: &Channel, at: Timestamp) -> String {
    format!("{}{}", told(channel), ascending(at))
}

/// A notice's place among them.
pub(in crate::ledger) fn told_at(channel: &Channel, at: Timestamp, key: &str) -> String {
    format!("{}/{}", told_since(channel, at), sha256(key.as_bytes()))
}
