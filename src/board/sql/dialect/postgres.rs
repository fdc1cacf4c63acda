//! What is said to PostgreSQL alone: transactions, connections that went away, error codes.
//!
//! **One writer at a time.** A write begins by taking an advisory lock that the team's schema has one
//! of, on the same way to the server that begins its transaction; the lock goes when the transaction
//! does. So a write sees all writes before it and none beside it, as in a file: what it checks (a
//! fence, a mark, a revision, a name that is free) still holds when it commits. And numbers are given
//! in the order of commits: whoever has seen row 7 of the activity never meets row 6 later, so that a
//! reader who goes on from the last row that it has seen misses nothing. Each statement of a write has
//! to see what was committed before it got the lock, so it is never repeatable read.
//!
//! Numbers come from sequences, which a write that is undone does not give back: there are gaps, and
//! no number is ever given twice.
//!
//! **What is lost on the way.** A connection may have gone while nobody used it. What only reads, or only
//! begins, goes on by another one; a commit whose answer was lost may or may not have happened, and is
//! told as [`BoardError::Unavailable`]: whoever wrote under a mark can ask. It may also happen yet, so
//! that its session is ended before anything else is asked ([`left`]).
//!
//! **Who goes away.** Whoever asks may stop waiting, and the answer is still on its way then. A connection
//! that is owed one is nobody else's: of a read it ends, and the server undoes what it began; of a write it
//! keeps its turn until the server has undone it; of a commit it is left as if it were lost.

mod left;

use super::nul;
use crate::board::sql::text::Bind;
use crate::board::{BoardError, Result};
use crate::instruments::pools::Part;
use crate::postgres::failure::{Meaning, is_refusal, meaning};
use crate::postgres::steps::{self, StepsError};
use crate::postgres::{Acquired, Cluster, ConnectError, Session, locks};
use left::Left;
use sqlx::postgres::{PgArguments, PgRow, Postgres};
use sqlx::{AssertSqlSafe, Row as _, SqlSafeStr as _, SqlStr};
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::error::Elapsed;
use tokio::time::timeout;

/// One step per version of the schema.
const STEPS: [&str; 1] = [include_str!("../postgres_1.sql")];
/// A transaction that sees one state.
const BEGIN_READ: &str = "begin isolation level repeatable read read only";
/// How long a write waits for its turn among those of this process.
const TURN_TIMEOUT: Duration = Duration::from_secs(30);
/// How long an answer may be on its way beyond what a statement may take; then its host counts as gone.
const GRACE: Duration = Duration::from_secs(5);

/// The version of the tables that this program knows.
pub(in crate::board::sql) fn newest() -> i64 {
    i64::try_from(STEPS.len()).unwrap_or(i64::MAX)
}

/// The schema of a team.
#[derive(Debug)]
pub(in crate::board::sql) struct Shared {
    cluster: Cluster,
    /// Begins a write, and says over which session.
    begin_write: Arc<str>,
    /// Writes of this process take turns before they take connections, or none would be left for those
    /// who read. While one commits, the next may wait for the lock.
    turns: Arc<Semaphore>,
    left: Arc<Left>,
}

impl Shared {
    /// Makes the tables that are missing.
    pub(super) async fn open(cluster: Cluster) -> Result<Self> {
        cluster.counted_as(Part::Board);
        let begin_write = format!(
            "begin isolation level read committed; select {}, pg_advisory_xact_lock({})",
            Session::WHICH,
            locks::board(cluster.schema())
        );
        let turns = if cluster.pool().options().get_max_connections() > 2 { 2 } else { 1 };
        let turns = Arc::new(Semaphore::new(turns));
        let (begin_write, left) = (begin_write.into(), Arc::default());
        let shared = Self { cluster, begin_write, turns, left };
        shared.check_encoding().await?;
        steps::make(&shared.cluster, "board", &STEPS).await.map_err(not_made)?;
        Ok(shared)
    }

