//! A schema that is being filled from elsewhere, or was left for elsewhere: nobody works in it then.
//!
//! One row says it. Where a schema is left, its tables refuse every write on top, whoever makes it:
//! a daemon on another machine that nobody thought of cannot go on behind the back of the new place.

use super::locks::{self, StoreLocks};
use super::{Cluster, ConnectError, Schema, UNHURRIED};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _, Row as _};

/// How often a schema is closed anew that another transaction was in the way of.
const TRIES: u32 = 4;

/// The row.
const TABLE: &str = "create table if not exists moves (
    one bigint primary key default 1 check (one = 1),
    id text not null,
    state text not null,
    other text not null,
    positions text not null default '{}'
)";

/// Making a trigger waits for whoever writes just now; when it is there, nobody does.
const CLOSE: &str = "
create or replace function moved_away() returns trigger language plpgsql as $$
begin
    raise exception 'what was in this schema was moved away by rota migrate'
        using errcode = 'RM001';
end $$;
do $$
declare
    part text;
begin
    for part in
        select relname from pg_class
        where relnamespace = to_regnamespace(current_schema()) and relkind in ('r', 'p')
            and relname not in ('moves', 'versions')
        order by relname
    loop
        execute format(
            'create or replace trigger moved_away before insert or update or delete or truncate on %I '
            'for each statement execute function moved_away()', part);
    end loop;
end $$";

/// Undoes that.
const OPEN: &str = "
do $$
declare
    part text;
begin
    for part in
        select relname from pg_trigger join pg_class on pg_class.oid = tgrelid
        where relnamespace = to_regnamespace(current_schema()) and tgname = 'moved_away'
        order by relname
    loop
        execute format('drop trigger moved_away on %I', part);
    end loop;
end $$";

/// Whether a schema can be worked in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing stands against it.
    Free,
    /// It is being filled from there.
    Filling(String),
    /// It was left, or is being left, for there.
    Left(String),
}

/// How a move begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begun {
    /// It did.
    New,
    /// It had begun before, and goes on.
    Again,
    /// It had come to its end before.
    Over,
    /// Another move stands in its way: what it is, and from or to where.
    Other(&'static str, String),
}

/// Why that cannot be said.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    /// Nobody could be reached.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// A statement failed.
    #[error("schema {schema} cannot be asked about its moves")]
    Failed {
        /// Where.
        schema: String,
        /// The cause.
        #[source]
        source: sqlx::Error,
    },
}

impl MoveError {
    fn failed(cluster: &Cluster) -> impl Fn(sqlx::Error) -> Self {
        let schema = cluster.schema().as_str().to_owned();
        move |source| Self::Failed { schema: schema.clone(), source }
    }
}

/// Whether the schema can be worked in. One without the row can, and so can one whose row nobody may see.
pub async fn standing(cluster: &Cluster) -> Result<Standing, MoveError> {
    Ok(match seen(cluster).await? {
        Some(row) if row.state == "filling" => Standing::Filling(row.other),
        Some(row) if row.state != "filled" => Standing::Left(row.other),
        _ => Standing::Free,
    })
}

/// Whether any move has begun there, or has come to its end.
pub async fn is_marked(cluster: &Cluster) -> Result<bool, MoveError> {
    seen(cluster).await.map(|row| row.is_some())
}

/// What stands in the way of closing the schema for this move, as [`begin_leaving`] would tell it.
pub async fn against_leaving(
    cluster: &Cluster,
    id: &str,
) -> Result<Option<(&'static str, String)>, MoveError> {
    Ok(match seen(cluster).await?.map(|row| row.leaves(id)) {
        Some(Begun::Other(what, other)) => Some((what, other)),
        _ => None,
    })
}

