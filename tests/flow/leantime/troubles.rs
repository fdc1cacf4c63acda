//! A server that fails, refuses, and says yes to what it did not do.

use super::{Scene, mark, unlimited};
use crate::support::leantime::{Fault, Role, Trouble};
use rota::board::leantime::options::Credential;
use rota::board::{Board, BoardError, Comments, Projects, Tasks};
use rota::domain::{
    CommentTarget, EffectState, Entity, NewComment, NewTask, PersonId, StatusId, TaskEdit,
};
use serde_json::json;

fn comment(task: rota::domain::TaskId) -> NewComment {
    NewComment { on: CommentTarget::Task(task), text: "x".into(), parent: None, rating: None }
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_unknown_and_never_done_twice() {
    let s = Scene::new(unlimited()).await;
    let task = s.task("One").await;
    s.fake.trouble(Trouble::new(Fault::Lost).on("comments.addComment"));
    let answer = s.board.add_comment(&s.marked(1), comment(task.id)).await;
    assert!(matches!(answer, Err(BoardError::Unavailable { .. })), "{answer:?}");
    assert_eq!(s.board.effect_of(&mark(1)).await.unwrap(), EffectState::Unknown);
    let again = s.board.add_comment(&s.marked(1), comment(task.id)).await;
    assert!(matches!(again, Err(BoardError::Unavailable { .. })), "{again:?}");
    assert_eq!(s.fake.comments("ticket", task.id.0).len(), 1);
}

#[tokio::test]
async fn what_was_refused_or_never_sent_is_absent_and_what_was_done_is_applied() {
    let s = Scene::new(unlimited()).await;
    let task = s.task("One").await;
    let unknown = [TaskEdit::Status(StatusId(777))];
    let answer = s.board.edit_task(&s.marked(1), task.id, &unknown).await;
    assert!(matches!(answer, Err(BoardError::Malformed(_))), "{answer:?}");
    assert_eq!(s.board.effect_of(&mark(1)).await.unwrap(), EffectState::Absent);
    let foreign = s.fake.add_project("Secret", &[]);
    let new = NewTask::new(rota::domain::ProjectId(foreign), "x");
    assert!(s.board.add_task(&s.marked(2), new).await.is_err());
    assert_eq!(s.board.effect_of(&mark(2)).await.unwrap(), EffectState::Absent);
    let edit = [TaskEdit::Headline("Two".into())];
    s.board.edit_task(&s.marked(3), task.id, &edit).await.unwrap();
    let state = s.board.effect_of(&mark(3)).await.unwrap();
    assert_eq!(state, EffectState::Applied(Entity::Task(task.id)));
    s.is_careful();
}

#[tokio::test]
async fn reads_survive_every_single_failure() {
    let s = Scene::new(unlimited()).await;
    let task = s.task("One").await;
    for fault in [
        Fault::Status(500),
        Fault::Status(502),
        Fault::Html,
        Fault::WrongJson,
        Fault::Cut,
        Fault::Lost,
    ] {
        s.fake.trouble(Trouble::new(fault.clone()));
        assert_eq!(s.board.task(task.id).await.unwrap(), task, "{fault:?}");
    }
}

#[tokio::test]
async fn a_refused_key_is_sent_once() {
    let s = Scene::with(unlimited(), |options| {
        options.credential = Credential::read("lt_nosuchuser_nosuchsecret").unwrap();
    })
    .await;
    for _ in 0..30 {
        let answer = s.board.task(rota::domain::TaskId(1)).await;
        let Err(BoardError::Denied(what)) = answer else { panic!("{answer:?}") };
        assert!(!what.contains("nosuchsecret"), "{what}");
    }
    assert_eq!(s.fake.asked().len(), 1);
    s.board.admit();
    assert!(s.board.task(rota::domain::TaskId(1)).await.is_err());
    assert_eq!(s.fake.asked().len(), 2);
}

#[tokio::test]
async fn a_role_that_is_too_low_is_told_with_what_to_do() {
    let s = Scene::new(unlimited()).await;
    let task = s.task("One").await;
    let (reader, key) = s.fake.add_key("Reader", Role::Readonly, &[s.project.0]);
    let mut options = s.options.clone();
    options.credential = Credential::read(&key).unwrap();
    let board = super::open(&options, &s.notes, &s.clock);
    let stamp = rota::domain::Stamp::by(PersonId(reader));
    let answer = board.edit_task(&stamp, task.id, &[TaskEdit::Headline("x".into())]).await;
    let Err(BoardError::Denied(what)) = answer else { panic!("{answer:?}") };
    assert!(what.contains("role"), "{what}");
    let new =
        rota::domain::NewProject { name: "P".into(), details: String::new(), statuses: Vec::new() };
    let answer = rota::board::Projects::add_project(&s.board, &s.by(), new).await;
    assert!(matches!(answer, Err(BoardError::Denied(_))), "{answer:?}");
}

#[tokio::test]
async fn one_project_or_ticket_that_fails_does_not_stop_the_others() {
    let mut s = Scene::new(unlimited()).await;
    let second = s.fake.add_project("Second", &[s.agent.0]);
    let (one, two) = (s.task("One").await, s.task("Two").await);
    let latest = s.latest().await;
    // Its labels were never told: it is left out until they are.
    s.reopen();
    let of_second: &str = Box::leak(format!("\"projectId\":{second}}}").into_boxed_str());
    s.fake
        .trouble(Trouble::new(Fault::CallError(of_second)).on("tickets.getStatusLabels").times(2));
    let ids = |all: Vec<rota::domain::Project>| all.into_iter().map(|p| p.id.0).collect::<Vec<_>>();
    assert!(!ids(s.board.projects().await.unwrap()).contains(&second));
    assert!(ids(s.board.projects().await.unwrap()).contains(&second));
    // A thread of comments fails; so does one of two tickets that are in no list any more.
    let person = s.fake.as_person(s.hugo);
    person.edit(one.id.0, "priority", json!("1"));
    s.fake.trouble(
        Trouble::new(Fault::CallError("\"module\":\"project\"")).on("comments.pollComments"),
    );
    let rows = s.rows_after(latest).await;
    assert_eq!(rows.iter().map(|r| r.field.as_str()).collect::<Vec<_>>(), ["priority"]);
    let latest = rows[0].id;
    person.delete(one.id.0);
    person.delete(two.id.0);
    let of_one: &str = Box::leak(format!("\"id\":{}}}", one.id).into_boxed_str());
    s.fake.trouble(Trouble::new(Fault::CallError(of_one)).on("tickets.getTicket"));
    let rows = s.rows_after(latest).await;
    assert_eq!(rows.iter().map(|r| r.task).collect::<Vec<_>>(), [Some(two.id)]);
    let rows = s.rows_after(rows[0].id).await;
    assert_eq!(rows.iter().map(|r| r.task).collect::<Vec<_>>(), [Some(one.id)]);
}

#[tokio::test]
async fn each_agent_acts_under_its_own_name() {
    let mut s = Scene::new(unlimited()).await;
    let (other, key) = s.fake.add_key("AI-Reviewer", Role::Editor, &[s.project.0]);
    s.options.identities.insert(PersonId(other), Credential::read(&key).unwrap());
    s.reopen();
    let task = s.task("One").await;
    let theirs = rota::domain::Stamp::by(PersonId(other));
    let said = s.board.add_comment(&theirs, comment(task.id)).await.unwrap().after;
    let ours = s.board.add_comment(&s.by(), comment(task.id)).await.unwrap().after;
    assert_eq!((said.author, ours.author), (PersonId(other), s.agent));
    let authors: Vec<_> =
        s.fake.comments("ticket", task.id.0).iter().map(|c| c["userId"].as_i64()).collect();
    assert_eq!(authors, [Some(other), Some(s.agent.0)]);
    assert_eq!(task.author, Some(s.agent));
    s.is_careful();
}
