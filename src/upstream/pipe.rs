//! A server at the two ends of a pipe: JSON-RPC, a message a line, one question at a time.

use super::{
    ANSWER_BYTES_MAX, Before, DESCRIPTION_BYTES_MAX, ForeignTool, Pipes, SCHEMA_BYTES_MAX, Starter,
    TOOLS_MAX, Told, Upstream, UpstreamError, WIRE_NAME_BYTES_MAX, wire_name,
};
use crate::domain::Value;
use crate::instruments::spans;
use async_trait::async_trait;
use serde_json::{Value as Json, json};
use std::any::Any;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::{Instant, timeout};

/// The longest line of a server.
const LINE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How long a server may take to begin and to list its tools.
const START_TIME: Duration = Duration::from_secs(20);
/// How many messages that are no answer may come before the answer.
const ASIDES_MAX: u32 = 10_000;
/// How many pages of tools are asked for.
const PAGES_MAX: u32 = 32;
/// The wait after the second failure in a row; doubled after each further one.
const PAUSE_FIRST: Duration = Duration::from_secs(1);
/// The longest wait.
const PAUSE_MAX: Duration = Duration::from_mins(1);
/// So much of a server's own words is repeated in an error.
const SAID_CHARS_MAX: usize = 300;

/// A server at a pipe.
#[derive(Debug)]
pub struct PipedServer {
    name: String,
    starter: Arc<dyn Starter>,
    call_time: Duration,
    /// Whether its list of tools is kept while it runs.
    keeps_list: bool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    wire: Option<Wire>,
    /// In a row.
    failures: u32,
    not_before: Option<Instant>,
}

/// A server that was started and answers.
struct Wire {
    read: BufReader<Box<dyn AsyncRead + Send + Sync + Unpin>>,
    write: Box<dyn AsyncWrite + Send + Sync + Unpin>,
    _life: Box<dyn Any + Send + Sync>,
    last_id: u64,
    /// What it offers; `None` until it is asked, and after it said that this changed.
    tools: Option<Arc<[ForeignTool]>>,
    /// It said that this changed since it was asked last.
    is_changed: bool,
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wire").field("last_id", &self.last_id).finish_non_exhaustive()
    }
}

/// Why there is no answer.
enum Broken {
    NotSent(String),
    Sent(String),
}

/// An answer, or the server's own error.
type Answered = Result<Json, Refusal>;

/// An error that the server, or the bridge to it, answered with.
struct Refusal {
    said: String,
    /// It says that nothing was done; any other may have come after it was.
    is_certain: bool,
}

impl Refusal {
    fn of(error: &Json) -> Self {
        let said = cleaned(error["message"].as_str().unwrap_or("without a word"));
        let is_certain = match error["data"]["code"].as_str() {
            Some(code) => CERTAIN.contains(&code),
            None => error["code"].as_i64().is_some_and(|code| NEVER_BEGUN.contains(&code)),
        };
        Self { said, is_certain }
    }
}

/// Errors of JSON-RPC that come before anything is done: no JSON, no request, no method, no such arguments.
const NEVER_BEGUN: [i64; 4] = [-32_700, -32_600, -32_601, -32_602];
/// Codes of the bridge that say so.
const CERTAIN: [&str; 9] = [
    "certificate_refused",
    "forbidden",
    "moved",
    "not_found",
    "not_mcp",
    "rate_limited",
    "refused",
    "unauthorized",
    "unreachable",
];
/// So often the tools are listed again because they changed meanwhile.
const LISTINGS_MAX: u32 = 3;

impl PipedServer {
    /// Nothing is started yet. A call may take so long.
    pub fn new(name: &str, starter: Arc<dyn Starter>, call_time: Duration) -> Self {
        let (name, state) = (name.to_owned(), Mutex::default());
        Self { name, starter, call_time, keeps_list: true, state }
    }

    /// Whether the tools that it lists are kept while it runs; else it is asked each time.
    #[must_use]
    pub fn keeping_its_list(mut self, keeps_list: bool) -> Self {
        self.keeps_list = keeps_list;
        self
    }

