//! What is said to SQLite alone: the schema, the connections, error codes.

use crate::board::sql::text::Bind;
use crate::board::sql::unclosed;
use crate::board::{BoardError, Result};
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteRow, SqliteSynchronous,
};
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection as _, Row, SqlStr, Sqlite, SqliteConnection,
    Transaction,
};
use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::Duration;

/// A transaction that nobody else writes beside, from its first read on.
const BEGIN_WRITE: &str = "begin immediate";
/// A transaction that sees one state.
const BEGIN_READ: &str = "begin";

/// "Rota", in the file's header: other programs' files are left alone.
const APPLICATION: i64 = 0x526f_7461;
/// One step per version of the schema.
const STEPS: [&str; 2] = [include_str!("../schema.sql"), include_str!("../schema_2.sql")];
const READERS: u32 = 4;
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How often a file that is busy is tried at opening, within that time.
const BUSY_TRIES: u32 = 100;
/// Statements that each connection keeps prepared.
const STATEMENTS_MAX: usize = 256;
/// Kibibytes of pages that each connection keeps.
const CACHE_KIB: i64 = 8 * 1024;

/// A file: one connection that writes, and others that read.
#[derive(Debug)]
pub(in crate::board::sql) struct Opened {
    writer: SqlitePool,
    readers: SqlitePool,
}

impl Opened {
    pub(super) async fn reader(&self) -> Result<Lent> {
        self.readers.acquire().await.map(Lent::Free).map_err(failed)
    }

    /// A transaction that nobody else writes beside.
    pub(super) async fn write(&self) -> Result<Lent> {
        begin(&self.writer, BEGIN_WRITE).await.map(Lent::Within).map_err(failed)
    }

    /// A transaction for which the board stands still.
    pub(super) async fn snapshot(&self) -> Result<Lent> {
        begin(&self.readers, BEGIN_READ).await.map(Lent::Within).map_err(failed)
    }

    pub(super) async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    #[cfg(test)]
    pub(super) fn writer(&self) -> &SqlitePool {
        &self.writer
    }
}

/// Begins a transaction. On a full or failing disk the database ends one by itself, and its connection
/// goes on believing that it is within: such a connection is given up for a new one.
async fn begin(pool: &SqlitePool, how: &'static str) -> sqlx::Result<Transaction<'static, Sqlite>> {
    match pool.begin_with(how).await {
        Err(sqlx::Error::InvalidSavePointStatement | sqlx::Error::BeginFailed) => {
            pool.acquire().await?.close().await?;
            pool.begin_with(how).await
        }
        other => other,
    }
}

/// A connection that was lent by its pool, as it is or in a transaction. Dropped within one, it undoes
/// everything.
#[derive(Debug)]
pub(in crate::board::sql) enum Lent {
    Free(PoolConnection<Sqlite>),
    Within(Transaction<'static, Sqlite>),
}

type Statement = sqlx::query::Query<'static, Sqlite, SqliteArguments>;

fn statement(text: SqlStr, binds: Vec<Bind>) -> Statement {
    let mut statement = sqlx::query(text);
    for bind in binds {
        statement = match bind {
            Bind::Int(number) => statement.bind(number),
            Bind::Text(text) => statement.bind(text),
            Bind::Real(number) => statement.bind(number),
            Bind::NoInt | Bind::NoText | Bind::NoReal => statement.bind(None::<i64>),
        };
    }
    statement
}

impl Lent {
    fn connection(&mut self) -> &mut SqliteConnection {
        match self {
            Self::Free(connection) => connection,
            Self::Within(transaction) => transaction,
        }
    }

    pub(super) async fn fetch_all(
        &mut self,
        text: SqlStr,
        binds: Vec<Bind>,
    ) -> Result<Vec<SqliteRow>> {
        statement(text, binds).fetch_all(self.connection()).await.map_err(failed)
    }

    pub(super) async fn fetch_optional(
        &mut self,
        text: SqlStr,
        binds: Vec<Bind>,
    ) -> Result<Option<SqliteRow>> {
        statement(text, binds).fetch_optional(self.connection()).await.map_err(failed)
    }

    pub(super) async fn execute(&mut self, text: SqlStr, binds: Vec<Bind>) -> Result<()> {
        statement(text, binds).execute(self.connection()).await.map(|_| ()).map_err(failed)
    }

    pub(super) async fn commit(self) -> Result<()> {
        match self {
            Self::Free(_) => Ok(()),
            Self::Within(transaction) => transaction.commit().await.map_err(failed),
        }
    }
}

/// Opens the file.
pub(super) async fn connect(path: &Path) -> Result<Opened> {
    peek(path)?;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(BUSY_TIMEOUT)
        .foreign_keys(true)
        .statement_cache_capacity(STATEMENTS_MAX)
        .pragma("cache_size", (-CACHE_KIB).to_string())
        .disable_statement_logging();
    let write = options
        .clone()
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full);
    let writer = pool(1).connect_lazy_with(write);
    let readers = pool(READERS).connect_lazy_with(options.read_only(true));
    match open_in_turn(&writer, path).await {
        Ok(()) => Ok(Opened { writer, readers }),
        Err(error) => {
            writer.close().await;
            Err(error)
        }
    }
}

/// Copies a file in one transaction of its own, without what the file keeps of deleted rows.
pub(in crate::board::sql) async fn copy(from: &Path, to: &Path) -> Result<()> {
    if !from.exists() {
        return Err(unusable(from, "is not there"));
    }
    peek(from)?;
    let mut connection = SqliteConnectOptions::new()
        .filename(from)
        .busy_timeout(BUSY_TIMEOUT)
        .disable_statement_logging()
        .connect()
        .await
        .map_err(failed)?;
    let target = to.to_string_lossy().into_owned();
    let copied = sqlx::query("vacuum into ?1").bind(target).execute(&mut connection).await;
    connection.close().await.map_err(failed)?;
    copied.map(|_| ()).map_err(failed)
}

/// The switch to the write-ahead log does not wait for a lock as statements do: another process that
/// makes or opens the same file at this moment is waited for here.
async fn open_in_turn(writer: &SqlitePool, path: &Path) -> Result<()> {
    let mut tries = 0;
    loop {
        match migrate(writer, path).await {
            Err(error) if error.is_transient() && tries < BUSY_TRIES => {
                tries += 1;
                tokio::time::sleep(BUSY_TIMEOUT / BUSY_TRIES).await;
            }
            opened => return opened,
        }
    }
}

fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(Duration::from_secs(30))
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
}

