//! The store on a PostgreSQL server that a team's daemons share (14 to 17).
//!
//! One table, `ledger`, whose versions come from a sequence. A commit is one statement, a function of
//! the server's that checks and then puts and deletes (`store_1.sql`). Each daemon has one task that
//! commits (`committer.rs`): what its callers ask for meanwhile goes along as one group, so they share
//! a round trip and a flush; and the server flushes once for the groups of several daemons.
//!
//! # Exclusion
//! Every key that a commit checks or writes gets an advisory lock first, in the order of the locks'
//! numbers, until the transaction ends. Rows cannot do that: a key that is not there has none, and of
//! two commits that each check what the other one puts both would stand. As everybody takes them in
//! one order nobody waits in a circle; and a lock is let go only after what its holder committed can
//! be seen, so the statements that look after it, each with a snapshot of its own, see it. A session
//! holds no more of them than its share of the server's table of locks; a commit with more keys locks
//! the whole store instead.
//!
//! # Time
//! The server's clock decides, for all daemons alike; it has to be kept by something that lets it
//! run faster or slower and does not set it back. Where it is set back nevertheless, or another host
//! has taken over, by at most a second, the time stands still here until it has caught up. By more than
//! that it is not told at all until then, or until this daemon starts anew: daemons that saw the later
//! time would go on judging the leases of those that did not.
//!
//! It comes with every look and every commit, and is remembered for a few seconds with the boot-time clock of
//! when that was asked, so that a lease can be given without asking anew ([`Store::now_at_most`]).
//!
//! A daemon's wall clock goes by it, too ([`PostgresStore::telling`]): when playbooks wake is one record for
//! all, so one that is an hour ahead would begin for all an hour early.
//!
//! # Durability
//! A commit that returns is as safe as the server makes it: a standby that may take over has to be a
//! synchronous one, or what was committed last is not there after it did.

/// The server's clock, in whole milliseconds since 1970.
macro_rules! clock {
    () => {
        "floor(extract(epoch from clock_timestamp()) * 1000)::bigint"
    };
}

mod changes;
mod committer;
mod failure;
mod group;
mod reads;
mod times;

use super::{Batch, Result, Row, Store, StoreError, Versioned};
use crate::clock::ServerClock;
use crate::domain::{StoreTime, millis};
use crate::instruments::pools::Part;
use crate::postgres::{Cluster, steps};
use async_trait::async_trait;
use changes::{Changes, Own};
use committer::{Committer, WAITING_MAX};
use failure::Fault;
use group::Request;
use reads::Reads;
use sqlx::Connection as _;
use std::sync::Arc;
use times::Times;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

/// The tables' versions.
const STEPS: &[&str] = &[include_str!("store_1.sql")];

/// What connections are told. Every statement here finds its rows by the key: no plan is to be made for
/// it each time, or kept from when the table was so small that reading all of it was cheapest.
const TUNED: &str = "set plan_cache_mode = force_generic_plan; set enable_seqscan = off; \
     set enable_bitmapscan = off; set enable_hashjoin = off; set enable_mergejoin = off; set jit = off";

/// The store's time is that of the server, whichever host it is.
const ERA: &str = "postgres";

/// A store that several daemons share. Dropping it lets the commits under way be done.
#[derive(Debug)]
pub struct PostgresStore {
    cluster: Cluster,
    reads: Reads,
    requests: mpsc::Sender<Request>,
    changes: watch::Receiver<u64>,
    times: Arc<Times>,
    _listening: DropGuard,
}

impl PostgresStore {
    /// The version of the tables that this program knows.
    pub fn steps() -> i64 {
        i64::try_from(STEPS.len()).unwrap_or(i64::MAX)
    }