    /// The wire, with the list of tools; taken out, so that a question that is given up half-way
    /// leaves none on which its answer could be taken for the next one's.
    async fn ready(&self, state: &mut State) -> Result<Wire, UpstreamError> {
        if let Some(wire) = state.wire.take_if(|wire| wire.tools.is_some()) {
            return Ok(wire);
        }
        if let Some(left) =
            state.not_before.and_then(|at| at.checked_duration_since(Instant::now()))
            && !left.is_zero()
        {
            let left = left.as_secs() + 1;
            let what = format!("the server {} failed; it is tried again in {left} s", self.name);
            return Err(UpstreamError::NotSent(what));
        }
        let made = timeout(START_TIME, async {
            let mut wire = match state.wire.take() {
                Some(wire) => wire,
                None => self.begin().await?,
            };
            for _ in 0..LISTINGS_MAX {
                wire.is_changed = false;
                let tools = wire.list(&self.name).await?;
                wire.tools = Some(tools);
                if !wire.is_changed {
                    break;
                }
            }
            Ok::<_, Broken>(wire)
        });
        let what = match made.await {
            Ok(Ok(wire)) => return Ok(wire),
            Ok(Err(Broken::NotSent(what) | Broken::Sent(what))) => what,
            Err(_) => "it does not answer".to_owned(),
        };
        state.failed();
        let what = format!("the server {} cannot be used: {what}", self.name);
        Err(UpstreamError::NotSent(what))
    }

    /// One asks at a time; nobody waits for ever.
    async fn turn(&self) -> Result<MutexGuard<'_, State>, UpstreamError> {
        timeout(self.call_time, self.state.lock()).await.map_err(|_| {
            let time = crate::domain::show_duration(self.call_time);
            UpstreamError::NotSent(format!("{}: others have been asking it for {time}", self.name))
        })
    }

    async fn begin(&self) -> Result<Wire, Broken> {
        let started = self.starter.start().await;
        let Pipes { read, write, life } = started
            .map_err(|error| Broken::NotSent(format!("it cannot be started ({})", error.kind())))?;
        let read = BufReader::new(read);
        let mut wire =
            Wire { read, write, _life: life, last_id: 0, tools: None, is_changed: false };
        let hello = json!({
            "protocolVersion": "2025-11-25", "capabilities": {},
            "clientInfo": { "name": "rota", "version": env!("CARGO_PKG_VERSION") }
        });
        let answer = wire.ask("initialize", &hello).await?;
        answer.map_err(|no| Broken::NotSent(format!("it refused to begin: {}", no.said)))?;
        wire.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await?;
        Ok(wire)
    }
}

impl State {
    /// The second failure in a row and those after it make whoever asks wait.
    fn failed(&mut self) {
        self.failures = self.failures.saturating_add(1);
        let pause = match self.failures {
            0 | 1 => Duration::ZERO,
            more => PAUSE_FIRST.saturating_mul(1 << (more - 2).min(10)).min(PAUSE_MAX),
        };
        self.not_before = Some(Instant::now() + pause);
    }

    fn did_well(&mut self, wire: Wire) {
        *self = Self { wire: Some(wire), ..Self::default() };
    }
}

#[async_trait]
impl Upstream for PipedServer {
    async fn tools(&self) -> Result<Arc<[ForeignTool]>, UpstreamError> {
        let mut state = self.turn().await?;
        if let Some(wire) = state.wire.as_mut().filter(|_| !self.keeps_list) {
            wire.tools = None;
        }
        let wire = self.ready(&mut state).await?;
        let tools = wire.tools.clone().unwrap_or_default();
        // Not yet well: one that dies at every call must not look healthy at every listing.
        state.wire = Some(wire);
        Ok(tools)
    }