fn unusable(path: &Path, what: &str) -> BoardError {
    BoardError::Unusable {
        what: format!("the board's file {} {what}", path.display()),
        source: None,
    }
}

fn newer(path: &Path, version: i64) -> BoardError {
    let what = format!(
        "has schema version {version}, newer than {}, the newest this program knows: use a newer \
         program or another file",
        STEPS.len()
    );
    unusable(path, &what)
}

/// Reads from the file's beginning what there is; how much that was.
fn filled(file: &File, header: &mut [u8]) -> std::io::Result<usize> {
    let mut length = 0;
    while length < header.len() {
        match file.read_at(&mut header[length..], length as u64)? {
            0 => break,
            more => length += more,
        }
    }
    Ok(length)
}

const NOT_OURS: &str = "belongs to another program: give another path";

/// Looks at the file's header without a database engine, so that a file that cannot be used is not
/// touched.
fn peek(path: &Path) -> Result<()> {
    let mut header = [0; 100];
    let length = match unclosed::opened(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(unreadable(path, error)),
        Ok(file) => filled(&file, &mut header).map_err(|error| unreadable(path, error))?,
    };
    let header = &header[..length];
    if header.is_empty() {
        return Ok(());
    }
    if header.len() < 100 || !header.starts_with(b"SQLite format 3\0") {
        return Err(unusable(
            path,
            "is damaged or not a board: restore it from a copy, or give another path",
        ));
    }
    let number = |at: usize| {
        header[at..at + 4].iter().fold(0_i64, |number, byte| number << 8 | i64::from(*byte))
    };
    judge(path, number(60), number(68))
}

/// By the header: version 0 of nobody's is a file whose first transaction never ended.
fn judge(path: &Path, version: i64, application: i64) -> Result<()> {
    if application != APPLICATION && (application != 0 || version != 0) {
        return Err(unusable(path, NOT_OURS));
    }
    if usize::try_from(version).is_ok_and(|version| version > STEPS.len()) {
        return Err(newer(path, version));
    }
    Ok(())
}

fn unreadable(path: &Path, error: std::io::Error) -> BoardError {
    BoardError::Unusable {
        what: format!("the board's file {} cannot be read", path.display()),
        source: Some(Box::new(error)),
    }
}

