//! Tools of other servers, for runs whose playbooks list them: `calendar:list_events` in a playbook,
//! `calendar__list_events` to a model.
//!
//! A tool is somebody else's text that a model reads as an instruction. So nothing of it is trusted at
//! first sight: a person accepts each tool as it is described now (`rota upstream accept`), and one
//! that is described otherwise later is refused until a person accepts that.

use super::desk::DeskError;
use super::guard::matches_any;
use super::outside::{self, Outside};
use super::registry::Parts;
use super::{Context, RunContext, ToolError, ToolResult, scope};
use crate::domain::{EffectActor, Reason, Value};
use crate::ledger::Pin;
use crate::upstream::{ForeignTool, Told, Upstream, UpstreamError, full_name, wire_name};
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Where it is written down what a person accepted.
#[async_trait]
pub trait Pins: Send + Sync + std::fmt::Debug {
    /// All that was accepted.
    async fn pins(&self) -> Result<Vec<Pin>, DeskError>;
    /// Accepts a tool as it is.
    async fn accept(&self, tool: &str, fingerprint: &str, by: &str) -> Result<Pin, DeskError>;
}

/// The servers there are.
#[derive(Debug)]
pub struct Outer {
    servers: BTreeMap<String, Arc<dyn Upstream>>,
    pins: Arc<dyn Pins>,
    /// Whether patterns of playbooks find tools.
    is_searched: bool,
}

/// How a tool stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Accepted,
    New,
    Changed,
}

impl Standing {
    pub fn word(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::New => "new",
            Self::Changed => "changed",
        }
    }
}

/// A tool of a server, and how it stands.
pub(super) struct Known {
    pub server: String,
    pub tool: ForeignTool,
    pub standing: Standing,
}

/// A tool as a model is offered it.
#[derive(Clone, Debug)]
pub struct OfferedOuter {
    /// `server__tool`.
    pub name: String,
    /// What the server says of it, and that it says so.
    pub description: String,
    /// JSON Schema of the arguments.
    pub input_schema: Value,
}

impl Outer {
    /// These servers; what was accepted stands there.
    pub fn new(servers: BTreeMap<String, Arc<dyn Upstream>>, pins: Arc<dyn Pins>) -> Self {
        Self { servers, pins, is_searched: true }
    }

    /// Whether patterns of playbooks find tools; else only those that are named whole are there.
    #[must_use]
    pub fn searched(mut self, is_searched: bool) -> Self {
        self.is_searched = is_searched;
        self
    }

    /// What a playbook lists of other servers. `*` alone means the board's tools: whoever wrote it did
    /// not think of other servers.
    fn patterns<'a>(&self, run: &'a RunContext) -> impl Iterator<Item = &'a String> {
        let is_searched = self.is_searched;
        let counts = move |it: &&String| it.contains(':') && (is_searched || !it.ends_with('*'));
        run.playbook.tools.iter().filter(counts)
    }

    /// Whether a playbook lists a tool of a server.
    fn lists(&self, run: &RunContext, name: &str) -> bool {
        self.patterns(run).any(|pattern| matches_any(std::slice::from_ref(pattern), name))
    }

    /// The server and the tool that a name means, in either way of writing it.
    pub(super) fn named<'a>(&self, name: &'a str) -> Option<(&'a str, &'a str)> {
        let parts = name.split_once(':').or_else(|| name.split_once("__"));
        parts.filter(|(server, tool)| self.servers.contains_key(*server) && !tool.is_empty())
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.servers.keys().map(String::as_str)
    }

    /// What a server offers, and how each tool stands.
    pub(super) async fn known(&self, server: &str) -> Result<Vec<Known>, ToolError> {
        let Some(upstream) = self.servers.get(server) else {
            let names = self.names().collect::<Vec<_>>().join(", ");
            let message = format!("there is no server {server:?} in rota.toml; there are: {names}");
            return Err(ToolError::rejected(Reason::NotFound, message));
        };
        let tools = upstream.tools().await.map_err(|error| unavailable(&error))?;
        let pins = self.pins.pins().await.map_err(|error| match error {
            DeskError::Failed { what, source } => {
                ToolError::Fatal { reason: Reason::StoreFailed, message: what, source }
            }
            other => ToolError::fatal(Reason::StoreFailed, other.to_string()),
        })?;
        let pins: BTreeMap<&str, &Pin> = pins.iter().map(|pin| (pin.tool.as_str(), pin)).collect();
        let known = tools.iter().map(|tool| {
            let standing = match pins.get(full_name(server, &tool.name).as_str()) {
                None => Standing::New,
                Some(pin) if pin.fingerprint == tool.fingerprint() => Standing::Accepted,
                Some(_) => Standing::Changed,
            };
            Known { server: server.to_owned(), tool: tool.clone(), standing }
        });
        Ok(known.collect())
    }

    pub(super) async fn accept(&self, known: &Known, by: &str) -> Result<Pin, DeskError> {
        let name = full_name(&known.server, &known.tool.name);
        self.pins.accept(&name, &known.tool.fingerprint(), by).await
    }

    /// The accepted tools that a run's playbook lists. A server that cannot be reached offers none.
    pub(super) async fn offered(&self, context: &Context) -> Vec<OfferedOuter> {
        let Some(run) = context.run.as_ref().filter(|run| run.actor == EffectActor::Agent) else {
            return Vec::new();
        };
        let mut offered = Vec::new();
        for server in self.servers.keys() {
            let prefix = full_name(server, "");
            if !self.patterns(run).any(|pattern| pattern.starts_with(&prefix)) {
                continue;
            }
            let known = match self.known(server).await {
                Ok(known) => known,
                Err(error) => {
                    tracing::warn!(server, %error, "its tools are not offered");
                    continue;
                }
            };
            let listed = known
                .into_iter()
                .filter(|known| self.lists(run, &full_name(server, &known.tool.name)));
            for Known { tool, standing, .. } in listed {
                // What only looks is not counted.
                let name = full_name(server, &tool.name);
                if !tool.read_only && !scope::may_ever(run, &name) {
                    continue;
                }
                if standing == Standing::Accepted {
                    offered.push(OfferedOuter {
                        name: wire_name(server, &tool.name),
                        description: format!("[tool of the server {server}] {}", tool.description),
                        input_schema: tool.input_schema,
                    });
                } else {
                    tracing::warn!(
                        tool = name,
                        standing = standing.word(),
                        "not offered: {}",
                        advice(server)
                    );
                }
            }
        }
        offered
    }
}

