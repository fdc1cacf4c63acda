//! What a tool of another server does for a run passes the same gates as a write to the board: scope
//! (the playbook's list and `scope.max`), trust window, fence, journal. Nothing can take it back, and
//! nobody but the server knows what became of a call that broke off.

use super::guard::{
    Asked, conclude, done_before, effect_of, failed, intend, may_act, may_propose, propose,
};
use super::outer::refusal;
use super::registry::Parts;
use super::{RunContext, ToolError, ToolResult, show};
use crate::domain::{Effect, EffectResult, Entity, Mode, Reason, Value};
use crate::upstream::{Before, Told, UpstreamError};
use std::sync::{Arc, OnceLock};

/// So much of an answer is journaled.
const ANSWER_CHARS_MAX: usize = 2_000;

/// What came of a call.
pub(super) enum Outside {
    /// The server answered.
    Told(Told, Effect),
    /// It was not called.
    Not(ToolResult),
}

/// Calls for a run. `call` is made only once the intent is journaled; it asks once more, when its turn
/// has come, whether the run may still act.
pub(super) async fn call<'a, F>(
    parts: &'a Parts,
    run: &'a RunContext,
    (server, tool): (&str, &str),
    args: Value,
    call: impl FnOnce(Before<'a>) -> F,
) -> Result<Outside, ToolError>
where
    F: Future<Output = Result<Told, UpstreamError>>,
{
    let asked = Asked { tool, bulk: None, args };
    asked.count(run)?;
    let outcome = in_run(parts, run, server, &asked, call).await;
    let had_effect = match &outcome {
        Ok(Outside::Told(..)) => true,
        Ok(Outside::Not(result)) => result.effect.is_some(),
        Err(error) => matches!(error.reason(), Reason::UnknownEffect | Reason::StoreFailed),
    };
    if !had_effect {
        asked.give_back(run);
    }
    outcome
}

async fn in_run<'a, F>(
    parts: &'a Parts,
    run: &'a RunContext,
    server: &str,
    asked: &Asked<'_>,
    call: impl FnOnce(Before<'a>) -> F,
) -> Result<Outside, ToolError>
where
    F: Future<Output = Result<Told, UpstreamError>>,
{
    let tool = asked.tool;
    may_propose(run)?;
    may_act(parts, run).await?;
    let mut effect = effect_of(parts, run, asked);
    if let Some(earlier) = intend(parts, run, &mut effect).await? {
        return Ok(Outside::Not(done_before(&earlier)));
    }
    crate::crash::reached("effect.intended");
    if run.mode != Mode::Live {
        let note = not_called(parts, run, &mut effect).await?;
        let value = Value::map([("note", Value::from(note))]);
        let text = show::text(&value);
        return Ok(Outside::Not(ToolResult { value, text, effect: Some(effect) }));
    }
    let barred: Arc<OnceLock<ToolError>> = Arc::default();
    let bar = Arc::clone(&barred);
    let before = Box::pin(async move {
        let allowed = may_act(parts, run).await;
        allowed.map_err(|error| bar.set(error)).is_ok()
    });
    let told = match call(before).await {
        Ok(told) => told,
        Err(UpstreamError::Barred) => {
            let error = Arc::into_inner(barred).and_then(OnceLock::into_inner);
            let error = error.unwrap_or_else(|| refusal(tool, server, &UpstreamError::Barred));
            return Err(failed(parts, &mut effect, error).await);
        }
        Err(error @ UpstreamError::Unknown(_)) => {
            effect.result = Some(EffectResult::Unknown);
            conclude(parts, &effect).await?;
            return Err(ToolError::Fatal {
                reason: Reason::UnknownEffect,
                message: format!("it is not known whether {tool} happened"),
                source: Some(Box::new(error)),
            });
        }
        Err(error) => {
            let error = refusal(tool, server, &error);
            return Err(failed(parts, &mut effect, error).await);
        }
    };
    crate::crash::reached("effect.acted");
    let answer: String = told.text.chars().take(ANSWER_CHARS_MAX).collect();
    let after = Value::map([("answer", Value::from(answer)), ("is_error", told.is_error.into())]);
    effect.result = Some(EffectResult::Done {
        entity: Entity::Outside,
        before: Value::Null,
        after,
        inverse: None,
        at: parts.clock.wall(),
    });
    conclude(parts, &effect).await?;
    Ok(Outside::Told(told, effect))
}

/// A run that only records or proposes does not call it: what is noted instead.
async fn not_called(
    parts: &Parts,
    run: &RunContext,
    effect: &mut Effect,
) -> Result<String, ToolError> {
    if run.mode == Mode::Staged {
        let found = (Entity::Outside, Value::Null, effect.args.clone(), None);
        return propose(parts, run, effect, found).await;
    }
    effect.result = Some(EffectResult::Recorded);
    conclude(parts, effect).await?;
    Ok(Reason::RecordedOnly.code().to_owned())
}
