//! The table of tools, and the one way to call one.

use super::definition::{Definition, Handler};
use super::desk::{Desk, Feeds, Records, Repeats, Steward, Tokens};
use super::journal::Journal;
use super::limited::Within;
use super::outer::{self, OfferedOuter, Outer};
use super::write::Planned;
use super::{
    Context, ToolError, ToolKind, ToolResult, Toolset, arguments, batch, beside, catalogue,
    claimed, guard, limited, scope, show,
};
use crate::board::{Board, BoardError};
use crate::clock::Clock;
use crate::domain::{Entity, ProjectId, Reason, RunId, TaskId, Value};
use crate::instruments::{self, spans};
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock, Weak};
use tokio::sync::broadcast;
use tokio::time::Instant;
use tracing::Instrument as _;

/// So many calls that worked the daemon wait to be heard of; whoever listens too slowly misses some.
const ACTS_MAX: usize = 64;

/// What the tools work on.
#[derive(Debug)]
pub struct Parts {
    /// The team's data.
    pub board: Arc<dyn Board>,
    /// Where effects are written down.
    pub journal: Arc<dyn Journal>,
    /// For dates such as `today`.
    pub clock: Arc<dyn Clock>,
    desk: OnceLock<Weak<dyn Desk>>,
    records: OnceLock<Arc<dyn Records>>,
    tokens: OnceLock<Arc<dyn Tokens>>,
    repeats: OnceLock<Arc<dyn Repeats>>,
    feeds: OnceLock<Arc<dyn Feeds>>,
    steward: OnceLock<Arc<dyn Steward>>,
    address: OnceLock<String>,
    outer: OnceLock<Outer>,
    /// What there is for whoever asks; `None`: everything.
    within: Option<Within>,
}

impl Parts {
    /// Without daemon and ledger; [`ToolRegistry::set_desk`] and [`ToolRegistry::set_records`] add
    /// them when they are there.
    pub fn new(board: Arc<dyn Board>, journal: Arc<dyn Journal>, clock: Arc<dyn Clock>) -> Self {
        let (desk, records, tokens, outer) = Default::default();
        let (repeats, feeds, steward, address) = Default::default();
        Self {
            board,
            journal,
            clock,
            desk,
            records,
            tokens,
            repeats,
            feeds,
            steward,
            address,
            outer,
            within: None,
        }
    }

    /// The same for somebody for whom there are some projects only, on a board of those.
    pub(super) fn narrowed(&self, board: Arc<dyn Board>, within: Within) -> Self {
        Self {
            board,
            journal: Arc::clone(&self.journal),
            clock: Arc::clone(&self.clock),
            desk: self.desk.clone(),
            records: self.records.clone(),
            tokens: self.tokens.clone(),
            repeats: self.repeats.clone(),
            feeds: self.feeds.clone(),
            steward: self.steward.clone(),
            address: self.address.clone(),
            // What other servers do is not undone with that board.
            outer: OnceLock::new(),
            within: Some(within),
        }
    }

    /// What there is for whoever asks; `None`: everything.
    pub(super) fn within(&self) -> Option<&Within> {
        self.within.as_ref()
    }

    pub(super) fn desk_if_there(&self) -> Option<Arc<dyn Desk>> {
        self.desk.get().and_then(Weak::upgrade)
    }

    pub(super) fn desk(&self) -> Result<Arc<dyn Desk>, ToolError> {
        self.desk_if_there().ok_or_else(|| {
            ToolError::rejected(Reason::Unsupported, "this needs the daemon, which is not there")
        })
    }

    pub(super) fn outer(&self) -> Result<&Outer, ToolError> {
        self.outer.get().ok_or_else(|| {
            ToolError::rejected(Reason::Unsupported, "other servers are not used here")
        })
    }

    pub(super) fn records(&self) -> Result<&dyn Records, ToolError> {
        self.records.get().map(AsRef::as_ref).ok_or_else(|| {
            ToolError::rejected(Reason::Unsupported, "this needs the ledger, which is not there")
        })
    }

