//! Claims a second of 1, 2, 4 and 8 daemons that share a PostgreSQL server, beside the loops that
//! people write by hand: `UPDATE … RETURNING` and `FOR UPDATE SKIP LOCKED` by pgbench.
//!
//! `cargo bench --bench shared -- --rounds 5 --seconds 3`. All on one server with every flush made, in
//! turns, because disks and neighbours differ more than programs do: what counts is the median of
//! the turns' ratios. Each daemon has its own connections and makes one claim after the other. Mark:
//! a commit of the store reaches 0.8 of the bare update at each number of daemons.

#![expect(clippy::print_stdout, reason = "a bench prints")]
#![expect(clippy::disallowed_methods, reason = "a bench measures real time and starts a server")]

mod server;

use anyhow::Result;
use rota::clock::{SystemClock, SystemEntropy};
use rota::domain::{BoardName, DaemonId, EndKind, LifeId, PlaybookName, Reason, RunId, TaskId};
use rota::ledger::{Acquire, Ledger, LedgerOptions};
use rota::store::postgres::PostgresStore;
use rota::store::{Batch, Store as _};
use server::{Bare, Server};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const CLIENTS: [usize; 4] = [1, 2, 4, 8];
/// A claim's record is about so large.
const RECORD_BYTES: usize = 560;
const MARK: f64 = 0.8;

/// What a daemon does again and again.
#[derive(Clone, Copy)]
enum Work {
    /// One key that nobody has yet, checked and put.
    Commit,
    /// A claim, taken through the ledger.
    Claim,
    /// A claim, taken and given back.
    ClaimAndEnd,
}

const WORKS: [(&str, Work); 3] = [
    ("store: a commit", Work::Commit),
    ("ledger: a claim", Work::Claim),
    ("ledger: a claim and its end", Work::ClaimAndEnd),
];

fn main() -> Result<()> {
    let (rounds, seconds) = (argument("--rounds", 5), argument("--seconds", 3));
    let server = match Server::start() {
        Ok(server) => server,
        Err(why) => {
            println!("skipped: {why:#}");
            return Ok(());
        }
    };
    let turn = Duration::from_secs(seconds);
    println!("PostgreSQL {}, data in {}", server.version()?, server.data().display());
    println!("claims a second, median of {rounds} turns of {seconds} s");
    let mut missed = false;
    for clients in CLIENTS {
        missed |= !measure(&server, clients, rounds, turn)?;
    }
    println!("mark: {}", if missed { "MISSED" } else { "reached" });
    Ok(())
}

/// The number behind a name among the arguments.
fn argument(name: &str, otherwise: u64) -> u64 {
    let all: Vec<String> = std::env::args().collect();
    let place = all.iter().position(|argument| argument == name);
    place.and_then(|at| all.get(at + 1)?.parse().ok()).unwrap_or(otherwise)
}

/// One number of daemons; whether the mark is reached.
fn measure(server: &Server, clients: usize, rounds: u64, turn: Duration) -> Result<bool> {
    let mut bare = [Vec::new(), Vec::new()];
    let mut ours = [Vec::new(), Vec::new(), Vec::new()];
    for round in 0..rounds {
        bare[0].push(server.bare(Bare::Update, clients, turn)?);
        bare[1].push(server.bare(Bare::SkipLocked, clients, turn)?);
        for (rates, (_, work)) in ours.iter_mut().zip(WORKS) {
            let schema = format!("team_{clients}_{round}");
            rates.push(daemons(server, &schema, clients, work, turn)?);
        }
    }
    println!("\n{clients} daemons{:>40}{:>16}", "a second", "of the update");
    println!("{:<32}{:>16.0}", "pgbench: update … returning", median(bare[0].clone()));
    let of_update = |rates: &[f64]| {
        median(rates.iter().zip(&bare[0]).map(|(ours, update)| ours / update).collect())
    };
    let skip_locked = of_update(&bare[1]);
    println!("{:<32}{:>16.0}{skip_locked:>16.2}", "pgbench: skip locked", median(bare[1].clone()));
    for (rates, (name, _)) in ours.iter().zip(WORKS) {
        println!("{name:<32}{:>16.0}{:>16.2}", median(rates.clone()), of_update(rates));
    }
    Ok(of_update(&ours[0]) >= MARK)
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates.get(rates.len() / 2).copied().unwrap_or(f64::NAN)
}

/// So many daemons at this work, each with a store of its own.
fn daemons(
    server: &Server,
    schema: &str,
    clients: usize,
    work: Work,
    turn: Duration,
) -> Result<f64> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut stores = Vec::new();
        for _ in 0..clients {
            stores.push(PostgresStore::open(server.cluster(schema)?).await?);
        }
        let done = Arc::new(AtomicU64::new(0));
        let begun = Instant::now();
        let mut daemons = JoinSet::new();
        for (daemon, store) in stores.into_iter().enumerate() {
            let done = Arc::clone(&done);
            daemons.spawn(async move {
                match work {
                    Work::Commit => commits(&store, daemon, begun + turn, &done).await,
                    Work::Claim => claims(store, daemon, begun + turn, &done, false).await,
                    Work::ClaimAndEnd => claims(store, daemon, begun + turn, &done, true).await,
                }
            });
        }
        daemons.join_all().await.into_iter().collect::<Result<()>>()?;
        let count = u32::try_from(done.load(Ordering::SeqCst))?;
        Ok(f64::from(count) / begun.elapsed().as_secs_f64())
    })
}

async fn commits(
    store: &PostgresStore,
    daemon: usize,
    until: Instant,
    done: &AtomicU64,
) -> Result<()> {
    let mut number = 0_u64;
    while Instant::now() < until {
        let key = format!("bare/{daemon}/{number}");
        let batch = Batch::new().check(key.as_str(), None);
        store.commit(batch.put(key, vec![b'x'; RECORD_BYTES])).await?;
        number += 1;
        done.fetch_add(1, Ordering::SeqCst);
    }
    Ok(())
}

async fn claims(
    store: PostgresStore,
    daemon: usize,
    until: Instant,
    done: &AtomicU64,
    is_ended: bool,
) -> Result<()> {
    let options = LedgerOptions {
        board: BoardName::new(if is_ended { "ended" } else { "main" }),
        daemon: DaemonId::new(format!("bench-{daemon}")),
        life: LifeId::new(format!("bench-{daemon}-1")),
        margin: Duration::from_secs(5),
        epoch: 0,
    };
    let clock = SystemClock::shared();
    let ledger = Ledger::new(Arc::new(store), clock, Arc::new(SystemEntropy), options);
    let mut task = i64::try_from(daemon)? * 10_000_000;
    while Instant::now() < until {
        task += 1;
        let mut held = ledger.acquire(ask(&ledger, daemon, task)).await?;
        if is_ended {
            ledger.end(&mut held, EndKind::Released, Reason::Done).await?;
        }
        done.fetch_add(1, Ordering::SeqCst);
    }
    Ok(())
}

fn ask(ledger: &Ledger, daemon: usize, task: i64) -> Acquire {
    Acquire {
        task: TaskId(task),
        run: RunId::new(format!("r-{daemon}-{task:012}")),
        playbook: PlaybookName::new("ai-worker"),
        attempt: 1,
        lease: Duration::from_mins(1),
        nonce: ledger.nonce(),
        resume: None,
        comment: None,
    }
}
