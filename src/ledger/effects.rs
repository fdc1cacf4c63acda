//! The journal of effects.
use super::{Ledger, Result};
use crate::domain::{Effect, EffectResult, Mark, Notice, PlaybookName, RunId};

impl Ledger {
    /// Records an effect before it is done.
    pub async fn intend(
        &self,
        _effect: &Effect,
        _once: Option<(PlaybookName, String)>,
    ) -> Result<()> {
        todo!()
    }
    /// Records what came of it, with what people are told of it.
    pub async fn conclude(
        &self,
        _mark: &Mark,
        _result: EffectResult,
        _notices: Vec<Notice>,
    ) -> Result<()> {
        todo!()
    }
    /// A run's effects, in order.
    pub async fn effects(&self, _run: &RunId) -> Result<Vec<Effect>> {
        todo!()
    }
    /// A run's effects without a result, in order.
    pub async fn open_intents(&self, _run: &RunId) -> Result<Vec<Effect>> {
        todo!()
    }
}
