//! A whole board from a file into a schema of PostgreSQL, or back: table by table and row by row, with
//! its ids, so that what else knows a task by its number still does.
//!
//! Neither end is used by anybody else meanwhile. How far it has come is written down in the very
//! transaction that brings it there: broken off at any point, it goes on without a row too many or
//! too few. What came of it is told by sums over both ends, of what was read from each.

mod end;
mod file;
mod read;
mod server;

pub use end::End;

use crate::board::Result;
use crate::postgres::Cluster;
use end::{Column, Kind, Shape};
use serde::{Deserialize, Serialize};
use server::Server;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use tokio_util::sync::CancellationToken;

/// So many rows are carried together.
const ROWS: usize = 500;

/// A table of the board.
#[derive(Debug)]
struct Table {
    name: &'static str,
    /// By what its rows are in order and told apart.
    key: &'static [&'static str],
    /// The column that names another row of the same table, which may come later.
    own: Option<&'static str>,
}

const fn table(name: &'static str, key: &'static [&'static str]) -> Table {
    Table { name, key, own: None }
}

const fn tree(name: &'static str, own: &'static str) -> Table {
    Table { name, key: &["id"], own: Some(own) }
}

/// The tables, each behind those that its rows name.
static TABLES: [Table; 18] = [
    table("people", &["id"]),
    table("projects", &["id"]),
    table("members", &["project", "person"]),
    tree("milestones", "depends_on"),
    table("sprints", &["id"]),
    tree("tasks", "parent"),
    table("task_tags", &["task", "folded"]),
    table("task_blockers", &["blocker", "task"]),
    table("task_words", &["task"]),
    table("goal_boards", &["id"]),
    tree("goals", "parent"),
    tree("comments", "parent"),
    table("activity", &["id"]),
    table("marks", &["run", "seq"]),
    table("fences", &["task"]),
    table("events", &["id"]),
    table("time_entries", &["id"]),
    table("timers", &["id"]),
];

impl Table {
    /// Whether the database gives its ids, so that none comes twice.
    fn counts(&self) -> bool {
        self.key == ["id"]
    }
}

/// What a field holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Field {
    Nothing,
    Number(i64),
    Fraction(f64),
    Text(String),
}

type Fields = Vec<Field>;

/// How far a table has come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Position {
    /// Up to the row with this key.
    After(Fields),
    /// To its end.
    Over,
}

type Positions = BTreeMap<String, Position>;

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The table.
    pub table: &'static str,
    /// Rows of it that are there.
    pub done: u64,
    /// Rows that it has.
    pub of: u64,
}

/// What a table holds, in one number that any other content would change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sum {
    /// The table.
    pub table: &'static str,
    /// Its rows.
    pub rows: u64,
    /// SHA-256 over all of them, in the order of their keys.
    pub sha256: String,
}

/// How many rows each table has.
pub async fn counts(end: &mut End) -> Result<Vec<(&'static str, u64)>> {
    let mut counts = Vec::with_capacity(TABLES.len());
    for table in &TABLES {
        counts.push((table.name, end.count(table.name).await?));
    }
    Ok(counts)
}

/// A table of the schema that holds something already; none where there are no tables yet.
pub async fn held(cluster: &Cluster) -> Result<Option<&'static str>> {
    let mut server = Server::connect(cluster).await?;
    for table in &TABLES {
        if server.holds(table.name).await? {
            return Ok(Some(table.name));
        }
    }
    server.close().await.map(|()| None)
}

/// Carries every row over that is not there yet; whether it came to the end before it was stopped.
pub async fn copy(
    from: &mut End,
    to: &mut End,
    tell: &mut (dyn FnMut(Step) + Send),
    stop: &CancellationToken,
) -> Result<bool> {
    let mut positions: Positions = to.positions().await?;
    for table in &TABLES {
        if positions.get(table.name) == Some(&Position::Over) {
            continue;
        }
        let shape = from.shape(table).await?;
        shape.must_be(&to.shape(table).await?)?;
        let of = from.count(table.name).await?;
        let mut done = to.count(table.name).await?;
        loop {
            tell(Step { table: table.name, done, of });
            let after = match positions.get(table.name) {
                Some(Position::After(key)) => Some(key.as_slice()),
                _ => None,
            };
            let rows = from.page(&shape, after, ROWS).await?;
            let Some(last) = rows.last() else { break };
            let key = shape.key_of(last);
            positions.insert(table.name.to_owned(), Position::After(key));
            done += rows.len() as u64;
            to.add(&shape, rows, &positions).await?;
            // Not before: each try comes further, however soon it is stopped.
            if stop.is_cancelled() {
                return Ok(false);
            }
        }
        if let Some(own) = table.own {
            link(from, to, &shape, own).await?;
        }
        if table.counts() {
            let last = from.last_id(table.name).await?;
            to.set_last_id(table.name, last).await?;
        }
        positions.insert(table.name.to_owned(), Position::Over);
        to.set_positions(&positions).await?;
    }
    Ok(true)
}

