//! Marks and fences (contract 3 and 5).

use super::{World, conflict, contract, mark, not_found};
use rota::board::BoardError;
use rota::domain::{
    CommentTarget, EffectState, Entity, Fence, MilestoneEdit, NewComment, NewMilestone, NewTask,
    ProjectEdit, Stamp, TaskEdit,
};

contract! {
    a_repeated_edit_answers_with_the_task_as_it_is_now
    every_kind_of_write_is_done_once_under_one_mark
    a_repeated_delete_answers_with_what_it_was
    a_mark_of_something_that_is_gone_says_so
    a_mark_is_kept_also_when_nothing_changed
    a_mark_for_something_else_is_a_conflict
    a_lower_fence_is_refused_whatever_the_write_is_about
    raising_a_fence_to_a_lower_number_changes_nothing
    a_write_under_a_higher_fence_raises_it
    a_fence_outlives_its_task
    a_repeated_mark_is_answered_before_fence_and_revision
}

async fn a_repeated_edit_answers_with_the_task_as_it_is_now(w: World) {
    let task = w.task("One").await;
    let two = [TaskEdit::Headline("Two".into())];
    assert!(w.board.edit_task(&w.marked(1), task.id, &two).await.unwrap().changed);
    let now = w.edit(task.id, &[TaskEdit::Headline("Three".into())]).await.unwrap();
    let latest = w.board.latest_activity().await.unwrap();
    let again = w.board.edit_task(&w.marked(1), task.id, &two).await.unwrap();
    assert!(!again.changed);
    assert_eq!(again.after, now);
    assert_eq!(w.board.latest_activity().await.unwrap(), latest);
    assert_eq!(
        w.board.effect_of(&mark(1)).await.unwrap(),
        EffectState::Applied(Entity::Task(task.id))
    );
    assert_eq!(w.board.effect_of(&mark(2)).await.unwrap(), EffectState::Absent);
}

async fn every_kind_of_write_is_done_once_under_one_mark(w: World) {
    let milestone = |headline: &str| NewMilestone {
        project: w.alpha,
        headline: headline.into(),
        color: "#123456".into(),
        assignee: None,
        from: super::noon(),
        to: super::noon(),
        depends_on: None,
    };
    let comment = |text: &str| NewComment {
        on: CommentTarget::Project(w.alpha),
        text: text.into(),
        parent: None,
        rating: None,
    };
    macro_rules! twice {
        ($seq:literal, $write:ident($($argument:expr),*)) => {{
            let first = w.board.$write(&w.marked($seq), $($argument),*).await.unwrap();
            let latest = w.board.latest_activity().await.unwrap();
            let again = w.board.$write(&w.marked($seq), $($argument),*).await.unwrap();
            assert!(first.changed && !again.changed);
            assert_eq!(first.after, again.after);
            assert_eq!(w.board.latest_activity().await.unwrap(), latest);
            first.after
        }};
    }
    twice!(1, add_person(super::person("Dora")));
    let project = twice!(2, add_project(super::project("Gamma")));
    twice!(3, edit_project(project.id, &[ProjectEdit::Closed(true)]));
    let added = twice!(4, add_milestone(milestone("M")));
    twice!(5, edit_milestone(added.id, &[MilestoneEdit::Done(true)]));
    let comment = twice!(6, add_comment(comment("Hello")));
    twice!(7, delete_comment(comment.id));
    let task = twice!(8, add_task(NewTask::new(w.alpha, "One")));
    twice!(9, edit_task(task.id, &[TaskEdit::Sort(1)]));
    twice!(10, delete_task(task.id));
}

async fn a_repeated_delete_answers_with_what_it_was(w: World) {
    let new = NewTask::new(w.alpha, "One").with(TaskEdit::Storypoints(Some(2.5)));
    let task = w.add(new).await.unwrap();
    let first = w.board.delete_task(&w.marked(1), task.id).await.unwrap();
    let again = w.board.delete_task(&w.marked(1), task.id).await.unwrap();
    assert_eq!((first.changed, &first.after), (true, &task));
    assert_eq!((again.changed, &again.after), (false, &task));
}

async fn a_mark_of_something_that_is_gone_says_so(w: World) {
    let task = w.board.add_task(&w.marked(1), NewTask::new(w.alpha, "One")).await.unwrap().after;
    w.board.delete_task(&w.by(), task.id).await.unwrap();
    not_found(w.board.add_task(&w.marked(1), NewTask::new(w.alpha, "One")).await);
    assert!(w.find(rota::domain::TaskQuery::default()).await.is_empty());
}

