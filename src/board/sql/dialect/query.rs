//! A statement with its parameters, and what the two databases are told differently.
//!
//! There is one text of each statement. Where the databases have different words for one thing, the
//! text has SQLite's, and remembers where that is and what PostgreSQL is told there: by [`Word`]s, by
//! the hints that only SQLite's planner needs, and by [`in_one_go`] for several statements on one way.

use super::{Connection, DbRow};
use crate::board::Result;
use crate::board::sql::text::Bind;
use sqlx::{AssertSqlSafe, SqlSafeStr as _, SqlStr};
use std::fmt::Write as _;
use std::ops::Range;

/// Two names of one thing.
#[derive(Clone, Copy, Debug)]
pub(in crate::board::sql) struct Word {
    pub(in crate::board::sql) sqlite: &'static str,
    pub(in crate::board::sql) postgres: &'static str,
}

/// The function that says where in a text another begins: from 1 on, 0 for nowhere.
pub(in crate::board::sql) const POSITION: Word = Word { sqlite: "instr", postgres: "strpos" };

/// A place in a text of which PostgreSQL is told something else.
#[derive(Clone, Debug)]
pub(in crate::board::sql) struct Difference {
    pub(in crate::board::sql) at: Range<usize>,
    pub(in crate::board::sql) told: Told,
}

/// What PostgreSQL is told there.
#[derive(Clone, Copy, Debug)]
pub(in crate::board::sql) enum Told {
    /// This.
    Word(&'static str),
    /// Here one statement ends and the next begins.
    Next,
}

/// The text of a statement, or of several in one go.
#[derive(Debug)]
pub(in crate::board::sql) enum Text {
    /// Both are told this.
    Both(&'static str),
    /// One each; see [`in_one_go`].
    Each { sqlite: &'static str, postgres: &'static str },
    /// Put together at run time, as SQLite is told.
    Made(String, Vec<Difference>),
}

impl From<&'static str> for Text {
    fn from(text: &'static str) -> Self {
        Self::Both(text)
    }
}

impl Text {
    fn for_sqlite(self) -> SqlStr {
        match self {
            Self::Both(text) | Self::Each { sqlite: text, .. } => text.into_sql_str(),
            Self::Made(text, _) => AssertSqlSafe(text).into_sql_str(),
        }
    }

    fn for_postgres(self) -> SqlStr {
        match self {
            Self::Both(text) | Self::Each { postgres: text, .. } => text.into_sql_str(),
            Self::Made(text, differences) => {
                AssertSqlSafe(translated(text, &differences)).into_sql_str()
            }
        }
    }
}

/// A text as PostgreSQL is told it. It takes one statement with its parameters at a time: all but the
/// last of several become parts of the last.
fn translated(text: String, differences: &[Difference]) -> String {
    if differences.is_empty() {
        return text;
    }
    let (mut all, mut statement) = (String::with_capacity(text.len()), String::new());
    let mut begin = 0;
    for (number, Difference { at, told }) in differences.iter().enumerate() {
        statement.push_str(&text[begin..at.start]);
        begin = at.end;
        match told {
            Told::Word(word) => statement.push_str(word),
            Told::Next => {
                let word = if all.is_empty() { "with" } else { "," };
                let _ = write!(all, "{word} part{number} as ({statement}) ");
                statement.clear();
            }
        }
    }
    statement.push_str(&text[begin..]);
    all + &statement
}

/// Two statements on one way to the database; neither sees what the other does. Parameters are
/// numbered through both.
macro_rules! in_one_go {
    ($first:literal, $second:literal) => {
        $crate::board::sql::dialect::Text::Each {
            sqlite: concat!($first, "; ", $second),
            postgres: concat!("with part as (", $first, ") ", $second),
        }
    };
}
pub(in crate::board::sql) use in_one_go;

/// A statement in the making.
#[derive(Debug)]
#[must_use = "nothing is asked before it is fetched or executed"]
pub(in crate::board::sql) struct Query {
    text: Text,
    binds: Vec<Bind>,
}

/// A statement, whose parameters `$1`, `$2`, … are bound in their order.
pub(in crate::board::sql) fn query(text: impl Into<Text>) -> Query {
    Query { text: text.into(), binds: Vec::new() }
}

impl Query {
    pub(in crate::board::sql) fn new(text: Text, binds: Vec<Bind>) -> Self {
        Self { text, binds }
    }

