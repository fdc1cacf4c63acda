//! Several writes that happen all or not at all: each is its own effect with its own mark, counted,
//! journaled before the one step in which the board does them, and concluded after it.

use super::{
    Asked, BoardError, CONFLICTS_MAX, Captions, Context, DONE_BEFORE, Parts, Planned, RunContext,
    became, check_scope, conclude, done, done_before, effect_of, failed, intend, is_definite,
    may_act, may_propose, not_done, result_of, stamp_by_hand, stamp_in_run, told,
};
use crate::board::{BatchError, OneWrite};
use crate::domain::{Effect, EffectResult, EffectState, Mode, Reason, Stamp, Value};
use crate::tools::write::Acted;
use crate::tools::{ToolError, ToolResult, claimed};
use std::collections::BTreeMap;

/// Why none of them was done, and which one it was, if it was one.
#[derive(Debug)]
pub(in crate::tools) struct Failed {
    pub index: Option<usize>,
    pub error: ToolError,
}

impl From<ToolError> for Failed {
    fn from(error: ToolError) -> Self {
        Self { index: None, error }
    }
}

fn at(index: usize) -> impl Fn(ToolError) -> Failed {
    move |error| Failed { index: Some(index), error }
}

/// One of them, on its way.
struct One {
    planned: Planned,
    captions: Captions,
    effect: Effect,
}

