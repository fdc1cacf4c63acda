//! `rota mcp` at a pipe, without and with a daemon.

mod alone;
mod many;
mod settings;
mod sharing;

use super::{team, token};
use crate::support::rota::{Rota, until};
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

/// A client that started `rota mcp`.
pub struct Piped {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    last: u64,
}

impl Piped {
    pub fn start(rota: &Rota, words: &[&str]) -> Self {
        let mut child = rota
            .command(["mcp"].iter().chain(words))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(rota.path().join("mcp.log")).unwrap())
            .spawn()
            .unwrap();
        let (to, from) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { child, to, from: BufReader::new(from), last: 0 }
    }

    pub fn send(&mut self, message: &Value) {
        writeln!(self.to, "{message}").unwrap();
        self.to.flush().unwrap();
    }

    /// The next message; standard output holds nothing else.
    pub fn next(&mut self) -> Value {
        let mut line = String::new();
        self.from.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }

    pub fn ask(&mut self, method: &str, params: Value) -> Value {
        self.last += 1;
        let mut request = json!({ "jsonrpc": "2.0", "id": self.last, "method": method });
        request["params"] = params;
        self.send(&request);
        let answer = self.next();
        assert_eq!(answer["id"], self.last, "{answer:#}");
        answer
    }

    pub fn shake_hands(&mut self) -> Value {
        let hello = json!({
            "protocolVersion": "2025-11-25", "capabilities": {},
            "clientInfo": { "name": "test", "version": "1" }
        });
        let answer = self.ask("initialize", hello);
        self.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
        answer["result"].clone()
    }

    /// Sends a call and does not wait for its answer; its number.
    pub fn begin(&mut self, tool: &str, args: Value) -> u64 {
        self.last += 1;
        let mut request = json!({ "jsonrpc": "2.0", "id": self.last, "method": "tools/call" });
        request["params"]["name"] = tool.into();
        request["params"]["arguments"] = args;
        self.send(&request);
        self.last
    }

    fn pid(&self) -> u32 {
        self.child.id()
    }

    fn kill(mut self) {
        let pid = Pid::from_raw(i32::try_from(self.pid()).unwrap());
        nix::sys::signal::kill(pid, Signal::SIGKILL).unwrap();
        self.child.wait().unwrap();
    }

    pub fn call(&mut self, tool: &str, args: Value) -> Value {
        let mut params = json!({ "name": tool });
        params["arguments"] = args;
        let answer = self.ask("tools/call", params);
        answer["result"].clone()
    }

    /// Hangs up; the exit code.
    pub fn hang_up(self) -> i32 {
        let Self { mut child, to, from, .. } = self;
        drop((to, from));
        child.wait().unwrap().code().unwrap_or(-1)
    }
}

#[test]
fn it_lists_before_anything_is_opened() {
    let rota = Rota::new();
    let mut client = Piped::start(&rota, &[]);
    let hello = client.shake_hands();
    assert_eq!(hello["serverInfo"]["name"], "rota");
    let listed = client.ask("tools/list", json!({}));
    assert!(listed["result"]["tools"].as_array().unwrap().len() > 30);
    assert!(!rota.state().exists(), "no state folder was made");
    assert_eq!(client.hang_up(), 0);
    assert!(!rota.state().exists());
}

#[test]
fn it_works_without_a_daemon_and_lets_the_state_folder_go_when_nobody_calls() {
    let rota = team();
    let mut client = Piped::start(&rota, &[]);
    client.shake_hands();
    let shown = client.call("getTicket", json!({ "id": 1 }));
    assert_eq!(shown["structuredContent"]["headline"], "Fix the footer", "{shown:#}");
    let lock = rota.state();
    // While it holds the folder, commands are its clients.
    let edit = json!({ "id": 1, "params": { "headline": "Fix the header" } });
    assert_eq!(client.call("editTask", edit)["isError"], false);
    let seen = rota.run(["task", "show", "1", "--json"]).ok().json();
    assert_eq!(seen["headline"], "Fix the header");
    until("the folder is let go", || (!lock.join("control.sock").exists()).then_some(()));
    let again = client.call("getTicket", json!({ "id": 1 }));
    assert_eq!(again["structuredContent"]["headline"], "Fix the header", "{again:#}");
    assert_eq!(client.hang_up(), 0);
    until("the folder is let go", || (!lock.join("control.sock").exists()).then_some(()));
}

