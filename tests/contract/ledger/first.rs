//! The first claim of a task, which is taken without a look.

use super::{LEASE, MARGIN, TASK, ask, ledger_over, memory};
use async_trait::async_trait;
use rota::clock::Clock;
use rota::domain::{EndKind, Fence, Reason, StoreTime};
use rota::ledger::{Acquire, ClaimError, Ledger};
use rota::store::{Batch, Result, Row, Store, StoreError, Versioned};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// By so much is what the time is at most ahead of it.
const AHEAD: Duration = Duration::from_secs(3);

/// A store that tells how late it is at most, counts who looks, and may lose the answer to a commit.
#[derive(Debug)]
struct Told {
    inner: Arc<dyn Store>,
    looks: AtomicUsize,
    loses: AtomicBool,
    /// Since the last commit its clock is ahead by so many milliseconds of what it said before.
    set_on_ms: AtomicU64,
    has_committed: AtomicBool,
}

impl Told {
    fn over(inner: &Arc<dyn Store>) -> Arc<Self> {
        Arc::new(Self {
            inner: Arc::clone(inner),
            looks: AtomicUsize::new(0),
            loses: AtomicBool::new(false),
            set_on_ms: AtomicU64::new(0),
            has_committed: AtomicBool::new(false),
        })
    }

    /// How often somebody looked since this was asked.
    fn looks(&self) -> usize {
        self.looks.swap(0, Ordering::SeqCst)
    }
}

#[async_trait]
impl Store for Told {
    async fn get(&self, key: &str) -> Result<Option<Versioned>> {
        self.inner.get(key).await
    }

    async fn look(&self, keys: &[&str]) -> Result<(StoreTime, Vec<Option<Versioned>>)> {
        self.looks.fetch_add(1, Ordering::SeqCst);
        self.inner.look(keys).await
    }

    async fn commit(&self, batch: Batch) -> Result<()> {
        self.inner.commit(batch).await?;
        self.has_committed.store(true, Ordering::SeqCst);
        if self.loses.swap(false, Ordering::SeqCst) {
            return Err(StoreError::Failed("the reply was lost".into()));
        }
        Ok(())
    }

    async fn scan(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<Row>> {
        self.inner.scan(prefix, after, limit).await
    }

    async fn now(&self) -> Result<StoreTime> {
        self.inner.now().await
    }

    fn now_at_most(&self) -> Option<StoreTime> {
        let has_committed = self.has_committed.load(Ordering::SeqCst);
        let set_on = if has_committed { self.set_on_ms.load(Ordering::SeqCst) } else { 0 };
        self.inner.now_at_most().map(|now| now.plus(AHEAD + Duration::from_millis(set_on)))
    }
}

#[tokio::test]
async fn it_is_held_for_as_long_as_was_asked_and_believed_no_longer() {
    let f = memory();
    let ledger = |who| {
        let store = Told::over(&f.store) as Arc<dyn Store>;
        ledger_over(store, Arc::clone(&f.clock) as Arc<dyn Clock>, who, 0)
    };
    let (first, second) = (ledger("d/l"), ledger("e/l"));
    let began = f.clock.boot();
    let held = first.acquire(ask("r-1")).await.unwrap();
    assert_eq!(held.trust.closes() + MARGIN, began + LEASE);
    f.clock.advance(LEASE);
    let refused = second.acquire(ask("r-2")).await;
    assert!(
        matches!(refused, Err(ClaimError::Held { .. })),
        "before what was granted: {refused:?}"
    );
    f.clock.advance(AHEAD);
    let next = second.acquire(ask("r-2")).await.unwrap();
    assert_eq!(next.claim.fence, Fence(held.claim.fence.0 + 1));
}

/// The server's clock was set on, another host has taken over, or this machine stood still unseen.
#[tokio::test]
async fn where_the_commit_says_that_it_is_later_than_was_thought_less_of_the_lease_is_believed() {
    let f = memory();
    let store = Told::over(&f.store);
    store.set_on_ms.store(30_000, Ordering::SeqCst);
    let clock = Arc::clone(&f.clock) as Arc<dyn Clock>;
    let ledger = ledger_over(Arc::clone(&store) as Arc<dyn Store>, clock, "d/l", 0);
    let began = f.clock.boot();
    let held = ledger.acquire(ask("r-1")).await.unwrap();
    assert_eq!(store.looks(), 0);
    assert_eq!(held.trust.closes() + MARGIN + Duration::from_secs(30), began + LEASE);
}

#[tokio::test]
async fn nobody_looks_before_it_and_whoever_comes_after_an_earlier_claim_does() {
    let f = memory();
    let store = Told::over(&f.store);
    let clock = Arc::clone(&f.clock) as Arc<dyn Clock>;
    let ledger = ledger_over(Arc::clone(&store) as Arc<dyn Store>, clock, "d/l", 0);
    let mut held = ledger.acquire(ask("r-1")).await.unwrap();
    assert_eq!((held.claim.fence, store.looks()), (Fence(1), 0));
    let refused = ledger.acquire(ask("r-2")).await;
    assert!(matches!(refused, Err(ClaimError::Held { claim }) if claim.run == held.claim.run));
    assert_eq!(store.looks(), 1);
    ledger.end(&mut held, EndKind::Released, Reason::Done).await.unwrap();
    store.looks();
    let mut held = ledger.acquire(ask("r-3")).await.unwrap();
    assert_eq!((held.claim.fence, store.looks()), (Fence(2), 1));
    let until = f.clock.wall() + chrono::TimeDelta::days(3);
    ledger.park(&mut held, "which one?", None, until).await.unwrap();
    assert!(matches!(ledger.acquire(ask("r-4")).await, Err(ClaimError::Parked)));
    assert!(ledger.claim(TASK).await.unwrap().is_some_and(|claim| claim.parked.is_some()));
    // A later attempt, and whoever takes something up, had somebody before them.
    store.looks();
    let other = Acquire { task: rota::domain::TaskId(7), attempt: 2, ..ask("r-5") };
    ledger.acquire(other).await.unwrap();
    assert_eq!(store.looks(), 1);
}

#[tokio::test]
async fn one_whose_reply_was_lost_is_recognised_and_nobody_elses_is() {
    let f = memory();
    let store = Told::over(&f.store);
    let ledger = |who| -> Ledger {
        let clock = Arc::clone(&f.clock) as Arc<dyn Clock>;
        ledger_over(Arc::clone(&store) as Arc<dyn Store>, clock, who, 0)
    };
    let (first, second) = (ledger("d/l"), ledger("e/l"));
    store.loses.store(true, Ordering::SeqCst);
    let lost = first.acquire(ask("r-1")).await;
    assert!(matches!(lost, Err(ClaimError::Store(_))), "{lost:?}");
    let refused = second.acquire(ask("r-2")).await;
    assert!(matches!(refused, Err(ClaimError::Held { .. })), "{refused:?}");
    let again = first.acquire(ask("r-1")).await.unwrap();
    assert_eq!(again.claim.fence, Fence(1));
    assert_eq!(first.claims().await.unwrap().len(), 1);
}
