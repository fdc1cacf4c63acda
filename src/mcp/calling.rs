//! A call of a tool: within its time, told of while it is under way, and answered even if it breaks
//! off or its answer is too long.

use super::confirm::Consent;
use super::jobs::{JOB_TIME, REPORT_BYTES_MAX};
use super::rest::{self, Linked};
use super::{CallError, Called, Caller, Handler, Limits, answer, confirm, instruments, listing};
use crate::domain::{Reason, RunId, Value};
use crate::tools::{Definition, ToolKind};
use futures::FutureExt as _;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, CreateTaskResult,
    ProgressNotificationParam,
};
use rmcp::service::RequestContext;
use rmcp::task_manager::TaskContext;
use rmcp::{ErrorData, RoleServer};
use std::panic::AssertUnwindSafe;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Lines of progress that wait for a slow client.
const PROGRESS_MAX: usize = 64;
/// A page is not asked for with fewer items than this, however large an item is.
const ITEMS_MIN: i64 = 1;

/// Who waits for a call.
#[derive(Clone, Copy)]
pub(super) enum Asker<'a> {
    /// A client, for the answer to its request.
    Request(&'a RequestContext<RoleServer>),
    /// Nobody; a client asks after it.
    Job(&'a TaskContext),
    /// A program that speaks no MCP.
    Program(Wants<'a>),
}

/// Leaves of an answer the part that is asked for.
type Cut<'a> = &'a (dyn Fn(&mut serde_json::Value) -> Result<(), CallError> + Send + Sync);

/// What a program wants of a call: the answer, and no more, if nothing is said.
#[derive(Clone, Copy, Default)]
pub struct Wants<'a> {
    cut: Option<Cut<'a>>,
    begun: Option<&'a mpsc::Sender<RunId>>,
}

impl<'a> Wants<'a> {
    /// A part of the answer; it is taken before it is looked at whether the answer fits.
    pub fn part(cut: Cut<'a>) -> Self {
        Self { cut: Some(cut), begun: None }
    }

    /// To know which run the call begins, as soon as it has.
    pub fn run(begun: &'a mpsc::Sender<RunId>) -> Self {
        Self { cut: None, begun: Some(begun) }
    }
}

impl Asker<'_> {
    /// How long the call may take.
    fn time(self, limits: &Limits) -> Duration {
        match self {
            Self::Request(_) | Self::Program(_) => limits.call_time,
            Self::Job(_) => JOB_TIME,
        }
    }

    /// How long its answer may be.
    fn bytes_max(self, limits: &Limits) -> usize {
        match self {
            Self::Request(_) | Self::Program(_) => limits.response_bytes_max,
            Self::Job(_) => limits.response_bytes_max.min(REPORT_BYTES_MAX),
        }
    }

    /// Waits until it is told to stop.
    async fn cancelled(self) {
        match self {
            Self::Request(context) => context.ct.cancelled().await,
            Self::Job(job) => job.cancelled().await,
            // Whoever hangs up drops the call.
            Self::Program(_) => std::future::pending().await,
        }
    }
}

/// What a client was told of a call that is under way.
struct Told<'a> {
    asker: Asker<'a>,
    so_far: f64,
}

