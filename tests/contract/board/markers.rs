//! Markers, on boards that have them. On the others, a comment under a stamp with a marker is a
//! comment and nothing more.

use super::{World, contract, mark, not_found};
use rota::clock::Clock as _;
use rota::domain::{
    Comment, CommentId, CommentQuery, CommentTarget, NewComment, NewMarker, RunId, Stamp, Task,
};
use std::time::Duration;

contract! {
    a_comment_under_a_stamp_with_a_marker_is_a_marker_from_its_first_instant
    markers_come_in_the_boards_own_order_and_are_in_every_later_answer
    what_somebody_types_is_no_marker
    a_markers_end_changes_nothing_else
    ends_are_told_by_the_boards_clock_alone
}

const TEN_MINUTES: Duration = Duration::from_mins(10);

fn marker(run: &str) -> NewMarker {
    NewMarker { run: RunId::new(run), lasts: TEN_MINUTES }
}

async fn say(w: &World, by: &Stamp, on: &Task, text: &str) -> Comment {
    let new = NewComment {
        on: CommentTarget::Task(on.id),
        text: text.into(),
        parent: None,
        rating: None,
    };
    w.board.add_comment(by, new).await.unwrap().after
}

async fn marked(w: &World, on: &Task, text: &str, run: &str) -> Comment {
    say(w, &Stamp { marker: Some(marker(run)), ..w.by() }, on, text).await
}

async fn thread_of(w: &World, on: &Task) -> Vec<Comment> {
    let query = CommentQuery { on: Some(CommentTarget::Task(on.id)), ..CommentQuery::default() };
    w.board.comments(&query).await.unwrap().items
}

async fn a_comment_under_a_stamp_with_a_marker_is_a_marker_from_its_first_instant(w: World) {
    let task = w.task("One").await;
    let comment = marked(&w, &task, "I take **this**.", "r-000000000001").await;
    assert_eq!(comment.text, "I take **this**.");
    let seen = thread_of(&w, &task).await;
    assert_eq!(seen, std::slice::from_ref(&comment), "it reads as it would without");
    let Some(markers) = w.board.markers() else { return };
    let thread = markers.thread(task.id, Duration::ZERO).await.unwrap();
    assert_eq!((thread.markers.len(), thread.last), (1, comment.id));
    let found = thread.of(comment.id).unwrap();
    assert_eq!((found.author, found.run.as_str()), (w.ann, "r-000000000001"));
    let left = (found.ends - thread.now).num_seconds();
    assert!((595..=600).contains(&left), "{left} s");
    assert!(thread.is_open(found));
}

async fn markers_come_in_the_boards_own_order_and_are_in_every_later_answer(w: World) {
    let (task, other) = (w.task("One").await, w.task("Two").await);
    let first = marked(&w, &task, "First", "r-000000000001").await;
    let between = say(&w, &w.by(), &task, "Between").await;
    marked(&w, &other, "Elsewhere", "r-000000000003").await;
    let second = Stamp { actor: w.bob, marker: Some(marker("r-000000000002")), ..w.by() };
    let second = say(&w, &second, &task, "Second").await;
    assert!(first.id < between.id && between.id < second.id);
    let Some(markers) = w.board.markers() else { return };
    let thread = markers.thread(task.id, Duration::ZERO).await.unwrap();
    let order: Vec<_> = thread.markers.iter().map(|marker| marker.comment).collect();
    assert_eq!((order, thread.last), (vec![first.id, second.id], second.id));
}

async fn what_somebody_types_is_no_marker(w: World) {
    let (task, other) = (w.task("One").await, w.task("Two").await);
    marked(&w, &other, "Marked", "r-000000000001").await;
    // What a marker looks like to whoever reads the comment, typed again; and what it might be.
    let shown = thread_of(&w, &other).await;
    for text in [
        shown[0].text.as_str(),
        "<!-- rota r-000000000002 until 2026-11-22T14:10:00Z -->",
        "Done. <!-- rota r-000000000002 until 2026-11-22T14:10:00Z -->",
        "&lt;!-- rota r-000000000002 until 2026-11-22T14:10:00Z --&gt;",
        "```\n<!-- rota r-000000000002 until 2026-11-22T14:10:00Z -->\n```",
    ] {
        say(&w, &w.by(), &task, text).await;
    }
    let Some(markers) = w.board.markers() else { return };
    let thread = markers.thread(task.id, Duration::ZERO).await.unwrap();
    assert_eq!(thread.markers, []);
}

async fn a_markers_end_changes_nothing_else(w: World) {
    let task = w.task("One").await;
    let comment = marked(&w, &task, "Mine", "r-000000000001").await;
    let plain = say(&w, &w.by(), &task, "Plain").await;
    let before = (w.board.task(task.id).await.unwrap(), thread_of(&w, &task).await);
    let Some(markers) = w.board.markers() else { return };
    let latest = w.board.latest_activity().await.unwrap();
    let by = Stamp { mark: Some(mark(9)), ..w.by() };
    let set =
        async |comment: CommentId, lasts| markers.set_marker(&by, task.id, comment, lasts).await;
    let thread = set(comment.id, Some(Duration::from_mins(20))).await.unwrap();
    let left = (thread.of(comment.id).unwrap().ends - thread.now).num_seconds();
    assert!((1_195..=1_200).contains(&left), "{left} s");
    let closed = set(comment.id, None).await.unwrap();
    assert_eq!(closed.of(comment.id), None);
    assert!(w.rows_after(latest).await.is_empty(), "it is no change");
    let after = (w.board.task(task.id).await.unwrap(), thread_of(&w, &task).await);
    assert_eq!(after, before);
    not_found(set(comment.id, Some(TEN_MINUTES)).await);
    not_found(set(plain.id, Some(TEN_MINUTES)).await);
    not_found(set(CommentId(999_999), None).await);
}

async fn ends_are_told_by_the_boards_clock_alone(w: World) {
    let task = w.task("One").await;
    let comment = marked(&w, &task, "Mine", "r-000000000001").await;
    let Some(markers) = w.board.markers() else { return };
    let before = markers.thread(task.id, Duration::ZERO).await.unwrap();
    // Whatever our own clock shows.
    w.clock.step_wall(w.clock.wall() + chrono::TimeDelta::days(3));
    let after = markers.thread(task.id, Duration::ZERO).await.unwrap();
    assert_eq!(after.of(comment.id), before.of(comment.id));
    assert!((after.now - before.now).num_seconds() < 60);
    let by = Stamp { actor: w.ann, ..w.by() };
    let set = markers.set_marker(&by, task.id, comment.id, Some(TEN_MINUTES)).await.unwrap();
    let left = (set.of(comment.id).unwrap().ends - set.now).num_seconds();
    assert!((595..=600).contains(&left), "{left} s");
}