/// Carries planned writes out in one step.
pub(in crate::tools) async fn write_all(
    parts: &Parts,
    context: &Context,
    all: Vec<(Asked<'_>, Planned)>,
) -> Result<Vec<ToolResult>, Failed> {
    each_its_own(&all)?;
    for (index, (_, planned)) in all.iter().enumerate() {
        let under = claimed::standing(parts, context, planned).await.map_err(at(index))?;
        if let Some(task) = under.and_then(|run| run.task) {
            let message = format!(
                "you hold task {task} by a claim, and what is written under a claim is written by \
                 itself: leave atomic out"
            );
            let error = ToolError::rejected(Reason::Unsupported, message);
            return Err(at(index)(error));
        }
    }
    let Some(run) = &context.run else { return by_hand(parts, context, all).await };
    for (index, (_, planned)) in all.iter().enumerate() {
        check_scope(parts, run, planned).await.map_err(at(index))?;
    }
    for (index, (asked, _)) in all.iter().enumerate() {
        if let Err(error) = asked.count(run) {
            for (asked, _) in all.iter().take(index) {
                asked.give_back(run);
            }
            return Err(at(index)(error));
        }
    }
    let asked: Vec<Asked<'_>> = all.iter().map(|(asked, _)| asked.clone()).collect();
    let outcome = in_run(parts, context, run, all).await;
    let had_effect = match &outcome {
        Ok(results) => results
            .iter()
            .all(|result| result.value.get("note").and_then(Value::as_text) != Some(DONE_BEFORE)),
        Err(failed) => {
            matches!(failed.error.reason(), Reason::UnknownEffect | Reason::StoreFailed)
        }
    };
    if !had_effect {
        for asked in &asked {
            asked.give_back(run);
        }
    }
    outcome
}

/// What the first of two about one thing leaves, the second has not seen: neither could be shown nor
/// taken back rightly.
fn each_its_own(all: &[(Asked<'_>, Planned)]) -> Result<(), Failed> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for (index, (_, planned)) in all.iter().enumerate() {
        let Some(thing) = planned.write.changes() else { continue };
        if let Some(first) = seen.insert(thing.clone(), index) {
            let message = format!(
                "{thing} is item {first} already: all or nothing takes each thing once; put both \
                 changes into one item, or leave atomic out"
            );
            return Err(at(index)(ToolError::rejected(Reason::InvalidArguments, message)));
        }
    }
    Ok(())
}

async fn by_hand(
    parts: &Parts,
    context: &Context,
    all: Vec<(Asked<'_>, Planned)>,
) -> Result<Vec<ToolResult>, Failed> {
    let mut writes = Vec::with_capacity(all.len());
    let mut captions = Vec::with_capacity(all.len());
    for (_, planned) in all {
        captions.push(Captions::read(parts.board.as_ref(), &planned.write).await);
        writes.push((stamp_by_hand(context, &planned), planned));
    }
    let acted = act(parts, &mut writes).await.map_err(|BatchError { index, error }| {
        let error = told(&error);
        Failed { index, error }
    })?;
    let shown = acted.into_iter().zip(captions).map(|(mut acted, captions)| {
        captions.beside(&mut acted);
        result_of(&acted, None, None)
    });
    Ok(shown.collect())
}

async fn in_run(
    parts: &Parts,
    context: &Context,
    run: &RunContext,
    all: Vec<(Asked<'_>, Planned)>,
) -> Result<Vec<ToolResult>, Failed> {
    may_propose(run)?;
    may_act(parts, run).await?;
    let mut before = Vec::new();
    let mut ones: Vec<One> = Vec::with_capacity(all.len());
    for (index, (asked, planned)) in all.into_iter().enumerate() {
        let captions = Captions::read(parts.board.as_ref(), &planned.write).await;
        let mut effect = effect_of(parts, run, &asked);
        match intend(parts, &one_of(run, index), &mut effect).await {
            Ok(None) => ones.push(One { planned, captions, effect }),
            Ok(Some(earlier)) => before.push(done_before(&earlier)),
            Err(error) => return Err(give_up(parts, ones, at(index)(error)).await),
        }
    }
    if !before.is_empty() {
        if ones.is_empty() {
            return Ok(before);
        }
        let message = "some of this was done before under the same `once` key, some was not";
        let error = ToolError::rejected(Reason::InvalidArguments, message);
        return Err(give_up(parts, ones, error.into()).await);
    }
    crate::crash::reached("effect.intended");
    let mut results = Vec::with_capacity(ones.len());
    if run.mode != Mode::Live {
        for One { planned, captions, effect } in ones {
            results.push(not_done(parts, run, &planned, &captions, effect).await?);
        }
        return Ok(results);
    }
    let acted = act_for_run(parts, context, run, &mut ones).await?;
    crate::crash::reached("effect.acted");
    for (One { captions, effect, .. }, acted) in ones.into_iter().zip(acted) {
        results.push(done(parts, acted, &captions, effect).await?);
    }
    Ok(results)
}

/// The run's key for "never twice", for one of several.
pub(in crate::tools) fn one_of(run: &RunContext, index: usize) -> RunContext {
    let once = run.once.as_ref().map(|key| format!("{key}#{index}"));
    RunContext { once, ..run.clone() }
}

/// Acts; on an error the journal is told of each what is known.
async fn act_for_run(
    parts: &Parts,
    context: &Context,
    run: &RunContext,
    ones: &mut Vec<One>,
) -> Result<Vec<Acted>, Failed> {
    let mut writes: Vec<(Stamp, Planned)> = ones
        .iter()
        .map(|one| (stamp_in_run(context, run, &one.effect, &one.planned), one.planned.clone()))
        .collect();
    let BatchError { index, error } = match act(parts, &mut writes).await {
        Ok(acted) => return Ok(acted),
        Err(failed) => failed,
    };
    let failed = Failed { index, error: told(&error) };
    if is_definite(&error) {
        return Err(give_up(parts, std::mem::take(ones), failed).await);
    }
    // One step: what became of the first became of all.
    let mut applied = Vec::with_capacity(ones.len());
    for one in ones.iter() {
        match became(parts, &one.effect.mark).await {
            EffectState::Applied(entity) => applied.push(one.planned.write.shown(Some(entity))),
            EffectState::Absent => {
                return Err(give_up(parts, std::mem::take(ones), failed).await);
            }
            EffectState::Unknown => {
                return Err(unknown(parts, std::mem::take(ones), error).await);
            }
        }
    }
    Ok(applied)
}

/// Nothing was done: each is concluded so; the failure to return.
async fn give_up(parts: &Parts, ones: Vec<One>, failure: Failed) -> Failed {
    for mut one in ones {
        let error = ToolError::rejected(failure.error.reason(), failure.error.to_string());
        let said = failed(parts, &mut one.effect, error).await;
        if said.is_fatal() {
            return said.into();
        }
    }
    failure
}

async fn unknown(parts: &Parts, ones: Vec<One>, error: BoardError) -> Failed {
    for mut one in ones {
        one.effect.result = Some(EffectResult::Unknown);
        if let Err(error) = conclude(parts, &one.effect).await {
            return error.into();
        }
    }
    Failed::from(ToolError::Fatal {
        reason: Reason::UnknownEffect,
        message: "it is not known whether any of it happened".to_owned(),
        source: Some(Box::new(error)),
    })
}

/// Does them, looking again when somebody else's change came between and the caller named no
/// revision for it.
async fn act(parts: &Parts, writes: &mut [(Stamp, Planned)]) -> Result<Vec<Acted>, BatchError> {
    let board = parts.board.as_ref();
    for tries in 0.. {
        let mut all: Vec<(Stamp, OneWrite)> = Vec::with_capacity(writes.len());
        for (index, (stamp, planned)) in writes.iter().enumerate() {
            let one = planned.write.for_batch(stamp);
            all.push(one.map_err(|error| BatchError { index: Some(index), error })?);
        }
        let failure = match board.write_all(&all).await {
            Ok(wrote) => {
                let pairs = writes.iter().zip(&wrote);
                return Ok(pairs.map(|((_, one), wrote)| one.write.wrote(wrote)).collect());
            }
            Err(failure) => failure,
        };
        let between =
            failure.index.and_then(|index| writes.get_mut(index)).filter(|(stamp, one)| {
                tries < CONFLICTS_MAX && stamp.revision.is_none() && one.write.is_edit()
            });
        match (&failure.error, between) {
            (BoardError::Conflict(_), Some((_, one))) => {
                one.write = one.write.looked_again(board).await?;
            }
            _ => return Err(failure),
        }
    }
    Ok(Vec::new())
}
