//! A board with 50,000 tasks: the page shows some of each column, quickly, and says that there are more.

use super::somebody;
use crate::mcp::team;
use crate::support::rota::Rota;
use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection};
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::Instant;

/// So many tasks.
const TASKS: i64 = 50_000;
/// A page is no longer.
const BYTES_MAX: usize = 1024 * 1024;
/// And takes no longer, by a program that was built to be fast.
const TIME_MAX: Duration = Duration::from_millis(200);

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
    let rows = format!(
        "begin; insert into tasks (project, kind, status, status_kind, priority, assignee, author, due, modified, \
         created, revision, sort, headline, tags, collaborators, blocked_by, fields, acceptance_criteria, description) \
         with recursive n(i) as (select 1 union all select i + 1 from n where i < {TASKS}) \
         select 1, 'task', case i % 5 when 0 then 3 when 1 then 4 when 2 then 1 when 3 then 2 else 0 end, i % 5, \
         nullif(i % 6, 0), nullif(i % 4, 0), 1, 1700000000000 + i * 1000, 1700000000000 + i, 1700000000000, 1, 0, \
         'Task number ' || i || ' about something that is said in a few words', '[\"web\"]', '[]', '[]', '{{}}', '', \
         replace(hex(zeroblob(500)), '0', 'word ') from n; \
         insert into task_tags (folded, task, status_kind, priority_key, due_key, recent) \
         select 'web', id, status_kind, priority_key, due_key, recent from tasks where tags = '[\"web\"]'; \
         insert or ignore into task_words (task, headline, description) \
         select id, lower(headline), lower(description) from tasks; commit"
    );
    sqlx::raw_sql(AssertSqlSafe(rows)).execute(&mut to).await.unwrap();
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
        if !cfg!(debug_assertions) {
            assert!(took[3] < TIME_MAX, "{path}: {took:?}");
        }
    }
}
