//! A board with 50,000 tasks: the page shows some of each column, quickly, and says that there are more.

use super::somebody;
use crate::mcp::team;
use crate::support::rota::Rota;
use sqlx::{Connection as _, SqliteConnection};
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::Instant;

/// So many tasks.
const TASKS: i64 = 50_000;
/// A page is no longer.
const BYTES_MAX: usize = 1024 * 1024;
/// And takes no longer, by a program that was built to be fast.
const TIME_MAX: Duration = Duration::from_millis(200);
/// The same by one that was built to be tried, beside others at work.
const SLOW_MAX: Duration = Duration::from_secs(1);

/// The board's file.
fn board(rota: &Rota) -> PathBuf {
    let files = std::fs::read_dir(rota.state()).unwrap().map(|entry| entry.unwrap().path());
    let mut boards = files.filter(|path| path.extension().is_some_and(|end| end == "sqlite"));
    boards.next().expect("there is no board")
}

/// Far faster than by the board itself: with SQL, while nobody has it open.
async fn fill(rota: &Rota) {
    let url = format!("sqlite:{}", board(rota).display());
    let mut to = SqliteConnection::connect(&url).await.unwrap();
    // As `cargo bench --bench pages` measures it.
    let rows = include_str!("../../benches/pages/tasks.sql");
    sqlx::raw_sql(rows).execute(&mut to).await.unwrap();
    let count: i64 = sqlx::query_scalar("select count(*) from tasks where tags = '[\"web\"]'")
        .fetch_one(&mut to)
        .await
        .unwrap();
    assert_eq!(count, TASKS);
    to.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_thousand_tasks_are_a_short_page_in_little_time() {
    let rota = team();
    fill(&rota).await;
    let serving = rota.serve(Vec::<&str>::new());
    let mut ada = somebody(&rota, &serving, "Ada").await;
    for path in ["/board?project=1", "/board?project=1&tag=web", "/board?project=1&column=3", "/"] {
        let mut took = Vec::new();
        let mut bytes = 0;
        for _ in 0..7 {
            let begun = Instant::now();
            let reply = ada.get(path).await;
            took.push(begun.elapsed());
            assert_eq!(reply.status, 200, "{path}: {}", reply.text);
            bytes = reply.text.len();
            if path != "/" {
                let cards = reply.text.matches("data-card=").count();
                assert!((100..=200).contains(&cards), "{path}: {cards} cards");
                reply.page().says("More of ");
            }
        }
        took.sort();
        println!("{path}: {bytes} bytes, {:?} in the middle, {:?} at most", took[3], took[6]);
        assert!(bytes < BYTES_MAX, "{path}: {bytes} bytes");
        let most = if cfg!(debug_assertions) { SLOW_MAX } else { TIME_MAX };
        assert!(took[3] < most, "{path}: {took:?}");
    }
}
