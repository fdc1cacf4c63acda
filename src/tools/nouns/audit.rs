//! Whether what is recorded is as it was written, and whether all is well.

use super::operate::desk_error;
use super::records::{Anything, Nothing};
use crate::domain::{Reason, Role, Value};
use crate::ledger::{AuditVerdict, Unread};
use crate::tools::arguments::Id;
use crate::tools::definition::{Definition, Words};
use crate::tools::registry::Parts;
use crate::tools::{ToolError, show};
use schemars::JsonSchema;
use serde::Deserialize;

/// The page when nothing is said.
const LIMIT_DEFAULT: u32 = 20;
/// The longest page.
const LIMIT_MAX: u32 = 1_000;

pub(super) fn tools() -> Vec<Definition> {
    vec![
        Definition::read::<Nothing, Anything>(
            Words {
                name: "verifyAudit",
                title: "Verify the audit log",
                description: "Walks the hash chains over what people did and over the ends of runs, with their claims and \
                    effects; names the first link that does not hold. Example: {}.",
                example: "{}",
            },
            Role::Editor,
            |parts, _, _| Box::pin(verify(parts)),
        ),
        Definition::read::<ListAudit, Anything>(
            Words {
                name: "listAudit",
                title: "List the audit log",
                description: "What people did to the daemon, newest first: who armed, paused, stopped, revoked or \
                    signed in, and when. Example: {\"limit\": 20}.",
                example: r#"{"limit": 20}"#,
            },
            Role::Manager,
            |parts, _, args| Box::pin(list(parts, args)),
        ),
        Definition::read::<Nothing, Anything>(
            Words {
                name: "getHealth",
                title: "See whether all is well",
                description: "What `rota doctor` finds: configuration, board, models, channels, disk, each with what \
                    to do. Asks the servers that are named there. Example: {}.",
                example: "{}",
            },
            Role::Manager,
            |parts, _, _| {
                Box::pin(async move { parts.steward()?.examine().await.map_err(desk_error) })
            },
        ),
    ]
}

async fn verify(parts: &Parts) -> Result<Value, ToolError> {
    match parts.records()?.audit().await.map_err(desk_error)? {
        AuditVerdict::Intact { entries } => Ok(Value::map([
            ("intact", Value::from(true)),
            ("entries", i64::try_from(entries).unwrap_or(i64::MAX).into()),
        ])),
        AuditVerdict::Newer { entries, unread } => {
            let links = unread.iter().map(|unread| unread.entries).sum::<u64>();
            let note: Vec<String> = unread.iter().map(not_compared).collect();
            Ok(Value::map([
                // What was not compared is not known to be so.
                ("intact", Value::Null),
                ("entries", i64::try_from(entries).unwrap_or(i64::MAX).into()),
                ("unread", i64::try_from(links).unwrap_or(i64::MAX).into()),
                ("note", format!("{}. Ask that one.", note.join(". ")).into()),
            ]))
        }
        AuditVerdict::Broken { at, of, why } => {
            let message = format!("{of}: link {at} does not hold: {why}");
            Err(ToolError::rejected(Reason::AuditBroken, message))
        }
    }
}

/// What of a chain only a newer Rota can compare.
fn not_compared(unread: &Unread) -> String {
    let Unread { of, entries, runs, first } = unread;
    let mut what = Vec::new();
    if *entries > 0 {
        what.push(format!(
            "links that were written by a newer Rota: {entries}; neither these, nor that the next ones \
             follow them, is compared here"
        ));
    }
    if *runs > 0 {
        what.push(format!(
            "runs whose records were written by a newer Rota: {runs}; these are not compared here"
        ));
    }
    format!("{of}, from link {first} on: {}", what.join("; "))
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct ListAudit {
    /// At most so many, 1 to 1000 (default 20).
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<Id>,
}

async fn list(parts: &Parts, args: ListAudit) -> Result<Value, ToolError> {
    let limit = args.limit.unwrap_or(LIMIT_DEFAULT).clamp(1, LIMIT_MAX) as usize;
    let before = args.cursor.map(|Id(number)| u64::try_from(number).unwrap_or(0));
    let entries = parts.records()?.audit_log(limit, before).await.map_err(desk_error)?;
    let mut answer = vec![("items", show::value(&entries))];
    let last = entries.last().map_or(0, |entry| entry.number);
    if entries.len() == limit && last > 1 {
        answer.push(("next", i64::try_from(last).unwrap_or(i64::MAX).to_string().into()));
    }
    Ok(Value::map(answer))
}