fn advice(server: &str) -> String {
    format!(
        "a person looks at it with `rota upstream list {server}` and accepts it with `rota upstream accept {server}`"
    )
}

/// Calls a tool of another server for a run.
pub(super) async fn call(
    parts: &Parts,
    outer: &Outer,
    (server, tool): (&str, &str),
    args: Value,
    context: &Context,
) -> Result<ToolResult, ToolError> {
    let name = full_name(server, tool);
    let run = context.run.as_ref().filter(|run| run.actor == EffectActor::Agent);
    let listed = run.filter(|run| run.applies.is_some() || outer.lists(run, &name));
    let Some(run) = listed else {
        let whole = if outer.is_searched { "" } else { " by its whole name" };
        let message = format!("{name} is for runs whose playbook lists it{whole}");
        return Err(ToolError::rejected(Reason::ToolNotListed, message));
    };
    let known = outer.known(server).await?;
    let found = known.into_iter().find(|known| known.tool.name == tool);
    let Some(Known { tool: found, standing, .. }) = found else {
        let message = format!("the server {server} offers no tool {tool:?} now");
        return Err(ToolError::rejected(Reason::UnknownTool, message));
    };
    let refused = match standing {
        Standing::Accepted => None,
        Standing::New => Some(Reason::ToolNotAccepted),
        Standing::Changed => Some(Reason::ToolChanged),
    };
    if let Some(reason) = refused {
        let message = format!("{name}: {}; {}", reason.text(), advice(server));
        return Err(ToolError::rejected(reason, message));
    }
    let Some(upstream) = outer.servers.get(server) else { return Err(gone(&name)) };
    let fingerprint = found.fingerprint();
    if found.read_only {
        let before = Box::pin(std::future::ready(true));
        let call = upstream.call(tool, &fingerprint, args, before);
        return call.await.map(|told| result_of(server, &told)).map_err(|error| match error {
            UpstreamError::Unknown(what) => unavailable(&UpstreamError::NotSent(what)),
            other => refusal(&name, server, &other),
        });
    }
    let call = |before| upstream.call(tool, &fingerprint, args.clone(), before);
    outside::call(parts, run, (server, &name), args.clone(), call).await.map(|told| match told {
        Outside::Told(told, effect) => {
            ToolResult { effect: Some(effect), ..result_of(server, &told) }
        }
        Outside::Not(result) => result,
    })
}

fn gone(name: &str) -> ToolError {
    ToolError::rejected(Reason::UnknownTool, format!("there is no {name}"))
}

fn unavailable(error: &UpstreamError) -> ToolError {
    ToolError::rejected(Reason::UpstreamUnavailable, error.to_string())
}

/// An error after which it is known that nothing was done.
pub(super) fn refusal(name: &str, server: &str, error: &UpstreamError) -> ToolError {
    match error {
        UpstreamError::Changed => {
            let message = format!("{name}: {}; {}", Reason::ToolChanged.text(), advice(server));
            ToolError::rejected(Reason::ToolChanged, message)
        }
        UpstreamError::Refused(_) => {
            ToolError::rejected(Reason::InvalidArguments, format!("{name}: {error}"))
        }
        other => unavailable(other),
    }
}

fn result_of(server: &str, told: &Told) -> ToolResult {
    let text = if told.is_error {
        format!("the server {server} says that it failed: {}", told.text)
    } else {
        told.text.clone()
    };
    let value = Value::map([
        ("server", Value::from(server)),
        ("is_error", Value::Bool(told.is_error)),
        ("text", told.text.clone().into()),
    ]);
    ToolResult { value, text, effect: None }
}
