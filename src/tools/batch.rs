//! Several single calls by one: each is read, planned, guarded and journaled as if it had been made
//! alone, and reported by itself.

use super::definition::Handler;
use super::guard::{self, Asked, Failed};
use super::registry::{Parts, ToolRegistry};
use super::show::{self, BulkError, BulkItem, BulkView};
use super::write::Planned;
use super::{Context, ToolError, ToolResult, beside, limited};
use crate::board::BATCH_MAX;
use crate::domain::{Reason, ToolCall, Value};

/// The calls that a bulk tool stands for.
#[derive(Debug)]
pub(super) struct Batch {
    /// In their order; an error is one that cannot be made.
    pub calls: Vec<Result<ToolCall, ToolError>>,
    /// All or nothing.
    pub atomic: bool,
    /// Nothing is written.
    pub dry_run: bool,
    /// Whether the caller does not know yet what is written: then it is shown.
    pub shows: bool,
}

impl Batch {
    /// Calls of one tool.
    pub(super) fn of(
        tool: &str,
        items: Vec<Value>,
        (atomic, dry_run): (bool, bool),
        how: impl Fn(Value) -> Result<Value, ToolError>,
    ) -> Self {
        let call = |item| how(item).map(|args| ToolCall { tool: tool.to_owned(), args });
        Self { calls: items.into_iter().map(call).collect(), atomic, dry_run, shows: dry_run }
    }
}

/// Carries a batch out.
pub(super) async fn carry_out(
    registry: &ToolRegistry,
    parts: &Parts,
    context: &Context,
    (bulk, batch): (&str, Batch),
) -> Result<ToolResult, ToolError> {
    let count = batch.calls.len();
    if count == 0 || count > BATCH_MAX {
        let message = format!("{bulk}: {count} items; expected 1 to {BATCH_MAX}");
        return Err(ToolError::rejected(Reason::InvalidArguments, message));
    }
    let Batch { calls, atomic, dry_run, shows } = batch;
    let mut report = Report { bulk, count, shows, dry_run, items: Vec::with_capacity(count) };
    if atomic && !dry_run {
        for result in all_or_nothing((registry, parts), context, bulk, calls).await? {
            report.add(context, Ok(result));
        }
        return Ok(report.ended());
    }
    for (index, call) in calls.into_iter().enumerate() {
        if context.progress.is_over() {
            break;
        }
        let result = match call {
            Ok(call) => one((registry, parts), context, bulk, (index, call), dry_run).await,
            Err(error) => Err(error),
        };
        match result {
            Err(error) if error.is_fatal() => return Err(error),
            result => report.add(context, result),
        }
    }
    Ok(report.ended())
}

/// One of them, by itself.
async fn one(
    (registry, parts): (&ToolRegistry, &Parts),
    context: &Context,
    bulk: &str,
    (index, call): (usize, ToolCall),
    dry_run: bool,
) -> Result<ToolResult, ToolError> {
    let (tool, planned) = planned(registry, parts, context, &call).await?;
    if dry_run {
        return guard::foresee(parts, context, &planned).await;
    }
    let asked = Asked { tool, bulk: Some(bulk), args: call.args };
    // A key for "never twice" is for the whole call: each of several has its own.
    let run = context.run.as_ref().map(|run| guard::one_of(run, index));
    let context = Context { run, ..context.clone() };
    guard::write(parts, &context, asked, planned).await
}

/// Reads and plans one call; nothing is written.
async fn planned(
    registry: &ToolRegistry,
    parts: &Parts,
    context: &Context,
    call: &ToolCall,
) -> Result<(&'static str, Planned), ToolError> {
    let single = registry.definition(&call.tool);
    let Some((single, Handler::Write(plan))) = single.map(|tool| (tool, &tool.handler)) else {
        let message = format!("{} cannot be one of several", call.tool);
        return Err(ToolError::fatal(Reason::Unsupported, message));
    };
    guard::has_role(single, context)?;
    let (beside, args) = beside::take(single, call.args.clone())?;
    beside.belongs_to_one()?;
    let planned = plan(parts, context, args).await?;
    limited::check_reach(parts, single, &planned).await?;
    Ok((single.name, Planned { revision: beside.revision, ..planned }))
}

async fn all_or_nothing(
    (registry, parts): (&ToolRegistry, &Parts),
    context: &Context,
    bulk: &str,
    calls: Vec<Result<ToolCall, ToolError>>,
) -> Result<Vec<ToolResult>, ToolError> {
    let mut all = Vec::with_capacity(calls.len());
    for (index, call) in calls.into_iter().enumerate() {
        let call = call.map_err(|error| nothing(Some(index), error))?;
        let planned = planned(registry, parts, context, &call).await;
        let (tool, planned) = planned.map_err(|error| nothing(Some(index), error))?;
        all.push((Asked { tool, bulk: Some(bulk), args: call.args }, planned));
    }
    let written = guard::write_all(parts, context, all).await;
    written.map_err(|Failed { index, error }| match error {
        // The board did not say whether it happened.
        ToolError::Rejected { reason: reason @ Reason::BoardUnavailable, message, causes } => {
            let unclear =
                "it is not known whether any of it was written: look before you repeat it";
            ToolError::Rejected { reason, message: format!("{message}; {unclear}"), causes }
        }
        error => nothing(index, error),
    })
}

/// One of them failed, so none was done.
fn nothing(index: Option<usize>, error: ToolError) -> ToolError {
    match error {
        ToolError::Rejected { reason, message, causes } => {
            let which = index.map_or_else(String::new, |index| format!("item {index}: "));
            ToolError::Rejected {
                reason,
                message: format!("{which}{message}; nothing was written"),
                causes,
            }
        }
        fatal @ ToolError::Fatal { .. } => fatal,
    }
}

/// What became of each.
struct Report<'a> {
    bulk: &'a str,
    count: usize,
    shows: bool,
    dry_run: bool,
    items: Vec<BulkItem>,
}

impl Report<'_> {
    fn add(&mut self, context: &Context, result: Result<ToolResult, ToolError>) {
        let index = self.items.len();
        let item = match result {
            Ok(result) => self.item(index, &result.value),
            Err(error) => {
                let (code, message) = (error.reason().code().to_owned(), error.to_string());
                BulkItem { index, error: Some(BulkError { code, message }), ..BulkItem::default() }
            }
        };
        let failed = item.error.as_ref().map(|error| error.code.as_str());
        let line = failed.or(item.entity.as_deref()).unwrap_or_default();
        context.progress.tell(format!("{} {} of {}: {line}", self.bulk, index + 1, self.count));
        self.items.push(item);
    }

    /// What a single call came to, without what the caller knows.
    fn item(&self, index: usize, value: &Value) -> BulkItem {
        let text = |name: &str| value.get(name).and_then(Value::as_text).map(str::to_owned);
        let fields = |name: &str| {
            let json = serde_json::to_value(value.get(name)?).ok()?;
            serde_json::from_value(json).ok()
        };
        BulkItem {
            index,
            id: value.get("id").and_then(Value::as_int),
            entity: text("entity"),
            changed: value.get("changed").and_then(Value::as_bool),
            note: text("note"),
            after: if self.shows { fields("after") } else { None },
            undo: fields("undo"),
            error: None,
        }
    }

    fn ended(self) -> ToolResult {
        let failed = self.items.iter().filter(|item| item.error.is_some()).count();
        let view = BulkView {
            done: self.items.len() - failed,
            failed,
            left: self.count - self.items.len(),
            dry_run: self.dry_run,
            items: self.items,
        };
        let value = show::value(&view);
        ToolResult { text: show::text(&value), value, effect: None }
    }
}