/// Lets rows name others of their table, now that all are there.
async fn link(from: &mut End, to: &mut End, shape: &Shape, own: &'static str) -> Result<()> {
    let columns = vec![
        Column { name: "id".to_owned(), kind: Kind::Number },
        Column { name: own.to_owned(), kind: Kind::Number },
    ];
    let pairs = Shape { table: shape.table, columns };
    let mut after = None;
    loop {
        let rows = from.page(&pairs, after.as_deref(), ROWS).await?;
        let Some(last) = rows.last() else { return Ok(()) };
        after = Some(pairs.key_of(last));
        let named: Vec<Fields> = rows.into_iter().filter(|row| row[1] != Field::Nothing).collect();
        to.link(shape.table.name, own, &named).await?;
    }
}

/// Reads everything that an end holds, and what its ids have come to.
pub async fn sums(end: &mut End, tell: &mut (dyn FnMut(Step) + Send)) -> Result<Vec<Sum>> {
    let mut sums = Vec::with_capacity(TABLES.len());
    for table in &TABLES {
        let shape = end.shape(table).await?;
        let of = end.count(table.name).await?;
        let (mut hash, mut rows, mut after) = (Sha256::new(), 0, None::<Fields>);
        loop {
            tell(Step { table: table.name, done: rows, of });
            let page = end.page(&shape, after.as_deref(), ROWS).await?;
            let Some(last) = page.last() else { break };
            after = Some(shape.key_of(last));
            rows += page.len() as u64;
            page.iter().flatten().for_each(|field| take_in(&mut hash, field));
        }
        if table.counts() {
            take_in(&mut hash, &Field::Number(end.last_id(table.name).await?));
        }
        let sha256 = hash.finalize().iter().fold(String::with_capacity(64), |mut all, byte| {
            let _ = write!(all, "{byte:02x}");
            all
        });
        sums.push(Sum { table: table.name, rows, sha256 });
    }
    Ok(sums)
}

/// Each with its kind and its length, so that nothing else comes to the same.
fn take_in(hash: &mut Sha256, field: &Field) {
    match field {
        Field::Nothing => hash.update([0_u8]),
        Field::Number(number) => {
            hash.update([1_u8]);
            hash.update(number.to_be_bytes());
        }
        Field::Fraction(number) => {
            hash.update([2_u8]);
            // A file keeps no sign of a nought.
            hash.update((number + 0.0).to_bits().to_be_bytes());
        }
        Field::Text(text) => {
            hash.update([3_u8]);
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::sql::SqlBoard;
    use crate::clock::ManualClock;
    use crate::domain::{BoardName, from_millis};
    use std::sync::Arc;

    /// A new board's file.
    async fn file(folder: &std::path::Path) -> End {
        let (path, clock) = (folder.join("board.db"), Arc::new(ManualClock::at(from_millis(0))));
        SqlBoard::open(&path, BoardName::new("main"), clock).await.unwrap().close().await;
        End::file(&path).await.unwrap()
    }

    #[tokio::test]
    async fn every_table_of_a_board_is_carried_over() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = file(folder.path()).await;
        let mut listed: Vec<&str> = TABLES.iter().map(|table| table.name).collect();
        listed.sort_unstable();
        assert_eq!(file.tables().await.unwrap(), listed);
    }

    #[tokio::test]
    async fn columns_that_the_database_computes_are_not_carried_over() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = file(folder.path()).await;
        let tasks = TABLES.iter().find(|table| table.name == "tasks").unwrap();
        let shape = file.shape(tasks).await.unwrap();
        let names: Vec<&str> = shape.columns.iter().map(|column| column.name.as_str()).collect();
        assert!(names.contains(&"priority") && names.contains(&"plan_hours"), "{names:?}");
        assert!(!names.contains(&"priority_key") && !names.contains(&"recent"), "{names:?}");
    }

    #[test]
    fn positions_come_back_as_they_were_written() {
        let key = vec![Field::Text("r-1\0\"".to_owned()), Field::Number(i64::MAX)];
        let positions: Positions =
            [("marks".to_owned(), Position::After(key)), ("tasks".to_owned(), Position::Over)]
                .into();
        let text = serde_json::to_string(&positions).unwrap();
        assert!(!text.contains('\0'));
        assert_eq!(serde_json::from_str::<Positions>(&text).unwrap(), positions);
    }

    #[test]
    fn two_contents_never_come_to_the_same_sum() {
        let sum = |fields: &[Field]| {
            let mut hash = Sha256::new();
            for field in fields {
                take_in(&mut hash, field);
            }
            hash.finalize().to_vec()
        };
        let text = |text: &str| Field::Text(text.to_owned());
        assert_ne!(sum(&[text("ab"), text("c")]), sum(&[text("a"), text("bc")]));
        assert_ne!(sum(&[Field::Nothing, text("")]), sum(&[text(""), Field::Nothing]));
        assert_ne!(sum(&[Field::Number(0)]), sum(&[Field::Fraction(0.0)]));
        assert_eq!(sum(&[Field::Fraction(-0.0)]), sum(&[Field::Fraction(0.0)]));
    }
}
