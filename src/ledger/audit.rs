//! The audit log: what people did to the daemon, each entry bound to the one before by its hash.
//!
//! The chain shows that an entry was changed, removed or put in between. It does not keep somebody
//! who can write the whole store from writing a new chain; for that, keep the export elsewhere.

use super::records::{self, Record, contended};
use super::{Ledger, Result, TRIES_MAX, keys};
use crate::domain::Timestamp;
use crate::store::{Batch, StoreError};
use serde::{Deserialize, Serialize};

/// More of an entry's texts is not kept.
const TEXT_CHARS_MAX: usize = 1_000;

/// One entry; its hash covers the entry before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// Its number, from 1.
    pub number: u64,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub who: String,
    /// What was done, in a word: `arm`, `pause`, `revoke`, …
    pub what: String,
    /// The particulars; never a secret.
    pub detail: String,
    /// The hash of the entry before; zeros before the first.
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

/// The end of the chain.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    number: u64,
    hash: String,
}

impl AuditEntry {
    /// The hash that the entry should have. Its texts are hashed as JSON, so that no text can be
    /// moved from one field to the next.
    fn expected_hash(&self) -> String {
        let at = self.at.timestamp_millis();
        let fields = (self.number, at, &self.who, &self.what, &self.detail, &self.previous);
        keys::sha256(&serde_json::to_vec(&fields).unwrap_or_default())
    }
}

impl Ledger {
    /// Appends an entry.
    pub async fn audit(&self, who: &str, what: &str, detail: &str) -> Result<AuditEntry> {
        for _ in 0..TRIES_MAX {
            let (batch, entry) = self.audit_batch(who, what, detail).await?;
            if self.try_commit(batch).await? {
                return Ok(entry);
            }
        }
        Err(contended("the audit log"))
    }

    /// The latest entries, newest first, at most `limit`.
    pub async fn audit_log(&self, limit: usize) -> Result<Vec<AuditEntry>> {
        let head: Option<Record<Head>> = self.read(keys::AUDIT_HEAD).await?;
        let last = head.map_or(0, |head| head.value.number);
        let before = last.saturating_sub(u64::try_from(limit).unwrap_or(u64::MAX));
        let after = keys::audit(before);
        let entries = records::scan(self.store.as_ref(), keys::AUDIT, Some(&after), limit).await?;
        Ok(entries.into_iter().rev().map(|(_, record)| record.value).collect())
    }

    /// Walks the whole chain and compares its end with what was noted when it was written.
    pub async fn verify(&self) -> Result<AuditVerdict> {
        // The end first: entries that are appended meanwhile come after it.
        let head: Option<Record<Head>> = self.read(keys::AUDIT_HEAD).await?;
        let (last, hash) = head.map_or((0, zeros()), |head| (head.value.number, head.value.hash));
        let (mut number, mut previous, mut hash_at_last) = (0, zeros(), zeros());
        let mut after: Option<String> = None;
        loop {
            let page: Vec<(String, Record<AuditEntry>)> =
                records::scan(self.store.as_ref(), keys::AUDIT, after.as_deref(), records::PAGE)
                    .await?;
            let Some((key, _)) = page.last() else { break };
            after = Some(key.clone());
            for (key, Record { value: entry, .. }) in page {
                number += 1;
                let broken = |why: &str| AuditVerdict::Broken { at: number, why: why.to_owned() };
                if entry.number != number || key != keys::audit(number) {
                    return Ok(broken("an entry is missing or was put in"));
                }
                if entry.previous != previous {
                    return Ok(broken("it does not follow the entry before"));
                }
                if entry.expected_hash() != entry.hash {
                    return Ok(broken("it was changed"));
                }
                previous.clone_from(&entry.hash);
                if number == last {
                    hash_at_last = entry.hash;
                }
            }
        }
        if number < last || hash_at_last != hash {
            let why = "the end of the chain is missing".to_owned();
            return Ok(AuditVerdict::Broken { at: number.min(last), why });
        }
        Ok(AuditVerdict::Intact { entries: number })
    }

    /// An entry for a commit that must be audited or not happen.
    pub(super) async fn audit_batch(
        &self,
        who: &str,
        what: &str,
        detail: &str,
    ) -> std::result::Result<(Batch, AuditEntry), StoreError> {
        let head: Option<Record<Head>> =
            records::get(self.store.as_ref(), keys::AUDIT_HEAD).await?;
        let (number, previous) = head
            .as_ref()
            .map_or((1, zeros()), |head| (head.value.number + 1, head.value.hash.clone()));
        let text = |text: &str| text.chars().take(TEXT_CHARS_MAX).collect();
        let (who, what, detail) = (text(who), text(what), text(detail));
        let (at, hash) = (self.clock.wall(), String::new());
        let mut entry = AuditEntry { number, at, who, what, detail, previous, hash };
        entry.hash = entry.expected_hash();
        let new = Head { number, hash: entry.hash.clone() };
        let batch = records::create(Batch::new(), &keys::audit(number), &entry)?;
        let batch = records::replace(batch, keys::AUDIT_HEAD, &new, head.as_ref())?;
        Ok((batch, entry))
    }
}

fn zeros() -> String {
    "0".repeat(64)
}
