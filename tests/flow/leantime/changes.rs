//! What people do in the browser is found, told once, and never taken for ours.

use super::{Scene, mark, unlimited};
use crate::support::leantime::{Fault, Trouble};
use rota::board::{BoardError, Comments, Tasks};
use rota::domain::{
    CommentQuery, CommentTarget, Entity, NewComment, PersonId, Stamp, StatusId, TaskEdit, TaskId,
    TaskQuery, Value,
};
use serde_json::json;

#[tokio::test]
async fn a_persons_edit_is_told_once_without_an_actor_and_makes_a_new_revision() {
    let s = Scene::new(unlimited()).await;
    let task = s.task("One").await;
    let latest = s.latest().await;
    s.fake.as_person(s.hugo).edit(task.id.0, "status", json!(4));
    s.fake.as_person(s.hugo).edit(task.id.0, "editorId", json!(s.hugo.to_string()));
    let rows = s.rows_after(latest).await;
    let told: Vec<_> = rows.iter().map(|r| (r.field.as_str(), r.after.clone())).collect();
    assert_eq!(told, [("status", Value::Int(4)), ("assignee", Value::Int(s.hugo))]);
    assert!(rows.iter().all(|row| row.actor.is_none() && row.mark.is_none()));
    assert!(rows.iter().all(|row| row.task == Some(task.id) && row.project == Some(s.project)));
    assert!(s.rows_after(rows[1].id).await.is_empty(), "told twice");
    let now = s.board.task(task.id).await.unwrap();
    assert_eq!((now.revision, now.status), (2, StatusId(4)));
    let old = Stamp { revision: Some(1), ..s.by() };
    let answer = s.board.edit_task(&old, task.id, &[TaskEdit::Sort(1)]).await;
    assert!(matches!(answer, Err(BoardError::Conflict(_))), "{answer:?}");
    s.is_careful();
}

#[tokio::test]
async fn what_is_there_at_the_first_look_is_no_news_and_what_comes_later_is() {
    let s = Scene::new(unlimited()).await;
    let person = s.fake.as_person(s.hugo);
    let old = person.add_ticket(json!({ "projectId": s.project.0, "headline": "Old" }));
    person.comment(old, "<p>old</p>");
    let latest = s.latest().await;
    assert_eq!(latest.0, 0);
    let new = person.add_ticket(json!({ "projectId": s.project.0, "headline": "New" }));
    let comment = person.comment(old, "<p>Go <b>on</b></p>");
    let rows = s.rows_after(latest).await;
    let told: Vec<_> = rows.iter().map(|r| (r.field.as_str(), r.after.clone())).collect();
    assert_eq!(told, [("created", "New".into()), ("created", "Go **on**".into())]);
    assert_eq!(rows[0].task, Some(TaskId(new)));
    assert!(matches!(rows[1].entity, Entity::Comment(id) if id.0 == comment));
    assert_eq!((rows[1].task, rows[1].project), (Some(TaskId(old)), Some(s.project)));
}

#[tokio::test]
async fn our_own_writes_are_told_once_also_after_a_restart() {
    let mut s = Scene::new(unlimited()).await;
    let task = s.task("One").await;
    s.latest().await;
    let edits = [TaskEdit::Description("**Bold**".into()), TaskEdit::AddTag("x".into())];
    s.board.edit_task(&s.marked(1), task.id, &edits).await.unwrap();
    let before = s.rows_after(rota::domain::ActivityId(0)).await;
    assert_eq!(before.len(), 3, "{before:?}");
    s.reopen();
    assert_eq!(s.rows_after(rota::domain::ActivityId(0)).await, before);
    assert_eq!(s.board.task(task.id).await.unwrap().description, "**Bold**");
    // While nobody looked, a person changed something.
    s.reopen();
    s.fake.as_person(s.hugo).edit(task.id.0, "priority", json!("1"));
    let rows = s.rows_after(before[2].id).await;
    assert_eq!(rows.iter().map(|r| r.field.as_str()).collect::<Vec<_>>(), ["priority"]);
    assert!(rows[0].actor.is_none());
}

