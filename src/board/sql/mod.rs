//! A board in a SQL database: SQLite in a file.

use super::Result;
use crate::clock::Clock;
use crate::domain::BoardName;
use std::path::Path;
use std::sync::Arc;

/// A board in a SQLite file. Clones of the `Arc` share one writer and four readers.
#[derive(Debug)]
pub struct SqlBoard {}

impl SqlBoard {
    /// Opens the file, creating it and its folder where missing.
    pub async fn open(path: &Path, name: BoardName, clock: Arc<dyn Clock>) -> Result<Self> {
        todo!("{path:?} {name} {clock:?}")
    }
}
