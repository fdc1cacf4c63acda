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
//! What it says is remembered for a few seconds with the boot-time clock of when it was asked, so that a lease
//! can be given without asking anew ([`Store::now_at_most`]).
//!
//! A daemon's wall clock goes by it, too ([`PostgresStore::telling`]): when playbooks wake is one record for
//! all, so one that is an hour ahead would begin for all an hour early.
//!
//! # Durability
//! A commit that returns is as safe as the server makes it: a standby that may take over has to be a
//! synchronous one, or what was committed last is not there after it did.

mod changes;
mod committer;
mod failure;
mod group;
mod reads;

use super::{Batch, Result, Row, Store, StoreError, Versioned};
use crate::clock::{Clock as _, ServerClock};
use crate::domain::{StoreTime, from_millis, millis};
use crate::instruments::pools::{self, Part};
use crate::postgres::{Cluster, steps};
use async_trait::async_trait;
use changes::{Changes, Own};
use committer::{Committer, WAITING_MAX};
use failure::Fault;
use group::Request;
use reads::Reads;
use sqlx::Connection as _;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
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

/// So far apart a daemon's clock and the server's may be before it is said.
const APART_MS_MAX: u64 = 5_000;

/// A server's clock that is behind what it said before by more than this has been set.
const BEHIND_MAX_MS: i64 = 1_000;

/// For so long what the server said tells how late it can be at most.
const HEARD_MAX: Duration = Duration::from_secs(5);

/// By one part in so many a clock may go faster than another while something sets it right.
const DRIFT: u32 = 8;

/// A store that several daemons share. Dropping it lets the commits under way be done.
#[derive(Debug)]
pub struct PostgresStore {
    cluster: Cluster,
    reads: Reads,
    requests: mpsc::Sender<Request>,
    changes: watch::Receiver<u64>,
    /// The latest time that was told.
    latest: AtomicI64,
    /// What the server said last, and when by the boot-time clock it was asked.
    heard: Mutex<Option<(Duration, i64)>>,
    /// The clock that goes by this time, where there is one.
    clock: Option<Arc<ServerClock>>,
    /// The server's clock and this machine's are far apart, which was said.
    is_apart: AtomicBool,
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
        tasks.spawn(Committer::new(cluster.clone(), waiting, own).run());
        Ok(Self {
            reads: Reads::new(cluster.clone()),
            cluster,
            requests,
            changes: seen,
            latest: AtomicI64::new(0),
            heard: Mutex::default(),
            clock: None,
            is_apart: AtomicBool::new(false),
            _listening: stop.drop_guard(),
        })
    }

    /// From now on this clock hears the server's time whenever that is asked for, as it is for each look
    /// and each lease.
    #[must_use]
    pub fn telling(mut self, clock: Arc<ServerClock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Tells the clock what the server said to a question of that time.
    fn tell(&self, asked: Option<Duration>, said: i64) {
        let (Some(clock), Some(asked)) = (&self.clock, asked) else { return };
        let ahead = clock.hear(asked, from_millis(said));
        pools::clock_ahead(ahead);
        let is_apart = ahead.unsigned_abs() > APART_MS_MAX;
        match (is_apart, self.is_apart.swap(is_apart, Ordering::SeqCst)) {
            (true, false) => tracing::warn!(
                "this machine's clock is {} s {} that of the store's server, by which playbooks wake: \
                 set both by the network",
                ahead.unsigned_abs() / 1_000,
                if ahead > 0 { "behind" } else { "before" },
            ),
            (false, true) => {
                tracing::info!("this machine's clock and that of the store's server agree again");
            }
            _ => {}
        }
    }

    /// The time that callers are told where the server said this to a question of that time.
    fn time(&self, asked: Option<Duration>, said: i64) -> Result<StoreTime> {
        let not_before = not_before(self.latest.fetch_max(said, Ordering::SeqCst), said);
        *self.heard() = asked.filter(|_| not_before.is_ok()).map(|asked| (asked, said));
        let ms = not_before?;
        self.tell(asked, said);
        Ok(StoreTime { era: ERA.to_owned(), ms: ms.unsigned_abs() })
    }

    fn heard(&self) -> MutexGuard<'_, Option<(Duration, i64)>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
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
        let asks = || Some(self.clock.as_ref()?.boot());
        let (asked, said, found) = self.reads.look(&keys, asks).await?;
        Ok((self.time(asked, said)?, found))
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
        let (asked, said) = self.reads.now(|| Some(self.clock.as_ref()?.boot())).await?;
        self.time(asked, said)
    }

    fn now_at_most(&self) -> Option<StoreTime> {
        let now = self.clock.as_ref()?.boot();
        let (asked, said) = (*self.heard())?;
        let at_most = at_most(said, now.checked_sub(asked)?)?;
        let ms = at_most.max(self.latest.load(Ordering::SeqCst)).unsigned_abs();
        Some(StoreTime { era: ERA.to_owned(), ms })
    }

    fn measure(&self) {
        self.cluster.measure();
    }

    fn changes(&self) -> Option<watch::Receiver<u64>> {
        Some(self.changes.clone())
    }
}

/// The time that the server says, or the latest that it said before, where it is hardly behind that.
fn not_before(latest: i64, said: i64) -> std::result::Result<i64, Fault> {
    let behind = latest.saturating_sub(said);
    if behind > BEHIND_MAX_MS {
        return Err(Fault::SetBack(Duration::from_millis(behind.unsigned_abs())));
    }
    Ok(latest.max(said))
}

/// What a server's clock shows at most so long after it was asked and said this; `None`: that was too long
/// ago to tell. It said whole milliseconds, and not before it was asked.
fn at_most(said: i64, passed: Duration) -> Option<i64> {
    let passed = Some(passed).filter(|passed| *passed <= HEARD_MAX)?;
    let ms = i64::try_from(millis(passed + passed / DRIFT)).ok()?;
    Some(said.saturating_add(ms).saturating_add(2))
}

/// What no text of the server's holds.
fn has_zero(key: &str) -> bool {
    key.contains('\0')
}

/// One with a zero byte is nowhere, and stands for the empty key, which is nowhere either.
fn without_zeros<'a>(keys: &[&'a str]) -> Vec<&'a str> {
    keys.iter().map(|key| if has_zero(key) { "" } else { *key }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_the_servers_clock_is_set_back_time_stands_still_or_is_not_told() {
        for (latest, said, told) in [
            (0, 10, Some(10)),
            (10, 10, Some(10)),
            (20, 5, Some(20)),
            (5_000, 4_000, Some(5_000)),
            (5_000, 3_999, None),
            (3_600_000, 0, None),
            (3_600_000, 3_600_001, Some(3_600_001)),
        ] {
            assert_eq!(not_before(latest, said).ok(), told, "{latest}, then {said}");
        }
        let why = not_before(3_600_000, 0).unwrap_err().to_string();
        assert!(why.contains("3600 s behind"), "{why}");
    }

    #[test]
    fn how_late_it_is_at_most_is_told_for_a_while_and_errs_on_the_late_side() {
        for (passed_ms, at_most_ms) in [
            (0, Some(1_002)),
            (8, Some(1_011)),
            (800, Some(1_902)),
            (5_000, Some(6_627)),
            (5_001, None),
        ] {
            let told = at_most(1_000, Duration::from_millis(passed_ms));
            assert_eq!(told, at_most_ms, "{passed_ms} ms later");
        }
    }
}
