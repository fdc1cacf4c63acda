//! The store that daemons share, while its server or the way to it is ill: what was answered is so,
//! what was not is carried out whole or not at all, and it goes on by itself.

use crate::support::postgres::{Proxy, Server, Team, schema};
use chrono::TimeDelta;
use rota::clock::{Clock, ServerClock, SystemClock};
use rota::domain::Timestamp;
use rota::postgres::{Address, Cluster, Meaning, PostgresOptions, Schema};
use rota::store::postgres::PostgresStore;
use rota::store::{Batch, Store, StoreError};
use sqlx::Connection as _;
use sqlx::postgres::PgConnection;
use std::collections::BTreeMap;
use std::error::Error;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Longer than anything here may take.
const LONG: Duration = Duration::from_mins(1);
/// Less than the hosts of an address have to let somebody in, a silent one alone as well.
const SOON: Duration = Duration::from_secs(4);

/// An error and all that caused it.
fn told(error: &dyn Error) -> String {
    let causes =
        std::iter::successors(error.source(), |error: &&(dyn std::error::Error + 'static)| {
            (*error).source()
        });
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

fn impatient(team: &Team, patience: Duration) -> Cluster {
    Cluster::new(PostgresOptions {
        address: Address::parse(team.url(), false).unwrap(),
        schema: Schema::parse(team.schema_name()).unwrap(),
        connections: 2,
        statement_timeout: patience,
    })
}

/// A session that keeps everybody from writing, until it is dropped.
async fn blocker(team: &Team) -> PgConnection {
    let mut blocker = PgConnection::connect(team.url()).await.unwrap();
    let lock = format!("begin; lock table {}.ledger in exclusive mode", team.schema_name());
    sqlx::raw_sql(sqlx::AssertSqlSafe(lock)).execute(&mut blocker).await.unwrap();
    blocker
}

/// Returns when a session waits for a lock of the table, which is not this one; says which.
async fn waits_beside(team: &Team, other: &str) -> String {
    let waiting = format!(
        "select pid from pg_locks where not granted and pid <> {other} \
         and relation = (current_schema() || '.ledger')::regclass limit 1"
    );
    let found = async {
        loop {
            let pid = team.psql(&waiting);
            if !pid.is_empty() {
                return pid;
            }
            tokio::task::yield_now().await;
        }
    };
    timeout(LONG, found).await.unwrap()
}

/// Writers that put two rows a commit, and what they were told.
struct Crowd {
    stop: Arc<AtomicBool>,
    /// How many commits were answered well.
    stood: Arc<AtomicU64>,
    writers: JoinSet<BTreeMap<String, Option<bool>>>,
}

impl Crowd {
    fn begin(stores: &[Arc<PostgresStore>]) -> Self {
        let (stop, stood) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let mut writers = JoinSet::new();
        for writer in 0..8 {
            let store = Arc::clone(&stores[writer % stores.len()]);
            let (stop, stood) = (Arc::clone(&stop), Arc::clone(&stood));
            writers.spawn(async move {
                let mut told = BTreeMap::new();
                for n in 0.. {
                    if stop.load(Ordering::SeqCst) {
                        break;
                    }
                    let key = format!("{writer}/{n:06}");
                    let batch = Batch::new().check(format!("a/{key}"), None);
                    let batch = batch.put(format!("a/{key}"), "v").put(format!("b/{key}"), "v");
                    let answer = match store.commit(batch).await {
                        Ok(()) => Some(true),
                        Err(StoreError::Failed(_)) => None,
                        Err(error) => panic!("{error:?}"),
                    };
                    stood.fetch_add(u64::from(answer.is_some()), Ordering::SeqCst);
                    told.insert(key, answer);
                }
                told
            });
        }
        Self { stop, stood, writers }
    }

    /// Until so many more were answered well.
    async fn goes_on(&self, more: u64) {
        let until = self.stood.load(Ordering::SeqCst) + more;
        let goes_on = async {
            while self.stood.load(Ordering::SeqCst) < until {
                tokio::task::yield_now().await;
            }
        };
        timeout(LONG, goes_on).await.unwrap();
    }

    /// Ends it; how many commits nobody knew of, each of which is there whole or not at all.
    async fn judged(self, store: &PostgresStore) -> usize {
        self.stop.store(true, Ordering::SeqCst);
        let told = self.writers.join_all().await.into_iter().flatten();
        let rows = store.scan("", None, 1_000_000).await.unwrap();
        let versions: BTreeMap<&str, u64> =
            rows.iter().map(|row| (row.key.as_str(), row.version)).collect();
        let mut unknown = 0;
        for (key, answer) in told {
            let [a, b] = ["a", "b"].map(|half| versions.get(format!("{half}/{key}").as_str()));
            assert_eq!(a.is_some(), b.is_some(), "{key}: half of a commit");
            match answer {
                Some(_) => assert!(a.is_some(), "{key}: what was answered is lost"),
                None => unknown += 1,
            }
        }
        let mut all: Vec<u64> = versions.into_values().collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count, "a version came twice");
        unknown
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn over_restarts_of_the_server_nothing_answered_is_lost_and_nothing_is_there_by_half() {
    let Some(server) = Server::start().await else { return };
    let team = server.team();
    let mut stores = Vec::new();
    for _ in 0..2 {
        stores.push(Arc::new(PostgresStore::open(team.cluster(2)).await.unwrap()));
    }
    let crowd = Crowd::begin(&stores);
    for _ in 0..3 {
        crowd.goes_on(50).await;
        server.restart().await;
    }
    crowd.goes_on(50).await;
    let unknown = crowd.judged(&stores[0]).await;
    assert!(unknown > 0, "no commit was under way when the server went");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn ended_connections_are_made_again_and_reads_do_not_fail_for_it() {
    let Some(team) = schema().await else { return };
    let store = Arc::new(PostgresStore::open(team.cluster(3)).await.unwrap());
    let mut heard = store.changes().unwrap();
    let other = PostgresStore::open(team.cluster(1)).await.unwrap();
    let crowd = Crowd::begin(std::slice::from_ref(&store));
    for _ in 0..3 {
        crowd.goes_on(20).await;
        team.terminate_others().await;
    }
    crowd.goes_on(20).await;
    crowd.judged(&store).await;
    store.commit(Batch::new().put("kept", "v")).await.unwrap();
    for _ in 0..4 {
        team.terminate_others().await;
        assert_eq!(store.get("kept").await.unwrap().unwrap().value, b"v");
        store.now().await.unwrap();
        team.terminate_others().await;
        let (_, found) = store.look(&["kept"]).await.unwrap();
        assert_eq!(found[0].as_ref().unwrap().value, b"v");
    }
    // It hears again, also after its word was lost.
    heard.mark_unchanged();
    let told = async {
        while !heard.has_changed().unwrap() {
            let answer = other.commit(Batch::new().put("told", "v")).await;
            assert!(matches!(answer, Ok(()) | Err(StoreError::Failed(_))), "{answer:?}");
            tokio::task::yield_now().await;
        }
    };
    timeout(LONG, told).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_commit_that_takes_too_long_fails_and_did_not_happen() {
    let Some(team) = schema().await else { return };
    drop(PostgresStore::open(team.cluster(1)).await.unwrap());
    let store = PostgresStore::open(impatient(&team, Duration::from_millis(500))).await.unwrap();
    let blocker = blocker(&team).await;
    let failed = store.commit(Batch::new().put("late", "v")).await;
    match failed {
        Err(error @ StoreError::Failed(_)) => {
            let told = told(&error);
            assert!(told.contains("other daemons were in the way each time"), "{told}");
        }
        other => panic!("{other:?}"),
    }
    blocker.close().await.unwrap();
    store.commit(Batch::new().put("next", "v")).await.unwrap();
    assert_eq!(store.get("late").await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn while_there_is_no_server_it_says_so_at_once_and_goes_on_when_it_is_back() {
    let Some(server) = Server::start().await else { return };
    let team = server.team();
    let store = PostgresStore::open(team.cluster(2)).await.unwrap();
    store.commit(Batch::new().put("before", "v")).await.unwrap();
    let first = store.now().await.unwrap();
    server.stop().await;
    for _ in 0..3 {
        let asked = timeout(Duration::from_secs(10), store.commit(Batch::new().put("no", "v")));
        match asked.await.unwrap() {
            Err(error @ StoreError::Failed(_)) => {
                assert!(told(&error).contains("by itself when it is back"), "{}", told(&error));
            }
            other => panic!("{other:?}"),
        }
    }
    let asked = timeout(Duration::from_secs(10), store.now()).await.unwrap();
    assert!(matches!(asked, Err(StoreError::Failed(_))), "{asked:?}");
    server.start_again().await;
    store.commit(Batch::new().put("after", "v")).await.unwrap();
    assert!(store.get("before").await.unwrap().is_some());
    assert!(store.now().await.unwrap().ms >= first.ms);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_was_sent_over_a_lost_connection_is_over_before_the_next_is_sent() {
    let Some(server) = Server::start().await else { return };
    let team = server.team();
    let proxy = Proxy::to(server.port());
    let store = Arc::new(PostgresStore::open(team.cluster_at(&[proxy.port()], 2)).await.unwrap());
    let blocker = blocker(&team).await;
    let mut first = JoinSet::new();
    let sending = Arc::clone(&store);
    first.spawn(async move { sending.commit(Batch::new().put("first", "v")).await });
    let session = waits_beside(&team, "0").await;
    proxy.cut();
    let lost = first.join_next().await.unwrap().unwrap();
    assert!(matches!(lost, Err(StoreError::Failed(_))), "{lost:?}");
    proxy.heal();
    // The session of the first still waits in there, and would write as soon as it is let.
    let second = store.commit(Batch::new().put("second", "v"));
    let let_go = async {
        waits_beside(&team, &session).await;
        blocker.close().await.unwrap();
    };
    let (second, ()) = tokio::join!(second, let_go);
    second.unwrap();
    assert!(store.get("second").await.unwrap().is_some());
    assert_eq!(store.get("first").await.unwrap(), None);
}

#[tokio::test]
async fn a_connection_that_is_given_back_as_its_host_falls_silent_keeps_its_place_for_seconds() {
    let Some(server) = Server::start().await else { return };
    let (team, proxy) = (server.team(), Proxy::to(server.port()));
    let cluster = team.cluster_at(&[proxy.port(), server.port()], 1);
    let store = PostgresStore::open(cluster).await.unwrap();
    store.get("any").await.unwrap();
    // On this one thread nothing is asked of the connection between the answer and the silence.
    proxy.silence();
    let goes_on = async {
        while store.now().await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    assert!(timeout(LONG, goes_on).await.is_ok(), "the only place of the pool is never free again");
    assert_eq!(store.get("any").await.unwrap(), None);
}

#[tokio::test]
async fn a_first_host_that_falls_silent_keeps_no_call_from_the_second() {
    let Some(server) = Server::start().await else { return };
    let (team, proxy) = (server.team(), Proxy::to(server.port()));
    let cluster = team.cluster_at(&[proxy.port(), server.port()], 1);
    let store = PostgresStore::open(cluster).await.unwrap();
    assert_eq!(store.cluster().pool().size(), 0, "nothing was read yet");
    proxy.silence();
    // The pool is on its way to the first then.
    timeout(SOON, store.now()).await.unwrap().unwrap();
    store.commit(Batch::new().put("kept", "v")).await.unwrap();
    assert_eq!(store.get("kept").await.unwrap().unwrap().value, b"v");
}

#[tokio::test]
async fn the_host_that_takes_writes_is_soon_found_behind_a_standby_and_a_silent_one() {
    let Some(primary) = Server::start().await else { return };
    let team = primary.team();
    let standby = primary.standby().await;
    let silent = Proxy::to(primary.port());
    silent.silence();
    let [silent, standby, primary] = [silent.port(), standby.port(), primary.port()];
    for hosts in [vec![standby, primary], vec![silent, standby, primary]] {
        let cluster = team.cluster_at(&hosts, 1);
        let mut connection = timeout(SOON, cluster.connect()).await.unwrap().unwrap();
        let asked = sqlx::query_scalar("select pg_is_in_recovery()").fetch_one(&mut connection);
        let is_standby: bool = asked.await.unwrap();
        assert!(!is_standby, "{hosts:?}");
        connection.close().await.unwrap();
        let store = PostgresStore::open(cluster).await.unwrap();
        store.commit(Batch::new().put("kept", "v")).await.unwrap();
    }
}

#[tokio::test]
async fn where_no_host_can_be_used_each_one_says_why() {
    // Nobody takes who comes there, and so nobody answers.
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = silent.local_addr().unwrap().port();
    let address = format!("postgres://u@127.0.0.1:{port},127.0.0.1:1/d");
    let cluster = Cluster::new(PostgresOptions {
        address: Address::parse(&address, false).unwrap(),
        schema: Schema::parse("rota").unwrap(),
        connections: 1,
        statement_timeout: Duration::from_secs(15),
    });
    let both = async { tokio::join!(cluster.connect(), cluster.acquire()) };
    let (connected, acquired) = timeout(LONG, both).await.unwrap();
    for error in [connected.map(drop).unwrap_err(), acquired.map(drop).unwrap_err()] {
        let told = told(&error);
        assert!(told.contains(&format!("127.0.0.1:{port}: no answer within 5 s")), "{told}");
        assert!(told.contains("127.0.0.1:1: Connection refused"), "{told}");
        assert_eq!(error.meaning(), Meaning::Gone, "{told}");
    }
}

/// A machine whose wall clock is an hour ahead.
#[derive(Debug)]
struct Ahead(SystemClock);

impl Clock for Ahead {
    fn wall(&self) -> Timestamp {
        self.0.wall() + TimeDelta::hours(1)
    }
    fn boot(&self) -> Duration {
        self.0.boot()
    }
    fn boot_id(&self) -> String {
        self.0.boot_id()
    }
}

#[tokio::test]
async fn a_look_tells_the_clock_as_a_question_for_the_time_does() {
    let Some(team) = schema().await else { return };
    let clock = Arc::new(ServerClock::over(Arc::new(Ahead(SystemClock::new()))));
    let store = PostgresStore::open(team.cluster(1)).await.unwrap().telling(Arc::clone(&clock));
    let apart = || (clock.wall() - SystemClock::new().wall()).abs();
    assert!(apart() > TimeDelta::minutes(50), "{}", apart());
    store.look(&["any"]).await.unwrap();
    assert!(apart() < TimeDelta::minutes(10), "{}", apart());
}

#[tokio::test]
async fn how_long_it_took_to_connect_moves_no_clock() {
    let Some(server) = Server::start().await else { return };
    let (team, proxy) = (server.team(), Proxy::to(server.port()));
    let clock = Arc::new(ServerClock::over(Arc::new(Ahead(SystemClock::new()))));
    let store = PostgresStore::open(team.cluster_at(&[proxy.port()], 1)).await.unwrap();
    let store = store.telling(Arc::clone(&clock));
    // Six times there and back until there is a connection, and twice with the question.
    proxy.slow(Duration::from_millis(200));
    store.now().await.unwrap();
    // The server is on this machine.
    let apart = clock.wall() - SystemClock::new().wall();
    assert!(apart.abs() < TimeDelta::milliseconds(800), "{apart}");
}
