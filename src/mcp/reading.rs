//! Reading by address, and completing what somebody types into a prompt's argument.

use super::calling::too_long;
use super::handler::Handler;
use super::resources::{Address, MIME};
use super::rest::{self, Linked, Rest};
use super::{CallError, Caller, answer, listing, prompts, schema};
use crate::domain::Value;
use crate::tools::Definition;
use rmcp::model::{
    CompleteRequestParams, CompletionInfo, ReadResourceResult, Reference, ResourceContents,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer};

/// How many tasks are looked at to complete a headline.
const TASKS_MAX: i64 = 200;
/// What stands around a text that is read, beside its address.
const ENVELOPE_BYTES_MAX: usize = 160;

impl Handler {
    /// What stands at an address, for this caller.
    pub(super) async fn read(
        &self,
        caller: &Caller,
        uri: &str,
        context: &RequestContext<RoleServer>,
    ) -> Result<ReadResourceResult, ErrorData> {
        let shown: String = uri.chars().filter(|c| !c.is_control()).take(120).collect();
        let not_found = || {
            let message = format!("there is nothing at {shown:?} for you; see resources/list");
            ErrorData::resource_not_found(message, Some(serde_json::json!({ "uri": shown })))
        };
        let rest = Rest::parse(uri, caller);
        let (name, args) = match (&rest, Address::parse(uri)) {
            (Some(rest), _) => (rest.tool.name, rest.args.clone()),
            (None, Some(address)) => (address.tool, address.args),
            (None, None) => return Err(not_found()),
        };
        let tool = listing::definition_for(name, caller).ok_or_else(not_found)?;
        let bytes_max = self.limits().response_bytes_max;
        let room = bytes_max.saturating_sub(answer::written(uri) + ENVELOPE_BYTES_MAX);
        let read = self.call(caller, tool.name, args.clone(), context).await;
        match read.and_then(|done| as_text(done.value, (tool, &args), rest.as_ref(), room)) {
            Ok(text) => sent(uri, text, bytes_max),
            Err(error) if error.code == "not_found" => Err(not_found()),
            Err(error) => {
                Err(ErrorData::internal_error(answer::message(&error, self.limits()), None))
            }
        }
    }

    /// What may be meant by what was typed so far: at most a hundred, those that begin so first.
    pub(super) async fn completions(
        &self,
        caller: &Caller,
        request: &CompleteRequestParams,
        context: &RequestContext<RoleServer>,
    ) -> Result<CompletionInfo, ErrorData> {
        let name = request.argument.name.as_str();
        let is_known = match &request.r#ref {
            Reference::Prompt(prompt) => prompts::takes(&prompt.name, name),
            Reference::Resource(template) => template.uri.contains(&format!("{{{name}}}")),
            _ => false,
        };
        let by_number = matches!(request.r#ref, Reference::Resource(_));
        let (tool, args, label) = match name {
            "project" => ("getAllProjects", Value::map::<&str, Value>([]), "name"),
            "person" => ("listPeople", Value::map::<&str, Value>([]), "name"),
            "task" => {
                let args = [("limit", Value::from(TASKS_MAX)), ("status", "open".into())];
                ("findTasks", Value::map(args), "headline")
            }
            _ => return Ok(CompletionInfo::default()),
        };
        if !is_known || listing::definition_for(tool, caller).is_none() {
            return Ok(CompletionInfo::default());
        }
        let found = self.call(caller, tool, args, context).await.map_err(|error| {
            ErrorData::internal_error(answer::message(&error, self.limits()), None)
        })?;
        let items = found.value.get("items").and_then(Value::as_list).unwrap_or_default();
        let labels = items.iter().filter_map(|item| {
            let (id, text) = (item.get("id")?.as_int()?, item.get(label)?.as_text()?);
            Some(if by_number { id.to_string() } else { text.to_owned() })
        });
        let values = matching(labels, &request.argument.value);
        let total = u32::try_from(values.len()).ok();
        let more = values.len() > CompletionInfo::MAX_VALUES;
        let values = values.into_iter().take(CompletionInfo::MAX_VALUES).collect();
        CompletionInfo::with_pagination(values, total, more)
            .map_err(|error| ErrorData::internal_error(error, None))
    }
}

/// A text as it is sent, if it is no larger than it may be on its way: within a message each quote and
/// each escape of it takes more than one byte.
fn sent(uri: &str, text: String, bytes_max: usize) -> Result<ReadResourceResult, ErrorData> {
    let contents = ResourceContents::TextResourceContents {
        uri: uri.to_owned(),
        mime_type: Some(MIME.to_owned()),
        text,
        meta: None,
    };
    let result = ReadResourceResult::new(vec![contents]);
    if !answer::is_within(&result, bytes_max) {
        let message = "it is larger than MCP_MAX_RESPONSE_SIZE; call the tool for less";
        return Err(ErrorData::internal_error(message, None));
    }
    Ok(result)
}

/// What is sent of what was read: as much as there is room for.
fn as_text(
    value: Value,
    (tool, args): (&'static Definition, &Value),
    rest: Option<&Rest>,
    room: usize,
) -> Result<String, CallError> {
    if let Some(rest) = rest {
        return rest.read(value, room);
    }
    let structured = schema::without_nulls(value);
    let mut text = structured.to_string();
    let mut bytes_max = room;
    while answer::written(&text) > room {
        // A text in a text: its quotes are written twice.
        bytes_max /= 2;
        let cut = rest::cut(structured.clone(), (tool, args), Linked::Yes, bytes_max);
        let cut = cut.map_err(|_| too_long(room))?;
        text = cut.structured_content.unwrap_or_default().to_string();
    }
    Ok(text)
}

/// Those that hold what was typed, without regard to case; those that begin with it first.
fn matching(labels: impl Iterator<Item = String>, typed: &str) -> Vec<String> {
    let typed = typed.trim().to_lowercase();
    let mut found: Vec<(bool, String)> = labels
        .filter_map(|label| {
            let folded = label.to_lowercase();
            folded.contains(&typed).then(|| (!folded.starts_with(&typed), label))
        })
        .collect();
    found.sort();
    found.dedup();
    found.into_iter().map(|(_, label)| label).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_begins_as_typed_comes_first_and_nothing_twice() {
        let labels = ["Old website", "Website", "webshop", "Finance", "Website"];
        let found = matching(labels.iter().map(|label| (*label).to_owned()), " WEB ");
        assert_eq!(found, ["Website", "webshop", "Old website"]);
        assert_eq!(matching(std::iter::once("x".to_owned()), ""), ["x"]);
    }

    #[test]
    fn what_is_read_is_measured_as_it_is_sent() {
        let text = "\"\\\n\u{1}".repeat(500);
        let uri = "rota://task/7";
        let whole = sent(uri, text.clone(), usize::MAX).unwrap();
        let exactly = serde_json::to_vec(&whole).unwrap().len();
        assert!(exactly > 3 * text.len() && exactly < 4 * text.len(), "{exactly}");
        assert_eq!(sent(uri, text.clone(), exactly), Ok(whole));
        for bytes_max in [exactly - 1, text.len()] {
            let refused = sent(uri, text.clone(), bytes_max).unwrap_err();
            assert!(refused.message.contains("MCP_MAX_RESPONSE_SIZE"), "{refused:?}");
        }
    }
}
