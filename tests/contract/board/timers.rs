//! Timers: one for a person and task, logged in the step that stops them.

use super::{World, contract, day, malformed, noon, not_found};
use chrono::TimeDelta;
use rota::board::BoardError;
use rota::domain::{
    Entity, NewTask, NewTimer, PersonId, Stamp, StopTimer, TaskId, TimeAmount, TimeChange,
    TimeKind, TimeQuery, Timer, TimerId, TimerKind, TimerLog, TimerQuery,
};
use std::time::Duration;

contract! {
    a_timer_is_kept_whole
    one_timer_runs_for_a_person_and_task
    stopping_logs_every_minute_that_was_begun
    time_is_logged_to_what_was_logged_before
    a_break_is_never_logged
    a_timer_may_be_thrown_away
    a_forgotten_timer_logs_what_the_day_still_holds
    what_makes_no_timer_is_malformed
    timers_go_with_their_task
    starting_and_stopping_is_recorded
}

fn new(person: PersonId, task: Option<TaskId>) -> NewTimer {
    NewTimer { person, task, kind: TimerKind::Work, started: None, planned: None }
}

fn stop(person: PersonId, task: Option<TaskId>) -> StopTimer {
    let log = TimerLog { day: day(0), kind: TimeKind::Testing, description: Some("Done".into()) };
    StopTimer { person, task, log: Some(log) }
}

async fn running(w: &World) -> Vec<Timer> {
    w.board.timers(&TimerQuery::default()).await.unwrap().items
}

async fn a_timer_is_kept_whole(w: World) {
    let task = w.add_below(NewTask::new(w.alpha, "x")).await.id;
    let on_task = NewTimer { planned: Some(1_500), ..new(w.ann, Some(task)) };
    let on_task = w.low().start_timer(&w.by(), on_task).await.unwrap().after;
    assert_eq!((on_task.person, on_task.task, on_task.kind), (w.ann, Some(task), TimerKind::Work));
    assert_eq!((on_task.started, on_task.planned), (noon(), Some(1_500)));
    let earlier = Some(noon() - TimeDelta::microseconds(1));
    let pause = NewTimer { kind: TimerKind::Break, started: earlier, ..new(w.bob, None) };
    let pause = w.board.start_timer(&w.by(), pause).await.unwrap().after;
    assert_eq!(
        (pause.kind, pause.started),
        (TimerKind::Break, noon() - TimeDelta::milliseconds(1))
    );
    assert_eq!(w.board.timer(on_task.id).await.unwrap(), on_task);
    assert_eq!(running(&w).await, [on_task.clone(), pause.clone()]);
    let of = |query: TimerQuery| async move { query };
    let bobs = of(TimerQuery { people: vec![w.bob], ..TimerQuery::default() }).await;
    assert_eq!(w.board.timers(&bobs).await.unwrap().items, [pause]);
    let tasks = of(TimerQuery { tasks: vec![task], ..TimerQuery::default() }).await;
    assert_eq!(w.board.timers(&tasks).await.unwrap().items, [on_task]);
}

async fn one_timer_runs_for_a_person_and_task(w: World) {
    let (one, two) = (w.add_below(NewTask::new(w.alpha, "1")).await.id, w.task("2").await.id);
    w.low().start_timer(&w.by(), new(w.ann, Some(one))).await.unwrap();
    w.pass();
    match w.board.start_timer(&w.by(), new(w.ann, Some(one))).await {
        Err(BoardError::Conflict(what)) => {
            assert!(what.contains(&noon().to_string()), "says since when: {what}");
        }
        other => panic!("{other:?}"),
    }
    for (person, task) in [(w.bob, Some(one)), (w.ann, Some(two)), (w.ann, None), (w.bob, None)] {
        w.board.start_timer(&w.by(), new(person, task)).await.unwrap();
        let again = w.board.start_timer(&w.by(), new(person, task)).await;
        assert!(matches!(again, Err(BoardError::Conflict(_))), "{again:?}");
    }
    assert_eq!(running(&w).await.len(), 5);
    w.board.stop_timer(&w.by(), stop(w.ann, Some(one))).await.unwrap();
    not_found(w.board.stop_timer(&w.by(), stop(w.ann, Some(one))).await);
    w.board.start_timer(&w.by(), new(w.ann, Some(one))).await.unwrap();
}

