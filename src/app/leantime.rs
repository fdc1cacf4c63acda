//! A Leantime as the board: how it is opened, looked at and set up, and how its agents get users of
//! their own.

mod agent;
mod environment;
mod health;
mod setup;

pub(super) use agent::add as add_agent;
pub(super) use environment::place;
pub(super) use health::{examine, open as open_to_look};
pub(super) use setup::start;

use super::failures;
use super::notebook::StoreNotebook;
use crate::app::failure::{Failure, FailureKind};
use crate::board::leantime::LeantimeBoard;
use crate::board::leantime::notebook::{MemoryNotebook, Notebook};
use crate::board::leantime::options::{Credential, Options};
use crate::clock::Clock;
use crate::config::{Config, LeantimeConfig};
use crate::domain::{BoardName, PersonId};
use crate::store::Store;
use secrecy::{ExposeSecret, SecretString};
use std::sync::Arc;

/// Opens it; nothing is asked of it yet. Without a store, what it would keep there is forgotten with
/// the process.
pub(super) fn open(
    config: &Config,
    leantime: &LeantimeConfig,
    clock: &Arc<dyn Clock>,
    store: Option<&Arc<dyn Store>>,
) -> Result<LeantimeBoard, Failure> {
    let name = BoardName::new(config.board_name.as_str());
    let notebook: Arc<dyn Notebook> = match store {
        Some(store) => Arc::new(StoreNotebook::new(Arc::clone(store), &name)),
        None => Arc::new(MemoryNotebook::default()),
    };
    let board = LeantimeBoard::open(options(leantime)?, notebook, name, Arc::clone(clock));
    board.map_err(|error| failures::board(&error))
}

/// `[board]` as the board's room reads it.
fn options(leantime: &LeantimeConfig) -> Result<Options, Failure> {
    let mut options = Options::new(leantime.url.as_str(), credential("board", &leantime.key)?);
    options.zone = leantime.zone;
    options.requests_per_minute = leantime.requests_per_minute;
    options.user = leantime.user.map(PersonId);
    options.kinds.clone_from(&leantime.labels);
    for (agent, own) in &leantime.agents {
        let whose = format!("board.agents.{agent}");
        options.identities.insert(PersonId(own.user), credential(&whose, &own.key)?);
    }
    Ok(options)
}

/// A key as the board takes it; the fault names the table that it stands in.
pub(super) fn credential(table: &str, key: &SecretString) -> Result<Credential, Failure> {
    Credential::read(key.expose_secret()).map_err(|error| {
        Failure::new(FailureKind::Config, format!("the key of [{table}]: {error}"))
    })
}