/// Begins to fill the schema, or goes on. The schema is there.
pub async fn begin_filling(cluster: &Cluster, id: &str, from: &str) -> Result<Begun, MoveError> {
    let mut connection = cluster.connect().await?;
    let begun = async {
        take_turn(&mut connection, cluster.schema()).await?;
        sqlx::raw_sql(TABLE).execute(&mut connection).await?;
        let new = sqlx::query(
            "insert into moves (id, state, other) values ($1, 'filling', $2) on conflict do nothing",
        )
        .bind(id)
        .bind(from)
        .execute(&mut connection)
        .await?;
        let found = row(&mut connection).await?;
        Ok::<_, sqlx::Error>(match found {
            _ if new.rows_affected() == 1 => Begun::New,
            Some(row) if row.id == id && row.state == "filling" => Begun::Again,
            Some(row) if row.id == id && row.state == "filled" => Begun::Over,
            Some(row) => row.stands_in_the_way(),
            None => Begun::Other("a move", String::new()),
        })
    };
    let begun = begun.await.map_err(MoveError::failed(cluster));
    let _ = connection.close().await;
    begun
}

/// Nothing is filled after all.
pub async fn forget(cluster: &Cluster, id: &str) -> Result<(), MoveError> {
    let mut connection = cluster.connect().await?;
    let forgotten = sqlx::query("delete from moves where id = $1 and state = 'filling'")
        .bind(id)
        .execute(&mut connection)
        .await;
    let _ = connection.close().await;
    forgotten.map(|_| ()).map_err(MoveError::failed(cluster))
}

/// The schema is whole: daemons may begin.
pub async fn end_filling(cluster: &Cluster, id: &str) -> Result<(), MoveError> {
    turn(cluster, id, "filled").await
}

/// Closes the schema, whose contents go elsewhere: from here on every write to it is refused.
pub async fn begin_leaving(cluster: &Cluster, id: &str, to: &str) -> Result<Begun, MoveError> {
    let mut connection = cluster.connect().await?;
    let begun = async {
        take_turn(&mut connection, cluster.schema()).await?;
        let mut tries = 0;
        loop {
            tries += 1;
            match leave(&mut connection, cluster.schema(), id, to).await {
                Err(error) if tries < TRIES && was_in_the_way(&error) => {
                    sqlx::raw_sql("rollback").execute(&mut connection).await?;
                }
                begun => break begun,
            }
        }
    };
    let begun = begun.await.map_err(MoveError::failed(cluster));
    let _ = connection.close().await;
    begun
}

/// In one transaction, which waits for all writes first: whoever writes locks in another order than
/// triggers are made in.
async fn leave(
    connection: &mut PgConnection,
    schema: &Schema,
    id: &str,
    to: &str,
) -> sqlx::Result<Begun> {
    let locked = format!(
        "begin; {UNHURRIED}; select pg_advisory_xact_lock({}); select pg_advisory_xact_lock({})",
        locks::board(schema),
        StoreLocks::of(schema.as_str()).whole()
    );
    sqlx::raw_sql(AssertSqlSafe(locked)).execute(&mut *connection).await?;
    sqlx::raw_sql(TABLE).execute(&mut *connection).await?;
    let begun = row(connection).await?.map_or(Begun::New, |row| row.leaves(id));
    if begun == Begun::New {
        sqlx::query(
            "insert into moves (id, state, other) values ($1, 'leaving', $2) \
             on conflict (one) do update set id = $1, state = 'leaving', other = $2",
        )
        .bind(id)
        .bind(to)
        .execute(&mut *connection)
        .await?;
        sqlx::raw_sql(CLOSE).execute(&mut *connection).await?;
    }
    sqlx::raw_sql("commit").execute(&mut *connection).await?;
    Ok(begun)
}

/// The schema is not left after all, where this move closed it.
pub async fn reopen(cluster: &Cluster, id: &str) -> Result<(), MoveError> {
    let mut connection = cluster.connect().await?;
    let opened = async {
        take_turn(&mut connection, cluster.schema()).await?;
        sqlx::raw_sql("begin").execute(&mut connection).await?;
        let closed = sqlx::query("delete from moves where id = $1 and state = 'leaving'")
            .bind(id)
            .execute(&mut connection)
            .await?;
        if closed.rows_affected() == 1 {
            sqlx::raw_sql(OPEN).execute(&mut connection).await?;
        }
        sqlx::raw_sql("commit").execute(&mut connection).await.map(|_| ())
    };
    let opened = match opened.await {
        Err(error) if is_nothing_to_see(&error) => Ok(()),
        opened => opened.map_err(MoveError::failed(cluster)),
    };
    let _ = connection.close().await;
    opened
}

