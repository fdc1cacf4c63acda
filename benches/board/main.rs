//! How fast a large SQLite board answers: filtered pages in every order, and the digest's questions.
//!
//! `cargo bench --bench board -- --tasks 1000000`. Prints the median and the 99th percentile, and
//! the median's ratio to getting one task by id through bare sqlx.

#![expect(clippy::print_stdout, reason = "a bench prints")]
#![expect(clippy::disallowed_methods, reason = "a bench measures real time")]

mod load;

use chrono::TimeDelta;
use rota::board::sql::SqlBoard;
use rota::board::{Comments, Milestones, Tasks};
use rota::clock::SystemClock;
use rota::domain::{
    AssigneeFilter, BoardName, CommentQuery, MilestoneQuery, PersonId, ProjectId, Stamp, StatusId,
    StatusKind, TaskEdit, TaskId, TaskOrder, TaskQuery, Timestamp,
};
use sqlx::{Connection, Row, SqliteConnection};
use std::path::Path;
use std::time::{Duration, Instant};

const ROUNDS: i64 = 200;
const OPEN: [StatusKind; 4] =
    [StatusKind::New, StatusKind::InProgress, StatusKind::Blocked, StatusKind::Waiting];
const ORDERS: [TaskOrder; 4] =
    [TaskOrder::Id, TaskOrder::Priority, TaskOrder::Due, TaskOrder::Modified];

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().collect();
    let given = args.iter().position(|arg| arg == "--tasks").and_then(|at| args.get(at + 1));
    let tasks: i64 = given.map_or(Ok(100_000), |text| text.parse())?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("board.db");
    let now = chrono::Utc::now();
    let begun = Instant::now();
    let board = open(&file).await?;
    load::surroundings(&board, now).await?;
    board.close().await;
    load::tasks(&file, tasks, now).await?;
    let size = std::fs::metadata(&file)?.len() / 1_000_000;
    println!("{tasks} tasks, {size} MB, loaded in {:.1?}", begun.elapsed());
    let begun = Instant::now();
    let board = open(&file).await?;
    println!("opened in {:.2?}", begun.elapsed());
    let base = baseline(&file, tasks).await?;
    pages(&board, now, base).await?;
    digest(&board, now, base).await?;
    edits(&board, tasks, base).await
}

async fn open(file: &Path) -> anyhow::Result<SqlBoard> {
    Ok(SqlBoard::open(file, BoardName::new("main"), SystemClock::shared()).await?)
}

/// Prints a line and answers with the median.
fn show(what: &str, mut times: Vec<Duration>, base: Option<Duration>) -> Duration {
    times.sort_unstable();
    let at = |percent: usize| times[(times.len() * percent / 100).min(times.len() - 1)];
    let (median, tail) = (at(50), at(99));
    let base = base.unwrap_or(median);
    let ratio = median.as_secs_f64() / base.as_secs_f64();
    println!("{what:44} p50 {median:>10.1?}  p99 {tail:>10.1?}  ×{ratio:.1}");
    median
}

async fn baseline(file: &Path, tasks: i64) -> anyhow::Result<Duration> {
    let url = format!("sqlite:{}", file.display());
    let mut bare = SqliteConnection::connect(&url).await?;
    let mut times = Vec::new();
    for round in 0..ROUNDS * 5 {
        let begun = Instant::now();
        let row = sqlx::query("select * from tasks where id = $1")
            .bind(1 + round * 7919 % tasks)
            .fetch_one(&mut bare)
            .await?;
        let _: i64 = row.try_get(0)?;
        times.push(begun.elapsed());
    }
    Ok(show("one task by id, bare sqlx", times, None))
}

