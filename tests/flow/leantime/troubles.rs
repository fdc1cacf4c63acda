//! A server that fails, refuses, and says yes to what it did not do.

use super::{Scene, mark, unlimited};
use crate::support::leantime::{Fault, Role, Trouble};
use rota::board::leantime::options::Credential;
use rota::board::{Board, BoardError, Comments, Tasks};
use rota::domain::{
    CommentTarget, EffectState, Entity, NewComment, NewTask, PersonId, StatusId, TaskEdit,
};

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
    assert!(matches!(again, Err(BoardError::Conflict(_))), "{again:?}");
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
async fn a_person_who_wins_the_same_moment_is_not_overwritten_silently() {
    let s = Scene::new(unlimited()).await;
    let task = s.task("One").await;
    // After our patch, before we read it back: the batch is one request, so the person comes after.
    let edit = [TaskEdit::Assignee(Some(s.agent))];
    s.board.edit_task(&s.by(), task.id, &edit).await.unwrap();
    s.fake.as_person(s.hugo).edit(task.id.0, "editorId", serde_json::json!(s.hugo.to_string()));
    let now = s.board.task(task.id).await.unwrap();
    assert_eq!((now.assignee, now.revision), (Some(PersonId(s.hugo)), 3));
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
