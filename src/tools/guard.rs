//! Every write of a run passes here, in this order: listed tool, role, scope, budget, trust window,
//! fence; then the intent is journaled durably, the board acts, and the result is journaled.
//!
//! A run that is a shadow goes the same way up to the journal, where its write is recorded
//! and not done: a holder whose claim ended learns it in every mode.

mod count;
mod proposed;
mod several;

pub(super) use count::Asked;
pub(super) use proposed::{may_propose, propose};
pub(super) use several::{Failed, one_of, write_all};

use super::captions::Captions;
use super::definition::Definition;
use super::registry::Parts;
use super::write::{Acted, Planned};
use super::{
    Context, Intended, JournalError, RunContext, ToolError, ToolKind, ToolResult, Toolset, claimed,
    limited, scope, show,
};
use crate::board::BoardError;
use crate::domain::{
    Effect, EffectActor, EffectResult, EffectState, Mark, Mode, Reason, Stamp, Value,
};
use std::time::Duration;

/// How often an edit looks again after somebody else's change came between.
const CONFLICTS_MAX: u32 = 3;
/// How often the board is asked what became of a write, before it counts as unknown.
const ASKS_MAX: u32 = 4;
/// The wait before the board is asked again; doubled each time.
const ASK_AGAIN: Duration = Duration::from_millis(100);
/// At most so many marks of a holder before are passed over.
const TAKEN_MAX: u32 = 32;
/// The tool by which a run names its end; every run has it, nobody else does.
pub(super) const FINISH: &str = "finish";

/// Whether this caller may call this tool at all: the playbook's list, then the role.
pub(super) fn may_call(tool: &Definition, context: &Context) -> Result<(), ToolError> {
    is_listed(tool, context)?;
    limited::may_call(tool, context)?;
    has_role(tool, context)
}

/// Whether the caller's role is enough.
pub(super) fn has_role(tool: &Definition, context: &Context) -> Result<(), ToolError> {
    if context.principal.person.role < tool.role {
        return Err(ToolError::rejected(
            Reason::RoleTooLow,
            format!(
                "{} needs the role {}, and {} has {}",
                tool.name,
                show::value(&tool.role),
                context.principal.person.name,
                show::value(&context.principal.person.role),
            ),
        ));
    }
    Ok(())
}

fn is_listed(tool: &Definition, context: &Context) -> Result<(), ToolError> {
    let Some(run) = &context.run else {
        if tool.name == FINISH {
            return Err(ToolError::rejected(
                Reason::ToolNotListed,
                "finish ends a run; there is none",
            ));
        }
        return Ok(());
    };
    let listed = match run.actor {
        EffectActor::Rota => true,
        EffectActor::Agent => {
            // What is applied was listed when it was proposed.
            let is_proposed = run.applies.is_some() && tool.kind == ToolKind::Write;
            tool.kind != ToolKind::Operate
                // Who belongs where is for people to say.
                && tool.set != Toolset::Members
                && (is_proposed
                    || tool.name == FINISH
                    || matches_any(&run.playbook.tools, tool.name))
        }
    };
    if listed {
        return Ok(());
    }
    Err(ToolError::rejected(
        Reason::ToolNotListed,
        format!("the playbook {} does not list {}", run.playbook.name, tool.name),
    ))
}

/// Whether one of the patterns names the tool; `*` at the end stands for any rest.
pub fn matches_any(patterns: &[String], tool: &str) -> bool {
    patterns.iter().any(|pattern| {
        pattern.strip_suffix('*').map_or(pattern == tool, |start| tool.starts_with(start))
    })
}

/// Whether a call of what cannot be taken back only asks what it would do; the other arguments.
pub(super) fn without_dry_run(tool: &Definition, mut args: Value) -> (Value, bool) {
    let asked = match &mut args {
        Value::Map(map) if tool.annotations.destructive => map.remove("dryRun"),
        _ => None,
    };
    (args, asked.and_then(|asked| asked.as_bool()).unwrap_or(false))
}

