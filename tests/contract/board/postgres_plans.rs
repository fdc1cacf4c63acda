//! How PostgreSQL finds what is asked of a board of many tasks: by indexes, and by reading no more rows than
//! a page needs. Told by the server's own counters, so whichever plans were used are those of real questions.

use super::{World, noon};
use crate::support::postgres::Team;
use rota::board::sql::SqlBoard;
use rota::board::{Board as _, Comments as _, History as _, Tasks as _};
use rota::clock::ManualClock;
use rota::domain::{
    ActivityId, ActivityQuery, AssigneeFilter, BoardName, CommentQuery, CommentTarget, Fence,
    PersonId, ProjectId, Stamp, StatusId, StatusKind, TaskEdit, TaskId, TaskOrder, TaskQuery,
    from_millis,
};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _};
use std::sync::Arc;

const TASKS: i64 = 20_000;
/// More often than a statement is planned anew before one plan may be kept.
const ROUNDS: i64 = 8;
/// A question reads no more rows than this, of tables and indexes together: a page has 100.
const ROWS_MAX: i64 = 6_000;
const FILL: &str = include_str!("../../fixtures/board/many_tasks.sql");
/// The tables that grow with the board.
const LARGE: &str = "('tasks', 'task_tags', 'task_words', 'comments', 'activity')";

/// A team with many tasks, known to the planner, and nobody at work.
struct Many {
    team: Team,
    ann: PersonId,
    bob: PersonId,
    alpha: ProjectId,
}

/// `None`: there is no PostgreSQL, or one (14) that counts what sessions did at some time after their end.
async fn many() -> Option<Many> {
    let World { team, ann, bob, alpha, .. } = World::postgres().await?;
    let many = Many { team: team.unwrap(), ann, bob, alpha };
    let version: i64 = many.team.psql("show server_version_num").parse().unwrap();
    if version < 150_000 {
        return None;
    }
    many.say(&FILL.replace("{tasks}", &TASKS.to_string())).await;
    many.say("analyze tasks, task_tags, task_words, comments, activity").await;
    Some(many)
}

impl Many {
    /// As the role of its daemons, whose sessions are waited for.
    async fn say(&self, sql: &str) {
        let mut session = PgConnection::connect(self.team.url()).await.unwrap();
        let sql = format!("set search_path = {}; {sql}", self.team.schema_name());
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut session).await.unwrap();
        session.close().await.unwrap();
    }

    async fn board(&self, connections: u32) -> SqlBoard {
        let (name, clock) = (BoardName::new("main"), Arc::new(ManualClock::at(noon())));
        SqlBoard::shared(self.team.cluster(connections), name, clock).await.unwrap()
    }
}

/// How often tables were read through, and how many rows were read of them and their indexes.
fn counted(team: &Team) -> (i64, i64) {
    let number = |sql: String| team.psql(&sql).parse::<i64>().unwrap();
    let of_tables = format!("schemaname = current_schema() and relname in {LARGE}");
    let scans = number(format!("select sum(seq_scan) from pg_stat_user_tables where {of_tables}"));
    let read = number(format!(
        "select (select sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) from pg_stat_user_tables \
         where {of_tables}) + (select sum(idx_tup_read) from pg_stat_user_indexes where {of_tables})"
    ));
    (scans, read)
}

/// Waits until no session of the team's daemons is left: each tells its counts at its end.
async fn told(team: &Team) {
    let left =
        format!("select count(*) from pg_stat_activity where usename = '{}'", team.schema_name());
    while team.psql(&left) != "0" {
        tokio::task::yield_now().await;
    }
}

/// Asks again and again by one connection, as a daemon does; no table is read through, and few rows are
/// read for each answer.
async fn finds_by_index<F>(many: &Many, what: &str, ask: impl Fn(Arc<SqlBoard>, i64) -> F)
where
    F: Future<Output = usize>,
{
    told(&many.team).await;
    let before = counted(&many.team);
    let board = Arc::new(many.board(1).await);
    let mut found = 0;
    for round in 0..ROUNDS {
        found += ask(Arc::clone(&board), round).await;
    }
    board.close().await;
    told(&many.team).await;
    let after = counted(&many.team);
    assert!(found > 0, "{what}: nothing was found");
    assert_eq!(after.0 - before.0, 0, "{what}: a table was read through");
    let read = (after.1 - before.1) / ROUNDS;
    assert!(read > 0 && read <= ROWS_MAX, "{what}: {read} rows were read for each answer");
}

async fn tasks_are_found_by_index(many: &Many, what: &str, query: impl Fn(i64) -> TaskQuery) {
    finds_by_index(many, what, |board, round| {
        let query = query(round);
        async move { board.tasks(&query).await.unwrap().items.len() }
    })
    .await;
}

fn of_kind(kind: StatusKind) -> TaskQuery {
    TaskQuery { kinds_of_status: vec![kind], limit: 100, ..TaskQuery::default() }
}

