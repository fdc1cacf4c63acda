//! What every writing tool takes beside its own arguments: a key that makes it safe to repeat, and the
//! revision that was seen. Read here, for all of them.

use super::nouns::desk_error;
use super::registry::{Parts, ToolRegistry};
use super::{Context, Definition, ToolError, ToolKind, ToolResult, show};
use crate::domain::{Reason, Value};
use crate::ledger::Repeat;
use std::collections::BTreeMap;

const KEY: &str = "idempotencyKey";
const REVISION: &str = "expectedRevision";
/// As it was called first.
const REVISION_BEFORE: &str = "revision";
/// A longer key is refused.
const KEY_BYTES_MAX: usize = 200;
/// Tools that change one thing which has a revision.
const REVISED: [&str; 12] = [
    "addDependency",
    "addTag",
    "deleteEvent",
    "deleteGoal",
    "deleteTask",
    "editEvent",
    "editGoal",
    "editMilestone",
    "editTask",
    "removeDependency",
    "removeTag",
    "scheduleTaskOnCalendar",
];

/// What all writing tools take.
#[derive(Debug, Default)]
pub(super) struct Beside {
    key: Option<String>,
    /// The revision that the caller has seen.
    pub revision: Option<u64>,
}

impl Beside {
    /// One of several has no key of its own.
    pub(super) fn belongs_to_one(&self) -> Result<(), ToolError> {
        if self.key.is_some() {
            return Err(refuse("idempotencyKey: it is for the whole call, not for one item"));
        }
        Ok(())
    }
}

/// Adds them to a schema of arguments.
pub(super) fn add_to(tool: &str, schema: &mut Value) {
    let Value::Map(map) = schema else { return };
    let Some(Value::Map(properties)) = map.get_mut("properties") else { return };
    let mut add = |name: &str, kind: &str, told: &str| {
        let member = Value::map([("type", kind), ("description", told)]);
        properties.insert(name.to_owned(), member);
    };
    add(KEY, "string", "The same for a repetition of the same intent: it is done once.");
    if REVISED.contains(&tool) {
        add(REVISION, "integer", "Refused if it was changed since this revision.");
    }
}

/// Takes them out of the arguments of a writing tool.
pub(super) fn take(tool: &Definition, args: Value) -> Result<(Beside, Value), ToolError> {
    let Value::Map(mut map) = args else { return Ok((Beside::default(), args)) };
    if tool.kind != ToolKind::Write {
        return Ok((Beside::default(), Value::Map(map)));
    }
    let key = map.remove(KEY).filter(|key| !key.is_null()).map(|key| match key {
        Value::Text(key) if !key.trim().is_empty() && key.len() <= KEY_BYTES_MAX => Ok(key),
        _ => {
            Err(refuse("idempotencyKey: expected a text of 1 to 200 bytes, such as \"kickoff-3\""))
        }
    });
    let revision = take_revision(tool.name, &mut map)?;
    Ok((Beside { key: key.transpose()?, revision }, Value::Map(map)))
}

fn take_revision(tool: &str, map: &mut BTreeMap<String, Value>) -> Result<Option<u64>, ToolError> {
    if !REVISED.contains(&tool) {
        return Ok(None);
    }
    let given = [REVISION, REVISION_BEFORE].map(|name| map.remove(name));
    let Some(given) = given.into_iter().flatten().find(|given| !given.is_null()) else {
        return Ok(None);
    };
    let revision = given.as_int().and_then(|revision| u64::try_from(revision).ok());
    let refused =
        || refuse("expectedRevision: expected the `revision` that you have seen, such as 3");
    revision.map(Some).ok_or_else(refused)
}

/// Makes a call once for its key, if it has one.
pub(super) async fn once(
    registry: &ToolRegistry,
    tool: &'static Definition,
    (beside, args): (Beside, Value),
    context: &Context,
) -> Result<ToolResult, ToolError> {
    let Some(key) = beside.key else {
        return registry.carry_out(tool, beside.revision, args, context).await;
    };
    let parts = &registry.parts;
    let who = context.principal.key();
    // Not where they belong by now: whoever lost an answer is given it, and does it no second time.
    let (revision, projects) = (beside.revision, &context.only_projects);
    let called = format!("{} {revision:?} {projects:?} {}", tool.name, written(&args));
    match parts.repeats()?.begin(&who, &key, &called).await.map_err(desk_error)? {
        Repeat::New => {}
        Repeat::Answered(answer, at) => return Ok(repeated(answer, &at.to_rfc3339())),
        Repeat::Open(at) => {
            let message = format!(
                "the call with this idempotencyKey began at {} and it is not known what came of it: \
                 look at the board, then use another key if it was not done",
                at.to_rfc3339()
            );
            return Err(ToolError::rejected(Reason::UnknownEffect, message));
        }
        Repeat::Other(at) => {
            let message = format!(
                "idempotencyKey: it stands for another call, made at {}; a new intent takes a new key",
                at.to_rfc3339()
            );
            return Err(refuse(&message));
        }
        Repeat::Full(count) => {
            let message = format!(
                "idempotencyKey: of {count} calls of yours under such keys it is not known what came \
                 of them, and no other is begun: look at the board; each is forgotten after a day"
            );
            return Err(ToolError::rejected(Reason::UnknownEffect, message));
        }
    }
    let outcome = registry.carry_out(tool, beside.revision, args, context).await;
    note(parts, &who, &key, &outcome).await;
    outcome
}

/// Writes down what came of it. What cannot be written down stays open: whoever repeats it is told so.
async fn note(parts: &Parts, who: &str, key: &str, outcome: &Result<ToolResult, ToolError>) {
    let answer = match outcome {
        Ok(result) => Some(result.value.clone()),
        Err(error) if may_have_happened(error) => return,
        Err(_) => None,
    };
    let Ok(repeats) = parts.repeats() else { return };
    if let Err(error) = repeats.end(who, key, answer).await {
        tracing::warn!(error = &error as &dyn std::error::Error, "an answer was not kept");
    }
}

fn may_have_happened(error: &ToolError) -> bool {
    let unclear = [Reason::BoardUnavailable, Reason::UnknownEffect, Reason::StoreFailed];
    error.is_fatal() || unclear.contains(&error.reason())
}

/// The first answer, and that it is one.
fn repeated(answer: Option<Value>, at: &str) -> ToolResult {
    let mut map = match answer {
        Some(Value::Map(map)) => map,
        _ => BTreeMap::from([
            ("entity".to_owned(), Value::from("several")),
            ("changed".to_owned(), Value::Bool(true)),
        ]),
    };
    map.insert("repeated".to_owned(), at.into());
    let value = Value::Map(map);
    let text = format!("done before, at {at}, under this idempotencyKey; the answer was:\n");
    ToolResult { text: text + &show::text(&value), value, effect: None }
}

fn written(args: &Value) -> String {
    serde_json::to_string(args).unwrap_or_default()
}

fn refuse(message: &str) -> ToolError {
    ToolError::rejected(Reason::InvalidArguments, message)
}
