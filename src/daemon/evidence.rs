//! A success is what the journal of the run shows, not what the work says of itself.

use super::worker::{Worker, store_trouble};
use crate::domain::{Effect, EffectActor, EffectResult, RUN_CHECK, Reason, RunState, Value};
use crate::runner::WorkEnd;

impl Worker {
    /// A success has to be shown by the journal, not by prose.
    pub(super) async fn verify(&self, end: WorkEnd) -> WorkEnd {
        if end.state != RunState::Succeeded || end.outcome.is_none() {
            return end;
        }
        let name = end.outcome.clone().unwrap_or_default();
        let outcomes = &self.job.playbook.outcomes;
        let Some(outcome) = outcomes.get(&name) else {
            if outcomes.is_empty() {
                return end;
            }
            let known: Vec<_> = outcomes.keys().map(String::as_str).collect();
            let detail = format!("outcome {name:?} is not one of {}", known.join(", "));
            return WorkEnd {
                state: RunState::Failed,
                reason: Reason::UnknownOutcome,
                detail,
                ..end
            };
        };
        let effects = match self.parts.ledger.effects(&self.run.id).await {
            Ok(effects) => effects,
            Err(error) => return store_trouble(&error),
        };
        let shown = |needed: &String| is_shown(&effects, needed);
        match outcome.requires.iter().find(|needed| !shown(needed)) {
            None => self.without_open_blockers(&name, outcome.verdict, end).await,
            Some(missing) => WorkEnd {
                state: RunState::Unverified,
                reason: Reason::Unverified,
                detail: format!("outcome {name:?} needs {missing:?}, which this run did not do"),
                ..end
            },
        }
    }
}

/// Whether a run's journal shows a piece of evidence: words do not count.
fn is_shown(effects: &[Effect], needed: &str) -> bool {
    let own = || effects.iter().filter(|effect| effect.actor == EffectActor::Agent);
    if let Some(name) = needed.strip_prefix("check:") {
        // The last time counts: what passed may have been broken since.
        let is_it = |effect: &&Effect| {
            let named = effect.args.get("name").and_then(Value::as_text);
            effect.tool == RUN_CHECK && named == Some(name)
        };
        return own().rfind(is_it).is_some_and(has_passed);
    }
    let tool = needed.strip_prefix("tool:").unwrap_or(needed);
    own().any(|effect| {
        let is_done = matches!(
            effect.result,
            Some(
                EffectResult::Done { .. } | EffectResult::Recorded | EffectResult::Proposed { .. }
            )
        );
        (effect.tool == tool || effect.bulk.as_deref() == Some(tool)) && is_done
    })
}

/// Whether the journal says of a check that it passed.
pub(super) fn has_passed(effect: &Effect) -> bool {
    let Some(EffectResult::Done { after, .. }) = &effect.result else { return false };
    let passed = after.get("passed").and_then(Value::as_bool);
    passed.unwrap_or_else(|| after.get("exit_code").and_then(Value::as_int) == Some(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Entity, Mark, RunId, from_millis};

    fn check(seq: u32, name: &str, after: Option<Value>) -> Effect {
        Effect {
            mark: Mark { run: RunId::new("r-1"), seq },
            actor: EffectActor::Agent,
            tool: RUN_CHECK.to_owned(),
            bulk: None,
            args: Value::map([("name", name)]),
            claimed: None,
            fence: None,
            intended: from_millis(0),
            result: after.map(|after| EffectResult::Done {
                entity: Entity::Outside,
                before: Value::Null,
                after,
                inverse: None,
                at: from_millis(0),
            }),
        }
    }

    #[test]
    fn a_check_counts_by_what_its_last_run_came_to() {
        let passed = |is: bool| Some(Value::map([("passed", is)]));
        let journal = [check(1, "tests", passed(true)), check(2, "lint", passed(false))];
        assert!(is_shown(&journal, "check:tests"));
        assert!(!is_shown(&journal, "check:lint") && !is_shown(&journal, "check:docs"));
        let later = [check(1, "tests", passed(true)), check(2, "tests", passed(false))];
        assert!(!is_shown(&later, "check:tests"), "it was broken since");
        let by_code = [check(1, "tests", Some(Value::map([("exit_code", 0)])))];
        assert!(is_shown(&by_code, "check:tests"));
        assert!(!is_shown(&[check(1, "tests", None)], "check:tests"), "nobody knows");
        assert!(!is_shown(&[check(1, "tests", Some(Value::Null))], "check:tests"));
        assert!(!is_shown(&[], "tool:addComment"));
    }
}
