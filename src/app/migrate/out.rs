//! From the state folder to a server.

use super::{Watcher, board, counted, folder, ledger, named, rows};
use crate::app::failure::{Failure, FailureKind};
use crate::app::house::{MoveReport, MovedRows, Place};
use crate::app::moved::{self, Mark};
use crate::app::{failures, open, postgres};
use crate::board::sql::SqlBoard;
use crate::board::sql::moving::{self, End};
use crate::clock::{Clock, Entropy as _, SystemClock, SystemEntropy};
use crate::config::{BoardConfig, Config, DEFAULT_SCHEMA, StoreConfig};
use crate::domain::{BoardName, LifeId};
use crate::ledger::export;
use crate::postgres::moves::{self, Begun, Standing};
use crate::postgres::{Cluster, PostgresOptions};
use crate::store::lock::FolderLock;
use crate::store::postgres::PostgresStore;
use crate::store::{self, Store};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What is in the state folder and goes elsewhere, open and locked.
struct Source {
    config: Config,
    clock: Arc<dyn Clock>,
    /// The board's file.
    board: Option<PathBuf>,
    store: Option<Arc<dyn Store>>,
    /// That of the state folder, where the store does not hold it.
    _lock: Option<FolderLock>,
}

/// Where it goes.
struct Target {
    cluster: Cluster,
    store: Option<PostgresStore>,
}

pub(super) async fn migrate(
    place: &Place,
    target: &PostgresOptions,
    plain: bool,
    dry_run: bool,
    watcher: &Watcher,
) -> Result<MoveReport, Failure> {
    if let Some(mark) = moved::away(&place.state)? {
        let message = format!("what was in {} is at {} already", place.state.display(), mark.to);
        return Err(Failure::new(FailureKind::Refused, message)
            .hint("to move it on, say in rota.toml where it is, and move it back first"));
    }
    let source = source(place)?;
    let cluster = Cluster::new(target.clone());
    let mut report = MoveReport {
        from: folder(&place.state),
        to: named(&cluster),
        dry_run,
        lines: lines(&source, target, plain),
        left: left(&source, place),
        ..MoveReport::default()
    };
    if dry_run {
        look(&source, &cluster, &mut report).await?;
        return Ok(report);
    }
    let (mark, is_new) = moved::begin(&place.state, &report.to, source.clock.as_ref())?;
    report.resumed = !is_new;
    let target = match ready(&source, cluster, &mark, &report.from).await {
        Ok(target) => target,
        Err(Unready::Refused(failure)) => {
            moved::forget(&place.state)?;
            return Err(failure);
        }
        Err(Unready::Unreached(failure)) => {
            // The folder may be used on: nothing has begun.
            if is_new {
                moved::forget(&place.state)?;
            }
            return Err(failure);
        }
        Err(Unready::Failed(failure)) => return Err(failure),
    };
    if !mark.is_whole {
        let Some((board, store)) = carry(&source, &target, &mark, watcher).await? else {
            report.stopped = true;
            return Ok(report);
        };
        (report.board, report.store) = (board, store);
        moved::write(&place.state, &Mark { is_whole: true, ..mark.clone() })?;
    }
    // Any file is opened from other folders, too, that name it by its path: before anybody is let in there.
    if let Some(board) = &source.board {
        moved::leave_board(board, &mark)?;
    }
    finish(place, &target, &mark).await?;
    Ok(report)
}

/// Opens what is here.
fn source(place: &Place) -> Result<Source, Failure> {
    let config = open::config(place)?;
    let clock = SystemClock::shared();
    let board = match &config.board {
        BoardConfig::Sqlite { path } => Some(place.state.join(path)).filter(|path| path.exists()),
        BoardConfig::Leantime(_) | BoardConfig::Postgres(_) => None,
    };
    // A move that goes on may have left that mark itself.
    if let Some(board) = board.as_ref().filter(|_| !moved::is_under_way(&place.state)) {
        moved::refuse_board(board)?;
    }
    let options = open::store_options(&config);
    let store_folder = options.folder(&place.state);
    let has_store = matches!(config.store, StoreConfig::Sled { .. });
    if board.is_none() && !(has_store && store_folder.exists()) {
        let message = format!("nothing in {} can be moved", place.state.display());
        return Err(Failure::new(FailureKind::Usage, message)
            .hint("name the state folder with --state, and its configuration with --config"));
    }
    if export::needs_restore(&place.state, &store_folder) {
        let message = "the ledger has to be restored before it can be moved";
        return Err(Failure::new(FailureKind::Refused, message).hint(
            "start the daemon once: docs/operations.md, \"The ledger is damaged, or gone\"",
        ));
    }
    let life = LifeId::new(format!("move-{}", SystemEntropy.nonce()));
    let (store, lock) = if has_store {
        let opened = store::open::open(&options, &place.state, &life, Arc::clone(&clock));
        (Some(opened.map_err(|error| failures::store(&error))?), None)
    } else {
        (None, Some(postgres::lock(&store_folder, &life, &clock)?))
    };
    Ok(Source { config, clock, board, store, _lock: lock })
}

