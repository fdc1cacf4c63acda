//! Tools of other servers, as people look at them and accept them. From a terminal only: a model that
//! could accept a tool could be told to by the tool.

use super::operate::desk_error;
use super::records::Anything;
use super::tasks::refuse;
use crate::domain::{Reason, Role, Value};
use crate::tools::definition::{Definition, Words};
use crate::tools::outer::{Known, Outer, Standing};
use crate::tools::registry::Parts;
use crate::tools::{Context, ToolError};
use crate::upstream::full_name;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

pub(super) fn tools() -> Vec<Definition> {
    vec![
        Definition::read::<Which, Anything>(
            Words {
                name: "listUpstreamTools",
                title: "List tools of other servers",
                description: "Tools of the MCP servers that rota.toml names, each with what its server says of \
                    it and how it stands: accepted, new, or changed since. Asks the servers. Example: {\"server\": \"calendar\"}.",
                example: r#"{"server": "calendar"}"#,
            },
            Role::Manager,
            |parts, _, args| Box::pin(list(parts, args)),
        ),
        Definition::operate::<Accept, Anything>(
            Words {
                name: "acceptUpstreamTools",
                title: "Accept tools of another server",
                description: "From now on playbooks that list these tools may call them as they were listed: each \
                    with its fingerprint there. Example: {\"server\": \"calendar\", \"tools\": {\"list_events\": \"9f2c…\"}}.",
                example: r#"{"server": "calendar", "tools": {"list_events": "9f2c"}}"#,
            },
            Role::Admin,
            true,
            |parts, context, args| Box::pin(accept(parts, context, args)),
        ),
    ]
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Which {
    /// Its name in rota.toml; default: every server.
    server: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Accept {
    /// Its name in rota.toml.
    server: String,
    /// Each tool with the fingerprint under which it was listed.
    tools: BTreeMap<String, String>,
}

async fn list(parts: &Parts, args: Which) -> Result<Value, ToolError> {
    let outer = parts.outer()?;
    let is_one_asked_for = args.server.is_some();
    let servers: Vec<String> = match args.server {
        Some(server) => vec![server],
        None => outer.names().map(str::to_owned).collect(),
    };
    let mut rows = Vec::new();
    for server in &servers {
        match outer.known(server).await {
            Ok(known) => rows.extend(known.iter().map(|known| row(known, known.standing))),
            Err(error) if is_one_asked_for => return Err(error),
            Err(error) => rows.push(Value::map([
                ("tool", Value::from(full_name(server, "*"))),
                ("standing", "unreachable".into()),
                ("description", error.to_string().into()),
            ])),
        }
    }
    Ok(Value::List(rows))
}

async fn accept(parts: &Parts, context: &Context, args: Accept) -> Result<Value, ToolError> {
    let outer: &Outer = parts.outer()?;
    let known = outer.known(&args.server).await?;
    let mut wanted = Vec::new();
    for (tool, fingerprint) in &args.tools {
        let Some(known) = known.iter().find(|known| known.tool.name == *tool) else {
            let names: Vec<&str> = known.iter().map(|known| known.tool.name.as_str()).collect();
            let shown = crate::tools::arguments::shown(tool);
            return Err(refuse(&format!(
                "tools: {} offers no {shown}; it offers: {}",
                args.server,
                names.join(", ")
            )));
        };
        // What was read is what is accepted, or nothing is.
        let now = known.tool.fingerprint();
        if now != *fingerprint {
            let name = full_name(&args.server, tool);
            let message = format!(
                "{name} is not described as it was listed: its fingerprint is {now} now; nothing was \
                 accepted. Look again with `rota upstream list {}`",
                args.server
            );
            return Err(ToolError::rejected(Reason::ToolChanged, message));
        }
        wanted.push(known);
    }
    let by = &context.principal.person.name;
    let mut rows = Vec::new();
    for known in wanted {
        outer.accept(known, by).await.map_err(desk_error)?;
        rows.push(row(known, Standing::Accepted));
    }
    Ok(Value::List(rows))
}

fn row(known: &Known, standing: Standing) -> Value {
    Value::map([
        ("tool", Value::from(full_name(&known.server, &known.tool.name))),
        ("standing", standing.word().into()),
        ("changes", (!known.tool.read_only).into()),
        ("description", known.tool.description.clone().into()),
        ("arguments", known.tool.input_schema.clone()),
        ("fingerprint", known.tool.fingerprint().into()),
    ])
}
