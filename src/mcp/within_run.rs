//! The program of a run asks: it sees the tools of its run, and what it calls is its run's own call.

use super::calling::shorter;
use super::rest::{self, Linked};
use super::{CallError, Handler, answer, schema};
use crate::domain::Value;
use crate::mcp::instruments;
use crate::runner::Granted;
use crate::tools::{Definition, ToolKind};
use rmcp::ErrorData;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ServerCapabilities, Tool,
    ToolAnnotations,
};
use std::sync::Arc;

/// What it is told besides.
pub(super) const INSTRUCTIONS: &str = " You work in a run of a playbook: do what its prompt says with \
    these tools, and end it by calling finish, once, as the last thing you do.";

/// Tools are all that there is.
pub(super) fn capabilities() -> ServerCapabilities {
    ServerCapabilities::builder().enable_tools().build()
}

/// The tools of a run, as they are listed.
pub(super) async fn tools(run: &Granted) -> Vec<Tool> {
    let (own, outer) = run.session().listed().await;
    let outer = outer.into_iter().filter_map(|tool| {
        let serde_json::Value::Object(input) = serde_json::to_value(tool.input_schema).ok()? else {
            return None;
        };
        Some(Tool::new_with_raw(tool.name, Some(tool.description.into()), Arc::new(input)))
    });
    own.into_iter().map(tool).chain(outer).collect()
}

fn tool(definition: &'static Definition) -> Tool {
    let hints = definition.annotations;
    let annotations = ToolAnnotations::new()
        .read_only(hints.read_only)
        .destructive(hints.destructive)
        .idempotent(hints.idempotent)
        .open_world(false);
    let input = Arc::new(schema::tidy_input(&definition.input_schema));
    Tool::new_with_raw(definition.name, Some(definition.description.into()), input)
        .with_title(definition.title)
        .with_annotations(annotations)
}

impl Handler {
    /// Calls a tool in the name of a run. It takes as long as it takes: the run has its own limits.
    pub(super) async fn perform_in_run(
        &self,
        run: &Granted,
        request: CallToolRequestParams,
    ) -> Result<CallToolResponse, ErrorData> {
        let args = serde_json::Value::Object(request.arguments.unwrap_or_default());
        let Ok(args) = serde_json::from_value::<Value>(args) else {
            let message = "the arguments hold what no JSON can hold";
            return Err(ErrorData::invalid_params(message, None));
        };
        let name = request.name.to_string();
        let known = crate::tools::catalogue().iter().find(|tool| tool.name == name);
        let began = self.clock().boot();
        let called = self.fitting_in_run(run, (name, known), args).await;
        let code = called.as_ref().err().map(|error| error.code.as_str());
        let elapsed = self.clock().boot().saturating_sub(began);
        instruments::called(known.map_or("upstream", |tool| tool.name), code, elapsed);
        let result = called.unwrap_or_else(|error| answer::error(&error, self.limits()));
        Ok(result.into())
    }

    /// What fits of the answer to a run's call.
    async fn fitting_in_run(
        &self,
        run: &Granted,
        (name, known): (String, Option<&'static Definition>),
        mut args: Value,
    ) -> Result<CallToolResult, CallError> {
        let bytes_max = self.limits().response_bytes_max;
        loop {
            let done = run.call(name.clone(), args.clone()).await?;
            let result = answer::result(done.into());
            if answer::fits(&result, bytes_max) {
                return Ok(result);
            }
            let Some(tool) = known.filter(|tool| tool.kind == ToolKind::Read) else {
                return Ok(answer::shortened(result));
            };
            if let Some(fewer) = shorter(tool.kind, tool.input_schema.get("properties"), &args) {
                args = fewer;
                continue;
            }
            let structured = result.structured_content.unwrap_or_default();
            return rest::cut(structured, (tool, &args), Linked::No, bytes_max);
        }
    }
}
