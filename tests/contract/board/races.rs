//! Many writers at once.

use super::{World, contract, mark};
use futures::future::join_all;
use rota::board::BoardError;
use rota::domain::{ActivityId, NewTask, Stamp, TaskEdit, TaskQuery};
use std::collections::BTreeSet;

contract! {
    revisions_grow_strictly_by_one_under_many_writers
    many_add_at_once_and_each_gets_its_own_task
    of_many_writes_for_one_revision_exactly_one_succeeds
    of_many_writes_under_one_mark_exactly_one_changes_something
    two_that_would_block_each_other_do_not_both_succeed
}

async fn revisions_grow_strictly_by_one_under_many_writers(w: World) {
    let task = w.task("One").await;
    let edits = (1..=60).map(|number| {
        let (board, by) = (w.board.clone(), w.by());
        async move { board.edit_task(&by, task.id, &[TaskEdit::AddTag(format!("t{number}"))]).await }
    });
    let mut revisions: Vec<u64> =
        join_all(edits).await.into_iter().map(|answer| answer.unwrap().after.revision).collect();
    revisions.sort_unstable();
    assert_eq!(revisions, (2..=61).collect::<Vec<_>>());
    assert_eq!(w.board.task(task.id).await.unwrap().tags.len(), 60);
}

async fn many_add_at_once_and_each_gets_its_own_task(w: World) {
    let before = w.rows_after(ActivityId(0)).await.len();
    let adds = (0..60).map(|number| {
        let (board, by, new) =
            (w.board.clone(), w.by(), NewTask::new(w.alpha, format!("{number}")));
        async move { board.add_task(&by, new).await.unwrap().after.id }
    });
    let ids: BTreeSet<_> = join_all(adds).await.into_iter().collect();
    assert_eq!(ids.len(), 60);
    assert_eq!(w.find(TaskQuery::default()).await.into_iter().collect::<BTreeSet<_>>(), ids);
    assert_eq!(w.rows_after(ActivityId(0)).await.len(), before + 60);
}

async fn of_many_writes_for_one_revision_exactly_one_succeeds(w: World) {
    let task = w.task("One").await;
    let edits = (1..=20).map(|number| {
        let (board, by) = (w.board.clone(), Stamp { revision: Some(1), ..w.by() });
        async move { board.edit_task(&by, task.id, &[TaskEdit::Sort(number)]).await }
    });
    let answers = join_all(edits).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    assert!(answers.iter().all(|a| matches!(a, Ok(_) | Err(BoardError::Conflict(_)))));
}

async fn of_many_writes_under_one_mark_exactly_one_changes_something(w: World) {
    let adds = (0..20).map(|_| {
        let (board, new) = (w.board.clone(), NewTask::new(w.alpha, "One"));
        let by = Stamp { mark: Some(mark(1)), ..w.by() };
        async move { board.add_task(&by, new).await.unwrap() }
    });
    let answers = join_all(adds).await;
    assert_eq!(answers.iter().filter(|written| written.changed).count(), 1);
    assert!(answers.iter().all(|written| written.after == answers[0].after));
    assert_eq!(w.find(TaskQuery::default()).await.len(), 1);
}

async fn two_that_would_block_each_other_do_not_both_succeed(w: World) {
    for _ in 0..5 {
        let (one, two) = (w.task("1").await.id, w.task("2").await.id);
        let by = w.by();
        let (first, second) = ([TaskEdit::AddBlocker(two)], [TaskEdit::AddBlocker(one)]);
        let (first, second) =
            tokio::join!(w.board.edit_task(&by, one, &first), w.board.edit_task(&by, two, &second));
        assert!(first.is_ok() != second.is_ok(), "{first:?} {second:?}");
    }
}