#[tokio::test]
async fn candidates_of_playbooks_are_found_by_index() {
    let Some(w) = many().await else { return };
    let new = || of_kind(StatusKind::New);
    let nobody = || TaskQuery { assignee: AssigneeFilter::Nobody, ..new() };
    tasks_are_found_by_index(&w, "a tag", |round| TaskQuery {
        tags_any: vec![format!("tag {}", round * 7)],
        order: TaskOrder::Priority,
        limit: 1_000,
        ..nobody()
    })
    .await;
    tasks_are_found_by_index(&w, "one tag and not another", |round| TaskQuery {
        tags_all: vec![format!("tag {round}")],
        tags_none: vec!["team 1".to_owned()],
        ..TaskQuery::default()
    })
    .await;
    tasks_are_found_by_index(&w, "nobody's", |_| nobody()).await;
    tasks_are_found_by_index(&w, "a project's", |_| TaskQuery {
        projects: vec![w.alpha],
        order: TaskOrder::Priority,
        ..nobody()
    })
    .await;
    tasks_are_found_by_index(&w, "one person's", |_| TaskQuery {
        assignee: AssigneeFilter::OneOf(vec![w.bob]),
        ..new()
    })
    .await;
}

#[tokio::test]
async fn pages_of_tasks_are_found_by_index_however_far_they_are() {
    let Some(w) = many().await else { return };
    tasks_are_found_by_index(&w, "a column", |_| TaskQuery {
        projects: vec![w.alpha],
        statuses: vec![StatusId(3)],
        order: TaskOrder::Priority,
        limit: 100,
        ..TaskQuery::default()
    })
    .await;
    let due = || TaskQuery {
        due_from: Some(from_millis(0)),
        order: TaskOrder::Due,
        ..of_kind(StatusKind::New)
    };
    tasks_are_found_by_index(&w, "what is due", |_| due()).await;
    let modified = || TaskQuery { order: TaskOrder::Modified, ..of_kind(StatusKind::Done) };
    let mut far = modified();
    let board = w.board(1).await;
    for _ in 0..20 {
        far.after = board.tasks(&far).await.unwrap().next;
        assert!(far.after.is_some(), "there are as many pages");
    }
    board.close().await;
    tasks_are_found_by_index(&w, "page 21", |_| far.clone()).await;
    finds_by_index(&w, "some by their numbers", |board, round| async move {
        let ids = (1..=50).map(|id| TaskId(id * 7 + round)).collect();
        board.tasks(&TaskQuery { ids, ..TaskQuery::default() }).await.unwrap().items.len()
    })
    .await;
}

#[tokio::test]
async fn news_threads_and_single_tasks_are_found_by_index() {
    let Some(w) = many().await else { return };
    let board = w.board(1).await;
    let latest = board.latest_activity().await.unwrap();
    board.close().await;
    finds_by_index(&w, "one task", |board, round| async move {
        usize::from(board.task(TaskId(1 + round * 99)).await.unwrap().id.0 > 0)
    })
    .await;
    finds_by_index(&w, "a thread", |board, round| async move {
        let on = Some(CommentTarget::Task(TaskId(5 + round * 5)));
        let query = CommentQuery { on, ..CommentQuery::default() };
        board.comments(&query).await.unwrap().items.len()
    })
    .await;
    finds_by_index(&w, "news", |board, _| async move {
        let after = Some(ActivityId(latest.0 - 20));
        let query = ActivityQuery { after, limit: 1_000, ..ActivityQuery::default() };
        board.activity(&query).await.unwrap().items.len()
    })
    .await;
    let alpha = w.alpha;
    finds_by_index(&w, "a project's story", |board, _| async move {
        let (projects, latest_first) = (vec![alpha], true);
        let query =
            ActivityQuery { projects, latest_first, limit: 100, ..ActivityQuery::default() };
        board.activity(&query).await.unwrap().items.len()
    })
    .await;
    finds_by_index(&w, "a task's story", |board, round| async move {
        let task = Some(TaskId(1 + round * 9));
        let query = ActivityQuery { task, ..ActivityQuery::default() };
        board.activity(&query).await.unwrap().items.len()
    })
    .await;
    finds_by_index(&w, "the latest", |board, _| async move {
        usize::from(board.latest_activity().await.unwrap().0 > 0)
    })
    .await;
    finds_by_index(&w, "people and projects", |board, _| async move {
        board.directory().await.unwrap().people.len()
    })
    .await;
}

#[tokio::test]
async fn a_fenced_write_reads_nothing_but_its_task() {
    let Some(w) = many().await else { return };
    let ann = w.ann;
    finds_by_index(&w, "a write", |board, round| async move {
        let (task, fence) = (TaskId(1 + round * 99), Fence(7));
        board.raise_fence(task, fence).await.unwrap();
        let stamp = Stamp { claim: Some((task, fence)), ..Stamp::by(ann) };
        let edits = [TaskEdit::Sort(round + 1), TaskEdit::AddTag("claimed".into())];
        usize::from(board.edit_task(&stamp, task, &edits).await.unwrap().changed)
    })
    .await;
}

#[tokio::test]
async fn a_table_that_is_read_through_is_noticed() {
    let Some(w) = many().await else { return };
    told(&w.team).await;
    let before = counted(&w.team);
    w.say("select count(*) from tasks where description like '%nobody wrote this%'").await;
    told(&w.team).await;
    let after = counted(&w.team);
    assert!(after.0 > before.0 && after.1 - before.1 >= TASKS, "{before:?}, {after:?}");
}
