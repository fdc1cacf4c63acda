//! How a server is, host by host: what somebody should know before a team relies on it.

use super::address::{is_here, place_of};
use super::{CONNECT_TIMEOUT, PostgresOptions};
use crate::clock::Clock;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgRow};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Row as _};

/// Why a host could not be looked at.
pub use sqlx::Error;

/// A host, and what could be seen of it.
#[derive(Debug)]
pub struct Host {
    /// Where it is, for people.
    pub place: String,
    /// What was seen; the error where nothing was.
    pub sight: Result<Sight, Error>,
}

/// What was seen of a server.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sight {
    /// Its version as a number: 150006 is 15.6.
    pub version: i64,
    /// What it follows takes the writes.
    pub is_standby: bool,
    /// What is sent is encrypted.
    pub is_encrypted: bool,
    /// It is this machine, where nothing is sent.
    pub is_here: bool,
    /// UTF8 is the only one in which every text can be stored.
    pub encoding: String,
    /// What this user may do with the schema.
    pub rights: Rights,
    /// The versions of the parts' tables, as they were made.
    pub versions: Vec<(String, i64)>,
    /// By so many milliseconds its clock is ahead of ours.
    pub ahead_ms: i64,
    /// So many connections it takes from users, and so many there are.
    pub connections: (i64, i64),
    /// What was acknowledged survives a power cut.
    pub is_durable: bool,
    /// Servers that follow it.
    pub standbys: i64,
}

/// What a user may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rights {
    /// The schema is there.
    pub has_schema: bool,
    /// Schemas may be made in the database.
    pub may_make_schema: bool,
    /// Tables may be made in the schema.
    pub may_make_tables: bool,
    /// Tables in the schema of which not every row may be read and written, and sequences that may not
    /// be counted on.
    pub closed: i64,
}

/// Looks at each host of the address.
pub async fn look(options: &PostgresOptions, clock: &dyn Clock) -> Vec<Host> {
    let mut hosts = Vec::new();
    for host in options.address.hosts() {
        let looked = tokio::time::timeout(CONNECT_TIMEOUT, sight(host, options, clock)).await;
        let sight = looked.unwrap_or(Err(Error::PoolTimedOut));
        hosts.push(Host { place: place_of(host), sight });
    }
    hosts
}

async fn sight(
    host: &PgConnectOptions,
    options: &PostgresOptions,
    clock: &dyn Clock,
) -> sqlx::Result<Sight> {
    let mut connection = host.clone().disable_statement_logging().connect().await?;
    let seen = seen(&mut connection, host, options.schema.as_str(), clock).await;
    let _ = connection.close().await;
    seen
}

async fn seen(
    connection: &mut PgConnection,
    host: &PgConnectOptions,
    schema: &str,
    clock: &dyn Clock,
) -> sqlx::Result<Sight> {
    let ahead_ms = ahead(connection, clock).await?;
    let rights = rights(connection, schema).await?;
    let versions = if rights.has_schema { versions(connection, schema).await? } else { Vec::new() };
    let row = sqlx::query(SERVER).fetch_one(connection).await?;
    let place = |at: usize| row.try_get::<i64, _>(at);
    Ok(Sight {
        version: place(0)?,
        is_standby: row.try_get(1)?,
        is_encrypted: row.try_get(2)?,
        is_here: is_here(host),
        encoding: row.try_get(3)?,
        rights,
        versions,
        ahead_ms,
        connections: (place(4)?, place(5)?),
        is_durable: row.try_get(6)?,
        standbys: place(7)?,
    })
}

const SERVER: &str = "select current_setting('server_version_num')::bigint, pg_is_in_recovery(), \
    coalesce((select ssl from pg_stat_ssl where pid = pg_backend_pid()), false), \
    current_setting('server_encoding'), \
    current_setting('max_connections')::bigint \
        - current_setting('superuser_reserved_connections')::bigint, \
    (select count(*) from pg_stat_activity where datid is not null), \
    current_setting('fsync')::boolean and current_setting('synchronous_commit') <> 'off', \
    (select count(*) from pg_stat_replication)";

/// By the middle of question and answer.
async fn ahead(connection: &mut PgConnection, clock: &dyn Clock) -> sqlx::Result<i64> {
    let before = clock.wall();
    let row = sqlx::query("select (extract(epoch from clock_timestamp()) * 1000)::bigint")
        .fetch_one(connection)
        .await?;
    let middle = before + (clock.wall() - before) / 2;
    Ok(row.try_get::<i64, _>(0)? - middle.timestamp_millis())
}

async fn rights(connection: &mut PgConnection, schema: &str) -> sqlx::Result<Rights> {
    let row = sqlx::query(
        "select to_regnamespace($1) is not null, \
            has_database_privilege(current_database(), 'create'), \
            coalesce(has_schema_privilege(to_regnamespace($1)::oid, 'create'), false), \
            (select count(*) from pg_class part where relnamespace = to_regnamespace($1) \
                and case when not has_schema_privilege(relnamespace, 'usage') then relkind = 'r' \
                when relkind = 'r' then relname not in ('moves', 'versions') \
                    and not (has_table_privilege(oid, 'select') and has_table_privilege(oid, 'insert') \
                    and has_table_privilege(oid, 'update') and has_table_privilege(oid, 'delete')) \
                when relkind = 'S' then not has_sequence_privilege(oid, 'usage') and not exists \
                    (select from pg_depend where objid = part.oid and deptype = 'i') \
                else false end)",
    )
    .bind(schema)
    .fetch_one(connection)
    .await?;
    Ok(Rights {
        has_schema: row.try_get(0)?,
        may_make_schema: row.try_get(1)?,
        may_make_tables: row.try_get(2)?,
        closed: row.try_get(3)?,
    })
}

/// None where there are none yet, or none that may be seen.
async fn versions(connection: &mut PgConnection, schema: &str) -> sqlx::Result<Vec<(String, i64)>> {
    let seen: bool = sqlx::query(
        "select coalesce(has_schema_privilege(to_regnamespace($1)::oid, 'usage') \
            and has_table_privilege(to_regclass($1 || '.versions')::oid, 'select'), false)",
    )
    .bind(schema)
    .fetch_one(&mut *connection)
    .await?
    .try_get(0)?;
    if !seen {
        return Ok(Vec::new());
    }
    let sql = format!("select part, version from {schema}.versions order by part");
    let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(connection).await?;
    rows.iter().map(|row: &PgRow| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}
