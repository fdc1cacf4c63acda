//! Two who have one board open, in one process or in several: what each sees of the other.

use super::World;
use rota::board::Board;
use rota::domain::{ProjectEdit, TaskEdit};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Runs each case for every adapter that can be opened twice.
macro_rules! opened_twice {
    ($($case:ident)*) => {
        mod sqlite {
            $(#[tokio::test] async fn $case() {
                super::$case(crate::contract::board::World::sqlite().await).await;
            })*
        }
        mod postgres {
            $(#[tokio::test] async fn $case() {
                if let Some(world) = crate::contract::board::World::postgres().await {
                    super::$case(world).await;
                }
            })*
        }
    };
}

opened_twice! {
    two_write_at_once_and_see_each_other
    people_and_projects_that_another_wrote_are_seen_by_the_next_question
    who_asks_while_others_write_sees_every_write_that_has_returned
}

async fn two_write_at_once_and_see_each_other(w: World) {
    let other: Arc<dyn Board> = w.beside().await;
    let task = w.task("One").await;
    let edits = (1..=40).map(|number| {
        let board = if number % 2 == 0 { w.board.clone() } else { other.clone() };
        let by = w.by();
        async move { board.edit_task(&by, task.id, &[TaskEdit::Sort(number)]).await }
    });
    let mut revisions: Vec<u64> = futures::future::join_all(edits)
        .await
        .into_iter()
        .map(|answer| answer.unwrap().after.revision)
        .collect();
    revisions.sort_unstable();
    assert_eq!(revisions, (2..=41).collect::<Vec<_>>());
    assert_eq!(w.board.task(task.id).await.unwrap(), other.task(task.id).await.unwrap());
    assert_eq!(w.board.latest_activity().await.unwrap(), other.latest_activity().await.unwrap());
}

async fn people_and_projects_that_another_wrote_are_seen_by_the_next_question(w: World) {
    let other: Arc<dyn Board> = w.beside().await;
    let boards = [w.board.clone(), other.clone()];
    for round in 0..20 {
        let (writes, reads) = (&boards[round % 2], &boards[(round + 1) % 2]);
        let added = writes.add_person(&w.by(), super::person(&format!("P{round}"))).await.unwrap();
        assert_eq!(reads.people().await.unwrap().last(), Some(&added.after), "{round}");
        // What is no change of a person or project comes between, and after it.
        w.task(&format!("One of {round}")).await;
        let name = ProjectEdit::Name(format!("Alpha {round}"));
        let edited = writes.edit_project(&w.by(), w.alpha, &[name]).await.unwrap();
        w.task(&format!("Two of {round}")).await;
        for board in &boards {
            assert_eq!(board.projects().await.unwrap()[0], edited.after, "{round}");
            assert_eq!(board.people().await.unwrap().len(), 4 + round, "{round}");
        }
    }
}

async fn who_asks_while_others_write_sees_every_write_that_has_returned(w: World) {
    let other: Arc<dyn Board> = w.beside().await;
    let written = AtomicUsize::new(w.board.people().await.unwrap().len());
    let writes = async {
        for number in 0..60 {
            w.board.add_person(&w.by(), super::person(&format!("P{number}"))).await.unwrap();
            written.fetch_add(1, Ordering::SeqCst);
            w.task("In between").await;
        }
    };
    let asks = |board: Arc<dyn Board>| {
        let written = &written;
        async move {
            while written.load(Ordering::SeqCst) < 63 {
                let least = written.load(Ordering::SeqCst);
                assert!(board.people().await.unwrap().len() >= least);
            }
        }
    };
    let again = asks(w.board.clone());
    tokio::join!(writes, asks(w.board.clone()), again, asks(other));
    assert_eq!(written.into_inner(), 63);
}
