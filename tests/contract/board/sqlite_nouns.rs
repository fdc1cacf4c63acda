//! What only a file does with the nouns of planning and time: it is migrated, and opened again.

use super::{World, conflict, day, noon};
use rota::board::sql::SqlBoard;
use rota::board::{Board, Members, Sprints, Tasks, Timers, Timesheets};
use rota::clock::ManualClock;
use rota::domain::{
    BoardName, CommentQuery, CommentTarget, MemberQuery, NewComment, NewSprint, NewTask, NewTimer,
    PersonId, ProjectId, SprintId, Stamp, StopTimer, TaskEdit, TaskId, TaskQuery, TimeAmount,
    TimeChange, TimeKind, TimeQuery, TimerKind, TimerLog, TimerQuery,
};
use sqlx::Connection;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// The schema of boards that were written before there were goals, and is never changed.
const FIRST: &str = include_str!("../../fixtures/board/schema_1.sql");
/// What such a board held.
const HELD: &str = "
    pragma application_id = 1383036001; pragma user_version = 1;
    insert into people (name, folded, email, kind, role)
        values ('Ann', 'ann', null, 'person', 'editor');
    insert into projects (name, folded, details, closed, statuses, created)
        values ('Old', 'old', '', 0, '[{\"id\":3,\"label\":\"New\",\"kind\":\"new\",\"order\":0}]', 7);
    insert into tasks (project, kind, status, status_kind, modified, created, revision, sprint, sort,
        headline, tags, collaborators, blocked_by, fields, acceptance_criteria, description,
        work_from, work_to)
        values (1, 'task', 3, 0, 7, 7, 4, 41, 0, 'Kept', '[\"t\"]', '[]', '[]', '{}', '', 'd', 9, 8);
    insert into task_tags values ('t', 1, 0, 9, 9223372036854775807, -7);
    insert into task_words values (1, 'kept', 'd');
    insert into comments (task, author, text, created) values (1, 1, 'Hello', 7);
    insert into activity (at, actor, entity, entity_id, task, project, field, before, after)
        values (7, 1, 'task', 1, 1, 1, 'created', 'null', '\"Kept\"');
    insert into fences values (1, 5);
";

async fn at(path: &Path) -> rota::board::Result<SqlBoard> {
    SqlBoard::open(path, BoardName::new("main"), Arc::new(ManualClock::at(noon()))).await
}

async fn old_file(path: &Path) {
    let url = format!("sqlite:{}?mode=rwc", path.display());
    let mut bare = sqlx::SqliteConnection::connect(&url).await.unwrap();
    sqlx::raw_sql(FIRST).execute(&mut bare).await.unwrap();
    sqlx::raw_sql(HELD).execute(&mut bare).await.unwrap();
    bare.close().await.unwrap();
}

fn started(person: PersonId, task: TaskId) -> NewTimer {
    NewTimer { person, task: Some(task), kind: TimerKind::Work, started: None, planned: None }
}

#[tokio::test]
async fn a_board_of_the_first_schema_opens_with_all_it_held_and_learns_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("board.db");
    old_file(&path).await;
    let board = at(&path).await.unwrap();
    let (by, task) = (Stamp::by(PersonId(1)), TaskId(1));
    let kept = board.task(task).await.unwrap();
    assert_eq!(
        (kept.headline.as_str(), kept.revision, kept.sprint),
        ("Kept", 4, Some(SprintId(41)))
    );
    let comments = rota::board::Comments::comments(&board, &CommentQuery::default()).await.unwrap();
    assert_eq!(comments.items[0].on, CommentTarget::Task(task));
    let new = NewSprint { project: ProjectId(1), name: "S".into(), from: day(0), to: day(1) };
    let sprint = board.add_sprint(&by, new).await.unwrap().after;
    assert_eq!(sprint.id, SprintId(42), "no number that a task already names");
    let (amount, kind) = (TimeAmount::Add(60), TimeKind::Testing);
    let person = PersonId(1);
    let change = TimeChange { task, person, day: day(0), kind, amount, description: None };
    board.log_time(&by, change).await.unwrap();
    board.start_timer(&by, started(person, task)).await.unwrap();
    // Plans from before they were checked stay until they are changed.
    board.edit_task(&by, task, &[TaskEdit::Headline("Still".into())]).await.unwrap();
    let edit = [TaskEdit::Sprint(Some(sprint.id))];
    assert_eq!(board.edit_task(&by, task, &edit).await.unwrap().after.sprint, Some(sprint.id));
    assert!(board.members(&MemberQuery::default()).await.unwrap().items.is_empty());
    let members = board.projects_of(person).await.unwrap();
    assert_eq!(members.len(), 1, "it lists nobody, so it is everybody's");
    let lower = Stamp { claim: Some((task, rota::domain::Fence(4))), ..by.clone() };
    assert!(board.edit_task(&lower, task, &[]).await.is_err(), "fences are kept");
    let before = super::random_everything(&board).await;
    board.close().await;
    let again = at(&path).await.unwrap();
    assert_eq!(super::random_everything(&again).await, before);
    assert_eq!(again.time_entries(&TimeQuery::default()).await.unwrap().items.len(), 1);
}

