//! A program that plays an agent: it reads its prompt on stdin, says what it does line by line, and
//! ends with a JSON line that names the outcome. `work.runner = "command"` runs programs like it.
//!
//! ```text
//! fake_agent [--outcome NAME] [--lines N] [--pause MILLISECONDS] [--quiet] [--env] [--flood BYTES] [--exit STATUS]
//!            [--crash] [--hang] [--deaf] [--escape PIDFILE]
//! ```
//! `--hang` waits for ever, `--deaf` does so without hearing SIGTERM, `--escape` leaves a grandchild in
//! a session of its own (`setsid`), which keeps the pipes open: what a runner has to cope with.

#![expect(clippy::print_stdout, reason = "its standard output is its interface")]

use std::io::{Read, Write};
use std::time::Duration;

#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
struct Wishes {
    outcome: Option<String>,
    lines: u32,
    /// After each of them.
    pause: std::time::Duration,
    env: bool,
    flood_bytes: usize,
    status: i32,
    crash: bool,
    hang: bool,
    deaf: bool,
    escape: Option<String>,
}

fn wishes() -> Result<Wishes, String> {
    let mut wishes = Wishes {
        outcome: Some("done".to_owned()),
        lines: 2,
        pause: std::time::Duration::ZERO,
        env: false,
        flood_bytes: 0,
        status: 0,
        crash: false,
        hang: false,
        deaf: false,
        escape: None,
    };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
        match arg.as_str() {
            "--outcome" => wishes.outcome = Some(value()?),
            "--quiet" => wishes.outcome = None,
            "--pause" => {
                let millis = value()?.parse().map_err(|_| "--pause: milliseconds")?;
                wishes.pause = std::time::Duration::from_millis(millis);
            }
            "--lines" => wishes.lines = value()?.parse().map_err(|_| "--lines: a number")?,
            "--env" => wishes.env = true,
            "--flood" => wishes.flood_bytes = value()?.parse().map_err(|_| "--flood: bytes")?,
            "--exit" => wishes.status = value()?.parse().map_err(|_| "--exit: a status")?,
            "--crash" => wishes.crash = true,
            "--hang" => wishes.hang = true,
            "--deaf" => wishes.deaf = true,
            "--escape" => wishes.escape = Some(value()?),
            "--escaped" => escaped(&value()?),
            other => return Err(format!("unknown argument {other}")),
        }
    }
    Ok(wishes)
}

/// The grandchild: a session of its own, its pid in a file, and then nothing for a long time.
fn escaped(pidfile: &str) -> ! {
    let _ = nix::unistd::setsid();
    let _ = std::fs::write(pidfile, std::process::id().to_string());
    std::thread::sleep(Duration::from_mins(5));
    std::process::exit(0)
}

#[expect(clippy::disallowed_methods, reason = "an agent's own child is not the daemon's")]
fn escape(pidfile: &str) -> std::io::Result<()> {
    std::process::Command::new(std::env::current_exe()?).args(["--escaped", pidfile]).spawn()?;
    while std::fs::read_to_string(pidfile).unwrap_or_default().is_empty() {
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let wishes = wishes()?;
    let mut prompt = String::new();
    std::io::stdin().read_to_string(&mut prompt)?;
    if let Some(pidfile) = &wishes.escape {
        escape(pidfile)?;
    }
    for number in 1..=wishes.lines {
        println!("step {number}: {} characters of prompt", prompt.chars().count());
        std::io::stdout().flush()?;
        if !wishes.pause.is_zero() {
            tokio::time::sleep(wishes.pause).await;
        }
    }
    if wishes.env {
        for (name, value) in std::env::vars() {
            println!("{name}={value}");
        }
    }
    if wishes.flood_bytes > 0 {
        let line = [b"x".repeat(1_023), b"\n".to_vec()].concat();
        for _ in 0..wishes.flood_bytes / line.len() {
            std::io::stdout().write_all(&line)?;
        }
    }
    if wishes.crash {
        std::process::abort();
    }
    if wishes.deaf {
        let mut deaf = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        println!("deaf");
        loop {
            deaf.recv().await;
        }
    }
    if wishes.hang {
        println!("hanging");
        std::future::pending::<()>().await;
    }
    if let Some(outcome) = &wishes.outcome {
        let first = prompt.lines().next().unwrap_or_default();
        println!("{}", serde_json::json!({ "outcome": outcome, "summary": first }));
    }
    std::process::exit(wishes.status)
}