/// What was in the schema is elsewhere.
pub async fn end_leaving(cluster: &Cluster, id: &str) -> Result<(), MoveError> {
    turn(cluster, id, "left").await
}

/// Until this connection ends nobody else moves anything here; whoever does is waited for.
pub async fn take_turn(connection: &mut PgConnection, schema: &Schema) -> sqlx::Result<()> {
    // The lock outlives the transaction, which is there for its limits.
    let turn =
        format!("begin; {UNHURRIED}; select pg_advisory_lock({}); commit", locks::moving(schema));
    sqlx::raw_sql(AssertSqlSafe(turn)).execute(connection).await.map(|_| ())
}

/// How far the filling has come, as whoever fills wrote it down.
pub async fn positions(connection: &mut PgConnection) -> sqlx::Result<String> {
    sqlx::query("select positions from moves").fetch_one(connection).await?.try_get(0)
}

/// Whether the filling has come anywhere.
pub async fn has_come(cluster: &Cluster) -> Result<bool, MoveError> {
    let mut connection = cluster.connect().await?;
    let positions = positions(&mut connection).await;
    let _ = connection.close().await;
    positions.map(|positions| positions != "{}").map_err(MoveError::failed(cluster))
}

/// Writes down how far it has come, within the transaction that brings it there.
pub async fn set_positions(connection: &mut PgConnection, positions: &str) -> sqlx::Result<()> {
    let set = sqlx::query("update moves set positions = $1").bind(positions);
    set.execute(connection).await.map(|_| ())
}

async fn turn(cluster: &Cluster, id: &str, state: &str) -> Result<(), MoveError> {
    let mut connection = cluster.connect().await?;
    let turned = sqlx::query("update moves set state = $2 where id = $1")
        .bind(id)
        .bind(state)
        .execute(&mut connection)
        .await;
    let _ = connection.close().await;
    turned.map(|_| ()).map_err(MoveError::failed(cluster))
}

struct Move {
    id: String,
    state: String,
    other: String,
}

impl Move {
    /// Whether a move may leave where this one stands.
    fn leaves(self, id: &str) -> Begun {
        match self.state.as_str() {
            "leaving" if self.id == id => Begun::Again,
            "left" if self.id == id => Begun::Over,
            "filled" => Begun::New,
            _ => self.stands_in_the_way(),
        }
    }

    fn stands_in_the_way(self) -> Begun {
        let what = match self.state.as_str() {
            "filling" => "an unfinished move from",
            "filled" => "what was moved there from",
            "leaving" => "an unfinished move to",
            _ => "what was moved to",
        };
        Begun::Other(what, self.other)
    }
}

/// The row, where there is one that may be seen.
async fn seen(cluster: &Cluster) -> Result<Option<Move>, MoveError> {
    let mut connection = cluster.connect().await?;
    let row = row(&mut connection).await;
    let _ = connection.close().await;
    match row {
        Err(error) if is_nothing_to_see(&error) => Ok(None),
        row => row.map_err(MoveError::failed(cluster)),
    }
}

async fn row(connection: &mut PgConnection) -> sqlx::Result<Option<Move>> {
    let row = sqlx::query("select id, state, other from moves").fetch_optional(connection).await?;
    row.map(|row| Ok(Move { id: row.try_get(0)?, state: row.try_get(1)?, other: row.try_get(2)? }))
        .transpose()
}

/// A serialization failure or a deadlock: nothing happened.
fn was_in_the_way(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| code.starts_with("40"))
}

/// No such table, no such schema, or no right to see it.
fn is_nothing_to_see(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| matches!(code.as_ref(), "42P01" | "3F000" | "42501"))
}
