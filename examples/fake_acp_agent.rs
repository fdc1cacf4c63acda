//! A program that plays an agent of the Agent Client Protocol, and is stricter than a real one:
//! whatever the client does that the protocol does not allow ends it with status 9.
//! `work.runner = "acp"` runs programs like it.
//!
//! ```text
//! fake_acp_agent [--stdio] [--forget TURNS] [--ask JSON]... [--call NAME=JSON]... [--outcome NAME]
//!                [--garbage] [--hang] [--deaf] [--silent] [--die] [--stop REASON] [--cost USD]
//!                [--login] [--key] [--old] [--linger] [--argv FILE] [--leak] [--load FILE]
//! ```
//! In a turn it asks for leave (`--ask`), calls tools of the client's MCP server (`--call`) and at
//! last `finish`. `--forget` ends so many turns without it. `--stdio` knows MCP servers that are
//! programs only. `--hang` answers nothing but `session/cancel`, `--deaf` not even that. `--load` can load its
//! session as long as the file is there which it made for it; in a loaded one it tells what it is told, and is
//! done.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "they are its interface")]

use serde_json::{Value, json};
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines, Stdin, stdin};

/// How it ends when the client breaks the protocol.
const VIOLATED: i32 = 9;

#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
struct Wishes {
    stdio: bool,
    forget: u32,
    asks: Vec<Value>,
    calls: Vec<(String, Value)>,
    outcome: Option<String>,
    garbage: bool,
    hang: bool,
    deaf: bool,
    silent: bool,
    die: bool,
    stop: Option<String>,
    cost: Option<f64>,
    login: bool,
    key: bool,
    old: bool,
    linger: bool,
    argv: Option<String>,
    leak: bool,
    load: Option<String>,
}

fn wishes() -> Result<Wishes, String> {
    let mut wishes = Wishes::default();
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
        match arg.as_str() {
            "--stdio" => wishes.stdio = true,
            "--forget" => wishes.forget = value()?.parse().map_err(|_| "--forget: a number")?,
            "--ask" => wishes.asks.push(json_of(&value()?)?),
            "--call" => {
                let text = value()?;
                let (name, args) = text.split_once('=').ok_or("--call NAME=JSON")?;
                wishes.calls.push((name.to_owned(), json_of(args)?));
            }
            "--outcome" => wishes.outcome = Some(value()?),
            "--garbage" => wishes.garbage = true,
            "--hang" => wishes.hang = true,
            "--deaf" => wishes.deaf = true,
            "--silent" => wishes.silent = true,
            "--die" => wishes.die = true,
            "--stop" => wishes.stop = Some(value()?),
            "--cost" => wishes.cost = Some(value()?.parse().map_err(|_| "--cost: a number")?),
            "--login" => wishes.login = true,
            "--key" => wishes.key = true,
            "--old" => wishes.old = true,
            "--linger" => wishes.linger = true,
            "--argv" => wishes.argv = Some(value()?),
            "--leak" => wishes.leak = true,
            "--load" => wishes.load = Some(value()?),
            other => return Err(format!("unknown argument {other}")),
        }
    }
    Ok(wishes)
}

fn json_of(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("{text}: {error}"))
}

fn violated(what: &str, message: &Value) -> ! {
    eprintln!("violated: {what}: {message}");
    std::process::exit(VIOLATED)
}

fn check(holds: bool, what: &str, message: &Value) {
    if !holds {
        violated(what, message);
    }
}

fn say(message: &Value) {
    println!("{message}");
    // A client that is gone hears nothing.
    let _ = std::io::stdout().flush();
}

struct Agent {
    wishes: Wishes,
    lines: Lines<BufReader<Stdin>>,
    next_id: u64,
    server: Option<Server>,
    is_loaded: bool,
}

impl Agent {
    /// The client's next message; at its end we end.
    async fn hear(&mut self) -> Value {
        let Ok(Some(line)) = self.lines.next_line().await else { std::process::exit(0) };
        let Ok(message) = serde_json::from_str::<Value>(&line) else {
            violated("a line is no JSON", &json!(line))
        };
        check(message["jsonrpc"] == "2.0", "jsonrpc is not 2.0", &message);
        message
    }

    async fn expect(&mut self, method: &str) -> (Value, Value) {
        let message = self.hear().await;
        check(message["method"] == method, &format!("expected {method}"), &message);
        check(!message["id"].is_null(), "a request has an id", &message);
        (message["id"].clone(), message["params"].clone())
    }

    fn answer(id: &Value, result: &Value) {
        say(&json!({ "jsonrpc": "2.0", "id": id, "result": result }));
    }

