//! What went wrong after the server acted, or may have, is never told as something that did not happen.

use super::{Scene, mark, unlimited};
use crate::support::leantime::{Fault, Trouble};
use rota::board::{Board, BoardError, Comments, Tasks};
use rota::domain::{
    CommentTarget, EffectState, Entity, NewComment, NewTask, PersonId, TaskEdit, TaskId,
};
use serde_json::json;

async fn is_unknown<T: std::fmt::Debug>(s: &Scene, seq: u32, answer: Result<T, BoardError>) {
    assert!(matches!(answer, Err(BoardError::Unavailable { .. })), "{answer:?}");
    assert_eq!(s.board.effect_of(&mark(seq)).await.unwrap(), EffectState::Unknown);
}

fn comment(task: TaskId, text: &str) -> NewComment {
    NewComment { on: CommentTarget::Task(task), text: text.into(), parent: None, rating: None }
}

#[tokio::test]
async fn a_task_that_was_added_and_cannot_be_read_back_is_unknown() {
    let s = Scene::new(unlimited()).await;
    s.task("One").await;
    s.fake.trouble(Trouble::new(Fault::False).on("tickets.getTicket"));
    let new = NewTask::new(s.project, "Two");
    is_unknown(&s, 1, s.board.add_task(&s.marked(1), new.clone()).await).await;
    // Asked again under its mark, it is still not known, and not done again.
    is_unknown(&s, 1, s.board.add_task(&s.marked(1), new).await).await;
    assert_eq!(s.fake.tickets().len(), 2);
}

#[tokio::test]
async fn a_person_who_wins_the_same_moment_is_told_and_not_overwritten() {
    let s = Scene::new(unlimited()).await;
    let task = s.task("One").await;
    let latest = s.latest().await;
    s.fake.amid("tickets.patchTicket", task.id.0, "editorId", json!(s.hugo.to_string()));
    let edit = [TaskEdit::Assignee(Some(s.agent))];
    is_unknown(&s, 1, s.board.edit_task(&s.marked(1), task.id, &edit).await).await;
    let rows = s.rows_after(latest).await;
    let told: Vec<_> = rows.iter().map(|r| (r.field.as_str(), r.actor, r.after.clone())).collect();
    assert_eq!(told, [("assignee", None, s.hugo.into())]);
    assert_eq!(s.board.task(task.id).await.unwrap().assignee, Some(PersonId(s.hugo)));
    s.is_careful();
}

#[tokio::test]
async fn after_an_exception_inside_the_row_says_whether_an_edit_was_done() {
    let s = Scene::new(unlimited()).await;
    let task = s.task("One").await;
    s.fake.trouble(Trouble::new(Fault::DoneThenError).on("tickets.patchTicket"));
    let edit = [TaskEdit::Headline("Two".into())];
    let done = s.board.edit_task(&s.marked(1), task.id, &edit).await.unwrap();
    assert!(done.changed && done.after.headline == "Two");
    let applied = EffectState::Applied(Entity::Task(task.id));
    assert_eq!(s.board.effect_of(&mark(1)).await.unwrap(), applied);
    s.fake.trouble(Trouble::new(Fault::CallError("patchTicket")).on("tickets.patchTicket"));
    let edit = [TaskEdit::Headline("Three".into())];
    let answer = s.board.edit_task(&s.marked(2), task.id, &edit).await;
    assert!(matches!(answer, Err(BoardError::Unavailable { .. })), "{answer:?}");
    assert_eq!(s.board.effect_of(&mark(2)).await.unwrap(), EffectState::Absent);
    assert!(s.board.edit_task(&s.marked(2), task.id, &edit).await.unwrap().changed);
    // Done in part, or cut: nobody knows.
    s.fake.trouble(Trouble::new(Fault::DoneThenError).on("tickets.patchTicket"));
    s.fake.amid("tickets.patchTicket", task.id.0, "headline", json!("Fo"));
    let edit = [TaskEdit::Headline("Four".into())];
    is_unknown(&s, 3, s.board.edit_task(&s.marked(3), task.id, &edit).await).await;
}

#[tokio::test]
async fn after_an_exception_inside_an_addition_is_unknown() {
    let s = Scene::new(unlimited()).await;
    let task = s.task("One").await;
    s.fake.trouble(Trouble::new(Fault::DoneThenError).on("comments.addComment"));
    is_unknown(&s, 1, s.board.add_comment(&s.marked(1), comment(task.id, "x")).await).await;
    assert_eq!(s.fake.comments("ticket", task.id.0).len(), 1);
    s.fake.trouble(Trouble::new(Fault::DoneThenError).on("tickets.addTicket"));
    let new = NewTask::new(s.project, "Two");
    is_unknown(&s, 2, s.board.add_task(&s.marked(2), new).await).await;
    assert_eq!(s.fake.tickets().len(), 2);
}
