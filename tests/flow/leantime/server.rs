//! What holds on any Leantime: on the fake, and on a real one where `ROTA_TEST_LEANTIME_URL` and
//! `ROTA_TEST_LEANTIME_KEY` name it and an admin's key.

use crate::support::asked::skip;
use crate::support::leantime_server::{Server, real};
use rota::board::{Comments, History, Projects, Tasks};
use rota::domain::{
    ActivityQuery, CommentQuery, CommentTarget, NewComment, NewTask, Role, Stamp, TaskEdit,
};

#[test]
fn a_real_server_is_asked_where_one_is_named() {
    if real().is_none() {
        skip("flows over a real Leantime: ROTA_TEST_LEANTIME_URL is not set");
    }
}

#[tokio::test]
async fn a_user_that_was_made_has_a_key_that_works_and_sees_its_projects_only() {
    let server = Server::any().await;
    let (home, other) = (server.project("Home").await, server.project("Other").await);
    let minted = server.user("Violin", Role::Editor, &[home]).await;
    let board = server.board_of(&minted);
    let about = board.about().await.unwrap();
    assert_eq!((about.me.id, about.me.role), (minted.person, Role::Editor));
    assert!(about.is_api_user && about.version.is_some());
    let projects = board.projects().await.unwrap();
    assert!(projects.iter().any(|project| project.id == home));
    assert!(projects.iter().all(|project| project.id != other));
    let sight = board.sight().await.unwrap();
    assert!(sight.ahead_seconds.is_some());
    server.is_careful();
}

#[tokio::test]
async fn what_is_written_is_read_back_and_by_whom_it_was() {
    let server = Server::any().await;
    let home = server.project("Home").await;
    let violin = server.user("Violin", Role::Editor, &[home]).await;
    let board = server.board_of(&violin);
    let by = Stamp::by(violin.person);
    let edits = vec![TaskEdit::Description("All **four**\n\n- one".into())];
    let new = NewTask { edits, ..NewTask::new(home, "Tune") };
    let task = board.add_task(&by, new).await.unwrap().after;
    let edits = [TaskEdit::Assignee(Some(violin.person)), TaskEdit::Headline("Tune it".into())];
    board.edit_task(&by, task.id, &edits).await.unwrap();
    let on = CommentTarget::Task(task.id);
    let said = NewComment { on, text: "It *holds*.".into(), parent: None, rating: None };
    board.add_comment(&by, said).await.unwrap();
    // Another process, without what this one remembers.
    let again = server.board_of(&violin);
    let seen = again.task(task.id).await.unwrap();
    assert_eq!((seen.headline.as_str(), seen.assignee), ("Tune it", Some(violin.person)));
    assert_eq!(seen.description, "All **four**\n\n- one");
    let on = Some(CommentTarget::Task(task.id));
    let comments = again.comments(&CommentQuery { on, ..CommentQuery::default() }).await.unwrap();
    assert_eq!(comments.items.len(), 1, "{comments:#?}");
    assert_eq!(comments.items[0].author, violin.person);
    assert_eq!(comments.items[0].text, "It *holds*.");
    server.is_careful();
}

#[tokio::test]
async fn what_somebody_else_does_is_found() {
    let server = Server::any().await;
    let home = server.project("Home").await;
    let violin = server.user("Violin", Role::Editor, &[home]).await;
    let cello = server.user("Cello", Role::Editor, &[home]).await;
    let (one, two) = (server.board_of(&violin), server.board_of(&cello));
    let task = one.add_task(&Stamp::by(violin.person), NewTask::new(home, "Tune")).await.unwrap();
    let task = task.after;
    let before = one.latest_activity().await.unwrap();
    let edit = [TaskEdit::Assignee(Some(cello.person))];
    two.edit_task(&Stamp::by(cello.person), task.id, &edit).await.unwrap();
    let query = ActivityQuery { after: Some(before), limit: 100, ..ActivityQuery::default() };
    let rows = one.activity(&query).await.unwrap().items;
    assert!(rows.iter().any(|row| row.task == Some(task.id) && row.actor.is_none()), "{rows:#?}");
    assert_eq!(one.task(task.id).await.unwrap().assignee, Some(cello.person));
    server.is_careful();
}
