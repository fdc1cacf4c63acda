//! What daemons share on a PostgreSQL server: opened, and looked at by `rota doctor`.

use super::doctor::finding;
use super::failures;
use super::storage::Stored;
use crate::app::failure::{Failure, FailureKind};
use crate::app::house::{Finding, Health};
use crate::board::Board;
use crate::board::sql::SqlBoard;
use crate::clock::{Clock, ServerClock, SystemClock};
use crate::config::{BoardConfig, Config, StoreConfig};
use crate::domain::{BoardName, LifeId};
use crate::ledger::export;
use crate::postgres::health::{self, Host, Rights, Sight};
use crate::postgres::moves::{self, Standing};
use crate::postgres::{Cluster, PostgresOptions, failure};
use crate::store::Store;
use crate::store::lock::FolderLock;
use crate::store::postgres::PostgresStore;
use std::path::Path;
use std::sync::Arc;

/// Versions that this program was made for.
const VERSIONS: std::ops::RangeInclusive<i64> = 14..=17;
/// Clocks may be so far apart before it is said.
const AHEAD_MS_MAX: u64 = 5_000;
/// Connections that a store has beside its pool: one hears of others' commits, one commits.
const CONNECTIONS_BESIDE: i64 = 2;
const PAGE: &str = "see docs/scaling.md";

/// Opens the board of a schema.
pub(super) async fn board(
    named: &PostgresOptions,
    name: &str,
    clock: &Arc<dyn Clock>,
) -> Result<Arc<dyn Board>, Failure> {
    let cluster = usable(named).await?;
    let opened = SqlBoard::shared(cluster, BoardName::new(name), Arc::clone(clock)).await;
    Ok(Arc::new(opened.map_err(|error| failures::board(&error))?))
}

/// Opens the store of a schema.
pub(super) async fn store(named: &PostgresOptions) -> Result<Arc<dyn Store>, Failure> {
    Ok(Arc::new(opened(named).await?))
}

/// The same with the clock of its server, which has said already what time it is.
pub(super) async fn store_and_clock(
    named: &PostgresOptions,
    machine: &Arc<dyn Clock>,
) -> Result<(PostgresStore, Arc<ServerClock>), Failure> {
    let clock = Arc::new(ServerClock::over(Arc::clone(machine)));
    let store = opened(named).await?.telling(Arc::clone(&clock));
    let now = store.now().await;
    now.map_err(|error| failures::shared_store(&error, &store.cluster().place()))?;
    Ok((store, clock))
}

async fn opened(named: &PostgresOptions) -> Result<PostgresStore, Failure> {
    let cluster = usable(named).await?;
    let place = cluster.place();
    let opened = PostgresStore::open(cluster).await;
    opened.map_err(|error| failures::shared_store(&error, &place))
}

/// The same with what a house needs beside it; the house goes by the server's clock from the beginning.
pub(super) async fn stored(
    named: &PostgresOptions,
    lock: FolderLock,
    machine: &Arc<dyn Clock>,
) -> Result<Stored, Failure> {
    let (store, clock) = store_and_clock(named, machine).await?;
    let epoch = export::epoch_of(&store).await;
    let epoch = epoch.map_err(|error| failures::export(&error))?;
    Ok(Stored { store: Arc::new(store), restored: None, lock: Some(lock), epoch, clock })
}

/// The lock of a state folder whose store is elsewhere: what else is in there is one daemon's.
pub(super) fn lock(
    folder: &Path,
    life: &LifeId,
    clock: &Arc<dyn Clock>,
) -> Result<FolderLock, Failure> {
    std::fs::create_dir_all(folder).map_err(|error| {
        failures::state_io(&format!("{} cannot be made", folder.display()), &error)
    })?;
    let lock = FolderLock::take(folder, &life.to_string(), clock.as_ref());
    lock.map_err(|error| failures::store(&error))
}

/// Unless it is being filled, or was left.
async fn usable(named: &PostgresOptions) -> Result<Cluster, Failure> {
    let cluster = Cluster::new(named.clone());
    let standing = moves::standing(&cluster).await.map_err(|error| failures::of_move(&error))?;
    let (found, hint) = match standing {
        Standing::Free => return Ok(cluster),
        Standing::Filling(from) => (
            format!("is being filled from {from}"),
            "let `rota migrate` come to its end: the same command goes on where it stopped",
        ),
        Standing::Left(to) => (
            format!("was left for {to}"),
            "say in [board] and [store] of rota.toml where it is now",
        ),
    };
    let message = format!("schema {} at {} {found}", named.schema.as_str(), cluster.place());
    Err(Failure::new(FailureKind::Refused, message).hint(hint))
}

