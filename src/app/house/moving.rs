//! What is asked and told of a move of board and store.

use secrecy::SecretString;
use serde::Serialize;

/// Where board and store are to be.
#[derive(Clone, Debug)]
pub enum MoveTo {
    /// In a schema of a PostgreSQL server.
    Postgres {
        /// Its address, with a password or without.
        url: SecretString,
        /// The schema.
        schema: String,
        /// Whether another machine may be reached without TLS.
        plain: bool,
    },
    /// In the state folder.
    Embedded,
}

/// How board and store are to be moved.
#[derive(Clone, Debug)]
pub struct MigrateOptions {
    /// Where to.
    pub to: MoveTo,
    /// Only say what would be moved.
    pub dry_run: bool,
}

/// How far a move is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MoveStep {
    /// Whether it is carried over, or compared afterwards.
    pub is_check: bool,
    /// `board` or `store`; empty before it begins.
    pub part: &'static str,
    /// The table.
    pub table: &'static str,
    /// Rows done.
    pub done: u64,
    /// Rows there are.
    pub of: u64,
}

/// What came of a move.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MoveReport {
    /// Where from, for people.
    pub from: String,
    /// Where to.
    pub to: String,
    /// Whether nothing was moved.
    pub dry_run: bool,
    /// Whether an earlier one went on.
    pub resumed: bool,
    /// Whether it was stopped on the way.
    pub stopped: bool,
    /// The tables of the board; empty where it is not moved.
    pub board: Vec<MovedRows>,
    /// The ranges of the store's keys; empty where it is not moved.
    pub store: Vec<MovedRows>,
    /// What has to stand in `rota.toml` from now on.
    pub lines: String,
    /// What is left where it was, and used by nobody any more.
    pub left: Vec<String>,
}

/// Some rows that were moved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MovedRows {
    /// The table, or how the keys begin.
    pub name: String,
    /// How many.
    pub rows: u64,
    /// The sum that both ends came to; empty where nothing was compared.
    pub sha256: String,
}
