//! The versions of a part's tables. Several daemons may begin at once: one makes the steps, the others
//! wait for it; and one of an older version goes on beside a newer as long as its own version is allowed.

use super::{Cluster, ConnectError, UNHURRIED, locks};
use sqlx::{AssertSqlSafe, Connection as _, Row as _};

/// Why a part's tables cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StepsError {
    /// Nobody could be reached.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// A step failed; none of them happened.
    #[error("the tables of the {part} cannot be made in schema {schema}")]
    Failed {
        /// `board` or `store`.
        part: &'static str,
        /// Where.
        schema: String,
        /// The cause.
        #[source]
        source: sqlx::Error,
    },
    /// A newer program made them and said that older ones may not go on.
    #[error(
        "the {part} in schema {schema} has version {found}, and this program knows up to {known}: \
         use a newer program"
    )]
    Newer {
        /// `board` or `store`.
        part: &'static str,
        /// Where.
        schema: String,
        /// What is there.
        found: i64,
        /// What is known here.
        known: i64,
    },
}

/// Brings a part to the newest version that this program knows; a part that is there already costs one
/// question and needs no right to make anything.
///
/// One version more than known is left alone and used: programs of two releases work side by side.
pub async fn make(
    cluster: &Cluster,
    part: &'static str,
    steps: &[&'static str],
) -> Result<(), StepsError> {
    let schema = cluster.schema().as_str().to_owned();
    let known = i64::try_from(steps.len()).unwrap_or(i64::MAX);
    // Of its own: given up half-way it takes its transaction along.
    let mut connection = cluster.connect().await?;
    let failed = |source| StepsError::Failed { part, schema: schema.clone(), source };
    let found = match version(&mut connection, part).await {
        Ok(found) => found,
        Err(error) if is_missing(&error) => 0,
        Err(error) => return Err(failed(error)),
    };
    if found > known + 1 {
        return Err(StepsError::Newer { part, schema, found, known });
    }
    if found >= known {
        return Ok(());
    }
    let making = locks::making(cluster.schema());
    // With `if not exists` the right to make it would be asked for also where it is there.
    let lock = format!(
        "begin; {UNHURRIED}; select pg_advisory_xact_lock({making}); \
         do $$ begin \
         if to_regnamespace('{schema}') is null then create schema {schema}; end if; \
         if to_regclass('{schema}.versions') is null then create table {schema}.versions \
         (part text primary key, version bigint not null); end if; end $$"
    );
    let made = async {
        sqlx::raw_sql(AssertSqlSafe(lock)).execute(&mut connection).await?;
        let begin = usize::try_from(version(&mut connection, part).await?).unwrap_or(0);
        for step in steps.iter().skip(begin) {
            sqlx::raw_sql(*step).execute(&mut connection).await?;
        }
        sqlx::query(
            "insert into versions (part, version) values ($1, $2) on conflict (part) do update \
             set version = greatest(versions.version, excluded.version)",
        )
        .bind(part)
        .bind(known)
        .execute(&mut connection)
        .await?;
        sqlx::raw_sql("commit").execute(&mut connection).await.map(|_| ())
    };
    let made = made.await.map_err(failed);
    let _ = connection.close().await;
    made
}

async fn version(connection: &mut sqlx::PgConnection, part: &str) -> sqlx::Result<i64> {
    let row = sqlx::query("select version from versions where part = $1")
        .bind(part)
        .fetch_optional(connection)
        .await?;
    row.map_or(Ok(0), |row| row.try_get(0))
}

/// No such table or schema yet.
fn is_missing(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| matches!(code.as_ref(), "42P01" | "3F000"))
}