    pub(super) fn repeats(&self) -> Result<&dyn Repeats, ToolError> {
        self.repeats.get().map(AsRef::as_ref).ok_or_else(|| {
            ToolError::rejected(Reason::Unsupported, "this needs the ledger, which is not there")
        })
    }

    pub(super) fn feeds(&self) -> Result<&dyn Feeds, ToolError> {
        self.feeds.get().map(AsRef::as_ref).ok_or_else(|| {
            ToolError::rejected(Reason::Unsupported, "this needs the ledger, which is not there")
        })
    }

    pub(super) fn steward(&self) -> Result<&dyn Steward, ToolError> {
        self.steward.get().map(AsRef::as_ref).ok_or_else(|| {
            let message = "this needs a daemon that serves: start one with `rota serve`";
            ToolError::rejected(Reason::Unsupported, message)
        })
    }

    /// Where HTTP is, or would be, served: how an address from outside begins.
    pub(super) fn address(&self) -> &str {
        self.address.get().map_or("http://127.0.0.1:3001", String::as_str)
    }

    pub(super) fn tokens(&self) -> Result<&dyn Tokens, ToolError> {
        self.tokens.get().map(AsRef::as_ref).ok_or_else(|| {
            ToolError::rejected(Reason::Unsupported, "this needs the ledger, which is not there")
        })
    }
}

/// A call, with how long it took and what came of it for whoever watches.
async fn timed(
    tool: &'static str,
    context: &Context,
    calling: impl Future<Output = Result<ToolResult, ToolError>>,
) -> Result<ToolResult, ToolError> {
    let span = spans::tool_call(tool, context.run.as_ref().map(|run| &run.span));
    let begun = Instant::now();
    let called = calling.instrument(span.clone()).await;
    if let Err(error) = &called {
        spans::tool_refused(&span, error.reason().code());
    }
    instruments::tool_called(tool, called.as_ref().err().map(ToolError::reason), begun.elapsed());
    called
}

/// Every tool there is.
#[derive(Debug)]
pub struct ToolRegistry {
    pub(super) parts: Parts,
    tools: BTreeMap<&'static str, &'static Definition>,
    acts: broadcast::Sender<&'static str>,
}

impl ToolRegistry {
    /// All tools over these parts.
    pub fn new(parts: Parts) -> Self {
        let tools = catalogue().iter().map(|tool| (tool.name, tool)).collect();
        Self { parts, tools, acts: broadcast::Sender::new(ACTS_MAX) }
    }

    /// The daemon is there now; a second one is ignored. It is not kept alive by this: the daemon
    /// itself holds the tools.
    #[expect(clippy::needless_pass_by_value, reason = "an unsized weak is made from an owned one")]
    pub fn set_desk(&self, desk: Arc<dyn Desk>) {
        let _ = self.parts.desk.set(Arc::downgrade(&desk));
    }

    /// The ledger's records are there now; second ones are ignored.
    pub fn set_records(&self, records: Arc<dyn Records>) {
        let _ = self.parts.records.set(records);
    }

    /// The tokens are there now; second ones are ignored.
    pub fn set_tokens(&self, tokens: Arc<dyn Tokens>) {
        let _ = self.parts.tokens.set(tokens);
    }

    /// What is known of repeated calls is there now; a second one is ignored.
    pub fn set_repeats(&self, repeats: Arc<dyn Repeats>) {
        let _ = self.parts.repeats.set(repeats);
    }

    /// The addresses of calendars are there now; second ones are ignored.
    pub fn set_feeds(&self, feeds: Arc<dyn Feeds>) {
        let _ = self.parts.feeds.set(feeds);
    }

    /// Whoever looks after the house is there now; a second one is ignored.
    pub fn set_steward(&self, steward: Arc<dyn Steward>) {
        let _ = self.parts.steward.set(steward);
    }