    /// Every text has to come back as it was.
    async fn check_encoding(&self) -> Result<()> {
        let text = SqlStr::from_static("select current_setting('server_encoding')");
        let rows = self.reader().await?.fetch_all(text, &[]).await?;
        let encoding: String = rows
            .first()
            .map_or(Err(sqlx::Error::RowNotFound), |row| row.try_get(0))
            .map_err(failed)?;
        if encoding == "UTF8" {
            return Ok(());
        }
        Err(BoardError::Unusable {
            what: format!(
                "the database at {} keeps texts as {encoding}, which not every text fits: give one \
                 that was created with encoding UTF8",
                self.cluster.place()
            ),
            source: None,
        })
    }

    pub(super) async fn reader(&self) -> Result<Lent> {
        let connection =
            self.cluster.acquire().await.map_err(|error| unreached(&self.cluster, error))?;
        let mut lent = Lent {
            at: self.cluster.clone(),
            connection: Some(connection),
            state: State::Free,
            is_owed: false,
            turn: None,
            session: None,
            left: Arc::clone(&self.left),
        };
        lent.settle().await?;
        Ok(lent)
    }

    pub(super) async fn write(&self) -> Result<Lent> {
        let turn = if let Ok(turn) = Arc::clone(&self.turns).try_acquire_owned() {
            Some(turn)
        } else {
            let waited = Arc::clone(&self.turns).acquire_owned();
            timeout(TURN_TIMEOUT, waited).await.ok().and_then(std::result::Result::ok)
        };
        let Some(turn) = turn else {
            return Err(away("too many writes wait for their turn", None));
        };
        let begin = AssertSqlSafe(Arc::clone(&self.begin_write));
        self.begin(begin.into_sql_str(), Some(turn)).await
    }

    pub(super) async fn snapshot(&self) -> Result<Lent> {
        self.begin(SqlStr::from_static(BEGIN_READ), None).await
    }

    /// Begins a transaction, by another connection where the first ones have gone. The turn is kept as
    /// long as the connection may still wait for the lock, whether or not anybody waits for it.
    async fn begin(&self, how: SqlStr, mut turn: Option<OwnedSemaphorePermit>) -> Result<Lent> {
        let mut tries = self.cluster.pool().size();
        loop {
            let mut lent = self.reader().await?;
            lent.turn = turn.take();
            match lent.begin(how.clone()).await {
                Ok(()) => return Ok(lent),
                Err(error) if tries > 0 && lent.has_gone(&error) => {
                    tries -= 1;
                    turn = lent.turn.take();
                    // There is nothing to undo, and its place is needed.
                    lent.end();
                }
                Err(error) => {
                    return Err(match meaning(&error) {
                        Meaning::Again | Meaning::TooSlow => {
                            away("other writes to this board take too long", Some(error))
                        }
                        _ => failed(error),
                    });
                }
            }
        }
    }

    pub(super) fn measure(&self) {
        self.cluster.measure();
    }

    pub(super) async fn close(&self) {
        self.cluster.close().await;
    }
}

/// How a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Each statement is by itself.
    Free,
    /// In a transaction, or about to be.
    Within,
    /// It was told to commit, and has not answered.
    Committing,
}

/// A connection that was lent by the pool, as it is or in a transaction.
#[derive(Debug)]
pub(in crate::board::sql) struct Lent {
    at: Cluster,
    /// There until it is dropped.
    connection: Option<Acquired>,
    state: State,
    /// Something was sent, and its answer has not come.
    is_owed: bool,
    turn: Option<OwnedSemaphorePermit>,
    /// Of a write.
    session: Option<Session>,
    left: Arc<Left>,
}

type Statement = sqlx::query::Query<'static, Postgres, PgArguments>;

fn statement(text: SqlStr, binds: &[Bind]) -> Statement {
    let mut statement = sqlx::query(text);
    for bind in binds {
        statement = match bind {
            Bind::Int(number) => statement.bind(*number),
            Bind::Text(text) => statement.bind(&*nul::to_column(text)),
            Bind::Real(number) => statement.bind(*number),
            Bind::NoInt => statement.bind(None::<i64>),
            Bind::NoText => statement.bind(None::<&str>),
            Bind::NoReal => statement.bind(None::<f64>),
        };
    }
    statement
}

impl Lent {
    fn connection(&mut self) -> sqlx::Result<&mut Acquired> {
        self.connection.as_mut().ok_or(sqlx::Error::PoolClosed)
    }

