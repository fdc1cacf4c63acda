//! Calling a tool: whether it may be, with consent where that is needed, and an answer that fits.

use super::confirm::Consent;
use super::handler::Handler;
use super::{CallError, Caller, Limits, answer, instruments, listing};
use crate::domain::Value;
use crate::tools::{Definition, ToolKind};
use rmcp::model::{CallToolRequestParams, CallToolResponse, CallToolResult};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer};
use tokio::time::Instant;

/// A page is not asked for with fewer items than this, however large an item is.
const ITEMS_MIN: i64 = 1;

impl Handler {
    /// Calls a tool, within its time, and answers even if it breaks off.
    pub(super) async fn perform(
        &self,
        caller: &Caller,
        mut request: CallToolRequestParams,
        context: &RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let name = request.name.to_string();
        let Some(tool) = listing::definition_for(&name, caller) else {
            let shown: String = name.chars().filter(|c| !c.is_control()).take(80).collect();
            let message = format!("there is no tool {shown:?} for you; see tools/list");
            instruments::no_such_tool();
            return Err(ErrorData::invalid_params(message, None));
        };
        let began = self.clock().boot();
        let ended = |code: Option<&str>| {
            instruments::called(tool.name, code, self.clock().boot().saturating_sub(began));
        };
        match self.consent(caller, tool, &mut request, context).await {
            Consent::Given => {}
            Consent::Ask(question) => return Ok((*question).into()),
            Consent::Refused(error) => {
                ended(Some(&error.code));
                return Ok(answer::error(&error, self.limits()).into());
            }
        }
        let args = serde_json::Value::Object(request.arguments.unwrap_or_default());
        let Ok(args) = serde_json::from_value::<Value>(args) else {
            return Err(ErrorData::invalid_params(
                "the arguments hold what no JSON can hold",
                None,
            ));
        };
        let answered = self.answered(caller, tool, args, context).await;
        ended(answered.as_ref().err().map(|error| error.code.as_str()));
        Ok(answered.unwrap_or_else(|error| answer::error(&error, self.limits())).into())
    }

    /// Calls a tool and makes what fits of its answer.
    async fn answered(
        &self,
        caller: &Caller,
        tool: &'static Definition,
        mut args: Value,
        context: &RequestContext<RoleServer>,
    ) -> Result<CallToolResult, CallError> {
        let until = Instant::now() + self.limits().call_time;
        loop {
            let done = self.call_until(until, caller, (tool.name, args.clone()), context).await?;
            let result = answer::result(&done);
            if answer::bytes(&result) <= self.limits().response_bytes_max {
                return Ok(result);
            }
            // It was done, and whoever is told that it failed does it again.
            if tool.kind != ToolKind::Read {
                return Ok(answer::shortened(&done));
            }
            // A shorter page is whole, and has the cursor with which to go on.
            match shorter(tool.kind, tool.input_schema.get("properties"), &args) {
                Some(fewer) => args = fewer,
                None => return Err(too_large(self.limits())),
            }
        }
    }
}

/// The same arguments for a page of half the size; `None` where the tool has no pages, or they are
/// as short as they can be.
fn shorter(kind: ToolKind, properties: Option<&Value>, args: &Value) -> Option<Value> {
    let has_pages = |name| properties.is_some_and(|known| known.get(name).is_some());
    if kind != ToolKind::Read || !has_pages("limit") || !has_pages("cursor") {
        return None;
    }
    let asked = args.get("limit").and_then(Value::as_int).unwrap_or(64);
    if asked <= ITEMS_MIN {
        return None;
    }
    let mut map = args.as_map().cloned().unwrap_or_default();
    map.insert("limit".to_owned(), (asked / 2).max(ITEMS_MIN).into());
    Some(Value::Map(map))
}

fn too_large(limits: &Limits) -> CallError {
    CallError::of(
        "response_too_large",
        format!(
            "the answer has more than {} bytes (MCP_MAX_RESPONSE_SIZE); ask for less",
            limits.response_bytes_max
        ),
    )
}
