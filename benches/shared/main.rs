//! How several daemons do that share a PostgreSQL server. Three parts, each on a server of its own with
//! every flush made, on this machine's disk:
//!
//! - `claims`: claims a second of 1, 2, 4 and 8 daemons, beside the loops that people write by hand,
//!   `UPDATE … RETURNING` and `FOR UPDATE SKIP LOCKED`, by pgbench, in turns, because disks and
//!   neighbours differ more than programs do: what counts is the median of the turns' ratios. Mark: 0.8
//!   of the bare update at each number of daemons.
//! - `occurrences`: 10,000 playbooks × 4 daemons, all due in one minute: each is decided once.
//! - `board`: a board of 1,000,000 tasks, and a ledger of as many rows; what daemons and pages ask of them.
//!   Mark: 50 ms for 99 of 100 looks for candidates, and no reading through the tables.
//!
//! `cargo bench --bench shared` does all; `-- claims` chooses. `--rounds 5 --seconds 3` for claims,
//! `--playbooks 10000 --daemons 4 --minutes 2` for occurrences, `--tasks 1000000` for the board. Ends with
//! 1 where a mark is missed; without PostgreSQL's programs it says so.

#![expect(clippy::print_stdout, reason = "a bench prints")]
#![expect(clippy::disallowed_methods, reason = "a bench measures real time and starts programs")]

mod child;
mod claims;
#[path = "../../tests/support/ingredients.rs"]
#[expect(clippy::wildcard_imports, reason = "it speaks of the whole domain")]
mod ingredients;
mod large;
mod occurrences;
mod server;

use anyhow::Result;
use server::Server;
use std::process::ExitCode;
use std::time::Duration;

const PARTS: [&str; 3] = ["claims", "occurrences", "board"];

fn main() -> Result<ExitCode> {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    if words.first().is_some_and(|word| word == child::WORD) {
        child::work(&words[1..])?;
        return Ok(ExitCode::SUCCESS);
    }
    let number = |name: &str, otherwise: u64| {
        let place = words.iter().position(|word| word == name);
        place.and_then(|at| words.get(at + 1)?.parse().ok()).unwrap_or(otherwise)
    };
    let is_chosen = |part: &str| {
        let has = |part: &str| words.iter().any(|word| word == part);
        has(part) || !PARTS.iter().any(|part| has(part))
    };
    let mut is_reached = true;
    for part in PARTS.into_iter().filter(|part| is_chosen(part)) {
        let server = match Server::start() {
            Ok(server) => server,
            Err(why) => {
                println!("skipped: {why:#}");
                return Ok(ExitCode::SUCCESS);
            }
        };
        println!("{part}: PostgreSQL {}, data in {}", server.version()?, server.data().display());
        println!("{}", server.durability()?);
        is_reached &= match part {
            "claims" => {
                let turn = Duration::from_secs(number("--seconds", 3));
                claims::run(&server, number("--rounds", 5), turn)?
            }
            "occurrences" => occurrences::run(
                &server,
                usize::try_from(number("--playbooks", 10_000))?,
                usize::try_from(number("--daemons", 4))?,
                number("--minutes", 2),
            )?,
            _ => large::run(&server, i64::try_from(number("--tasks", 1_000_000))?)?,
        };
    }
    println!("marks: {}", if is_reached { "reached" } else { "MISSED" });
    Ok(if is_reached { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
