//! A client that costs little itself: requests made once, connections kept, answers looked at only
//! for their end and for the word `result`.

use super::servers::Server;
use anyhow::{Context as _, bail, ensure};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How a server is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Era {
    /// Revision 2025-11-25: a handshake, then a session.
    Session,
    /// Revision 2026-07-28: each request stands alone.
    Stateless,
}

/// What is asked, and whom.
pub struct Request<'a> {
    pub tool: &'a str,
    pub arguments: &'a str,
    pub server: &'a Server,
}

/// What one turn showed.
#[derive(Clone, Debug)]
pub struct Load {
    pub rate: f64,
    pub p50: Duration,
    pub p99: Duration,
}

impl Load {
    /// Each figure's own median.
    pub fn median(mut turns: Vec<Self>) -> Self {
        let middle = turns.len() / 2;
        let mut by = |key: fn(&Self) -> f64| {
            turns.sort_by(|one, other| key(one).total_cmp(&key(other)));
            key(&turns[middle])
        };
        let rate = by(|load| load.rate);
        let p50 = Duration::from_secs_f64(by(|load| load.p50.as_secs_f64()));
        let p99 = Duration::from_secs_f64(by(|load| load.p99.as_secs_f64()));
        Self { rate, p50, p99 }
    }
}

/// So many connections, each with one request after the other, for so long.
pub fn load(request: &Request, at_once: usize, turn: Duration) -> anyhow::Result<Load> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut connections = Vec::new();
        for _ in 0..at_once {
            let mut connection = Connection::to(request.server).await?;
            let bytes = connection.call(request);
            // The first call opens what is opened once.
            connection.ask(&bytes).await?;
            connections.push((connection, bytes));
        }
        let begun = Instant::now();
        let asked = connections.into_iter().map(|(mut connection, bytes)| async move {
            let mut took = Vec::new();
            while begun.elapsed() < turn {
                let sent = Instant::now();
                connection.ask(&bytes).await?;
                took.push(sent.elapsed());
            }
            Ok::<_, anyhow::Error>(took)
        });
        let took = futures::future::try_join_all(asked).await?;
        let whole = begun.elapsed().as_secs_f64();
        let mut took = took.concat();
        took.sort_unstable();
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let rate = took.len() as f64 / whole;
        Ok(Load { rate, p50: took[took.len() / 2], p99: took[took.len() * 99 / 100] })
    })
}

/// A connection that is kept, and its session where it has one.
pub struct Connection {
    stream: TcpStream,
    host: String,
    headers: String,
    era: Era,
    read: Vec<u8>,
}

impl Connection {
    pub async fn to(server: &Server) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", server.port)).await?;
        stream.set_nodelay(true)?;
        let mut headers = String::new();
        if let Some(token) = &server.token {
            headers = format!("Authorization: Bearer {token}\r\n");
        }
        let host = format!("127.0.0.1:{}", server.port);
        let mut connection = Self { stream, host, headers, era: server.era, read: Vec::new() };
        if server.era == Era::Session {
            connection.begin().await?;
        }
        Ok(connection)
    }

    async fn begin(&mut self) -> anyhow::Result<()> {
        let hello = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"bench","version":"1"}}}"#;
        let answer = self.ask(&self.post("", hello)).await?;
        let headers = String::from_utf8_lossy(&self.read[..answer.head]).to_lowercase();
        if let Some(line) = headers.lines().find(|line| line.starts_with("mcp-session-id:")) {
            self.headers.extend([line, "\r\n"]);
        }
        self.headers.push_str("MCP-Protocol-Version: 2025-11-25\r\n");
        let begun = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
        let bytes = self.post("", begun);
        self.stream.write_all(&bytes).await?;
        let answer = self.answer().await?;
        ensure!(answer.status == 202, "{}", answer.status);
        Ok(())
    }

    /// The bytes of a call.
    pub fn call(&self, request: &Request) -> Vec<u8> {
        let (tool, arguments) = (request.tool, request.arguments);
        let (headers, meta) = match self.era {
            Era::Session => (String::new(), ""),
            Era::Stateless => (
                format!(
                    "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: {tool}\r\n"
                ),
                r#","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},"io.modelcontextprotocol/clientInfo":{"name":"bench","version":"1"}}"#,
            ),
        };
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{tool}","arguments":{arguments}{meta}}}}}"#
        );
        self.post(&headers, &body)
    }

    fn post(&self, headers: &str, body: &str) -> Vec<u8> {
        format!(
            "POST /mcp HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nAccept: application/json, \
             text/event-stream\r\nContent-Length: {}\r\n{}{headers}\r\n{body}",
            self.host,
            body.len(),
            self.headers,
        )
        .into_bytes()
    }

    /// Asks, and waits for the whole answer, which has to be a result.
    pub async fn ask(&mut self, bytes: &[u8]) -> anyhow::Result<Answer> {
        self.stream.write_all(bytes).await?;
        let answer = self.answer().await?;
        let body = &self.read[answer.head..];
        let is_result = answer.status == 200
            && body.windows(9).take(200).any(|word| word == b"\"result\":")
            && !body.windows(14).any(|word| word == b"\"isError\":true");
        ensure!(is_result, "{} {}", answer.status, String::from_utf8_lossy(&self.read));
        Ok(answer)
    }

    /// The last answer's body.
    pub fn body(&self, answer: &Answer) -> &[u8] {
        &self.read[answer.head..]
    }

    async fn answer(&mut self) -> anyhow::Result<Answer> {
        self.read.clear();
        let head = loop {
            self.more().await?;
            if let Some(at) = find(&self.read, b"\r\n\r\n") {
                break at + 4;
            }
        };
        let text = std::str::from_utf8(&self.read[..head])?.to_lowercase();
        let status = text.split(' ').nth(1).context("no status")?.parse()?;
        let value = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name))?;
            Some(line.trim().to_owned())
        };
        match (value("content-length:"), value("transfer-encoding:")) {
            (Some(length), _) => {
                let end = head + length.parse::<usize>()?;
                while self.read.len() < end {
                    self.more().await?;
                }
            }
            (None, Some(_)) => {
                while !self.read.ends_with(b"0\r\n\r\n") {
                    self.more().await?;
                }
            }
            (None, None) if status == 202 => {}
            (None, None) => bail!("an answer without a length: {text}"),
        }
        Ok(Answer { status, head })
    }

    async fn more(&mut self) -> anyhow::Result<()> {
        ensure!(self.stream.read_buf(&mut self.read).await? > 0, "the server hung up");
        Ok(())
    }
}

/// Where an answer's body begins, and how it went.
pub struct Answer {
    pub status: u16,
    pub head: usize,
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|part| part == what)
}
