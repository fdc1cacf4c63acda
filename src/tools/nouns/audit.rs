//! Whether what is recorded is as it was written.

use super::operate::desk_error;
use super::records::{Anything, Nothing};
use crate::domain::{Reason, Role, Value};
use crate::ledger::AuditVerdict;
use crate::tools::ToolError;
use crate::tools::definition::{Definition, Words};
use crate::tools::registry::Parts;

pub(super) fn tools() -> Vec<Definition> {
    vec![Definition::read::<Nothing, Anything>(
        Words {
            name: "verifyAudit",
            title: "Verify the audit log",
            description: "Walks the hash chains over what people did and over the ends of runs, with their claims and \
                effects; names the first link that does not hold. Example: {}.",
            example: "{}",
        },
        Role::Editor,
        |parts, _, _| Box::pin(verify(parts)),
    )]
}

async fn verify(parts: &Parts) -> Result<Value, ToolError> {
    match parts.records()?.audit().await.map_err(desk_error)? {
        AuditVerdict::Intact { entries } => Ok(Value::map([
            ("intact", Value::from(true)),
            ("entries", i64::try_from(entries).unwrap_or(i64::MAX).into()),
        ])),
        AuditVerdict::Broken { at, of, why } => {
            let message = format!("{of}: link {at} does not hold: {why}");
            Err(ToolError::rejected(Reason::AuditBroken, message))
        }
    }
}