    async fn call(
        &self,
        tool: &str,
        fingerprint: &str,
        args: Value,
        before: Before<'_>,
    ) -> Result<Told, UpstreamError> {
        let mut state = self.turn().await?;
        // A server need not say that its tools changed, and what it says is read with the next answer:
        // before something is done it is asked what the tool is now.
        if let Some(wire) = &mut state.wire {
            let mut tools = wire.tools.iter().flat_map(|tools| tools.iter());
            if !self.keeps_list || !tools.any(|it| it.name == tool && it.read_only) {
                wire.tools = None;
            }
        }
        let mut wire = self.ready(&mut state).await?;
        let offered = wire.tools.iter().flat_map(|tools| tools.iter());
        let is_as_accepted =
            offered.into_iter().any(|it| it.name == tool && it.fingerprint() == fingerprint);
        if !is_as_accepted {
            state.wire = Some(wire);
            return Err(UpstreamError::Changed);
        }
        // Here and not earlier: waiting, starting and listing take their time.
        if !before.await {
            state.wire = Some(wire);
            return Err(UpstreamError::Barred);
        }
        let args =
            if args.is_null() { Value::Map(std::collections::BTreeMap::new()) } else { args };
        let mut params = json!({ "name": tool, "arguments": args });
        // As MCP passes on which work a call is part of.
        if let Some(parent) = spans::traceparent() {
            params["_meta"] = json!({ "traceparent": parent });
        }
        let asked = timeout(self.call_time, wire.ask("tools/call", &params)).await;
        match asked {
            Ok(Ok(answer)) => {
                state.did_well(wire);
                answer.map(|result| told(&result)).map_err(|Refusal { said, is_certain }| {
                    if is_certain {
                        return UpstreamError::Refused(said);
                    }
                    UpstreamError::Unknown(format!("{} answered with an error: {said}", self.name))
                })
            }
            Ok(Err(Broken::NotSent(what))) => {
                state.failed();
                Err(UpstreamError::NotSent(format!("{}: {what}", self.name)))
            }
            Ok(Err(Broken::Sent(what))) => {
                state.failed();
                Err(UpstreamError::Unknown(format!("{}: {what}", self.name)))
            }
            Err(_) => {
                state.failed();
                let time = crate::domain::show_duration(self.call_time);
                Err(UpstreamError::Unknown(format!("{} did not answer within {time}", self.name)))
            }
        }
    }
}

impl Wire {
    async fn send(&mut self, message: &Json) -> Result<(), Broken> {
        let mut line = message.to_string().into_bytes();
        line.push(b'\n');
        let written = async {
            self.write.write_all(&line).await?;
            self.write.flush().await
        };
        // A line that is not there as a whole is acted on by nobody.
        written.await.map_err(|_| Broken::NotSent("the server is gone".to_owned()))
    }

