//! What only a file can do: be opened again, be too new, be damaged, be busy.

use super::{World, mark, noon};
use rota::board::open::{BoardOptions, open};
use rota::board::sql::SqlBoard;
use rota::board::{Board, BoardError, Comments as _, Tasks};
use rota::clock::ManualClock;
use rota::domain::{
    BoardName, CommentTarget, EffectState, Entity, Fence, NewComment, NewTask, TaskEdit, TaskQuery,
};
use sqlx::Connection;
use std::path::Path;
use std::sync::Arc;

async fn at(path: &Path) -> rota::board::Result<SqlBoard> {
    SqlBoard::open(path, BoardName::new("main"), Arc::new(ManualClock::at(noon()))).await
}

#[track_caller]
fn unusable(answer: rota::board::Result<SqlBoard>, says: &str) {
    match answer {
        Err(BoardError::Unusable { what, .. }) => assert!(what.contains(says), "{what}"),
        other => panic!("expected Unusable, got {other:?}"),
    }
}

#[tokio::test]
async fn opening_again_keeps_everything() {
    let w = World::sqlite().await;
    let new = NewTask::new(w.alpha, "One").with(TaskEdit::AddTag("t".into()));
    let task = w.board.add_task(&w.marked(1), new).await.unwrap().after;
    let on = CommentTarget::Task(task.id);
    let new = NewComment { on, text: "Hello".into(), parent: None, rating: None };
    w.board.add_comment(&w.by(), new).await.unwrap();
    w.board.raise_fence(task.id, Fence(7)).await.unwrap();
    let before = super::random_everything(&*w.board).await;
    let World { board, folder, .. } = w;
    drop(board);
    let again = at(&folder.path().join("board.db")).await.unwrap();
    assert_eq!(super::random_everything(&again).await, before);
    let applied = EffectState::Applied(Entity::Task(task.id));
    assert_eq!(again.effect_of(&mark(1)).await.unwrap(), applied);
    let stamp = rota::domain::Stamp {
        claim: Some((task.id, Fence(6))),
        ..rota::domain::Stamp::by(rota::domain::PersonId(1))
    };
    let answer = again.edit_task(&stamp, task.id, &[TaskEdit::Sort(1)]).await;
    assert!(matches!(answer, Err(BoardError::Fenced { .. })), "{answer:?}");
}

#[tokio::test]
async fn opened_again_the_board_gives_no_comment_the_id_of_one_that_was_deleted() {
    let w = World::sqlite().await;
    let task = w.board.add_task(&w.by(), NewTask::new(w.alpha, "One")).await.unwrap().after.id;
    let on = CommentTarget::Task(task);
    let new = || NewComment { on, text: "Hello".into(), parent: None, rating: None };
    let gone = w.board.add_comment(&w.by(), new()).await.unwrap().after.id;
    w.board.delete_comment(&w.by(), gone).await.unwrap();
    let by = w.by();
    let World { board, folder, .. } = w;
    drop(board);
    let again = at(&folder.path().join("board.db")).await.unwrap();
    assert!(again.add_comment(&by, new()).await.unwrap().after.id > gone);
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_not_touched() {
    let w = World::sqlite().await;
    let path = w.folder.path().join("board.db");
    drop(w.board);
    let url = format!("sqlite:{}", path.display());
    let mut bare = sqlx::SqliteConnection::connect(&url).await.unwrap();
    sqlx::raw_sql("pragma user_version = 99").execute(&mut bare).await.unwrap();
    unusable(at(&path).await, "newer than");
    sqlx::raw_sql("pragma wal_checkpoint(truncate); pragma journal_mode = delete")
        .execute(&mut bare)
        .await
        .unwrap();
    bare.close().await.unwrap();
    let before = std::fs::read(&path).unwrap();
    unusable(at(&path).await, "newer than");
    assert_eq!(std::fs::read(&path).unwrap(), before);
    assert!(!path.with_extension("db-wal").exists());
}

#[tokio::test]
async fn a_damaged_file_is_refused_with_what_to_do() {
    let w = World::sqlite().await;
    for number in 0..300 {
        w.task(&format!("Task {number}")).await;
    }
    let path = w.folder.path().join("board.db");
    let World { board, folder, .. } = w;
    drop(board);
    let url = format!("sqlite:{}", path.display());
    let mut bare = sqlx::SqliteConnection::connect(&url).await.unwrap();
    sqlx::raw_sql("pragma wal_checkpoint(truncate)").execute(&mut bare).await.unwrap();
    bare.close().await.unwrap();
    let whole = std::fs::read(&path).unwrap();
    let damaged = folder.path().join("damaged.db");
    let mut zeroed = whole.clone();
    zeroed[4_096..].fill(0xa5);
    let mut scrambled = whole.clone();
    scrambled[..100].fill(7);
    for (bytes, what) in [
        (&whole[..whole.len() / 2], "cut in half"),
        (&whole[..50], "cut in the header"),
        (&zeroed[..], "overwritten but for the first page"),
        (&scrambled[..], "with another header"),
        (&b"not a database, just some words that somebody wrote to the wrong place"[..], "a text"),
    ] {
        std::fs::write(&damaged, bytes).unwrap();
        match at(&damaged).await {
            Err(BoardError::Unusable { what: says, .. }) => {
                assert!(says.contains("damaged.db") && says.contains("restore"), "{what}: {says}");
            }
            other => panic!("{what}: {other:?}"),
        }
        assert_eq!(std::fs::read(&damaged).unwrap(), bytes, "{what}: touched");
    }
}

#[tokio::test]
async fn a_file_of_another_program_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.db");
    let url = format!("sqlite:{}?mode=rwc", path.display());
    let mut bare = sqlx::SqliteConnection::connect(&url).await.unwrap();
    sqlx::raw_sql("create table things (id integer)").execute(&mut bare).await.unwrap();
    bare.close().await.unwrap();
    unusable(at(&path).await, "another program");
}