    /// Opens the store in the schema of a team, or makes it; any number of daemons may, at once, too.
    /// It connects with a pool of its own, as large as this cluster's, and two connections beside it.
    ///
    /// # Errors
    /// [`StoreError::Failed`]: out of reach, or without the rights; [`StoreError::Corrupt`]: a newer
    /// version made it; [`StoreError::Unusable`]: the database cannot keep it.
    pub async fn open(cluster: Cluster) -> Result<Self> {
        // Well before the statement's own limit: it is asked once more within what callers wait for.
        let lock_timeout = millis(cluster.statement_timeout() / 3).max(1);
        let cluster = cluster.tuned(&format!("{TUNED}; set lock_timeout = {lock_timeout}"));
        cluster.counted_as(Part::Store);
        let place = cluster.place();
        fits(&cluster).await?;
        steps::make(&cluster, "store", STEPS)
            .await
            .map_err(|error| failure::unusable(&place, error))?;
        let own = Arc::new(Own::default());
        let mut changes = Changes::new(cluster.clone(), Arc::clone(&own));
        let (seen, listener) = (changes.subscribe(), changes.listen().await?);
        let (requests, waiting) = mpsc::channel(WAITING_MAX);
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        tasks.spawn(stop.clone().run_until_cancelled_owned(changes.run(listener)));
        let times = Arc::new(Times::default());
        let committer = Committer::new(cluster.clone(), waiting, own, Arc::clone(&times));
        tasks.spawn(committer.run());
        Ok(Self {
            reads: Reads::new(cluster.clone()),
            cluster,
            requests,
            changes: seen,
            times,
            _listening: stop.drop_guard(),
        })
    }

    /// From now on this clock hears the server's time whenever that comes with an answer, as it does with each
    /// look and each commit.
    #[must_use]
    pub fn telling(self, clock: Arc<ServerClock>) -> Self {
        self.times.tell_from_now(clock);
        self
    }

    /// Where it is, with the pool that it reads from.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }
}

/// Keys sort by their bytes, and may be of any language.
async fn fits(cluster: &Cluster) -> Result<()> {
    let mut connection = cluster.connect().await.map_err(Fault::from)?;
    let encoding: String = sqlx::query_scalar("select current_setting('server_encoding')")
        .fetch_one(&mut connection)
        .await
        .map_err(Fault::from)?;
    let _ = connection.close().await;
    if encoding == "UTF8" {
        return Ok(());
    }
    let why = format!("the database is written in {encoding}: make one with the encoding UTF8");
    Err(failure::unfit(&cluster.place(), why))
}

#[async_trait]
impl Store for PostgresStore {
    async fn get(&self, key: &str) -> Result<Option<Versioned>> {
        if has_zero(key) {
            return Ok(None);
        }
        Ok(self.reads.get(key).await?)
    }

    async fn get_all(&self, keys: &[&str]) -> Result<Vec<Option<Versioned>>> {
        Ok(self.reads.get_all(&without_zeros(keys)).await?)
    }

    async fn look(&self, keys: &[&str]) -> Result<(StoreTime, Vec<Option<Versioned>>)> {
        let keys = without_zeros(keys);
        let (asked, said, found) = self.reads.look(&keys, || self.times.asks()).await?;
        Ok((self.times.hear(asked, said)?, found))
    }

    async fn commit(&self, batch: Batch) -> Result<()> {
        batch.check_sizes()?;
        let checked = batch.checks.iter().map(|(key, _)| key);
        let put = batch.puts.iter().map(|(key, _)| key);
        if checked.chain(put).chain(&batch.deletes).any(|key| has_zero(key)) {
            return Err(Fault::Zero.into());
        }
        let (answer, answered) = oneshot::channel();
        let closed = || StoreError::from(Fault::Closed);
        self.requests.send(Request { batch, answer }).await.map_err(|_| closed())?;
        answered.await.map_err(|_| closed())?
    }

    async fn scan(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<Row>> {
        if has_zero(prefix) || limit == 0 {
            return Ok(Vec::new());
        }
        let after = after.map(|after| after.split('\0').next().unwrap_or_default());
        Ok(self.reads.scan(prefix, after, limit).await?)
    }

    async fn now(&self) -> Result<StoreTime> {
        let (asked, said) = self.reads.now(|| self.times.asks()).await?;
        self.times.hear(asked, said)
    }

    fn now_at_most(&self) -> Option<StoreTime> {
        self.times.at_most()
    }

    fn measure(&self) {
        self.cluster.measure();
    }

    fn changes(&self) -> Option<watch::Receiver<u64>> {
        Some(self.changes.clone())
    }
}

/// What no text of the server's holds.
fn has_zero(key: &str) -> bool {
    key.contains('\0')
}

/// One with a zero byte is nowhere, and stands for the empty key, which is nowhere either.
fn without_zeros<'a>(keys: &[&'a str]) -> Vec<&'a str> {
    keys.iter().map(|key| if has_zero(key) { "" } else { *key }).collect()
}
