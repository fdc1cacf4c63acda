//! The bridge between a client's pipe and our server: how soon it answers, what it adds to a call, and
//! what it takes of memory.

use super::TURN;
use super::client::{self, Request};
use super::house::Running;
use super::servers::{Server, Team};
use anyhow::{Context as _, ensure};
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{ChildStdin, ChildStdout, Stdio};
use std::time::{Duration, Instant};

const STARTS: usize = 21;
const HELLO: &str = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"bench","version":"1"}}}"#;
const BEGUN: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
/// A session knows each id once.
const CALL: &str = r#"{"jsonrpc":"2.0","id":ID,"method":"tools/call","params":{"name":"getTicket","arguments":{"id":7}}}"#;

/// A way to start it.
#[derive(Clone, Copy)]
enum Way {
    /// `rota bridge`.
    Rota,
    /// The program that is nothing else.
    Alone,
}

/// Prints all three of both.
pub fn measure(team: &Team, ours: &Server, turns: usize) -> anyhow::Result<()> {
    for (name, way) in [("rota bridge", Way::Rota), ("leantime-mcp", Way::Alone)] {
        println!("{name}, getTicket, median of {turns} turns:");
        measure_one(team, ours, turns, way)?;
    }
    Ok(())
}

fn measure_one(team: &Team, ours: &Server, turns: usize, way: Way) -> anyhow::Result<()> {
    let mut starts = Vec::new();
    for _ in 0..STARTS {
        let begun = Instant::now();
        let _bridge = Bridge::begin(team, ours, way)?;
        starts.push(begun.elapsed());
    }
    let mut bridge = Bridge::begin(team, ours, way)?;
    let request = Request { tool: "getTicket", arguments: r#"{"id":7}"#, server: ours };
    let (mut direct, mut through) = (Vec::new(), Vec::new());
    for _ in 0..turns {
        direct.push(client::load(&request, 1, TURN)?.p50);
        through.push(bridge.load(TURN)?);
    }
    let added: Vec<_> = through
        .iter()
        .zip(&direct)
        .map(|(through, direct)| through.saturating_sub(*direct))
        .collect();
    println!("  from its start to the answer of the handshake  {:?}", median(starts));
    println!("  a call over HTTP   {:?}", median(direct));
    println!("  through the bridge {:?}", median(through));
    println!("  added              {:?}", median(added));
    println!("  memory             {}", bridge.memory()?);
    Ok(())
}

fn median(mut took: Vec<Duration>) -> Duration {
    took.sort_unstable();
    took[took.len() / 2]
}

struct Bridge {
    running: Running,
    asks: ChildStdin,
    answers: BufReader<ChildStdout>,
    calls: u64,
}

impl Bridge {
    /// Starts it, up to the answer of the handshake.
    fn begin(team: &Team, ours: &Server, way: Way) -> anyhow::Result<Self> {
        let url = format!("http://127.0.0.1:{}/mcp", ours.port);
        let mut command = match way {
            Way::Rota => team.command(&["bridge", &url]),
            Way::Alone => team.program(env!("CARGO_BIN_EXE_leantime-mcp"), &[&url]),
        };
        let mut child = command
            .env("LEANTIME_API_TOKEN", team.token())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let asks = child.stdin.take().context("no input")?;
        let answers = BufReader::new(child.stdout.take().context("no output")?);
        let mut bridge = Self { running: Running(child), asks, answers, calls: 0 };
        bridge.ask(HELLO)?;
        writeln!(bridge.asks, "{BEGUN}")?;
        Ok(bridge)
    }

    fn ask(&mut self, message: &str) -> anyhow::Result<()> {
        self.asks.write_all(format!("{message}\n").as_bytes())?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        ensure!(line.contains("\"result\""), "{line:?}");
        Ok(())
    }

    /// One call after the other for so long; the median.
    fn load(&mut self, turn: Duration) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        let mut took = Vec::new();
        while begun.elapsed() < turn {
            let sent = Instant::now();
            self.calls += 1;
            self.ask(&CALL.replace("ID", &self.calls.to_string()))?;
            took.push(sent.elapsed());
        }
        Ok(median(took))
    }

    /// Of the process: all that is resident, and what of it is its own.
    fn memory(&self) -> anyhow::Result<String> {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.running.0.id()))?;
        let lines =
            text.lines().filter(|line| line.starts_with("VmRSS") || line.starts_with("RssAnon"));
        Ok(lines.map(|line| line.replace('\t', " ")).collect::<Vec<_>>().join(", "))
    }
}