#[test]
fn with_a_daemon_it_is_its_client_and_a_token_says_who_asks() {
    let rota = team();
    let bob = token(&rota, &["bobs", "--person", "Bob"]);
    let serving = rota.serve(Vec::<&str>::new());
    let rota = rota.with_env("ROTA_TOKEN", &bob);
    let mut client = Piped::start(&rota, &["--toolsets", "tasks,comments"]);
    client.shake_hands();
    let said = json!({ "module": "ticket", "entityId": 1, "text": "By Bob." });
    assert_eq!(client.call("addComment", said)["isError"], false);
    let shown = client.call("getComments", json!({ "module": "ticket", "entityId": 1 }));
    assert!(shown["content"][0]["text"].as_str().unwrap().contains("Bob"), "{shown:#}");
    let hidden = client.ask("tools/call", json!({ "name": "listPeople", "arguments": {} }));
    assert_eq!(hidden["error"]["code"], -32_602);
    assert_eq!(client.hang_up(), 0);
    let rota = rota.with_env("ROTA_TOKEN", "rota_000000000000_nonsense");
    let mut client = Piped::start(&rota, &[]);
    client.shake_hands();
    let refused = client.call("getTicket", json!({ "id": 1 }));
    assert_eq!(refused["structuredContent"]["error"]["code"], "token_refused", "{refused:#}");
    assert_eq!(client.hang_up(), 0);
    assert_eq!(serving.stop(), 0);
}

/// The state folder is nobody's.
fn is_let_go(rota: &Rota) -> bool {
    let lock = std::fs::File::open(rota.state().join("store/lock")).unwrap();
    !rota.state().join("control.sock").exists() && lock.try_lock().is_ok()
}

#[test]
fn a_probe_is_answered_and_one_that_says_nothing_is_no_fault() {
    let rota = Rota::new();
    let mut client = Piped::start(&rota, &[]);
    client.send(&json!({ "jsonrpc": "2.0", "id": 1, "method": "server/discover", "params": {
        "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {}
        }
    } }));
    let discovered = client.next();
    assert!(discovered["result"]["supportedVersions"].is_array(), "{discovered:#}");
    assert_eq!(client.hang_up(), 0);
    let silent = Piped::start(&rota, &[]);
    assert_eq!(silent.hang_up(), 0);
}

#[test]
fn what_is_no_mcp_ends_it_with_a_word() {
    let rota = Rota::new();
    let mut client = Piped::start(&rota, &[]);
    // Such as what a client answers that takes it for something else.
    client.send(&json!({ "jsonrpc": "2.0", "id": 7, "result": {} }));
    assert_eq!(client.hang_up(), 1);
    let said = rota.read("mcp.log");
    assert!(said.contains("did not begin as MCP begins") && said.contains("hint:"), "{said}");
    assert!(!rota.state().exists());
}

#[test]
fn what_is_no_json_is_passed_over() {
    let rota = Rota::new();
    let mut client = Piped::start(&rota, &[]);
    writeln!(client.to, "GET / HTTP/1.1\r\nHost: localhost\r\n\r").unwrap();
    assert_eq!(client.shake_hands()["serverInfo"]["name"], "rota");
    writeln!(client.to, "{{ no json").unwrap();
    assert!(client.ask("tools/list", json!({}))["result"]["tools"].is_array());
    assert_eq!(client.hang_up(), 0);
}