    /// The tools that worked the daemon, from now on, each when it has.
    pub fn acts(&self) -> broadcast::Receiver<&'static str> {
        self.acts.subscribe()
    }

    /// How addresses from outside begin (`https://board.example.com`); a second one is ignored.
    pub fn set_address(&self, address: String) {
        let _ = self.parts.address.set(address);
    }

    /// The same, while HTTP is served.
    pub fn address(&self) -> Option<&str> {
        self.parts.address.get().map(String::as_str)
    }

    /// Other servers are there now; second ones are ignored.
    pub fn set_outer(&self, outer: Outer) {
        let _ = self.parts.outer.set(outer);
    }

    /// The tools of other servers that this run may call. Asks the servers.
    pub async fn offered_outer(&self, context: &Context) -> Vec<OfferedOuter> {
        match self.parts.outer.get() {
            Some(outer) => outer.offered(context).await,
            None => Vec::new(),
        }
    }

    /// All definitions, by name.
    pub fn definitions(&self) -> impl Iterator<Item = &'static Definition> {
        self.tools.values().copied()
    }

    /// One of them.
    pub fn definition(&self, name: &str) -> Option<&'static Definition> {
        self.tools.get(name).copied()
    }

    /// Those that this caller may call: what is listed to an agent, and nothing else.
    pub fn offered(&self, context: &Context) -> Vec<&'static Definition> {
        // A run without a workspace is not told of tools for one, whatever its playbook's `*` says.
        let has_files = context.run.as_ref().is_none_or(|run| run.workspace.is_some());
        let is_of_use = |tool: &&'static Definition| {
            (has_files || tool.set != Toolset::Code)
                && context.run.as_ref().is_none_or(|run| scope::leaves_any(run, tool))
        };
        let offered = self.definitions().filter(|tool| guard::may_call(tool, context).is_ok());
        offered.filter(is_of_use).collect()
    }

    /// Calls a tool. `args` is an object; `null` stands for an empty one.
    ///
    /// Never drop this future half-way inside a run: the write may have happened, and its result
    /// would be missing from the journal until recovery asks the board.
    pub async fn call(
        &self,
        name: &str,
        args: Value,
        context: &Context,
    ) -> Result<ToolResult, ToolError> {
        let Some(tool) = self.definition(name) else {
            if let Some(outer) = self.parts.outer.get()
                && let Some(named) = outer.named(name)
            {
                let calling = outer::call(&self.parts, outer, named, args, context);
                return timed(instruments::UPSTREAM, context, Box::pin(calling)).await;
            }
            return Err(arguments::unknown_tool(
                name,
                self.offered(context).iter().map(|t| t.name),
            ));
        };
        // Boxed: whoever waits for a call need not hold all of it.
        let calling = Box::pin(async {
            guard::may_call(tool, context)?;
            beside::once(self, tool, beside::take(tool, args)?, context).await
        });
        let called = timed(tool.name, context, calling).await;
        if called.is_ok() && tool.kind == ToolKind::Operate {
            // Nobody has to listen.
            let _ = self.acts.send(tool.name);
        }
        called
    }

    /// Does what was asked for, by whoever may.
    pub(super) async fn carry_out(
        &self,
        tool: &'static Definition,
        revision: Option<u64>,
        args: Value,
        context: &Context,
    ) -> Result<ToolResult, ToolError> {
        let limited = limited::parts_for(&self.parts, context).await?;
        let parts = limited.as_ref().unwrap_or(&self.parts);
        match &tool.handler {
            Handler::Answer(answer) => {
                claimed::renew(parts, context, tool, &args).await;
                let value = answer(parts, context, args).await?;
                Ok(ToolResult { text: show::text(&value), value, effect: None })
            }
            Handler::Write(plan) => {
                let (args, only_looks) = guard::without_dry_run(tool, args);
                let planned = plan(parts, context, args.clone()).await?;
                limited::check_reach(parts, tool, &planned).await?;
                if only_looks {
                    return guard::foresee(parts, context, &planned).await;
                }
                let asked = guard::Asked { tool: tool.name, bulk: None, args };
                guard::write(parts, context, asked, Planned { revision, ..planned }).await
            }
            Handler::Within(act) => act(parts, context, args).await,
            Handler::Bulk(_, expand) => {
                let batch = expand(parts, context, args).await?;
                batch::carry_out(self, parts, context, (tool.name, batch)).await
            }
        }
    }

    /// What a call would write, if whoever asks may do it; nothing is written.
    ///
    /// # Errors
    /// What the call would be refused with, as far as that is known before it is made.
    pub async fn foresee(
        &self,
        name: &str,
        args: Value,
        context: &Context,
    ) -> Result<ToolResult, ToolError> {
        let found = self.definition(name).map(|tool| (tool, &tool.handler));
        let Some((tool, Handler::Write(plan))) = found else {
            let message = format!("what {name} would do is not known before it is done");
            return Err(ToolError::rejected(Reason::Unsupported, message));
        };
        guard::may_call(tool, context)?;
        let limited = limited::parts_for(&self.parts, context).await?;
        let parts = limited.as_ref().unwrap_or(&self.parts);
        let planned = plan(parts, context, args).await?;
        limited::check_reach(parts, tool, &planned).await?;
        guard::foresee(parts, context, &planned).await
    }

    /// Whether a task, or a project, is there for whoever asks. What cannot be told now is not; of what is
    /// gone everybody may hear, a number says nothing.
    pub async fn shows(&self, context: &Context, entity: Entity) -> bool {
        let within = match limited::within(&self.parts, context).await {
            Ok(None) => return true,
            Ok(Some(within)) => within,
            Err(_) => return false,
        };
        match entity {
            Entity::Task(task) => match self.parts.board.task(task).await {
                Ok(task) => within.role_in(task.project).is_some(),
                Err(error) => matches!(error, BoardError::NotFound { .. }),
            },
            Entity::Project(project) => within.role_in(project).is_some(),
            _ => false,
        }
    }

    /// The projects that there are for whoever asks; `None`: all.
    ///
    /// # Errors
    /// The board does not say.
    pub async fn projects_of(
        &self,
        context: &Context,
    ) -> Result<Option<Vec<ProjectId>>, ToolError> {
        let within = limited::within(&self.parts, context).await?;
        Ok(within.map(|within| within.projects()))
    }

    /// Whether whoever asks may call this tool about this task.
    ///
    /// # Errors
    /// The board does not say.
    pub async fn may_on(
        &self,
        context: &Context,
        tool: &str,
        task: TaskId,
    ) -> Result<bool, ToolError> {
        let definition = self.definition(tool);
        if definition.is_none_or(|tool| guard::may_call(tool, context).is_err()) {
            return Ok(false);
        }
        let limited = limited::parts_for(&self.parts, context).await?;
        match limited::check_task(limited.as_ref().unwrap_or(&self.parts), tool, task).await {
            Ok(()) => Ok(true),
            Err(error) if matches!(error.reason(), Reason::NotFound | Reason::RoleTooLow) => {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Whether what a run is about is there for whoever asks. Of what is about no task, nobody hears for
    /// whom there are some projects only.
    pub async fn shows_run(&self, context: &Context, run: Option<&RunId>) -> bool {
        let parts = match limited::parts_for(&self.parts, context).await {
            Ok(None) => return true,
            Ok(Some(parts)) => parts,
            Err(_) => return false,
        };
        let (Some(run), Ok(records)) = (run, parts.records()) else { return false };
        match records.task_of(run).await {
            Ok(Some(Some(task))) => limited::shows(&parts, task).await.unwrap_or(false),
            _ => false,
        }
    }

    /// What a tool does to the world; `None` for a tool that is not there.
    pub fn kind(&self, name: &str) -> Option<ToolKind> {
        self.definition(name).map(|tool| tool.kind)
    }
}
