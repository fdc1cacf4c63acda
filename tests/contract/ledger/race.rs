//! Threads that race for tasks on one store in a folder, as daemons would.

use super::{Acquire, Fixture, LEASE, ask, ledger, sled};
use rota::domain::{EndKind, Fence, Reason, RunId, TaskId};
use rota::ledger::ClaimError;
use std::collections::BTreeMap;
use std::sync::Mutex;

const THREADS: u32 = 8;
const TASKS: i64 = 200;

#[test]
fn of_eight_threads_that_race_for_every_task_one_wins_each() {
    let f = sled();
    let won: Mutex<BTreeMap<i64, Vec<u32>>> = Mutex::default();
    race(&f, |thread, f| async move {
        let ledger = ledger(f, &format!("d{thread}/l"));
        let mut mine = Vec::new();
        // Each begins elsewhere, so that they meet in every order.
        for n in 0..TASKS {
            let task = (n * 7 + i64::from(thread)) % TASKS;
            match ledger.acquire(want(task, thread, 0)).await {
                Ok(held) => {
                    assert_eq!(held.claim.fence, Fence(1));
                    mine.push(task);
                }
                Err(ClaimError::Held { claim }) => assert_ne!(claim.run, run(task, thread, 0)),
                Err(error) => panic!("{error}"),
            }
        }
        mine
    })
    .into_iter()
    .zip(0..)
    .for_each(|(tasks, thread)| {
        for task in tasks {
            won.lock().unwrap().entry(task).or_default().push(thread);
        }
    });
    let won = won.into_inner().unwrap();
    assert_eq!(won.len(), usize::try_from(TASKS).unwrap(), "a task without a winner");
    assert!(won.values().all(|winners| winners.len() == 1), "a task with two winners");
}

#[test]
fn however_often_a_task_changes_hands_its_fences_strictly_increase() {
    const ROUNDS: u32 = 40;
    let f = sled();
    let fences = race(&f, |thread, f| async move {
        let ledger = ledger(f, &format!("d{thread}/l"));
        let (mut fences, mut round) = (Vec::new(), 0);
        while round < ROUNDS {
            match ledger.acquire(want(1, thread, round)).await {
                Ok(mut held) => {
                    fences.push(held.claim.fence);
                    ledger.end(&mut held, EndKind::Released, Reason::Done).await.unwrap();
                    round += 1;
                }
                Err(ClaimError::Held { .. }) => tokio::task::yield_now().await,
                Err(error) => panic!("{error}"),
            }
        }
        fences
    });
    assert!(fences.iter().all(|mine| mine.windows(2).all(|pair| pair[0] < pair[1])));
    let mut all: Vec<_> = fences.into_iter().flatten().collect();
    all.sort_unstable();
    let expected: Vec<_> = (1..=u64::from(THREADS * ROUNDS)).map(Fence).collect();
    assert_eq!(all, expected, "a fence came twice or was lost");
}

fn run(task: i64, thread: u32, round: u32) -> RunId {
    RunId::new(format!("r-{task}-{thread}-{round}"))
}

fn want(task: i64, thread: u32, round: u32) -> Acquire {
    let run = run(task, thread, round);
    Acquire { task: TaskId(task), lease: LEASE, ..ask(run.as_str()) }
}

/// The same on eight threads, each with a runtime of its own; their results in order.
fn race<'f, T: Send, F>(f: &'f Fixture, what: impl Fn(u32, &'f Fixture) -> F + Sync) -> Vec<T>
where
    F: Future<Output = T>,
{
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let what = &what;
                scope.spawn(move || {
                    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                    runtime.block_on(what(thread, f))
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}
