//! What another program told, to wake a playbook.

use super::{PlaybookName, Timestamp};
use serde::{Deserialize, Serialize};

/// One delivery of a webhook. All of it was written by somebody else.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Arrival {
    /// Which playbook it is for.
    pub playbook: PlaybookName,
    /// What its sender calls this delivery: a second one of this name is the same.
    pub delivery: String,
    /// What happened there, in a word (the member `type` of the payload); empty where nothing says so.
    pub name: String,
    /// The body as it was sent.
    pub text: String,
    /// When it was received.
    pub at: Timestamp,
}
