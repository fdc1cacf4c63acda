//! What is deleted is gone for every question but the activity (contract 11).

use super::{World, contract, not_found};
use rota::domain::{
    ActivityQuery, CommentQuery, CommentTarget, Entity, NewComment, NewTask, TaskEdit, TaskKind,
    TaskOrder, TaskQuery,
};

contract! {
    a_task_goes_with_its_subtasks_and_their_comments
    those_who_waited_for_it_wait_no_longer
    the_activity_remembers_what_is_gone
    an_id_is_never_given_twice
    a_later_comment_has_a_larger_id_although_the_last_one_was_deleted
}

fn sub(w: &World, parent: rota::domain::TaskId) -> NewTask {
    NewTask { kind: TaskKind::Subtask, parent: Some(parent), ..NewTask::new(w.alpha, "Sub") }
}

async fn a_task_goes_with_its_subtasks_and_their_comments(w: World) {
    let tagged = NewTask::new(w.alpha, "Top").with(TaskEdit::AddTag("t".into()));
    let top = w.add_below(tagged).await;
    let part = w.add_below(sub(&w, top.id)).await;
    let deeper = w.add(sub(&w, part.id)).await.unwrap();
    let other = w.task("Other").await;
    let mut comments = Vec::new();
    for task in [top.id, part.id, deeper.id, other.id] {
        let new = NewComment {
            on: CommentTarget::Task(task),
            text: "x".into(),
            parent: None,
            rating: None,
        };
        comments.push(w.board.add_comment(&w.by(), new).await.unwrap().after.id);
    }
    let was = w.board.task(top.id).await.unwrap();
    let gone = w.board.delete_task(&w.by(), top.id).await.unwrap();
    assert_eq!((gone.changed, &gone.after), (true, &was));
    for id in [top.id, part.id, deeper.id] {
        not_found(w.board.task(id).await);
        not_found(w.edit(id, &[TaskEdit::Sort(1)]).await);
        let query = TaskQuery { parent: Some(id), ..TaskQuery::default() };
        assert!(w.find(query).await.is_empty());
        let on = Some(CommentTarget::Task(id));
        let left = w.board.comments(&CommentQuery { on, ..CommentQuery::default() }).await.unwrap();
        assert!(left.items.is_empty());
    }
    for order in [TaskOrder::Id, TaskOrder::Priority, TaskOrder::Due, TaskOrder::Modified] {
        assert_eq!(w.find(TaskQuery { order, ..TaskQuery::default() }).await, [other.id]);
    }
    assert!(
        w.find(TaskQuery { tags_all: vec!["t".into()], ..TaskQuery::default() }).await.is_empty()
    );
    let left = w.board.comments(&CommentQuery::default()).await.unwrap();
    assert_eq!(left.items.iter().map(|c| c.id).collect::<Vec<_>>(), comments[3..]);
}

async fn those_who_waited_for_it_wait_no_longer(w: World) {
    let top = w.add_below(NewTask::new(w.alpha, "Top")).await;
    let part = w.add_below(sub(&w, top.id)).await;
    let waiting = [TaskEdit::AddBlocker(top.id), TaskEdit::AddBlocker(part.id)];
    let below =
        w.add_below(NewTask { edits: waiting.to_vec(), ..NewTask::new(w.beta, "Below") }).await;
    let here =
        w.add(NewTask { edits: waiting.to_vec(), ..NewTask::new(w.beta, "Here") }).await.unwrap();
    let latest = w.board.latest_activity().await.unwrap();
    w.pass();
    w.board.delete_task(&w.by(), top.id).await.unwrap();
    let rows = w.rows_after(latest).await;
    for before in [below, here] {
        let now = w.board.task(before.id).await.unwrap();
        assert!(now.blocked_by.is_empty());
        assert_eq!(now.revision, before.revision + 1);
        assert!(now.modified > before.modified);
        let told: Vec<_> = rows.iter().filter(|row| row.task == Some(before.id)).collect();
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(told[0].field, "blocked_by");
    }
    assert_eq!(rows.len(), 4);
}

async fn the_activity_remembers_what_is_gone(w: World) {
    let task = w.task("Gone").await;
    w.board.delete_task(&w.by(), task.id).await.unwrap();
    let query = ActivityQuery { task: Some(task.id), ..ActivityQuery::default() };
    let rows = w.board.activity(&query).await.unwrap().items;
    let fields: Vec<&str> = rows.iter().map(|row| row.field.as_str()).collect();
    assert_eq!(fields, ["created", "deleted"]);
    assert_eq!(rows[1].before, "Gone".into());
    assert_eq!(rows[1].entity, Entity::Task(task.id));
}

async fn an_id_is_never_given_twice(w: World) {
    let first = w.task("First").await.id;
    w.board.delete_task(&w.by(), first).await.unwrap();
    assert!(w.task("Second").await.id > first);
}

async fn a_later_comment_has_a_larger_id_although_the_last_one_was_deleted(w: World) {
    let task = w.task("x").await.id;
    let on = CommentTarget::Task(task);
    let say = async || {
        let new = NewComment { on, text: "x".into(), parent: None, rating: None };
        w.board.add_comment(&w.by(), new).await.unwrap().after.id
    };
    let latest = async || {
        let query =
            CommentQuery { on: Some(on), latest_first: true, limit: 1, ..CommentQuery::default() };
        w.board.comments(&query).await.unwrap().items.pop().map(|comment| comment.id)
    };
    assert_eq!(latest().await, None);
    let (first, second) = (say().await, say().await);
    w.board.delete_comment(&w.by(), second).await.unwrap();
    assert_eq!(latest().await, Some(first));
    let third = say().await;
    assert!(first < second && second < third, "{first} {second} {third}");
    for id in [first, third] {
        w.board.delete_comment(&w.by(), id).await.unwrap();
    }
    assert_eq!(latest().await, None);
    let fourth = say().await;
    assert!(third < fourth, "{third} {fourth}");
    // As a claim's record names it: a comment that is gone is a place in the order all the same.
    let since = CommentQuery { on: Some(on), after: Some(second), ..CommentQuery::default() };
    let left = w.board.comments(&since).await.unwrap().items;
    assert_eq!(left.iter().map(|comment| comment.id).collect::<Vec<_>>(), [fourth]);
}
