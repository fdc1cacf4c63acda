//! What only the overlay does: nothing reaches the board below.

use super::{World, noon};
use rota::board::overlay::Overlay;
use rota::board::{History, Tasks};
use rota::domain::{NewTask, TaskEdit, TaskQuery};

#[tokio::test]
async fn nothing_reaches_the_board_below() {
    let w = World::overlay_sqlite().await;
    let below = w.below.clone().unwrap();
    let (kept, doomed) = (
        w.add_below(NewTask::new(w.alpha, "Kept")).await,
        w.add_below(NewTask::new(w.alpha, "Doomed")).await,
    );
    let latest = below.latest_activity().await.unwrap();
    w.edit(kept.id, &[TaskEdit::Headline("Edited".into())]).await.unwrap();
    w.board.delete_task(&w.by(), doomed.id).await.unwrap();
    let new = w.task("New").await;
    assert_eq!(w.find(TaskQuery::default()).await, [kept.id, new.id]);
    assert_eq!(below.latest_activity().await.unwrap(), latest);
    assert_eq!(below.task(kept.id).await.unwrap(), kept);
    assert_eq!(below.task(doomed.id).await.unwrap(), doomed);
    assert_eq!(below.tasks(&TaskQuery::default()).await.unwrap().items.len(), 2);
}

#[tokio::test]
async fn what_comes_below_later_does_not_collide_with_what_is_new_here() {
    let w = World::overlay_sqlite().await;
    let here = w.task("Here").await;
    let below = w.add_below(NewTask::new(w.alpha, "Below")).await;
    assert_ne!(here.id, below.id);
    assert_eq!(w.find(TaskQuery::default()).await, [below.id, here.id]);
}

#[tokio::test]
async fn the_changes_made_are_told_in_order() {
    let w = World::sqlite().await;
    let task = w.task("One").await;
    let dry = Overlay::over(w.board.clone(), w.clock.clone());
    assert!(dry.changes_made().is_empty());
    dry.edit_task(&w.by(), task.id, &[TaskEdit::Sort(1)]).await.unwrap();
    dry.edit_task(&w.by(), task.id, &[TaskEdit::Sort(1)]).await.unwrap();
    dry.add_task(&w.by(), NewTask::new(w.alpha, "Two")).await.unwrap();
    let made = dry.changes_made();
    let fields: Vec<&str> = made.iter().map(|row| row.field.as_str()).collect();
    assert_eq!(fields, ["sort", "created"]);
    assert!(made.iter().all(|row| row.at == noon() && row.actor == Some(w.ann)));
    assert_eq!(dry.latest_activity().await.unwrap(), made[1].id);
}

#[tokio::test]
async fn a_mark_of_the_board_below_is_honoured() {
    let w = World::sqlite().await;
    let task = w.board.add_task(&w.marked(1), NewTask::new(w.alpha, "One")).await.unwrap().after;
    let dry = Overlay::over(w.board.clone(), w.clock.clone());
    let again = dry.add_task(&w.marked(1), NewTask::new(w.alpha, "One")).await.unwrap();
    assert_eq!((again.changed, again.after), (false, task));
}