async fn a_mark_is_kept_also_when_nothing_changed(w: World) {
    let task = w.task("One").await;
    let same = [TaskEdit::Headline("One".into())];
    w.board.edit_task(&w.marked(1), task.id, &same).await.unwrap();
    w.edit(task.id, &[TaskEdit::Headline("Two".into())]).await.unwrap();
    w.board.edit_task(&w.marked(1), task.id, &same).await.unwrap();
    assert_eq!(w.board.task(task.id).await.unwrap().headline, "Two");
}

async fn a_mark_for_something_else_is_a_conflict(w: World) {
    let (one, two) = (w.task("One").await, w.task("Two").await);
    let edit = [TaskEdit::Sort(1)];
    w.board.edit_task(&w.marked(1), one.id, &edit).await.unwrap();
    conflict(w.board.edit_task(&w.marked(1), two.id, &edit).await);
    conflict(w.board.add_project(&w.marked(1), super::project("Gamma")).await);
}

async fn a_lower_fence_is_refused_whatever_the_write_is_about(w: World) {
    let (claimed, other) = (w.task("Claimed").await, w.task("Other").await);
    w.board.raise_fence(claimed.id, Fence(7)).await.unwrap();
    let (old, same) = (w.fenced(claimed.id, 6), w.fenced(claimed.id, 7));
    let edit = [TaskEdit::Sort(1)];
    for id in [claimed.id, other.id] {
        match w.board.edit_task(&old, id, &edit).await {
            Err(BoardError::Fenced { task, offered, seen }) => {
                assert_eq!((task, offered, seen), (claimed.id, Fence(6), Fence(7)));
            }
            answer => panic!("{answer:?}"),
        }
    }
    let fenced =
        |answer: Option<BoardError>| assert!(matches!(answer, Some(BoardError::Fenced { .. })));
    fenced(w.board.add_task(&old, NewTask::new(w.beta, "x")).await.err());
    fenced(w.board.delete_task(&old, other.id).await.err());
    fenced(w.board.add_project(&old, super::project("Gamma")).await.err());
    fenced(w.board.edit_project(&old, w.beta, &[ProjectEdit::Closed(true)]).await.err());
    fenced(w.board.add_person(&old, super::person("Dora")).await.err());
    let comment = NewComment {
        on: CommentTarget::Task(other.id),
        text: "x".into(),
        parent: None,
        rating: None,
    };
    fenced(w.board.add_comment(&old, comment).await.err());
    assert!(w.board.edit_task(&same, other.id, &edit).await.unwrap().changed);
    assert!(w.board.edit_task(&w.by(), claimed.id, &edit).await.unwrap().changed);
    assert!(
        w.board
            .edit_task(&w.fenced(other.id, 1), other.id, &[TaskEdit::Sort(9)])
            .await
            .unwrap()
            .changed
    );
}

async fn raising_a_fence_to_a_lower_number_changes_nothing(w: World) {
    let task = w.task("One").await;
    w.board.raise_fence(task.id, Fence(7)).await.unwrap();
    w.board.raise_fence(task.id, Fence(3)).await.unwrap();
    let answer = w.board.edit_task(&w.fenced(task.id, 6), task.id, &[TaskEdit::Sort(1)]).await;
    assert!(matches!(answer, Err(BoardError::Fenced { seen: Fence(7), .. })), "{answer:?}");
}

async fn a_write_under_a_higher_fence_raises_it(w: World) {
    let task = w.task("One").await;
    w.board.edit_task(&w.fenced(task.id, 1 << 32), task.id, &[TaskEdit::Sort(1)]).await.unwrap();
    let answer = w.board.edit_task(&w.fenced(task.id, 5), task.id, &[TaskEdit::Sort(2)]).await;
    assert!(matches!(answer, Err(BoardError::Fenced { .. })), "{answer:?}");
}

async fn a_fence_outlives_its_task(w: World) {
    let (task, other) = (w.task("One").await, w.task("Other").await);
    w.board.raise_fence(task.id, Fence(7)).await.unwrap();
    w.board.delete_task(&w.by(), task.id).await.unwrap();
    let answer = w.board.edit_task(&w.fenced(task.id, 6), other.id, &[TaskEdit::Sort(1)]).await;
    assert!(matches!(answer, Err(BoardError::Fenced { .. })), "{answer:?}");
}

async fn a_repeated_mark_is_answered_before_fence_and_revision(w: World) {
    let task = w.task("One").await;
    let stamp = Stamp { revision: Some(1), mark: Some(mark(1)), ..w.fenced(task.id, 1) };
    w.board.edit_task(&stamp, task.id, &[TaskEdit::Sort(1)]).await.unwrap();
    w.board.raise_fence(task.id, Fence(2)).await.unwrap();
    assert!(!w.board.edit_task(&stamp, task.id, &[TaskEdit::Sort(1)]).await.unwrap().changed);
}