impl Told<'_> {
    /// Tells a line, if the client wants to know.
    async fn tell(&mut self, line: String) {
        match self.asker {
            Asker::Job(job) => job.set_status_message(line),
            Asker::Program(_) => {}
            Asker::Request(context) => {
                let Some(token) = context.meta.get_progress_token() else { return };
                self.so_far += 1.0;
                let progress = ProgressNotificationParam::new(token, self.so_far);
                // Whoever does not listen to progress still gets the answer.
                let _ = context.peer.notify_progress(progress.with_message(line)).await;
            }
        }
    }
}

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
        match self.consent(caller, tool, &mut request, context).await {
            Consent::Given => {}
            Consent::Ask(question) => return Ok((*question).into()),
            Consent::Refused(error) => {
                let elapsed = self.clock().boot().saturating_sub(began);
                instruments::called(tool.name, Some(&error.code), elapsed);
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
        let has_patience = context.client_capabilities().is_some_and(|can| can.supports_tasks());
        if tool.is_bulk()
            && self.keeps_jobs()
            && has_patience
            && let Some(task) = self.jobs().begin(self, caller, tool, args.clone())
        {
            return Ok(CreateTaskResult::new(task).into());
        }
        let asker = Asker::Request(context);
        Ok(self.answered(caller, tool, args, asker).await.into())
    }

    /// Calls a tool for a program that speaks no MCP: the same tools under the same limits. What a
    /// client of MCP would be asked about, a program confirms by name, unless the request as such does.
    ///
    /// # Errors
    /// [`CallError`] with its stable code; its causes stand in the message where that is configured.
    pub async fn answer_program(
        &self,
        caller: &Caller,
        name: &str,
        arguments: serde_json::Map<String, serde_json::Value>,
        is_confirmed: bool,
    ) -> Result<serde_json::Value, CallError> {
        self.answer_as(caller, name, arguments, is_confirmed, Wants::default()).await
    }

    /// The same for a program that wants something else than the whole answer at its end.
    ///
    /// # Errors
    /// [`CallError`], also with what a cut refuses.
    pub async fn answer_as(
        &self,
        caller: &Caller,
        name: &str,
        mut arguments: serde_json::Map<String, serde_json::Value>,
        is_confirmed: bool,
        wants: Wants<'_>,
    ) -> Result<serde_json::Value, CallError> {
        let Some(tool) = listing::reachable(name, caller) else {
            instruments::no_such_tool();
            let message = format!("there is no tool {} for you", crate::fault::shown(name));
            return Err(CallError::of(Reason::UnknownTool.code(), message));
        };
        let began = self.clock().boot();
        let answer = async {
            if !is_confirmed {
                confirm::by_name(tool, &mut arguments)?;
            }
            let args = serde_json::from_value(serde_json::Value::Object(arguments));
            let args: Value = args.map_err(|_| {
                let message = "the arguments hold a number that is too large";
                CallError::of(Reason::InvalidArguments.code(), message)
            })?;
            self.fitting(caller, tool, args, Asker::Program(wants)).await
        };
        let answer = answer.await;
        let code = answer.as_ref().err().map(|error| error.code.as_str());
        instruments::called(tool.name, code, self.clock().boot().saturating_sub(began));
        match answer {
            Ok(result) => Ok(result.structured_content.unwrap_or_default()),
            Err(error) => {
                let message = answer::harmless(&answer::message(&error, self.limits()));
                Err(CallError { message, causes: Vec::new(), ..error })
            }
        }
    }

    /// Calls a tool and makes an answer of it that fits; counted.
    pub(super) async fn answered(
        &self,
        caller: &Caller,
        tool: &'static Definition,
        args: Value,
        asker: Asker<'_>,
    ) -> CallToolResult {
        let began = self.clock().boot();
        let answered = self.fitting(caller, tool, args, asker).await;
        let code = answered.as_ref().err().map(|error| error.code.as_str());
        instruments::called(tool.name, code, self.clock().boot().saturating_sub(began));
        answered.unwrap_or_else(|error| answer::error(&error, self.limits()))
    }

    /// Calls a tool and makes what fits of its answer.
    async fn fitting(
        &self,
        caller: &Caller,
        tool: &'static Definition,
        mut args: Value,
        asker: Asker<'_>,
    ) -> Result<CallToolResult, CallError> {
        let limits = self.limits();
        let until = Instant::now() + asker.time(limits);
        let bytes_max = asker.bytes_max(limits);
        loop {
            let done = self.call_until(until, caller, (tool.name, args.clone()), asker).await?;
            let mut result = answer::result(done);
            if let (Asker::Program(Wants { cut: Some(cut), .. }), Some(whole)) =
                (asker, &mut result.structured_content)
            {
                cut(whole)?;
                // Of the text, which is about all of it, a program sees nothing.
                result.content.clear();
            }
            if answer::fits(&result, bytes_max) {
                return Ok(result);
            }
            // It was done, and whoever is told that it failed does it again.
            if tool.kind != ToolKind::Read {
                return Ok(answer::shortened(result));
            }
            // A shorter page is whole, and has the cursor with which to go on.
            match shorter(tool.kind, tool.input_schema.get("properties"), &args) {
                Some(fewer) => args = fewer,
                // No program reads by address.
                None if matches!(asker, Asker::Program(_)) => return Err(too_long(bytes_max)),
                None => {
                    let structured = result.structured_content.unwrap_or_default();
                    return rest::cut(structured, (tool, &args), Linked::Yes, bytes_max);
                }
            }
        }
    }

    pub(super) async fn call(
        &self,
        caller: &Caller,
        tool: &str,
        args: Value,
        context: &RequestContext<RoleServer>,
    ) -> Result<Called, CallError> {
        let until = Instant::now() + self.limits().call_time;
        self.call_until(until, caller, (tool, args), Asker::Request(context)).await
    }

    async fn call_until(
        &self,
        until: Instant,
        caller: &Caller,
        (tool, args): (&str, Value),
        asker: Asker<'_>,
    ) -> Result<Called, CallError> {
        let (told, mut lines) = mpsc::channel(PROGRESS_MAX);
        let call = match asker {
            Asker::Program(Wants { begun: Some(begun), .. }) => {
                self.calls.call_for_run(caller, tool, args, begun.clone())
            }
            _ => self.calls.call(caller, tool, args, told),
        };
        let call = AssertUnwindSafe(call).catch_unwind();
        let call = tokio::time::timeout_at(until, call);
        tokio::pin!(call);
        let mut progress = Told { asker, so_far: 0.0 };
        let mut is_wanted = true;
        let ended = loop {
            tokio::select! {
                biased;
                ended = &mut call => break ended,
                () = asker.cancelled(), if is_wanted => match asker {
                    Asker::Request(_) | Asker::Program(_) => {
                        return Err(CallError::of("cancelled", "the call was cancelled"));
                    }
                    // It begins no other item, and reports.
                    Asker::Job(_) => {
                        is_wanted = false;
                        lines.close();
                    }
                },
                Some(line) = lines.recv() => progress.tell(line).await,
            }
        };
        // What was done last is told before the answer to it.
        while let Ok(line) = lines.try_recv() {
            progress.tell(line).await;
        }
        match ended {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => {
                tracing::error!(tool, "the tool broke off: a fault of the program");
                let message = "the tool broke off: a fault of the program, see its log";
                Err(CallError { retryable: false, ..CallError::of("tool_failed", message) })
            }
            Err(_) => Err(timed_out(tool, asker, self.limits())),
        }
    }
}