/// Carries a planned write out, inside a run or by hand.
pub(super) async fn write(
    parts: &Parts,
    context: &Context,
    asked: Asked<'_>,
    planned: Planned,
) -> Result<ToolResult, ToolError> {
    if let Some(run) = claimed::standing(parts, context, &planned).await? {
        let done = in_run(parts, context, &run, &asked, planned).await;
        return done.map_err(|error| match run.task {
            Some(task) => claimed::told(error, task),
            None => error,
        });
    }
    let Some(run) = &context.run else {
        let stamp = stamp_by_hand(context, &planned);
        let captions = Captions::read(parts.board.as_ref(), &planned.write).await;
        let mut acted = act(parts, &planned, &stamp).await.map_err(|error| told(&error))?;
        captions.beside(&mut acted);
        return Ok(result_of(&acted, None, None));
    };
    check_scope(parts, run, &planned).await?;
    asked.count(run)?;
    let outcome = in_run(parts, context, run, &asked, planned).await;
    if !had_effect(&outcome) {
        asked.give_back(run);
    }
    outcome
}

/// What a write would come to, if it may be done at all; nothing is written, recorded or counted.
pub(super) async fn foresee(
    parts: &Parts,
    context: &Context,
    planned: &Planned,
) -> Result<ToolResult, ToolError> {
    if let Some(run) = &context.run {
        check_scope(parts, run, planned).await?;
    }
    let captions = Captions::read(parts.board.as_ref(), &planned.write).await;
    let mut acted = planned.write.shown(None);
    captions.beside(&mut acted);
    Ok(result_of(&acted, None, Some(DRY_RUN)))
}

/// The stamp of a write outside any run.
fn stamp_by_hand(context: &Context, planned: &Planned) -> Stamp {
    Stamp { revision: planned.revision, ..Stamp::by(context.principal.person.id) }
}

/// Whether a call counts against `scope.max`: it was done, recorded, or may have been done.
fn had_effect(outcome: &Result<ToolResult, ToolError>) -> bool {
    match outcome {
        Ok(result) => result.value.get("note").and_then(Value::as_text) != Some(DONE_BEFORE),
        Err(error) => matches!(error.reason(), Reason::UnknownEffect | Reason::StoreFailed),
    }
}

const DONE_BEFORE: &str = "done_before";
const DRY_RUN: &str = "dry_run";

async fn check_scope(parts: &Parts, run: &RunContext, planned: &Planned) -> Result<(), ToolError> {
    let own_project = match (run.task, planned.reach) {
        // What it is about was read a moment ago.
        (Some(own), scope::Reach::Task { id, project, .. }) if id == own => Some(project),
        (Some(task), _) if run.projects.is_empty() => {
            parts.board.task(task).await.map(|task| Some(task.project)).or_else(|error| {
                // A task that is gone lies in no project; anything else is the caller's to know.
                if matches!(error, BoardError::NotFound { .. }) {
                    Ok(None)
                } else {
                    Err(told(&error))
                }
            })?
        }
        _ => None,
    };
    scope::check(run, own_project, planned.reach)?;
    scope::check_edits(run, planned.sets_done, planned.write.task_edits())
}

async fn in_run(
    parts: &Parts,
    context: &Context,
    run: &RunContext,
    asked: &Asked<'_>,
    planned: Planned,
) -> Result<ToolResult, ToolError> {
    let captions = Captions::read(parts.board.as_ref(), &planned.write).await;
    may_propose(run)?;
    may_act(parts, run).await?;
    let planned = proposed::as_found(run, planned)?;
    let mut effect = effect_of(parts, run, asked);
    if let Some(earlier) = intend(parts, run, &mut effect).await? {
        return Ok(done_before(&earlier));
    }
    crate::crash::reached("effect.intended");
    if run.mode != Mode::Live {
        return not_done(parts, run, &planned, &captions, effect).await;
    }
    let stamp = stamp_in_run(context, run, &effect, &planned);
    let acted = act_for_run(parts, &planned, &stamp, &mut effect).await?;
    crate::crash::reached("effect.acted");
    done(parts, acted, &captions, effect).await
}

/// The trust window, then the fence.
pub(super) async fn may_act(parts: &Parts, run: &RunContext) -> Result<(), ToolError> {
    if !run.trust.is_open() {
        return Err(ToolError::fatal(Reason::TrustWindow, Reason::TrustWindow.text()));
    }
    if let Some((task, fence)) = run.claim {
        parts.journal.check_fence(task, fence, &run.run).await.map_err(journal_error)?;
    }
    Ok(())
}

/// The run's next effect, about to be done.
pub(super) fn effect_of(parts: &Parts, run: &RunContext, asked: &Asked<'_>) -> Effect {
    Effect {
        mark: Mark { run: run.run.clone(), seq: run.tally.next_seq() },
        actor: run.actor,
        tool: asked.tool.to_owned(),
        bulk: asked.bulk.map(str::to_owned),
        args: asked.args.clone(),
        claimed: run.claim.map(|(task, _)| task),
        fence: run.claim.map(|(_, fence)| fence),
        intended: parts.clock.wall(),
        result: None,
    }
}

