//! Opens board and store: those in the state folder, and those on servers.

use super::{failures, leantime, moved};
use crate::app::failure::Failure;
use crate::app::house::Place;
use crate::board::open::{BoardKind, BoardOptions};
use crate::board::{self, Board};
use crate::clock::Clock;
use crate::config::{BoardConfig, Config, StoreConfig};
use crate::domain::{LifeId, Person};
use crate::ledger::export::{self, Restored};
use crate::store::lock::FolderLock;
use crate::store::open::{Engine, StoreOptions};
use crate::store::{self, Store, StoreError};
use std::path::Path;
use std::sync::Arc;

/// A store that is open.
pub(super) struct Stored {
    pub store: Arc<dyn Store>,
    pub restored: Option<Restored>,
    pub lock: Option<FolderLock>,
    pub epoch: u32,
    /// By which the house goes: that of the machine, or of the server that several daemons share.
    pub clock: Arc<dyn Clock>,
}

/// `[store]` as the store's room reads it. Beside a store of another server a folder holds the lock.
pub(super) fn store_options(config: &Config) -> StoreOptions {
    let options = StoreOptions::default();
    match &config.store {
        StoreConfig::Postgres(_) => options,
        StoreConfig::Memory => StoreOptions { engine: Engine::Memory, ..options },
        StoreConfig::Sled { path } => StoreOptions { path: path.clone(), ..options },
    }
}

pub(super) async fn open_store(
    config: &Config,
    place: &Place,
    life: &LifeId,
    clock: &Arc<dyn Clock>,
) -> Result<Stored, Failure> {
    let options = store_options(config);
    let folder = options.folder(&place.state);
    if let StoreConfig::Postgres(named) = &config.store {
        let lock = super::postgres::lock(&folder, life, clock)?;
        return super::postgres::stored(named, lock, clock).await;
    }
    if matches!(config.store, StoreConfig::Sled { .. }) {
        moved::refuse(&place.state)?;
    }
    let (store, restored) = embedded(&options, place, life, clock).await?;
    let epoch = export::read_epoch(&place.state).map_err(|error| failures::export(&error))?;
    Ok(Stored { store, restored, lock: None, epoch, clock: Arc::clone(clock) })
}

/// The store in the state folder, restored where it cannot be opened.
pub(super) async fn embedded(
    options: &StoreOptions,
    place: &Place,
    life: &LifeId,
    clock: &Arc<dyn Clock>,
) -> Result<(Arc<dyn Store>, Option<Restored>), Failure> {
    let folder = options.folder(&place.state);
    let open = || store::open::open(options, &place.state, life, Arc::clone(clock));
    if !export::needs_restore(&place.state, &folder) {
        match open() {
            Ok(store) => return Ok((store, None)),
            Err(error @ StoreError::Unusable { .. }) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "local state cannot be opened: it is moved aside and the last export read back"
                );
            }
            Err(error) => return Err(failures::store(&error)),
        }
    }
    let (store, restored) = export::restore(&place.state, &folder, open, clock.as_ref())
        .await
        .map_err(|error| failures::export(&error))?;
    tracing::error!(
        moved_to = ?restored.moved_to, rows = restored.rows, exported = ?restored.exported,
        "local state was restored; everything is stopped until `rota start-all`"
    );
    Ok((store, Some(restored)))
}

pub(super) async fn open_board(
    config: &Config,
    state: &Path,
    clock: &Arc<dyn Clock>,
    store: Option<&Arc<dyn Store>>,
) -> Result<Arc<dyn Board>, Failure> {
    let path = match &config.board {
        BoardConfig::Sqlite { path } => path,
        BoardConfig::Leantime(board) => {
            return Ok(Arc::new(leantime::open(config, board, clock, store)?));
        }
        BoardConfig::Postgres(named) => {
            return super::postgres::board(named, &config.board_name, clock).await;
        }
    };
    if path.is_relative() {
        moved::refuse(state)?;
    }
    // Wherever it is, it may have been moved from another state folder that named it: it says so itself.
    moved::refuse_board(&state.join(path))?;
    let options = BoardOptions {
        kind: BoardKind::Sqlite,
        path: Some(path.clone()),
        name: config.board_name.clone(),
    };
    board::open::open(&options, state, Arc::clone(clock))
        .await
        .map_err(|error| failures::board(&error))
}

/// The board, and whoever types where they are known by it: on a Leantime they are the key's own
/// user, unless somebody else is named.
pub(super) async fn board_and_me(
    config: &Config,
    place: &Place,
    clock: &Arc<dyn Clock>,
    store: Option<&Arc<dyn Store>>,
) -> Result<(Arc<dyn Board>, Option<Person>), Failure> {
    let BoardConfig::Leantime(named) = &config.board else {
        return Ok((open_board(config, &place.state, clock, store).await?, None));
    };
    let board = leantime::open(config, named, clock, store)?;
    let me = match config.me {
        Some(_) => None,
        None => Some(board.whose(None).await.map_err(|error| failures::board(&error))?),
    };
    Ok((Arc::new(board), me))
}
