//! The tools of one run: a runner can call what its playbook lists, and nothing else.

use crate::domain::{Principal, RunState, Usage, Value};
use crate::model::OfferedTool;
use crate::runner::WorkEnd;
use crate::tools::{
    Context, Definition, Finished, OfferedOuter, RunContext, ToolError, ToolRegistry, ToolResult,
};
use chrono_tz::Tz;
use std::sync::Arc;

/// A registry bound to the context of one run.
#[derive(Clone, Debug)]
pub struct ToolSession {
    registry: Arc<ToolRegistry>,
    context: Context,
}

impl ToolSession {
    /// Binds the tools to a context.
    pub fn new(registry: Arc<ToolRegistry>, context: Context) -> Self {
        Self { registry, context }
    }

    /// The tools as a model is told of them: those it may call.
    pub async fn offered(&self) -> Vec<OfferedTool> {
        let outer = self.registry.offered_outer(&self.context).await.into_iter();
        let outer = outer.map(|tool| OfferedTool {
            name: tool.name,
            description: tool.description,
            input_schema: tool.input_schema,
        });
        self.registry
            .offered(&self.context)
            .into_iter()
            .map(|tool| OfferedTool {
                name: tool.name.to_owned(),
                description: tool.description.to_owned(),
                input_schema: (**tool.input_schema).clone(),
            })
            .chain(outer)
            .collect()
    }

    /// The same tools as they are defined here, and those of other servers.
    pub async fn listed(&self) -> (Vec<&'static Definition>, Vec<OfferedOuter>) {
        (self.registry.offered(&self.context), self.registry.offered_outer(&self.context).await)
    }

    /// As whom the tools are called, and where the days begin.
    pub fn who(&self) -> (&Principal, Tz) {
        (&self.context.principal, self.context.zone)
    }

    /// The run on whose behalf they are.
    pub fn run(&self) -> Option<&RunContext> {
        self.context.run.as_ref()
    }

    /// Calls a tool. Await it to its end: see [`ToolRegistry::call`].
    pub async fn call(&self, tool: &str, args: Value) -> Result<ToolResult, ToolError> {
        self.registry.call(tool, args, &self.context).await
    }

    /// Calls a tool, never twice for the same key.
    pub async fn call_once(
        &self,
        tool: &str,
        args: Value,
        once: String,
    ) -> Result<ToolResult, ToolError> {
        let mut context = self.context.clone();
        if let Some(run) = &mut context.run {
            run.once = Some(once);
        }
        self.registry.call(tool, args, &context).await
    }

    /// The number of the run's last write.
    pub fn writes(&self) -> u32 {
        self.context.run.as_ref().map_or(0, |run| run.tally.last_seq())
    }

    /// The first and the last of its writes since the one of this number; `None`: there were none.
    pub fn writes_since(&self, before: u32) -> Option<(u32, u32)> {
        let last = self.writes();
        (last > before).then(|| (before.saturating_add(1), last))
    }

    /// The ending that the work named by `finish`, once it has.
    pub fn finished(&self) -> Option<Finished> {
        self.context.run.as_ref().and_then(|run| run.tally.finished())
    }

    /// In which state a run ends by a tool's fatal error.
    pub(super) fn end_by(error: &ToolError, usage: Usage) -> WorkEnd {
        use crate::domain::Reason as R;
        let state = match error.reason() {
            R::ClaimLost | R::StaleFence | R::TrustWindow | R::LeaseExpired | R::ForceReleased => {
                RunState::ClaimLost
            }
            R::PersonTookOver | R::StopTag | R::StopComment => RunState::Yielded,
            R::Cancelled => RunState::Cancelled,
            _ => RunState::Failed,
        };
        WorkEnd::ended(state, error.reason(), error.to_string(), usage)
    }
}
