//! Other MCP servers: whether each answers, its tools, and those that wait to be accepted.

use crate::domain::Value;
use crate::web::pages::shown::{chip, is, list, text};
use crate::web::pages::visit::Visit;
use maud::{Markup, html};
use std::collections::BTreeMap;

/// The section; nothing for whoever may not ask.
pub(super) async fn shown(visit: &Visit) -> Markup {
    let tools = match visit.call_if_allowed("listUpstreamTools", []).await {
        Ok(None) => return html! {},
        Ok(Some(tools)) => Ok(tools),
        Err(error) => Err(error),
    };
    html! {
        section aria-labelledby="upstreams" {
            h2 #upstreams { "Other servers" }
            @match &tools {
                Ok(tools) => (servers(tools.as_list().unwrap_or_else(|| list(tools, "items")))),
                Err(error) => p { (chip("fail")) " " (error.message) },
            }
        }
    }
}

fn servers(tools: &[Value]) -> Markup {
    let mut servers: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for tool in tools {
        let (server, _) = names(tool);
        servers.entry(server).or_default().push(tool);
    }
    html! {
        @if servers.is_empty() {
            p.quiet { "None are named under " code { "[upstream.NAME]" } " in rota.toml, or they offer nothing." }
        }
        @for (server, tools) in &servers {
            h3 { (server) }
            ul.rows { @for tool in tools { li { (row(server, tool)) } } }
        }
    }
}

fn row(server: &str, tool: &Value) -> Markup {
    let (_, name) = names(tool);
    let standing = text(tool, "standing");
    let why = match standing {
        "new" => "Nobody has accepted it yet, and no playbook may call it.",
        "changed" => {
            "It is described otherwise than when it was accepted, and no playbook may call it."
        }
        _ => "",
    };
    html! {
        p.facts {
            @if standing == "unreachable" { span { "the server" } } @else { code { (text(tool, "tool")) } }
            (chip(standing))
            @if is(tool, "changes") { span { "changes something" } }
        }
        p.line { (text(tool, "description")) }
        @if !why.is_empty() {
            p.quiet { (why) " If its words are as they should be: " code { "rota upstream accept " (server) " " (name) } "." }
        }
    }
}

/// The server and the tool.
fn names(tool: &Value) -> (&str, &str) {
    let name = text(tool, "tool");
    name.split_once(':').unwrap_or((name, ""))
}
