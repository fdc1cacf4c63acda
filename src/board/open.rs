//! The board's options and the choice between adapters.

use super::sql::SqlBoard;
use super::{Board, BoardError, Result};
use crate::clock::Clock;
use crate::domain::BoardName;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// `[board]`: where the team's data lives.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BoardOptions {
    /// Which adapter; `sqlite`: a file on this machine.
    pub kind: BoardKind,
    /// The file of a `sqlite` board; a relative path is in the state folder; default `board.db`.
    pub path: Option<PathBuf>,
    /// The name that claims on this board carry.
    pub name: String,
}

/// The adapters there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BoardKind {
    /// A file on this machine.
    #[default]
    Sqlite,
}

impl Default for BoardOptions {
    fn default() -> Self {
        Self { kind: BoardKind::Sqlite, path: None, name: "main".to_owned() }
    }
}

/// Opens the board that the options name.
pub async fn open(
    options: &BoardOptions,
    state_dir: &Path,
    clock: Arc<dyn Clock>,
) -> Result<Arc<dyn Board>> {
    if options.name.trim().is_empty() {
        return Err(BoardError::Malformed("the board's name is blank: expected a name".to_owned()));
    }
    let name = BoardName::new(options.name.as_str());
    match options.kind {
        BoardKind::Sqlite => {
            let file = options.path.as_deref().unwrap_or(Path::new("board.db"));
            Ok(Arc::new(SqlBoard::open(&state_dir.join(file), name, clock).await?))
        }
    }
}