    /// How long an answer is waited for: a host that lost its power does not say so.
    fn patience(&self) -> Duration {
        self.at.statement_timeout() + GRACE
    }

    /// Sends a text without parameters.
    async fn say(&mut self, text: SqlStr) -> sqlx::Result<Vec<PgRow>> {
        let patience = self.patience();
        self.is_owed = true;
        let connection = self.connection()?;
        let said = timeout(patience, sqlx::raw_sql(text).fetch_all(&mut **connection)).await;
        self.answered(said)
    }

    /// The pool would wait for its answer before it lends it again, and for those of the others.
    fn give_up(&mut self) -> sqlx::Error {
        self.end();
        self.at.forget_idle();
        sqlx::Error::Io(io::Error::new(ErrorKind::TimedOut, "the server said nothing for too long"))
    }

    /// The connection is no more.
    fn end(&mut self) {
        if let Some(connection) = self.connection.take() {
            connection.discard();
        }
    }

    /// Whether the connection was found gone, so that another may do; one that was silent until it
    /// was given up has taken all the time there is.
    fn has_gone(&self, error: &sqlx::Error) -> bool {
        self.connection.is_some() && meaning(error) == Meaning::Gone
    }

    async fn begin(&mut self, how: SqlStr) -> sqlx::Result<()> {
        // Given up while it waits for the lock, it is within later.
        self.state = State::Within;
        let rows = self.say(how).await?;
        self.session = rows.first().map(Session::read).transpose()?;
        Ok(())
    }

    pub(super) async fn commit(mut self) -> Result<()> {
        if self.state == State::Free {
            return Ok(());
        }
        self.state = State::Committing;
        let Err(error) = self.say(SqlStr::from_static("commit")).await else {
            self.state = State::Free;
            return Ok(());
        };
        if is_refusal(&error) {
            self.state = State::Within;
            return Err(failed(error));
        }
        self.leave();
        let what = if self.decide().await {
            "the connection to PostgreSQL was lost before it said what became of a write"
        } else {
            "the connection to PostgreSQL was lost, and a write may still be under way there"
        };
        Err(away(what, Some(error)))
    }

    pub(super) async fn fetch_all(&mut self, text: SqlStr, binds: &[Bind]) -> Result<Vec<PgRow>> {
        if self.state == State::Within {
            return self.ask(text, binds).await.map_err(failed);
        }
        let mut tries = self.at.pool().size();
        loop {
            match self.ask(text.clone(), binds).await {
                Err(error) if tries > 0 && self.has_gone(&error) => {
                    tries -= 1;
                    self.go_on_by_another().await?;
                }
                answer => return answer.map_err(failed),
            }
        }
    }

    async fn ask(&mut self, text: SqlStr, binds: &[Bind]) -> sqlx::Result<Vec<PgRow>> {
        let patience = self.patience();
        self.is_owed = true;
        let connection = self.connection()?;
        let answer = statement(text, binds).fetch_all(&mut **connection);
        let answer = timeout(patience, answer).await;
        self.answered(answer)
    }

    /// What the server answered, if it did in time.
    fn answered<T>(
        &mut self,
        answer: std::result::Result<sqlx::Result<T>, Elapsed>,
    ) -> sqlx::Result<T> {
        self.is_owed = false;
        let answer = answer.unwrap_or_else(|_| Err(self.give_up()));
        answer.inspect_err(|error| self.at.count(meaning(error)))
    }

    /// Whatever uses connections that went away in the meantime finds the pool's others gone as well.
    async fn go_on_by_another(&mut self) -> Result<()> {
        self.end();
        let another = self.at.acquire().await.map_err(|error| unreached(&self.at, error))?;
        self.connection = Some(another);
        Ok(())
    }
}

impl Drop for Lent {
    /// Undoes what was not committed; the connection goes back to its pool after that, unless it is owed
    /// an answer that nobody waits for: the pool would wait for it before it lends it again.
    fn drop(&mut self) {
        if self.state == State::Committing {
            self.leave();
        }
        let Some(mut connection) = self.connection.take() else { return };
        if self.is_owed && self.turn.is_none() {
            connection.discard();
            return;
        }
        if self.state == State::Free {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            connection.discard();
            return;
        };
        connection.let_go();
        let (patience, turn) = (self.patience(), self.turn.take());
        runtime.spawn(async move {
            let undone = sqlx::raw_sql("rollback").execute(&mut *connection);
            let undone = timeout(patience, undone).await;
            if !matches!(undone, Ok(Ok(_))) {
                // The pool would wait for what the server has still to say.
                connection.discard();
            }
            drop(turn);
        });
    }
}

