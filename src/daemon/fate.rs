//! Effects of which nobody knows whether they happened: the journal has an intent without a result,
//! because a process ended or the store failed in between. The board is asked.

use super::dispatcher::Dispatcher;
use super::parts::Parts;
use crate::board::BoardError;
use crate::domain::{Effect, EffectActor, EffectResult, EffectState, Reason, Run, RunState, Value};
use crate::ledger::LedgerError;

/// At most so many are looked at in one tick.
const ROWS_MAX: usize = 100;

/// Asks the board about every effect of a run without a result, and writes down what it says. To be
/// called when nobody acts for the run any more. Names an effect that the board cannot tell of.
pub(super) async fn learn(parts: &Parts, run: &Run) -> Result<Option<String>, LedgerError> {
    let mut unknown = None;
    for effect in parts.ledger.open_intents(&run.id).await? {
        // What another server did, the board cannot know; what is done beside it, it never sees.
        let asked = if effect.tool.contains(':') {
            Ok(EffectState::Unknown)
        } else if effect.is_beside_board() {
            Ok(EffectState::Absent)
        } else {
            parts.board.effect_of(&effect.mark).await
        };
        let state = match asked {
            Ok(state) => state,
            Err(BoardError::NotFound { .. }) => EffectState::Absent,
            Err(error) => {
                tracing::warn!(mark = %effect.mark, %error, "the board cannot be asked");
                EffectState::Unknown
            }
        };
        // Whether the time of a run was logged is no reason to doubt its work.
        let is_time = effect.tool == "logTime" && effect.actor == EffectActor::Rota;
        if state == EffectState::Unknown && !is_time {
            unknown = Some(format!("{} ({})", effect.tool, effect.mark));
        }
        let result = result_of(parts, &effect, &state);
        parts.ledger.conclude(&effect.mark, result, Vec::new()).await?;
    }
    Ok(unknown)
}

fn result_of(parts: &Parts, effect: &Effect, state: &EffectState) -> EffectResult {
    match state {
        EffectState::Applied(entity) => EffectResult::Done {
            entity: *entity,
            before: Value::Null,
            after: effect.args.clone(),
            inverse: None,
            at: parts.clock.wall(),
        },
        EffectState::Absent => EffectResult::Failed {
            code: Reason::Interrupted.code().to_owned(),
            message: "it was broken off before it happened".to_owned(),
        },
        EffectState::Unknown => EffectResult::Unknown,
    }
}

impl Dispatcher {
    /// Whether a claim is held under the name of a run that has ended: its remaining writes are under
    /// way, here or elsewhere.
    async fn is_being_settled(&self, run: &Run) -> bool {
        let Some(task) = run.task else { return false };
        match self.parts.ledger.claim(task).await {
            Ok(claim) => claim.is_some_and(|claim| claim.run == run.id && claim.holder.is_some()),
            Err(_) => true,
        }
    }

    /// Effects of ended runs whose result could not be written down when they ended.
    pub(super) async fn learn_fates(&self) {
        let marks = match self.parts.ledger.unconcluded(ROWS_MAX).await {
            Ok(marks) => marks,
            Err(error) => return tracing::warn!(%error, "the journal could not be read"),
        };
        for mark in marks {
            let run = self.parts.ledger.run(mark.run.as_str()).await.ok().flatten();
            let Some(run) = run.filter(|run| run.state != RunState::Running) else { continue };
            if self.is_being_settled(&run).await {
                continue;
            }
            if let Err(error) = learn(&self.parts, &run).await {
                tracing::warn!(%mark, %error, "the fate of an effect is not written down yet");
            }
        }
    }
}
