//! Board and ledger of a state folder go to PostgreSQL and come back: all of it, once, from wherever it
//! was broken off, and with nobody at work behind it.

mod broken_off;
mod refused;
mod there_and_back;

use super::transfer::sample::Sample;
use crate::support::postgres::{self, Team};
use rota::app::App;
use rota::app::failure::Failure;
use rota::app::house::{BoardOf, House as _, MigrateOptions, MoveReport, MoveStep, MoveTo, Place};
use rota::board::sql::SqlBoard;
use rota::board::{Board as _, Tasks as _};
use rota::clock::SystemClock;
use rota::domain::{BoardName, Fence, NewTask, Stamp, TaskEdit, TaskId};
use rota::store::postgres::PostgresStore;
use rota::store::sled::{SledOptions, SledStore};
use rota::store::{Batch, Store};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Row as _};
use std::path::PathBuf;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// A folder with a board and a ledger that hold something of everything, and a schema to go to.
struct Scene {
    folder: tempfile::TempDir,
    team: Team,
    sample: Sample,
    /// A task whose fence was raised.
    fenced: TaskId,
    /// A task that was deleted: its number is never given again.
    gone: TaskId,
}

/// More rows than one step carries.
const ROWS: usize = 1_500;
/// Of a task: the seventh in the third epoch.
const FENCE: Fence = Fence((3 << 32) + 7);

impl Scene {
    /// `None` where there is no PostgreSQL.
    async fn new() -> Option<Self> {
        let team = postgres::schema().await?;
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("state")).unwrap();
        let path = folder.path().join("state/board.sqlite");
        let board = open(&path).await;
        let sample = Sample::put_onto(&board).await;
        let (fenced, gone) = fill(&board, &sample).await;
        board.close().await;
        let scene = Self { folder, team, sample, fenced, gone };
        scene.at_home();
        let store = scene.store();
        for begin in (0..ROWS).step_by(100) {
            let rows = begin..begin + 100;
            let batch = rows.fold(Batch::new(), |batch, row| {
                let kind = ["alpha/main", "beta", "gamma", "delta"][row % 4];
                batch
                    .put(format!("{kind}/{row:06}"), format!("{{\"row\":{row},\"é\":\"\\u0000\"}}"))
            });
            store.commit(batch).await.unwrap();
        }
        store.commit(Batch::new().delete("gamma/000002").put("epoch", "3")).await.unwrap();
        Some(scene)
    }

    /// `rota.toml` says that all of it is in the state folder.
    fn at_home(&self) {
        std::fs::write(self.config(), "").unwrap();
    }

    /// It says what the report asked for.
    fn as_told(&self, report: &MoveReport) {
        let url = format!("url = \"{}\"", self.team.url());
        let lines = report.lines.replace("url = { env = \"ROTA_POSTGRES_URL\" }", &url);
        std::fs::write(self.config(), lines).unwrap();
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("rota.toml")
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    fn place(&self) -> Place {
        Place {
            config: Some(self.config()),
            state: self.state(),
            is_state_named: true,
            zone: None,
            board: BoardOf::Configuration,
        }
    }

    fn to_server(&self) -> MoveTo {
        MoveTo::Postgres {
            url: self.team.url().to_owned().into(),
            schema: self.team.schema_name().to_owned(),
            plain: false,
        }
    }

    async fn go(&self, to: MoveTo) -> Result<MoveReport, Failure> {
        let stop = CancellationToken::new();
        App.migrate(&self.place(), MigrateOptions { to, dry_run: false }, nobody(), stop).await
    }

    /// The board in the state folder.
    async fn board(&self) -> SqlBoard {
        open(&self.state().join("board.sqlite")).await
    }

    /// The board in the schema.
    async fn board_there(&self) -> SqlBoard {
        let (name, clock) = (BoardName::new("main"), SystemClock::shared());
        SqlBoard::shared(self.team.cluster(4), name, clock).await.unwrap()
    }

    fn store(&self) -> SledStore {
        let folder = self.state().join("store");
        SledStore::open(&folder, SledOptions::default(), SystemClock::shared()).unwrap()
    }

    async fn store_there(&self) -> PostgresStore {
        PostgresStore::open(self.team.cluster(2)).await.unwrap()
    }

    /// Every row of every table of the board in the state folder, and what its ids have come to.
    async fn rows(&self) -> Vec<String> {
        let path = self.state().join("board.sqlite");
        let options = SqliteConnectOptions::new().filename(path);
        let mut connection = options.connect().await.unwrap();
        let tables = "select name from sqlite_master where type = 'table' and name not like 'sqlite_stat%' \
                      order by name";
        let tables = sqlx::query(tables).fetch_all(&mut connection).await.unwrap();
        let mut all = Vec::new();
        for table in tables {
            let table: String = table.get(0);
            let columns = format!("select name from pragma_table_info('{table}') order by cid");
            let columns = sqlx::query(AssertSqlSafe(columns)).fetch_all(&mut connection).await;
            // Of a text with the character 0 only its bytes tell all.
            let quoted = |row: &sqlx::sqlite::SqliteRow| {
                let name: String = row.get(0);
                format!("typeof(\"{name}\") || hex(\"{name}\")")
            };
            let columns: Vec<String> = columns.unwrap().iter().map(quoted).collect();
            let columns = columns.join(" || '|' || ");
            let sql = format!("select {columns} from {table} order by 1");
            let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut connection).await.unwrap();
            all.extend(rows.iter().map(|row| format!("{table}: {}", row.get::<String, _>(0))));
        }
        connection.close().await.unwrap();
        all
    }
}

async fn open(path: &std::path::Path) -> SqlBoard {
    SqlBoard::open(path, BoardName::new("main"), SystemClock::shared()).await.unwrap()
}

fn nobody() -> watch::Sender<MoveStep> {
    watch::channel(MoveStep::default()).0
}

/// What is easily lost: a text that no PostgreSQL holds, an id that is not given again, a parent behind
/// its child, a fence, many rows.
async fn fill(board: &SqlBoard, sample: &Sample) -> (TaskId, TaskId) {
    let by = Stamp::by(sample.ann);
    let strange = "\0 \u{1}\u{2}\u{3} é \u{1F980} 'quoted' \\ %";
    let strange =
        NewTask::new(sample.website, "Strange").with(TaskEdit::Description(strange.into()));
    board.add_task(&by, strange).await.unwrap();
    let first = board.add_task(&by, NewTask::new(sample.shop, "Child")).await.unwrap().after.id;
    let later = board.add_task(&by, NewTask::new(sample.shop, "Parent")).await.unwrap().after.id;
    board.edit_task(&by, first, &[TaskEdit::Parent(Some(later))]).await.unwrap();
    board.raise_fence(first, FENCE).await.unwrap();
    for number in 0..600 {
        let edit = [TaskEdit::Sort(number)];
        board.edit_task(&by, later, &edit).await.unwrap();
    }
    let gone = board.add_task(&by, NewTask::new(sample.shop, "Gone")).await.unwrap().after.id;
    board.delete_task(&by, gone).await.unwrap();
    (first, gone)
}

/// Every row of a store.
async fn content(store: &dyn Store) -> Vec<(String, Vec<u8>)> {
    let (mut all, mut after) = (Vec::new(), None::<String>);
    loop {
        let rows = store.scan("", after.as_deref(), 500).await.unwrap();
        let Some(last) = rows.last() else { return all };
        after = Some(last.key.clone());
        all.extend(rows.into_iter().map(|row| (row.key, row.value)));
    }
}
