//! One daemon in a process of its own, over PostgreSQL, driven line by line: `tick MILLISECONDS` looks as
//! if it were that instant, and says what it took; the end of the input ends it.

use super::ingredients::Ingredients;
use super::server::cluster;
use anyhow::{Context as _, Result};
use async_trait::async_trait;
use rota::board::sql::SqlBoard;
use rota::clock::{Clock, SystemClock, SystemEntropy};
use rota::daemon::{Daemon, Wake};
use rota::domain::{BoardName, DayBudget, Guards, ReviewRules, StoreTime, Timestamp, from_millis};
use rota::model::Model;
use rota::model::scripted::ScriptedModel;
use rota::store::postgres::PostgresStore;
use rota::store::{self, Batch, Row, Store, Versioned};
use std::collections::BTreeMap;
use std::io::BufRead as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// The word by which this program becomes a daemon.
pub const WORD: &str = "daemon";
/// What nobody asks for: no run begins.
const SCRIPT: &str = "[[conversation]]\n[[conversation.turn]]\n\
                      call = [{ tool = \"finish\", args = { outcome = \"ready\" } }]\n";

/// The machine's clocks, but for what the wall clock shows.
#[derive(Debug)]
struct Ahead {
    clock: SystemClock,
    /// In milliseconds.
    by: AtomicI64,
}

impl Ahead {
    /// It is this instant, and time goes on from there.
    fn set(&self, to: Timestamp) {
        let by = to.timestamp_millis() - self.clock.wall().timestamp_millis();
        self.by.store(by, Ordering::SeqCst);
    }
}

impl Clock for Ahead {
    fn wall(&self) -> Timestamp {
        from_millis(self.clock.wall().timestamp_millis() + self.by.load(Ordering::SeqCst))
    }

    fn boot(&self) -> Duration {
        self.clock.boot()
    }

    fn boot_id(&self) -> String {
        self.clock.boot_id()
    }
}

/// A store whose questions and commits are counted.
#[derive(Debug)]
struct Counted {
    below: PostgresStore,
    questions: AtomicU64,
    commits: AtomicU64,
    /// Occurrences that it was the first to record.
    decided: AtomicU64,
    /// Occurrences of which it recorded the end, later.
    settled: AtomicU64,
}

impl Counted {
    fn take(&self) -> [u64; 4] {
        [&self.questions, &self.commits, &self.decided, &self.settled]
            .map(|count| count.swap(0, Ordering::SeqCst))
    }
}

fn count<'a>(keys: impl Iterator<Item = &'a String>, prefix: &str) -> u64 {
    keys.filter(|key| key.starts_with(prefix)).map(|_| 1).sum()
}

#[async_trait]
impl Store for Counted {
    async fn get(&self, key: &str) -> store::Result<Option<Versioned>> {
        self.questions.fetch_add(1, Ordering::SeqCst);
        self.below.get(key).await
    }

    async fn get_all(&self, keys: &[&str]) -> store::Result<Vec<Option<Versioned>>> {
        self.questions.fetch_add(1, Ordering::SeqCst);
        self.below.get_all(keys).await
    }

    async fn look(&self, keys: &[&str]) -> store::Result<(StoreTime, Vec<Option<Versioned>>)> {
        self.questions.fetch_add(1, Ordering::SeqCst);
        self.below.look(keys).await
    }

    async fn commit(&self, batch: Batch) -> store::Result<()> {
        self.commits.fetch_add(1, Ordering::SeqCst);
        let new = batch.checks.iter().filter(|(_, version)| version.is_none());
        let decided = count(new.map(|(key, _)| key), "occurrence/");
        let settled = count(batch.deletes.iter(), "occurrence-open/");
        self.below.commit(batch).await?;
        self.decided.fetch_add(decided, Ordering::SeqCst);
        self.settled.fetch_add(settled, Ordering::SeqCst);
        Ok(())
    }

    async fn scan(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> store::Result<Vec<Row>> {
        self.questions.fetch_add(1, Ordering::SeqCst);
        self.below.scan(prefix, after, limit).await
    }

    async fn now(&self) -> store::Result<StoreTime> {
        self.questions.fetch_add(1, Ordering::SeqCst);
        self.below.now().await
    }

    fn now_at_most(&self) -> Option<StoreTime> {
        self.below.now_at_most()
    }

    fn changes(&self) -> Option<watch::Receiver<u64>> {
        self.below.changes()
    }
}

/// `ADDRESS SCHEMA NAME FOLDER ARMS`, until the input ends.
pub fn work(words: &[String]) -> Result<()> {
    let [address, schema, name, folder, arms] = words else {
        anyhow::bail!("an address, a schema, a name, a folder, and whether it arms playbooks")
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let clock = Arc::new(Ahead { clock: SystemClock::new(), by: AtomicI64::new(0) });
        let mut lines = std::io::stdin().lock().lines();
        clock.set(instant(&lines.next().context("no instant")??)?);
        let begun = Instant::now();
        let store = Arc::new(Counted {
            below: PostgresStore::open(cluster(address, schema, 4)?).await?,
            questions: AtomicU64::new(0),
            commits: AtomicU64::new(0),
            decided: AtomicU64::new(0),
            settled: AtomicU64::new(0),
        });
        let shared: Arc<dyn Clock> = Arc::clone(&clock) as _;
        let board = SqlBoard::shared(
            cluster(address, schema, 8)?,
            BoardName::new("main"),
            Arc::clone(&shared),
        )
        .await?;
        let model: Arc<dyn Model> =
            Arc::new(ScriptedModel::from_toml("worker", SCRIPT).map_err(anyhow::Error::msg)?);
        let parts = Ingredients {
            daemon: name.clone(),
            life: format!("{name}-1"),
            clock: shared,
            entropy: Arc::new(SystemEntropy),
            board: Arc::new(board),
            store: Arc::clone(&store) as _,
            folder: Path::new(folder).to_owned(),
            templates: None,
            models: BTreeMap::from([("worker".to_owned(), model)]),
            notifiers: BTreeMap::new(),
            slots: 4,
            labels: Vec::new(),
            arms_itself: arms == "arms",
            log_time: None,
            budget: DayBudget::default(),
            families: BTreeMap::new(),
            workspaces: None,
            guards: Guards::default(),
            review: ReviewRules::default(),
            recipients: Vec::new(),
            reviews: None,
        }
        .parts();
        let daemon = Daemon::start(parts, Wake::ByTicks).await?;
        daemon.tick().await;
        say(begun, &store)?;
        for line in lines {
            clock.set(instant(&line?)?);
            let begun = Instant::now();
            daemon.tick().await;
            say(begun, &store)?;
        }
        daemon.drain().await;
        Ok(())
    })
}

fn instant(line: &str) -> Result<Timestamp> {
    let ms = line.strip_prefix("tick ").context("a line that is no tick")?;
    Ok(from_millis(ms.trim().parse()?))
}

/// Microseconds, questions, commits, decided, settled, and KiB of memory.
fn say(begun: Instant, store: &Counted) -> Result<()> {
    let took = begun.elapsed().as_micros();
    let [questions, commits, decided, settled] = store.take();
    let status = std::fs::read_to_string("/proc/self/status")?;
    let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let memory = memory.and_then(|line| line.split_whitespace().next()).context("no memory")?;
    println!("{took} {questions} {commits} {decided} {settled} {memory}");
    Ok(())
}
