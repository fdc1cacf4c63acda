//! Claims a second of 1, 2, 4 and 8 daemons, beside the loops that people write by hand.
//!
//! A first claim through the ledger is one statement, which decides and writes two rows; where the daemon has
//! not heard the server's time for a few seconds it looks first, as it does for a renewal and an end. `store:
//! a commit` is one row alone. A daemon with several slots claims for all of them at once, and what its
//! slots ask for meanwhile goes together. The loops by pgbench write as many bytes of a record, on the same server, with as many clients,
//! in turns with ours: one turn forwards, the next backwards, so that nobody always comes after another.
//! Before a turn each daemon of ours does its work once, as each client of pgbench is connected before its
//! time begins.

use super::server::{Bare, Server};
use anyhow::Result;
use rota::clock::{Clock, ServerClock, SystemClock, SystemEntropy};
use rota::domain::{BoardName, DaemonId, EndKind, LifeId, PlaybookName, Reason, RunId, TaskId};
use rota::ledger::{Acquire, Ledger, LedgerOptions};
use rota::store::postgres::PostgresStore;
use rota::store::{Batch, Store as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
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

/// A loop that is measured; ours by its place among [`WORKS`].
#[derive(Clone, Copy)]
enum Loop {
    Update,
    SkipLocked,
    Ours(usize),
}

const LOOPS: [Loop; 6] =
    [Loop::Update, Loop::SkipLocked, Loop::Ours(0), Loop::Ours(1), Loop::Ours(2), Loop::Ours(3)];

/// With their names, how many slots each daemon has, and whether the mark is for them.
const WORKS: [(&str, Work, usize, bool); 4] = [
    ("store: a commit", Work::Commit, 1, true),
    ("ledger: a claim, one slot", Work::Claim, 1, true),
    ("ledger: a claim, four slots", Work::Claim, 4, true),
    ("ledger: a claim and its end", Work::ClaimAndEnd, 1, false),
];

/// What was measured with so many clients, turn by turn.
#[derive(Default)]
struct Rates {
    update: Vec<f64>,
    skip_locked: Vec<f64>,
    ours: [Vec<f64>; 4],
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
        let schema = format!("team_{clients}_{round}");
        let mut loops = LOOPS;
        if round % 2 == 1 {
            loops.reverse();
        }
        for one in loops {
            match one {
                Loop::Update => rates.update.push(server.bare(Bare::Update, clients, turn)?),
                Loop::SkipLocked => {
                    rates.skip_locked.push(server.bare(Bare::SkipLocked, clients, turn)?);
                }
                Loop::Ours(which) => {
                    let (_, work, slots, _) = WORKS[which];
                    let schema = format!("{schema}_{slots}");
                    let rate = daemons(server, &schema, clients, (work, slots), turn)?;
                    rates.ours[which].push(rate);
                }
            }
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
    for (ours, (name, _, _, is_marked)) in rates.ours.iter().zip(WORKS) {
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

/// So many daemons at this work with so many slots, each daemon with a store of its own.
fn daemons(
    server: &Server,
    schema: &str,
    clients: usize,
    (work, slots): (Work, usize),
    turn: Duration,
) -> Result<f64> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut daemons = Vec::new();
        for number in 0..clients {
            let clock = Arc::new(ServerClock::over(SystemClock::shared()));
            let store = PostgresStore::open(server.cluster(schema, 4)?).await?;
            let store = store.telling(Arc::clone(&clock));
            let daemon = Arc::new(Daemon::new(store, clock, number, work)?);
            // Its connections are made, and its statements known.
            daemon.store.now().await?;
            daemon.work().await?;
            daemons.extend(std::iter::repeat_n(daemon, slots));
        }
        let done = Arc::new(AtomicU64::new(0));
        let begun = Instant::now();
        let mut working = JoinSet::new();
        for daemon in daemons {
            let done = Arc::clone(&done);
            working.spawn(async move {
                while begun.elapsed() < turn {
                    daemon.work().await?;
                    done.fetch_add(1, Ordering::SeqCst);
                }
                anyhow::Ok(())
            });
        }
        working.join_all().await.into_iter().collect::<Result<()>>()?;
        let count = u32::try_from(done.load(Ordering::SeqCst))?;
        Ok(f64::from(count) / begun.elapsed().as_secs_f64())
    })
}

/// One of them, and how far it is.
struct Daemon {
    store: Arc<PostgresStore>,
    ledger: Ledger,
    work: Work,
    name: String,
    /// Of its last task; no other one's are among them.
    task: AtomicI64,
}

impl Daemon {
    fn new(
        store: PostgresStore,
        clock: Arc<ServerClock>,
        number: usize,
        work: Work,
    ) -> Result<Self> {
        let name = format!("bench-{number}");
        let board = if matches!(work, Work::ClaimAndEnd) { "ended" } else { "main" };
        let options = LedgerOptions {
            board: BoardName::new(board),
            daemon: DaemonId::new(name.clone()),
            life: LifeId::new(format!("{name}-1")),
            margin: Duration::from_secs(5),
            epoch: 0,
        };
        let (store, clock) = (Arc::new(store), clock as Arc<dyn Clock>);
        let ledger = Ledger::new(Arc::clone(&store) as _, clock, Arc::new(SystemEntropy), options);
        let task = AtomicI64::new(i64::try_from(number)? * 10_000_000);
        Ok(Self { store, ledger, work, name, task })
    }

    /// Once.
    async fn work(&self) -> Result<()> {
        let task = self.task.fetch_add(1, Ordering::SeqCst);
        if matches!(self.work, Work::Commit) {
            let key = format!("bare/{}/{task}", self.name);
            let batch = Batch::new().check(key.as_str(), None);
            self.store.commit(batch.put(key, vec![b'x'; RECORD_BYTES])).await?;
            return Ok(());
        }
        let mut held = self.ledger.acquire(self.ask(task)).await?;
        if matches!(self.work, Work::ClaimAndEnd) {
            self.ledger.end(&mut held, EndKind::Released, Reason::Done).await?;
        }
        Ok(())
    }

    fn ask(&self, task: i64) -> Acquire {
        Acquire {
            task: TaskId(task),
            run: RunId::new(format!("r-{task:012}")),
            playbook: PlaybookName::new("ai-worker"),
            attempt: 1,
            lease: Duration::from_mins(1),
            nonce: self.ledger.nonce(),
            resume: None,
            comment: None,
        }
    }
}