    pub(in crate::board::sql) fn bind(mut self, value: impl Into<Bind>) -> Self {
        self.binds.push(value.into());
        self
    }

    pub(in crate::board::sql) async fn fetch_all(self, on: &mut Connection) -> Result<Vec<DbRow>> {
        match on {
            Connection::Sqlite(lent) => {
                let rows = lent.fetch_all(self.text.for_sqlite(), self.binds).await?;
                Ok(rows.into_iter().map(DbRow::Sqlite).collect())
            }
            Connection::Postgres(lent) => {
                let rows = lent.fetch_all(self.text.for_postgres(), &self.binds).await?;
                Ok(rows.into_iter().map(DbRow::Postgres).collect())
            }
        }
    }

    /// Of a statement that has one row at most.
    pub(in crate::board::sql) async fn fetch_optional(
        self,
        on: &mut Connection,
    ) -> Result<Option<DbRow>> {
        match on {
            Connection::Sqlite(lent) => {
                let row = lent.fetch_optional(self.text.for_sqlite(), self.binds).await?;
                Ok(row.map(DbRow::Sqlite))
            }
            Connection::Postgres(lent) => {
                let mut rows = lent.fetch_all(self.text.for_postgres(), &self.binds).await?;
                Ok(rows.pop().map(DbRow::Postgres))
            }
        }
    }

    /// Of a statement that always has one row.
    pub(in crate::board::sql) async fn fetch_one(self, on: &mut Connection) -> Result<DbRow> {
        let row = self.fetch_optional(on).await?;
        row.ok_or(sqlx::Error::RowNotFound).map_err(super::failed)
    }

    /// The number in the only column of the only row.
    pub(in crate::board::sql) async fn int(self, on: &mut Connection) -> Result<i64> {
        self.fetch_one(on).await?.try_get(0).map_err(super::failed)
    }

    /// That number; none where there is no row, or none in it.
    pub(in crate::board::sql) async fn maybe_int(self, on: &mut Connection) -> Result<Option<i64>> {
        match self.fetch_optional(on).await? {
            Some(row) => row.try_get(0).map_err(super::failed),
            None => Ok(None),
        }
    }

    pub(in crate::board::sql) async fn execute(self, on: &mut Connection) -> Result<()> {
        match on {
            Connection::Sqlite(lent) => lent.execute(self.text.for_sqlite(), self.binds).await,
            Connection::Postgres(lent) => {
                lent.fetch_all(self.text.for_postgres(), &self.binds).await.map(|_| ())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::sql::text::Sql;

    fn both(sql: Sql) -> (String, String) {
        let (text, differences) = sql.parts();
        (text.clone(), translated(text, &differences))
    }

    #[test]
    fn postgres_is_told_its_own_words_and_no_hints() {
        let mut sql = Sql::new("select id from words w");
        sql.indexed_by("words_by_id").push(" where ").word(POSITION).push("(w.text, ");
        sql.text("x").push(") > 0 and w.id > ").int(3);
        let (sqlite, postgres) = both(sql);
        assert_eq!(
            sqlite,
            "select id from words w indexed by words_by_id where instr(w.text, $1) > 0 and w.id > $2"
        );
        assert_eq!(postgres, "select id from words w where strpos(w.text, $1) > 0 and w.id > $2");
        assert_eq!(both(Sql::new("select 1")), ("select 1".into(), "select 1".into()));
    }

    #[test]
    fn postgres_is_told_several_statements_as_parts_of_the_last() {
        let mut sql = Sql::default();
        for number in 1..=3 {
            sql.another().push("insert into t values ").row([number.into()]);
        }
        let (sqlite, postgres) = both(sql);
        assert_eq!(
            sqlite,
            "insert into t values ($1); insert into t values ($2); insert into t values ($3)"
        );
        assert_eq!(
            postgres,
            "with part0 as (insert into t values ($1)) , part1 as (insert into t values ($2)) \
             insert into t values ($3)"
        );
        let Text::Each { sqlite, postgres } = in_one_go!("delete from a", "delete from b") else {
            panic!("one each")
        };
        assert_eq!(sqlite, "delete from a; delete from b");
        assert_eq!(postgres, "with part as (delete from a) delete from b");
    }
}
