//! One end of a move, and the shape of a table, which both ends have to agree on.

use super::file::File;
use super::server::Server;
use super::{Field, Fields, Positions, Table};
use crate::board::{BoardError, Result};
use crate::postgres::Cluster;
use std::path::Path;

/// Where rows come from, or go to.
#[derive(Debug)]
pub enum End {
    /// A board's file.
    File(File),
    /// A schema.
    Server(Server),
}

/// What the rows of a table are made of: without what the database computes itself.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) table: &'static Table,
    pub(super) columns: Vec<Column>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Number,
    Fraction,
    Text,
}

impl Kind {
    /// By the name of its type.
    pub(super) fn of(name: &str) -> Result<Self> {
        match name.to_ascii_lowercase().as_str() {
            "integer" | "bigint" => Ok(Self::Number),
            "double precision" => Ok(Self::Fraction),
            "text" => Ok(Self::Text),
            _ => Err(odd(&format!("a column of type {name} is not known to this program"))),
        }
    }
}

impl Shape {
    /// The columns with quotes, joined.
    pub(super) fn columns(&self) -> String {
        let names: Vec<String> =
            self.columns.iter().map(|column| format!("\"{}\"", column.name)).collect();
        names.join(", ")
    }

    /// What goes behind `from` to find the rows after a key, in their order.
    pub(super) fn after(&self, is_first: bool, place: impl Fn(usize) -> String) -> String {
        let key = self.table.key.join(", ");
        let places: Vec<String> = (1..=self.table.key.len()).map(place).collect();
        let after = if is_first {
            String::new()
        } else {
            format!(" where ({key}) > ({})", places.join(", "))
        };
        format!("{}{after} order by {key}", self.table.name)
    }

    /// The key of a row.
    pub(super) fn key_of(&self, row: &[Field]) -> Fields {
        let of = |name: &&str| {
            let place = self.columns.iter().position(|column| column.name == *name);
            place.map_or(Field::Nothing, |place| row[place].clone())
        };
        self.table.key.iter().map(of).collect()
    }

    /// The same columns are at the other end, whatever their order.
    pub(super) fn must_be(&self, other: &Self) -> Result<()> {
        let sorted = |shape: &Self| {
            let mut columns = shape.columns.clone();
            columns.sort();
            columns
        };
        if sorted(self) == sorted(other) {
            return Ok(());
        }
        Err(odd(&format!("table {} has other columns at the other end", self.table.name)))
    }
}

/// The tables are not those of this program.
pub(super) fn odd(what: &str) -> BoardError {
    BoardError::Unusable { what: format!("{what}: use the newest program"), source: None }
}

/// A statement failed.
pub(super) fn failed(error: sqlx::Error) -> BoardError {
    let what = "a part of the board could not be carried over".to_owned();
    BoardError::Unavailable { what, source: Some(Box::new(error)) }
}

/// What was written down is not what was written.
pub(super) fn unreadable(error: serde_json::Error) -> BoardError {
    let what = "how far the move has come cannot be read".to_owned();
    BoardError::Unusable { what, source: Some(Box::new(error)) }
}

impl End {
    /// A board's file, whose schema is the newest.
    pub async fn file(path: &Path) -> Result<Self> {
        Ok(Self::File(File::open(path).await?))
    }

    /// A schema, whose tables are the newest.
    pub async fn server(cluster: &Cluster) -> Result<Self> {
        Ok(Self::Server(Server::connect(cluster).await?))
    }

    /// The tables there are.
    #[cfg(test)]
    pub(super) async fn tables(&mut self) -> Result<Vec<String>> {
        match self {
            Self::File(end) => end.tables().await,
            Self::Server(_) => Ok(Vec::new()),
        }
    }

    pub(super) async fn shape(&mut self, table: &'static Table) -> Result<Shape> {
        let columns = match self {
            Self::File(end) => end.columns(table.name).await?,
            Self::Server(end) => end.columns(table.name).await?,
        };
        Ok(Shape { table, columns })
    }

    pub(super) async fn count(&mut self, table: &str) -> Result<u64> {
        let sql = format!("select count(*) from {table}");
        let count = match self {
            Self::File(end) => end.number(sql).await?,
            Self::Server(end) => end.number(sql).await?,
        };
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// Rows after a key, in the order of the keys.
    pub(super) async fn page(
        &mut self,
        shape: &Shape,
        after: Option<&[Field]>,
        limit: usize,
    ) -> Result<Vec<Fields>> {
        match self {
            Self::File(end) => end.page(shape, after, limit).await,
            Self::Server(end) => end.page(shape, after, limit).await,
        }
    }

    /// Adds rows, and writes down that they are there: both or neither. They name no row of their
    /// own table yet.
    pub(super) async fn add(
        &mut self,
        shape: &Shape,
        mut rows: Vec<Fields>,
        positions: &Positions,
    ) -> Result<()> {
        let own = shape.columns.iter().position(|column| Some(&*column.name) == shape.table.own);
        if let Some(own) = own {
            for row in &mut rows {
                row[own] = Field::Nothing;
            }
        }
        match self {
            Self::File(end) => end.add(shape, &rows, positions).await,
            Self::Server(end) => end.add(shape, &rows, positions).await,
        }
    }

    /// Lets rows name another one of their table: pairs of both.
    pub(super) async fn link(&mut self, table: &str, own: &str, pairs: &[Fields]) -> Result<()> {
        match self {
            Self::File(end) => end.link(table, own, pairs).await,
            Self::Server(end) => end.link(table, own, pairs).await,
        }
    }

    /// The last id that was given; 0: none was.
    pub(super) async fn last_id(&mut self, table: &str) -> Result<i64> {
        match self {
            Self::File(end) => end.last_id(table).await,
            Self::Server(end) => end.last_id(table).await,
        }
    }

    pub(super) async fn set_last_id(&mut self, table: &str, last: i64) -> Result<()> {
        match self {
            Self::File(end) => end.set_last_id(table, last).await,
            Self::Server(end) => end.set_last_id(table, last).await,
        }
    }

    pub(super) async fn positions(&mut self) -> Result<Positions> {
        let text = match self {
            Self::File(end) => end.positions().await?,
            Self::Server(end) => end.positions().await?,
        };
        serde_json::from_str(&text).map_err(unreadable)
    }

    pub(super) async fn set_positions(&mut self, positions: &Positions) -> Result<()> {
        let text = written(positions)?;
        match self {
            Self::File(end) => end.set_positions(&text).await,
            Self::Server(end) => end.set_positions(&text).await,
        }
    }

    /// What was noted for the move goes, and everything is in its place.
    pub async fn finish(self) -> Result<()> {
        match self {
            Self::File(end) => end.finish().await,
            Self::Server(end) => end.close().await,
        }
    }

    /// Leaves everything as it is.
    pub async fn close(self) -> Result<()> {
        match self {
            Self::File(end) => end.close().await,
            Self::Server(end) => end.close().await,
        }
    }
}

pub(super) fn written(positions: &Positions) -> Result<String> {
    serde_json::to_string(positions).map_err(unreadable)
}