    /// Asks and waits for the answer; what comes before it is answered or passed over.
    async fn ask(&mut self, method: &str, params: &Json) -> Result<Answered, Broken> {
        self.last_id += 1;
        let id = self.last_id;
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }))
            .await?;
        for _ in 0..ASIDES_MAX {
            let line = self.line().await.map_err(Broken::Sent)?;
            let Ok(mut message) = serde_json::from_slice::<Json>(&line) else { continue };
            if let Some(method) = message["method"].as_str() {
                let answer = self.aside(method, &message["id"]);
                if let Some(answer) = answer {
                    self.send(&answer).await.map_err(|_| gone())?;
                }
            } else if message["id"] == id {
                if let Some(error) = message.get("error") {
                    return Ok(Err(Refusal::of(error)));
                }
                return Ok(Ok(message["result"].take()));
            }
        }
        Err(Broken::Sent("it says much and does not answer".to_owned()))
    }

    /// What the server asks or tells on its own. We offer it nothing.
    fn aside(&mut self, method: &str, id: &Json) -> Option<Json> {
        if method == "notifications/tools/list_changed" {
            (self.tools, self.is_changed) = (None, true);
        }
        if id.is_null() {
            return None;
        }
        Some(match method {
            "ping" => json!({ "jsonrpc": "2.0", "id": id, "result": {} }),
            _ => json!({ "jsonrpc": "2.0", "id": id,
                "error": { "code": -32_601, "message": "not supported" } }),
        })
    }

    async fn line(&mut self) -> Result<Vec<u8>, String> {
        let mut line = Vec::new();
        loop {
            let piece = self.read.fill_buf().await.map_err(|_| "the server is gone".to_owned())?;
            if piece.is_empty() {
                return Err("the server is gone".to_owned());
            }
            let end = piece.iter().position(|byte| *byte == b'\n');
            let taken = end.unwrap_or(piece.len());
            if line.len() + taken > LINE_BYTES_MAX {
                return Err("its answer is larger than 4 MiB".to_owned());
            }
            line.extend_from_slice(&piece[..taken]);
            let used = taken + usize::from(end.is_some());
            self.read.consume(used);
            if end.is_some() {
                return Ok(line);
            }
        }
    }

    async fn list(&mut self, server: &str) -> Result<Arc<[ForeignTool]>, Broken> {
        let mut tools = Vec::new();
        let mut params = json!({});
        for _ in 0..PAGES_MAX {
            let page = self.ask("tools/list", &params).await?;
            let page =
                page.map_err(|no| Broken::NotSent(format!("it lists no tools: {}", no.said)))?;
            for tool in page["tools"].as_array().into_iter().flatten() {
                match read_tool(server, tool) {
                    Ok(tool) if tools.len() < TOOLS_MAX => tools.push(tool),
                    Ok(_) => {}
                    Err(why) => tracing::warn!(server, "a tool of it is not offered: {why}"),
                }
            }
            let Some(cursor) = page["nextCursor"].as_str() else { break };
            params = json!({ "cursor": cursor });
        }
        tools.sort_by(|a: &ForeignTool, b| a.name.cmp(&b.name));
        // Two of one name could not be told apart.
        let names: Vec<String> = tools.iter().map(|tool| tool.name.clone()).collect();
        tools.retain(|tool| names.iter().filter(|name| **name == tool.name).count() == 1);
        Ok(tools.into())
    }
}

fn gone() -> Broken {
    Broken::Sent("the server is gone".to_owned())
}

fn read_tool(server: &str, tool: &Json) -> Result<ForeignTool, &'static str> {
    let name = tool["name"].as_str().unwrap_or_default();
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if name.is_empty() || !name.chars().all(fits) {
        return Err("its name has other characters than letters, digits, - and _");
    }
    if wire_name(server, name).len() > WIRE_NAME_BYTES_MAX {
        return Err("its name is too long");
    }
    let description = tool["description"].as_str().unwrap_or_default();
    if description.len() > DESCRIPTION_BYTES_MAX {
        return Err("its description is longer than 4 KiB");
    }
    let schema = &tool["inputSchema"];
    if !schema.is_object() || schema.to_string().len() > SCHEMA_BYTES_MAX {
        return Err("its schema is none, or larger than 32 KiB");
    }
    let input_schema = serde_json::from_value(schema.clone()).map_err(|_| "its schema is none")?;
    Ok(ForeignTool {
        name: name.to_owned(),
        description: description.to_owned(),
        input_schema,
        read_only: tool["annotations"]["readOnlyHint"] == true,
    })
}

/// The texts of a result; what else it holds is named.
fn told(result: &Json) -> Told {
    let mut text = String::new();
    for part in result["content"].as_array().into_iter().flatten() {
        if !text.is_empty() {
            text.push('\n');
        }
        match part["text"].as_str() {
            Some(said) => text.push_str(said),
            None => text.push_str("[something that is no text]"),
        }
    }
    let structured = &result["structuredContent"];
    if text.is_empty() && !structured.is_null() {
        text = structured.to_string();
    }
    let mut end = text.len().min(ANSWER_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    if end < text.len() {
        let rest = text.split_off(end);
        let more = format!("\n[{} more bytes were cut; ask for less at once]", rest.len());
        text.push_str(&more);
    }
    Told { text, is_error: result["isError"] == true }
}

/// A server's words in an error: one line, not long.
pub fn cleaned(said: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    said.chars().map(plain).take(SAID_CHARS_MAX).collect()
}