fn stamp_in_run(context: &Context, run: &RunContext, effect: &Effect, planned: &Planned) -> Stamp {
    Stamp {
        actor: context.principal.person.id,
        mark: Some(effect.mark.clone()),
        claim: run.claim,
        revision: planned.revision.or_else(|| revision_for(run, planned)),
        marker: run.marker.clone(),
    }
}

/// A run that only records or proposes: what it would have done is written down.
async fn not_done(
    parts: &Parts,
    run: &RunContext,
    planned: &Planned,
    captions: &Captions,
    mut effect: Effect,
) -> Result<ToolResult, ToolError> {
    let mut acted = planned.write.shown(None);
    captions.beside(&mut acted);
    if run.mode == Mode::Staged {
        let revision = planned.revision.or_else(|| planned.write.revision());
        let found = (acted.entity, acted.before.clone(), acted.after.clone(), revision);
        let note = propose(parts, run, &mut effect, found).await?;
        return Ok(result_of(&acted, Some(effect), Some(&note)));
    }
    effect.result = Some(EffectResult::Recorded);
    conclude(parts, &effect).await?;
    Ok(result_of(&acted, Some(effect), Some(Reason::RecordedOnly.code())))
}

/// It was done: that is written down.
async fn done(
    parts: &Parts,
    mut acted: Acted,
    captions: &Captions,
    mut effect: Effect,
) -> Result<ToolResult, ToolError> {
    captions.beside(&mut acted);
    effect.result = Some(EffectResult::Done {
        entity: acted.entity,
        before: acted.before.clone(),
        after: acted.after.clone(),
        inverse: acted.inverse.clone(),
        at: parts.clock.wall(),
    });
    conclude(parts, &effect).await?;
    Ok(result_of(&acted, Some(effect), None))
}

/// Writes the intent down; names the earlier effect that did it already, by its `once` key. Under a
/// run that was taken over, the holder before may have written down intents meanwhile: their marks
/// are passed over, so that each effect is one holder's alone.
pub(super) async fn intend(
    parts: &Parts,
    run: &RunContext,
    effect: &mut Effect,
) -> Result<Option<Mark>, ToolError> {
    let once = run.once.as_deref().map(|key| (&run.playbook.name, key));
    for _ in 0..TAKEN_MAX {
        match parts.journal.intend(effect, once).await.map_err(journal_error)? {
            Intended::Journaled => return Ok(None),
            Intended::DoneBefore(earlier) => return Ok(Some(earlier)),
            Intended::Taken => effect.mark.seq = run.tally.next_seq(),
        }
    }
    let message = format!("{} and the {TAKEN_MAX} marks before it are taken", effect.mark);
    Err(ToolError::fatal(Reason::StoreFailed, message))
}

/// The run's own idea of its task's revision holds for edits of that task only.
fn revision_for(run: &RunContext, planned: &Planned) -> Option<u64> {
    match planned.reach {
        scope::Reach::Task { id, .. } if planned.write.is_edit() && run.task == Some(id) => {
            run.revision
        }
        _ => None,
    }
}

/// Acts; on an error the journal is told what is known, and the caller what to do.
async fn act_for_run(
    parts: &Parts,
    planned: &Planned,
    stamp: &Stamp,
    effect: &mut Effect,
) -> Result<Acted, ToolError> {
    let error = match act(parts, planned, stamp).await {
        Ok(acted) => return Ok(acted),
        Err(error) => error,
    };
    if is_definite(&error) {
        return Err(failed(parts, effect, told(&error)).await);
    }
    match became(parts, &effect.mark).await {
        EffectState::Applied(entity) => Ok(planned.write.shown(Some(entity))),
        EffectState::Absent => Err(failed(parts, effect, told(&error)).await),
        EffectState::Unknown => {
            effect.result = Some(EffectResult::Unknown);
            conclude(parts, effect).await?;
            Err(ToolError::Fatal {
                reason: Reason::UnknownEffect,
                message: format!("it is not known whether {} happened", effect.tool),
                source: Some(Box::new(error)),
            })
        }
    }
}

