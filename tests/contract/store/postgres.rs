//! What is particular to the store that daemons share: several of them on one schema.

use super::at_once;
use crate::support::postgres::{Proxy, Server, Team, schema};
use futures::future::join_all;
use rota::clock::{Clock, ServerClock, SystemClock};
use rota::domain::Timestamp;
use rota::postgres::{Address, Cluster, PostgresOptions, Schema};
use rota::store::memory::MemoryStore;
use rota::store::postgres::PostgresStore;
use rota::store::{Batch, Result, Store, StoreError};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// As many daemons of one team.
async fn daemons(team: &Team, count: usize) -> Vec<Arc<PostgresStore>> {
    let opened = (0..count).map(|_| PostgresStore::open(team.cluster(2)));
    join_all(opened).await.into_iter().map(|store| Arc::new(store.unwrap())).collect()
}

async fn version(store: &dyn Store, key: &str) -> Option<u64> {
    store.get(key).await.unwrap().map(|found| found.version)
}

/// Numbers that a seed decides.
fn numbers(seed: u64) -> impl FnMut(u64) -> u64 {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    move |below| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) % below
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn any_number_of_daemons_may_open_it_at_once_and_share_it() {
    let Some(team) = schema().await else { return };
    let stores = daemons(&team, 6).await;
    for (n, store) in stores.iter().enumerate() {
        store
            .commit(Batch::new().check(format!("k/{n}"), None).put(format!("k/{n}"), "v"))
            .await
            .unwrap();
    }
    for store in &stores {
        assert_eq!(store.scan("k/", None, 99).await.unwrap().len(), 6);
    }
    assert_eq!(team.psql("select count(*) from ledger"), "6");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_daemons_that_race_for_a_key_one_wins_each_version() {
    const EACH: usize = 150;
    let Some(team) = schema().await else { return };
    let stores = daemons(&team, 2).await;
    let racers = stores.iter().cloned().map(|store| async move {
        let (mut won, mut seen) = (0, BTreeSet::new());
        while won < EACH {
            let found = store.get("counter").await.unwrap();
            let (at, count) = found.map_or((None, 0), |found| {
                (
                    Some(found.version),
                    String::from_utf8(found.value).unwrap().parse::<u64>().unwrap(),
                )
            });
            seen.extend(at);
            let next: u64 = count + 1;
            match store
                .commit(Batch::new().check("counter", at).put("counter", next.to_string()))
                .await
            {
                Ok(()) => won += 1,
                Err(StoreError::Conflict { key }) => assert_eq!(key, "counter"),
                Err(error) => panic!("{error:?}"),
            }
        }
        seen
    });
    let seen: BTreeSet<u64> = at_once(racers).await.into_iter().flatten().collect();
    let counter = stores[0].get("counter").await.unwrap().unwrap();
    assert_eq!(counter.value, (2 * EACH).to_string().into_bytes(), "two won one version");
    assert!(seen.last() < Some(&counter.version));
    stores[1].commit(Batch::new().delete("counter")).await.unwrap();
    stores[0].commit(Batch::new().check("counter", None).put("counter", "1")).await.unwrap();
    assert!(version(&*stores[1], "counter").await.unwrap() > counter.version);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_that_each_check_what_the_other_one_puts_not_both_stand() {
    let Some(team) = schema().await else { return };
    let stores = daemons(&team, 2).await;
    for round in 0..200 {
        let (one, other) = (format!("one/{round}"), format!("other/{round}"));
        let batches = [
            Batch::new().check(one.as_str(), None).put(other.as_str(), "v"),
            Batch::new().check(other.as_str(), None).put(one.as_str(), "v"),
        ];
        let racers = stores.iter().cloned().zip(batches);
        let racers = racers.map(|(store, batch)| async move { store.commit(batch).await });
        let stood = at_once(racers).await.into_iter().flatten().count();
        assert_eq!(stood, 1, "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_that_make_one_row_each_with_another_beside_it_one_has_both() {
    let Some(team) = schema().await else { return };
    let stores = daemons(&team, 2).await;
    for round in 0..200 {
        let (claim, held) = (format!("claim/{round}"), format!("held/{round}"));
        if round % 2 == 0 {
            stores[0].commit(Batch::new().put(held.as_str(), "old")).await.unwrap();
        }
        let racers = stores.iter().cloned().zip(["one", "other"]).map(|(store, name)| {
            let batch = Batch::new().check(claim.as_str(), None).put(held.as_str(), name);
            let batch = batch.put(claim.as_str(), name);
            async move { (name, store.commit(batch).await) }
        });
        let answers = at_once(racers).await;
        let won: Vec<&str> =
            answers.iter().filter(|(_, it)| it.is_ok()).map(|(name, _)| *name).collect();
        let refused = |(_, it): &&(&str, Result<()>)| matches!(it, Err(StoreError::Conflict { key }) if *key == claim);
        assert_eq!((won.len(), answers.iter().filter(refused).count()), (1, 1), "round {round}");
        for key in [&claim, &held] {
            let found = stores[0].get(key).await.unwrap().unwrap();
            assert_eq!(found.value, won[0].as_bytes(), "{key}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_the_time_is_at_most_is_never_before_what_it_is() {
    let Some(server) = Server::start().await else { return };
    let (team, proxy) = (server.team(), Proxy::to(server.port()));
    let machine = Arc::new(Skipping::default());
    let clock = Arc::new(ServerClock::over(Arc::clone(&machine) as Arc<dyn Clock>));
    let store = PostgresStore::open(team.cluster_at(&[proxy.port()], 1)).await.unwrap();
    let store = store.telling(Arc::clone(&clock));
    let other = PostgresStore::open(team.cluster(1)).await.unwrap();
    assert_eq!(store.now_at_most(), None, "before the server said anything");
    // However long the answer is on its way back.
    for delay in [0, 150] {
        proxy.slow(Duration::from_millis(delay));
        let said = store.now().await.unwrap();
        for _ in 0..50 {
            let now = other.now().await.unwrap();
            let at_most = store.now_at_most().unwrap();
            assert!(now.ms <= at_most.ms, "{now:?} is after {at_most:?}");
            assert!(said.ms <= at_most.ms && said.era == at_most.era, "{said:?}, {at_most:?}");
        }
    }
    machine.skip(Duration::from_secs(6));
    assert_eq!(store.now_at_most(), None, "too long after");
    store.look(&["any"]).await.unwrap();
    assert!(store.now_at_most().is_some(), "a look tells it, too");
    machine.skip(Duration::ZERO);
    assert_eq!(store.now_at_most(), None, "the clock of the boot stands before the question");
}

/// This machine's clocks, which somebody can let skip time.
#[derive(Debug, Default)]
struct Skipping {
    clock: SystemClock,
    skipped: std::sync::Mutex<Duration>,
}

impl Skipping {
    fn skip(&self, by: Duration) {
        *self.skipped.lock().unwrap() = by;
    }
}

impl Clock for Skipping {
    fn wall(&self) -> Timestamp {
        self.clock.wall()
    }
    fn boot(&self) -> Duration {
        self.clock.boot() + *self.skipped.lock().unwrap()
    }
    fn boot_id(&self) -> String {
        self.clock.boot_id()
    }
}

/// A commit that puts, deletes and checks among a few keys, and knows no versions.
fn made_up(random: &mut impl FnMut(u64) -> u64, number: u64) -> Batch {
    let mut batch = Batch::new();
    for _ in 0..random(3) {
        batch = batch.check(format!("k{}", random(12)), None);
    }
    for _ in 0..=random(2) {
        batch = batch.put(format!("k{}", random(12)), number.to_string());
    }
    for _ in 0..random(3) {
        batch = batch.delete(format!("k{}", random(12)));
    }
    batch
}

async fn rows(store: &dyn Store) -> BTreeMap<String, Vec<u8>> {
    let rows = store.scan("", None, 1_000).await.unwrap();
    rows.into_iter().map(|row| (row.key, row.value)).collect()
}

/// What became of a commit: the key that was in the way.
fn verdict(answer: &Result<()>) -> Option<&str> {
    match answer {
        Ok(()) => None,
        Err(StoreError::Conflict { key }) => Some(key),
        Err(error) => panic!("{error:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_hundred_commits_at_once_are_decided_in_order() {
    let Some(team) = schema().await else { return };
    let store = PostgresStore::open(team.cluster(2)).await.unwrap();
    let (oracle, mut random) = (MemoryStore::new(SystemClock::shared()), numbers(9));
    let mut expected = Vec::new();
    let mut asked = Vec::new();
    for number in 0..200 {
        let batch = made_up(&mut random, number);
        expected.push(oracle.commit(batch.clone()).await);
        let mut commit = Box::pin(store.commit(batch));
        // Each is in line before the next one is.
        assert!(futures::poll!(commit.as_mut()).is_pending());
        asked.push(commit);
    }
    let answers = join_all(asked).await;
    for (number, (answer, expected)) in answers.iter().zip(&expected).enumerate() {
        assert_eq!(verdict(answer), verdict(expected), "commit {number}");
    }
    assert!(expected.iter().filter(|it| it.is_ok()).count() > 20);
    assert!(expected.iter().filter(|it| it.is_err()).count() > 20);
    assert_eq!(rows(&store).await, rows(&oracle).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writers_of_the_same_keys_in_any_order_do_not_lock_each_other_out() {
    const KEYS: u64 = 12;
    let Some(server) = Server::start().await else { return };
    let team = server.team();
    let stores = daemons(&team, 8).await;
    let writers = stores.into_iter().zip(1..).map(|(store, seed)| async move {
        let mut random = numbers(seed);
        let mut won = 0_u64;
        for _ in 0..60 {
            let start = random(KEYS);
            let keys: Vec<String> =
                (0..6).map(|n| format!("k{}", (start + n * 5) % KEYS)).collect();
            let mut batch = Batch::new();
            for key in &keys {
                let found = store.get(key).await.unwrap();
                let count = found.as_ref().map_or(0, |found| {
                    String::from_utf8_lossy(&found.value).parse::<u64>().unwrap()
                });
                batch = batch.check(key, found.map(|found| found.version));
                batch = batch.put(key, (count + 1).to_string());
            }
            won += match store.commit(batch).await {
                Ok(()) => 6,
                Err(StoreError::Conflict { .. }) => 0,
                Err(error) => panic!("{error:?}"),
            };
        }
        won
    });
    let won: u64 = at_once(writers).await.into_iter().sum();
    let sum = "select sum(convert_from(value, 'UTF8')::int) from ledger";
    assert_eq!(team.psql(sum), won.to_string(), "a commit was carried out in part, or twice");
    assert!(won > 0);
    // A session tells what it saw when it has ended.
    let all_gone = async {
        let sessions = "select count(*) from pg_stat_activity where usename = current_schema()";
        while team.psql(sessions) != "0" {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_mins(1), all_gone).await.unwrap();
    let deadlocks = "select deadlocks from pg_stat_database where datname = current_database()";
    assert_eq!(team.psql(deadlocks), "0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_commit_with_more_keys_than_locks_is_as_good_as_others_beside_it() {
    let Some(team) = schema().await else { return };
    let stores = daemons(&team, 2).await;
    let keys: Vec<String> = (0..300).map(|n| format!("part/{n:03}")).collect();
    let large = Arc::clone(&stores[0]);
    let names = keys.clone();
    let mut writing = JoinSet::new();
    // It goes on until the other has come in between: how soon that is depends on the machine.
    let has_seen = Arc::new(AtomicBool::new(false));
    let is_enough = Arc::clone(&has_seen);
    writing.spawn(async move {
        for round in 0..1_000 {
            if round >= 20 && is_enough.load(Ordering::Relaxed) {
                break;
            }
            let batch =
                names.iter().fold(Batch::new(), |batch, key| batch.put(key, round.to_string()));
            large.commit(batch).await.unwrap();
        }
    });
    while writing.try_join_next().map(|written| written.unwrap()).is_none() {
        // Checked and written by both: what is small here is never between two halves of the large.
        let found = stores[1].get("part/150").await.unwrap();
        let Some(found) = found else { continue };
        let batch = Batch::new().check("part/150", Some(found.version));
        match stores[1].commit(batch.put("part/150", found.value)).await {
            Ok(()) => has_seen.store(true, Ordering::Relaxed),
            Err(StoreError::Conflict { .. }) => {}
            Err(error) => panic!("{error:?}"),
        }
        let rows = stores[1].scan("part/", None, 999).await.unwrap();
        assert!(rows.iter().all(|row| row.value == rows[0].value), "a part was seen");
    }
    assert!(has_seen.load(Ordering::Relaxed), "it never came in between");
    let rows = stores[1].scan("part/", None, 999).await.unwrap();
    assert_eq!(rows.len(), 300);
    let versions: BTreeSet<u64> = rows.iter().map(|row| row.version).collect();
    assert_eq!(versions.len(), 300, "a version came twice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_servers_clock_decides_for_all_and_never_goes_back() {
    let Some(team) = schema().await else { return };
    let stores = daemons(&team, 2).await;
    let askers = stores.iter().cloned().cycle().take(8).map(|store| async move {
        let mut last = store.now().await.unwrap();
        for _ in 0..50 {
            let now = store.now().await.unwrap();
            assert!(now.era == last.era && now.ms >= last.ms, "{last:?}, then {now:?}");
            last = now;
        }
    });
    at_once(askers).await;
    let before: u64 = milliseconds(&team);
    let now = [stores[0].now().await.unwrap(), stores[1].now().await.unwrap()];
    let after: u64 = milliseconds(&team);
    for now in now {
        assert_eq!(now.era, "postgres");
        assert!((before..=after).contains(&now.ms), "{before}, {now:?}, {after}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_a_look_shows_was_written_before_its_time() {
    let Some(team) = schema().await else { return };
    let stores = daemons(&team, 2).await;
    let (writing, looking) = (Arc::clone(&stores[0]), Arc::clone(&stores[1]));
    let mut writer = JoinSet::new();
    writer.spawn(async move {
        for _ in 0..200 {
            let now = writing.now().await.unwrap().ms;
            writing.commit(Batch::new().put("at", now.to_string())).await.unwrap();
        }
    });
    let mut seen = BTreeSet::new();
    while writer.try_join_next().map(|written| written.unwrap()).is_none() {
        let (now, found) = looking.look(&["never", "at"]).await.unwrap();
        let Some(at) = &found[1] else { continue };
        let written: u64 = String::from_utf8_lossy(&at.value).parse().unwrap();
        assert!(written <= now.ms, "{written} was seen at {now:?}");
        seen.insert(at.version);
    }
    assert!(seen.len() > 1, "nothing was written while it looked");
}

fn milliseconds(team: &Team) -> u64 {
    team.psql("select floor(extract(epoch from clock_timestamp()) * 1000)::bigint").parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_daemon_is_told_what_others_commit_and_not_what_it_did_itself() {
    let Some(team) = schema().await else { return };
    let stores = daemons(&team, 2).await;
    let mut heard: Vec<_> = stores.iter().map(|store| store.changes().unwrap()).collect();
    stores[0].commit(Batch::new().put("a", "1")).await.unwrap();
    timeout(Duration::from_secs(2), heard[1].changed()).await.unwrap().unwrap();
    // One that fails changes nothing, and is not told.
    let refused = stores[1].commit(Batch::new().check("a", None).put("a", "2")).await;
    assert_eq!(verdict(&refused), Some("a"));
    stores[1].commit(Batch::new().delete("a")).await.unwrap();
    timeout(Duration::from_secs(2), heard[0].changed()).await.unwrap().unwrap();
    // Its own word came before the other's.
    assert_eq!(*heard[0].borrow(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_was_not_told_is_found_by_looking() {
    let Some(team) = schema().await else { return };
    let store = PostgresStore::open(team.cluster(2)).await.unwrap();
    let mut heard = store.changes().unwrap();
    // As by a daemon that died before it said so.
    team.psql("insert into ledger values ('a', nextval('ledger_version'), '')");
    timeout(Duration::from_secs(10), heard.changed()).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_commit_that_nobody_waits_for_any_more_is_carried_out_before_the_next() {
    let Some(team) = schema().await else { return };
    let store = PostgresStore::open(team.cluster(2)).await.unwrap();
    let mut commit = Box::pin(store.commit(Batch::new().put("a", "1")));
    assert!(futures::poll!(commit.as_mut()).is_pending());
    drop(commit);
    store.commit(Batch::new().check("never", Some(u64::MAX))).await.unwrap_err();
    assert!(store.get("a").await.unwrap().is_some());
}

#[tokio::test]
async fn a_key_that_the_server_cannot_write_down_is_refused_and_hurts_nobody_else() {
    let Some(team) = schema().await else { return };
    let store = PostgresStore::open(team.cluster(2)).await.unwrap();
    let (zero, good) = tokio::join!(
        store.commit(Batch::new().put("a\0b", "1")),
        store.commit(Batch::new().put("a", "1")),
    );
    good.unwrap();
    assert!(matches!(zero, Err(StoreError::Failed(source)) if source.to_string().contains("zero")));
    assert_eq!(store.get("a\0b").await.unwrap(), None);
    let found = store.get_all(&["a\0b", "a"]).await.unwrap();
    assert!(found[0].is_none() && found[1].is_some());
    assert_eq!(store.look(&["a\0b", "a"]).await.unwrap().1, found);
    assert!(store.scan("a\0", None, 9).await.unwrap().is_empty());
    assert!(store.scan("a", Some("a\0b"), 9).await.unwrap().is_empty());
    assert_eq!(store.scan("", Some("A\0"), 9).await.unwrap().len(), 1);
}

#[tokio::test]
async fn tables_that_a_newer_program_made_for_itself_are_left_alone() {
    let Some(team) = schema().await else { return };
    drop(PostgresStore::open(team.cluster(2)).await.unwrap());
    team.psql("update versions set version = version + 1 where part = 'store'");
    // Two releases work side by side.
    drop(PostgresStore::open(team.cluster(2)).await.unwrap());
    team.psql("update versions set version = version + 1 where part = 'store'");
    let refused = PostgresStore::open(team.cluster(2)).await;
    match refused {
        Err(StoreError::Corrupt { source, .. }) => {
            assert!(source.to_string().contains("use a newer program"), "{source}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_database_that_cannot_write_every_language_is_refused() {
    let Some(server) = Server::start().await else { return };
    let team = server.team();
    server.psql(
        "create database latin template template0 encoding 'LATIN1' lc_collate 'C' lc_ctype 'C'",
    );
    let url = team.url().replace("/postgres", "/latin");
    assert_ne!(url, team.url());
    let cluster = Cluster::new(PostgresOptions {
        address: Address::parse(&url, false).unwrap(),
        schema: Schema::parse(team.schema_name()).unwrap(),
        connections: 1,
        statement_timeout: Duration::from_secs(15),
    });
    match PostgresStore::open(cluster).await {
        Err(StoreError::Unusable { source, .. }) => {
            assert!(source.to_string().contains("encoding UTF8"), "{source}");
        }
        other => panic!("{other:?}"),
    }
}