fn questions(now: Timestamp, round: i64) -> Vec<(&'static str, TaskQuery)> {
    let project = vec![ProjectId(1 + round % load::PROJECTS)];
    let person = AssigneeFilter::OneOf(vec![PersonId(1 + round % load::PEOPLE)]);
    let tag = vec![format!("tag {}", round % load::TAGS)];
    let day = now + TimeDelta::days(round % 60 - 30);
    let due = |days: i64| TaskQuery {
        due_from: Some(day),
        due_to: Some(day + TimeDelta::days(days)),
        ..TaskQuery::default()
    };
    let of =
        |projects: &[ProjectId]| TaskQuery { projects: projects.to_vec(), ..TaskQuery::default() };
    vec![
        ("project, status", TaskQuery { statuses: vec![StatusId(round % 5)], ..of(&project) }),
        ("project, open", TaskQuery { kinds_of_status: OPEN.to_vec(), ..of(&project) }),
        (
            "assignee, open",
            TaskQuery {
                assignee: person.clone(),
                kinds_of_status: OPEN.to_vec(),
                ..TaskQuery::default()
            },
        ),
        ("project, assignee", TaskQuery { assignee: person, ..of(&project) }),
        ("tag", TaskQuery { tags_all: tag.clone(), ..TaskQuery::default() }),
        (
            "tag, open",
            TaskQuery { tags_any: tag, kinds_of_status: OPEN.to_vec(), ..TaskQuery::default() },
        ),
        ("due in a day", due(1)),
        ("due in a week", due(7)),
        ("due in 30 days, open", TaskQuery { kinds_of_status: OPEN.to_vec(), ..due(30) }),
        ("project, due in a week", TaskQuery { projects: project, ..due(7) }),
        (
            "open, all projects",
            TaskQuery { kinds_of_status: OPEN.to_vec(), ..TaskQuery::default() },
        ),
    ]
}

async fn pages(board: &SqlBoard, now: Timestamp, base: Duration) -> anyhow::Result<()> {
    for kind in 0..questions(now, 0).len() {
        for order in ORDERS {
            let (mut first, mut second, mut found) = (Vec::new(), Vec::new(), 0);
            let mut name = "";
            for round in 0..ROUNDS {
                let (what, query) = questions(now, round).swap_remove(kind);
                name = what;
                let query = TaskQuery { order, limit: 50, ..query };
                let begun = Instant::now();
                let page = board.tasks(&query).await?;
                first.push(begun.elapsed());
                found += page.items.len();
                if page.next.is_some() {
                    let begun = Instant::now();
                    board.tasks(&TaskQuery { after: page.next, ..query }).await?;
                    second.push(begun.elapsed());
                }
            }
            let average = i64::try_from(found)? / ROUNDS;
            show(&format!("{name}, by {order:?} ({average})"), first, Some(base));
            if !second.is_empty() {
                show(&format!("{name}, by {order:?}, page 2"), second, Some(base));
            }
        }
    }
    Ok(())
}

/// What a morning's digest asks: all of it together is one time.
async fn digest(board: &SqlBoard, now: Timestamp, base: Duration) -> anyhow::Result<()> {
    let mut times = Vec::new();
    let mut found = 0;
    for _ in 0..ROUNDS {
        let due = |from: Timestamp, to: Timestamp| TaskQuery {
            due_from: Some(from),
            due_to: Some(to),
            kinds_of_status: OPEN.to_vec(),
            order: TaskOrder::Due,
            limit: 1_000,
            ..TaskQuery::default()
        };
        let begun = Instant::now();
        let (day, week) = (TimeDelta::days(1), TimeDelta::days(7));
        found += board.tasks(&due(now - day, now)).await?.items.len();
        found += board.tasks(&due(now, now + day)).await?.items.len();
        let rated = CommentQuery {
            rated: true,
            from: Some(now - week),
            limit: 1_000,
            ..CommentQuery::default()
        };
        found += board.comments(&rated).await?.items.len();
        let near = MilestoneQuery {
            to_from: Some(now),
            to_before: Some(now + week),
            ..MilestoneQuery::default()
        };
        found += board.milestones(&near).await?.len();
        times.push(begun.elapsed());
    }
    show(&format!("digest ({} rows)", i64::try_from(found)? / ROUNDS), times, Some(base));
    Ok(())
}

async fn edits(board: &SqlBoard, tasks: i64, base: Duration) -> anyhow::Result<()> {
    let by = Stamp::by(PersonId(1));
    let mut times = Vec::new();
    for round in 0..ROUNDS {
        let id = TaskId(1 + round * 104_729 % tasks);
        let begun = Instant::now();
        board.edit_task(&by, id, &[TaskEdit::Sort(round + 1)]).await?;
        times.push(begun.elapsed());
    }
    show("one edit, durable", times, Some(base));
    Ok(())
}