/// Does it, looking again when somebody else's change came between and the caller named no revision.
async fn act(parts: &Parts, planned: &Planned, stamp: &Stamp) -> Result<Acted, BoardError> {
    let mut write = planned.write.clone();
    for _ in 0..CONFLICTS_MAX {
        match write.act(parts.board.as_ref(), stamp).await {
            Err(BoardError::Conflict(_)) if stamp.revision.is_none() && write.is_edit() => {
                write = write.looked_again(parts.board.as_ref()).await?;
            }
            other => return other,
        }
    }
    write.act(parts.board.as_ref(), stamp).await
}

/// Whether the board's answer says that nothing was written.
fn is_definite(error: &BoardError) -> bool {
    !matches!(error, BoardError::Unavailable { .. } | BoardError::Unusable { .. })
}

/// Asks the board what became of a write; unknown when it cannot tell or cannot be reached.
async fn became(parts: &Parts, mark: &Mark) -> EffectState {
    let mut wait = ASK_AGAIN;
    for ask in 1..=ASKS_MAX {
        match parts.board.effect_of(mark).await {
            Ok(state) => return state,
            Err(error) if error.is_transient() && ask < ASKS_MAX => {
                tokio::time::sleep(wait).await;
                wait *= 2;
            }
            Err(_) => break,
        }
    }
    EffectState::Unknown
}

/// Journals that an effect did not happen; the error to return.
pub(super) async fn failed(parts: &Parts, effect: &mut Effect, error: ToolError) -> ToolError {
    effect.result = Some(EffectResult::Failed {
        code: error.reason().code().to_owned(),
        message: error.to_string(),
    });
    conclude(parts, effect).await.err().unwrap_or(error)
}

pub(super) async fn conclude(parts: &Parts, effect: &Effect) -> Result<(), ToolError> {
    let result = effect.result.clone().unwrap_or(EffectResult::Unknown);
    parts.journal.conclude(&effect.mark, result).await.map_err(journal_error)?;
    crate::crash::reached("effect.concluded");
    Ok(())
}

fn journal_error(error: JournalError) -> ToolError {
    match error {
        JournalError::ClaimLost { reason, .. } => ToolError::fatal(reason, error.to_string()),
        JournalError::TooLarge(what) => ToolError::rejected(Reason::InvalidArguments, what),
        JournalError::Failed(source) => ToolError::Fatal {
            reason: Reason::StoreFailed,
            message: "the effect could not be journaled".to_owned(),
            source: Some(source),
        },
    }
}

/// A board's error, as the caller is told.
pub(super) fn told(error: &BoardError) -> ToolError {
    let reason = match error {
        BoardError::NotFound { .. } => Reason::NotFound,
        BoardError::Conflict(_) => Reason::RevisionConflict,
        BoardError::Fenced { .. } => {
            return ToolError::fatal(Reason::ClaimLost, error.to_string());
        }
        BoardError::Denied(_) => Reason::RoleTooLow,
        BoardError::RateLimited { .. } | BoardError::Unavailable { .. } => Reason::BoardUnavailable,
        BoardError::Malformed(_) => Reason::InvalidArguments,
        BoardError::Unsupported(_) => Reason::Unsupported,
        BoardError::Unusable { .. } => {
            return ToolError::fatal(Reason::BoardUnavailable, error.to_string());
        }
    };
    ToolError::rejected_by(reason, error)
}

pub(super) fn done_before(earlier: &Mark) -> ToolResult {
    let value = Value::map([
        ("entity", Value::from("nothing")),
        ("changed", Value::Bool(false)),
        ("note", DONE_BEFORE.into()),
        ("by", earlier.to_string().into()),
    ]);
    ToolResult { text: show::text(&value), value, effect: None }
}

fn result_of(acted: &Acted, effect: Option<Effect>, note: Option<&str>) -> ToolResult {
    let id = acted.entity.number();
    let known = id != 0;
    let map = |value: &Value| serde_json::to_value(value).and_then(serde_json::from_value);
    let change = show::Change {
        id: known.then_some(id),
        entity: if known {
            acted.entity.to_string()
        } else {
            format!("new {}", acted.entity.noun())
        },
        changed: note.is_none() && acted.before != acted.after,
        note: note.map(str::to_owned),
        before: map(&acted.before).unwrap_or_default(),
        after: map(&acted.after).unwrap_or_default(),
        undo: acted.inverse.as_ref().and_then(|inverse| map(&show::value(inverse)).ok()),
    };
    let value = show::value(&change);
    ToolResult { text: show::text(&value), value, effect }
}
