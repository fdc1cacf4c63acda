//! The tools as MCP lists them: made once, shown to each caller as far as they may call.

use super::{Caller, confirm, schema};
use crate::tools::{Definition, catalogue};
use rmcp::model::{JsonObject, Tool, ToolAnnotations};
use std::sync::{Arc, LazyLock};

/// A definition and how it is listed.
struct Listed {
    definition: &'static Definition,
    tool: Tool,
}

/// All of them, in the order of their names, whoever asks: clients keep listings.
static LISTED: LazyLock<Vec<Listed>> = LazyLock::new(|| {
    let served = catalogue().iter().filter(|definition| definition.set.is_served());
    served.map(|definition| Listed { definition, tool: tool(definition) }).collect()
});

fn tool(definition: &'static Definition) -> Tool {
    let hints = definition.annotations;
    let annotations = ToolAnnotations::new()
        .read_only(hints.read_only)
        .destructive(hints.destructive)
        .idempotent(hints.idempotent)
        .open_world(false);
    let mut input = schema::tidy_input(&definition.input_schema);
    // Taken everywhere; listed where a repetition would do it twice.
    if hints.idempotent
        && let Some(serde_json::Value::Object(members)) = input.get_mut("properties")
    {
        members.remove("idempotencyKey");
    }
    let input = Arc::new(confirm::with_consent(definition, input));
    let output = Arc::new(schema::tidy_output(&definition.output_schema));
    Tool::new_with_raw(definition.name, Some(told(definition).into()), input)
        .with_title(definition.title)
        .with_raw_output_schema(output)
        .with_annotations(annotations)
}

/// The description; with its example where the arguments are more than names and values, which say
/// themselves how they are given.
fn told(definition: &'static Definition) -> &'static str {
    let Some((told, example)) = definition.description.split_once(" Example: ") else {
        return definition.description;
    };
    let is_nested = |text: &str| text.contains(": {") || text.contains(": [");
    if is_nested(example) { definition.description } else { told }
}

fn is_for(listed: &Listed, caller: &Caller) -> bool {
    let definition = listed.definition;
    caller.principal.person.role >= definition.role && is_there_for(definition, caller)
}

/// Whether a tool is there for a caller, whatever their role.
fn is_there_for(definition: &Definition, caller: &Caller) -> bool {
    // A toolset that is otherwise shown to whoever names it is named by the token.
    let is_selected = caller.selection.shows(definition)
        || caller.names_set_of(definition) && caller.selection.reaches(definition);
    caller.may_reach(definition.name)
        && is_selected
        && (caller.projects.is_empty() || definition.keeps_to_projects())
}

/// The tools that this caller may call.
pub(super) fn tools_for(caller: &Caller) -> Vec<Tool> {
    LISTED.iter().filter(|listed| is_for(listed, caller)).map(|l| l.tool.clone()).collect()
}

/// One of them, if it is there for this caller at all; that a role is too low is told by the call.
pub(super) fn definition_for(name: &str, caller: &Caller) -> Option<&'static Definition> {
    let listed = LISTED.iter().find(|listed| listed.definition.name == name)?;
    let definition = listed.definition;
    is_there_for(definition, caller).then_some(definition)
}

/// One of them for a program that lists none: all toolsets that are served are there for it, and only
/// what changes nothing where that is configured.
pub fn reachable(name: &str, caller: &Caller) -> Option<&'static Definition> {
    let listed = LISTED.iter().find(|listed| listed.definition.name == name)?;
    let definition = listed.definition;
    let is_there = caller.may_reach(name)
        && caller.selection.reaches(definition)
        && (caller.projects.is_empty() || definition.keeps_to_projects());
    is_there.then_some(definition)
}

/// A tool that is served, with the schemas of its arguments and of its result, whole in themselves.
#[derive(Clone, Copy, Debug)]
pub struct Served {
    /// What it is.
    pub definition: &'static Definition,
    /// The arguments.
    pub input: &'static JsonObject,
    /// The result.
    pub output: Option<&'static JsonObject>,
}

/// Every tool that is served.
pub fn served() -> impl Iterator<Item = Served> {
    LISTED.iter().map(|Listed { definition, tool }| Served {
        definition,
        input: &tool.input_schema,
        output: tool.output_schema.as_deref(),
    })
}

/// How a tool is listed, whoever asks.
pub(super) fn tool_named(name: &str) -> Option<Tool> {
    LISTED.iter().find(|listed| listed.definition.name == name).map(|l| l.tool.clone())
}