#[tokio::test]
async fn two_who_open_an_old_file_at_once_both_succeed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("board.db");
    old_file(&path).await;
    let (one, two) = tokio::join!(at(&path), at(&path));
    let (one, two) = (one.unwrap(), two.unwrap());
    let task = NewTask::new(ProjectId(1), "New");
    one.add_task(&Stamp::by(PersonId(1)), task).await.unwrap();
    assert_eq!(two.tasks(&TaskQuery::default()).await.unwrap().items.len(), 2);
}

#[tokio::test]
async fn a_migrated_file_has_the_schema_of_a_new_one() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (folder.path().join("old.db"), folder.path().join("new.db"));
    old_file(&old).await;
    let mut schemas = Vec::new();
    for path in [&old, &new] {
        at(path).await.unwrap().close().await;
        let url = format!("sqlite:{}", path.display());
        let mut bare = sqlx::SqliteConnection::connect(&url).await.unwrap();
        let sql = "select name, sql from sqlite_master order by type, name";
        let rows: Vec<(String, Option<String>)> =
            sqlx::query_as(sql).fetch_all(&mut bare).await.unwrap();
        let version: i64 =
            sqlx::query_scalar("pragma user_version").fetch_one(&mut bare).await.unwrap();
        schemas.push((rows, version));
    }
    assert_eq!(schemas[0], schemas[1]);
}

#[tokio::test]
async fn a_timer_survives_the_end_of_the_program() {
    let w = World::sqlite().await;
    let task = w.task("x").await.id;
    let timer = w.board.start_timer(&w.by(), started(w.ann, task)).await.unwrap().after;
    let World { board, folder, clock, ann, .. } = w;
    drop(board);
    clock.advance(Duration::from_secs(3_601));
    let path = folder.path().join("board.db");
    let again = SqlBoard::open(&path, BoardName::new("main"), clock.clone()).await.unwrap();
    assert_eq!(
        again.timers(&TimerQuery::default()).await.unwrap().items,
        std::slice::from_ref(&timer)
    );
    let by = Stamp::by(ann);
    conflict(again.start_timer(&by, started(ann, task)).await);
    let log = Some(TimerLog { day: day(0), kind: TimeKind::Development, description: None });
    let stop = StopTimer { person: ann, task: Some(task), log };
    let stopped = again.stop_timer(&by, stop).await.unwrap().after;
    assert_eq!((stopped.timer, stopped.ran, stopped.logged), (timer, 3_601, 3_660));
}

#[tokio::test]
async fn of_two_handles_that_start_one_timer_the_second_hears_of_the_first() {
    let w = World::sqlite().await;
    let task = w.task("x").await.id;
    let other: Arc<dyn Board> = Arc::new(at(&w.folder.path().join("board.db")).await.unwrap());
    let by = w.by();
    let (one, two) = tokio::join!(
        w.board.start_timer(&by, started(w.ann, task)),
        other.start_timer(&by, started(w.ann, task)),
    );
    assert_eq!(usize::from(one.is_ok()) + usize::from(two.is_ok()), 1, "{one:?} {two:?}");
    let adds = (0..40).map(|number| {
        let board = if number % 2 == 0 { w.board.clone() } else { other.clone() };
        let (by, person) = (w.by(), w.bob);
        let (kind, amount) = (TimeKind::Testing, TimeAmount::Add(1));
        let change = TimeChange { task, person, day: day(0), kind, amount, description: None };
        async move { board.log_time(&by, change).await }
    });
    for written in futures::future::join_all(adds).await {
        written.unwrap();
    }
    let entries = other.time_entries(&TimeQuery::default()).await.unwrap().items;
    assert_eq!((entries.len(), entries[0].seconds), (1, 40), "none is lost");
    let text = "x".to_owned();
    let on = CommentTarget::Task(task);
    w.board.add_comment(&by, NewComment { on, text, parent: None, rating: None }).await.unwrap();
}