async fn migrate(writer: &SqlitePool, path: &Path) -> Result<()> {
    let opening = |error| at_opening(path, error);
    let version = version(writer, path).await.map_err(opening)??;
    if version == STEPS.len() {
        return probe(writer).await.map_err(opening);
    }
    let mut step = writer.begin_with(BEGIN_WRITE).await.map_err(opening)?;
    // Another process may have been first while this one waited for the lock.
    let row = sqlx::query("pragma user_version").fetch_one(&mut *step).await.map_err(opening)?;
    let done = usize::try_from(row.try_get::<i64, _>(0).map_err(opening)?).unwrap_or(0);
    for sql in STEPS.iter().skip(done) {
        sqlx::raw_sql(*sql).execute(&mut *step).await.map_err(opening)?;
    }
    let seal = format!(
        "pragma user_version = {}; pragma application_id = {APPLICATION}",
        STEPS.len().max(done)
    );
    sqlx::raw_sql(AssertSqlSafe(seal)).execute(&mut *step).await.map_err(opening)?;
    step.commit().await.map_err(opening)
}

/// The schema's version as the engine sees it: the log beside the file may be ahead of its header.
async fn version(writer: &SqlitePool, path: &Path) -> sqlx::Result<Result<usize>> {
    let number = async |sql: &'static str| -> sqlx::Result<i64> {
        sqlx::query(sql).fetch_one(writer).await?.try_get(0)
    };
    let version = number("pragma user_version").await?;
    let application = number("pragma application_id").await?;
    if let Err(error) = judge(path, version, application) {
        return Ok(Err(error));
    }
    if version == 0 && number("select count(*) from sqlite_master").await? > 0 {
        return Ok(Err(unusable(path, NOT_OURS)));
    }
    Ok(Ok(usize::try_from(version).unwrap_or(0)))
}

/// Touches the first page of each table, so that a damaged file is found at opening.
async fn probe(writer: &SqlitePool) -> sqlx::Result<()> {
    const TABLES: &str = "select (select id from people limit 1), (select id from projects limit 1), \
        (select id from milestones limit 1), (select headline from tasks limit 1), \
        (select task from task_tags limit 1), (select task from task_blockers limit 1), \
        (select task from task_words limit 1), (select id from comments limit 1), \
        (select id from activity limit 1), (select run from marks limit 1), \
        (select task from fences limit 1), (select id from goal_boards limit 1), \
        (select id from goals limit 1), (select id from events limit 1), \
        (select id from time_entries limit 1), (select id from timers limit 1), \
        (select id from sprints limit 1), (select project from members limit 1)";
    sqlx::query(TABLES).fetch_one(writer).await.map(|_| ())
}

fn at_opening(path: &Path, error: sqlx::Error) -> BoardError {
    let what = match code(&error) {
        Some(11 | 26) => "is damaged: restore it from a copy, or give another path",
        Some(8 | 14 | 23) => "cannot be opened or written to: check the path and its permissions",
        _ => return failed(error),
    };
    BoardError::Unusable {
        what: format!("the board's file {} {what}", path.display()),
        source: Some(Box::new(error)),
    }
}

/// The primary result code.
fn code(error: &sqlx::Error) -> Option<i32> {
    let code: i32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(code & 0xff)
}

/// What a failed statement means for the caller.
pub(super) fn failed(error: sqlx::Error) -> BoardError {
    let unusable = |what: &str, error: sqlx::Error| BoardError::Unusable {
        what: what.to_owned(),
        source: Some(Box::new(error)),
    };
    let away = |what: &str, error: sqlx::Error| BoardError::Unavailable {
        what: what.to_owned(),
        source: Some(Box::new(error)),
    };
    match code(&error) {
        Some(11 | 26) => unusable("the board's file is damaged: restore it from a copy", error),
        Some(8 | 23) => unusable("the board's file is read-only: check its permissions", error),
        Some(14) => {
            unusable("the board's file cannot be opened: check path and permissions", error)
        }
        Some(5 | 6) => away("another program is writing", error),
        Some(13) => away("the disk is full", error),
        Some(10) => away("the disk does not read or write", error),
        Some(19) => BoardError::Conflict("somebody else wrote the same at once".to_owned()),
        _ => match error {
            sqlx::Error::PoolTimedOut => away("all connections are in use", error),
            error => away("the database did not answer", error),
        },
    }
}
