//! The record of every change.

use super::{World, contract, noon};
use chrono::TimeDelta;
use rota::domain::{ActivityId, ActivityQuery, Cursor, NewTask, ProjectEdit, TaskEdit, Value};

contract! {
    rows_are_numbered_in_the_order_they_happened
    each_part_of_a_question_about_activity_narrows
    activity_comes_in_pages_in_both_directions
    a_clock_that_steps_back_does_not_reorder_activity
}

async fn rows_are_numbered_in_the_order_they_happened(w: World) {
    let start = w.board.latest_activity().await.unwrap();
    let task = w.task("One").await;
    for number in 1..10 {
        w.edit(task.id, &[TaskEdit::Sort(number)]).await.unwrap();
    }
    let rows = w.rows_after(start).await;
    assert_eq!(rows.len(), 10);
    assert!(rows.windows(2).all(|pair| pair[0].id < pair[1].id));
    assert_eq!(rows[0].after, Value::from("One"));
    for (row, number) in rows[1..].iter().zip(1..) {
        assert_eq!((&row.before, &row.after), (&Value::Int(number - 1), &Value::Int(number)));
    }
    assert_eq!(w.board.latest_activity().await.unwrap(), rows[9].id);
}

async fn each_part_of_a_question_about_activity_narrows(w: World) {
    let one = w.add_below(NewTask::new(w.alpha, "One")).await;
    w.pass();
    let two = w.add(NewTask::new(w.beta, "Two")).await.unwrap();
    w.edit(two.id, &[TaskEdit::Priority(Some(1)), TaskEdit::Sort(1)]).await.unwrap();
    w.pass();
    w.board.edit_project(&w.by(), w.beta, &[ProjectEdit::Closed(true)]).await.unwrap();
    let fields = async |query: ActivityQuery| -> Vec<String> {
        w.board.activity(&query).await.unwrap().items.into_iter().map(|row| row.field).collect()
    };
    let all = ActivityQuery::default;
    assert_eq!(fields(ActivityQuery { task: Some(one.id), ..all() }).await, ["created"]);
    let beta = ActivityQuery { projects: vec![w.beta], ..all() };
    assert_eq!(fields(beta).await, ["created", "created", "priority", "sort", "closed"]);
    assert_eq!(fields(ActivityQuery { field: Some("sort".into()), ..all() }).await, ["sort"]);
    let second = |n| Some(noon() + TimeDelta::seconds(n));
    let span = ActivityQuery { from: second(1), to: second(2), ..all() };
    assert_eq!(fields(span).await, ["created", "priority", "sort"]);
    assert_eq!(fields(ActivityQuery { from: second(2), ..all() }).await, ["closed"]);
}

async fn activity_comes_in_pages_in_both_directions(w: World) {
    let task = w.add_below(NewTask::new(w.alpha, "One")).await;
    for number in 1..8 {
        w.edit(task.id, &[TaskEdit::Sort(number)]).await.unwrap();
    }
    let whole: Vec<ActivityId> =
        w.rows_after(ActivityId(0)).await.iter().map(|row| row.id).collect();
    assert_eq!(whole.len(), 13);
    for latest_first in [false, true] {
        let mut query = ActivityQuery { latest_first, limit: 4, ..ActivityQuery::default() };
        let mut met = Vec::new();
        loop {
            let page = w.board.activity(&query).await.unwrap();
            assert!(page.items.len() <= 4);
            met.extend(page.items.iter().map(|row| row.id));
            let Some(Cursor(next)) = page.next else { break };
            query.after = Some(next.parse().unwrap());
        }
        if latest_first {
            met.reverse();
        }
        assert_eq!(met, whole);
    }
}

async fn a_clock_that_steps_back_does_not_reorder_activity(w: World) {
    let task = w.task("One").await;
    w.clock.step_wall(noon() - TimeDelta::days(1));
    let edited = w.edit(task.id, &[TaskEdit::Sort(1)]).await.unwrap();
    assert_eq!(edited.modified, noon() - TimeDelta::days(1));
    let query = ActivityQuery { task: Some(task.id), ..ActivityQuery::default() };
    let rows = w.board.activity(&query).await.unwrap().items;
    assert_eq!(rows[0].field, "created");
    assert!(rows[0].at > rows[1].at);
}
