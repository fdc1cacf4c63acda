//! What a run does beside the board: it has a check run, it notes a finding. Nothing is written to the
//! board, in no mode, and nothing can be taken back; but what came of it is what the run can show for
//! itself. So it passes the same gates as a write (the playbook's list and `scope.max`, trust window,
//! fence), and stands in the journal before it is done and after.

use super::guard::{Asked, conclude, done_before, effect_of, failed, intend, may_act};
use super::registry::Parts;
use super::{Code, Context, RunContext, ToolError, ToolResult};
use crate::domain::{Effect, EffectResult, Entity, Reason, Value};

/// What came of it.
pub(super) enum Noted<T> {
    /// It was done.
    Now(T, Effect),
    /// It was done before, under the same `once` key.
    Before(ToolResult),
}

/// The run that asks, and its workspace.
pub(super) fn workspace<'a>(
    context: &'a Context,
    tool: &str,
) -> Result<(&'a RunContext, &'a dyn Code), ToolError> {
    let refused = |why: String| Err(ToolError::rejected(Reason::NoWorkspace, why));
    let Some(run) = &context.run else {
        return refused(format!("{tool} is for the workspace of a run, and this is no run"));
    };
    match &run.workspace {
        Some(code) => Ok((run, code.as_ref())),
        None if run.playbook.workspace.is_none() => refused(format!(
            "{tool} is for the run's workspace: the playbook {} has no [workspace]",
            run.playbook.name
        )),
        None => refused(format!("{tool}: no workspace is there; a rehearsal makes none")),
    }
}

/// Does something beside the board. `act` is begun once the intent is journaled; it gives what is
/// written down of it, and what it came to.
pub(super) async fn note<T>(
    parts: &Parts,
    run: &RunContext,
    (tool, args): (&str, Value),
    act: impl Future<Output = Result<(Value, T), ToolError>>,
) -> Result<Noted<T>, ToolError> {
    let asked = Asked { tool, bulk: None, args };
    asked.count(run)?;
    let noted = in_run(parts, run, &asked, act).await;
    let had_effect = match &noted {
        Ok(Noted::Now(..)) => true,
        Ok(Noted::Before(_)) => false,
        Err(error) => error.reason() == Reason::StoreFailed,
    };
    if !had_effect {
        asked.give_back(run);
    }
    noted
}

async fn in_run<T>(
    parts: &Parts,
    run: &RunContext,
    asked: &Asked<'_>,
    act: impl Future<Output = Result<(Value, T), ToolError>>,
) -> Result<Noted<T>, ToolError> {
    may_act(parts, run).await?;
    let mut effect = effect_of(parts, run, asked);
    if let Some(earlier) = intend(parts, run, &mut effect).await? {
        return Ok(Noted::Before(done_before(&earlier)));
    }
    crate::crash::reached("effect.intended");
    let (after, made) = match act.await {
        Ok(done) => done,
        Err(error) => return Err(failed(parts, &mut effect, error).await),
    };
    crate::crash::reached("effect.acted");
    effect.result = Some(EffectResult::Done {
        entity: Entity::Outside,
        before: Value::Null,
        after,
        inverse: None,
        at: parts.clock.wall(),
    });
    conclude(parts, &effect).await?;
    Ok(Noted::Now(made, effect))
}
