//! From servers back into the state folder.

use super::{Watcher, board, counted, folder, ledger, named, rows, stamp};
use crate::app::failure::{Failure, FailureKind};
use crate::app::house::{MoveReport, MovedRows, Place};
use crate::app::moved::{self, Mark};
use crate::app::{failures, open, postgres};
use crate::board::sql::SqlBoard;
use crate::board::sql::moving::End;
use crate::clock::{Clock, Entropy as _, SystemClock, SystemEntropy};
use crate::config::{BoardConfig, Config, StoreConfig};
use crate::domain::{BoardName, LifeId};
use crate::ledger::export;
use crate::postgres::moves::{self, Begun};
use crate::postgres::{Cluster, PostgresOptions};
use crate::store::lock::FolderLock;
use crate::store::postgres::PostgresStore;
use crate::store::sled::{SledOptions, SledStore};
use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where it becomes whole before it takes its place.
const FOLDER: &str = "moving";
const BOARD: &str = "board.sqlite";
const STORE: &str = "store";

/// What is on servers, and the folder it goes to, which is locked.
struct Source {
    config: Config,
    clock: Arc<dyn Clock>,
    board: Option<Cluster>,
    store: Option<Cluster>,
    _lock: FolderLock,
}

pub(super) async fn migrate(
    place: &Place,
    dry_run: bool,
    watcher: &Watcher,
) -> Result<MoveReport, Failure> {
    let source = source(place)?;
    let mut report = MoveReport {
        from: source.clusters().iter().map(|cluster| named(cluster)).collect::<Vec<_>>().join("; "),
        to: folder(&place.state),
        dry_run,
        lines: source.lines(),
        ..MoveReport::default()
    };
    if dry_run {
        look(&source, &mut report).await?;
        return Ok(report);
    }
    let (mark, is_new) = moved::begin(&place.state, &report.to, source.clock.as_ref())?;
    report.resumed = !is_new;
    if is_new {
        // What another one left that was given up.
        removed(&place.state.join(FOLDER)).map_err(|error| {
            failures::state_io("what an earlier move left cannot be removed", &error)
        })?;
    }
    if !mark.is_whole {
        close(&source, place, &mark, is_new).await?;
        let Some((board, store)) = carry(&source, place, &mark, watcher).await? else {
            report.stopped = true;
            return Ok(report);
        };
        (report.board, report.store) = (board, store);
        moved::write(&place.state, &Mark { is_whole: true, ..mark.clone() })?;
    }
    report.left = finish(&source, place, &mark).await?;
    Ok(report)
}

impl Source {
    /// The schemas, each once.
    fn clusters(&self) -> Vec<&Cluster> {
        let mut clusters: Vec<&Cluster> = Vec::new();
        for cluster in self.board.iter().chain(&self.store) {
            if !clusters.iter().any(|other| named(other) == named(cluster)) {
                clusters.push(cluster);
            }
        }
        clusters
    }

    fn lines(&self) -> String {
        let part = |what: &str, kind: &str, cluster: &Option<Cluster>| {
            cluster.as_ref().map(|_| format!("[{what}]\nkind = \"{kind}\"\n"))
        };
        let parts = [part("board", "sqlite", &self.board), part("store", "sled", &self.store)];
        parts.into_iter().flatten().collect::<Vec<_>>().join("\n")
    }
}

/// What the configuration says is on servers.
fn source(place: &Place) -> Result<Source, Failure> {
    let config = open::config(place)?;
    let cluster = |named: &PostgresOptions| {
        Cluster::new(PostgresOptions {
            connections: super::CONNECTIONS,
            statement_timeout: super::STATEMENT_TIMEOUT,
            ..named.clone()
        })
    };
    let board = match &config.board {
        BoardConfig::Postgres(named) => Some(cluster(named)),
        BoardConfig::Sqlite { .. } | BoardConfig::Leantime(_) => None,
    };
    let store = match &config.store {
        StoreConfig::Postgres(named) => Some(cluster(named)),
        StoreConfig::Sled { .. } | StoreConfig::Memory => None,
    };
    if board.is_none() && store.is_none() {
        let message = "neither [board] nor [store] of the configuration is on PostgreSQL";
        return Err(Failure::new(FailureKind::Usage, message)
            .hint("name the configuration with --config as it is now"));
    }
    open::make_state(&place.state)?;
    let clock = SystemClock::shared();
    let life = LifeId::new(format!("move-{}", SystemEntropy.nonce()));
    let lock = postgres::lock(&open::store_options(&config).folder(&place.state), &life, &clock)?;
    Ok(Source { config, clock, board, store, _lock: lock })
}

/// How much there is.
async fn look(source: &Source, report: &mut MoveReport) -> Result<(), Failure> {
    if let Some(cluster) = &source.board {
        let mut server = End::server(cluster).await.map_err(|error| failures::board(&error))?;
        report.board = counted(&mut server).await?;
        server.close().await.map_err(|error| failures::board(&error))?;
    }
    if let Some(cluster) = &source.store {
        let store = store_of(cluster).await?;
        let rows = rows::count(&store).await;
        let rows = rows.map_err(|error| failures::shared_store(&error, &cluster.place()))?;
        report.store = vec![MovedRows { name: "rows".to_owned(), rows, sha256: String::new() }];
    }
    Ok(())
}

async fn store_of(cluster: &Cluster) -> Result<PostgresStore, Failure> {
    let opened = PostgresStore::open(cluster.clone()).await;
    opened.map_err(|error| failures::shared_store(&error, &cluster.place()))
}