/// The same arguments for a page of half the size; `None` where the tool has no pages, or they are
/// as short as they can be.
pub(super) fn shorter(kind: ToolKind, properties: Option<&Value>, args: &Value) -> Option<Value> {
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

fn timed_out(tool: &str, asker: Asker<'_>, limits: &Limits) -> CallError {
    let seconds = asker.time(limits).as_secs();
    let setting = match asker {
        Asker::Request(_) | Asker::Program(_) => " (MCP_MAX_EXECUTION_TIME)",
        Asker::Job(_) => "",
    };
    let message = format!(
        "{tool} took longer than {seconds} s{setting}; what it began may go on, so look before you \
         repeat it"
    );
    CallError { retryable: true, ..CallError::of("timed_out", message) }
}

/// An answer that cannot be cut to what may be sent.
pub(super) fn too_long(bytes_max: usize) -> CallError {
    let message =
        format!("the answer has more than {bytes_max} bytes (MCP_MAX_RESPONSE_SIZE); ask for less");
    CallError::of("response_too_large", message)
}

#[cfg(test)]
mod tests {
    use super::super::{Calls, Seals};
    use super::*;
    use crate::clock::{ManualClock, SystemEntropy};
    use crate::domain::from_millis;
    use async_trait::async_trait;
    use std::sync::Arc;

    /// Has a fault.
    struct Faulty;

    #[async_trait]
    impl Calls for Faulty {
        async fn call(
            &self,
            _: &Caller,
            tool: &str,
            _: Value,
            _: mpsc::Sender<String>,
        ) -> Result<Called, CallError> {
            assert_ne!(tool, "getTicket", "a fault of the program, with a secret in its words");
            Ok(Called { text: "done".to_owned(), ..Called::default() })
        }
    }

    #[tokio::test]
    async fn a_tool_that_panics_is_answered_and_the_next_one_works() {
        let clock = Arc::new(ManualClock::at(from_millis(0)));
        let seals = Seals::new(&SystemEntropy);
        let handler = Handler::for_http(Arc::new(Faulty), clock, seals, Limits::default());
        let caller = Caller::owner();
        let args = || serde_json::Map::from_iter([("id".to_owned(), 7.into())]);
        let failed = handler.answer_program(&caller, "getTicket", args(), true).await.unwrap_err();
        assert_eq!(failed.code, "tool_failed");
        assert!(!failed.message.contains("secret"), "{}", failed.message);
        let done = handler.answer_program(&caller, "getMilestone", args(), true).await;
        assert!(done.is_ok(), "{done:?}");
    }
}
