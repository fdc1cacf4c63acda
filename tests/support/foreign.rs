//! Another MCP server, in this process, that behaves as a test says; and where acceptances are kept.

use async_trait::async_trait;
use rota::domain::Timestamp;
use rota::ledger::Pin;
use rota::tools::Pins;
use rota::tools::desk::DeskError;
use rota::upstream::{Pipes, Starter};
use serde_json::{Value, json};
use std::io;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream};
use tokio_util::task::AbortOnDropHandle;

/// What the server does.
#[derive(Clone, Debug, Default)]
pub struct Behaviour {
    /// Its listing.
    pub tools: Vec<Value>,
    /// It cannot be started.
    pub absent: bool,
    /// What it does when a tool is called.
    pub call: Doing,
}

/// What it does when a tool is called.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Doing {
    /// Says that it was done.
    #[default]
    Answer,
    /// Gives this result.
    Result(Value),
    /// Gives this error.
    Error(i64, String),
    /// Hangs up without an answer.
    Die,
    /// Never answers.
    Wait,
    /// Answers without end.
    Flood,
    /// Asks and tells much before it answers.
    Chat,
    /// Lists these tools from now on, says so, then answers.
    Change(Vec<Value>),
}

/// A server that can be started again and again.
#[derive(Clone, Debug, Default)]
pub struct Foreign {
    pub behaviour: Arc<Mutex<Behaviour>>,
    /// `start`, `call NAME`, in order.
    pub happened: Arc<Mutex<Vec<String>>>,
    /// How often it was asked what it offers.
    pub listed: Arc<AtomicU32>,
}

/// A tool of a listing.
pub fn tool(name: &str, description: &str, read_only: bool) -> Value {
    json!({
        "name": name, "description": description,
        "inputSchema": { "type": "object", "properties": { "day": { "type": "string" } } },
        "annotations": { "readOnlyHint": read_only }
    })
}

impl Foreign {
    /// With a tool that looks, and one that writes.
    pub fn new() -> Self {
        let foreign = Self::default();
        foreign.set(|it| {
            it.tools = vec![tool("list", "Lists events.", true), tool("add", "Adds one.", false)];
        });
        foreign
    }

    pub fn set(&self, change: impl FnOnce(&mut Behaviour)) {
        change(&mut self.behaviour.lock().unwrap());
    }

    pub fn does(&self, doing: Doing) {
        self.set(|it| it.call = doing);
    }

    /// What happened since the last look.
    pub fn happened(&self) -> Vec<String> {
        std::mem::take(&mut self.happened.lock().unwrap())
    }

    fn note(&self, what: impl Into<String>) {
        self.happened.lock().unwrap().push(what.into());
    }

    async fn serve(self, stream: DuplexStream) -> io::Result<()> {
        let (read, mut write) = tokio::io::split(stream);
        let mut lines = BufReader::new(read).lines();
        while let Some(line) = lines.next_line().await? {
            let asked: Value = serde_json::from_str(&line).unwrap();
            assert_eq!(asked["jsonrpc"], "2.0", "{line}");
            let id = asked["id"].clone();
            let behaviour = self.behaviour.lock().unwrap().clone();
            let result = match asked["method"].as_str() {
                Some("initialize") => {
                    json!({ "protocolVersion": "2025-11-25", "capabilities": {} })
                }
                // Two pages.
                Some("tools/list") => match asked["params"]["cursor"].as_str() {
                    None => {
                        self.listed.fetch_add(1, SeqCst);
                        json!({ "tools": behaviour.tools.first(), "nextCursor": "rest" })
                    }
                    Some(_) => json!({ "tools": behaviour.tools.get(1..) }),
                },
                Some("tools/call") => {
                    let name = asked["params"]["name"].as_str().unwrap();
                    self.note(format!("call {name}"));
                    let Some(answer) = self.act(&behaviour.call, &id, &mut write).await? else {
                        return Ok(());
                    };
                    answer
                }
                _ => continue,
            };
            let mut answer = json!({ "jsonrpc": "2.0", "id": id, "result": result });
            if answer["result"]["tools"].is_object() {
                answer["result"]["tools"] = json!([answer["result"]["tools"]]);
            }
            let error = &answer["result"]["!"];
            if error.is_object() {
                answer = json!({ "jsonrpc": "2.0", "id": id, "error": error });
            }
            write.write_all(format!("{answer}\n").as_bytes()).await?;
        }
        Ok(())
    }

    async fn act(
        &self,
        doing: &Doing,
        id: &Value,
        write: &mut (impl tokio::io::AsyncWrite + Unpin),
    ) -> io::Result<Option<Value>> {
        let done = json!({ "content": [{ "type": "text", "text": "done" }], "isError": false });
        Ok(Some(match doing {
            Doing::Answer => done,
            Doing::Result(result) => result.clone(),
            Doing::Error(code, said) => json!({ "!": { "code": code, "message": said } }),
            Doing::Die => return Ok(None),
            Doing::Wait => std::future::pending().await,
            Doing::Flood => loop {
                write.write_all(&vec![b'x'; 1 << 16]).await?;
            },
            Doing::Chat => {
                for text in [
                    r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{}}"#.to_owned(),
                    "no json".to_owned(),
                    r#"{"jsonrpc":"2.0","id":999,"result":{"content":[]}}"#.to_owned(),
                    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"sampling/createMessage"}}"#),
                ] {
                    write.write_all(format!("{text}\n").as_bytes()).await?;
                }
                done
            }
            Doing::Change(tools) => {
                self.set(|it| it.tools.clone_from(tools));
                let told = r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#;
                write.write_all(format!("{told}\n").as_bytes()).await?;
                done
            }
        }))
    }
}

#[async_trait]
impl Starter for Foreign {
    async fn start(&self) -> io::Result<Pipes> {
        self.note("start");
        if self.behaviour.lock().unwrap().absent {
            return Err(io::ErrorKind::NotFound.into());
        }
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        let (read, write) = tokio::io::split(ours);
        let set = tokio_util::task::TaskTracker::new();
        let life = AbortOnDropHandle::new(set.spawn(self.clone().serve(theirs)));
        Ok(Pipes { read: Box::new(read), write: Box::new(write), life: Box::new(life) })
    }
}

/// Acceptances, in memory.
#[derive(Debug, Default)]
pub struct PinBoard(Mutex<Vec<Pin>>);

#[async_trait]
impl Pins for PinBoard {
    async fn pins(&self) -> Result<Vec<Pin>, DeskError> {
        Ok(self.0.lock().unwrap().clone())
    }

    async fn accept(&self, tool: &str, fingerprint: &str, by: &str) -> Result<Pin, DeskError> {
        let at = Timestamp::from_timestamp(0, 0).unwrap();
        let (tool, fingerprint, by) = (tool.to_owned(), fingerprint.to_owned(), by.to_owned());
        let pin = Pin { tool, fingerprint, by, at };
        let mut pins = self.0.lock().unwrap();
        pins.retain(|other| other.tool != pin.tool);
        pins.push(pin.clone());
        Ok(pin)
    }
}