/// How much there is, and whether it would find room.
async fn look(source: &Source, cluster: &Cluster, report: &mut MoveReport) -> Result<(), Failure> {
    if let Some(path) = &source.board {
        newest(source, path).await?;
        let mut file = End::file(path).await.map_err(|error| failures::board(&error))?;
        report.board = counted(&mut file).await?;
        file.close().await.map_err(|error| failures::board(&error))?;
    }
    if let Some(store) = &source.store {
        let rows = rows::count(store.as_ref()).await.map_err(|error| failures::store(&error))?;
        report.store = vec![MovedRows { name: "rows".to_owned(), rows, sha256: String::new() }];
    }
    match moves::standing(cluster).await.map_err(|error| failures::of_move(&error))? {
        Standing::Free => {}
        Standing::Filling(from) if from == report.from => report.resumed = true,
        Standing::Filling(from) => return Err(taken(&report.to, &format!("a move from {from}"))),
        Standing::Left(to) => return Err(taken(&report.to, &format!("what was moved to {to}"))),
    }
    let held = moving::held(cluster).await.map_err(|error| failures::board(&error))?;
    match held {
        Some(table) if source.board.is_some() && !report.resumed => {
            Err(taken(&report.to, &format!("a board (rows in table {table})")))
        }
        _ => Ok(()),
    }
}

/// Brings a board's file to the newest schema.
async fn newest(source: &Source, path: &Path) -> Result<(), Failure> {
    let name = BoardName::new(source.config.board_name.clone());
    let board = SqlBoard::open(path, name, Arc::clone(&source.clock)).await;
    board.map_err(|error| failures::board(&error))?.close().await;
    Ok(())
}

/// Why a target cannot be filled.
enum Unready {
    /// It holds something else, and nothing of ours.
    Refused(Failure),
    /// It was not reached, or nothing could be made there.
    Unreached(Failure),
    /// Something may have begun there.
    Failed(Failure),
}

/// Makes the tables, and sees to it that nothing but this move has filled them.
async fn ready(
    source: &Source,
    cluster: Cluster,
    mark: &Mark,
    from: &str,
) -> Result<Target, Unready> {
    let to = named(&cluster);
    let target = made(source, cluster).await.map_err(Unready::Unreached)?;
    let failed = |error| Unready::Failed(failures::of_move(&error));
    let is_marked = moves::is_marked(&target.cluster).await.map_err(failed)?;
    // What is somebody else's does not even get a mark.
    if !is_marked && let Some(what) = holds(source, &target).await.map_err(Unready::Unreached)? {
        return Err(Unready::Refused(taken(&to, &what)));
    }
    let begun = moves::begin_filling(&target.cluster, &mark.id, from).await.map_err(failed)?;
    let is_untouched = match begun {
        Begun::New => true,
        Begun::Again => !mark.is_whole && !has_carried(&target, mark).await?,
        Begun::Over => false,
        Begun::Other(what, other) => {
            return Err(Unready::Refused(taken(&to, format!("{what} {other}").trim())));
        }
    };
    if is_untouched && let Some(what) = holds(source, &target).await.map_err(Unready::Failed)? {
        moves::forget(&target.cluster, &mark.id).await.map_err(failed)?;
        return Err(Unready::Refused(taken(&to, &what)));
    }
    Ok(target)
}

/// Whether this move has brought anything there. One that was cut off when it had only begun may not
/// have looked whether the place is free.
async fn has_carried(target: &Target, mark: &Mark) -> Result<bool, Unready> {
    let has_come = moves::has_come(&target.cluster).await;
    if has_come.map_err(|error| Unready::Failed(failures::of_move(&error)))? {
        return Ok(true);
    }
    let Some(store) = &target.store else { return Ok(false) };
    let note = rows::note(store).await.map_err(|error| {
        Unready::Failed(failures::shared_store(&error, &target.cluster.place()))
    })?;
    Ok(note.is_some_and(|note| note.id == mark.id))
}

