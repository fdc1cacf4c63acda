//! A staged run's writes: each is journaled as a proposal and waits for a person; what a person applies
//! later meets the fields as they were proposed upon, or it is not done.

use super::{Parts, Planned, RunContext, conclude};
use crate::domain::{Effect, EffectResult, Entity, Mode, Reason, Value};
use crate::tools::ToolError;

/// At most so many writes wait together for one decision.
const PROPOSALS_MAX: u32 = 200;
/// Fields that several may add to without being in each other's way.
const LISTS: [&str; 2] = ["tags", "blocked_by"];

/// Whether a run may propose one write more.
pub(in crate::tools) fn may_propose(run: &RunContext) -> Result<(), ToolError> {
    if run.mode != Mode::Staged || run.tally.proposals() < PROPOSALS_MAX {
        return Ok(());
    }
    let message = format!(
        "{PROPOSALS_MAX} writes are proposed already, which is as many as a person is asked about at once"
    );
    Err(ToolError::rejected(Reason::ScopeMax, message))
}

/// Journals a proposal: what the caller is told instead of having written.
pub(in crate::tools) async fn propose(
    parts: &Parts,
    run: &RunContext,
    effect: &mut Effect,
    (entity, before, after, revision): (Entity, Value, Value, Option<u64>),
) -> Result<String, ToolError> {
    let number = run.tally.next_proposal();
    effect.result = Some(EffectResult::Proposed { number, entity, before, after, revision });
    conclude(parts, effect).await?;
    Ok(format!("{} as number {number}", Reason::Proposed.code()))
}

/// What is applied is pinned to what is found now, which has to be what it was proposed upon.
pub(super) fn as_found(run: &RunContext, planned: Planned) -> Result<Planned, ToolError> {
    let Some(expected) = &run.applies else { return Ok(planned) };
    let found = planned.write.shown(None).before;
    let changed = changed(expected, &found);
    if !changed.is_empty() {
        return Err(ToolError::rejected(Reason::RevisionConflict, changed.join("; ")));
    }
    let revision = planned.revision.or_else(|| planned.write.revision());
    Ok(Planned { revision, ..planned })
}

/// The fields that somebody changed since. One that is as it is wanted already is in nobody's way.
fn changed(expected: &Value, found: &Value) -> Vec<String> {
    let (Some(expected), Some(found)) = (expected.as_map(), found.as_map()) else {
        return Vec::new();
    };
    let differs = |(field, was): (&String, &Value)| {
        let now = found.get(field).filter(|now| *now != was)?;
        let is_list = LISTS.contains(&field.as_str());
        (!is_list).then(|| format!("somebody changed its {field} since: {was} is {now} by now"))
    };
    expected.iter().filter_map(differs).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_field_that_somebody_changed_to_something_else_is_in_the_way() {
        let expected = Value::map([
            ("status", Value::Int(3)),
            ("headline", "Old".into()),
            ("tags", Value::List(vec!["a".into()])),
        ]);
        let same = Value::map([("status", Value::Int(3)), ("headline", "Old".into())]);
        assert!(changed(&expected, &same).is_empty());
        // What is not among the changes any more is as it is wanted.
        assert!(changed(&expected, &Value::map([("status", Value::Int(3))])).is_empty());
        let tagged = Value::map([("tags", Value::List(vec!["a".into(), "b".into()]))]);
        assert!(changed(&expected, &tagged).is_empty());
        let moved = Value::map([("status", Value::Int(4)), ("headline", "Old".into())]);
        assert_eq!(
            changed(&expected, &moved),
            ["somebody changed its status since: 3 is 4 by now"]
        );
        assert!(changed(&Value::Null, &moved).is_empty());
    }
}