#[tokio::test]
async fn a_removed_ticket_is_told_and_one_that_a_list_left_out_is_not() {
    let s = Scene::new(unlimited()).await;
    let (gone, kept) = (s.task("Gone").await, s.task("Kept").await);
    s.task("Listed").await;
    let latest = s.latest().await;
    s.fake.as_person(s.hugo).delete(gone.id.0);
    let rows = s.rows_after(latest).await;
    assert_eq!(rows.len(), 1);
    assert_eq!((rows[0].field.as_str(), rows[0].task), ("deleted", Some(gone.id)));
    // Archived tickets may be in no list.
    s.fake.as_person(s.hugo).edit(kept.id.0, "status", json!(-1));
    let rows = s.rows_after(rows[0].id).await;
    assert_eq!(rows.iter().map(|r| r.field.as_str()).collect::<Vec<_>>(), ["status"]);
    assert!(s.board.task(kept.id).await.is_ok());
    // A list that is empty for no reason: what was in it is looked at by itself.
    s.fake.trouble(Trouble::new(Fault::Empty).on("tickets.getAll"));
    let asked = s.fake.calls("tickets.getTicket");
    assert!(s.rows_after(rows[0].id).await.is_empty());
    assert!(s.fake.calls("tickets.getTicket") > asked, "the list was not empty");
    s.fake.trouble(Trouble::new(Fault::Html).times(3));
    let answer = rota::board::History::latest_activity(&s.board).await;
    assert!(matches!(answer, Err(BoardError::Unavailable { .. })), "{answer:?}");
    assert!(s.rows_after(rows[0].id).await.is_empty());
}

#[tokio::test]
async fn an_edit_between_our_read_and_our_write_is_told_beside_it() {
    let s = Scene::new(unlimited()).await;
    let task = s.task("One").await;
    let latest = s.latest().await;
    let mut gate = s.fake.gate("tickets.patchTicket", crate::support::leantime::Moment::Before);
    let edit = [TaskEdit::Headline("Two".into())];
    let stamp = s.by();
    let write = s.board.edit_task(&stamp, task.id, &edit);
    let person = async {
        gate.reached().await;
        s.fake.as_person(s.hugo).edit(task.id.0, "priority", json!("1"));
        gate.open();
    };
    let (written, ()) = tokio::join!(write, person);
    assert!(written.unwrap().changed);
    let rows = s.rows_after(latest).await;
    let mut told: Vec<_> = rows.iter().map(|r| (r.field.as_str(), r.actor.is_some())).collect();
    told.sort_unstable();
    assert_eq!(told, [("headline", true), ("priority", false)]);
    let now = s.board.task(task.id).await.unwrap();
    assert_eq!((now.headline.as_str(), now.priority, now.revision), ("Two", Some(1), 3));
}

#[tokio::test]
async fn a_look_takes_at_most_two_requests_however_large_the_board() {
    let s = Scene::new(unlimited()).await;
    let person = s.fake.as_person(s.hugo);
    for number in 0..5_000 {
        person.add_ticket(json!({
            "projectId": s.project.0, "headline": format!("Ticket {number}"), "status": 3,
            "description": "<p>Some text about it</p>",
        }));
    }
    s.latest().await;
    for changed in [0, 1, 40] {
        for id in 1..=changed {
            person.edit(id, "priority", json!((id % 5 + 1).to_string()));
        }
        let before = s.board.requests();
        let latest = s.latest().await;
        assert!(s.board.requests() - before <= 2, "{} requests", s.board.requests() - before);
        assert!(latest.0 >= changed, "{latest}");
    }
    for id in 1..=30 {
        person.delete(id);
    }
    let before = s.board.requests();
    s.latest().await;
    assert!(s.board.requests() - before <= 2);
    let all = s.board.tasks(&TaskQuery { limit: 1, ..TaskQuery::default() }).await.unwrap();
    assert_eq!(all.items[0].id, TaskId(31));
}

#[tokio::test]
async fn a_reply_of_a_person_to_our_comment_is_read_with_its_place() {
    let s = Scene::new(unlimited()).await;
    let task = s.task("One").await;
    let new = NewComment {
        on: CommentTarget::Task(task.id),
        text: "Shall I?".into(),
        parent: None,
        rating: None,
    };
    let stamp = Stamp { mark: Some(mark(1)), ..s.by() };
    let ours = rota::board::Comments::add_comment(&s.board, &stamp, new).await.unwrap().after;
    s.fake.as_person(s.hugo).comment(task.id.0, "<p>Yes</p>");
    let query = CommentQuery { on: Some(CommentTarget::Task(task.id)), ..CommentQuery::default() };
    let thread = s.board.comments(&query).await.unwrap().items;
    let said: Vec<_> = thread.iter().map(|c| (c.text.as_str(), c.author)).collect();
    assert_eq!(said, [("Shall I?", s.agent), ("Yes", PersonId(s.hugo))]);
    assert_eq!(thread[0], ours);
    s.is_careful();
}
