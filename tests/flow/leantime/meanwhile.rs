//! Looks that run while something is being written.

use super::{Scene, unlimited};
use crate::support::leantime::{Moment, Role};
use rota::board::leantime::options::Credential;
use rota::board::{Comments, Tasks};
use rota::domain::{
    Activity, ActivityId, CommentTarget, NewComment, NewTask, PersonId, Stamp, TaskEdit,
};
use serde_json::json;

/// A board on which somebody writes with a credential of their own, beside whom it looks.
async fn two() -> (Scene, Stamp) {
    let mut s = Scene::new(unlimited()).await;
    let (other, key) = s.fake.add_key("AI-Writer", Role::Editor, &[s.project.0]);
    s.options.identities.insert(PersonId(other), Credential::read(&key).unwrap());
    s.reopen();
    s.task("One").await;
    s.latest().await;
    (s, Stamp::by(PersonId(other)))
}

/// What a look tells that runs after the server did it and before the writer knows.
async fn seen_meanwhile<T>(
    s: &Scene,
    (latest, method): (ActivityId, &str),
    write: impl Future<Output = rota::board::Result<T>>,
) -> (Vec<Activity>, T) {
    let mut gate = s.fake.gate(method, Moment::After);
    let look = async {
        gate.reached().await;
        let rows = s.rows_after(latest).await;
        gate.open();
        rows
    };
    let (written, rows) = tokio::join!(write, look);
    (rows, written.unwrap())
}

async fn is_told_once(s: &Scene, after: ActivityId, field: &str, by: &Stamp) {
    let rows = s.rows_after(after).await;
    let told: Vec<_> = rows.iter().map(|row| (row.field.as_str(), row.actor)).collect();
    assert_eq!(told, [(field, Some(by.actor))]);
}

#[tokio::test]
async fn what_we_add_is_not_told_as_somebody_elses() {
    let (s, by) = two().await;
    let latest = s.latest().await;
    let new = NewTask::new(s.project, "Two");
    let add = s.board.add_task(&by, new);
    let (rows, added) = seen_meanwhile(&s, (latest, "tickets.addTicket"), add).await;
    assert_eq!(rows, []);
    is_told_once(&s, latest, "created", &by).await;
    let latest = s.latest().await;
    let on = CommentTarget::Task(added.after.id);
    let new = NewComment { on, text: "x".into(), parent: None, rating: None };
    let add = s.board.add_comment(&by, new);
    let (rows, _) = seen_meanwhile(&s, (latest, "comments.addComment"), add).await;
    assert_eq!(rows, []);
    is_told_once(&s, latest, "created", &by).await;
    s.is_careful();
}

#[tokio::test]
async fn what_we_change_and_remove_is_not_told_as_somebody_elses() {
    let (s, by) = two().await;
    let task = s.task("Two").await;
    let latest = s.latest().await;
    let edits = [TaskEdit::Headline("Three".into())];
    let edit = s.board.edit_task(&by, task.id, &edits);
    let (rows, _) = seen_meanwhile(&s, (latest, "tickets.patchTicket"), edit).await;
    assert_eq!(rows, []);
    is_told_once(&s, latest, "headline", &by).await;
    let latest = s.latest().await;
    let delete = s.board.delete_task(&by, task.id);
    let (rows, _) = seen_meanwhile(&s, (latest, "tickets.delete"), delete).await;
    assert_eq!(rows, []);
    is_told_once(&s, latest, "deleted", &by).await;
    s.is_careful();
}

#[tokio::test]
async fn what_a_person_adds_meanwhile_is_told_by_the_next_look() {
    let (s, by) = two().await;
    let latest = s.latest().await;
    let new = NewTask::new(s.project, "Two");
    let add = s.board.add_task(&by, new);
    s.fake.as_person(s.hugo).add_ticket(json!({ "projectId": s.project.0, "headline": "Theirs" }));
    let (rows, _) = seen_meanwhile(&s, (latest, "tickets.addTicket"), add).await;
    assert_eq!(rows, []);
    let rows = s.rows_after(latest).await;
    let mut told: Vec<_> = rows.iter().map(|row| (row.after.clone(), row.actor)).collect();
    told.sort_by_key(|(_, actor)| actor.is_some());
    assert_eq!(told, [("Theirs".into(), None), ("Two".into(), Some(by.actor))]);
}
