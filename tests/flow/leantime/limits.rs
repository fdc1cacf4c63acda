//! Ten requests in a minute are enough, and nothing fails by them.

use super::{Scene, unlimited};
use crate::support::leantime::Options as Fake;
use futures::future::join_all;
use rota::board::{Comments, Tasks};
use rota::domain::{CommentTarget, NewComment, NewTask, TaskEdit, TaskQuery};
use std::time::Duration;

/// How much faster the server's minutes go by than ours.
const LAPSE: u32 = 120;

#[tokio::test]
async fn under_ten_requests_a_minute_thirty_tasks_are_worked_on_and_nothing_fails() {
    let fake = Fake { rate_per_minute: Some(10), ..Fake::default() };
    let s = Scene::with(fake, |options| {
        options.requests_per_minute = 10;
        // Our timers may be late; the server's minute is not to end after ours.
        options.window = Some(Duration::from_mins(1) / LAPSE * 5 / 4);
        options.look_every = Duration::from_millis(50);
    })
    .await;
    let passing = async {
        let mut last = tokio::time::Instant::now();
        loop {
            tokio::time::sleep(Duration::from_millis(5)).await;
            s.fake.advance(last.elapsed() * LAPSE);
            last = tokio::time::Instant::now();
        }
    };
    let working = async {
        let by = s.by();
        let adds = (0..30).map(|n| s.board.add_task(&by, NewTask::new(s.project, format!("T{n}"))));
        let tasks: Vec<_> = join_all(adds).await.into_iter().map(|t| t.unwrap().after).collect();
        let work = tasks.iter().map(|task| async {
            let edits = [TaskEdit::Assignee(Some(s.agent)), TaskEdit::AddTag("AI-Agent".into())];
            s.board.edit_task(&by, task.id, &edits).await.unwrap();
            let on = CommentTarget::Task(task.id);
            let new = NewComment { on, text: "Begun".into(), parent: None, rating: None };
            s.board.add_comment(&by, new).await.unwrap();
        });
        join_all(work).await;
        s.latest().await;
        s.board.tasks(&TaskQuery::default()).await.unwrap().items.len()
    };
    let done = tokio::select! {
        done = working => done,
        () = passing => 0,
    };
    assert_eq!(done, 30);
    let asked = s.fake.asked();
    let refused = asked.iter().filter(|asked| asked.status == Some(429)).count();
    assert_eq!(refused, 0, "of {}", asked.len());
    let methods: usize = asked.iter().map(|asked| asked.methods.len()).sum();
    assert!(methods > asked.len() * 4, "{methods} calls in {} requests", asked.len());
    s.is_careful();
}

#[tokio::test]
async fn writes_to_many_tasks_go_in_few_requests() {
    let s = Scene::new(unlimited()).await;
    let mut tasks = Vec::new();
    for number in 0..20 {
        tasks.push(s.task(&format!("T{number}")).await);
    }
    let before = s.board.requests();
    let edits = tasks.iter().map(|task| s.edit(task, TaskEdit::Headline("New".into())));
    assert!(join_all(edits).await.iter().all(Result::is_ok));
    let requests = s.board.requests() - before;
    assert!(requests <= 6, "{requests} requests for twenty edits");
    s.is_careful();
}

#[tokio::test]
async fn an_edit_takes_two_requests_and_a_comment_on_a_known_task_two() {
    let s = Scene::new(unlimited()).await;
    let task = s.task("One").await;
    let count = async |work: &str| {
        let before = s.board.requests();
        match work {
            "edit" => {
                s.edit(&task, TaskEdit::AddTag("x".into())).await.unwrap();
            }
            "comment" => {
                let on = CommentTarget::Task(task.id);
                let new = NewComment { on, text: "x".into(), parent: None, rating: None };
                s.board.add_comment(&s.by(), new).await.unwrap();
            }
            _ => {
                s.latest().await;
            }
        }
        s.board.requests() - before
    };
    assert_eq!(count("edit").await, 2);
    assert_eq!(count("comment").await, 2);
    assert_eq!(count("look").await, 1);
    let before = s.board.requests();
    s.board.tasks(&TaskQuery::default()).await.unwrap();
    assert_eq!(s.board.requests(), before, "the look has the list");
    s.is_careful();
}