#[tokio::test]
async fn a_path_that_cannot_be_opened_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    unusable(at(folder.path()).await, "cannot be");
    std::fs::write(folder.path().join("file"), "x").unwrap();
    unusable(at(&folder.path().join("file/board.db")).await, "cannot be made");
}

#[tokio::test]
async fn an_empty_file_and_a_missing_folder_become_a_board() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("empty.db"), "").unwrap();
    for name in ["empty.db", "deep/er/board.db"] {
        let board = at(&folder.path().join(name)).await.unwrap();
        assert!(board.tasks(&TaskQuery::default()).await.unwrap().items.is_empty());
    }
}

#[tokio::test]
async fn two_who_open_a_new_file_at_once_both_succeed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("board.db");
    let (one, two) = tokio::join!(at(&path), at(&path));
    one.unwrap();
    two.unwrap();
}

#[tokio::test]
async fn a_file_that_somebody_is_just_making_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("board.db");
    let url = format!("sqlite:{}?mode=rwc", path.display());
    let mut maker = sqlx::SqliteConnection::connect(&url).await.unwrap();
    // Not in the log's mode yet: the switch to it answers "locked" at once.
    sqlx::raw_sql("pragma journal_mode = delete; begin exclusive")
        .execute(&mut maker)
        .await
        .unwrap();
    let opening = at(&path);
    tokio::pin!(opening);
    let early = tokio::time::timeout(std::time::Duration::from_millis(300), &mut opening).await;
    assert!(early.is_err(), "it was opened, or given up, while somebody else made it");
    sqlx::raw_sql("commit").execute(&mut maker).await.unwrap();
    opening.await.unwrap();
}

#[tokio::test]
async fn a_write_that_finds_the_file_locked_may_be_tried_again() {
    let w = World::sqlite().await;
    let url = format!("sqlite:{}", w.folder.path().join("board.db").display());
    let mut bare = sqlx::SqliteConnection::connect(&url).await.unwrap();
    sqlx::raw_sql("begin immediate").execute(&mut bare).await.unwrap();
    let error = w.add(NewTask::new(w.alpha, "One")).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    assert!(w.find(TaskQuery::default()).await.is_empty(), "reading goes on");
    sqlx::raw_sql("rollback").execute(&mut bare).await.unwrap();
    w.task("One").await;
}

#[tokio::test]
async fn options_name_the_file_and_the_board() {
    let folder = tempfile::tempdir().unwrap();
    let clock = || Arc::new(ManualClock::at(noon()));
    let options: BoardOptions = toml::from_str("").unwrap();
    assert_eq!(open(&options, folder.path(), clock()).await.unwrap().name().as_str(), "main");
    assert!(folder.path().join("board.db").exists());
    let options: BoardOptions =
        toml::from_str("kind = \"sqlite\"\npath = \"mine.db\"\nname = \"team\"").unwrap();
    assert_eq!(open(&options, folder.path(), clock()).await.unwrap().name().as_str(), "team");
    assert!(folder.path().join("mine.db").exists());
    assert!(toml::from_str::<BoardOptions>("kind = \"oracle\"").is_err());
    assert!(toml::from_str::<BoardOptions>("paht = \"x\"").is_err());
}
