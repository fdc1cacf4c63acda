//! Durable claims a second, through the ledger and the store, beside what the engine can do bare:
//! one compare-and-swap, one flush and one fsync for each claim.
//!
//! `cargo bench --bench claims`. They are measured in short turns, in the same run and folder, because
//! disks, and neighbours on one machine, differ more than programs do: what counts is the median of
//! the turns' ratios. Marks: the ledger with one worker reaches 0.75 of the bare engine, and eight
//! workers three times one.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement: it prints, reads the machine's clock, and ends at the first error"
)]

use rota::clock::{SystemClock, SystemEntropy};
use rota::domain::{BoardName, DaemonId, LifeId, PlaybookName, RunId, TaskId};
use rota::ledger::{Acquire, Ledger, LedgerOptions};
use rota::store::sled::{SledOptions, SledStore};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

const ROUNDS: usize = 25;
const ROUND: Duration = Duration::from_millis(400);
/// A claim's record is about so large.
const RECORD_BYTES: usize = 560;

fn main() {
    // Not the temporary folder, which may be memory: an fsync there costs nothing.
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let mut bare = [Vec::new(), Vec::new()];
    let mut ledger = [Vec::new(), Vec::new()];
    for round in 0..ROUNDS {
        for (place, workers) in [1, 8].into_iter().enumerate() {
            let at = dir.path().join(format!("{round}-{workers}"));
            bare[place].push(bare_claims(&at.join("bare"), workers));
            ledger[place].push(ledger_claims(&at.join("ledger"), workers));
        }
    }
    let ratios = |over: &[f64], under: &[f64]| {
        median(over.iter().zip(under).map(|(over, under)| over / under).collect())
    };
    let beside = [0, 1].map(|place| ratios(&ledger[place], &bare[place]));
    let more = ratios(&ledger[1], &ledger[0]);
    let [bare_one, bare_eight] = bare.map(median);
    let [ledger_one, ledger_eight] = ledger.map(median);
    println!("claims a second, median of {ROUNDS} turns of {} ms", ROUND.as_millis());
    println!("                     1 worker    8 workers");
    println!("bare engine      {bare_one:>12.0} {bare_eight:>12.0}");
    println!("ledger           {ledger_one:>12.0} {ledger_eight:>12.0}");
    println!("ledger / bare    {:>12.2} {:>12.2}", beside[0], beside[1]);
    verdict("one worker against the bare engine", beside[0], 0.75);
    verdict("eight workers against one", more, 3.0);
}

fn verdict(what: &str, ratio: f64, mark: f64) {
    let word = if ratio >= mark { "reached" } else { "MISSED" };
    println!("{what}: {ratio:.2}, mark {mark:.2} {word}");
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

/// Each thread claims tasks of its own; every claim is durable before the next.
fn bare_claims(dir: &Path, workers: usize) -> f64 {
    let db = sled::Config::new()
        .path(dir)
        .cache_capacity(8 * 1024 * 1024)
        .flush_every_ms(None)
        .open()
        .unwrap();
    let log = std::fs::File::options().read(true).write(true).open(dir.join("db")).unwrap();
    let (next, record) = (AtomicI64::new(0), vec![b'x'; RECORD_BYTES]);
    let started = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while started.elapsed() < ROUND {
                    let key = format!("claim/main/{}", next.fetch_add(1, Ordering::Relaxed));
                    db.compare_and_swap(key, None::<&[u8]>, Some(&record[..])).unwrap().unwrap();
                    db.flush().unwrap();
                    log.sync_data().unwrap();
                }
            });
        }
    });
    rate(next.into_inner(), started)
}

fn ledger_claims(dir: &Path, workers: usize) -> f64 {
    let clock = SystemClock::shared();
    let store = SledStore::open(dir, SledOptions::default(), Arc::clone(&clock)).unwrap();
    let options = LedgerOptions {
        board: BoardName::new("main"),
        daemon: DaemonId::new("bench"),
        life: LifeId::new("bench-1"),
        margin: Duration::from_secs(5),
        epoch: 0,
    };
    let ledger = Arc::new(Ledger::new(Arc::new(store), clock, Arc::new(SystemEntropy), options));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let next = Arc::new(AtomicI64::new(0));
    let started = Instant::now();
    runtime.block_on(async {
        let work: Vec<_> = (0..workers)
            .map(|_| {
                let (ledger, next) = (Arc::clone(&ledger), Arc::clone(&next));
                tokio::spawn(async move {
                    while started.elapsed() < ROUND {
                        let task = next.fetch_add(1, Ordering::Relaxed);
                        ledger.acquire(ask(&ledger, task)).await.unwrap();
                    }
                })
            })
            .collect();
        for work in work {
            work.await.unwrap();
        }
    });
    rate(next.load(Ordering::Relaxed), started)
}

fn ask(ledger: &Ledger, task: i64) -> Acquire {
    Acquire {
        task: TaskId(task),
        run: RunId::new(format!("r-{task:012}")),
        playbook: PlaybookName::new("ai-worker"),
        attempt: 1,
        lease: Duration::from_mins(1),
        nonce: ledger.nonce(),
        resume: None,
        comment: None,
    }
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people")]
fn rate(count: i64, started: Instant) -> f64 {
    count as f64 / started.elapsed().as_secs_f64()
}