/// From here on nobody writes there, on whatever machine: in all schemas, or in none.
async fn close(source: &Source, place: &Place, mark: &Mark, is_new: bool) -> Result<(), Failure> {
    let clusters = source.clusters();
    for cluster in &clusters {
        match moves::against_leaving(cluster, &mark.id).await {
            Ok(None) => {}
            Ok(Some((what, other))) => {
                return Err(given_up(&clusters, place, mark, held(cluster, what, &other)).await);
            }
            Err(error) => {
                // The folder may be used on: nothing has begun.
                if is_new {
                    moved::forget(&place.state)?;
                }
                return Err(failures::of_move(&error));
            }
        }
    }
    let mut is_first = is_new;
    for cluster in &clusters {
        let failure = match moves::begin_leaving(cluster, &mark.id, &mark.to).await {
            Ok(Begun::Other(what, other)) => held(cluster, what, &other),
            Err(error) if is_first => failures::of_move(&error),
            Err(error) => return Err(failures::of_move(&error)),
            Ok(_) => {
                is_first = false;
                continue;
            }
        };
        return Err(given_up(&clusters, place, mark, failure).await);
    }
    Ok(())
}

fn held(cluster: &Cluster, what: &str, other: &str) -> Failure {
    let message = format!("{} holds {what} {other}", named(cluster));
    Failure::new(FailureKind::Refused, message)
        .hint("nothing was moved: see docs/scaling.md, \"Moving back\"")
}

/// Opens again what this move closed, and forgets it; where that is not certain it stays noted.
async fn given_up(clusters: &[&Cluster], place: &Place, mark: &Mark, why: Failure) -> Failure {
    for cluster in clusters {
        if moves::reopen(cluster, &mark.id).await.is_err() {
            return why;
        }
    }
    moved::forget(&place.state).err().unwrap_or(why)
}

/// Carries both over; `None`: it was stopped.
async fn carry(
    source: &Source,
    place: &Place,
    mark: &Mark,
    watcher: &Watcher,
) -> Result<Option<(Vec<MovedRows>, Vec<MovedRows>)>, Failure> {
    let folder = place.state.join(FOLDER);
    open::make_state(&folder)?;
    let mut report = (Vec::new(), Vec::new());
    if let Some(cluster) = &source.board {
        let failed = |error| failures::board(&error);
        let path = folder.join(BOARD);
        let name = BoardName::new(source.config.board_name.clone());
        let made = SqlBoard::open(&path, name, Arc::clone(&source.clock)).await;
        made.map_err(failed)?.close().await;
        let mut server = End::server(cluster).await.map_err(failed)?;
        let mut file = End::file(&path).await.map_err(failed)?;
        let Some(carried) = board(&mut server, &mut file, watcher).await? else { return Ok(None) };
        report.0 = carried;
        server.close().await.map_err(failed)?;
        file.close().await.map_err(failed)?;
    }
    if let Some(cluster) = &source.store {
        let from = store_of(cluster).await?;
        let to = sled(&folder, &source.clock)?;
        let Some(carried) = ledger(&from, &to, &mark.id, watcher).await? else {
            return Ok(None);
        };
        report.1 = carried;
    }
    Ok(Some(report))
}

fn sled(folder: &Path, clock: &Arc<dyn Clock>) -> Result<SledStore, Failure> {
    let opened = SledStore::open(&folder.join(STORE), SledOptions::default(), Arc::clone(clock));
    opened.map_err(|error| failures::store(&error))
}

/// Puts what is whole in its place, and lets daemons in. What was there before is told.
async fn finish(source: &Source, place: &Place, mark: &Mark) -> Result<Vec<String>, Failure> {
    let folder = place.state.join(FOLDER);
    let board = folder.join(BOARD);
    if board.exists() {
        let failed = |error| failures::board(&error);
        End::file(&board).await.map_err(failed)?.finish().await.map_err(failed)?;
    }
    if folder.join(STORE).exists() {
        let store = sled(&folder, &source.clock)?;
        let raised = export::raise_epoch(&store, &place.state).await;
        raised.map_err(|error| failures::export(&error))?;
        rows::forget(&store).await.map_err(|error| failures::store(&error))?;
    }
    let left = put_in_place(place, &folder, mark).map_err(|error| {
        let what = format!("what is whole in {} cannot take its place", folder.display());
        failures::state_io(&what, &error).hint("mend that; the same command goes on from there")
    })?;
    for cluster in source.clusters() {
        let ended = moves::end_leaving(cluster, &mark.id).await;
        ended.map_err(|error| failures::of_move(&error))?;
    }
    // What stood beside a file of this name was about the one before.
    let made = source.board.as_ref().map(|_| place.state.join(BOARD));
    moved::arrive(&place.state, made.as_deref())?;
    Ok(left.into_iter().map(|path| path.display().to_string()).collect())
}

/// What has the name already gets another one.
fn put_in_place(place: &Place, folder: &Path, mark: &Mark) -> io::Result<Vec<PathBuf>> {
    let mut left = Vec::new();
    let state = &place.state;
    let mut aside = |name: &str| {
        let other = state.join(format!("{name}.before-{}", stamp(mark.at)));
        match std::fs::rename(state.join(name), &other) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
            Ok(()) => {
                left.push(other);
                Ok(())
            }
        }
    };
    if folder.join(BOARD).exists() {
        // A log that is left would be read into another board.
        for name in [BOARD, "board.sqlite-wal", "board.sqlite-shm"] {
            aside(name)?;
        }
        std::fs::rename(folder.join(BOARD), state.join(BOARD))?;
    }
    if folder.join(STORE).exists() {
        // An export that is older than the store would take its place.
        for name in [STORE, "export.jsonl"] {
            aside(name)?;
        }
        std::fs::rename(folder.join(STORE), state.join(STORE))?;
    }
    File::open(state)?.sync_all()?;
    removed(folder)?;
    Ok(left)
}

fn removed(folder: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}
