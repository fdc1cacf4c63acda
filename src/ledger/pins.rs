//! Which tools of other servers a person has accepted, and as what: a tool whose description changes
//! afterwards is another tool, and nobody has accepted that one.

use super::records::{self, Record, contended};
use super::{Ledger, Result, TRIES_MAX, keys};
use crate::domain::Timestamp;
use crate::store::Batch;
use serde::{Deserialize, Serialize};

/// At most so many are kept.
const PINS_MAX: usize = 10_000;

/// A tool of another server, as it was accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// `server:tool`.
    pub tool: String,
    /// The fingerprint of what was accepted.
    pub fingerprint: String,
    /// Who accepted it.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

impl Ledger {
    /// All that was accepted, in the order of the names.
    pub async fn pins(&self) -> Result<Vec<Pin>> {
        let all: Vec<(String, Record<Pin>)> =
            records::scan_all(self.store.as_ref(), keys::PIN, PINS_MAX).await?;
        Ok(all.into_iter().map(|(_, record)| record.value).collect())
    }

    /// Accepts a tool as it is, in the name of a person; in the audit log.
    pub async fn accept_tool(&self, tool: &str, fingerprint: &str, by: &str) -> Result<Pin> {
        let key = keys::pin(tool);
        for _ in 0..TRIES_MAX {
            let found: Option<Record<Pin>> = self.read(&key).await?;
            let pin = Pin {
                tool: tool.to_owned(),
                fingerprint: fingerprint.to_owned(),
                by: by.to_owned(),
                at: self.clock.wall(),
            };
            let batch = records::replace(Batch::new(), &key, &pin, found.as_ref())?;
            let detail = format!("{tool} as {fingerprint}");
            let (audited, _) = self.audit_batch(by, "accept-tool", &detail).await?;
            if self.try_commit(batch.and(audited)).await? {
                return Ok(pin);
            }
        }
        Err(contended("the accepted tools"))
    }
}
