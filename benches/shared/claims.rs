//! Claims a second of 1, 2, 4 and 8 daemons, beside the loops that people write by hand.
//!
//! A claim through the ledger is three statements in two steps: the store's time and what is known of the
//! task, asked at once; then one statement that decides and writes. `store: a commit` is that last one
//! alone. The loops by pgbench write as many bytes of a record, on the same server, with as many clients,
//! in turns with ours.

use super::server::{Bare, Server};
use anyhow::Result;
use rota::clock::{SystemClock, SystemEntropy};
use rota::domain::{BoardName, DaemonId, EndKind, LifeId, PlaybookName, Reason, RunId, TaskId};
use rota::ledger::{Acquire, Ledger, LedgerOptions};
use rota::store::postgres::PostgresStore;
use rota::store::{Batch, Store as _};
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

/// With their names, and whether the mark is for them.
const WORKS: [(&str, Work, bool); 3] = [
    ("store: a commit", Work::Commit, true),
    ("ledger: a claim", Work::Claim, true),
    ("ledger: a claim and its end", Work::ClaimAndEnd, false),
];

/// What was measured with so many clients, turn by turn.
#[derive(Default)]
struct Rates {
    update: Vec<f64>,
    skip_locked: Vec<f64>,
    ours: [Vec<f64>; 3],
}

/// Whether the mark is reached by all.
pub fn run(server: &Server, rounds: u64, turn: Duration) -> Result<bool> {
    println!("claims a second, median of {rounds} turns of {} s", turn.as_secs());
    let mut is_reached = true;
    for clients in CLIENTS {
        let rates = measure(server, clients, rounds, turn)?;
        is_reached &= show(clients, &rates);
    }
    Ok(is_reached)
}

fn measure(server: &Server, clients: usize, rounds: u64, turn: Duration) -> Result<Rates> {
    let mut rates = Rates::default();
    for round in 0..rounds {
        rates.update.push(server.bare(Bare::Update, clients, turn)?);
        rates.skip_locked.push(server.bare(Bare::SkipLocked, clients, turn)?);
        let schema = format!("team_{clients}_{round}");
        for (ours, (_, work, _)) in rates.ours.iter_mut().zip(WORKS) {
            ours.push(daemons(server, &schema, clients, work, turn)?);
        }
        let last = |rates: &[f64]| rates.last().copied().unwrap_or(f64::NAN);
        let ours = rates.ours.each_ref().map(|ours| format!("{:.0}", last(ours))).join(", ");
        println!(
            "  {clients} clients, turn {} of {rounds}: update {:.0}, skip locked {:.0}; ours {ours}",
            round + 1,
            last(&rates.update),
            last(&rates.skip_locked)
        );
    }
    Ok(rates)
}

/// Prints the medians; whether the mark is reached.
fn show(clients: usize, rates: &Rates) -> bool {
    let beside = |ours: &[f64], bare: &[f64]| {
        median(ours.iter().zip(bare).map(|(ours, bare)| ours / bare).collect())
    };
    println!(
        "\n{:<32}{:>12}{:>16}{:>18}",
        format!("{clients} daemons"),
        "a second",
        "of the update",
        "of skip locked"
    );
    let line = |name: &str, own: &[f64], word: &str| {
        let (update, skip) = (beside(own, &rates.update), beside(own, &rates.skip_locked));
        println!("{name:<32}{:>12.0}{update:>16.2}{skip:>18.2}  {word}", median(own.to_vec()));
    };
    line("pgbench: update … returning", &rates.update, "");
    line("pgbench: skip locked", &rates.skip_locked, "");
    let mut is_reached = true;
    for (ours, (name, _, is_marked)) in rates.ours.iter().zip(WORKS) {
        let reaches = beside(ours, &rates.update) >= MARK;
        let word = match (is_marked, reaches) {
            (false, _) => String::new(),
            (true, true) => format!("mark {MARK} reached"),
            (true, false) => format!("mark {MARK} MISSED"),
        };
        line(name, ours, &word);
        is_reached &= reaches || !is_marked;
    }
    println!();
    is_reached
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
            stores.push(PostgresStore::open(server.cluster(schema, 4)?).await?);
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