/// Whether the tables of a part, `board` or `store`, are there and can be worked with, so that a look
/// makes none. Where not, [`examine`] says why.
pub(super) async fn has_tables(named: &PostgresOptions, part: &str) -> bool {
    let hosts = health::look(named, &SystemClock::new()).await;
    let mut seen = hosts.iter().filter_map(|host| host.sight.as_ref().ok());
    let has_part = |sight: &Sight| sight.versions.iter().any(|(name, _)| name == part);
    seen.any(|sight| !sight.is_standby && has_part(sight)) && usable(named).await.is_ok()
}

/// How each server is that the configuration names.
pub(super) async fn examine(config: &Config) -> Vec<Finding> {
    let board = match &config.board {
        BoardConfig::Postgres(named) => Some(named.as_ref()),
        BoardConfig::Sqlite { .. } | BoardConfig::Leantime(_) => None,
    };
    let store = match &config.store {
        StoreConfig::Postgres(named) => Some(named.as_ref()),
        StoreConfig::Sled { .. } | StoreConfig::Memory => None,
    };
    let is_one = match (board, store) {
        (Some(board), Some(store)) => {
            board.address == store.address && board.schema == store.schema
        }
        _ => false,
    };
    if let (true, Some(board), Some(store)) = (is_one, board, store) {
        let connections = board.connections + store.connections;
        let both = PostgresOptions { connections, ..board.clone() };
        return examined("database", &both).await;
    }
    let mut findings = Vec::new();
    for (what, named) in [("board's database", board), ("store's database", store)] {
        if let Some(named) = named {
            findings.extend(examined(what, named).await);
        }
    }
    findings
}

async fn examined(what: &str, named: &PostgresOptions) -> Vec<Finding> {
    let clock = SystemClock::new();
    let hosts = health::look(named, &clock).await;
    let mut findings: Vec<Finding> = hosts.iter().map(|host| host_of(what, host, &hosts)).collect();
    let primaries: Vec<&Sight> = hosts
        .iter()
        .filter_map(|host| host.sight.as_ref().ok())
        .filter(|s| !s.is_standby)
        .collect();
    match primaries[..] {
        [primary] => {
            findings.extend(of_primary(what, primary, named));
            findings.extend(standing(what, named).await);
        }
        [] => findings.push(finding(
            what,
            Health::Fail,
            "no host of the address takes writes",
            "start the primary, or promote a standby (`select pg_promote()`)",
        )),
        _ => findings.push(finding(
            what,
            Health::Fail,
            "more than one host takes writes: they are not one database any more",
            "end all of them but one at once; daemons use the first that answers",
        )),
    }
    findings
}

/// One host: whether it is there, and what it is.
fn host_of(what: &str, host: &Host, all: &[Host]) -> Finding {
    let sight = match &host.sight {
        Ok(sight) => sight,
        Err(error) => {
            // One of several may be away.
            let is_alone = all.iter().all(|other| other.sight.is_err());
            let health = if is_alone { Health::Fail } else { Health::Warn };
            let found = format!("{} cannot be reached: {error}", host.place);
            return finding(what, health, found, away(error));
        }
    };
    let major = sight.version / 10_000;
    let role = if sight.is_standby { "is a standby" } else { "takes writes" };
    let way = match (sight.is_encrypted, sight.is_here) {
        (true, _) => "TLS",
        (false, true) => "on this machine",
        (false, false) => "without TLS",
    };
    let found =
        format!("{} {role} (PostgreSQL {major}.{}, {way})", host.place, sight.version % 10_000);
    if major < *VERSIONS.start() {
        return finding(what, Health::Fail, found, "14 is the oldest version that can be used");
    }
    if !sight.is_encrypted && !sight.is_here {
        let advice = "take sslmode=verify-full: who listens on the way reads passwords and tasks";
        return finding(what, Health::Warn, found, advice);
    }
    if major > *VERSIONS.end() {
        let advice = "this program was tried with 14 to 17: look whether a newer Rota is there";
        return finding(what, Health::Warn, found, advice);
    }
    finding(what, Health::Ok, found, "")
}