/// What another transaction was in the way of; nothing of it happened.
#[derive(Debug, thiserror::Error)]
#[error("another transaction was in the way")]
struct InTheWay(#[source] sqlx::Error);

/// Whether that was so.
pub(super) fn was_in_the_way(error: &BoardError) -> bool {
    matches!(error, BoardError::Unavailable { source: Some(source), .. } if source.is::<InTheWay>())
}

fn away(what: &str, error: Option<sqlx::Error>) -> BoardError {
    BoardError::Unavailable { what: what.to_owned(), source: error.map(Into::into) }
}

fn unusable(
    what: impl Into<String>,
    error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> BoardError {
    BoardError::Unusable { what: what.into(), source: Some(error.into()) }
}

/// What a failed statement means for the caller.
pub(super) fn failed(error: sqlx::Error) -> BoardError {
    let class = error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code)
        .and_then(|code| code.get(..2).map(str::to_owned))
        .unwrap_or_default();
    match meaning(&error) {
        Meaning::Again if class == "40" => BoardError::Unavailable {
            what: "another transaction was in the way".to_owned(),
            source: Some(Box::new(InTheWay(error))),
        },
        Meaning::Again => away("somebody else has locked the board's tables", Some(error)),
        Meaning::Gone => away("the connection to PostgreSQL was lost", Some(error)),
        Meaning::TooSlow => away("PostgreSQL took longer than a statement may take", Some(error)),
        Meaning::Full | Meaning::Exhausted => {
            away("PostgreSQL has no connection, memory or disk left", Some(error))
        }
        Meaning::Moved => unusable(
            "what was in this schema was moved away by `rota migrate`: say in [board] of rota.toml \
             where it is now",
            error,
        ),
        Meaning::Refused => unusable(
            "PostgreSQL refuses the board its tables: grant its user usage of the schema, and \
             select, insert, update and delete on all tables in it",
            error,
        ),
        Meaning::Other => match class.as_str() {
            "23" => BoardError::Conflict("somebody else wrote the same at once".to_owned()),
            "42" => unusable(
                "the board's tables in PostgreSQL are not as this program made them: restore them \
                 from a copy, or give another schema",
                error,
            ),
            "XX" => unusable(
                "the board's tables in PostgreSQL are damaged: restore them from a copy",
                error,
            ),
            _ => away("PostgreSQL did not answer as expected", Some(error)),
        },
    }
}

/// Nobody could be reached, or nobody let us in.
fn unreached(cluster: &Cluster, error: ConnectError) -> BoardError {
    let place = cluster.place();
    match error.meaning() {
        Meaning::Refused => unusable(
            format!(
                "PostgreSQL at {place} lets nobody in by this address: check user, password, \
                 database and certificate"
            ),
            error,
        ),
        Meaning::Exhausted => BoardError::Unavailable {
            what: format!(
                "no connection to PostgreSQL at {place} was free in time: allow more `connections` of \
                 [board], or see what it waits for"
            ),
            source: Some(Box::new(error)),
        },
        _ => BoardError::Unavailable {
            what: format!("PostgreSQL at {place} does not answer, or has no connection left"),
            source: Some(Box::new(error)),
        },
    }
}

/// The tables cannot be made.
fn not_made(error: StepsError) -> BoardError {
    let means = match &error {
        StepsError::Connect(error) => error.meaning(),
        StepsError::Failed { source, .. } => meaning(source),
        StepsError::Newer { .. } => Meaning::Other,
    };
    let what = error.to_string();
    match means {
        Meaning::Refused => unusable(
            format!("{what}: let somebody begin who may create schemas and tables there"),
            error,
        ),
        Meaning::Other => unusable(what, error),
        _ => BoardError::Unavailable { what, source: Some(Box::new(error)) },
    }
}
