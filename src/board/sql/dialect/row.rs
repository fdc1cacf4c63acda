//! A row of either database.

use super::nul;
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;

/// One row.
#[derive(Debug)]
pub(in crate::board::sql) enum DbRow {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl DbRow {
    /// What a column holds, by its place from 0 on.
    pub(in crate::board::sql) fn try_get<'r, T: Cell<'r>>(&'r self, at: usize) -> sqlx::Result<T> {
        match self {
            Self::Sqlite(row) => T::of_sqlite(row, at),
            Self::Postgres(row) => T::of_postgres(row, at),
        }
    }
}

/// What a column may hold.
pub(in crate::board::sql) trait Cell<'r>: Sized {
    fn of_sqlite(row: &'r SqliteRow, at: usize) -> sqlx::Result<Self>;
    fn of_postgres(row: &'r PgRow, at: usize) -> sqlx::Result<Self>;
}

/// The same in both databases. A borrowed text is a word or JSON, which never hold the character 0.
macro_rules! alike {
    ($($kind:ty)*) => {
        $(impl<'r> Cell<'r> for $kind {
            fn of_sqlite(row: &'r SqliteRow, at: usize) -> sqlx::Result<Self> {
                row.try_get(at)
            }

            fn of_postgres(row: &'r PgRow, at: usize) -> sqlx::Result<Self> {
                row.try_get(at)
            }
        })*
    };
}
alike!(i64 Option<i64> f64 Option<f64> &'r str Option<&'r str>);

impl Cell<'_> for String {
    fn of_sqlite(row: &SqliteRow, at: usize) -> sqlx::Result<Self> {
        row.try_get(at)
    }

    fn of_postgres(row: &PgRow, at: usize) -> sqlx::Result<Self> {
        row.try_get(at).map(nul::from_column)
    }
}

impl Cell<'_> for Option<String> {
    fn of_sqlite(row: &SqliteRow, at: usize) -> sqlx::Result<Self> {
        row.try_get(at)
    }

    fn of_postgres(row: &PgRow, at: usize) -> sqlx::Result<Self> {
        Ok(row.try_get::<Option<&str>, _>(at)?.map(nul::from_column))
    }
}
