//! What was asked for, and how often a run may ask for it.

use super::super::{RunContext, ToolError};
use crate::domain::{EffectActor, Reason, Value};

/// A call as it is journaled and counted.
#[derive(Clone, Debug)]
pub(in crate::tools) struct Asked<'a> {
    /// The tool that does it.
    pub tool: &'a str,
    /// The tool that was called, where it does several.
    pub bulk: Option<&'a str>,
    /// The arguments.
    pub args: Value,
}

impl Asked<'_> {
    /// Counts one effect against `scope.max`: under its own tool and, where it is one of several,
    /// under the tool that does several.
    pub(in crate::tools) fn count(&self, run: &RunContext) -> Result<(), ToolError> {
        // What is applied was counted when it was proposed.
        if run.actor != EffectActor::Agent || run.applies.is_some() {
            return Ok(());
        }
        let mut counted: Vec<&str> = Vec::new();
        for tool in self.names() {
            let max = run.playbook.scope.max.get(tool).copied();
            if !run.tally.take(tool, max) {
                for tool in counted {
                    run.tally.give_back(tool);
                }
                let max = max.unwrap_or(0);
                return Err(ToolError::rejected(
                    Reason::ScopeMax,
                    format!("{tool} was called {max} times, which is all that scope.max allows"),
                ));
            }
            counted.push(tool);
        }
        Ok(())
    }

    /// It did not come to an effect after all.
    pub(in crate::tools) fn give_back(&self, run: &RunContext) {
        if run.actor == EffectActor::Agent && run.applies.is_none() {
            self.names().for_each(|tool| run.tally.give_back(tool));
        }
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.tool).chain(self.bulk)
    }
}