async fn stopping_logs_every_minute_that_was_begun(w: World) {
    let task = w.add_below(NewTask::new(w.beta, "x")).await.id;
    for (ran_ms, logged) in
        [(0, 0), (1, 60), (60_000, 60), (60_001, 120), (5_400_000, 5_400), (5_399_000, 5_400)]
    {
        let timer = w.low().start_timer(&w.by(), new(w.ann, Some(task))).await.unwrap().after;
        w.clock.advance(Duration::from_millis(ran_ms));
        let stopped = w.board.stop_timer(&w.by(), stop(w.ann, Some(task))).await.unwrap();
        assert!(stopped.changed);
        assert_eq!((stopped.after.ran, stopped.after.logged), (ran_ms / 1_000, logged));
        assert_eq!(stopped.after.timer, timer);
        not_found(w.board.timer(timer.id).await);
        let entries = w.board.time_entries(&TimeQuery::default()).await.unwrap().items;
        assert_eq!(stopped.after.entry.as_ref(), entries.first());
        if let Some(entry) = stopped.after.entry {
            assert_eq!((entry.seconds, entry.day, entry.kind), (logged, day(0), TimeKind::Testing));
            assert_eq!((entry.person, entry.task, entry.project), (w.ann, task, w.beta));
            let kind = entry.kind;
            let back = TimeChange {
                task,
                person: w.ann,
                day: day(0),
                kind,
                amount: TimeAmount::Set(0),
                description: None,
            };
            w.board.log_time(&w.by(), back).await.unwrap();
        }
        if w.below.is_some() {
            // What was stopped here still runs below, where nobody stops it.
            let log = None;
            let person = w.ann;
            let low = StopTimer { person, task: Some(task), log };
            w.low().stop_timer(&w.by(), low).await.unwrap();
        }
    }
}

async fn time_is_logged_to_what_was_logged_before(w: World) {
    let task = w.add_below(NewTask::new(w.alpha, "x")).await.id;
    let amount = TimeAmount::Add(30);
    let kind = TimeKind::Testing;
    let description = Some("Before".to_owned());
    let before = TimeChange { task, person: w.ann, day: day(0), kind, amount, description };
    let before = w.low().log_time(&w.by(), before).await.unwrap().after;
    w.board.start_timer(&w.by(), new(w.ann, Some(task))).await.unwrap();
    w.pass();
    let stopped = w.board.stop_timer(&w.by(), stop(w.ann, Some(task))).await.unwrap().after;
    let entry = stopped.entry.unwrap();
    assert_eq!((entry.id, entry.seconds, stopped.logged), (before.id, 90, 60));
    assert_eq!(entry.description, "Before\nDone");
}

async fn a_break_is_never_logged(w: World) {
    let pause = NewTimer { kind: TimerKind::Break, ..new(w.ann, None) };
    w.board.start_timer(&w.by(), pause).await.unwrap();
    w.board.start_timer(&w.by(), new(w.bob, None)).await.unwrap();
    w.clock.advance(Duration::from_mins(20));
    for who in [w.ann, w.bob] {
        let stopped = w.board.stop_timer(&w.by(), stop(who, None)).await.unwrap().after;
        assert_eq!((stopped.ran, stopped.logged, stopped.entry), (1_200, 0, None));
    }
    assert!(w.board.time_entries(&TimeQuery::default()).await.unwrap().items.is_empty());
}

async fn a_timer_may_be_thrown_away(w: World) {
    let task = w.task("x").await.id;
    w.board.start_timer(&w.by(), new(w.ann, Some(task))).await.unwrap();
    w.clock.advance(Duration::from_mins(20));
    let away = StopTimer { log: None, ..stop(w.ann, Some(task)) };
    let stopped = w.board.stop_timer(&w.by(), away).await.unwrap().after;
    assert_eq!((stopped.logged, stopped.entry), (0, None));
    assert!(running(&w).await.is_empty());
    // As it was: what was stopped can be started since when it ran.
    let again = NewTimer { started: Some(stopped.timer.started), ..new(w.ann, Some(task)) };
    let again = w.board.start_timer(&w.by(), again).await.unwrap().after;
    assert_eq!(again, Timer { id: again.id, ..stopped.timer });
}

