//! How many calls a second MCP takes over HTTP, and how long one takes: ours, with credential, guard
//! and board behind it, beside peers that answer with what stands in a file.
//!
//! `benches/mcp/run` gets the peers and measures; `cargo bench --bench mcp` alone does the same
//! with those that are there. `-- calls bridge` chooses, `--turns 5` says how often. Servers take
//! turns, each for a second, because neighbours on one machine differ more than programs do: what counts
//! is the median of the turns. Linux only.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement: it prints, starts real programs, and ends at the first error"
)]

mod bare;
mod bridge;
mod client;
#[path = "../house/door.rs"]
mod door;
#[path = "../house/mod.rs"]
mod house;
#[path = "../board/load.rs"]
mod load;
mod servers;

use client::{Era, Request};
use servers::{Server, Team};
use std::time::Duration;

const TURN: Duration = Duration::from_secs(1);
const TOOLS: [(&str, &str); 2] = [("getTicket", r#"{"id":7}"#), ("findTasks", r#"{"limit":100}"#)];

fn main() -> anyhow::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    if let [role, answers] = words.as_slice()
        && role == "--bare"
    {
        return runtime.block_on(bare::serve(answers.as_ref()));
    }
    let at = words.iter().position(|word| word == "--turns");
    let turns = at.map_or(Ok(5), |at| words[at + 1].parse())?;
    let chosen = |part: &str| {
        words.iter().any(|w| w == part) || !words.iter().any(|w| w == "calls" || w == "bridge")
    };
    let team = Team::of(&runtime)?;
    let ours = team.serve()?;
    if chosen("calls") {
        calls(&team, &ours, turns)?;
    }
    if chosen("bridge") {
        bridge::measure(&team, &ours, turns)?;
    }
    Ok(())
}

/// Asks every server for the same answers.
fn calls(team: &Team, ours: &Server, turns: usize) -> anyhow::Result<()> {
    let answers = team.keep_answers(ours)?;
    let mut servers = vec![Server::bare(&answers)?];
    servers.extend(Server::typescript(&answers)?);
    servers.extend(Server::fastmcp(&answers)?);
    for (tool, arguments) in TOOLS {
        for at_once in [1, 32] {
            println!("{tool} {arguments}, {at_once} at once, median of {turns} turns:");
            let with_sessions = ours.speaking("rota, with a session", Era::Session);
            let all: Vec<&Server> = [ours, &with_sessions].into_iter().chain(&servers).collect();
            let mut found = vec![Vec::new(); all.len()];
            for _ in 0..turns {
                for (server, found) in all.iter().zip(&mut found) {
                    let request = Request { tool, arguments, server };
                    found.push(client::load(&request, at_once, TURN)?);
                }
            }
            let medians: Vec<_> = found.into_iter().map(client::Load::median).collect();
            for (server, load) in all.iter().zip(&medians) {
                let ratio = medians[0].rate / load.rate;
                println!(
                    "  {:<24} {:>8.0}/s  p50 {:>8.3} ms  p99 {:>8.3} ms  rota ×{ratio:.2}",
                    server.name,
                    load.rate,
                    load.p50.as_secs_f64() * 1e3,
                    load.p99.as_secs_f64() * 1e3,
                );
            }
        }
    }
    Ok(())
}
