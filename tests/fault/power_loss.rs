//! The power is cut: a program acknowledges claims on a disk that is a file, is stopped, and what has
//! reached the file by then is opened again. No claim that was acknowledged may be missing.
//!
//! Needs root and a loop device. `ROTA_FULL=1` makes 50 trials, and shows that the same trial catches
//! an engine that flushes without syncing.

use super::disk::Disk;
use super::{asked, say, skip};
use crate::support::rota::Rota;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rota::clock::{SystemClock, SystemEntropy};
use rota::domain::{BoardName, DaemonId, EndKind, LifeId, PlaybookName, Reason, RunId, TaskId};
use rota::ledger::{Acquire, Ledger, LedgerOptions};
use rota::store::open::{StoreOptions, open as open_store};
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

const ROLE: &str = "ROTA_TEST_POWER_LOSS";
const FLUSH_ONLY: &str = "flush-only ";
const TASKS: i64 = 64;
const WORKERS: i64 = 8;

fn ledger(state: &Path) -> Ledger {
    let (life, clock) = (LifeId::new("a life"), SystemClock::shared());
    let options = LedgerOptions {
        board: BoardName::new("main"),
        daemon: DaemonId::new("a daemon"),
        life: life.clone(),
        margin: Duration::from_secs(1),
        epoch: 0,
    };
    let store = open_store(&StoreOptions::default(), state, &life, Arc::clone(&clock)).unwrap();
    Ledger::new(store, clock, Arc::new(SystemEntropy), options)
}

/// Says that a claim, or what stands for one, is durable.
fn acknowledge(task: i64, fence: u64) {
    let _ = writeln!(std::io::stdout().lock(), "claimed {task} {fence}");
}

async fn claim_for_ever(ledger: Arc<Ledger>, worker: i64) {
    for n in 0_i64.. {
        let task = TaskId((worker + n * WORKERS) % TASKS);
        let ask = Acquire {
            task,
            run: RunId::new(format!("r-{worker}-{n}")),
            playbook: PlaybookName::new("worker"),
            attempt: 1,
            lease: Duration::from_mins(1),
            nonce: ledger.nonce(),
            resume: None,
            comment: None,
        };
        let mut held = ledger.acquire(ask).await.unwrap();
        acknowledge(task.0, held.claim.fence.0);
        ledger.end(&mut held, EndKind::Released, Reason::HandedOver).await.unwrap();
    }
}

/// The engine as it would be used without the rule: flushed, not synced.
fn flush_only(folder: &Path) {
    let db = sled::Config::new().path(folder).flush_every_ms(None).open().unwrap();
    for n in 0_u64.. {
        let task = n % TASKS.unsigned_abs();
        db.insert(task.to_be_bytes(), &n.to_be_bytes()).unwrap();
        db.flush().unwrap();
        acknowledge(task.cast_signed(), n);
    }
}

/// Not a test of its own: the program whose machine loses its power.
#[test]
fn the_one_who_claims() {
    let Some(role) = asked(ROLE) else { return };
    if let Some(folder) = role.strip_prefix(FLUSH_ONLY) {
        flush_only(Path::new(folder));
        return;
    }
    let ledger = Arc::new(ledger(Path::new(&role)));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(futures::future::join_all(
        (0..WORKERS).map(|worker| claim_for_ever(Arc::clone(&ledger), worker)),
    ));
}

/// Runs the program until it has acknowledged so many, and cuts the power: what was acknowledged, and
/// the disk that is left.
fn cut_after(count: usize, role: &str) -> Result<(BTreeMap<i64, u64>, Disk), String> {
    let disk = Disk::ext4(64)?;
    let before = ["--exact", "fault::power_loss::the_one_who_claims", "--nocapture"];
    let program = std::env::current_exe().unwrap();
    let role = format!("{role}{}", disk.path().join("state").display());
    let rota = Rota::of(program, before.map(str::to_owned).to_vec()).with_env(ROLE, &role);
    let mut child =
        rota.command([""; 0]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut acknowledged = BTreeMap::new();
    for line in lines.by_ref().filter(|line| line.contains("claimed ")).take(count) {
        let mut words = line.split(' ').rev();
        let fence: u64 = words.next().unwrap().parse().unwrap();
        let task: i64 = words.next().unwrap().parse().unwrap();
        let last = acknowledged.entry(task).or_insert(fence);
        *last = fence.max(*last);
    }
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
    assert!(!acknowledged.is_empty(), "it acknowledged nothing");
    kill(pid, Signal::SIGSTOP).unwrap();
    let left = disk.as_after_a_power_cut();
    child.kill().unwrap();
    child.wait().unwrap();
    // Whatever it had still written into the pipe is of no interest.
    drop(lines);
    Ok((acknowledged, left?))
}

/// Whether every acknowledged claim is on the disk; what is missing.
fn lost(acknowledged: &BTreeMap<i64, u64>, disk: &Disk) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let ledger = ledger(&disk.path().join("state"));
    let mut missing = Vec::new();
    for (task, fence) in acknowledged {
        let found = runtime.block_on(ledger.claim(TaskId(*task))).unwrap();
        let found = found.map(|claim| claim.fence.0);
        if found < Some(*fence) {
            missing.push(format!("task {task}: {fence} was acknowledged, {found:?} is there"));
        }
    }
    missing
}

#[test]
fn no_acknowledged_claim_is_lost_when_the_power_is_cut() {
    let trials: usize = if asked("ROTA_FULL").is_some() { 50 } else { 12 };
    let clock = SystemClock::shared();
    let (begun, mut claims) = (clock.boot(), 0);
    for trial in 0..trials {
        let count = 1 + (trial * 37) % 400;
        match cut_after(count, "") {
            Err(why) => return skip(&format!("no loop device to cut the power of: {why}")),
            Ok((acknowledged, disk)) => {
                let missing = lost(&acknowledged, &disk);
                assert!(missing.is_empty(), "trial {trial}, {count} claims: {missing:#?}");
                claims += count;
            }
        }
    }
    let time = clock.boot().saturating_sub(begun);
    say(&format!("{trials} power cuts, {claims} acknowledged claims, none lost, in {time:?}"));
}

/// The trial is able to fail: it catches an engine that only flushes.
#[test]
fn a_store_that_only_flushes_is_caught() {
    if asked("ROTA_FULL").is_none() {
        return;
    }
    let mut caught = 0;
    for trial in 0..50 {
        let (acknowledged, disk) = match cut_after(1 + (trial * 37) % 400, FLUSH_ONLY) {
            Ok(cut) => cut,
            Err(why) => return skip(&format!("no loop device to cut the power of: {why}")),
        };
        let Ok(db) = sled::open(disk.path().join("state")) else {
            caught += 1;
            continue;
        };
        let is_there = |(task, last): (&i64, &u64)| {
            let found = db.get(task.cast_unsigned().to_be_bytes()).ok().flatten();
            found.is_some_and(|found| found.as_ref() >= &last.to_be_bytes()[..])
        };
        caught += usize::from(!acknowledged.iter().all(is_there));
    }
    say(&format!("an engine that only flushes lost something in {caught} of 50 power cuts"));
    assert!(caught > 0);
}
