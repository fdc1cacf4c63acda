//! A schema of PostgreSQL as an end of a move.

use super::end::{Column, Kind, Shape, failed, written};
use super::read::reads;
use super::{Field, Fields, Positions};
use crate::board::sql::dialect::nul;
use crate::board::{BoardError, Result};
use crate::postgres::{Cluster, moves};
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Connection as _, Row as _};

/// One connection to it.
#[derive(Debug)]
pub struct Server(PgConnection);

reads!(Server, "$", in_column);

impl Server {
    /// Waits for what an earlier move that was cut off may still be at.
    pub(super) async fn connect(cluster: &Cluster) -> Result<Self> {
        let connected = cluster.connect().await;
        let mut connection = connected.map_err(|error| BoardError::Unavailable {
            what: "the database did not let us in".to_owned(),
            source: Some(Box::new(error)),
        })?;
        moves::take_turn(&mut connection, cluster.schema()).await.map_err(failed)?;
        Ok(Self(connection))
    }

    pub(super) async fn columns(&mut self, table: &str) -> Result<Vec<Column>> {
        let rows = sqlx::query(
            "select column_name::text, data_type::text from information_schema.columns \
             where table_schema = current_schema() and table_name = $1 and is_generated = 'NEVER' \
             order by ordinal_position",
        )
        .bind(table)
        .fetch_all(&mut self.0)
        .await
        .map_err(failed)?;
        let column = |row: &PgRow| {
            let kind: String = row.try_get(1).map_err(failed)?;
            Ok(Column { name: row.try_get(0).map_err(failed)?, kind: Kind::of(&kind)? })
        };
        rows.iter().map(column).collect()
    }

    /// Whether a table is there and has rows.
    pub(super) async fn holds(&mut self, table: &str) -> Result<bool> {
        let row = sqlx::query("select to_regclass(current_schema() || '.' || $1) is not null")
            .bind(table)
            .fetch_one(&mut self.0)
            .await
            .map_err(failed)?;
        // Without the schema its name is nothing, and so is all of it.
        if row.try_get::<Option<bool>, _>(0).map_err(failed)? != Some(true) {
            return Ok(false);
        }
        Ok(self.number(format!("select count(*) from (select 1 from {table} limit 1) one")).await?
            > 0)
    }

    /// All of them with one statement: each column is one list.
    pub(super) async fn add(
        &mut self,
        shape: &Shape,
        rows: &[Fields],
        positions: &Positions,
    ) -> Result<()> {
        let columns = shape.columns.iter().zip(1..);
        let lists: Vec<String> = columns
            .map(|(column, place)| format!("${place}::{}[]", of_kind(column.kind)))
            .collect();
        let sql = format!(
            "insert into {} ({}) select * from unnest({})",
            shape.table.name,
            shape.columns(),
            lists.join(", ")
        );
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for (at, column) in shape.columns.iter().enumerate() {
            let list = rows.iter().map(|row| &row[at]);
            query = match column.kind {
                Kind::Number => query.bind(list.map(number).collect::<Vec<_>>()),
                Kind::Fraction => query.bind(list.map(fraction).collect::<Vec<_>>()),
                Kind::Text => query.bind(list.map(text).collect::<Vec<_>>()),
            };
        }
        let note = written(positions)?;
        let added = async {
            let mut step = self.0.begin().await?;
            query.execute(&mut *step).await?;
            moves::set_positions(&mut step, &note).await?;
            step.commit().await
        };
        added.await.map_err(failed)
    }

    pub(super) async fn link(&mut self, table: &str, own: &str, pairs: &[Fields]) -> Result<()> {
        let sql = format!(
            "update {table} set \"{own}\" = pair.other \
             from unnest($1::bigint[], $2::bigint[]) as pair (id, other) where {table}.id = pair.id"
        );
        let list = |at: usize| pairs.iter().map(|pair| number(&pair[at])).collect::<Vec<_>>();
        let query = sqlx::query(AssertSqlSafe(sql)).bind(list(0)).bind(list(1));
        query.execute(&mut self.0).await.map(|_| ()).map_err(failed)
    }

    pub(super) async fn last_id(&mut self, table: &str) -> Result<i64> {
        let sql = "select coalesce(pg_sequence_last_value(pg_get_serial_sequence($1, 'id')::regclass), 0)";
        let row = sqlx::query(sql).bind(table).fetch_one(&mut self.0).await.map_err(failed)?;
        row.try_get(0).map_err(failed)
    }

    pub(super) async fn set_last_id(&mut self, table: &str, last: i64) -> Result<()> {
        let sql =
            "select setval(pg_get_serial_sequence($1, 'id')::regclass, greatest($2, 1), $2 > 0)";
        let query = sqlx::query(sql).bind(table).bind(last);
        query.execute(&mut self.0).await.map(|_| ()).map_err(failed)
    }

    pub(super) async fn positions(&mut self) -> Result<String> {
        moves::positions(&mut self.0).await.map_err(failed)
    }

    pub(super) async fn set_positions(&mut self, positions: &str) -> Result<()> {
        moves::set_positions(&mut self.0, positions).await.map_err(failed)
    }

    pub(super) async fn close(self) -> Result<()> {
        self.0.close().await.map_err(failed)
    }
}

fn of_kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Number => "bigint",
        Kind::Fraction => "double precision",
        Kind::Text => "text",
    }
}

fn number(field: &Field) -> Option<i64> {
    if let Field::Number(number) = field { Some(*number) } else { None }
}

fn fraction(field: &Field) -> Option<f64> {
    if let Field::Fraction(number) = field { Some(*number) } else { None }
}

fn text(field: &Field) -> Option<String> {
    if let Field::Text(text) = field { Some(in_column(text)) } else { None }
}

fn in_column(text: &str) -> String {
    nul::to_column(text).into_owned()
}

fn fields(shape: &Shape, row: &PgRow) -> sqlx::Result<Fields> {
    let field = |(at, column): (usize, &Column)| -> sqlx::Result<Field> {
        let found = match column.kind {
            Kind::Number => row.try_get::<Option<i64>, _>(at)?.map(Field::Number),
            Kind::Fraction => row.try_get::<Option<f64>, _>(at)?.map(Field::Fraction),
            Kind::Text => {
                let text = row.try_get::<Option<&str>, _>(at)?;
                text.map(|text| Field::Text(nul::from_column(text)))
            }
        };
        Ok(found.unwrap_or(Field::Nothing))
    };
    shape.columns.iter().enumerate().map(field).collect()
}
