//! What became of each wake of a playbook: looking only.

use super::operate::desk_error;
use super::records::Anything;
use crate::domain::{Occurrence, OccurrenceId, OccurrenceState, PlaybookName, Reason, Role, Value};
use crate::tools::definition::{Definition, Words};
use crate::tools::desk::OccurrenceQuery;
use crate::tools::registry::Parts;
use crate::tools::{ToolError, arguments, limited, show};
use schemars::JsonSchema;
use serde::Deserialize;

/// The page when nothing is said.
const LIMIT_DEFAULT: u32 = 20;
/// The longest page.
const LIMIT_MAX: u32 = 1_000;

pub(super) fn tools() -> Vec<Definition> {
    vec![
        Definition::read::<ListOccurrences, Anything>(
            Words {
                name: "listOccurrences",
                title: "List occurrences",
                description: "What became of each wake of playbooks, latest first within a playbook: what woke \
                    it, whether it ran or was skipped, and why. Example: {\"playbook\": \"daily-digest\"}.",
                example: r#"{"playbook": "daily-digest"}"#,
            },
            Role::Readonly,
            |parts, _, args| Box::pin(list(parts, args)),
        ),
        Definition::read::<ShowOccurrence, Anything>(
            Words {
                name: "showOccurrence",
                title: "Show an occurrence",
                description: "What became of one wake of a playbook, and its runs. Example: {\"occurrence\": \
                    \"daily-digest/cron/2026-11-30T07:00:00Z\"}.",
                example: r#"{"occurrence": "daily-digest/cron/2026-11-30T07:00:00Z"}"#,
            },
            Role::Readonly,
            |parts, _, args| Box::pin(show_one(parts, args)),
        ),
    ]
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct ListOccurrences {
    /// Of this playbook; absent: of all, by name.
    playbook: Option<String>,
    /// At most so many, 1 to 1000 (default 20).
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<String>,
}

async fn list(parts: &Parts, args: ListOccurrences) -> Result<Value, ToolError> {
    let limit = args.limit.unwrap_or(LIMIT_DEFAULT).clamp(1, LIMIT_MAX) as usize;
    let query = OccurrenceQuery {
        playbook: args.playbook.map(PlaybookName::new),
        after: args.cursor.map(OccurrenceId::new),
        limit: limit + 1,
    };
    let mut found = parts.records()?.occurrences(&query).await.map_err(desk_error)?;
    let has_more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| has_more).map(|last| last.id.to_string());
    let mut items = Vec::new();
    for occurrence in &found {
        items.extend(is_shown(parts, occurrence).await?.then(|| view(occurrence)));
    }
    let mut answer = vec![("items", Value::List(items))];
    answer.extend(next.map(|next| ("next", next.into())));
    Ok(Value::map(answer))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ShowOccurrence {
    /// Its id, as listOccurrences has it.
    occurrence: String,
}

async fn show_one(parts: &Parts, args: ShowOccurrence) -> Result<Value, ToolError> {
    let id = OccurrenceId::new(args.occurrence.trim());
    let found = parts.records()?.occurrence(&id).await.map_err(desk_error)?;
    let found = match found {
        Some(found) if is_shown(parts, &found).await? => Some(found),
        _ => None,
    };
    let found = found.ok_or_else(|| {
        let shown = arguments::shown(id.as_str());
        let message = format!("there is no occurrence {shown}; see listOccurrences");
        ToolError::rejected(Reason::NotFound, message)
    })?;
    Ok(view(&found))
}

/// What woke for a task that is not there for whoever asks is not there either.
async fn is_shown(parts: &Parts, occurrence: &Occurrence) -> Result<bool, ToolError> {
    match occurrence.task {
        Some(task) => limited::shows(parts, task).await,
        None => Ok(true),
    }
}

/// The record, with its state in words of their own.
fn view(occurrence: &Occurrence) -> Value {
    let (state, reason) = match &occurrence.state {
        OccurrenceState::Queued => ("queued", None),
        OccurrenceState::Running => ("running", None),
        OccurrenceState::Ran { reason, .. } => ("ran", Some(*reason)),
        OccurrenceState::Skipped { reason } => ("skipped", Some(*reason)),
    };
    let mut shown = show::value(occurrence);
    if let Value::Map(map) = &mut shown {
        if let OccurrenceState::Ran { runs, at, .. } = &occurrence.state {
            map.insert("runs".to_owned(), show::value(runs));
            map.insert("ended".to_owned(), show::value(at));
        }
        map.insert("state".to_owned(), state.into());
        map.insert("reason".to_owned(), reason.map(Reason::code).into());
        map.insert("why".to_owned(), reason.map(Reason::text).into());
    }
    shown
}
