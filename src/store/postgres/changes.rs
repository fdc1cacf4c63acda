//! Telling other daemons that something was committed, and hearing it from them.
//!
//! It is told after the commit, over a connection of its own: `notify` inside a transaction holds a
//! lock of the whole database until that has reached the disk, and so every commit would wait for
//! every other. What is told is lost with a connection, or with a daemon that dies in between; behind
//! it the sequence of versions is looked at now and then.

use super::failure::Fault;
use crate::postgres::Cluster;
use sqlx::postgres::PgListener;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout};

/// So often one daemon among two tells that it committed. Where more of them commit, each tells it
/// as much less often: every word is heard by all.
const PAUSE: Duration = Duration::from_millis(20);
/// A daemon that told nothing for so long is not counted among them.
const QUIET: Duration = Duration::from_secs(2);
/// So often it is looked whether something was not told.
const LOOK: Duration = Duration::from_secs(3);
/// After a lost connection, so long until the next.
const AGAIN: Duration = Duration::from_secs(1);
/// So long a word or a look may take.
const SAY_MAX: Duration = Duration::from_secs(5);

/// A word is no change: whether it reaches the disk does not matter.
const UNHURRIED: &str = "set synchronous_commit = off";
const SAY: &str = "select pg_notify($1, $2)";
const TAKEN: &str = "select case when is_called then last_value else 0 end from ledger_version";

/// What this daemon commits itself, so that it is not told of it.
#[derive(Debug, Default)]
pub(super) struct Own {
    /// Versions that it has taken from the sequence.
    taken: AtomicU64,
    /// Versions that it may have taken: of what was sent and not answered yet.
    perhaps: AtomicU64,
    /// Others are to be told.
    changed: Notify,
}

impl Own {
    /// A group is sent that may take so many versions.
    pub(super) fn sends(&self, versions: u64) {
        self.perhaps.fetch_add(versions, Ordering::SeqCst);
    }

    /// It was answered: of those that it might have taken it took so many.
    pub(super) fn sent(&self, perhaps: u64, taken: u64, changed: bool) {
        self.taken.fetch_add(taken, Ordering::SeqCst);
        self.perhaps.fetch_sub(perhaps, Ordering::SeqCst);
        if changed {
            self.changed.notify_one();
        }
    }

    /// The most that it has taken up to now.
    fn most(&self) -> u64 {
        // In this order: what moves from one to the other is counted twice rather than not at all.
        let perhaps = self.perhaps.load(Ordering::SeqCst);
        perhaps + self.taken.load(Ordering::SeqCst)
    }
}

/// The task's own.
pub(super) struct Changes {
    cluster: Cluster,
    channel: String,
    /// Who says something: this opening of the store.
    id: String,
    own: Arc<Own>,
    seen: watch::Sender<u64>,
    /// Who else said something, and when last.
    others: HashMap<String, Instant>,
    /// The least that others have taken from the sequence; `None` until it was looked at.
    taken: Option<u64>,
    /// Not before this is anything said.
    next: Instant,
}

impl Changes {
    pub(super) fn new(cluster: Cluster, own: Arc<Own>) -> Self {
        // Names of schemas are short enough for this, and no two of a database are the same.
        let channel = format!("rota_store_{}", cluster.schema().as_str());
        let id = uuid::Uuid::new_v4().simple().to_string();
        let (seen, others) = (watch::Sender::new(0), HashMap::new());
        Self { cluster, channel, id, own, seen, others, taken: None, next: Instant::now() }
    }

    /// Counts up with what others commit.
    pub(super) fn subscribe(&self) -> watch::Receiver<u64> {
        self.seen.subscribe()
    }

    /// Begins to hear.
    pub(super) async fn listen(&mut self) -> Result<PgListener, Fault> {
        let mut listener = self.cluster.listen(&self.channel).await?;
        sqlx::raw_sql(UNHURRIED).execute(&mut listener).await?;
        self.look(&mut listener).await?;
        Ok(listener)
    }

    /// Says and hears for as long as it is let.
    pub(super) async fn run(mut self, mut listener: PgListener) {
        loop {
            if let Err(fault) = self.converse(listener).await {
                tracing::debug!(
                    error = &fault as &dyn std::error::Error,
                    "other daemons are not heard until the store's server is back"
                );
            }
            listener = loop {
                sleep(AGAIN).await;
                if let Ok(listener) = self.listen().await {
                    break listener;
                }
            };
            // What was said meanwhile was not heard.
            self.count_up();
        }
    }

    /// Until the connection is lost.
    async fn converse(&mut self, mut listener: PgListener) -> Result<(), Fault> {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let (next, own) = (self.next, Arc::clone(&self.own));
            let to_say = async move {
                sleep_until(next).await;
                own.changed.notified().await;
            };
            tokio::select! {
                heard = listener.try_recv() => match heard? {
                    Some(heard) => self.hear(heard.payload()),
                    None => return Ok(()),
                },
                () = to_say => self.say(&mut listener).await?,
                _ = looks.tick() => self.look(&mut listener).await?,
            }
        }
    }

    fn hear(&mut self, who: &str) {
        if who != self.id {
            self.others.insert(who.to_owned(), Instant::now());
            self.count_up();
        }
    }

    async fn say(&mut self, listener: &mut PgListener) -> Result<(), Fault> {
        let said = sqlx::query(SAY).bind(&self.channel).bind(&self.id).execute(listener);
        let said = timeout(SAY_MAX, said).await.unwrap_or(Err(sqlx::Error::PoolTimedOut));
        if let Err(error) = said {
            // Still to be said.
            self.own.changed.notify_one();
            return Err(error.into());
        }
        let now = Instant::now();
        self.others.retain(|_, last| now.duration_since(*last) < QUIET);
        self.next = now + pause(self.others.len());
        Ok(())
    }

    /// Whether others took more from the sequence than when it was looked at last.
    async fn look(&mut self, listener: &mut PgListener) -> Result<(), Fault> {
        let taken = sqlx::query_scalar(TAKEN).fetch_one(listener);
        let taken: i64 = timeout(SAY_MAX, taken).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))?;
        let others = taken.unsigned_abs().saturating_sub(self.own.most());
        match self.taken.replace(others) {
            Some(before) if others > before => self.count_up(),
            // Some of this daemon's were only perhaps taken then.
            Some(before) => self.taken = Some(before),
            None => {}
        }
        Ok(())
    }

    fn count_up(&self) {
        self.seen.send_modify(|count| *count += 1);
    }
}

/// How long after a word comes the next.
fn pause(others: usize) -> Duration {
    PAUSE.saturating_mul(u32::try_from(others.max(1)).unwrap_or(u32::MAX)).min(LOOK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_more_daemons_commit_the_less_often_each_tells_it() {
        assert_eq!(pause(0), PAUSE);
        assert_eq!(pause(1), PAUSE);
        assert_eq!(pause(7), PAUSE * 7);
        assert_eq!(pause(1_000_000), LOOK);
    }

    #[test]
    fn what_was_sent_counts_as_its_own_until_it_is_answered() {
        let own = Own::default();
        own.sends(5);
        assert_eq!(own.most(), 5);
        own.sent(5, 2, true);
        assert_eq!(own.most(), 2);
    }
}
