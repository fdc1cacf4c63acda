//! C6: a request that is repeated, in a race or because its answer was lost, is given the same
//! fence; any other request loses.

use super::crowd::{DAEMONS, THREADS, ask, clock, ledger, say};
use super::stores::{Deaf, Jostled};
use rota::clock::Clock;
use rota::domain::{EndKind, Fence, Reason, RunId, TaskId};
use rota::ledger::{Acquire, ClaimError, Held, Ledger};
use rota::store::Store;
use rota::store::memory::MemoryStore;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::task::JoinSet;

const TASKS: i64 = 300;

fn memory() -> (Arc<dyn Store>, Arc<rota::clock::ManualClock>) {
    let clock = clock();
    (Arc::new(MemoryStore::new(Arc::clone(&clock) as Arc<dyn Clock>)), clock)
}

/// The worker's way: what is unknown is asked again, with the same nonce.
async fn persist(ledger: &Ledger, ask: &Acquire) -> Result<Held, ClaimError> {
    for _ in 0..8 {
        match ledger.acquire(ask.clone()).await {
            Err(ClaimError::Store(_)) => {}
            answer => return answer,
        }
    }
    panic!("asked in vain")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_request_that_races_itself_and_others_has_one_fence_and_the_others_none() {
    let (store, clock) = memory();
    let store = Jostled::new(store);
    let shared: Arc<dyn Store> = Arc::clone(&store) as _;
    let ledgers: Vec<_> =
        (0..DAEMONS).map(|daemon| Arc::new(ledger(&shared, &clock, daemon))).collect();
    let mut answers: BTreeMap<i64, Vec<(String, Option<Fence>)>> = BTreeMap::new();
    let mut asked = 0;
    for task in 0..TASKS {
        // Each daemon asks for one run, on all its threads at once.
        let racers = ledgers.iter().enumerate().flat_map(|(daemon, ledger)| {
            (0..THREADS).map(move |_| {
                let (ledger, run) = (Arc::clone(ledger), format!("r-{task}-{daemon}"));
                async move {
                    match ledger.acquire(ask(TaskId(task), &run)).await {
                        Ok(held) => (run, Some(held.claim.fence)),
                        Err(ClaimError::Held { claim }) if claim.run.as_str() != run => (run, None),
                        Err(error) => panic!("{error}"),
                    }
                }
            })
        });
        let found = racers.collect::<JoinSet<_>>().join_all().await;
        asked += found.len();
        answers.insert(task, found);
    }
    for (task, answers) in answers {
        let (granted, refused): (Vec<_>, Vec<_>) =
            answers.into_iter().partition(|(_, fence)| fence.is_some());
        assert_eq!(granted.len(), THREADS, "task {task}: each repetition of one request");
        assert!(granted.iter().all(|answer| *answer == granted[0]), "task {task}: {granted:?}");
        assert_eq!(granted[0].1, Some(Fence(1)));
        assert!(refused.iter().all(|(run, _)| *run != granted[0].0), "task {task}");
    }
    let conflicts = store.conflicts.load(Ordering::Relaxed);
    say(&format!("nonces: {asked} requests for {TASKS} tasks, {conflicts} commits lost a race"));
    assert!(conflicts > 0, "nobody raced");
}

/// Takers on stores of their own that lose every other answer, over one store.
async fn lost_answers(says_conflict: bool) {
    let (store, clock) = memory();
    let shared: Arc<dyn Store> = Jostled::new(store);
    let deaf: Vec<_> =
        (0..DAEMONS).map(|_| Deaf::new(Arc::clone(&shared), says_conflict)).collect();
    let work = deaf.iter().enumerate().map(|(daemon, store)| {
        let ledger = ledger(&(Arc::clone(store) as Arc<dyn Store>), &clock, daemon);
        async move {
            let mut won = Vec::new();
            for task in 0..TASKS {
                let ask = ask(TaskId(task), &format!("r-{task}-{daemon}"));
                match persist(&ledger, &ask).await {
                    Ok(mut held) => {
                        won.push((task, held.claim.fence));
                        renew_and_release(&ledger, &mut held, task % 2 == 0).await;
                    }
                    Err(ClaimError::Held { claim }) => assert_ne!(claim.run, ask.run),
                    Err(error) => panic!("task {task}: {error}"),
                }
            }
            won
        }
    });
    let won = work.collect::<JoinSet<_>>().join_all().await;
    let lost: u64 = deaf.iter().map(|store| store.lost.load(Ordering::Relaxed)).sum();
    let mut fences: BTreeMap<i64, Vec<Fence>> = BTreeMap::new();
    for (task, fence) in won.into_iter().flatten() {
        fences.entry(task).or_default().push(fence);
    }
    assert_eq!(fences.len(), usize::try_from(TASKS).unwrap(), "a task without a winner");
    for (task, mut fences) in fences {
        fences.sort_unstable();
        // An answer that is lost and not recognised would cost a fence, or grant one twice.
        let expected: Vec<_> = (1..=u64::try_from(fences.len()).unwrap()).map(Fence).collect();
        assert_eq!(fences, expected, "task {task}");
    }
    say(&format!("lost answers (as a conflict: {says_conflict}): {lost} were lost, 0 fences"));
    assert!(lost > 100, "only {lost} answers were lost");
}

/// What was lost of these answers is asked again as well.
async fn renew_and_release(ledger: &Ledger, held: &mut Held, renews: bool) {
    if renews {
        while let Err(error) = ledger.renew(held).await {
            assert!(matches!(error, ClaimError::Store(_)), "{error}");
        }
    }
    while let Err(error) = ledger.end(held, EndKind::Released, Reason::Done).await {
        // The release whose answer was lost may have let somebody else in already.
        if matches!(error, ClaimError::Lost { .. }) {
            return;
        }
        assert!(matches!(error, ClaimError::Store(_)), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_commit_whose_answer_was_lost_is_recognised_by_its_nonce() {
    lost_answers(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_commit_that_is_answered_with_a_conflict_is_recognised_by_its_nonce() {
    lost_answers(true).await;
}

#[tokio::test]
async fn the_next_attempt_whose_answer_was_lost_is_recognised_by_its_nonce() {
    for says_conflict in [false, true] {
        let (store, clock) = memory();
        // The acquisition's answer is lost, then the one of the release, and so on.
        let deaf = Deaf::new(store, says_conflict);
        let ledger = ledger(&(Arc::clone(&deaf) as Arc<dyn Store>), &clock, 0);
        let task = TaskId(1);
        let first = persist(&ledger, &ask(task, "r-1")).await.unwrap();
        deaf.commits.store(0, Ordering::SeqCst);
        let next = Acquire { attempt: 2, ..ask(task, "r-2") };
        let second = match ledger.succeed(&first, next.clone()).await {
            Err(ClaimError::Store(_)) => ledger.succeed(&first, next).await.unwrap(),
            answer => answer.unwrap(),
        };
        assert_eq!((first.claim.fence, second.claim.fence), (Fence(1), Fence(2)));
        assert_eq!(second.claim.run, RunId::new("r-2"));
        assert!(deaf.lost.load(Ordering::SeqCst) >= 2);
        assert!(first.trust.is_lost() && !second.trust.is_lost());
    }
}