/// The target with its tables.
async fn made(source: &Source, cluster: Cluster) -> Result<Target, Failure> {
    if source.board.is_some() {
        let name = BoardName::new(source.config.board_name.clone());
        let made = SqlBoard::shared(cluster.clone(), name, Arc::clone(&source.clock)).await;
        made.map_err(|error| failures::board(&error))?;
    }
    let mut store = None;
    if source.store.is_some() {
        let opened = PostgresStore::open(cluster.clone()).await;
        let failed = |error| failures::shared_store(&error, &cluster.place());
        store = Some(opened.map_err(failed)?);
    }
    Ok(Target { cluster, store })
}

/// What the target holds in the way of what would be moved.
async fn holds(source: &Source, target: &Target) -> Result<Option<String>, Failure> {
    if source.board.is_some() {
        let held = moving::held(&target.cluster).await;
        if let Some(table) = held.map_err(|error| failures::board(&error))? {
            return Ok(Some(format!("a board (rows in table {table})")));
        }
    }
    if let Some(store) = &target.store {
        let place = target.cluster.place();
        let is_empty = rows::is_empty(store).await;
        if !is_empty.map_err(|error| failures::shared_store(&error, &place))? {
            return Ok(Some("the ledger of other daemons".to_owned()));
        }
    }
    Ok(None)
}

fn taken(to: &str, what: &str) -> Failure {
    Failure::new(FailureKind::Refused, format!("{to} holds {what}")).hint(
        "nothing was changed; give another --schema, or drop that one if nobody needs it any more",
    )
}

/// Carries both over; `None`: it was stopped.
async fn carry(
    source: &Source,
    target: &Target,
    mark: &Mark,
    watcher: &Watcher,
) -> Result<Option<(Vec<MovedRows>, Vec<MovedRows>)>, Failure> {
    let mut report = (Vec::new(), Vec::new());
    if let Some(path) = &source.board {
        newest(source, path).await?;
        let failed = |error| failures::board(&error);
        let mut file = End::file(path).await.map_err(failed)?;
        let mut server = End::server(&target.cluster).await.map_err(failed)?;
        let Some(carried) = board(&mut file, &mut server, watcher).await? else { return Ok(None) };
        report.0 = carried;
        file.close().await.map_err(failed)?;
        server.finish().await.map_err(failed)?;
    }
    if let (Some(from), Some(to)) = (&source.store, &target.store) {
        let Some(carried) = ledger(from.as_ref(), to, &mark.id, watcher).await? else {
            return Ok(None);
        };
        report.1 = carried;
    }
    Ok(Some(report))
}

/// Lets daemons in there, and none in here.
async fn finish(place: &Place, target: &Target, mark: &Mark) -> Result<(), Failure> {
    if let Some(store) = &target.store {
        let raised = export::raise_epoch(store, &place.state).await;
        raised.map_err(|error| failures::export(&error))?;
        let forgotten = rows::forget(store).await;
        forgotten.map_err(|error| failures::shared_store(&error, &target.cluster.place()))?;
    }
    let ended = moves::end_filling(&target.cluster, &mark.id).await;
    ended.map_err(|error| failures::of_move(&error))?;
    moved::leave(&place.state)
}

/// What `rota.toml` has to say.
fn lines(source: &Source, target: &PostgresOptions, plain: bool) -> String {
    let mut more = String::from("kind = \"postgres\"\nurl = { env = \"ROTA_POSTGRES_URL\" }\n");
    if target.schema.as_str() != DEFAULT_SCHEMA {
        let _ = writeln!(more, "schema = \"{}\"", target.schema.as_str());
    }
    if plain {
        more += "plain = true\n";
    }
    let mut lines = String::new();
    if source.board.is_some() {
        let name = &source.config.board_name;
        let name = if name == "main" { String::new() } else { format!("name = \"{name}\"\n") };
        let _ = write!(lines, "[board]\n{name}{more}");
    }
    if source.store.is_some() {
        lines += if lines.is_empty() { "" } else { "\n" };
        let _ = write!(lines, "[store]\n{more}");
    }
    lines
}

/// What stays where it is.
fn left(source: &Source, place: &Place) -> Vec<String> {
    let store = open::store_options(&source.config).folder(&place.state);
    let store = source.store.as_ref().map(|_| store);
    let files = source.board.clone().into_iter().chain(store);
    files.map(|path| path.display().to_string()).collect()
}