/// What helps where a server did not answer as it should.
fn away(error: &health::Error) -> &'static str {
    match failure::meaning(error) {
        failure::Meaning::Refused => {
            "look at user, password and database in the address, at pg_hba.conf, at the certificate"
        }
        failure::Meaning::Full => "raise max_connections there, or lower `connections` here",
        _ => "see that it runs and listens there, and that nothing on the way keeps us out",
    }
}

fn of_primary(what: &str, sight: &Sight, named: &PostgresOptions) -> Vec<Finding> {
    let mut findings = vec![
        rights(what, sight, named),
        clocks(what, sight.ahead_ms),
        connections(what, sight.connections, named.connections),
        durability(what, sight),
    ];
    findings.extend(newer(what, sight));
    findings
}

/// Whether a newer program has made tables, and for how long this one may work beside it.
fn newer(what: &str, sight: &Sight) -> Option<Finding> {
    let known =
        |part: &str| if part == "board" { SqlBoard::steps() } else { PostgresStore::steps() };
    let (part, found, known) = sight
        .versions
        .iter()
        .map(|(part, found)| (part, *found, known(part)))
        .max_by_key(|(_, found, known)| found - known)
        .filter(|(_, found, known)| found > known)?;
    let said =
        format!("the tables of the {part} are of version {found}, and {known} is known here");
    Some(if found > known + 1 {
        finding(what, Health::Fail, said, "start the newer program here: this one may not use them")
    } else {
        let advice = "renew the program here before the next release: this one works on beside it";
        finding(what, Health::Warn, said, advice)
    })
}

fn rights(what: &str, sight: &Sight, named: &PostgresOptions) -> Finding {
    let (schema, rights) = (named.schema.as_str(), sight.rights);
    let told = |health, found: String, advice| finding(what, health, found, advice);
    if sight.encoding != "UTF8" {
        let found = format!("the database is in {}", sight.encoding);
        return told(Health::Fail, found, "make one in UTF8: others cannot store every text");
    }
    let versions: Vec<String> =
        sight.versions.iter().map(|(part, version)| format!("{part} {version}")).collect();
    match rights {
        Rights { has_schema: false, may_make_schema: false, .. } => told(
            Health::Fail,
            format!("there is no schema {schema}, and this user may not make it"),
            "let its owner make it (docs/scaling.md, \"Roles and rights\")",
        ),
        Rights { has_schema: false, .. } => told(
            Health::Ok,
            format!("schema {schema} is not there yet"),
            "it is made when it is needed",
        ),
        Rights { closed: 1.., .. } => told(
            Health::Fail,
            format!("{} parts of schema {schema} are closed to this user", rights.closed),
            "grant what docs/scaling.md, \"Roles and rights\", says",
        ),
        Rights { may_make_tables: false, .. } if versions.is_empty() => told(
            Health::Fail,
            format!("schema {schema} is empty, and this user may make nothing in it"),
            "let its owner begin (docs/scaling.md, \"Roles and rights\")",
        ),
        Rights { may_make_tables: true, .. } => {
            told(Health::Ok, format!("schema {schema}: {}; may make tables", list(&versions)), "")
        }
        Rights { .. } => {
            told(Health::Ok, format!("schema {schema}: {}; rows only", list(&versions)), "")
        }
    }
}

fn list(versions: &[String]) -> String {
    if versions.is_empty() { "empty".to_owned() } else { versions.join(", ") }
}

fn clocks(what: &str, ahead_ms: i64) -> Finding {
    let (apart, way) = (ahead_ms.unsigned_abs(), if ahead_ms > 0 { "before" } else { "behind" });
    if apart <= AHEAD_MS_MAX {
        return finding(what, Health::Ok, format!("its clock is {apart} ms from ours"), "");
    }
    let found = format!("its clock is {} s {way} ours", apart / 1_000);
    let advice = "set both by the network: leases and playbooks go by its clock, but programs and logs \
                  here by ours";
    finding(what, Health::Warn, found, advice)
}

fn connections(what: &str, (allowed, used): (i64, i64), asked: u32) -> Finding {
    let found = format!("{asked} connections here; it takes {allowed}, and has {used} now");
    let asked = i64::from(asked) + CONNECTIONS_BESIDE;
    if asked > allowed {
        let advice = "lower `connections`, or raise max_connections there";
        return finding(what, Health::Fail, found, advice);
    }
    if asked > allowed / 2 {
        let advice = "a second daemon will not find room: docs/scaling.md says how many it takes";
        return finding(what, Health::Warn, found, advice);
    }
    finding(what, Health::Ok, found, "")
}

