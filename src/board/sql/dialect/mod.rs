//! The seam between the queries and the two databases: SQLite in a file, PostgreSQL shared by many.
//!
//! There is one set of queries, which know this file: a [`Database`] that lends [`Connection`]s, a
//! [`query`] that is bound and fetched on one, and the [`DbRow`]s that come of it. What is said to one
//! of the two alone is in the file of its name.

pub(super) mod nul;
mod postgres;
mod query;
mod row;
mod sqlite;

pub(super) use postgres::newest;
pub(super) use query::{Difference, POSITION, Query, Text, Told, Word, in_one_go, query};
pub(super) use row::DbRow;
pub(super) use sqlite::copy;

use super::super::{BoardError, Result};
use crate::postgres::Cluster;
use sqlx::postgres::PgDatabaseError;
use std::path::Path;

/// How often a write is begun again that another transaction was in the way of.
const AGAIN_MAX: u32 = 4;

/// Where the tables are.
#[derive(Debug)]
pub(super) enum Database {
    Sqlite(sqlite::Opened),
    Postgres(postgres::Shared),
}

/// One connection, as it is or in a transaction. Dropped within a transaction, it undoes everything.
#[derive(Debug)]
pub(super) enum Connection {
    Sqlite(sqlite::Lent),
    Postgres(postgres::Lent),
}

impl Database {
    /// The file at this path.
    pub(super) async fn file(path: &Path) -> Result<Self> {
        sqlite::connect(path).await.map(Self::Sqlite)
    }

    /// The schema of a team.
    pub(super) async fn shared(cluster: Cluster) -> Result<Self> {
        postgres::Shared::open(cluster).await.map(Self::Postgres)
    }

    /// A connection for questions of one statement each.
    pub(super) async fn reader(&self) -> Result<Connection> {
        match self {
            Self::Sqlite(opened) => opened.reader().await.map(Connection::Sqlite),
            Self::Postgres(shared) => shared.reader().await.map(Connection::Postgres),
        }
    }

    /// A transaction that nobody else writes beside, from its beginning on.
    pub(super) async fn write(&self) -> Result<Connection> {
        match self {
            Self::Sqlite(opened) => opened.write().await.map(Connection::Sqlite),
            Self::Postgres(shared) => shared.write().await.map(Connection::Postgres),
        }
    }

    /// A transaction that reads, for which the board stands still.
    pub(super) async fn snapshot(&self) -> Result<Connection> {
        match self {
            Self::Sqlite(opened) => opened.snapshot().await.map(Connection::Sqlite),
            Self::Postgres(shared) => shared.snapshot().await.map(Connection::Postgres),
        }
    }

    /// Whether others write beside this process, so that a write may have to be begun again.
    pub(super) fn is_shared(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }

    /// Tells the instruments how the connections to a server stand.
    pub(super) fn measure(&self) {
        match self {
            Self::Sqlite(_) => {}
            Self::Postgres(shared) => shared.measure(),
        }
    }

    /// Waits for what is under way and lets go of all connections.
    pub(super) async fn close(&self) {
        match self {
            Self::Sqlite(opened) => opened.close().await,
            Self::Postgres(shared) => shared.close().await,
        }
    }

    /// The connection of a file that writes, past all queries.
    #[cfg(test)]
    pub(super) fn file_writer(&self) -> Option<&sqlx::SqlitePool> {
        match self {
            Self::Sqlite(opened) => Some(opened.writer()),
            Self::Postgres(_) => None,
        }
    }
}

impl Connection {
    /// Makes what its transaction did last.
    pub(super) async fn commit(self) -> Result<()> {
        match self {
            Self::Sqlite(lent) => lent.commit().await,
            Self::Postgres(lent) => lent.commit().await,
        }
    }
}

/// What a failed statement, or a row that cannot be read, means for the caller.
pub(super) fn failed(error: sqlx::Error) -> BoardError {
    let is_postgres = error
        .as_database_error()
        .is_some_and(|error| error.try_downcast_ref::<PgDatabaseError>().is_some());
    match error {
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => BoardError::Unusable {
            what: "the board holds what no board writes".to_owned(),
            source: Some(Box::new(error)),
        },
        _ if is_postgres => postgres::failed(error),
        _ => sqlite::failed(error),
    }
}

/// Whether nothing of a write happened because another transaction was in its way, so that it can be
/// begun again at once; a few times.
pub(super) fn again(error: &BoardError, tries: &mut u32) -> bool {
    *tries += 1;
    *tries < AGAIN_MAX && postgres::was_in_the_way(error)
}
