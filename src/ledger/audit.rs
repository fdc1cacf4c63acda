//! The audit log.
use super::{Ledger, Result};
use crate::domain::Timestamp;
use serde::{Deserialize, Serialize};

/// One entry; its hash covers the entry before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// Its number, from 1.
    pub number: u64,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub who: String,
    /// What was done, in a few words: `arm`, `revoke`, …
    pub what: String,
    /// The particulars.
    pub detail: String,
    /// SHA-256 of the entry before, in hex; zeros before the first.
    pub previous: String,
    /// SHA-256 of this entry, in hex.
    pub hash: String,
}

/// What the verification found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuditVerdict {
    /// The chain is whole.
    Intact {
        /// How many entries.
        entries: u64,
    },
    /// It is not.
    Broken {
        /// The first entry that does not fit.
        at: u64,
        /// What does not fit.
        why: String,
    },
}

impl Ledger {
    /// Appends an entry.
    pub async fn audit(&self, _who: &str, _what: &str, _detail: &str) -> Result<AuditEntry> {
        todo!()
    }
    /// The latest entries, newest first.
    pub async fn audit_log(&self, _limit: usize) -> Result<Vec<AuditEntry>> {
        todo!()
    }
    /// Walks the whole chain.
    pub async fn verify(&self) -> Result<AuditVerdict> {
        todo!()
    }
}
