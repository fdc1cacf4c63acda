//! `rota bridge`, the real binary, against our own server and against doubles that do what servers
//! do, and should not do.

mod ending;
mod hostile;
mod leantime;
mod own;
mod sessions;
mod streams;
mod trouble;
mod typed;

use crate::support::http_double::{Asked, Reply};
use crate::support::rota::Rota;
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// How long a message may take before the test fails: generous, for slow machines.
const PATIENCE: Duration = Duration::from_mins(1);

/// A host that started the bridge.
struct Bridged {
    child: Child,
    to: Option<ChildStdin>,
    from: mpsc::Receiver<String>,
    last: u64,
    log: std::fs::File,
}

impl Bridged {
    fn start(rota: &Rota, words: &[&str]) -> Self {
        let words: Vec<_> = ["bridge", "--retry-delay", "1"].iter().chain(words).copied().collect();
        Self::typed(rota, &words)
    }

    /// With all of the command line.
    fn typed(rota: &Rota, words: &[&str]) -> Self {
        let log = rota.path().join("bridge.log");
        let mut child = rota
            .command(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        // It can be read when the folder is gone, too.
        let log = std::fs::File::open(log).unwrap();
        let (tell, from) = mpsc::channel();
        let out = child.stdout.take().unwrap();
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if tell.send(line).is_err() {
                    return;
                }
            }
        });
        let to = child.stdin.take();
        Self { child, to, from, last: 0, log }
    }

    /// With a server at this address.
    fn to(url: &str) -> Self {
        Self::start(&Rota::new(), &[url])
    }

    fn write(&mut self, text: &str) {
        let to = self.to.as_mut().unwrap();
        to.write_all(text.as_bytes()).unwrap();
        to.flush().unwrap();
    }

    fn send(&mut self, message: &Value) {
        self.write(&format!("{message}\n"));
    }

    fn notify(&mut self, method: &str, params: Value) {
        let mut message = json!({ "jsonrpc": "2.0", "method": method });
        message["params"] = params;
        self.send(&message);
    }

    /// The next message; standard output holds nothing else.
    #[track_caller]
    fn next(&self) -> Value {
        let line = match self.from.recv_timeout(PATIENCE) {
            Ok(line) => line,
            Err(error) => panic!("nothing came: {error}\n{}", self.log()),
        };
        let value: Value =
            serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        assert_eq!(value["jsonrpc"], "2.0", "{line}");
        value
    }

    /// Sends a request and does not wait for its answer; its id.
    fn begin(&mut self, method: &str, params: Value) -> u64 {
        self.last += 1;
        let mut message = json!({ "jsonrpc": "2.0", "id": self.last, "method": method });
        message["params"] = params;
        self.send(&message);
        self.last
    }

    #[track_caller]
    fn ask(&mut self, method: &str, params: Value) -> Value {
        let id = self.begin(method, params);
        let answer = self.next();
        assert_eq!(answer["id"], id, "{answer:#}");
        answer
    }

    #[track_caller]
    fn call(&mut self, tool: &str, args: Value) -> Value {
        let mut params = json!({ "name": tool });
        params["arguments"] = args;
        self.ask("tools/call", params)
    }

    #[track_caller]
    fn shake_hands(&mut self, version: &str) -> Value {
        let answer = self.ask("initialize", hello(version));
        self.notify("notifications/initialized", json!({}));
        answer["result"].clone()
    }

    fn log(&self) -> String {
        let mut text = String::new();
        (&self.log).seek(SeekFrom::Start(0)).unwrap();
        (&self.log).read_to_string(&mut text).unwrap();
        text
    }

    /// Hangs up; the exit code.
    fn hang_up(mut self) -> i32 {
        drop(self.to.take());
        self.wait()
    }

    /// The exit code.
    fn wait(&mut self) -> i32 {
        self.child.wait().unwrap().code().unwrap_or(-1)
    }
}

impl Drop for Bridged {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn hello(version: &str) -> Value {
    json!({
        "protocolVersion": version, "capabilities": { "elicitation": {} },
        "clientInfo": { "name": "test", "version": "1" }
    })
}

/// The code that the bridge gives an error of its own.
#[track_caller]
fn code(answer: &Value) -> &str {
    answer["error"]["data"]["code"].as_str().unwrap_or_else(|| panic!("{answer:#}"))
}

/// What most doubles answer to what a host begins with; the rest is theirs.
pub(super) fn usual(asked: &Asked, session: Option<&str>) -> Option<Reply> {
    if asked.method == "GET" {
        return Some(Reply::text(405, "text/plain", ""));
    }
    if asked.is("initialize") {
        let version = asked.message()["params"]["protocolVersion"].clone();
        let begun = json!({ "protocolVersion": version, "capabilities": {}, "serverInfo": {} });
        let reply = Reply::result(asked, &begun);
        return Some(match session {
            Some(id) => reply.with("Mcp-Session-Id", id),
            None => reply,
        });
    }
    let is_notification = asked.message()["id"].is_null();
    (is_notification || asked.method == "DELETE").then(Reply::accepted)
}

/// A tool's answer.
fn said(text: &str) -> Value {
    json!({ "content": [{ "type": "text", "text": text }], "isError": false })
}