fn durability(what: &str, sight: &Sight) -> Finding {
    if !sight.is_durable {
        let found = "fsync or synchronous_commit is off";
        let advice = "switch them on: a claim that was given may be gone after a crash, and is \
                      given twice";
        return finding(what, Health::Warn, found, advice);
    }
    let found = match sight.standbys {
        0 => "what it acknowledges is on its disk; no standby follows".to_owned(),
        standbys => format!("what it acknowledges is on its disk; {standbys} follow"),
    };
    finding(what, Health::Ok, found, "")
}

async fn standing(what: &str, named: &PostgresOptions) -> Option<Finding> {
    let refused = usable(named).await.err()?;
    let hint = refused.hints.first().map_or(PAGE, String::as_str);
    Some(finding(what, Health::Fail, refused.message, hint))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postgres::{Address, Schema};
    use std::time::Duration;

    fn sight() -> Sight {
        Sight {
            version: 150_006,
            is_standby: false,
            is_encrypted: true,
            is_here: false,
            encoding: "UTF8".to_owned(),
            rights: Rights {
                has_schema: true,
                may_make_schema: false,
                may_make_tables: false,
                closed: 0,
            },
            versions: vec![("board".to_owned(), 1), ("store".to_owned(), 1)],
            ahead_ms: -20,
            connections: (97, 6),
            is_durable: true,
            standbys: 1,
        }
    }

    fn named() -> PostgresOptions {
        PostgresOptions {
            address: Address::parse("postgres://u@127.0.0.1/d", false).unwrap(),
            schema: Schema::parse("rota").unwrap(),
            connections: 12,
            statement_timeout: Duration::from_secs(15),
        }
    }

    fn host(sight: Sight) -> Host {
        Host { place: "db1:5432".to_owned(), sight: Ok(sight) }
    }

    #[test]
    fn a_server_that_is_as_it_should_be_has_nothing_to_be_done() {
        let of_host = host_of("database", &host(sight()), &[]);
        assert_eq!(of_host.found, "db1:5432 takes writes (PostgreSQL 15.6, TLS)");
        let findings = of_primary("database", &sight(), &named());
        for found in findings.iter().chain([&of_host]) {
            assert_eq!((found.health, found.advice.as_str()), (Health::Ok, ""), "{found:?}");
        }
    }

    #[test]
    fn each_thing_that_is_wrong_is_told_with_what_to_do() {
        let told = |change: fn(&mut Sight), health: Health, said: &str| {
            let mut sight = sight();
            change(&mut sight);
            let mut findings = of_primary("database", &sight, &named());
            findings.push(host_of("database", &host(sight), &[]));
            findings.retain(|found| found.health != Health::Ok);
            let [found] = &findings[..] else { panic!("{said}: {findings:?}") };
            assert_eq!(found.health, health, "{said}");
            assert!(found.found.contains(said), "{found:?}");
            assert!(found.advice.len() > 20, "{found:?}");
        };
        told(|s| s.version = 130_010, Health::Fail, "PostgreSQL 13.10");
        told(|s| s.version = 180_000, Health::Warn, "PostgreSQL 18.0");
        told(|s| s.is_encrypted = false, Health::Warn, "without TLS");
        told(|s| s.encoding = "LATIN1".to_owned(), Health::Fail, "LATIN1");
        told(|s| s.rights.has_schema = false, Health::Fail, "may not make it");
        told(|s| s.rights.closed = 3, Health::Fail, "3 parts of schema rota are closed");
        told(|s| s.versions.clear(), Health::Fail, "may make nothing in it");
        told(|s| s.ahead_ms = 3_600_000, Health::Warn, "3600 s before ours");
        told(|s| s.ahead_ms = -6_000, Health::Warn, "6 s behind ours");
        told(|s| s.connections = (12, 3), Health::Fail, "it takes 12");
        told(|s| s.connections = (20, 3), Health::Warn, "it takes 20");
        told(|s| s.versions[1].1 = 2, Health::Warn, "the store are of version 2");
        told(|s| s.versions[0].1 = 3, Health::Fail, "the board are of version 3");
        told(|s| s.is_durable = false, Health::Warn, "fsync or synchronous_commit is off");
    }
}
