//! `rota board import` and `export`: opens both boards, and the store that remembers what is copied.

use super::{failures, open, people};
use crate::app::failure::{Failure, FailureKind};
use crate::app::house::{Direction, Place, TransferOptions};
use crate::board::Board;
use crate::board::overlay::Overlay;
use crate::clock::{Clock, Entropy as _, SystemClock, SystemEntropy};
use crate::config::{BoardConfig, Config};
use crate::domain::{BoardName, LifeId, PersonId, PersonKind};
use crate::store::Store;
use crate::transfer::{self, Ends, Pair, Report, Step};
use reqwest::Url;
use sha2::{Digest as _, Sha256};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// One of the two boards.
struct End {
    config: Config,
    board: Arc<dyn Board>,
    /// What tells it from all others, and what people call it.
    identity: String,
}

/// Copies; what came of it is told also where it ended early.
pub(super) async fn transfer(
    place: &Place,
    options: TransferOptions,
    tell: watch::Sender<Step>,
    stop: CancellationToken,
) -> Result<Report, Failure> {
    let own = open::config(place)?;
    let other = other(&own, &options.other)?;
    let identities = [identity(&own, place), identity(&other, place)];
    if identities[0] == identities[1] {
        return Err(Failure::new(
            FailureKind::Usage,
            format!("both boards are {}: name another one", identities[0]),
        ));
    }
    if options.direction == Direction::Import {
        must_exist(&other, place)?;
    }
    open::make_state(&place.state)?;
    let clock = SystemClock::shared();
    let life = LifeId::new(format!("life-{}", SystemEntropy.nonce()));
    let open::Stored { store, lock: _lock, .. } =
        open::open_store(&own, place, &life, &clock).await?;
    let [own_identity, other_identity] = identities;
    let own = end(own, own_identity, place, (&clock, &store), options.dry_run).await?;
    let other = end(other, other_identity, place, (&clock, &store), options.dry_run).await?;
    let (source, target) = match options.direction {
        Direction::Import => (other, own),
        Direction::Export => (own, other),
    };
    let writer = writer(&target, &source, options.dry_run).await?;
    let ends = Ends {
        pair: Pair::of(&source.identity, &target.identity),
        names: (source.identity, target.identity),
        source: source.board,
        target: target.board,
        store,
        writer,
    };
    let options = transfer::Options {
        projects: options.projects,
        adds_people: options.adds_people,
        dry_run: options.dry_run,
        ..transfer::Options::default()
    };
    transfer::copy(ends, options, tell, stop).await.map_err(|error| failures::store(&error))
}

/// The configuration of the other board: that of a file, or ours with a SQLite file in its place.
fn other(own: &Config, file: &Path) -> Result<Config, Failure> {
    if file.extension().is_some_and(|kind| kind == "toml") {
        let config = Config::load(Some(file), &open::read_variable)
            .map_err(|faults| failures::config(&faults))?;
        // What is remembered of one server is never taken for another one's.
        let name = match &config.board {
            BoardConfig::Sqlite { .. } | BoardConfig::Postgres(_) => config.board_name.clone(),
            BoardConfig::Leantime(leantime) => {
                let digest = Sha256::digest(leantime.url.as_bytes());
                let number = digest.iter().take(4).fold(0_u32, |all, b| all << 8 | u32::from(*b));
                format!("{}@{number:08x}", config.board_name)
            }
        };
        return Ok(Config { board_name: name, ..config });
    }
    let path = std::path::absolute(file).map_err(|error| {
        Failure::io(FailureKind::Usage, format!("{}: no such path", file.display()), &error)
    })?;
    Ok(Config { board: BoardConfig::Sqlite { path }, ..own.clone() })
}

fn file_of(config: &Config, place: &Place) -> Option<PathBuf> {
    match &config.board {
        BoardConfig::Sqlite { path } => Some(place.state.join(path)),
        BoardConfig::Leantime(_) | BoardConfig::Postgres(_) => None,
    }
}

/// What is read from is not made.
fn must_exist(config: &Config, place: &Place) -> Result<(), Failure> {
    match file_of(config, place).filter(|file| !file.exists()) {
        Some(file) => Err(Failure::new(
            FailureKind::Usage,
            format!("{}: there is no such board to copy from", file.display()),
        )
        .hint("name a board's file, or a .toml file whose [board] says where it is")),
        None => Ok(()),
    }
}

/// What tells a board from all others, without regard to where one stands.
fn identity(config: &Config, place: &Place) -> String {
    match &config.board {
        BoardConfig::Leantime(leantime) => {
            let url = leantime.url.trim().trim_end_matches('/').trim_end_matches("/api/jsonrpc");
            let url = Url::parse(url).map_or_else(|_| url.to_owned(), |url| url.to_string());
            url.trim_end_matches('/').to_owned()
        }
        BoardConfig::Postgres(named) => {
            format!("{}, schema {}", named.address, named.schema.as_str())
        }
        BoardConfig::Sqlite { path } => {
            let path = place.state.join(path);
            let folder = path.parent().unwrap_or(Path::new("."));
            let folder = folder
                .canonicalize()
                .or_else(|_| std::path::absolute(folder))
                .unwrap_or_else(|_| folder.to_owned());
            let name = path.file_name().unwrap_or_default();
            folder.join(name).display().to_string()
        }
    }
}

async fn end(
    config: Config,
    identity: String,
    place: &Place,
    (clock, store): (&Arc<dyn Clock>, &Arc<dyn Store>),
    dry_run: bool,
) -> Result<End, Failure> {
    let is_there = file_of(&config, place).is_none_or(|file| file.exists());
    let board: Arc<dyn Board> = if dry_run && !is_there {
        // A rehearsal makes no file.
        let name = BoardName::new(config.board_name.as_str());
        Arc::new(Overlay::empty(name, Arc::clone(clock)))
    } else {
        open::open_board(&config, &place.state, clock, Some(store)).await?
    };
    Ok(End { config, board, identity })
}

/// Whose name stands under what is written.
async fn writer(target: &End, source: &End, dry_run: bool) -> Result<PersonId, Failure> {
    let me = target.config.me.as_deref().or(source.config.me.as_deref());
    let people = target.board.people().await.map_err(|error| failures::board(&error))?;
    // A rehearsal adds nobody, also not the first person.
    if dry_run && people.iter().all(|person| person.kind == PersonKind::Agent) {
        return Ok(PersonId(0));
    }
    Ok(people::me(target.board.as_ref(), me).await?.person.id)
}
