//! The connections to a shared database as the instruments tell them: lent, waited for, lost; and its clock.

use crate::support::counted::Counted;
use crate::support::postgres::{Proxy, Server, Team, schema};
use rota::board::People as _;
use rota::board::sql::SqlBoard;
use rota::clock::{Clock as _, ManualClock, ServerClock, SystemClock};
use rota::domain::{BoardName, NewPerson, PersonId, PersonKind, Role, Stamp};
use rota::store::postgres::PostgresStore;
use rota::store::{Batch, Store as _};
use std::sync::Arc;
use std::time::Duration;

/// Longer than anything here may take.
const LONG: Duration = Duration::from_mins(1);

/// Codes of errors, and the class that each is counted in.
const CODES: [(&str, &str); 7] = [
    ("40001", "again"),
    ("57P01", "gone"),
    ("57014", "too_slow"),
    ("53100", "full"),
    ("42501", "refused"),
    ("RM001", "moved"),
    ("22000", "other"),
];

fn acquired(counted: &Counted, part: &str, result: &str) -> u64 {
    let labels = format!("{{part=\"{part}\",result=\"{result}\"}}");
    counted.count(&format!("rota_database_acquires_total{labels}"))
}

fn errors(counted: &Counted, part: &str, class: &str) -> u64 {
    counted.count(&format!("rota_database_errors_total{{part=\"{part}\",class=\"{class}\"}}"))
}

fn of(counted: &Counted, name: &str, part: &str) -> u64 {
    counted.count(&format!("{name}{{part=\"{part}\"}}"))
}

