//! A board's file as an end of a move.

use super::end::{Column, Kind, Shape, failed, written};
use super::read::reads;
use super::{Field, Fields, Positions};
use crate::board::Result;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Row as _};
use std::path::Path;

/// Where it is noted how far the move into the file has come.
const NOTE: &str = "create table if not exists moves (one integer primary key check (one = 1), \
    positions text not null)";

/// One connection to it.
#[derive(Debug)]
pub struct File(SqliteConnection);

reads!(File, "?", String::as_str);

impl File {
    pub(super) async fn open(path: &Path) -> Result<Self> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .foreign_keys(true)
            .disable_statement_logging();
        Ok(Self(options.connect().await.map_err(failed)?))
    }

    #[cfg(test)]
    pub(super) async fn tables(&mut self) -> Result<Vec<String>> {
        let sql = "select name from sqlite_master where type = 'table' \
            and name not like 'sqlite~_%' escape '~' order by name";
        let rows = sqlx::query(sql).fetch_all(&mut self.0).await.map_err(failed)?;
        rows.iter().map(|row| row.try_get(0).map_err(failed)).collect()
    }

    pub(super) async fn columns(&mut self, table: &str) -> Result<Vec<Column>> {
        // What is computed and stored has the number 3, what is only computed 2.
        let rows = sqlx::query(
            "select name, type from pragma_table_xinfo(?1) where hidden = 0 order by cid",
        )
        .bind(table)
        .fetch_all(&mut self.0)
        .await
        .map_err(failed)?;
        rows.iter().map(column).collect()
    }

    pub(super) async fn add(
        &mut self,
        shape: &Shape,
        rows: &[Fields],
        positions: &Positions,
    ) -> Result<()> {
        let places: Vec<String> = (1..=shape.columns.len()).map(|at| format!("?{at}")).collect();
        let sql = format!(
            "insert into {} ({}) values ({})",
            shape.table.name,
            shape.columns(),
            places.join(", ")
        );
        let note = written(positions)?;
        let added = async {
            let mut step = self.0.begin().await?;
            for row in rows {
                let mut query = sqlx::query(AssertSqlSafe(sql.as_str()));
                for field in row {
                    query = match field {
                        Field::Nothing => query.bind(None::<i64>),
                        Field::Number(number) => query.bind(*number),
                        Field::Fraction(number) => query.bind(*number),
                        Field::Text(text) => query.bind(text.as_str()),
                    };
                }
                query.execute(&mut *step).await?;
            }
            note_down(&mut step, &note).await?;
            step.commit().await
        };
        added.await.map_err(failed)
    }

    pub(super) async fn link(&mut self, table: &str, own: &str, pairs: &[Fields]) -> Result<()> {
        let sql = format!("update {table} set \"{own}\" = ?2 where id = ?1");
        let linked = async {
            let mut step = self.0.begin().await?;
            for pair in pairs {
                let [Field::Number(id), Field::Number(other)] = pair[..] else { continue };
                let query = sqlx::query(AssertSqlSafe(sql.as_str())).bind(id).bind(other);
                query.execute(&mut *step).await?;
            }
            step.commit().await
        };
        linked.await.map_err(failed)
    }

    pub(super) async fn last_id(&mut self, table: &str) -> Result<i64> {
        let row = sqlx::query("select coalesce(max(seq), 0) from sqlite_sequence where name = ?1")
            .bind(table)
            .fetch_one(&mut self.0)
            .await
            .map_err(failed)?;
        row.try_get(0).map_err(failed)
    }

    pub(super) async fn set_last_id(&mut self, table: &str, last: i64) -> Result<()> {
        let set = async {
            let mut step = self.0.begin().await?;
            for sql in [
                "delete from sqlite_sequence where name = ?1 and ?2 >= 0",
                "insert into sqlite_sequence (name, seq) select ?1, ?2 where ?2 > 0",
            ] {
                sqlx::query(sql).bind(table).bind(last).execute(&mut *step).await?;
            }
            step.commit().await
        };
        set.await.map_err(failed)
    }

    pub(super) async fn positions(&mut self) -> Result<String> {
        let found = async {
            // Waits for what an earlier move that was cut off may still be at.
            let mut step = self.0.begin_with("begin immediate").await?;
            sqlx::raw_sql(NOTE).execute(&mut *step).await?;
            let row = sqlx::query("select positions from moves").fetch_optional(&mut *step).await?;
            step.commit().await?;
            row.map_or_else(|| Ok("{}".to_owned()), |row| row.try_get(0))
        };
        found.await.map_err(failed)
    }

    pub(super) async fn set_positions(&mut self, positions: &str) -> Result<()> {
        note_down(&mut self.0, positions).await.map_err(failed)
    }

    /// The note goes, and what is in the log beside the file comes into it.
    pub(super) async fn finish(mut self) -> Result<()> {
        let sql = "drop table if exists moves; pragma wal_checkpoint(truncate)";
        sqlx::raw_sql(sql).execute(&mut self.0).await.map_err(failed)?;
        self.close().await
    }

    pub(super) async fn close(self) -> Result<()> {
        self.0.close().await.map_err(failed)
    }
}

fn column(row: &SqliteRow) -> Result<Column> {
    let kind: String = row.try_get(1).map_err(failed)?;
    // Where it is computed the words for that stand behind it.
    let kind = kind.to_ascii_lowercase();
    let kind = kind.split(" generated").next().unwrap_or_default();
    Ok(Column { name: row.try_get(0).map_err(failed)?, kind: Kind::of(kind)? })
}

fn fields(shape: &Shape, row: &SqliteRow) -> sqlx::Result<Fields> {
    let field = |(at, column): (usize, &Column)| -> sqlx::Result<Field> {
        let found = match column.kind {
            Kind::Number => row.try_get::<Option<i64>, _>(at)?.map(Field::Number),
            Kind::Fraction => row.try_get::<Option<f64>, _>(at)?.map(Field::Fraction),
            Kind::Text => row.try_get::<Option<String>, _>(at)?.map(Field::Text),
        };
        Ok(found.unwrap_or(Field::Nothing))
    };
    shape.columns.iter().enumerate().map(field).collect()
}

async fn note_down(connection: &mut SqliteConnection, positions: &str) -> sqlx::Result<()> {
    let sql = "insert into moves (one, positions) values (1, ?1) \
        on conflict (one) do update set positions = ?1";
    sqlx::query(sql).bind(positions).execute(connection).await.map(|_| ())
}