async fn a_forgotten_timer_logs_what_the_day_still_holds(w: World) {
    let (task, other) = (w.task("x").await.id, w.task("y").await.id);
    let change = TimeChange {
        task: other,
        person: w.ann,
        day: day(0),
        kind: TimeKind::Development,
        amount: TimeAmount::Set(86_000),
        description: None,
    };
    w.board.log_time(&w.by(), change).await.unwrap();
    w.board.start_timer(&w.by(), new(w.ann, Some(task))).await.unwrap();
    w.board.start_timer(&w.by(), new(w.ann, Some(other))).await.unwrap();
    w.clock.advance(Duration::from_hours(70));
    let stopped = w.board.stop_timer(&w.by(), stop(w.ann, Some(task))).await.unwrap().after;
    assert_eq!((stopped.ran, stopped.logged), (252_000, 400));
    let stopped = w.board.stop_timer(&w.by(), stop(w.ann, Some(other))).await.unwrap().after;
    assert_eq!((stopped.logged, stopped.entry), (0, None), "the day is full");
}

async fn what_makes_no_timer_is_malformed(w: World) {
    let task = w.task("x").await.id;
    let with = |change: fn(&mut NewTimer)| {
        let mut timer = new(w.ann, Some(task));
        change(&mut timer);
        timer
    };
    for timer in [
        with(|timer| timer.kind = TimerKind::Break),
        with(|timer| timer.planned = Some(0)),
        with(|timer| timer.planned = Some(u32::MAX)),
        with(|timer| timer.started = Some(noon() + TimeDelta::milliseconds(1))),
        with(|timer| timer.person = PersonId(99)),
    ] {
        malformed(w.board.start_timer(&w.by(), timer).await);
    }
    malformed(w.board.start_timer(&Stamp::by(PersonId(99)), new(w.ann, None)).await);
    let stamp = Stamp { revision: Some(1), ..w.by() };
    malformed(w.board.start_timer(&stamp, new(w.ann, None)).await);
    not_found(w.board.start_timer(&w.by(), new(w.ann, Some(TaskId(99)))).await);
    not_found(w.board.stop_timer(&w.by(), stop(w.ann, None)).await);
    not_found(w.board.timer(TimerId(99)).await);
    // Refused as a whole: the timer goes on.
    w.board.start_timer(&w.by(), new(w.ann, Some(task))).await.unwrap();
    w.pass();
    let mut bad = stop(w.ann, Some(task));
    bad.log = bad.log.map(|log| TimerLog { day: chrono::NaiveDate::MAX, ..log });
    malformed(w.board.stop_timer(&w.by(), bad).await);
    assert_eq!(running(&w).await.len(), 1);
}

async fn timers_go_with_their_task(w: World) {
    let (task, other) = (w.add_below(NewTask::new(w.alpha, "x")).await.id, w.task("y").await.id);
    w.low().start_timer(&w.by(), new(w.ann, Some(task))).await.unwrap();
    w.board.start_timer(&w.by(), new(w.bob, Some(task))).await.unwrap();
    let kept = w.board.start_timer(&w.by(), new(w.ann, Some(other))).await.unwrap().after;
    w.board.delete_task(&w.by(), task).await.unwrap();
    assert_eq!(running(&w).await, [kept]);
    not_found(w.board.stop_timer(&w.by(), stop(w.ann, Some(task))).await);
}

async fn starting_and_stopping_is_recorded(w: World) {
    let task = w.task("x").await;
    let latest = w.board.latest_activity().await.unwrap();
    w.pass();
    let timer = w.board.start_timer(&w.by(), new(w.bob, Some(task.id))).await.unwrap().after;
    let now = w.board.task(task.id).await.unwrap();
    assert_eq!((now.revision, now.modified > task.modified), (1, true));
    w.clock.advance(Duration::from_secs(90));
    let stopped = w.board.stop_timer(&w.by(), stop(w.bob, Some(task.id))).await.unwrap().after;
    let rows = w.rows_after(latest).await;
    let told: Vec<_> =
        rows.iter().map(|r| (r.entity, r.field.as_str(), r.before.to_string())).collect();
    let (timer, entry) = (Entity::Timer(timer.id), Entity::TimeEntry(stopped.entry.unwrap().id));
    let none = "–".to_owned();
    assert_eq!(
        told,
        [
            (timer, "created", none.clone()),
            (timer, "deleted", "1m30s".to_owned()),
            (entry, "created", none)
        ]
    );
    assert!(rows.iter().all(|r| r.task == Some(task.id) && r.project == Some(w.alpha)));
    assert!(rows.iter().all(|r| r.actor == Some(w.ann)));
}