/// Returns when so many connections of the store's pool are lent and lie idle: they come back a moment
/// after they were let go.
async fn stands(counted: &Counted, store: &PostgresStore, lent: u64, idle: u64) {
    let state = |state: &str| {
        let labels = format!("{{part=\"store\",state=\"{state}\"}}");
        counted.count(&format!("rota_database_connections{labels}"))
    };
    let standing = async {
        loop {
            store.measure();
            if (state("lent"), state("idle")) == (lent, idle) {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    let came = tokio::time::timeout(LONG, standing).await;
    assert!(came.is_ok(), "{} lent and {} idle", state("lent"), state("idle"));
}

#[tokio::test]
async fn connections_are_told_as_they_are_lent_and_whoever_waits_for_one_is_counted() {
    let Some(team) = schema().await else { return };
    let counted = Counted::begin();
    let store = PostgresStore::open(team.cluster(2)).await.unwrap();
    store.now().await.unwrap();
    stands(&counted, &store, 0, 1).await;
    assert_eq!(of(&counted, "rota_database_connections_max", "store"), 2);
    let (one, two) = (store.cluster().acquire().await, store.cluster().acquire().await);
    stands(&counted, &store, 2, 0).await;
    assert_eq!(acquired(&counted, "store", "waited"), 0);
    {
        let mut waits = std::pin::pin!(store.now());
        assert!(futures::poll!(&mut waits).is_pending());
        drop(one);
        waits.await.unwrap();
    }
    assert_eq!(acquired(&counted, "store", "waited"), 1);
    // All are lent again, and nobody gives one back in time.
    let three = store.cluster().acquire().await;
    store.now().await.unwrap_err();
    assert_eq!(acquired(&counted, "store", "given_up"), 1);
    let wrong = ["exhausted", "gone"].map(|class| errors(&counted, "store", class));
    assert_eq!(wrong, [1, 0], "it is not the server that is away");
    drop((two, three));
    store.now().await.unwrap();
    let all = ["ok", "waited", "given_up", "failed"];
    let all: u64 = all.map(|result| acquired(&counted, "store", result)).iter().sum();
    let timed = of(&counted, "rota_database_acquire_duration_seconds_count", "store");
    assert_eq!(timed, all);
    assert_eq!(acquired(&counted, "board", "ok"), 0, "there is none");
}

fn person(name: &str) -> NewPerson {
    let (kind, role) = (PersonKind::Person, Role::Editor);
    NewPerson { name: name.to_owned(), email: None, kind, role }
}

/// From now on what is written there fails with the code that stands in this column.
fn fails_as_asked(team: &Team, table: &str, column: &str) {
    team.psql(&format!(
        "create function fails_{table}() returns trigger language plpgsql as $$ begin \
         raise exception 'as was asked for' using errcode = new.{column}; end $$; \
         create trigger fails before insert on {table} for each row \
         when (new.{column} ~ '^[0-9A-Z]{{5}}$') execute function fails_{table}()"
    ));
}

#[tokio::test]
async fn what_goes_wrong_is_counted_by_its_class_at_the_board_and_at_the_store() {
    let Some(team) = schema().await else { return };
    let counted = Counted::begin();
    let clock = SystemClock::shared();
    let board = SqlBoard::shared(team.cluster(2), BoardName::new("main"), clock).await.unwrap();
    let store = PostgresStore::open(team.cluster(2)).await.unwrap();
    fails_as_asked(&team, "people", "name");
    fails_as_asked(&team, "ledger", "key");
    for (code, class) in CODES {
        for part in ["board", "store"] {
            assert_eq!(errors(&counted, part, class), 0, "{part}: {class}");
        }
        board.add_person(&Stamp::by(PersonId(0)), person(code)).await.unwrap_err();
        store.commit(Batch::new().put(code, "v")).await.unwrap_err();
        for part in ["board", "store"] {
            assert!(errors(&counted, part, class) > 0, "{part}: {class}");
        }
    }
    board.add_person(&Stamp::by(PersonId(0)), person("Ann")).await.unwrap();
    store.commit(Batch::new().put("well", "v")).await.unwrap();
}

#[tokio::test]
async fn a_server_that_is_away_and_the_standby_that_takes_over_are_counted() {
    let Some(primary) = Server::start().await else { return };
    let counted = Counted::begin();
    let team = primary.team();
    let standby = primary.standby().await;
    let cluster = team.cluster_at(&[primary.port(), standby.port()], 2);
    let clock = SystemClock::shared();
    let board = SqlBoard::shared(cluster, BoardName::new("main"), clock).await.unwrap();
    board.people().await.unwrap();
    let made = || of(&counted, "rota_database_connections_made_total", "board");
    let failovers = || of(&counted, "rota_database_failovers_total", "board");
    let before = made();
    assert!(before > 0 && failovers() == 0);
    primary.stop().await;
    board.people().await.unwrap_err();
    assert!(errors(&counted, "board", "gone") > 0);
    assert_eq!(errors(&counted, "board", "exhausted"), 0, "nobody has its connections");
    assert_eq!(failovers(), 0);
    standby.promote().await;
    let found = async {
        while board.people().await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, found).await.unwrap();
    assert_eq!(failovers(), 1);
    assert!(made() > before);
}

/// An error and all that caused it.
fn told(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

#[tokio::test]
async fn a_board_whose_server_went_away_does_not_ask_for_more_connections() {
    let Some(server) = Server::start().await else { return };
    let counted = Counted::begin();
    let team = server.team();
    let board = async || {
        let (name, clock) = (BoardName::new("main"), SystemClock::shared());
        SqlBoard::shared(team.cluster(1), name, clock).await.unwrap()
    };
    let (one, two) = (board().await, board().await);
    one.people().await.unwrap();
    two.people().await.unwrap();
    server.stop().await;
    // Each finds its only connection dead, and then waits for one in its place.
    let stamp = Stamp::by(PersonId(0));
    let (read, write) = tokio::join!(one.people(), two.add_person(&stamp, person("Ann")));
    let (read, write) = (read.unwrap_err(), write.unwrap_err());
    for error in [read, write] {
        let told = told(&error);
        assert!(!told.contains("`connections`"), "{told}");
        assert!(!told.contains("all connections"), "{told}");
    }
    assert!(errors(&counted, "board", "gone") > 0);
    assert_eq!(errors(&counted, "board", "exhausted"), 0, "nobody has its connection");
}

#[tokio::test]
async fn whoever_waits_while_another_tries_to_connect_is_not_told_that_connections_are_in_use() {
    let Some(server) = Server::start().await else { return };
    let counted = Counted::begin();
    let (team, proxy) = (server.team(), Proxy::to(server.port()));
    let store = PostgresStore::open(team.cluster_at(&[proxy.port()], 1)).await.unwrap();
    proxy.silence();
    let pool = store.cluster().pool();
    assert_eq!(pool.size(), 0, "nothing was read yet");
    // It has the pool's only place, and no connection.
    let mut connects = std::pin::pin!(store.scan("", None, 1));
    while pool.size() == 0 {
        assert!(futures::poll!(&mut connects).is_pending());
        tokio::task::yield_now().await;
    }
    let told = told(&store.now().await.unwrap_err());
    assert!(!told.contains("connections"), "{told}");
    assert_eq!(errors(&counted, "store", "exhausted"), 0);
}

#[tokio::test]
async fn how_far_the_clocks_of_machine_and_server_are_apart_is_told() {
    let Some(team) = schema().await else { return };
    let counted = Counted::begin();
    let an_hour_on = SystemClock::new().wall() + chrono::TimeDelta::hours(1);
    let machine = Arc::new(ManualClock::at(an_hour_on));
    let clock = Arc::new(ServerClock::over(Arc::clone(&machine) as _));
    let store = PostgresStore::open(team.cluster(1)).await.unwrap().telling(Arc::clone(&clock));
    assert!(counted.sample("rota_database_clock_ahead_seconds").abs() < f64::EPSILON);
    store.now().await.unwrap();
    let ahead = counted.sample("rota_database_clock_ahead_seconds");
    assert!((ahead + 3_600.0).abs() < 120.0, "{ahead}");
    let right = clock.wall() - SystemClock::new().wall();
    assert!(right.abs() < chrono::TimeDelta::minutes(2), "{right}");
}
