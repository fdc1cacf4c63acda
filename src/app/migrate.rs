//! `rota migrate`: board and store move to a server and back.
//!
//! # What stays true
//! - Neither end is used by anybody else from the beginning to the end: the state folder and the schema
//!   both say so, and a schema that is left refuses every write.
//! - Broken off at any point, the same command goes on where it stopped. No row is there twice.
//! - Both ends are read through and compared before anybody may use the new one.
//! - Nothing is removed: what was left stays where it is, and says that it is of then.

mod home;
mod out;
mod rows;

use super::failures;
use crate::app::failure::{Failure, FailureKind};
use crate::app::house::{MigrateOptions, MoveReport, MoveStep, MoveTo, MovedRows, Place};
use crate::board::sql::moving::{self, End, Step};
use crate::domain::Timestamp;
use crate::postgres::{Address, Cluster, PostgresOptions, Schema};
use crate::store::{Store, StoreError};
use secrecy::ExposeSecret as _;
use std::path::Path;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// So many connections are used: one carries the board, the others make the tables and carry the store.
const CONNECTIONS: u32 = 4;
/// One step takes some rows along; a server under load may take its time.
const STATEMENT_TIMEOUT: Duration = Duration::from_mins(5);

/// Whoever waits: sees how far it is, and may stop it between two steps.
struct Watcher {
    tell: watch::Sender<MoveStep>,
    stop: CancellationToken,
}

impl Watcher {
    fn show(&self, is_check: bool, part: &'static str, step: Step) {
        let Step { table, done, of } = step;
        self.tell.send_replace(MoveStep { is_check, part, table, done, of });
    }
}

/// Moves; what came of it is told also where it was stopped.
pub(super) async fn migrate(
    place: &Place,
    options: MigrateOptions,
    tell: watch::Sender<MoveStep>,
    stop: CancellationToken,
) -> Result<MoveReport, Failure> {
    let watcher = Watcher { tell, stop };
    match options.to {
        MoveTo::Postgres { url, schema, plain } => {
            let target = PostgresOptions {
                address: Address::parse(url.expose_secret(), plain)
                    .map_err(|wrong| Failure::usage(format!("--to: {wrong}")))?,
                schema: Schema::parse(&schema)
                    .map_err(|wrong| Failure::usage(format!("--schema: {wrong}")))?,
                connections: CONNECTIONS,
                statement_timeout: STATEMENT_TIMEOUT,
            };
            Box::pin(out::migrate(place, &target, plain, options.dry_run, &watcher)).await
        }
        MoveTo::Embedded => Box::pin(home::migrate(place, options.dry_run, &watcher)).await,
    }
}

/// Carries the board over and compares both ends; `None`: it was stopped.
async fn board(
    from: &mut End,
    to: &mut End,
    watcher: &Watcher,
) -> Result<Option<Vec<MovedRows>>, Failure> {
    let failed = |error| failures::board(&error);
    let mut copying = |step| watcher.show(false, "board", step);
    if !moving::copy(from, to, &mut copying, &watcher.stop).await.map_err(failed)? {
        return Ok(None);
    }
    let mut checking = |step| watcher.show(true, "board", step);
    let sums = moving::sums(from, &mut checking).await.map_err(failed)?;
    let others = moving::sums(to, &mut checking).await.map_err(failed)?;
    for (sum, other) in sums.iter().zip(&others) {
        if sum != other {
            return Err(unlike(&format!(
                "table {}: {} rows are here and {} there",
                sum.table, sum.rows, other.rows
            )));
        }
    }
    let rows = |sum: moving::Sum| MovedRows {
        name: sum.table.to_owned(),
        rows: sum.rows,
        sha256: sum.sha256,
    };
    Ok(Some(sums.into_iter().map(rows).collect()))
}

/// The same for the store.
async fn ledger(
    from: &dyn Store,
    to: &dyn Store,
    id: &str,
    watcher: &Watcher,
) -> Result<Option<Vec<MovedRows>>, Failure> {
    let failed = |error: StoreError| {
        let message = "the store's rows could not be carried over";
        Failure::new(FailureKind::Unreachable, message).because(&error)
    };
    if !rows::copy(from, to, id, watcher).await.map_err(failed)? {
        return Ok(None);
    }
    let of = rows::count(from).await.map_err(failed)?;
    let sums = rows::sums(from, of, watcher).await.map_err(failed)?;
    let others = rows::sums(to, of, watcher).await.map_err(failed)?;
    if sums == others {
        return Ok(Some(sums));
    }
    let differs = sums
        .iter()
        .find(|sum| !others.contains(sum))
        .or_else(|| others.iter().find(|sum| !sums.contains(sum)));
    let name = differs.map_or("", |sum| sum.name.as_str());
    Err(unlike(&format!("the store's rows under {name:?} differ")))
}

/// Both ends were read, and are not the same.
fn unlike(what: &str) -> Failure {
    Failure::new(FailureKind::State, format!("what was moved is not what was there: {what}")).hint(
        "the old place is as it was, and is to be used on; please report this with `rota --version`",
    )
}

/// How many rows each table of an end has.
async fn counted(end: &mut End) -> Result<Vec<MovedRows>, Failure> {
    let counts = moving::counts(end).await.map_err(|error| failures::board(&error))?;
    let rows = |(name, rows): (&str, u64)| MovedRows {
        name: name.to_owned(),
        rows,
        sha256: String::new(),
    };
    Ok(counts.into_iter().map(rows).collect())
}

fn named(cluster: &Cluster) -> String {
    format!("{}, schema {}", cluster.place(), cluster.schema().as_str())
}

/// The state folder, for people.
fn folder(state: &Path) -> String {
    let path = state.canonicalize().unwrap_or_else(|_| state.to_owned());
    format!("{} on {}", path.display(), super::open::host_name())
}

/// An instant as a part of a file's name.
fn stamp(at: Timestamp) -> String {
    at.format("%Y%m%dT%H%M%SZ").to_string()
}
