//! The servers: ours with a house behind it, and the peers.

use super::client::{Connection, Era, Request};
use super::house::{House, Running};
use super::{TOOLS, door, load};
use anyhow::Context as _;
use rota::board::sql::SqlBoard;
use rota::clock::SystemClock;
use rota::domain::BoardName;
use serde_json::Value;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tokio::runtime::Runtime;

const TASKS: i64 = 10_000;

/// Where calls go.
pub struct Server {
    pub name: String,
    pub port: u16,
    pub token: Option<String>,
    pub era: Era,
    _running: Option<Running>,
}

impl Server {
    /// The same, spoken to in another way.
    pub fn speaking(&self, name: &str, era: Era) -> Self {
        Self {
            name: name.to_owned(),
            port: self.port,
            token: self.token.clone(),
            era,
            _running: None,
        }
    }

    /// The SDK that ours is built on, with nothing behind it.
    pub fn bare(answers: &Path) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("--bare").arg(answers);
        peer("bare rmcp, stateless", command, Era::Stateless)
    }

    pub fn typescript(answers: &Path) -> anyhow::Result<Vec<Self>> {
        let (Some(node), Some(packages)) = (var("ROTA_NODE"), var("ROTA_PEERS")) else {
            println!("-- skipped: the TypeScript SDK (benches/mcp/run gets it)");
            return Ok(Vec::new());
        };
        // Its imports are looked for beside it.
        let script = packages.join("typescript.mjs");
        std::fs::copy(source("typescript.mjs"), &script)?;
        let ways = [("TypeScript, stateless", "stateless"), ("TypeScript, session", "sessions")];
        ways.into_iter()
            .map(|(name, way)| {
                let mut command = Command::new(&node);
                command.arg(&script).arg(answers).arg(way).env("NODE_ENV", "production");
                peer(name, command, Era::Session)
            })
            .collect()
    }

    pub fn fastmcp(answers: &Path) -> anyhow::Result<Vec<Self>> {
        let Some(python) = var("ROTA_FASTMCP") else {
            println!("-- skipped: FastMCP (benches/mcp/run gets it)");
            return Ok(Vec::new());
        };
        let ways = [("FastMCP, stateless", "stateless"), ("FastMCP, session", "sessions")];
        ways.into_iter()
            .map(|(name, way)| {
                let mut command = Command::new(&python);
                command.arg(source("fastmcp_bare.py")).arg(answers).arg(way);
                peer(name, command, Era::Session)
            })
            .collect()
    }
}

fn var(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).map(PathBuf::from)
}

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/mcp").join(name)
}

/// A server that prints its port.
fn peer(name: &str, mut command: Command, era: Era) -> anyhow::Result<Server> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let mut line = String::new();
    BufReader::new(child.stdout.take().context("no output")?).read_line(&mut line)?;
    let running = Running(child);
    let port = line.trim().parse().with_context(|| format!("{name} said {line:?}"))?;
    Ok(Server { name: name.to_owned(), port, token: None, era, _running: Some(running) })
}

/// A house with tasks, and a token of its owner.
pub struct Team {
    house: House,
    token: String,
}

impl Team {
    pub fn of(runtime: &Runtime) -> anyhow::Result<Self> {
        let house = House::new(door::CONFIG)?;
        house.rota(&["project", "add", "Website"])?;
        runtime.block_on(async {
            let now = chrono::Utc::now();
            let file = house.path("state/board.sqlite");
            let board =
                SqlBoard::open(&file, BoardName::new("main"), SystemClock::shared()).await?;
            load::surroundings(&board, now).await?;
            board.close().await;
            load::tasks(&file, TASKS, now).await
        })?;
        let token = door::token(&house)?;
        Ok(Self { house, token })
    }

    /// The secret of the owner's token.
    pub fn token(&self) -> &str {
        &self.token
    }

    pub fn command(&self, words: &[&str]) -> Command {
        self.house.command(words)
    }

    /// The same of another program.
    pub fn program(&self, program: &str, words: &[&str]) -> Command {
        self.house.program(program, words)
    }

    /// Starts the daemon.
    pub fn serve(&self) -> anyhow::Result<Server> {
        let (running, ready) = self.house.serve()?;
        let port = door::address(&ready)?.rsplit(':').next().context("no port")?.parse()?;
        Ok(Server {
            name: "rota, stateless".to_owned(),
            port,
            token: Some(self.token.clone()),
            era: Era::Stateless,
            _running: Some(running),
        })
    }

    /// What ours answers, in a file for the peers.
    pub fn keep_answers(&self, ours: &Server) -> anyhow::Result<PathBuf> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut answers = serde_json::Map::new();
        for (tool, arguments) in TOOLS {
            let result: Value = runtime.block_on(async {
                let mut connection = Connection::to(ours).await?;
                let bytes = connection.call(&Request { tool, arguments, server: ours });
                let answer = connection.ask(&bytes).await?;
                let message: Value = serde_json::from_slice(connection.body(&answer))?;
                anyhow::Ok(message["result"].clone())
            })?;
            let bytes = result.to_string().len();
            println!("{tool} {arguments} is answered with {bytes} bytes");
            answers.insert(tool.to_owned(), result);
        }
        let file = self.house.path("answers.json");
        std::fs::write(&file, Value::Object(answers).to_string())?;
        Ok(file)
    }
}
