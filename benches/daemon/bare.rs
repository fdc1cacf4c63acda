//! What the writes of a run cost without Rota: for each, two durable commits of the store's engine (intent
//! and result) and one transaction of the board's database. No run can cost less with these two.

use nix::time::{ClockId, clock_gettime};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _};
use std::path::Path;
use std::time::Duration;

/// An intent or a result is about so large.
const RECORD_BYTES: usize = 560;
const TABLES: &str = "create table tasks (id integer primary key, headline text, modified integer);
    create table people (id integer primary key, name text);
    create table fences (task integer primary key, fence integer);
    create table marks (run text, seq integer, entity integer, primary key (run, seq));
    create table comments (id integer primary key, task integer, text text);
    create table activity (id integer primary key, task integer, field text, after text);
    insert into tasks values (1, 'A task', 0);
    insert into people values (1, 'An agent');
    insert into fences values (1, 1);";
/// What one comment of a run reads and writes, without what is only ours.
const STATEMENTS: [&str; 8] = [
    "select entity from marks where run = 'r' and seq = 0",
    "select fence from fences where task = 1",
    "select name from people where id = 1",
    "select headline from tasks where id = 1",
    "insert into comments (task, text) values (1, 'Found it.')",
    "update tasks set modified = modified + 1 where id = 1",
    "insert into activity (task, field, after) values (1, 'comment', 'Found it.')",
    "insert into marks (run, seq, entity) select 'r', coalesce(max(seq), 0) + 1, 1 from marks",
];

/// The processor time of this process for so many writes, for each round.
pub fn writes(folder: &Path, writes: usize, rounds: usize) -> Vec<Duration> {
    std::fs::create_dir_all(folder).unwrap();
    let engine = sled::Config::new()
        .path(folder.join("store"))
        .cache_capacity(8 * 1024 * 1024)
        .flush_every_ms(None)
        .open()
        .unwrap();
    let log = folder.join("store/db");
    let log = std::fs::File::options().read(true).write(true).open(log).unwrap();
    let options = SqliteConnectOptions::new()
        .filename(folder.join("board.sqlite"))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .disable_statement_logging();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut number = 0_u64;
    let mut commit = || {
        number += 1;
        let key = format!("effect/{number}");
        engine
            .compare_and_swap(key, None::<&[u8]>, Some(&[b'x'; RECORD_BYTES][..]))
            .unwrap()
            .unwrap();
        engine.flush().unwrap();
        log.sync_data().unwrap();
    };
    runtime.block_on(async {
        let mut board = options.connect().await.unwrap();
        board.execute(TABLES).await.unwrap();
        let mut used = Vec::new();
        // The first round warms what is opened once.
        for round in 0..=rounds {
            let before = processor();
            for _ in 0..writes {
                commit();
                let mut step = board.begin_with("begin immediate").await.unwrap();
                for statement in STATEMENTS {
                    sqlx::query(statement).fetch_all(&mut *step).await.unwrap();
                }
                step.commit().await.unwrap();
                commit();
            }
            if round > 0 {
                used.push(processor().saturating_sub(before));
            }
        }
        used
    })
}

fn processor() -> Duration {
    clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).unwrap().into()
}