    fn update(update: &Value) {
        let params = json!({ "sessionId": "s-1", "update": update });
        say(&json!({ "jsonrpc": "2.0", "method": "session/update", "params": params }));
    }

    fn tell(text: &str) {
        let content = json!({ "type": "text", "text": text });
        Self::update(&json!({ "sessionUpdate": "agent_message_chunk", "content": content }));
    }

    /// Asks the client for something; what it answered.
    async fn ask(&mut self, method: &str, params: Value) -> Value {
        self.next_id += 1;
        let id = json!(format!("a-{}", self.next_id));
        say(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
        let answer = self.hear().await;
        check(answer["id"] == id, "an answer to something else", &answer);
        answer
    }

    async fn greet(&mut self) {
        let (id, params) = self.expect("initialize").await;
        check(params["protocolVersion"] == 1, "version 1", &params);
        let can = &params["clientCapabilities"];
        let offers = [&can["fs"]["readTextFile"], &can["fs"]["writeTextFile"], &can["terminal"]];
        check(offers.iter().all(|offer| **offer != true), "it offers files", &params);
        check(params["clientInfo"]["name"] == "rota", "its name", &params);
        let version = u8::from(!self.wishes.old);
        let mut methods = vec![json!({ "id": "web", "name": "Web" })];
        if self.wishes.key {
            methods.push(json!({ "id": "fake-api-key", "name": "Key" }));
        }
        let mcp = json!({ "http": !self.wishes.stdio, "sse": false });
        Self::answer(
            &id,
            &json!({ "protocolVersion": version, "agentCapabilities": { "mcpCapabilities": mcp,
                "loadSession": self.wishes.load.is_some() },
                "agentInfo": { "name": "fake", "version": "1" }, "authMethods": methods }),
        );
        self.open().await;
    }

    /// A request for a session, and whether it is to be loaded.
    async fn asked_for_session(&mut self) -> (Value, Value, bool) {
        let message = self.hear().await;
        let loads = message["method"] == "session/load" && self.wishes.load.is_some();
        check(loads || message["method"] == "session/new", "expected session/new", &message);
        check(!message["id"].is_null(), "a request has an id", &message);
        (message["id"].clone(), message["params"].clone(), loads)
    }

    async fn open(&mut self) {
        let (mut id, mut params, mut loads) = self.asked_for_session().await;
        if self.wishes.login || self.wishes.key {
            let error = json!({ "code": -32000, "message": "Authentication required" });
            say(&json!({ "jsonrpc": "2.0", "id": id, "error": error }));
            let (asked_id, asked) = self.expect("authenticate").await;
            check(self.wishes.key && asked["methodId"] == "fake-api-key", "by key", &asked);
            Self::answer(&asked_id, &json!({}));
            (id, params, loads) = self.asked_for_session().await;
        }
        let file = self.wishes.load.clone().unwrap_or_default();
        let kept = std::fs::read_to_string(&file).ok().filter(|_| loads);
        if loads && kept.is_none() {
            let error = json!({ "code": -32002, "message": "Resource not found" });
            say(&json!({ "jsonrpc": "2.0", "id": id, "error": error }));
            (id, params, loads) = self.asked_for_session().await;
            check(!loads, "a session that is gone is gone", &params);
        }
        let folder = params["cwd"].as_str().unwrap_or_default();
        check(Path::new(folder).is_absolute() && Path::new(folder).is_dir(), "cwd", &params);
        let servers = params["mcpServers"].as_array().cloned().unwrap_or_default();
        check(servers.len() == 1 && servers[0]["name"] == "rota", "one server: rota", &params);
        let is_http = servers[0]["type"] == "http";
        check(is_http != self.wishes.stdio, "a server of the kind that we know", &params);
        self.server = Some(Server::open(&servers[0]).await);
        if let Some(kept) = kept {
            check(params["sessionId"] == "s-1" && kept == folder, "the session as it was", &params);
            Self::tell("of the past\n");
            self.is_loaded = true;
            return Self::answer(&id, &json!({}));
        }
        if !file.is_empty() && std::fs::write(&file, folder).is_err() {
            violated("the session cannot be kept", &json!(file));
        }
        Self::answer(&id, &json!({ "sessionId": "s-1" }));
    }

    /// A prompt; whoever closes the connection meanwhile ends us.
    async fn prompted(&mut self) -> (Value, String) {
        let (id, params) = self.expect("session/prompt").await;
        check(params["sessionId"] == "s-1", "the same session", &params);
        let parts = params["prompt"].as_array().cloned().unwrap_or_default();
        check(parts.len() == 1 && parts[0]["type"] == "text", "one text", &params);
        (id, parts[0]["text"].as_str().unwrap_or_default().to_owned())
    }

    async fn turn(&mut self, number: u32) {
        let (id, prompt) = self.prompted().await;
        if number > 1 {
            check(prompt.contains("finish"), "a reminder speaks of finish", &json!(prompt));
        }
        if !self.wishes.silent {
            Self::tell(&format!("turn {number}: {} char", prompt.chars().count()));
            Self::tell("acters\n");
        }
        if self.is_loaded {
            Self::tell(&format!("loaded, and told: {prompt}\n"));
        }
        if self.wishes.leak {
            #[expect(clippy::disallowed_methods, reason = "a program of its own")]
            let token = std::env::var("ROTA_RUN_TOKEN").unwrap_or_default();
            check(token.len() > 40, "a token in the environment", &json!(null));
            Self::tell(&format!("my token is {token}\n"));
            eprintln!("my token is {token}");
        }
        if self.wishes.die {
            eprintln!("dying");
            std::process::exit(3);
        }
        if self.wishes.garbage {
            self.garbage().await;
        }
        if let Some(cost) = self.wishes.cost {
            let cost = json!({ "amount": cost, "currency": "USD" });
            Self::update(
                &json!({ "sessionUpdate": "usage_update", "used": 1, "size": 2, "cost": cost }),
            );
        }
        for (place, ask) in self.wishes.asks.clone().into_iter().enumerate() {
            self.ask_leave(place, ask).await;
        }
        if self.wishes.hang || self.wishes.deaf || self.wishes.silent || self.wishes.cost.is_some()
        {
            return self.wait_for_cancel(&id).await;
        }
        if number > self.wishes.forget && self.wishes.stop.is_none() {
            self.call_all().await;
        }
        if self.wishes.linger {
            return self.wait_for_cancel(&id).await;
        }
        let reason = self.wishes.stop.as_deref().unwrap_or("end_turn");
        Self::answer(&id, &json!({ "stopReason": reason }));
    }

    async fn wait_for_cancel(&mut self, prompt: &Value) {
        if !self.wishes.silent {
            Self::tell("waiting\n");
        }
        let message = self.hear().await;
        check(message["method"] == "session/cancel", "expected session/cancel", &message);
        check(message.get("id").is_none(), "a notification has no id", &message);
        check(message["params"]["sessionId"] == "s-1", "the same session", &message);
        eprintln!("cancelled");
        if self.wishes.deaf {
            std::future::pending::<()>().await;
        }
        Self::answer(prompt, &json!({ "stopReason": "cancelled" }));
    }

    /// What no client should stumble over.
    async fn garbage(&mut self) {
        println!("Welcome to the agent!");
        println!("{{\"jsonrpc\":\"2.0\",\"method\":");
        println!("{}", "x".repeat(11 * 1024 * 1024));
        Self::update(&json!({ "sessionUpdate": "somersault" }));
        say(&json!({ "jsonrpc": "2.0", "method": "session/update", "params": 7 }));
        say(&json!({ "jsonrpc": "2.0", "method": "_fake/notice", "params": {} }));
        for method in ["fs/read_text_file", "fs/write_text_file", "terminal/create", "_fake/ask"] {
            let params = json!({ "sessionId": "s-1", "path": "/etc/passwd", "content": "", "command": "id" });
            let answer = self.ask(method, params).await;
            check(answer["error"]["code"].is_i64(), "what is not offered is refused", &answer);
        }
    }

    async fn ask_leave(&mut self, place: usize, mut call: Value) {
        let id = format!("c-{place}");
        call["toolCallId"] = json!(id);
        let options = ["allow_always", "allow_once", "reject_once", "reject_always"]
            .map(|kind| json!({ "optionId": format!("o-{kind}"), "name": kind, "kind": kind }));
        let asked = json!({ "sessionId": "s-1", "toolCall": call, "options": options });
        let answer = self.ask("session/request_permission", asked).await;
        let outcome = &answer["result"]["outcome"];
        let is_known = outcome["outcome"] == "selected" || outcome["outcome"] == "cancelled";
        check(is_known, "an outcome", &answer);
        let chosen = outcome["optionId"].as_str().unwrap_or("cancelled");
        Self::tell(&format!("leave {place}: {}\n", chosen.trim_start_matches("o-")));
    }

    async fn call_all(&mut self) {
        let Some(mut server) = self.server.take() else { return };
        let listed = server.ask("tools/list", json!({})).await;
        let tools = listed["result"]["tools"].as_array().cloned().unwrap_or_default();
        let mut names: Vec<&str> = tools.iter().filter_map(|tool| tool["name"].as_str()).collect();
        names.sort_unstable();
        Self::tell(&format!("tools: {}\n", names.join(" ")));
        let ending = json!({
            "outcome": self.wishes.outcome.as_deref().filter(|_| !self.is_loaded).unwrap_or("done"),
            "summary": "It is done.", "evidence": ["seen"],
        });
        let last = ("finish".to_owned(), ending);
        for (name, args) in self.wishes.calls.iter().chain([&last]) {
            let title = json!({ "sessionUpdate": "tool_call", "toolCallId": name, "title": name });
            Self::update(&title);
            let answer = server.ask("tools/call", json!({ "name": name, "arguments": args })).await;
            let failed = answer["result"]["isError"] == true || !answer["error"].is_null();
            let status = if failed { "failed" } else { "completed" };
            Self::update(&json!({
                "sessionUpdate": "tool_call_update", "toolCallId": name, "status": status
            }));
            let text = answer["result"]["content"][0]["text"].as_str().unwrap_or_default();
            if failed {
                Self::tell(&format!("{name} said: {text}\n"));
            }
        }
        self.server = Some(server);
    }
}

/// The client's MCP server, over HTTP or a pipe.
enum Server {
    Http { url: String, headers: Vec<(String, String)> },
    Pipe(Box<Pipe>),
}

struct Pipe {
    _child: tokio::process::Child,
    to: tokio::process::ChildStdin,
    from: Lines<BufReader<tokio::process::ChildStdout>>,
}

impl Server {
    #[expect(clippy::disallowed_methods, reason = "an agent's own child is not the daemon's")]
    async fn open(server: &Value) -> Self {
        let texts = |list: &Value| -> Vec<(String, String)> {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let all = list.as_array().cloned().unwrap_or_default();
            all.iter().map(|one| (text(&one["name"]), text(&one["value"]))).collect()
        };
        if server["type"] == "http" {
            let url = server["url"].as_str().unwrap_or_default().to_owned();
            return Self::Http { url, headers: texts(&server["headers"]) };
        }
        let program = server["command"].as_str().unwrap_or_default();
        check(Path::new(program).is_absolute(), "an absolute program", server);
        let args: Vec<&str> =
            server["args"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let mut command = tokio::process::Command::new(program);
        command.args(args).envs(texts(&server["env"])).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let Ok(mut child) = command.spawn() else { violated("it cannot be started", server) };
        let (Some(to), Some(from)) = (child.stdin.take(), child.stdout.take()) else {
            violated("no pipes", server)
        };
        let from = BufReader::new(from).lines();
        let mut pipe = Self::Pipe(Box::new(Pipe { _child: child, to, from }));
        let hello = json!({
            "protocolVersion": "2025-06-18", "capabilities": {},
            "clientInfo": { "name": "fake", "version": "1" },
        });
        let greeted = pipe.ask("initialize", hello).await;
        check(greeted["result"]["serverInfo"]["name"] == "rota", "the server's name", &greeted);
        let has_resources = !greeted["result"]["capabilities"]["resources"].is_null();
        check(!has_resources, "a run has tools and nothing else", &greeted);
        pipe
    }

    async fn ask(&mut self, method: &str, params: Value) -> Value {
        let message = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        match self {
            Self::Http { url, headers } => {
                let Ok(client) = reqwest::Client::builder().no_proxy().build() else {
                    violated("no client", &message)
                };
                let mut request = client
                    .post(url.as_str())
                    .header("content-type", "application/json")
                    .header("accept", "application/json, text/event-stream")
                    .body(message.to_string());
                for (name, value) in headers {
                    request = request.header(name.as_str(), value.as_str());
                }
                let text = match request.send().await {
                    Ok(response) => response.text().await.unwrap_or_default(),
                    Err(error) => {
                        violated("the server cannot be reached", &json!(error.to_string()))
                    }
                };
                serde_json::from_str(&text)
                    .unwrap_or_else(|_| violated("no JSON from the server", &json!(text)))
            }
            Self::Pipe(pipe) => {
                let line = format!("{message}\n");
                if pipe.to.write_all(line.as_bytes()).await.is_err() {
                    violated("the server is gone", &message);
                }
                loop {
                    let Ok(Some(line)) = pipe.from.next_line().await else {
                        violated("the server says nothing", &message)
                    };
                    let answer = serde_json::from_str::<Value>(&line).unwrap_or_default();
                    if answer["id"] == 1 {
                        return answer;
                    }
                }
            }
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let wishes = wishes()?;
    if let Some(file) = &wishes.argv {
        std::fs::write(file, std::fs::read("/proc/self/cmdline")?)?;
    }
    let lines = BufReader::new(stdin()).lines();
    let mut agent = Agent { wishes, lines, next_id: 0, server: None, is_loaded: false };
    agent.greet().await;
    for number in 1.. {
        agent.turn(number).await;
    }
    Ok(())
}
