//! What a claim costs: so many statements for the server, and nothing written that need not be.

use super::{LEASE, TASK, ask, ledger, ledger_over, memory};
use crate::support::postgres::Server;
use async_trait::async_trait;
use rota::clock::{Clock, ManualClock, ServerClock, SystemClock};
use rota::domain::{EndKind, Phase, Reason, RunId, StoreTime, TaskId};
use rota::ledger::{Acquire, ClaimError, Ledger};
use rota::store::postgres::PostgresStore;
use rota::store::{Batch, Result, Row, Store, Versioned};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What a server wrote down of the questions about claims.
struct Log<'a> {
    server: &'a Server,
    read: usize,
}

impl Log<'_> {
    /// The statements since the last look.
    fn asked(&mut self) -> Vec<String> {
        let mut log = self.server.log();
        let new = log.split_off(self.read);
        self.read += new.len();
        let is_ours = |line: &&str| {
            // Whether others committed is asked from time to time, whatever happens.
            let is_look_around = line.contains("last_value");
            let is_about_rows = line.contains("ledger") || line.contains("clock_timestamp");
            line.contains("LOG:  execute ") && is_about_rows && !is_look_around
        };
        new.lines().filter(is_ours).map(str::to_owned).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_claim_is_one_statement_its_renewal_and_its_end_are_two_each_and_a_check_is_one() {
    let Some(server) = Server::start().await else { return };
    let team = server.team();
    team.psql(&format!("alter role {} set log_statement = 'all'", team.schema_name()));
    // Long enough for the server's time to be remembered, whatever else this machine does.
    let clock = Arc::new(ManualClock::at(SystemClock::new().wall()));
    let told = Arc::new(ServerClock::over(Arc::clone(&clock) as Arc<dyn Clock>));
    let store = PostgresStore::open(team.cluster(2)).await.unwrap().telling(Arc::clone(&told));
    let ledger = ledger_over(Arc::new(store), told, "d/l", 0);
    ledger.acquire(Acquire { task: TaskId(1), ..ask("r-0") }).await.unwrap();
    let mut log = Log { server: &server, read: server.log().len() };
    let mut counted = |what: &str, statements: usize| {
        let asked = log.asked();
        assert_eq!(asked.len(), statements, "{what}: {asked:#?}");
    };
    let mut held = ledger.acquire(ask("r-1")).await.unwrap();
    counted("a claim", 1);
    clock.advance(Duration::from_secs(6));
    ledger.acquire(Acquire { task: TaskId(2), ..ask("r-0") }).await.unwrap();
    counted("a claim where the time was heard too long ago", 2);
    let refused = ledger.acquire(ask("r-2")).await;
    assert!(matches!(refused, Err(ClaimError::Held { .. })), "{refused:?}");
    counted("a claim of what is held", 2);
    ledger.renew(&mut held).await.unwrap();
    counted("a renewal", 2);
    ledger.advance(&mut held, Phase::Working, None, None).await.unwrap();
    counted("a step", 2);
    ledger.check_fence(TASK, held.claim.fence, &RunId::new("r-1")).await.unwrap();
    counted("a check", 1);
    ledger.end(&mut held, EndKind::Released, Reason::Done).await.unwrap();
    counted("an end", 2);
}

/// A store that keeps in mind what was committed. Before the first commit somebody sweeps, where they are
/// asked to.
#[derive(Debug)]
struct Seen {
    below: Arc<dyn Store>,
    batches: Mutex<Vec<Batch>>,
    sweeper: Mutex<Option<Ledger>>,
}

impl Seen {
    /// What the last commit deleted.
    fn deleted(&self) -> Vec<String> {
        let batches = self.batches.lock().unwrap();
        batches.last().map(|batch| batch.deletes.clone()).unwrap_or_default()
    }
}

#[async_trait]
impl Store for Seen {
    async fn get(&self, key: &str) -> Result<Option<Versioned>> {
        self.below.get(key).await
    }

    async fn commit(&self, batch: Batch) -> Result<()> {
        self.batches.lock().unwrap().push(batch.clone());
        let sweeper = self.sweeper.lock().unwrap().take();
        if let Some(sweeper) = sweeper {
            assert_eq!(sweeper.expire().await.unwrap().len(), 1);
        }
        self.below.commit(batch).await
    }

    async fn scan(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<Row>> {
        self.below.scan(prefix, after, limit).await
    }

    async fn now(&self) -> Result<StoreTime> {
        self.below.now().await
    }

    /// Whoever claims looks first.
    fn now_at_most(&self) -> Option<StoreTime> {
        None
    }
}

fn seen(below: &Arc<dyn Store>, sweeper: Option<Ledger>) -> Arc<Seen> {
    let (below, sweeper) = (Arc::clone(below), Mutex::new(sweeper));
    Arc::new(Seen { below, batches: Mutex::default(), sweeper })
}

#[tokio::test]
async fn a_claim_deletes_an_orphan_where_there_is_one() {
    let f = memory();
    let seen = seen(&f.store, None);
    let clock = Arc::clone(&f.clock) as Arc<dyn Clock>;
    let ledger = ledger_over(Arc::clone(&seen) as Arc<dyn Store>, clock, "d/l", 0);
    let mut held = ledger.acquire(ask("r-1")).await.unwrap();
    assert!(seen.deleted().is_empty(), "{:?}", seen.deleted());
    ledger.advance(&mut held, Phase::Working, None, None).await.unwrap();
    f.clock.advance(LEASE);
    assert_eq!(ledger.expire().await.unwrap().len(), 1);
    assert_eq!(ledger.orphans().await.unwrap().len(), 1);
    ledger.acquire(ask("r-2")).await.unwrap();
    assert_eq!(seen.deleted(), ["orphan/main/42"]);
    assert!(ledger.orphans().await.unwrap().is_empty());
}

#[tokio::test]
async fn an_orphan_that_is_left_between_a_look_and_its_commit_is_taken_over_too() {
    let f = memory();
    let first = ledger(&f, "d/l");
    let mut held = first.acquire(ask("r-1")).await.unwrap();
    first.advance(&mut held, Phase::Working, None, None).await.unwrap();
    f.clock.advance(LEASE);
    let seen = seen(&f.store, Some(first));
    let clock = Arc::clone(&f.clock) as Arc<dyn Clock>;
    let second = ledger_over(Arc::clone(&seen) as Arc<dyn Store>, clock, "e/l", 0);
    second.acquire(ask("r-2")).await.unwrap();
    assert_eq!(seen.batches.lock().unwrap().len(), 2, "the first commit stood");
    assert!(second.orphans().await.unwrap().is_empty(), "it was not seen");
}
