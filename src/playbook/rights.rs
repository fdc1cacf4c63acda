//! What a playbook is allowed to do, so that an edit that widens it does not arm itself.
use crate::domain::Playbook;
use serde::{Deserialize, Serialize};

/// A playbook's triggers and rights, written canonically.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rights {}

impl Rights {
    /// SHA-256 over the canonical form, in hex.
    pub fn hash(&self) -> String {
        todo!()
    }
}

/// What a playbook is allowed to do.
pub fn rights(playbook: &Playbook) -> Rights {
    todo!()
}

/// Why `new` may do more than `old`, in words; empty when it may not.
pub fn is_wider(old: &Rights, new: &Rights) -> Vec<String> {
    todo!()
}
