//! The daemons that share a store: which there are, and letting one take no new work.

use super::operate::desk_error;
use super::records::{Anything, Nothing};
use crate::domain::{DaemonId, Role, Value};
use crate::tools::definition::{Definition, Words};
use crate::tools::limited::check_everywhere;
use crate::tools::registry::Parts;
use crate::tools::{Context, ToolError};
use schemars::JsonSchema;
use serde::Deserialize;

pub(super) fn tools() -> Vec<Definition> {
    vec![
        Definition::read::<Nothing, Anything>(
            Words {
                name: "listDaemons",
                title: "List daemons",
                description: "The daemons that share the store: what each runs, its labels and version, when it was \
                    seen, and whether it takes new work. Example: {}.",
                example: "{}",
            },
            Role::Editor,
            |parts, _, _| Box::pin(list(parts)),
        ),
        Definition::operate::<DrainDaemon, Anything>(
            Words {
                name: "drainDaemon",
                title: "Let a daemon take no new work",
                description: "A drained daemon finishes what it has and begins nothing, also after a restart, until \
                    undo. Example: {\"daemon\": \"build-1\"}.",
                example: r#"{"daemon": "build-1"}"#,
            },
            Role::Admin,
            true,
            |parts, context, args| Box::pin(drain(parts, context, args)),
        ),
    ]
}

async fn list(parts: &Parts) -> Result<Value, ToolError> {
    check_everywhere(parts, "which daemons there are")?;
    parts.desk()?.daemons().await.map_err(desk_error)
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct DrainDaemon {
    /// Which, by its name in listDaemons.
    daemon: String,
    /// Let it take new work again.
    #[serde(default)]
    undo: bool,
}

async fn drain(parts: &Parts, context: &Context, args: DrainDaemon) -> Result<Value, ToolError> {
    check_everywhere(parts, "which daemons there are")?;
    let (daemon, by) = (DaemonId::new(args.daemon.trim()), &context.principal.person.name);
    parts.desk()?.drain_daemon(&daemon, !args.undo, by).await.map_err(desk_error)
}
